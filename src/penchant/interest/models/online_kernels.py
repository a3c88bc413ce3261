"""Hot loops of neighbours that are kept up to date event by event, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray


@njit(cache=True)
def note(keys: IntArray, at: FloatArray, n: int, key: int, when: float) -> int:
    """Put ``key`` with the time of its newest event into a table of the newest keys; return how many it holds.

    A full table forgets the key whose event is oldest, the first of equals; one older than all does not enter.

    Args:
        keys: Distinct, the first ``n`` are there; changed in place.
        at: Time of the newest event of each; changed in place.
        n: How many there are.
        key: Whose event it is.
        when: When it happened.
    """
    oldest = 0
    for place in range(n):
        if keys[place] == key:
            at[place] = max(at[place], when)
            return n
        if at[place] < at[oldest]:
            oldest = place
    if n < keys.size:
        keys[n], at[n] = key, when
        return n + 1
    if when > at[oldest]:
        keys[oldest], at[oldest] = key, when
    return n


@njit(cache=True)
def note_all(rows: IntArray, user: IntArray, at: FloatArray, keys: IntArray, newest: FloatArray, n: int) -> int:
    """Put the users of the events ``rows`` into one item's table in order; return how many it holds."""
    for row in rows:
        n = note(keys, newest, n, user[row], at[row])
    return n


@njit(cache=True)
def note_both(
    user: Int32Array,
    item: Int32Array,
    at: FloatArray,
    taker: IntArray,
    taken_at: FloatArray,
    n_takers: IntArray,
    own: IntArray,
    own_at: FloatArray,
    n_own: IntArray,
) -> None:
    """Put events in order into the tables of their items and of their users, in place.

    Args:
        user: User rows, shape ``(n,)``.
        item: Item numbers.
        at: Times.
        taker: Newest users of each item, shape ``(items, max_users)``.
        taken_at: Time of the newest event of each.
        n_takers: How many there are, shape ``(items,)``.
        own: Newest items of each user, shape ``(users, max_items)``.
        own_at: Time of the newest event of each.
        n_own: How many there are, shape ``(users,)``.
    """
    for k in range(user.size):
        i, u = item[k], user[k]
        n_takers[i] = note(taker[i], taken_at[i], n_takers[i], u, at[k])
        n_own[u] = note(own[u], own_at[u], n_own[u], i, at[k])


@njit(cache=True)
def together(
    start: IntArray,
    mine: Int32Array,
    weight: FloatArray,
    taker: IntArray,
    taken_at: FloatArray,
    n_takers: IntArray,
    own: IntArray,
    own_at: FloatArray,
    n_own: IntArray,
    norm: FloatArray,
    newest: float,
    half_life: float,
    shrinkage: float,
    out: Float32Array,
) -> None:
    """Add the similarity of every item to each row's items, each weighing ``weight``, to ``out``.

    ``sim(j, i) = sum over users of both 2**(-(age_uj + age_ui) / half_life) / (norm_j norm_i + shrinkage)``, ages at
    ``newest``, in the unit of ``half_life``.
    """
    common = np.zeros(norm.size)
    touched = np.empty(norm.size, np.int64)
    for b in range(start.size - 1):
        for a in range(start[b], start[b + 1]):
            j, n_touched = mine[a], 0
            for t in range(n_takers[j]):
                u = taker[j, t]
                here = 2.0 ** (-(newest - taken_at[j, t]) / half_life)
                for s in range(n_own[u]):
                    i = own[u, s]
                    if i == j:
                        continue
                    if common[i] == 0.0:
                        touched[n_touched] = i
                        n_touched += 1
                    common[i] += here * 2.0 ** (-(newest - own_at[u, s]) / half_life)
            for t in range(n_touched):
                i = touched[t]
                if i < out.shape[1]:
                    out[b, i] += np.float32(weight[a] * common[i] / (norm[j] * norm[i] + shrinkage))
                common[i] = 0.0
