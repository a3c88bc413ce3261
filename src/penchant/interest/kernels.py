"""The tracker's hot loop, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray


@njit(cache=True)
def fold_topics(
    old_topic: Int32Array,
    old_positive: Float32Array,
    old_negative: Float32Array,
    last_at: float,
    rows: IntArray,
    at: FloatArray,
    weight: FloatArray,
    topic_start: IntArray,
    topic: Int32Array,
    half_lives: FloatArray,
    negative_half_life: float,
    max_topics: int,
) -> tuple[Any, Any, Any, float]:
    """Return ``(topic, positive, negative, last_at)`` after the events ``rows`` of one user, in order.

    The sums are float32 and every step rounds, so a batch equals its events one by one. Weight is shared evenly among
    an event's topics.
    """
    n_old = old_topic.size
    n_views = half_lives.size
    n_new = 0
    for row in rows:
        n_new += topic_start[row + 1] - topic_start[row]
    room = min(max(max_topics, n_old), n_old + n_new)
    topics = np.empty(room, np.int32)
    positive = np.zeros((room, n_views), np.float32)
    negative = np.zeros(room, np.float32)
    topics[:n_old] = old_topic
    positive[:n_old] = old_positive
    negative[:n_old] = old_negative
    m = n_old
    for row in rows:
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
            last_at = at[row]
        if first == end:
            continue
        late = last_at - at[row]
        share = weight[row] / (end - first)
        for j in range(first, end):
            place = -1
            for i in range(m):
                if topics[i] == topic[j]:
                    place = i
                    break
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
            else:
                negative[place] += np.float32(-share * 2.0 ** (-late / negative_half_life))
    return topics[:m].copy(), positive[:m].copy(), negative[:m].copy(), last_at
