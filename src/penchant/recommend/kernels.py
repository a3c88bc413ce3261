"""Hot loops of the candidate sources, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from penchant.math.arrays import Int32Array, IntArray


@njit(cache=True)
def nearest_items(
    item_start: IntArray,
    item_user: Int32Array,
    user_start: IntArray,
    user_item: Int32Array,
    n_items: int,
    n_neighbours: int,
    shrinkage: float,
) -> tuple[Any, Any]:
    """Return each item's nearest items by shrunk cosine, and the similarities.

    Args:
        item_start: Users of item ``i`` are ``item_user[item_start[i]:item_start[i + 1]]``, shape ``(n_items + 1,)``.
        item_user: User rows.
        user_start: Items of user ``u`` are ``user_item[user_start[u]:user_start[u + 1]]``.
        user_item: Item numbers.
        n_items: Items.
        n_neighbours: Neighbours kept.
        shrinkage: Added to the norm.

    Returns:
        Neighbours, int32, best first, -1 where there are no more, and similarities, float32, both ``(n_items, n)``.
    """
    neighbour = np.full((n_items, n_neighbours), -1, np.int32)
    similarity = np.zeros((n_items, n_neighbours), np.float32)
    common = np.zeros(n_items, np.int32)
    touched = np.empty(n_items, np.int32)
    for i in range(n_items):
        n_touched = 0
        for a in range(item_start[i], item_start[i + 1]):
            user = item_user[a]
            for b in range(user_start[user], user_start[user + 1]):
                j = user_item[b]
                if common[j] == 0:
                    touched[n_touched] = j
                    n_touched += 1
                common[j] += 1
        mine = item_start[i + 1] - item_start[i]
        kept = 0
        for t in range(n_touched):
            j = touched[t]
            both = common[j]
            common[j] = 0
            if j == i:
                continue
            theirs = item_start[j + 1] - item_start[j]
            sim = np.float32(both / (np.sqrt(mine * theirs) + shrinkage))
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
