"""Which items and topics a user dealt with lately, and in which events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from penchant.domain.batch import EventBatch, Scope
from penchant.domain.event import EVENT_TYPES, EVIDENCE_WEIGHT
from penchant.domain.packing import pack, unpack
from penchant.domain.profile import History, RecentTopics
from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray

FORMAT = 1
MAX_ITEMS = 1000
MAX_TOPICS = 256
EVENTS_PER_TOPIC = 4


@dataclass(frozen=True, slots=True)
class HistoryState:
    """Items and topics of one user, with the newest events on each.

    Attributes:
        item: Item numbers, shape ``(m,)``, distinct, by first event.
        count: Sum of the positive weights of the events on each, shape ``(m,)``.
        item_at: Time of the newest event on each, shape ``(m,)``.
        item_position: Log position of that event, shape ``(m,)``.
        topic: Topic numbers, shape ``(t,)``, distinct, by first event.
        topic_at: Times of the newest events on each topic, newest first, ``-inf`` for none, shape ``(t, 4)``.
        topic_weight: What each gave the topic, shape ``(t, 4)``.
        topic_position: Log position of each, shape ``(t, 4)``.
        last_at: Time of the newest event.
    """

    item: Int32Array
    count: Float32Array
    item_at: FloatArray
    item_position: IntArray
    topic: Int32Array
    topic_at: FloatArray
    topic_weight: Float32Array
    topic_position: IntArray
    last_at: float


class HistoryLearner:
    """Remembers the last 1,000 items of a user, and of the last 256 topics the four newest events on each.

    Beyond that what was untouched for longest is forgotten, so "seen" means "among the last 1,000 items". The events let
    an interest name its evidence without a look into the log.
    """

    name = "history"
    scope: Scope = "user"
    types: frozenset[str] = frozenset(name for name in EVENT_TYPES if EVIDENCE_WEIGHT[name] != 0.0)

    def start(self) -> HistoryState:
        """Return an empty history."""
        return HistoryState(
            np.empty(0, np.int32),
            np.empty(0, np.float32),
            np.empty(0),
            np.empty(0, np.int64),
            np.empty(0, np.int32),
            np.empty((0, EVENTS_PER_TOPIC)),
            np.empty((0, EVENTS_PER_TOPIC), np.float32),
            np.empty((0, EVENTS_PER_TOPIC), np.int64),
            -math.inf,
        )

    def update(self, states: Mapping[str, HistoryState], batch: EventBatch) -> dict[str, HistoryState]:
        """Return the states after the batch; see ``Learner.update``."""
        from penchant.profile.kernels import fold_items, fold_newest

        weight = batch.weight
        changed: dict[str, HistoryState] = {}
        for user_id, rows in batch.groups(self.scope, self.types):
            old = states.get(user_id) or self.start()
            item, count, item_at, item_position = fold_items(
                old.item,
                old.count,
                old.item_at,
                old.item_position,
                rows,
                batch.item,
                batch.at,
                batch.position,
                weight,
                MAX_ITEMS,
            )
            topic, topic_at, topic_weight, topic_position = fold_newest(
                old.topic,
                old.topic_at,
                old.topic_weight,
                old.topic_position,
                rows,
                batch.topic_start,
                batch.topic,
                batch.at,
                batch.position,
                weight,
                MAX_TOPICS,
            )
            last_at = max(old.last_at, float(batch.at[rows].max()))
            changed[user_id] = HistoryState(
                item, count, item_at, item_position, topic, topic_at, topic_weight, topic_position, last_at
            )
        return changed

    def read(self, state: HistoryState, at: float) -> History:
        """Return the items, the longest untouched first; nothing in the state may be newer than ``at``."""
        order = np.lexsort((state.item_position, state.item_at))
        return History(
            state.item[order],
            state.count[order].astype(np.float64),
            state.item_at[order],
            state.item_position[order],
        )

    def recent(self, state: HistoryState) -> RecentTopics:
        """Return the newest events on each topic as (event, topic) pairs."""
        there = np.isfinite(state.topic_at)
        return RecentTopics(
            np.repeat(state.topic, there.sum(axis=1)),
            state.topic_weight[there].astype(np.float64),
            state.topic_at[there],
            state.topic_position[there],
        )

    def encode(self, state: HistoryState) -> bytes:
        """Return the state as bytes."""
        return pack(FORMAT, {name: getattr(state, name) for name in HistoryState.__slots__})

    def decode(self, data: bytes) -> HistoryState:
        """Return the state that ``encode`` wrote; ``FormatError`` when damaged."""
        return HistoryState(**unpack(data, FORMAT))

    def last_at(self, state: HistoryState) -> float:
        """Return the time of the newest event, seconds since 1970."""
        return state.last_at
