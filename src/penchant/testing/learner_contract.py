"""What every learner must do, as tests to inherit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from penchant.clock import DAY_S, from_us, isoformat
from penchant.collect.log.memory import MemoryLog
from penchant.domain.batch import EventBatch
from penchant.domain.consent import PURPOSES
from penchant.domain.event import EVENT_TYPES, ITEM_REQUIRED, NOBODY
from penchant.domain.learner import Learner
from penchant.domain.row import Row, frame_schema
from penchant.domain.vocabulary import Vocabulary
from penchant.errors import FormatError
from penchant.loop.fold import Ledger
from penchant.profile.behaviour import BehaviourLearner

NOON = 1_767_268_800_000_000  # 2026-01-01 12:00 UTC, in microseconds


def a_bit_of_everything(n: int = 400, n_topics: int = 6, seed: int = 0) -> list[Row]:
    """Return rows of every event type, several users, shared topics, ties in time and late events, in log order."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for i in range(n):
        kind = EVENT_TYPES[i % len(EVENT_TYPES)] if i < len(EVENT_TYPES) else str(rng.choice(EVENT_TYPES))
        user, item = int(rng.integers(5)), int(rng.integers(12))
        at_us = NOON + i * 3_600_000_000 // 2
        if rng.random() < 0.15:
            at_us -= int(rng.integers(10 * 86_400)) * 1_000_000
        elif rng.random() < 0.15 and rows:
            at_us = rows[-1].at_us
        topics = [f"topic-{topic}" for topic in rng.choice(n_topics, rng.integers(4), replace=False)]
        payload: dict[str, Any] = {}
        if kind == "item":
            payload = {"title": f"Title {i}", "attributes": {f"name-{rng.integers(3)}": i, "": None, "é": [1, {"": 2}]}}
        elif kind == "user":
            payload = {"facts": {f"fact-{rng.integers(4)}": None if rng.random() < 0.2 else i, "": "empty"}}
        elif kind == "topic":
            topics, parent = [f"topic-{rng.integers(n_topics)}"], f"branch-{rng.integers(3)}"
            payload = {"title": f"Title {i}", "parent": parent} if rng.random() < 0.7 else {"title": None}
        elif kind == "statement":
            until = NOON + (i + int(rng.integers(99))) * 3_600_000_000
            payload = {"scope": str(rng.choice(["always", "now", "mute"])), "until": isoformat(from_us(until))}
        elif rng.random() < 0.2:
            payload = {"text": "words", "context": {"source": "contract"}}
        if kind == "consent":
            payload = {
                "purpose": PURPOSES[i % len(PURPOSES)],
                "context": {"source": f"source-{i % 3}"} if i % 2 else {},
            }
        has_item = kind in ITEM_REQUIRED or rng.random() < 0.5
        rows.append(
            Row(
                event_id=f"e{i}",
                type=kind,
                user_id=None if kind in NOBODY else f"user-{user}",
                item_id=f"item-{item}" if has_item else None,
                at_us=at_us,
                arrived_us=at_us + 1,
                value=float(rng.normal()) if rng.random() < 0.5 else None,
                amount=float(rng.integers(-500, 2000)) / 100 if kind in ("purchase", "return") else None,
                session_id=None,
                topics=msgspec.json.encode(topics).decode() if topics else None,
                payload=msgspec.json.encode(payload).decode() if payload else None,
            )
        )
    return rows


KINDS = ("view", "purchase", "user", "item", "statement", "dislike", "search", "topic", "impression", "consent")


def ever_new(n: int, scope: str) -> list[Row]:
    """Return events of one user that bring what was never there: items, topics, facts, attributes.

    What grows with the things of a day by design (scope ``day``) gets events on the same few things of one day.
    """
    rows = []
    for i in range(n):
        kind = KINDS[i % len(KINDS)]
        thing = i % 10 if scope == "day" else i
        at_us = NOON + (i if scope == "day" else i * 600_000_000)
        said = {
            "attributes": {f"name-{i}": "x" * 20},
            "facts": {f"fact-{i}": "x" * 20},
            "title": "t",
            "parent": f"branch-{thing}",
            "purpose": PURPOSES[i % len(PURPOSES)],
            "context": {"source": f"source-{i}"},
        }
        rows.append(
            Row(
                f"e{i}",
                kind,
                None if kind in NOBODY else "ann",
                "the item" if kind == "item" else f"item-{thing}",
                at_us,
                at_us,
                1.0,
                2.5,
                None,
                '["the topic"]' if kind == "topic" else f'["topic-{thing}"]',
                msgspec.json.encode(said).decode(),
            )
        )
    return rows


