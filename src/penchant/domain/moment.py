"""Moments: a user's events at the same time, asked about before any of them is learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from penchant.domain.batch import EventBatch
from penchant.math.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Moment:
    """Events of one user at the same time: asked about together, then learned.

    Attributes:
        user_id: The user.
        at: Seconds since 1970.
        rows: Rows of the batch.
        topic: Topics that came, one entry for each (event, topic) pair, shape ``(p,)``.
        share: Weight of each pair, an event's topics share 1, shape ``(p,)``.
    """

    user_id: str
    at: float
    rows: IntArray
    topic: IntArray
    share: FloatArray


def moments(
    batch: EventBatch, from_s: float, types: frozenset[str], users: set[str] | None = None
) -> Iterator[tuple[str, IntArray, list[Moment]]]:
    """Yield ``(user, rows before from_s, moments from then on in the order of time)`` for every user that has one.

    Args:
        batch: Events of many users.
        from_s: Seconds since 1970; earlier events are learned without being asked about.
        types: Event types that count.
        users: Whose events; None for everybody's.
    """
    for user_id, rows in batch.groups("user", types):
        if users is not None and user_id not in users:
            continue
        rows = rows[np.argsort(batch.at[rows], kind="stable")]
        at = batch.at[rows]
        cut = int(np.searchsorted(at, from_s, side="left"))
        later = rows[cut:]
        if later.size == 0:
            continue
        asked = []
        for part in np.split(later, np.flatnonzero(np.diff(batch.at[later])) + 1):
            count = batch.topic_start[part + 1] - batch.topic_start[part]
            flat = np.arange(count.sum()) + np.repeat(batch.topic_start[part] - (np.cumsum(count) - count), count)
            share = np.repeat(1.0 / np.maximum(count, 1), count)
            asked.append(Moment(user_id, float(batch.at[part[0]]), part, batch.topic[flat].astype(np.int64), share))
        yield user_id, rows[:cut], asked
