"""From histories to what counts: each row's distinct items by their last event, with age and weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories
from penchant.math.arrays import FloatArray, Int32Array, IntArray
from penchant.math.decay import half_life_weight


@dataclass(frozen=True, slots=True)
class Mine:
    """The distinct items of each row, the longest untouched first.

    Attributes:
        start: The items of row ``b`` are ``start[b]:start[b + 1]``, shape ``(B + 1,)``.
        item: Item numbers, shape ``(m,)``.
        age_days: Days from the last event on the item to the question, >= 0, shape ``(m,)``.
        weight: Sum of the weights of the row's events on the item, shape ``(m,)``.
    """

    start: IntArray
    item: Int32Array
    age_days: FloatArray
    weight: FloatArray

    def faded(self, half_life_days: float | None) -> FloatArray:
        """Return ``2 ** (-age / half_life)`` of each item; ones without a half-life."""
        return np.ones(self.item.size) if half_life_days is None else half_life_weight(self.age_days, half_life_days)

    def matrix(self, value: FloatArray, n_items: int) -> sparse.csr_array:
        """Return ``value`` by row and item, CSR of shape ``(B, n_items)``."""
        return sparse.csr_array((value, self.item, self.start), shape=(self.start.size - 1, n_items))


def newest_items(histories: Histories, n_items: int, most: int | None = None) -> Mine:
    """Return the distinct items below ``n_items`` of each row, the ``most`` newest of them; None for all."""
    rows = histories.rows()
    keep = np.flatnonzero((histories.item < n_items) & (histories.at <= histories.asked_at[rows]))
    key = rows[keep] * max(1, n_items) + histories.item[keep]
    distinct, from_end, which = np.unique(key[::-1], return_index=True, return_inverse=True)
    total = np.bincount(which, weights=histories.weight[keep][::-1], minlength=distinct.size).astype(float)
    order = np.argsort(-from_end)  # rows rise, within a row the last event comes last
    event = keep[keep.size - 1 - from_end[order]]
    row, weight = rows[event], total[order]
    sizes = np.bincount(row, minlength=len(histories))
    if most is not None:
        newest = np.cumsum(sizes)[row] - np.arange(row.size) <= most
        event, row, weight = event[newest], row[newest], weight[newest]
        sizes = np.minimum(sizes, most)
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    age_days = (histories.asked_at[row] - histories.at[event]) / DAY_S
    return Mine(start, histories.item[event], age_days, weight)


def taken_by_users(interactions: Interactions, half_life_days: float | None = None) -> sparse.csr_array:
    """Return which user took which item, CSR of shape ``(n_users, n_items)``, columns rising within a row.

    Ones; with a half-life ``2 ** (-age / half_life)`` by the age of the last event on the pair at the newest of all.
    """
    matrix = interactions.matrix()
    matrix.sort_indices()
    if half_life_days is not None and interactions.at.size:
        faded = half_life_weight((interactions.at.max() - interactions.at) / DAY_S, half_life_days)
        key = interactions.user.astype(np.int64) * interactions.n_items + interactions.item
        order = np.argsort(key, kind="stable")
        first = np.flatnonzero(np.diff(key[order], prepend=-1))
        matrix.data = np.maximum.reduceat(faded[order], first)
    return matrix
