from __future__ import annotations

import math

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.interest.describe import MAX_EVIDENCE, Z, describe, recent_of, wilson
from penchant.interest.parameters import TrackerConfig, TrackerParameters
from penchant.interest.tracker import Tracker
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

CONFIG = TrackerConfig(half_lives_days=(1.0, 10.0), short_view=0)
TRACKER = Tracker(
    CONFIG,
    TrackerParameters(np.array(CONFIG.half_lives_days), np.array([[0.5, 0.5]]), np.array([2.0, 2.0]), np.empty(0)),
)
POPULATION = np.array([10.0, 10.0, 10.0])


def described(*events, at, n=10, tracker=TRACKER):
    events = [{"event_id": str(i), "user_id": "ann", "item_id": "x", **event} for i, event in enumerate(events)]
    folding = Folding(tracker)
    for name in "abc":
        folding.topics.add(name)
    batch = folding.batch(as_rows(events))
    state = tracker.update({}, batch)["ann"]
    before = tracker.encode(state)
    found = describe(tracker, state, at, POPULATION, recent_of(batch), n)
    assert tracker.encode(state) == before
    return {folding.topics.ids[one.topic]: one for one in found}


def buy(topic, day, kind="purchase"):
    return {"type": kind, "topics": [topic] if isinstance(topic, str) else topic, "at": day * DAY_S}


@pytest.mark.parametrize(
    ("p", "n", "low", "high"),
    [
        (0.2, 50, 0.1124, 0.3304),  # 10 of 50
        (0.5, 100, 0.4038, 0.5962),
        (0.0, 10, 0.0, 0.2775),  # 0 of 10
        (1.0, 10, 0.7225, 1.0),
        (81 / 263, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15 / 148, 148, 0.0624, 0.1605),
        (1 / 29, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_against_published_ones(p, n, low, high):
    assert wilson(p, n) == pytest.approx((low, high), abs=6e-5)


def test_wilson_stays_inside():
    for p in (0.0, 1e-12, 0.3, 1.0):
        for n in (1e-6, 1.0, 1e12):
            low, high = wilson(p, n)
            assert 0.0 <= low <= p <= high <= 1.0


def test_only_topics_that_the_user_touched_the_most_probable_first():
    found = described(buy("b", 0), buy("b", 1), buy("a", 1), buy("c", 1, "dislike"), at=2 * DAY_S)
    assert list(found) == ["b", "a"]
    assert found["b"].probability > found["a"].probability
    assert list(described(buy("b", 0), buy("b", 1), buy("a", 1), at=2 * DAY_S, n=1)) == ["b"]
    assert described(buy("b", 0), at=DAY_S, n=0) == {}


def test_numbers_come_from_the_reading():
    events = [buy("a", 0), buy("b", 3), buy(["a", "b"], 4, "view")]
    found = described(*events, at=5 * DAY_S)
    rows = as_rows([{"event_id": str(i), "user_id": "ann", "item_id": "x", **event} for i, event in enumerate(events)])
    state = Folding(TRACKER).fold(rows, [3]).states["ann"]
    reading = TRACKER.read(state, 5 * DAY_S, POPULATION)
    views = TRACKER.views(state, 5 * DAY_S)
    for name, topic in (("a", 0), ("b", 1)):
        one = found[name]
        assert one.probability == pytest.approx(reading.probability[topic])
        assert one.interval == pytest.approx(wilson(one.probability, reading.known_long + 2.0))
        assert (one.long_term, one.short_term) == pytest.approx((reading.long_term[topic], reading.short_term[topic]))
        assert one.trend == pytest.approx(math.log2(one.short_term / one.long_term))
        fast = views[topic, 0] + max(0.5, 2.0 * one.short_term)
        slow = views[topic, 1] + max(0.5, 2.0 * one.long_term)
        width = Z * math.sqrt(1 / fast + 1 / slow) / math.log(2)
        assert one.trend_interval == pytest.approx((one.trend - width, one.trend + width))


def test_a_topic_that_comes_up_rises_and_one_left_behind_falls():
    events = [buy("a", i / 5) for i in range(300)] + [buy("b", 60 + i / 40) for i in range(40)]
    found = described(*events, at=61 * DAY_S)
    assert found["b"].trend_interval[0] > 0
    assert found["a"].trend_interval[1] < 0
    steady = described(*[buy("ab"[i % 2], i / 4) for i in range(200)], at=50 * DAY_S)
    for one in steady.values():
        assert one.trend_interval[0] < 0 < one.trend_interval[1]


def test_evidence_says_which_share_of_the_strength_each_event_carries():
    found = described(buy("a", 0), buy("a", 10), buy(["a", "b"], 10, "view"), at=20 * DAY_S)
    # Long-term evidence for "a" as of day 20: 1/4 + 1/2 + 1/16; position is the place in the log, from 1.
    total = 0.25 + 0.5 + 0.0625
    assert [position for position, _ in found["a"].evidence] == [2, 1, 3]
    assert [share for _, share in found["a"].evidence] == pytest.approx(
        [0.5 / total, 0.25 / total, 0.0625 / total], rel=1e-6
    )
    assert found["b"].evidence == ((3, pytest.approx(1.0)),)


def test_the_three_that_carry_most_and_of_equals_the_newest():
    found = described(*[buy("a", 1) for _ in range(6)], at=2 * DAY_S)
    assert [position for position, _ in found["a"].evidence] == [6, 5, 4]
    assert len(found["a"].evidence) == MAX_EVIDENCE
    assert sum(share for _, share in found["a"].evidence) == pytest.approx(0.5)


def test_what_speaks_against_a_topic_and_what_is_yet_to_come_is_no_evidence():
    against = [buy("a", 1, "dislike"), {"type": "statement", "topics": ["a"], "value": -1.0, "at": DAY_S}]
    found = described(buy("a", 0), *against, at=2 * DAY_S)
    assert [position for position, _ in found["a"].evidence] == [1]
    batch = Folding(TRACKER).batch(as_rows([{"user_id": "ann", "item_id": "x", **buy("a", day)} for day in (0, 5)]))
    state = TRACKER.update({}, batch.select(np.array([0])))["ann"]
    one = describe(TRACKER, state, 2 * DAY_S, np.ones(1), recent_of(batch), 5)[0]
    assert [position for position, _ in one.evidence] == [1]
