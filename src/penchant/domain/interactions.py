"""All interactions at once, as arrays, for models that are fitted in a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from penchant.math.arrays import FloatArray, Int32Array


@dataclass(frozen=True, slots=True)
class Interactions:
    """Events of users with items that speak for interest.

    Attributes:
        user: Row number of the user, shape ``(n,)``.
        item: Item number, shape ``(n,)``.
        at: Seconds since 1970, shape ``(n,)``.
        weight: Evidence weight, > 0, shape ``(n,)``.
        n_users: Users.
        n_items: Size of the item vocabulary.
        facts: What is known of users beside events, value by name, by row number of the user; those of whom nothing is
            known are left out.
    """

    user: Int32Array
    item: Int32Array
    at: FloatArray
    weight: FloatArray
    n_users: int
    n_items: int
    facts: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)

    def matrix(self) -> sparse.csr_array:
        """Return which user dealt with which item, ones, CSR of shape ``(n_users, n_items)``."""
        matrix = sparse.csr_array((np.ones(self.user.size), (self.user, self.item)), shape=(self.n_users, self.n_items))
        matrix.sum_duplicates()
        matrix.data[:] = 1.0
        return matrix

    def repeat_share(self) -> float:
        """Return the share of interactions with an item that the user had dealt with before, 0..1."""
        if self.user.size == 0:
            return 0.0
        pairs = np.unique(self.user.astype(np.int64) * max(1, self.n_items) + self.item).size
        return 1.0 - pairs / self.user.size
