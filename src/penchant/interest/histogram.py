"""Decayed topic histograms, one for each half-life: what the plain topic models and the training rows stand on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit

from penchant.clock import DAY_S
from penchant.domain.batch import EventBatch
from penchant.domain.event import EVENT_TYPES, EVIDENCE_WEIGHT
from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray
from penchant.math.lookup import place_of, room_for

TOPIC_TYPES: frozenset[str] = frozenset(name for name in EVENT_TYPES if EVIDENCE_WEIGHT[name] != 0.0)
"""Event types that say something about interest."""
MAX_TOPICS = 256
NEGATIVE_HALF_LIFE_DAYS = 90.0
RATE_HALF_LIFE_DAYS = 30.0
"""Half-life of the count of a user's events, from which the user's rate of events is estimated."""


@dataclass(frozen=True, slots=True)
class HistogramState:
    """Evidence of one user, as of ``last_at``.

    Attributes:
        topic: Topic numbers in the order of their first event, shape ``(m,)``.
        positive: Decayed evidence by topic and half-life, shape ``(m, K)``.
        negative: Decayed evidence against each topic, shape ``(m,)``.
        pairs: Decayed number of (event, topic) pairs that spoke for interest.
        first_at: Time of the oldest event, seconds since 1970; ``inf`` without one.
        last_at: Time of the newest event; ``-inf`` without one.
    """

    topic: Int32Array
    positive: Float32Array
    negative: Float32Array
    pairs: float
    first_at: float
    last_at: float


@dataclass(frozen=True)
class Histogram:
    """A fold of events into decayed sums; a late event enters with the weight that it would have by now.

    Attributes:
        half_lives_days: Half-lives of the ``K`` views.
        max_topics: Topics kept per user; beyond it the one with the least evidence in the last view is forgotten.
    """

    half_lives_days: tuple[float, ...]
    max_topics: int = MAX_TOPICS

    @cached_property
    def half_lives_s(self) -> FloatArray:
        """Return the half-lives in seconds, shape ``(K,)``."""
        return np.array(self.half_lives_days) * DAY_S

    def start(self) -> HistogramState:
        """Return the state of a user without events."""
        n_views = len(self.half_lives_days)
        return HistogramState(
            np.empty(0, np.int32), np.empty((0, n_views), np.float32), np.empty(0, np.float32), 0.0, math.inf, -math.inf
        )

    def update(self, states: Mapping[str, HistogramState], batch: EventBatch) -> dict[str, HistogramState]:
        """Return the users' states after the events; see ``Learner.update``."""
        return {
            user_id: self.fold(states.get(user_id) or self.start(), batch, rows)[0]
            for user_id, rows in batch.groups("user", TOPIC_TYPES)
        }

    def fold(
        self,
        state: HistogramState,
        batch: EventBatch,
        rows: IntArray,
        prior: FloatArray | None = None,
        strength: float = 1.0,
    ) -> tuple[HistogramState, FloatArray]:
        """Return one user's state after the events ``rows``, and what each event cost before it was learned.

        Args:
            state: The state before.
            batch: The events.
            rows: Rows of the user, in the order in which they are learned.
            prior: The population's share of each entry of ``batch.topic``; None where no cost is asked for.
            strength: Weight of the prior in events.

        Returns:
            The state, and the mean of ``-ln p`` over each event's topics by the first view, shape ``(rows,)``; NaN for
            an event without topics or without ``prior``.
        """
        topic, positive, negative, pairs, first_at, last_at, cost = _fold(
            state.topic,
            state.positive,
            state.negative,
            state.pairs,
            state.first_at,
            state.last_at,
            rows,
            batch.at,
            batch.weight,
            batch.topic_start,
            batch.topic,
            self.half_lives_s,
            self.max_topics,
            np.empty(0) if prior is None else prior,
            strength,
        )
        return HistogramState(topic, positive, negative, pairs, first_at, last_at), cost

    def views(self, state: HistogramState, at: float) -> FloatArray:
        """Return the evidence of the state's topics as of ``at`` (not before ``last_at``), shape ``(m, K)``."""
        age = max(0.0, at - state.last_at) if state.topic.size else 0.0
        decayed: FloatArray = state.positive.astype(np.float64) * np.exp2(-age / self.half_lives_s)
        return decayed


@njit(cache=True)
def _fold(
    old_topic: Int32Array,
    old_positive: Float32Array,
    old_negative: Float32Array,
    pairs: float,
    first_at: float,
    last_at: float,
    rows: IntArray,
    at: FloatArray,
    weight: FloatArray,
    topic_start: IntArray,
    topic: Int32Array,
    half_lives: FloatArray,
    max_topics: int,
    prior: FloatArray,
    strength: float,
) -> tuple[Any, Any, Any, float, float, float, Any]:
    """See ``Histogram.fold``. The sums are float32 and every step rounds, so a batch equals its events one by one."""
    negative_half_life = NEGATIVE_HALF_LIFE_DAYS * DAY_S
    rate_half_life = RATE_HALF_LIFE_DAYS * DAY_S
    n_old, n_views = old_topic.size, half_lives.size
    room = room_for(n_old, rows, topic_start, max_topics)
    topics = np.empty(room, np.int32)
    positive = np.zeros((room, n_views), np.float32)
    negative = np.zeros(room, np.float32)
    topics[:n_old] = old_topic
    positive[:n_old] = old_positive
    negative[:n_old] = old_negative
    cost = np.full(rows.size, np.nan)
    m = n_old
    for number in range(rows.size):
        row = rows[number]
        first, end = topic_start[row], topic_start[row + 1]
        if at[row] > last_at:
            if m > 0:
                age = at[row] - last_at
                for k in range(n_views):
                    factor = np.float32(2.0 ** (-age / half_lives[k]))
                    for i in range(m):
                        positive[i, k] *= factor
                factor = np.float32(2.0 ** (-age / negative_half_life))
                for i in range(m):
                    negative[i] *= factor
            if pairs > 0.0:
                pairs *= 2.0 ** (-(at[row] - last_at) / rate_half_life)
            last_at = at[row]
        first_at = min(first_at, at[row])
        if first == end:
            continue
        late = last_at - at[row]
        share = weight[row] / (end - first)
        if prior.size:
            known = 0.0
            for i in range(m):
                known += positive[i, 0]
            total = 0.0
            for j in range(first, end):
                place = place_of(topics, m, topic[j])
                mine = positive[place, 0] if place >= 0 else np.float32(0.0)
                total -= math.log((mine + strength * prior[j]) / (known + strength))
            cost[number] = total / (end - first)
        for j in range(first, end):
            place = place_of(topics, m, topic[j])
            if place < 0:
                if m < room:
                    place = m
                    m += 1
                else:
                    place = 0
                    for i in range(1, m):
                        if positive[i, n_views - 1] + negative[i] < positive[place, n_views - 1] + negative[place]:
                            place = i
                    positive[place, :] = np.float32(0.0)
                    negative[place] = np.float32(0.0)
                topics[place] = topic[j]
            if share > 0:
                for k in range(n_views):
                    positive[place, k] += np.float32(share * 2.0 ** (-late / half_lives[k]))
                pairs += 2.0 ** (-late / rate_half_life)
            else:
                negative[place] += np.float32(-share * 2.0 ** (-late / negative_half_life))
    return topics[:m].copy(), positive[:m].copy(), negative[:m].copy(), pairs, first_at, last_at, cost
