"""Exponential forgetting."""

from __future__ import annotations

import numpy as np

from penchant.math.arrays import FloatArray


def half_life_weight(age: FloatArray, half_life: float) -> FloatArray:
    """Return ``2 ** (-age / half_life)``.

    Args:
        age: Time since each event, shape ``(n,)``, all >= 0, in the unit of ``half_life``.
        half_life: Time after which an event counts half, > 0.

    Returns:
        Weights in ``(0, 1]``, shape ``(n,)``.

    Source:
        Ding & Li, "Time weight collaborative filtering", CIKM 2005.

    >>> half_life_weight(np.array([0.0, 3600.0]), 3600.0)
    array([1. , 0.5])
    """
    return np.exp2(-age / half_life)
