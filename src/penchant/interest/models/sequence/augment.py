"""Training windows changed at random: cropped, masked, reordered, or with an item in place of another like it."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from penchant.interest.models.sequence.batches import MASK, PAD, START, Batch, Sequences
from penchant.math.arrays import IntArray

CHANGED = 0.2
"""Share of a window that is masked, reordered or substituted."""
LEAST_LEFT = 0.6
"""Share of a window that a crop leaves at least."""
NEAR = 2
"""Events at most so far apart count as going together."""
ALIKE = 5
"""Items that can stand in for one."""


def like(sequences: Sequences, n_items: int) -> IntArray:
    """Return the ``ALIKE`` items that most often stand near each, by cosine, -1 = none, shape ``(n_items, ALIKE)``."""
    owner = np.repeat(np.arange(sequences.start.size - 1), np.diff(sequences.start))
    near = sparse.csr_array((n_items, n_items))
    for far in range(1, NEAR + 1):
        both = (owner[far:] == owner[:-far]) & ~sequences.held_out[far:]
        pair = (sequences.item[:-far][both], sequences.item[far:][both])
        near += sparse.csr_array((np.ones(pair[0].size), pair), shape=(n_items, n_items))
    near = sparse.csr_array(near + near.T)
    near.setdiag(0.0)
    near.eliminate_zeros()
    total = np.sqrt(np.maximum(near.sum(axis=1), 1.0))
    result = np.full((n_items, ALIKE), PAD)
    for item in range(n_items):
        row = slice(near.indptr[item], near.indptr[item + 1])
        best = np.argsort(-near.data[row] / total[near.indices[row]], kind="stable")[:ALIKE]
        result[item, : best.size] = near.indices[row][best]
    return result


def augmented(batch: Batch, ways: tuple[str, ...], share: float, alike: IntArray, rng: np.random.Generator) -> Batch:
    """Return the batch with ``share`` of its windows changed, each in one of ``ways``."""
    if not ways:
        return batch
    changed = Batch(*(np.array(getattr(batch, name)) for name in ("inputs", "at", "target", "weight", "items")))
    way = np.where(rng.random(batch.inputs.shape[0]) < share, rng.integers(len(ways), size=batch.inputs.shape[0]), -1)
    for number, name in enumerate(ways):
        rows = np.flatnonzero(way == number)
        if name in ("mask", "substitute"):
            _in_place(changed, rows, name, alike, rng)
        else:
            for row in rows.tolist():
                (_crop if name == "crop" else _reorder)(changed, row, rng)
    return changed


def _in_place(batch: Batch, rows: IntArray, name: str, alike: IntArray, rng: np.random.Generator) -> None:
    """Hide inputs or put another item there; the targets stay."""
    old = batch.inputs[rows]
    chosen = (old >= 0) & (rng.random(old.shape) < CHANGED)
    if name == "mask":
        new = np.full_like(old, MASK)
    else:
        new = alike[np.maximum(old, 0), rng.integers(ALIKE, size=old.shape)]
        chosen &= new >= 0
    batch.inputs[rows] = np.where(chosen, new, old)


def _crop(batch: Batch, row: int, rng: np.random.Generator) -> None:
    n = int((batch.items[row] >= 0).sum())
    left = int(rng.integers(max(1, int(np.ceil(LEAST_LEFT * n))), n + 1))
    first = int(rng.integers(n - left + 1))
    _rewrite(batch, row, np.arange(first, first + left))


def _reorder(batch: Batch, row: int, rng: np.random.Generator) -> None:
    n = int((batch.items[row] >= 0).sum())
    size = max(2, int(CHANGED * n))
    if n < size:
        return
    first = int(rng.integers(n - size + 1))
    order = np.arange(n)
    order[first : first + size] = rng.permutation(order[first : first + size])
    _rewrite(batch, row, order, keep_times=True)


def _rewrite(batch: Batch, row: int, order: IntArray, keep_times: bool = False) -> None:
    """Make the window the events ``order`` of the old one."""
    items, at, weight = batch.items[row, order], batch.at[row, order], batch.weight[row, order]
    for values, empty in ((batch.items, PAD), (batch.target, PAD), (batch.inputs, PAD), (batch.weight, 0.0)):
        values[row] = empty
    batch.items[row, : order.size] = batch.target[row, : order.size] = items
    batch.inputs[row, : order.size] = np.concatenate([[START], items[:-1]])
    batch.weight[row, : order.size] = weight
    if not keep_times:
        batch.at[row, : order.size] = at
