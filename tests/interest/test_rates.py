from __future__ import annotations

import math

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.interest.baselines import Static
from penchant.interest.histogram import Histogram
from penchant.interest.prequential import Training
from penchant.interest.rates import PRIOR_DAYS, Rates, base_rate, fit_rates
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

N_TOPICS = 4


def flat(_at):
    return np.ones(N_TOPICS)


def poisson(rate, users=40, days=200, seed=0):
    """Users whose events come at random, ``rate`` a day, each on a random topic."""
    rng = np.random.default_rng(seed)
    events = [
        {"user_id": f"u{user}", "topics": [f"t{rng.integers(N_TOPICS)}"], "at": float(at)}
        for user in range(users)
        for at in rng.uniform(0, days * DAY_S, rng.poisson(rate * days))
    ]
    events.sort(key=lambda event: event["at"])
    folding = Folding(Static())
    for topic in range(N_TOPICS):
        folding.topics.add(f"t{topic}")
    return folding.batch(
        as_rows({"event_id": str(i), "item_id": "x", "type": "purchase", **event} for i, event in enumerate(events))
    )


@pytest.mark.parametrize("rate", [0.2, 1.0])
def test_the_rate_of_events_at_random_is_found_and_needs_no_correction(rate):
    batch = poisson(rate)
    assert base_rate(batch) == pytest.approx(rate, rel=0.05)
    training = Training(batch, flat, 100 * DAY_S, frozenset(batch.users), 0, N_TOPICS)
    model = Static()
    model.fit(training)
    assert model.rates.factor == pytest.approx(np.ones(3), abs=0.2)
    state = model.update({}, batch)["u0"]
    said = model.active(state, 200 * DAY_S, np.ones(N_TOPICS))
    assert said[:, 0] == pytest.approx(1 - np.exp(-rate / N_TOPICS * np.array([1, 7, 30])), rel=0.5)


def test_the_rate_is_shrunk_to_that_of_everybody():
    rates = Rates(base=0.5)
    histogram = Histogram((30.0,))
    assert rates.per_day(None, 0.0) == rates.per_day(histogram.start(), 0.0) == 0.5
    batch = poisson(2.0, users=1, days=20)
    state = histogram.update({}, batch)["u0"]
    assert 0.5 < rates.per_day(state, 20 * DAY_S) < 2.5
    assert rates.per_day(state, 2000 * DAY_S) < 0.2  # gone silent
    first = histogram.update({}, batch.select(np.array([0])))["u0"]
    expected = (1.0 + PRIOR_DAYS * 0.5) / PRIOR_DAYS
    assert rates.per_day(first, first.first_at) == pytest.approx(expected)


def test_without_questions_nothing_is_corrected():
    batch = poisson(0.5, users=3, days=5)
    training = Training(batch, flat, 4.9 * DAY_S, frozenset(batch.users), 0, N_TOPICS)
    assert fit_rates(training, Histogram((30.0,)), Static().predict).factor.tolist() == [1.0, 1.0, 1.0]
    empty = Training(batch.select(np.empty(0, np.int64)), flat, 0.0, frozenset(), 0, N_TOPICS)
    assert math.isclose(fit_rates(empty, Histogram((30.0,)), Static().predict).base, 1 / 7)
