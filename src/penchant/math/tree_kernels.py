"""The compiled walk from the roots of trees to their leaves."""

from __future__ import annotations

import numpy as np
from numba import njit

from penchant.math.arrays import Float32Array, FloatArray, Int32Array


@njit(cache=True)
def add_leaves(
    x: Float32Array,
    root: Int32Array,
    feature: Int32Array,
    threshold: FloatArray,
    left: Int32Array,
    right: Int32Array,
    value: FloatArray,
) -> FloatArray:
    """Return the sum of the leaf values of all trees for each row, shape ``(n,)``."""
    out = np.zeros(x.shape[0])
    for first in root:  # tree by tree: its nodes stay in the cache
        for row in range(x.shape[0]):
            node = first
            while feature[node] >= 0:
                node = left[node] if x[row, feature[node]] <= threshold[node] else right[node]
            out[row] += value[node]
    return out
