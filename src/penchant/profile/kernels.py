"""Hot loops of the profile's learners, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray
from penchant.math.lookup import place_of, room_for


@njit(cache=True)
def fold_items(
    old_item: Int32Array,
    old_count: Float32Array,
    old_at: FloatArray,
    old_position: IntArray,
    rows: IntArray,
    item: Int32Array,
    at: FloatArray,
    position: IntArray,
    weight: FloatArray,
    max_items: int,
) -> tuple[Any, Any, Any, Any]:
    """Return ``(item, count, at, position)`` after the events ``rows`` of one user, in order.

    A full table forgets the item with the oldest event. Events against an item (weight below zero) enter it without
    adding to the count.
    """
    n_old = old_item.size
    room = min(max(max_items, n_old), n_old + rows.size)
    items = np.empty(room, np.int32)
    count = np.zeros(room, np.float32)
    newest = np.empty(room, np.float64)
    where = np.empty(room, np.int64)
    items[:n_old] = old_item
    count[:n_old] = old_count
    newest[:n_old] = old_at
    where[:n_old] = old_position
    m = n_old
    for row in rows:
        if item[row] < 0:
            continue
        place = place_of(items, m, item[row])
        if place < 0:
            if m < room:
                place = m
                m += 1
            else:
                place = 0
                for i in range(1, m):
                    if newest[i] < newest[place]:
                        place = i
            items[place] = item[row]
            count[place] = np.float32(0.0)
            newest[place] = -np.inf
            where[place] = position[row]
        if weight[row] > 0:
            count[place] += np.float32(weight[row])
        if at[row] >= newest[place]:
            newest[place] = at[row]
            where[place] = position[row]
    return items[:m].copy(), count[:m].copy(), newest[:m].copy(), where[:m].copy()


@njit(cache=True)
def fold_newest(
    old_topic: Int32Array,
    old_at: FloatArray,
    old_weight: Float32Array,
    old_position: IntArray,
    rows: IntArray,
    topic_start: IntArray,
    topic: Int32Array,
    at: FloatArray,
    position: IntArray,
    weight: FloatArray,
    max_topics: int,
) -> tuple[Any, Any, Any, Any]:
    """Return ``(topic, at, weight, position)`` of the newest events on each topic after the events ``rows``, in order.

    A full table forgets the topic whose newest event is oldest. Only events that speak for a topic enter.
    """
    n_old, width = old_at.shape
    room = room_for(n_old, rows, topic_start, max_topics)
    topics = np.empty(room, np.int32)
    newest = np.full((room, width), -np.inf)
    given = np.zeros((room, width), np.float32)
    where = np.zeros((room, width), np.int64)
    topics[:n_old] = old_topic
    newest[:n_old] = old_at
    given[:n_old] = old_weight
    where[:n_old] = old_position
    m = n_old
    for row in rows:
        if weight[row] <= 0:
            continue
        first, end = topic_start[row], topic_start[row + 1]
        for j in range(first, end):
            place = place_of(topics, m, topic[j])
            if place < 0:
                if m < room:
                    place = m
                    m += 1
                else:
                    place = 0
                    for i in range(1, m):
                        if newest[i, 0] < newest[place, 0]:
                            place = i
                    newest[place, :] = -np.inf
                    given[place, :] = np.float32(0.0)
                    where[place, :] = 0
                topics[place] = topic[j]
            if at[row] < newest[place, width - 1]:
                continue
            slot = width - 1
            while slot > 0 and at[row] >= newest[place, slot - 1]:
                newest[place, slot] = newest[place, slot - 1]
                given[place, slot] = given[place, slot - 1]
                where[place, slot] = where[place, slot - 1]
                slot -= 1
            newest[place, slot] = at[row]
            given[place, slot] = np.float32(weight[row] / (end - first))
            where[place, slot] = position[row]
    return topics[:m].copy(), newest[:m].copy(), given[:m].copy(), where[:m].copy()
