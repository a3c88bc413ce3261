"""Scores on one scale, and lists put into a new order: what rerankers share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penchant.domain.slate import Candidates
from penchant.math.arrays import FloatArray, IntArray


def unit(score: FloatArray) -> FloatArray:
    """Return scores moved and stretched to 0..1, ones where all are alike; scores of any ranker, below zero too.

    >>> unit(np.array([3.0, 2.0, -1.0]))
    array([1.  , 0.75, 0.  ])
    """
    if score.size == 0:
        return score
    low, high = score.min(), score.max()
    if not high > low:
        return np.ones(score.size)
    scaled: FloatArray = (score - low) / (high - low)
    return scaled


def mixed(ranked: Candidates, other: FloatArray, strength: float, depth: int) -> Candidates:
    """Return the first ``depth`` candidates by ``(1 - strength) * relevance + strength * other``, then the rest.

    Relevance is the score of those first ones, brought to 0..1. Ties stay in the old order.

    Args:
        ranked: Best first.
        other: What else counts, 0..1, of the first ``depth`` candidates.
        strength: 0..1.
        depth: How far down the list anything may come from.
    """
    value = (1.0 - strength) * unit(ranked.score[:depth]) + strength * other
    return reordered(ranked, np.argsort(-value, kind="stable"))


def reordered(ranked: Candidates, front: Sequence[int] | IntArray) -> Candidates:
    """Return the list with these places in front, the rest behind them in the old order; scores go with their items."""
    first = np.asarray(front, dtype=np.int64)
    rest = np.ones(ranked.item.size, dtype=np.bool_)
    rest[first] = False
    order = np.concatenate([first, np.flatnonzero(rest)])
    return Candidates(ranked.item[order], ranked.score[order])


def places_up(before: Candidates, after: Candidates) -> dict[int, int]:
    """Return how many places each item moved up, below zero for down; items that stayed, or are new, are left out.

    >>> scores = np.zeros(3)
    >>> places_up(Candidates(np.array([7, 8, 9]), scores), Candidates(np.array([9, 7, 8]), scores))
    {9: 2, 7: -1, 8: -1}
    """
    place = {item: i for i, item in enumerate(before.item.tolist())}
    return {item: place[item] - i for i, item in enumerate(after.item.tolist()) if place.get(item, i) != i}
