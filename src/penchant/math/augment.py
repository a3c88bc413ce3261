"""Augment a sequence: crop, mask, reorder, substitute by what is similar, insert; pure, with chance that comes in."""

from __future__ import annotations

import numpy as np

from penchant.math.arrays import FloatArray, Int32Array, IntArray

NOTHING = -1
"""Stands for "no similar item" in a table of similar ones."""


def crop(sequence: Int32Array, share: float, rng: np.random.Generator) -> Int32Array:
    """Return a run of ``floor(share * n)`` entries that follow one another, at least one of a sequence that has any.

    Args:
        sequence: Shape ``(n,)``.
        share: Of the sequence that is kept, in (0, 1].
        rng: Draws where the run begins, each place as likely.

    Source:
        Xie et al., "Contrastive learning for sequential recommendation", ICDE 2022, section III-B1.

    >>> crop(np.arange(6, dtype=np.int32), 0.5, np.random.default_rng(0))
    array([3, 4, 5], dtype=int32)
    """
    _check_share(share, lowest=False)
    kept = _part(share, sequence.size)
    begin = int(rng.integers(sequence.size - kept + 1)) if sequence.size else 0
    return sequence[begin : begin + kept].copy()


def mask(sequence: Int32Array, share: float, token: int, rng: np.random.Generator) -> Int32Array:
    """Return the sequence with ``floor(share * n)`` entries, drawn without repetition, replaced by ``token``.

    Args:
        sequence: Shape ``(n,)``.
        share: Of the sequence that is masked, in [0, 1].
        token: Number that stands for "hidden"; one that no item has.
        rng: Draws the places.

    Source:
        Xie et al., ICDE 2022, section III-B2.
    """
    masked = sequence.copy()
    masked[_places(sequence.size, share, rng)] = token
    return masked


def reorder(sequence: Int32Array, share: float, rng: np.random.Generator) -> Int32Array:
    """Return the sequence with a run of ``floor(share * n)`` entries that follow one another shuffled.

    Args:
        sequence: Shape ``(n,)``.
        share: Length of the run as a share of the sequence, in [0, 1].
        rng: Draws where the run begins, and its new order.

    Source:
        Xie et al., ICDE 2022, section III-B3.
    """
    _check_share(share)
    run = int(np.floor(share * sequence.size))
    begin = int(rng.integers(sequence.size - run + 1))
    shuffled = sequence.copy()
    shuffled[begin : begin + run] = rng.permutation(sequence[begin : begin + run])
    return shuffled


def substitute(sequence: Int32Array, share: float, similar: Int32Array, rng: np.random.Generator) -> Int32Array:
    """Return the sequence with ``floor(share * n)`` entries replaced, each by one of the items similar to it.

    An item that has no similar one stays. Every similar item of a row is as likely; give a table of the few best.

    Args:
        sequence: Numbers below I, shape ``(n,)``; others stay as they are.
        share: Of the sequence that is replaced, in [0, 1].
        similar: Items similar to each, -1 for none, shape ``(I, k)``; the neighbours of ``item_knn`` have this form.
        rng: Draws the places and the items.

    Source:
        Liu et al., "Contrastive self-supervised sequential recommendation with robust augmentation", 2021, section 4.2
        (there the one most similar item).
    """
    changed = sequence.copy()
    places = _places(sequence.size, share, rng)
    changed[places] = _similar_to(sequence[places], similar, rng)
    return changed


def insert(sequence: Int32Array, share: float, similar: Int32Array, rng: np.random.Generator) -> Int32Array:
    """Return the sequence with ``floor(share * n)`` entries preceded by an item similar to them.

    Args:
        sequence: Numbers below I, shape ``(n,)``.
        share: Of the entries before which something is put, in [0, 1].
        similar: As in ``substitute``; before an entry without a similar item nothing is put.
        rng: Draws the places and the items.

    Source:
        Liu et al. 2021, section 4.2.
    """
    places = np.sort(_places(sequence.size, share, rng))
    new = _similar_to(sequence[places], similar, rng)
    put = new != sequence[places]
    return np.insert(sequence, places[put], new[put])


def similar_rows(vectors: FloatArray, k: int) -> Int32Array:
    """Return the ``k`` rows with the highest cosine to each row, best first, -1 where there are fewer, shape ``(n, k)``.

    A row is not similar to itself, and nothing is similar to a row of zeros. Exact; the work grows with ``n * n``.
    """
    length = np.sqrt((vectors**2).sum(axis=1))
    unit = vectors / np.where(length > 0, length, 1.0)[:, None]
    found = np.full((vectors.shape[0], k), NOTHING, dtype=np.int32)
    there = length > 0
    for row in np.flatnonzero(there):
        cosine = np.where(there, unit @ unit[row], -np.inf)
        cosine[row] = -np.inf
        best = np.argsort(-cosine, kind="stable")[:k]
        best = best[np.isfinite(cosine[best])]
        found[row, : best.size] = best
    return found


def _similar_to(item: Int32Array, similar: Int32Array, rng: np.random.Generator) -> Int32Array:
    """Return for each item one that is similar to it, itself where there is none."""
    answer = item.copy()
    for place, number in enumerate(item.tolist()):
        if 0 <= number < similar.shape[0]:
            row = similar[number]
            row = row[row != NOTHING]
            if row.size:
                answer[place] = row[rng.integers(row.size)]
    return answer


def _places(n: int, share: float, rng: np.random.Generator) -> IntArray:
    _check_share(share)
    places: IntArray = rng.choice(n, int(np.floor(share * n)), replace=False) if n else np.empty(0, np.int64)
    return places


def _part(share: float, n: int) -> int:
    return min(n, max(1, int(np.floor(share * n))))


def _check_share(share: float, lowest: bool = True) -> None:
    if not (0 <= share <= 1 if lowest else 0 < share <= 1):
        raise ValueError(f"share is {share}; between 0 and 1" + ("" if lowest else ", and above 0"))
