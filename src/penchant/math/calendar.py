"""Hour and weekday of moments, UTC."""

from __future__ import annotations

import numpy as np

from penchant.math.arrays import FloatArray, IntArray


def hour_of(at: FloatArray | float) -> IntArray:
    """Return the hour, 0..23, of moments in seconds since 1970, in the shape given."""
    hour: IntArray = np.asarray(np.floor_divide(at, 3_600.0) % 24).astype(np.int64)
    return hour


def weekday_of(at: FloatArray | float) -> IntArray:
    """Return the weekday, 0 = Monday, of moments in seconds since 1970, in the shape given."""
    weekday: IntArray = np.asarray((np.floor_divide(at, 86_400.0) + 3) % 7).astype(np.int64)  # 1970-01-01: a Thursday
    return weekday
