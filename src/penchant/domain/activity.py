"""Questions at regular times: what will a user turn to in the days after a midnight, and how soon?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.batch import EventBatch
from penchant.math.arrays import BoolArray, FloatArray, IntArray

HORIZONS_DAYS = (1.0, 7.0, 30.0)
"""How far ahead activity is asked about."""
EVERY_DAYS = 7.0


@dataclass(frozen=True, slots=True)
class Question:
    """One user at one midnight (UTC).

    Attributes:
        at: Seconds since 1970.
        rows: Rows of the batch to learn first: those since the question before, in the order of time.
        ahead_s: Seconds until each later (event, topic) pair, rising, shape ``(p,)``.
        topic: Topic of each pair, shape ``(p,)``.
        share: Weight of each pair, an event's topics share 1, shape ``(p,)``.
    """

    at: float
    rows: IntArray
    ahead_s: FloatArray
    topic: IntArray
    share: FloatArray

    def active(self, horizon_days: float, n_topics: int) -> BoolArray:
        """Return which topics come at least once within the horizon, shape ``(T,)``."""
        came = np.zeros(n_topics, dtype=np.bool_)
        came[self.topic[: int(np.searchsorted(self.ahead_s, horizon_days * DAY_S, side="left"))]] = True
        return came


def questions(
    batch: EventBatch,
    from_s: float,
    end_s: float,
    types: frozenset[str],
    users: set[str] | frozenset[str] | None = None,
    every_days: float = EVERY_DAYS,
) -> Iterator[tuple[str, list[Question]]]:
    """Yield ``(user_id, questions in the order of time)`` for every user that has an event before a question.

    The first question is at the first midnight at or after ``from_s``. An event at the very moment of a question counts
    as later. Only pairs of events that speak for interest (weight above 0) count as coming; all are learned.

    Args:
        batch: Events of many users.
        from_s: Seconds since 1970.
        end_s: No question from this moment on.
        types: Event types that count.
        users: Whose events; None for everybody's.
        every_days: Days from one question to the next.
    """
    times = np.arange(np.ceil(from_s / DAY_S) * DAY_S, end_s, every_days * DAY_S)
    for user_id, rows in batch.groups("user", types):
        if users is not None and user_id not in users:
            continue
        rows = rows[np.argsort(batch.at[rows], kind="stable")]
        at = batch.at[rows]
        ends = np.searchsorted(at, times, side="left")
        if not ends.size or not ends[-1]:
            continue
        counted = rows[batch.weight[rows] > 0]
        count = batch.topic_start[counted + 1] - batch.topic_start[counted]
        flat = np.arange(count.sum()) + np.repeat(batch.topic_start[counted] - (np.cumsum(count) - count), count)
        topic = batch.topic[flat].astype(np.int64)
        share = np.repeat(1.0 / np.maximum(count, 1), count)
        pair_at = np.repeat(batch.at[counted], count)
        asked, learned = [], 0
        for moment, end in zip(times.tolist(), ends.tolist(), strict=True):
            if end == 0:
                continue
            first = int(np.searchsorted(pair_at, moment, side="left"))
            asked.append(Question(moment, rows[learned:end], pair_at[first:] - moment, topic[first:], share[first:]))
            learned = end
        yield user_id, asked
