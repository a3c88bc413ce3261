from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from penchant.domain.batch import EventBatch
from penchant.domain.event import EVENT_TYPES, EVIDENCE_WEIGHT, ITEM_REQUIRED, TYPE_CODE
from penchant.domain.row import frame_schema, log_schema
from penchant.domain.vocabulary import Vocabulary
from penchant.testing import as_rows
from penchant.testing.learner_contract import a_bit_of_everything

ROWS = as_rows(
    [
        {"event_id": "1", "type": "purchase", "user_id": "bob", "item_id": "tea", "topics": ["b", "a"], "at": 86_400.5},
        {"event_id": "2", "type": "item", "item_id": "mug", "topics": ["c"], "title": "Mug", "at": 10},
        {
            "event_id": "3",
            "type": "view",
            "user_id": "ann",
            "item_id": "mug",
            "text": "not read by any learner",
            "at": 20,
        },
        {"event_id": "4", "type": "search", "user_id": "bob", "topics": ["a"], "at": -5, "value": 2, "amount": 1.5},
    ]
)
POSITION = np.array([3, 4, 9, 12])


def both(rows, position):
    """The batch of rows, and the batch of the same rows as a frame, each with vocabularies of its own."""
    frame = pl.DataFrame(rows, schema=frame_schema(), orient="row").with_columns(pl.Series("position", position))
    return (
        EventBatch.from_rows(rows, position, Vocabulary(), Vocabulary()),
        EventBatch.from_frame(frame.select(list(log_schema())), Vocabulary(), Vocabulary()),
    )


@pytest.mark.parametrize("form", [0, 1], ids=["rows", "frame"])
def test_columns_by_hand(form):
    batch = both(ROWS, POSITION)[form]
    assert len(batch) == 4
    assert batch.position.tolist() == [3, 4, 9, 12]
    assert [EVENT_TYPES[code] for code in batch.type] == ["purchase", "item", "view", "search"]
    assert [batch.users[user] if user >= 0 else None for user in batch.user] == ["bob", None, "ann", "bob"]
    assert batch.items.ids == ["tea", "mug"]
    assert batch.item.tolist() == [0, 1, 1, -1]
    assert batch.topics.ids == ["b", "a", "c"]
    assert [batch.topic[a:b].tolist() for a, b in zip(batch.topic_start[:-1], batch.topic_start[1:], strict=True)] == [
        [0, 1],
        [2],
        [],
        [1],
    ]
    assert batch.topic_owner.tolist() == [0, 0, 1, 3]
    assert batch.at.tolist() == [86_400.5, 10.0, 20.0, -5.0]
    assert np.isnan(batch.value[:3]).all()
    assert (batch.value[3], batch.amount[3]) == (2.0, 1.5)
    assert batch.payloads == {1: '{"title":"Mug"}'}
    assert batch.weight.tolist() == [1.0, 0.0, 0.25, 0.5]


@pytest.mark.parametrize("form", [0, 1], ids=["rows", "frame"])
def test_groups_are_by_key_and_in_the_order_of_the_log(form):
    batch = both(ROWS, POSITION)[form]

    def groups(scope, types=None):
        return {key: rows.tolist() for key, rows in batch.groups(scope, types)}

    assert groups("user") == {"bob": [0, 3], "ann": [2]}
    assert groups("item") == {"tea": [0], "mug": [1, 2]}
    assert groups("day") == {"1": [0], "0": [1, 2], "-1": [3]}
    assert groups("user", frozenset({"search", "view"})) == {"bob": [3], "ann": [2]}
    assert groups("item", frozenset({"search"})) == {}


