from __future__ import annotations

import math

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.interest.histogram import NEGATIVE_HALF_LIFE_DAYS, RATE_HALF_LIFE_DAYS, Histogram
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding, a_bit_of_everything

VIEWS = Histogram((1.0, 10.0))


def batch_of(*events):
    folding = Folding(VIEWS)
    for name in "abc":
        folding.topics.add(name)
    return folding.batch(
        as_rows(
            {"event_id": str(i), "item_id": "x", "type": "purchase", "user_id": "ann", **e}
            for i, e in enumerate(events)
        )
    )


def fold(*events, histogram=VIEWS):
    return histogram.update({}, batch_of(*events))["ann"]


def test_by_hand():
    state = fold({"topics": ["a"], "at": 0}, {"topics": ["a", "b"], "at": 10 * DAY_S})
    assert state.topic.tolist() == [0, 1]
    assert state.positive[:, 1] == pytest.approx([0.5 + 0.5, 0.5])
    assert state.positive[:, 0] == pytest.approx([2.0**-10 + 0.5, 0.5])
    assert (state.first_at, state.last_at) == (0.0, 10 * DAY_S)
    assert state.pairs == pytest.approx(2.0 ** (-10 / RATE_HALF_LIFE_DAYS) + 2.0)
    assert VIEWS.views(state, 20 * DAY_S)[:, 1] == pytest.approx([0.5, 0.25])


def test_a_late_event_enters_with_the_weight_it_would_have_by_now():
    events = [{"topics": ["a"], "at": 0}, {"topics": ["b"], "at": 5 * DAY_S}, {"topics": ["a"], "at": 9 * DAY_S}]
    on_time, late = fold(*events), fold(events[0], events[2], events[1])
    order = np.argsort(late.topic)
    assert late.positive[order] == pytest.approx(on_time.positive[np.argsort(on_time.topic)], rel=1e-6)
    assert late.pairs == pytest.approx(on_time.pairs)
    assert (late.first_at, late.last_at) == (on_time.first_at, on_time.last_at)


def test_what_speaks_against_a_topic_is_kept_apart_and_is_no_event_of_it():
    state = fold({"topics": ["a"], "at": 0}, {"topics": ["a"], "at": 9 * DAY_S, "type": "return"})
    assert state.negative == pytest.approx([1.0])
    assert state.pairs == pytest.approx(2.0 ** (-9 / RATE_HALF_LIFE_DAYS))
    later = fold({"topics": ["a"], "at": 0, "type": "return"}, {"topics": ["b"], "at": NEGATIVE_HALF_LIFE_DAYS * DAY_S})
    assert later.negative == pytest.approx([0.5, 0.0])


def test_the_least_supported_topic_is_forgotten():
    small = Histogram((10.0,), max_topics=2)
    events = [("a", 0), ("a", 1), ("b", 2), ("c", 3)]
    state = fold(*({"topics": [name], "at": at} for name, at in events), histogram=small)
    assert state.topic.tolist() == [0, 2]


def test_costs_are_what_was_known_before_each_event():
    batch = batch_of({"topics": ["a"], "at": 0}, {"topics": ["a", "b"], "at": 0}, {"topics": [], "at": 1})
    prior = np.full(3, 1 / 3)
    _, cost = VIEWS.fold(VIEWS.start(), batch, np.arange(3), prior, 2.0)
    assert cost[0] == pytest.approx(-math.log(1 / 3))
    p = (1 + 2 / 3) / 3, (2 / 3) / 3
    assert cost[1] == pytest.approx(-(math.log(p[0]) + math.log(p[1])) / 2)
    assert math.isnan(cost[2])
    assert np.isnan(VIEWS.fold(VIEWS.start(), batch, np.arange(3))[1]).all()


def test_a_batch_gives_the_same_bits_as_its_events_one_by_one():
    rows = a_bit_of_everything(300)
    batch = Folding(VIEWS).batch(rows)
    whole = VIEWS.update({}, batch)
    states = {}
    for row in range(len(batch)):
        states |= VIEWS.update(states, batch.select(np.array([row])))
    assert set(whole) == set(states)
    for user_id, state in whole.items():
        other = states[user_id]
        assert state.topic.tolist() == other.topic.tolist()
        assert state.positive.tobytes() == other.positive.tobytes()
        assert state.negative.tobytes() == other.negative.tobytes()
        assert (state.pairs, state.first_at, state.last_at) == (other.pairs, other.first_at, other.last_at)
