"""One made user: events of real users in the order of time, as they were, mixed, or with the topics shuffled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from penchant.domain.batch import EventBatch
from penchant.math.arrays import FloatArray, IntArray


def as_one_user(batch: EventBatch, rows: IntArray, user_id: str, at: FloatArray | None = None) -> EventBatch:
    """Return these rows as the events of one user, in the given order.

    Args:
        batch: Events of many users.
        rows: Which, in the order in which they shall be learned.
        user_id: The user to whom they go.
        at: When they happen instead, seconds since 1970, shape ``(rows,)``; None for when they did.
    """
    mine = batch.select(rows)
    return replace(
        mine,
        position=np.arange(1, rows.size + 1),
        user=np.zeros(rows.size, dtype=np.int32),
        users=[user_id],
        at=mine.at if at is None else at,
        _groups={},
    )


def shuffled(batch: EventBatch, rng: np.random.Generator) -> EventBatch:
    """Return one user's events with the topics permuted over all of them: the same times, tastes that never change."""
    order = rng.permutation(len(batch))
    count = np.diff(batch.topic_start)[order]
    start = np.concatenate([[0], np.cumsum(count)])
    flat = np.arange(start[-1]) + np.repeat(batch.topic_start[order] - start[:-1], count)
    return replace(batch, topic_start=start.astype(np.int64), topic=batch.topic[flat], _groups={})