def test_rows_and_frames_make_the_same_batch():
    rows = a_bit_of_everything(n=700)
    one, other = both(rows, np.arange(1, 701) * 2)
    for name in ("position", "type", "item", "at", "value", "amount", "topic_start", "topic", "weight"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    assert [one.users[u] if u >= 0 else None for u in one.user] == [
        other.users[u] if u >= 0 else None for u in other.user
    ]
    assert one.payloads == other.payloads
    assert (one.items.ids, one.topics.ids) == (other.items.ids, other.topics.ids)
    for scope in ("user", "item", "day"):
        assert {k: r.tolist() for k, r in one.groups(scope)} == {k: r.tolist() for k, r in other.groups(scope)}


def test_a_selection_is_the_batch_of_its_rows():
    rows = a_bit_of_everything(n=300)
    whole = both(rows, np.arange(1, 301))[0]
    chosen = np.sort(np.random.default_rng(0).choice(300, 80, replace=False))
    part = whole.select(chosen)
    alone = EventBatch.from_rows([rows[i] for i in chosen], chosen + 1, whole.items, whole.topics)
    for name in ("position", "type", "item", "at", "value", "amount", "topic_start", "topic"):
        a, b = getattr(part, name), getattr(alone, name)
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    assert part.payloads == alone.payloads
    assert {k: r.tolist() for k, r in part.groups("user")} == {k: r.tolist() for k, r in alone.groups("user")}
    assert len(whole.select(np.zeros(0, np.int64))) == 0


def test_nothing_is_a_batch_too():
    for batch in both([], np.zeros(0, np.int64)):
        assert len(batch) == 0
        assert batch.topic_start.tolist() == [0]
        assert batch.groups("user") == batch.groups("item") == batch.groups("day") == []


def test_names_known_before_keep_their_numbers():
    items, topics = Vocabulary(["mug"]), Vocabulary(["x"])
    batch = EventBatch.from_rows(ROWS, POSITION, items, topics)
    assert batch.item.tolist() == [1, 0, 0, -1]
    assert topics.ids == ["x", "b", "a", "c"]


def test_every_type_has_a_code_and_a_weight_and_codes_never_move():
    assert set(EVIDENCE_WEIGHT) == set(EVENT_TYPES) == set(TYPE_CODE)
    assert set(EVENT_TYPES) > ITEM_REQUIRED
    # States and files hold these numbers: a new type goes to the end.
    first = ["view", "click", "dwell", "search", "cart", "purchase", "return", "rating", "like", "dislike", "hide"]
    then = [
        "comment",
        "share",
        "follow",
        "post",
        "play",
        "survey",
        "statement",
        "impression",
        "consent",
        "item",
        "user",
    ]
    assert list(EVENT_TYPES[:22]) == first + then


def test_a_vocabulary_gives_each_name_one_number():
    vocabulary = Vocabulary(["a", "b", "a"])
    assert (len(vocabulary), vocabulary.ids) == (2, ["a", "b"])
    assert (vocabulary.add("c"), vocabulary.add("a"), vocabulary.number("zzz")) == (2, 0, -1)
    assert "c" in vocabulary
    assert "d" not in vocabulary
    assert vocabulary.numbers(["c", "x", "a"]).tolist() == [2, -1, 0]
    assert vocabulary.numbers([]).dtype == np.int32


def test_parents_are_numbered_where_their_row_stands():
    rows = as_rows(
        [
            {"event_id": "1", "type": "view", "user_id": "ann", "item_id": "x", "topics": ["a"], "at": 1},
            {"event_id": "2", "type": "view", "user_id": "ann", "item_id": "x", "topics": ["b"], "at": 2},
            {"event_id": "3", "type": "topic", "topics": ["a"], "parent": "p", "at": 3},
            {"event_id": "4", "type": "topic", "topics": ["c"], "parent": "q", "at": 4},
            {"event_id": "5", "type": "topic", "topics": ["a"], "parent": "q", "at": 5},
            {"event_id": "6", "type": "search", "user_id": "ann", "topics": ["d"], "payload": {"parent": "r"}, "at": 6},
        ]
    )
    for batch in both(rows, np.arange(6) + 1):
        assert batch.topics.ids == ["a", "b", "p", "c", "q", "d"]
        groups = batch.groups("topic", frozenset({"topic"}))
        assert {key: mine.tolist() for key, mine in groups} == {"a": [2, 4], "c": [3]}
        assert sorted(batch.payloads) == [2, 3, 4]
        assert batch.weight.tolist() == [0.25, 0.25, 0.0, 0.0, 0.0, 0.5]
