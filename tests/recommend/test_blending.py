from __future__ import annotations

import math

import numpy as np
import pytest

from penchant.domain.slate import Candidates
from penchant.recommend.blend import Blend, BlendConfig
from penchant.recommend.blending import blend, learn_weights


def listed(*pairs):
    return Candidates(np.array([item for item, _ in pairs], np.int64), np.array([score for _, score in pairs], float))


PROPOSALS = {
    "a": listed((1, 10.0), (2, 5.0), (3, 1.0)),
    "b": listed((3, 0.2), (1, 0.1)),
    "empty": listed(),
    "unheard": listed((9, 1.0)),
}


def test_a_weighted_sum_of_scores_as_shares_of_the_highest():
    ranked, parts = blend(PROPOSALS, {"a": 1.0, "b": 2.0, "empty": 5.0})
    assert dict(zip(ranked.item.tolist(), ranked.score.tolist(), strict=True)) == {
        3: pytest.approx(2.1),
        1: pytest.approx(2.0),
        2: pytest.approx(0.5),
    }
    assert ranked.item.tolist() == [3, 1, 2]
    assert parts == {"a": {1: 1.0, 2: 0.5, 3: pytest.approx(0.1)}, "b": {3: 2.0, 1: 1.0}}


def test_parts_sum_to_the_score():
    ranked, parts = blend(PROPOSALS, {"a": 0.3, "b": 0.7, "unheard": 0.1})
    for item, score in zip(ranked.item.tolist(), ranked.score.tolist(), strict=True):
        assert score == pytest.approx(sum(scores.get(item, 0.0) for scores in parts.values()))


def test_ties_go_to_the_lower_number():
    ranked, _ = blend({"a": listed((7, 1.0), (2, 1.0)), "b": listed((4, 3.0))}, {"a": 1.0, "b": 1.0})
    assert ranked.item.tolist() == [2, 4, 7]


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}, {"b": -1.0}, {"other": 1.0}])
def test_what_weighs_nothing_is_not_in_the_list(weights):
    ranked, parts = blend(PROPOSALS, weights)
    assert (ranked.item.size, ranked.score.size, parts) == (0, 0, {})


def test_the_scale_of_a_source_does_not_matter():
    scaled = {name: Candidates(one.item, one.score * 1000) for name, one in PROPOSALS.items()}
    one, other = (blend(proposals, {"a": 1.0, "b": 0.5})[0] for proposals in (PROPOSALS, scaled))
    assert one.item.tolist() == other.item.tolist()
    assert one.score == pytest.approx(other.score)


def test_the_ranker_uses_its_weights():
    ranked, _ = Blend(BlendConfig(weights={"b": 1.0})).rank(None, PROPOSALS)
    assert ranked.item.tolist() == [3, 1]


def questions(n=60, seed=0):
    """The source "good" knows what is taken, "bad" proposes anything, "sleepy" nothing."""
    rng = np.random.default_rng(seed)
    asked = []
    for _ in range(n):
        taken = rng.choice(100, 3, replace=False)
        good = listed(*[(int(item), 3.0 - place) for place, item in enumerate(taken)])
        bad = listed(*[(int(item), 30.0 - place) for place, item in enumerate(rng.choice(100, 20, replace=False))])
        asked.append(({"good": good, "bad": bad, "sleepy": listed()}, taken.astype(np.int64)))
    return asked


START = {"good": 0.1, "bad": 1.0, "sleepy": 0.5}


def test_weights_are_learned_from_what_was_taken():
    weights, after, before = learn_weights(questions(), START, 10, np.random.default_rng(1))
    assert before < 0.7
    assert after > 0.99
    assert weights["good"] > 2 * weights["bad"]
    assert all(weight > 0 for weight in weights.values())


def test_the_reported_ndcg_is_that_of_the_blend():
    asked = questions(20)
    _, _, before = learn_weights(asked, START, 10, np.random.default_rng(1), trials=0)
    gains = []
    for proposals, taken in asked:
        ranked, _ = blend(proposals, START)
        hits = [1 / math.log2(place + 2) for place, item in enumerate(ranked.item[:10].tolist()) if item in taken]
        gains.append(sum(hits) / sum(1 / math.log2(place + 2) for place in range(len(taken))))
    assert before == pytest.approx(np.mean(gains))


def test_learning_is_never_worse_than_the_start_and_the_same_for_the_same_seed():
    for seed in range(3):
        first = learn_weights(questions(30, seed), START, 5, np.random.default_rng(seed))
        assert first[1] >= first[2]
        assert first == learn_weights(questions(30, seed), START, 5, np.random.default_rng(seed))
    assert START == {"good": 0.1, "bad": 1.0, "sleepy": 0.5}
