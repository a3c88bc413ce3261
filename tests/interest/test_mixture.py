from __future__ import annotations

import numpy as np
import pytest

from penchant.interest.mixture import EDGES, MIN_ROWS, STRENGTHS, best_strength, fit_mixture, view_probability
from penchant.interest.parameters import TrackerParameters
from penchant.interest.prequential import RECENT, TopicEvidence

N_TOPICS = 30


def drawn(weights, n, seed, known=1e9, long_known=None):
    """Return evidence of topics that were drawn from a mixture of three known distributions."""
    rng = np.random.default_rng(seed)
    views = rng.dirichlet(np.full(N_TOPICS, 0.1), size=(n, 3))  # (n, K, T): each view its own opinion
    chosen = rng.choice(3, n, p=weights)
    came = np.array([rng.choice(N_TOPICS, p=views[i, chosen[i]]) for i in range(n)])
    p = views[np.arange(n), :, came]  # (n, K)
    amount = np.full((n, 3), known)
    if long_known is not None:
        amount[:, -1] = long_known
    return TopicEvidence(
        half_lives_days=np.array([1.0, 10.0, 100.0]),
        topic=p * amount,
        known=amount,
        prior=np.full(n, 1.0 / N_TOPICS),
        weight=np.ones(n),
        recent=np.full((n, RECENT), -1),
        came=came,
    )


@pytest.mark.parametrize("weights", [(0.2, 0.5, 0.3), (0.7, 0.2, 0.1), (1.0, 0.0, 0.0)])
def test_the_weights_that_made_the_data_are_found_again(weights):
    learned = fit_mixture(drawn(weights, 6000, 1), iterations=200)
    assert learned.weights.sum(axis=1) == pytest.approx(np.ones(len(EDGES) + 1))
    assert learned.weights[-1] == pytest.approx(np.array(weights), abs=0.03)


def test_each_group_of_users_has_its_own_weights():
    little = drawn((0.8, 0.1, 0.1), 3000, 2, long_known=5.0)
    much = drawn((0.1, 0.1, 0.8), 3000, 3, long_known=1e9)
    both = TopicEvidence(
        little.half_lives_days,
        *(
            np.concatenate([getattr(little, name), getattr(much, name)])
            for name in ("topic", "known", "prior", "weight", "recent", "came")
        ),
    )
    learned = fit_mixture(both)
    assert learned.weights[0, 0] > 0.6
    assert learned.weights[-1] == pytest.approx([0.1, 0.1, 0.8], abs=0.05)
    # Groups in between have no data: everybody's weights.
    assert learned.weights[1].tolist() == learned.weights[2].tolist() == learned.weights[3].tolist()


def test_every_step_makes_the_data_more_likely():
    evidence = drawn((0.2, 0.5, 0.3), 1000, 4)
    likelihood = []
    for iterations in (0, 1, 2, 5, 20, 60):
        learned = fit_mixture(evidence, iterations)
        p = np.stack([view_probability(evidence, k, learned.strength[k]) for k in range(3)], axis=1)
        likelihood.append(float(np.log(p @ learned.weights[-1]).sum()))
    assert likelihood == sorted(likelihood)
    assert likelihood[-1] > likelihood[0] + 10


def test_weights_count():
    one, other = drawn((1.0, 0.0, 0.0), 1500, 5), drawn((0.0, 0.0, 1.0), 1500, 6)
    both = TopicEvidence(
        one.half_lives_days,
        *(np.concatenate([getattr(one, name), getattr(other, name)]) for name in ("topic", "known", "prior")),
        np.concatenate([np.full(1500, 3.0), np.ones(1500)]),
        np.concatenate([one.recent, other.recent]),
        np.concatenate([one.came, other.came]),
    )
    assert fit_mixture(both, 200).weights[-1] == pytest.approx([0.75, 0.0, 0.25], abs=0.03)


def test_too_little_data_teaches_nothing():
    evidence = drawn((1.0, 0.0, 0.0), MIN_ROWS - 1, 7)
    learned = fit_mixture(evidence)
    default = TrackerParameters.default(evidence.half_lives_days)
    assert learned.encode() == default.encode()


@pytest.mark.parametrize("strength", STRENGTHS[[1, 4, 7]].tolist())
def test_the_strength_that_made_the_data_is_found_again(strength):
    """Topics drawn from a histogram of 40 events shrunk by ``strength``: no other strength may explain them better."""
    rng = np.random.default_rng(8)
    n, known = 8000, 40.0
    histogram = rng.multinomial(int(known), rng.dirichlet(np.full(N_TOPICS, 0.2), size=n))
    prior = rng.dirichlet(np.ones(N_TOPICS))
    p = (histogram + strength * prior) / (known + strength)
    came = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    evidence = TopicEvidence(
        np.array([10.0]),
        histogram[np.arange(n), came].astype(float)[:, None],
        np.full((n, 1), known),
        prior[came],
        np.ones(n),
        np.full((n, RECENT), -1),
        came,
    )
    found, loss = best_strength(evidence, 0)
    assert found == strength
    assert loss == pytest.approx(-np.log(view_probability(evidence, 0, strength)).mean())
