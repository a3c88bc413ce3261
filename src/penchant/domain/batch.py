"""A batch of events as arrays: what every learner is fed, one event or a million."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
import numpy as np

from penchant.clock import DAY_S
from penchant.domain.event import EVENT_TYPES, EVIDENCE_WEIGHT, TYPE_CODE
from penchant.domain.row import Row, parent_of
from penchant.domain.vocabulary import Vocabulary
from penchant.math.arrays import BoolArray, FloatArray, Int8Array, Int32Array, IntArray

if TYPE_CHECKING:
    import polars as pl

Scope: TypeAlias = Literal["user", "item", "day", "topic"]
"""Whose state an event changes: its user's, its item's, that of the UTC day on which it happened, or its topic's."""

_WEIGHT = np.array([EVIDENCE_WEIGHT[name] for name in EVENT_TYPES])
_PAYLOAD_TYPES = ("item", "user", "statement", "follow", "consent", "topic")


@dataclass(frozen=True)
class EventBatch:
    """``n`` events in log order, as columns.

    Attributes:
        position: Place in the log, strictly rising, shape ``(n,)``.
        type: Index into ``EVENT_TYPES``, shape ``(n,)``.
        user: Row in ``users``, -1 for none, shape ``(n,)``.
        users: User ids of this batch.
        item: Number in the item vocabulary, -1 for none, shape ``(n,)``.
        at: Seconds since 1970, shape ``(n,)``.
        value: See ``Event.value``; NaN for none, shape ``(n,)``.
        amount: Money; NaN for none, shape ``(n,)``.
        topic_start: The topics of event ``i`` are ``topic[topic_start[i]:topic_start[i + 1]]``, shape ``(n + 1,)``.
        topic: Numbers in the topic vocabulary.
        payloads: JSON text by row, only for the types whose learners read it.
        items: The item vocabulary that ``item`` speaks of.
        topics: The topic vocabulary that ``topic`` speaks of.
    """

    position: IntArray
    type: Int8Array
    user: Int32Array
    users: Sequence[str]
    item: Int32Array
    at: FloatArray
    value: FloatArray
    amount: FloatArray
    topic_start: IntArray
    topic: Int32Array
    payloads: dict[int, str]
    items: Vocabulary
    topics: Vocabulary
    _groups: dict[tuple[str, frozenset[str] | None], list[tuple[str, IntArray]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __len__(self) -> int:
        return int(self.position.size)

    @classmethod
    def from_rows(cls, rows: Sequence[Row], position: IntArray, items: Vocabulary, topics: Vocabulary) -> EventBatch:
        """Return a batch of a few rows; new items and topics enter the vocabularies in row order."""
        n = len(rows)
        users: dict[str, int] = {}
        user = np.full(n, -1, dtype=np.int32)
        item = np.full(n, -1, dtype=np.int32)
        topic: list[int] = []
        start = np.zeros(n + 1, dtype=np.int64)
        payloads: dict[int, str] = {}
        for i, row in enumerate(rows):
            if row[2] is not None:
                user[i] = users.setdefault(row[2], len(users))
            if row[3] is not None:
                item[i] = items.add(row[3])
            if row[9] is not None:
                topic.extend(topics.add(name) for name in msgspec.json.decode(row[9]))
            start[i + 1] = len(topic)
            if row[1] == "topic" and (parent := parent_of(row[10])) is not None:
                topics.add(parent)  # a number of its own, though no event may ever be about it
            if row[10] is not None and row[1] in _PAYLOAD_TYPES:
                payloads[i] = row[10]
        return cls(
            position=position,
            type=np.fromiter((TYPE_CODE[row[1]] for row in rows), dtype=np.int8, count=n),
            user=user,
            users=list(users),
            item=item,
            at=np.fromiter((row[4] for row in rows), dtype=np.int64, count=n) / 1e6,
            value=np.fromiter((np.nan if row[6] is None else row[6] for row in rows), dtype=np.float64, count=n),
            amount=np.fromiter((np.nan if row[7] is None else row[7] for row in rows), dtype=np.float64, count=n),
            topic_start=start,
            topic=np.asarray(topic, dtype=np.int32),
            payloads=payloads,
            items=items,
            topics=topics,
        )

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, items: Vocabulary, topics: Vocabulary) -> EventBatch:
        """Return the batch of a frame in the log's schema (``position`` included, in order)."""
        import polars as pl

        n = frame.height
        users = frame["user_id"].drop_nulls().unique().sort()
        user = frame["user_id"].rank("dense").cast(pl.Int64).fill_null(0).to_numpy().astype(np.int32) - 1
        item_ids = frame["item_id"].drop_nulls().unique(maintain_order=True)
        item_numbers = pl.Series([items.add(name) for name in item_ids.to_list()], dtype=pl.Int32)
        item = _replace(frame["item_id"], item_ids, item_numbers)
        labels = frame["topics"].drop_nulls().unique(maintain_order=True)
        _number_parents(frame, topics)
        decoded = [[topics.add(name) for name in msgspec.json.decode(text)] for text in labels.to_list()]
        label = _replace(frame["topics"], labels, pl.Series(range(len(decoded)), dtype=pl.Int32))
        lengths = np.array([len(numbers) for numbers in decoded] + [0], dtype=np.int64)
        flat = np.array([number for numbers in decoded for number in numbers], dtype=np.int32)
        first = np.concatenate([[0], np.cumsum(lengths[:-1])])  # where label j begins in flat; the last is "none"
        count = lengths[label]
        start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        within = np.arange(start[-1]) - np.repeat(start[:-1], count)
        codes = pl.Series(list(TYPE_CODE.values()), dtype=pl.Int8)
        with_payload = (
            frame.select(pl.int_range(pl.len()).alias("i"), "payload", "type")
            .filter(pl.col("payload").is_not_null() & pl.col("type").is_in(_PAYLOAD_TYPES))
            .select("i", "payload")
        )
        return cls(
            position=frame["position"].to_numpy().astype(np.int64),
            type=_replace(frame["type"], pl.Series(list(TYPE_CODE)), codes).astype(np.int8),
            user=user.astype(np.int32),
            users=users.to_list(),
            item=item,
            at=frame["at_us"].to_numpy() / 1e6,
            value=frame["value"].fill_null(float("nan")).to_numpy().astype(np.float64),
            amount=frame["amount"].fill_null(float("nan")).to_numpy().astype(np.float64),
            topic_start=start if n else np.zeros(1, dtype=np.int64),
            topic=flat[np.repeat(first[label], count) + within].astype(np.int32),
            payloads=dict(with_payload.rows()),
            items=items,
            topics=topics,
        )

    def select(self, rows: IntArray) -> EventBatch:
        """Return the batch of these rows, given in log order."""
        count = self.topic_start[rows + 1] - self.topic_start[rows]
        start = np.concatenate([[0], np.cumsum(count)])
        flat = np.arange(start[-1]) + np.repeat(self.topic_start[rows] - start[:-1], count)
        payloads = {new: self.payloads[old] for new, old in enumerate(rows.tolist()) if old in self.payloads}
        return EventBatch(
            position=self.position[rows],
            type=self.type[rows],
            user=self.user[rows],
            users=self.users,
            item=self.item[rows],
            at=self.at[rows],
            value=self.value[rows],
            amount=self.amount[rows],
            topic_start=start.astype(np.int64),
            topic=self.topic[flat],
            payloads=payloads if self.payloads else {},
            items=self.items,
            topics=self.topics,
        )

    @cached_property
    def weight(self) -> FloatArray:
        """Return the signed evidence weight of every event, shape ``(n,)``."""
        weight: FloatArray = _WEIGHT[self.type]
        return weight

    @cached_property
    def topic_owner(self) -> IntArray:
        """Return the event row of each entry of ``topic``."""
        return np.repeat(np.arange(len(self)), np.diff(self.topic_start))

    def groups(self, scope: Scope, types: frozenset[str] | None = None) -> list[tuple[str, IntArray]]:
        """Return ``(key, rows in log order)`` for every key of the scope among the events of these types.

        Keys are user ids, item ids, ids of the topic that a ``topic`` event is about (the first one of an event), or
        day numbers since 1970 as text.
        """
        known = self._groups.get((scope, types))
        if known is None:
            known = self._groups[scope, types] = self._group(scope, types)
        return known

    def _group(self, scope: Scope, types: frozenset[str] | None) -> list[tuple[str, IntArray]]:
        if scope == "day":
            code = np.floor_divide(self.at, DAY_S).astype(np.int32)
        elif scope == "topic":
            code = np.full(len(self), -1, dtype=np.int32)
            labelled = np.flatnonzero(np.diff(self.topic_start))
            code[labelled] = self.topic[self.topic_start[labelled]]
        else:
            code = self.user if scope == "user" else self.item
        rows = np.arange(len(self))
        usable = code >= 0 if scope != "day" else np.ones(len(self), dtype=np.bool_)
        if types is not None:
            usable &= _listed(types)[self.type]
        rows = rows[usable]
        if rows.size == 0:
            return []
        if rows.size == 1:
            return [(self._key(scope, int(code[rows[0]])), rows)]
        order = np.argsort(code[rows], kind="stable")
        rows = rows[order]
        cuts = np.flatnonzero(np.diff(code[rows])) + 1
        parts = np.split(rows, cuts)
        return [(self._key(scope, int(code[part[0]])), part) for part in parts]

    def _key(self, scope: Scope, code: int) -> str:
        if scope == "user":
            return self.users[code]
        if scope == "topic":
            return self.topics.ids[code]
        return self.items.ids[code] if scope == "item" else str(code)


@cache
def _listed(types: frozenset[str]) -> BoolArray:
    """Return which type codes are among the types, shape ``(len(TYPE_CODE),)``."""
    return np.array([name in types for name in TYPE_CODE])


def _number_parents(frame: pl.DataFrame, topics: Vocabulary) -> None:
    """Number the parents that topic events name, among the topics of all rows in row order, as ``from_rows`` does."""
    import polars as pl

    catalogued = pl.col("type") == "topic"
    if not frame.select(catalogued.any()).item():
        return
    payload = pl.when(catalogued).then(pl.col("payload")).alias("payload")
    for labels, said in frame.select("topics", payload).unique(maintain_order=True).rows():
        for name in msgspec.json.decode(labels) if labels is not None else ():
            topics.add(name)
        if (parent := parent_of(said)) is not None:
            topics.add(parent)


def _replace(column: pl.Series, old: pl.Series, new: pl.Series) -> Int32Array:
    """Return ``new`` where ``old`` stands in ``column``; -1 for nulls, shape ``(len(column),)``."""
    if old.len() == 0:
        return np.full(column.len(), -1, dtype=np.int32)
    import polars as pl

    numbers = column.replace_strict(old, new, default=None, return_dtype=new.dtype)
    return numbers.cast(pl.Int32).fill_null(-1).to_numpy().astype(np.int32)
