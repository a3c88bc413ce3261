"""Small tables of numbers inside compiled loops."""

from __future__ import annotations

from numba import njit

from penchant.math.arrays import Int32Array, IntArray


@njit(cache=True)
def place_of(numbers: Int32Array, n: int, number: int) -> int:
    """Return where ``number`` stands among the first ``n``, -1 where it does not."""
    for i in range(n):
        if numbers[i] == number:
            return i
    return -1


@njit(cache=True)
def room_for(n_old: int, rows: IntArray, topic_start: IntArray, most: int) -> int:
    """Return how many topics a table may come to hold after the events ``rows``: ``most``, or what it holds already."""
    n_new = 0
    for row in rows:
        n_new += topic_start[row + 1] - topic_start[row]
    return min(max(most, n_old), n_old + n_new)