class Folding:
    """Folds rows in parts of any size, keeping the states, the vocabularies and the place in the log."""

    def __init__(self, learner: Learner[Any]) -> None:
        self.learner = learner
        self.states: dict[str, Any] = {}
        self.items, self.topics = Vocabulary(), Vocabulary()
        self._position = 0

    def batch(self, rows: Sequence[Row], through_frame: bool = False) -> EventBatch:
        """Return the rows as the next batch of the log."""
        position = np.arange(len(rows), dtype=np.int64) + self._position + 1
        self._position += len(rows)
        if not through_frame:
            return EventBatch.from_rows(rows, position, self.items, self.topics)
        frame = pl.DataFrame(rows, schema=frame_schema(), orient="row").with_columns(pl.Series("position", position))
        return EventBatch.from_frame(frame, self.items, self.topics)

    def fold(self, rows: Sequence[Row], sizes: Sequence[int], through_frame: bool = False) -> Folding:
        """Fold the rows in parts of these sizes, the last of which is repeated."""
        begin, number = 0, 0
        while begin < len(rows):
            size = sizes[min(number, len(sizes) - 1)]
            batch = self.batch(rows[begin : begin + size], through_frame)
            self.states.update(self.learner.update(self.states, batch))
            begin, number = begin + size, number + 1
        return self

    def as_bytes(self) -> dict[str, bytes]:
        """Return every state as bytes: what "the same states" means."""
        return encoded(self.learner, self.states)


def encoded(learner: Learner[Any], states: Mapping[str, Any]) -> dict[str, bytes]:
    """Return states as bytes by key, in the order of keys."""
    return {key: learner.encode(states[key]) for key in sorted(states)}


