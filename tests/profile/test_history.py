from __future__ import annotations

import pytest

from penchant.profile.history import EVENTS_PER_TOPIC, MAX_ITEMS, MAX_TOPICS, HistoryLearner
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

LEARNER = HistoryLearner()


def folding_of(*events):
    events = [{"event_id": str(i), "user_id": "ann", **event} for i, event in enumerate(events)]
    return Folding(LEARNER).fold(as_rows(events), [len(events)])


def items_of(folding):
    read = LEARNER.read(folding.states["ann"], 1e12)
    names = [folding.items.ids[number] for number in read.item]
    return [
        (name, count, at, position)
        for name, count, at, position in zip(
            names, read.count.tolist(), read.last_at.tolist(), read.last_position.tolist(), strict=True
        )
    ]


def topics_of(folding):
    recent = LEARNER.recent(folding.states["ann"])
    return sorted(
        (folding.topics.ids[topic], at, weight, position)
        for topic, at, weight, position in zip(
            recent.topic.tolist(), recent.at.tolist(), recent.weight.tolist(), recent.position.tolist(), strict=True
        )
    )


def test_items_with_the_longest_untouched_first():
    folding = folding_of(
        {"type": "purchase", "item_id": "tea", "at": 10},
        {"type": "view", "item_id": "milk", "at": 20},
        {"type": "purchase", "item_id": "tea", "at": 30},
        {"type": "dislike", "item_id": "milk", "at": 40},
        {"type": "hide", "item_id": "salt", "at": 5},
        {"type": "impression", "item_id": "seen", "at": 50},
        {"type": "search", "at": 60, "topics": ["x"]},
    )
    assert items_of(folding) == [("salt", 0.0, 5.0, 5), ("tea", 2.0, 30.0, 3), ("milk", 0.25, 40.0, 4)]


def test_a_late_event_counts_but_does_not_move_the_item():
    folding = folding_of(
        {"type": "purchase", "item_id": "tea", "at": 30},
        {"type": "purchase", "item_id": "tea", "at": 10},
        {"type": "purchase", "item_id": "milk", "at": 20},
    )
    assert items_of(folding) == [("milk", 1.0, 20.0, 3), ("tea", 2.0, 30.0, 1)]


def test_a_full_history_forgets_the_item_untouched_for_longest():
    events = [{"type": "view", "item_id": f"i{i}", "at": 100 + i} for i in range(MAX_ITEMS)]
    again = {"type": "view", "item_id": "i0", "at": 5000}
    new = {"type": "view", "item_id": "new", "at": 6000}
    kept = [name for name, *_ in items_of(folding_of(*events, again, new))]
    assert len(kept) == MAX_ITEMS
    assert kept[-2:] == ["i0", "new"]
    assert "i1" not in kept
    assert "i2" in kept


def test_the_newest_events_on_each_topic():
    events = [{"type": "purchase", "item_id": "x", "at": at, "topics": ["tea"]} for at in (10, 50, 30, 20, 40)]
    folding = folding_of(*events, {"type": "view", "item_id": "x", "at": 60, "topics": ["tea", "milk"]})
    assert EVENTS_PER_TOPIC == 4
    assert topics_of(folding) == [
        ("milk", 60.0, 0.125, 6),
        ("tea", 30.0, 1.0, 3),
        ("tea", 40.0, 1.0, 5),
        ("tea", 50.0, 1.0, 2),
        ("tea", 60.0, 0.125, 6),
    ]


def test_of_events_at_once_the_newest_to_arrive_comes_first():
    folding = folding_of(*[{"type": "like", "item_id": "x", "at": 1, "topics": ["tea"]} for _ in range(6)])
    assert [position for *_, position in topics_of(folding)] == [3, 4, 5, 6]


def test_a_statement_is_no_deed():
    deed = {"type": "view", "item_id": "y", "topics": ["milk"], "at": 2}
    folding = folding_of({"type": "statement", "topics": ["tea"], "item_id": "x", "at": 1}, deed)
    assert topics_of(folding) == [("milk", 2.0, 0.25, 2)]
    assert [name for name, *_ in items_of(folding)] == ["y"]


@pytest.mark.parametrize(
    "against",
    [{"type": "return", "item_id": "x"}, {"type": "dislike", "item_id": "x"}, {"type": "hide", "item_id": "x"}],
)
def test_what_speaks_against_a_topic_is_no_evidence_for_it(against):
    folding = folding_of(
        {**against, "topics": ["tea"], "at": 1}, {"type": "view", "item_id": "y", "topics": ["milk"], "at": 2}
    )
    assert [name for name, *_ in topics_of(folding)] == ["milk"]


def test_a_full_table_forgets_the_topic_untouched_for_longest():
    events = [{"type": "search", "topics": [f"t{i:03}"], "at": 100 + i} for i in range(MAX_TOPICS)]
    again, new = {"type": "search", "topics": ["t000"], "at": 5000}, {"type": "search", "topics": ["new"], "at": 6000}
    kept = [name for name, *_ in topics_of(folding_of(*events, again, new))]
    assert len(kept) == MAX_TOPICS + 1  # t000 twice
    assert "t001" not in kept
    assert {"t000", "t002", "new"} <= set(kept)
