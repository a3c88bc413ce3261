"""What a user was shown, and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penchant.math.arrays import FloatArray, Int32Array

KEPT = 4
"""Newest impressions of an item that are kept."""


@dataclass(frozen=True, slots=True)
class Impressions:
    """Items that a user was shown.

    Attributes:
        item: Item numbers, distinct, shape ``(m,)``.
        at: When each was shown, newest first, seconds since 1970, ``-inf`` for none, shape ``(m, 4)``.
    """

    item: Int32Array
    at: FloatArray

    @classmethod
    def none(cls) -> Impressions:
        """Return that nothing was shown."""
        return cls(np.empty(0, np.int32), np.empty((0, KEPT)))
