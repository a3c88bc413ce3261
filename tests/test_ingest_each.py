"""Events of several callers in one commit: the same log and states as one after the other, a receipt for each."""

from __future__ import annotations

import pytest

from penchant.errors import StorageError


def test_every_group_has_its_own_receipt(engine):
    engine.ingest({"event_id": "old", "type": "view", "user_id": "ann", "item_id": "x", "at": "2026-03-01"})
    groups = [
        [{"event_id": "a", "type": "view", "user_id": "ann", "item_id": "x", "at": "2026-02-01"}],
        [{"event_id": "old", "type": "view", "user_id": "ann", "item_id": "x", "at": "2026-03-01"}],
        [{"type": "view"}, {"type": "nothing"}, "not an event"],
        [],
        [
            {"event_id": "b", "type": "like", "user_id": "bob", "item_id": "t", "at": "2026-02-01"},
            {"event_id": "b", "type": "like", "user_id": "bob", "item_id": "t", "at": "2026-02-01"},
            {"event_id": "i", "type": "item", "item_id": "t", "topics": ["tea"], "at": "2026-01-01"},
        ],
    ]
    receipts = engine.ingest_each(groups)
    assert [(r.accepted, r.duplicates, r.refused, r.late) for r in receipts] == [
        (1, 0, 0, 1),
        (0, 1, 0, 0),
        (0, 0, 3, 0),
        (0, 0, 0, 0),
        (2, 1, 0, 0),
    ]
    assert [r.row for r in receipts[2].refusals] == [0, 1, 2]
    assert receipts[2].reasons["no user_id"] == 1
    # The item of the same batch was taken first, so bob's event knows its topic.
    assert [one.topic for one in engine.interests("bob")] == ["tea"]


def test_states_are_as_if_one_came_after_the_other(open_engine, toy):
    together, apart = open_engine(), open_engine()
    pieces = [toy.events[i : i + 7] for i in range(0, len(toy.events), 7)]
    for i in range(0, len(pieces), 9):
        together.ingest_each(pieces[i : i + 9])
        for piece in pieces[i : i + 9]:
            apart.ingest(piece)
    assert together.ledger.events().equals(apart.ledger.events())
    assert together.ledger.states.as_bytes() == apart.ledger.states.as_bytes()


def test_nothing_of_any_group_is_taken_when_the_log_cannot_be_written(engine, monkeypatch):
    def full(_rows):
        raise StorageError("no space left")

    monkeypatch.setattr(engine.log, "append", full)
    with pytest.raises(StorageError, match="no space"):
        engine.ingest_each([[{"type": "like", "user_id": "ann", "item_id": "t1"}]])
    monkeypatch.undo()
    assert engine.log.count() == 0
