"""The largest entries of a score vector, in a fixed order."""

from __future__ import annotations

import numpy as np

from penchant.math.arrays import FloatArray, IntArray


def top_n(scores: FloatArray, n: int) -> IntArray:
    """Return the indices of the ``n`` largest finite scores, largest first; ties go to the lower index.

    Args:
        scores: Shape ``(m,)``; ``-inf`` and NaN never enter the answer.
        n: At most this many, >= 0.

    >>> top_n(np.array([1.0, 3.0, 3.0, -np.inf]), 3)
    array([1, 2, 0])
    """
    usable = np.flatnonzero(np.isfinite(scores))
    if n <= 0 or usable.size == 0:
        return np.empty(0, dtype=np.int64)
    values = scores[usable]
    if n < usable.size:
        # argpartition breaks ties at the border at random: keep everything at or above the n-th value, then sort.
        border = np.partition(values, usable.size - n)[usable.size - n]
        keep = values >= border
        usable, values = usable[keep], values[keep]
    order = np.lexsort((usable, -values))[:n]
    return usable[order].astype(np.int64)