def same_state(one: Any, other: Any) -> bool:
    """Return whether two states hold the same values, whatever they are made of; NaN is the same as NaN."""
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        names = [field.name for field in dataclasses.fields(one)]
        return type(one) is type(other) and all(same_state(getattr(one, n), getattr(other, n)) for n in names)
    if isinstance(one, np.ndarray):
        alike = isinstance(other, np.ndarray) and (one.dtype, one.shape) == (other.dtype, other.shape)
        return alike and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(same_state(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same_state(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other or (one != one and other != other))


class LearnerContract:
    """Inherit, give the fixture ``learner``, and every promise of ``Learner`` is tested.

    Override ``rows`` when the learner needs events of a special kind.
    """

    @pytest.fixture
    def learner(self) -> Learner[Any]:
        """Return the learner under test."""
        raise NotImplementedError("give a fixture learner")

    @pytest.fixture
    def rows(self) -> list[Row]:
        """Return the events to learn from, in log order."""
        return a_bit_of_everything()

    @pytest.fixture
    def folded(self, learner: Learner[Any], rows: list[Row]) -> Folding:
        """Return the states after all events, folded as one batch."""
        return Folding(learner).fold(rows, [len(rows)])

    def test_it_says_what_it_is(self, learner: Learner[Any]) -> None:
        assert learner.name
        assert learner.scope in ("user", "item", "day", "topic")
        assert learner.types is None or learner.types <= set(EVENT_TYPES)

    def test_it_learns_something_of_every_key(self, learner: Learner[Any], folded: Folding, rows: list[Row]) -> None:
        batch = Folding(learner).batch(rows)
        assert sorted(folded.states) == sorted(key for key, _ in batch.groups(learner.scope, learner.types))
        start = learner.encode(learner.start())
        assert folded.states
        assert any(data != start for data in folded.as_bytes().values())

    def test_the_start_state_is_empty_and_always_the_same(self, learner: Learner[Any], rows: list[Row]) -> None:
        before = learner.encode(learner.start())
        assert learner.last_at(learner.start()) == -np.inf
        assert learner.encode(learner.decode(before)) == before
        Folding(learner).fold(rows, [7])
        assert learner.encode(learner.start()) == before

    @pytest.mark.parametrize("through_frame", [False, True], ids=["rows", "frame"])
    @pytest.mark.parametrize("sizes", [(1,), (2, 1, 30, 7), (63,), (200, 3)], ids=str)
    def test_any_batches_give_the_same_bits(
        self, learner: Learner[Any], folded: Folding, rows: list[Row], sizes: tuple[int, ...], through_frame: bool
    ) -> None:
        other = Folding(learner).fold(rows, sizes, through_frame)
        assert other.items.ids == folded.items.ids
        assert other.topics.ids == folded.topics.ids
        assert other.as_bytes() == folded.as_bytes()

    def test_any_batches_give_the_same_bits_when_it_is_full(self, learner: Learner[Any]) -> None:
        rows = ever_new(3000, learner.scope)
        whole = Folding(learner).fold(rows, [3000])
        assert Folding(learner).fold(rows, [1500, 1, 2, 700, 13]).as_bytes() == whole.as_bytes()

    def test_folding_again_gives_the_same_bits(self, learner: Learner[Any], folded: Folding, rows: list[Row]) -> None:
        assert Folding(learner).fold(rows, [len(rows)]).as_bytes() == folded.as_bytes()

    def test_a_state_depends_on_the_events_of_its_key_alone(
        self, learner: Learner[Any], folded: Folding, rows: list[Row]
    ) -> None:
        batch = Folding(learner).batch(rows)
        for key, mine in batch.groups(learner.scope, learner.types):
            alone = learner.update({}, batch.select(mine))
            assert encoded(learner, alone)[key] == folded.as_bytes()[key]

    def test_update_leaves_the_old_states_alone(self, learner: Learner[Any], rows: list[Row]) -> None:
        half = len(rows) // 2
        folding = Folding(learner).fold(rows[:half], [half])
        old, before = dict(folding.states), folding.as_bytes()
        changed = learner.update(folding.states, folding.batch(rows[half:]))
        assert set(changed) <= {key for key, _ in Folding(learner).batch(rows).groups(learner.scope, learner.types)}
        assert folding.states == old or all(folding.states[key] is old[key] for key in old)
        assert encoded(learner, old) == before
        assert any(encoded(learner, changed)[key] != before[key] for key in changed if key in before)

    def test_a_batch_without_its_events_changes_nothing(self, learner: Learner[Any], rows: list[Row]) -> None:
        if learner.types is None:
            return
        others = [row for row in rows if row.type not in learner.types]
        folding = Folding(learner)
        assert learner.update({}, folding.batch(others)) == {}
        assert learner.update({}, folding.batch([])) == {}

    def test_states_survive_as_bytes(self, learner: Learner[Any], folded: Folding, rows: list[Row]) -> None:
        before = folded.as_bytes()
        decoded = {key: learner.decode(data) for key, data in before.items()}
        assert encoded(learner, decoded) == before
        for key, state in decoded.items():
            assert same_state(state, folded.states[key])
            assert learner.last_at(state) == learner.last_at(folded.states[key])
        # Learning goes on from decoded states as from those that never left memory.
        half = len(rows) // 2
        folding = Folding(learner).fold(rows[:half], [half])
        folding.states = {key: learner.decode(data) for key, data in folding.as_bytes().items()}
        assert folding.fold(rows[half:], [50]).as_bytes() == before

    def test_damaged_bytes_are_refused(self, learner: Learner[Any], folded: Folding) -> None:
        data = max(folded.as_bytes().values(), key=len)
        rng = np.random.default_rng(1)
        damaged = [b"", b"\x00", b"not a state", data[:-1], data[1:], data + b"\x00", data[::-1]]
        damaged += [data[: int(cut)] for cut in rng.integers(0, len(data), 20)]
        for place in rng.integers(0, len(data), 40):
            damaged.append(data[:place] + bytes([data[place] ^ (1 << int(rng.integers(8)))]) + data[place + 1 :])
        for wrong in damaged:
            with pytest.raises(FormatError):
                learner.decode(wrong)

    def test_last_at_is_the_time_of_the_newest_event(
        self, learner: Learner[Any], folded: Folding, rows: list[Row]
    ) -> None:
        batch = Folding(learner).batch(rows)
        for key, mine in batch.groups(learner.scope, learner.types):
            assert learner.last_at(folded.states[key]) == batch.at[mine].max()

    def test_a_state_stays_bounded(self, learner: Learner[Any]) -> None:
        rows = ever_new(12_000, learner.scope)
        folding = Folding(learner)
        sizes = []
        for begin in range(0, len(rows), 3000):
            folding.fold(rows[begin : begin + 3000], [3000])
            sizes.append(max(map(len, folding.as_bytes().values())))
        # Numbers may take a few bytes more as they grow; what is remembered may not grow.
        assert sizes[-1] <= sizes[-2] * 1.01 + 64
        assert sizes[-1] < 256_000

    def test_nothing_after_the_moment_is_seen(self, learner: Learner[Any], rows: list[Row]) -> None:
        ledger = Ledger(MemoryLog(), None, {"behaviour": BehaviourLearner(), learner.name: learner})
        for begin in range(0, len(rows), 37):
            ledger.append(rows[begin : begin + 37])
        whole = Folding(learner).batch(rows)
        keys = {key for key, _ in whole.groups(learner.scope, learner.types)} | {"20000"}
        times = sorted(set(whole.at.tolist()))
        moments = [times[0] - 1, *times[3 :: len(times) // 12], times[5] - 0.5, times[-1], times[-1] + 100 * DAY_S]
        for at in moments:
            known = whole.select(np.flatnonzero(whole.at <= at))
            expected = learner.update({}, known)
            for key in keys:
                state = ledger.state_at(learner.name, key, at)
                assert learner.encode(state) == learner.encode(expected.get(key, learner.start()))
