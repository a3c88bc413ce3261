"""What a late event does.

The log keeps events in the order of arrival; learners fold them in that order. An event is late when a newer one of the
same user is already there. It is never dropped. It changes the states as if it had come in time:

* the tracker adds it with the weight that it would have by now (evidence is a sum over events, order does not matter);
* counts, money, rhythm, first and last times are sums, minima and maxima;
* the history keeps the newest event of each item;
* facts and the catalogue keep the newest value by event time;
* only the number of visits is counted in the order of arrival.

A read at a moment sees every event that happened up to then, including those that arrived later.
"""

from __future__ import annotations

import numpy as np

from penchant.math.arrays import BoolArray, FloatArray, Int32Array


def late(user: Int32Array, at: FloatArray, newest: FloatArray) -> BoolArray:
    """Return which events come after a newer one of their user.

    Args:
        user: User row of each event in order of arrival, -1 for none, shape ``(n,)``.
        at: Time of each event, shape ``(n,)``.
        newest: Time of the newest event of each user before these, ``-inf`` for none, shape ``(users,)``.
    """
    order = np.argsort(user, kind="stable")
    late_sorted = np.zeros(user.size, dtype=np.bool_)
    sorted_user, sorted_at = user[order], at[order]
    cuts = np.flatnonzero(np.diff(sorted_user)) + 1
    for part in np.split(np.arange(user.size), cuts):
        if part.size and sorted_user[part[0]] >= 0:
            before = np.maximum.accumulate(np.concatenate([[newest[sorted_user[part[0]]]], sorted_at[part]]))[:-1]
            late_sorted[part] = sorted_at[part] < before
    answer = np.zeros(user.size, dtype=np.bool_)
    answer[order] = late_sorted
    return answer
