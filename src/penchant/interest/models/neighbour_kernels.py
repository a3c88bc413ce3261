"""Hot loops of the neighbourhood models, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray


@njit(cache=True)
def spread(
    start: IntArray,
    index: Int32Array,
    weight: FloatArray,
    table_start: IntArray,
    table_index: Int32Array,
    table_value: Float32Array,
    out: Float32Array,
) -> None:
    """Add ``weight[a] * table_value[t]`` of every entry ``t`` of table row ``index[a]`` to ``out[b, table_index[t]]``.

    That is a product of two sparse matrices into a dense one, row by row in a fixed order: a row alone gives the same.

    Args:
        start: Entries of row ``b`` are ``start[b]:start[b + 1]``, shape ``(B + 1,)``.
        index: Rows of the table.
        weight: Their weights.
        table_start: Entries of table row ``j`` are ``table_start[j]:table_start[j + 1]``.
        table_index: Columns; those beyond ``out`` are left out.
        table_value: Values.
        out: Shape ``(B, n)``.
    """
    n = out.shape[1]
    for b in range(start.size - 1):
        for a in range(start[b], start[b + 1]):
            j, share = index[a], weight[a]
            for t in range(table_start[j], table_start[j + 1]):
                column = table_index[t]
                if column < n:
                    out[b, column] += np.float32(share * table_value[t])


@njit(cache=True)
def nearest_columns(
    item_start: IntArray,
    item_user: Int32Array,
    item_value: FloatArray,
    user_start: IntArray,
    user_item: Int32Array,
    user_value: FloatArray,
    norm: FloatArray,
    root_mean: FloatArray,
    with_mean: FloatArray,
    means: float,
    n_neighbours: int,
    shrinkage: float,
) -> tuple[Any, Any]:
    """Return each item's nearest items by a shrunk similarity above zero, and the similarities.

    ``sim(i, j) = (x_i·x_j - root_mean_i root_mean_j - with_mean_i - with_mean_j + means) / (norm_ij + shrinkage)``, where
    ``norm_ij = sqrt(norm_i norm_j)``: the cosine with zeros, Pearson's and the adjusted one with what centring takes
    away (``neighbours.centring``). Only items with a user in common are looked at.

    Args:
        item_start: Users of item ``i`` are ``item_user[item_start[i]:item_start[i + 1]]``, shape ``(n_items + 1,)``.
        item_user: User rows.
        item_value: Value of each.
        user_start: Items of user ``u`` are ``user_item[user_start[u]:user_start[u + 1]]``.
        user_item: Item numbers.
        user_value: Value of each.
        norm: Squared length of each column after centring, shape ``(n_items,)``; 0 has no neighbours.
        root_mean: Shape ``(n_items,)``.
        with_mean: Shape ``(n_items,)``.
        means: One number.
        n_neighbours: Neighbours kept.
        shrinkage: Added to the norm.

    Returns:
        Neighbours, int32, best first, -1 where there are no more, and similarities, float32, both ``(n_items, n)``.
    """
    n_items = norm.size
    neighbour = np.full((n_items, n_neighbours), -1, np.int32)
    similarity = np.zeros((n_items, n_neighbours), np.float32)
    common = np.zeros(n_items)
    seen = np.zeros(n_items, np.bool_)
    touched = np.empty(n_items, np.int32)
    for i in range(n_items):
        n_touched = 0
        for a in range(item_start[i], item_start[i + 1]):
            user, value = item_user[a], item_value[a]
            for b in range(user_start[user], user_start[user + 1]):
                j = user_item[b]
                if not seen[j]:
                    seen[j] = True
                    touched[n_touched] = j
                    n_touched += 1
                common[j] += value * user_value[b]
        kept = 0
        for t in range(n_touched):
            j = touched[t]
            both = common[j] - root_mean[i] * root_mean[j] - with_mean[i] - with_mean[j] + means
            common[j] = 0.0
            seen[j] = False
            length = np.sqrt(norm[i] * norm[j])
            if j == i or both <= 0.0 or length == 0.0:
                continue
            sim = np.float32(both / (length + shrinkage))
            # Insertion into the short sorted list; equal similarities go by the lower number, so order of users is moot.
            if kept == n_neighbours:
                last = kept - 1
                if sim < similarity[i, last] or (sim == similarity[i, last] and j > neighbour[i, last]):
                    continue
                place = last
            else:
                place = kept
                kept += 1
            while place > 0 and (
                sim > similarity[i, place - 1] or (sim == similarity[i, place - 1] and j < neighbour[i, place - 1])
            ):
                similarity[i, place] = similarity[i, place - 1]
                neighbour[i, place] = neighbour[i, place - 1]
                place -= 1
            similarity[i, place] = sim
            neighbour[i, place] = j
    return neighbour, similarity
