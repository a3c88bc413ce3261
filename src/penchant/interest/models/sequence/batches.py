"""Interactions as sequences, and sequences as batches of padded windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories
from penchant.math.arrays import BoolArray, Float32Array, FloatArray, IntArray

REAL_TIMES = 0.5
"""Least standard deviation of the log of the gaps between events; numbers in place of times lie near 0."""
BUCKET = 16
"""Windows of so many batches are sorted by length together, so that a batch holds windows of like length."""


@dataclass(frozen=True, slots=True)
class Sequences:
    """All events in the order of users and time.

    Attributes:
        start: Events of user ``u`` are ``start[u]:start[u + 1]``, shape ``(U + 1,)``; users without events are left out.
        item: Row of the item in the model, shape ``(n,)``.
        at: Seconds since 1970, shape ``(n,)``.
        weight: Evidence weight, shape ``(n,)``.
        held_out: Events kept for validation, always the last ones of a user, shape ``(n,)``.
    """

    start: IntArray
    item: IntArray
    at: FloatArray
    weight: FloatArray
    held_out: BoolArray

    @classmethod
    def of(cls, interactions: Interactions, validation: str) -> Sequences:
        """Return all users' events; ``validation`` as in the configuration."""
        order = np.lexsort((np.arange(interactions.user.size), interactions.at, interactions.user))
        user, at = interactions.user[order], interactions.at[order]
        first = np.flatnonzero(np.diff(user, prepend=-1)) if user.size else np.zeros(0, np.int64)
        start = np.concatenate([first, [user.size]]).astype(np.int64)
        held_out = np.zeros(user.size, dtype=bool)
        if validation == "last":
            long = np.diff(start) > 1
            held_out[start[1:][long] - 1] = True
        elif validation == "time" and at.size:
            held_out = at > np.quantile(at, 0.95)
        return cls(start, interactions.item[order].astype(np.int64), at, interactions.weight[order], held_out)

    def everything(self) -> Sequences:
        """Return the same with nothing held out."""
        return Sequences(self.start, self.item, self.at, self.weight, np.zeros_like(self.held_out))

    def kept(self) -> IntArray:
        """Return how many events of each user are trained on, shape ``(U,)``."""
        held = np.concatenate([[0], np.cumsum(self.held_out)])
        sizes: IntArray = np.diff(self.start) - np.diff(held[self.start])
        return sizes


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows of like length, padded at the end with -1.

    Attributes:
        inputs: Row of the item at each step; the first is ``START``, shape ``(B, L)``.
        at: Days since the window's first event, shape ``(B, L)``, float32.
        target: Row of the item that comes after each step, -1 where nothing is asked, shape ``(B, L)``.
        weight: Evidence weight of the target, shape ``(B, L)``, float32.
        items: The items of the window as they were, for what had been seen before, shape ``(B, L)``.
    """

    inputs: IntArray
    at: Float32Array
    target: IntArray
    weight: Float32Array
    items: IntArray


START, MASK, PAD = -2, -3, -1
"""In place of an item: before the first one, hidden, and after the end."""


def windows(sequences: Sequences, max_length: int, which: str, rng: np.random.Generator) -> IntArray:
    """Return the first and the end event of each training window, shape ``(W, 2)``.

    ``last``: the newest ``max_length + 1`` events of each user. ``all``: the whole history in windows of at most
    ``max_length + 1`` events, cut at random places; a window's first event is predicted from nothing.
    """
    first, size = sequences.start[:-1], sequences.kept()
    first, size = first[size > 0], size[size > 0]
    width = max_length + 1
    end = first + size
    if which == "last" or not size.size:
        return np.stack([np.maximum(first, end - width), end], axis=1)
    whole = size <= width
    parts = [np.stack([first, end], axis=1)[whole]]
    for a, b in zip(first[~whole].tolist(), end[~whole].tolist(), strict=True):
        cut = np.arange(b - int(rng.integers(width)), a, -width)
        ends = np.unique(np.concatenate([[b], cut]))
        starts = np.maximum(a, ends - width)
        parts.append(np.stack([starts, ends], axis=1))
    return np.concatenate(parts)


def padded(sequences: Sequences, windows: IntArray) -> Batch:
    """Return the windows as one batch; every step but the last asks for the item after it."""
    sizes = windows[:, 1] - windows[:, 0]
    step = np.arange(int(sizes.max()))
    there = step < sizes[:, None]  # (B, L)
    event = np.where(there, windows[:, :1] + step, 0)
    items = np.where(there, sequences.item[event], PAD)
    inputs = np.where(there, np.concatenate([np.full((sizes.size, 1), START), items[:, :-1]], axis=1), PAD)
    at = sequences.at[event]
    before = np.concatenate([at[:, :1], at[:, :-1]], axis=1)  # START happens with the first event
    days = np.where(there, before - at[:, :1], 0.0) / 86400.0
    weight = np.where(there, sequences.weight[event], 0.0)
    return Batch(inputs, days.astype(np.float32), items, weight.astype(np.float32), items)


def drawn_ahead(batch: Batch, n: int, rng: np.random.Generator) -> Batch:
    """Return the batch with each step's target drawn from the next ``n`` events, as far as the window goes."""
    if n == 1:
        return batch
    size = (batch.target >= 0).sum(axis=1)[:, None]
    step = np.arange(batch.target.shape[1])
    ahead = np.minimum(step + rng.integers(n, size=batch.target.shape), np.maximum(size - 1, step))
    target = np.take_along_axis(batch.target, ahead, axis=1)
    return replace(batch, target=target, weight=np.take_along_axis(batch.weight, ahead, axis=1))


def batches(sequences: Sequences, windows: IntArray, size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Return all windows in random order, ``size`` at a time, like lengths together."""
    order = rng.permutation(windows.shape[0])
    groups = []
    for first in range(0, order.size, size * BUCKET):
        bucket = order[first : first + size * BUCKET]
        bucket = bucket[np.argsort(windows[bucket, 1] - windows[bucket, 0], kind="stable")]
        groups += [bucket[i : i + size] for i in range(0, bucket.size, size)]
    for number in rng.permutation(len(groups)):
        yield padded(sequences, windows[groups[number]])


def asked(histories: Histories, row_of_item: IntArray, max_length: int) -> tuple[IntArray, Float32Array, IntArray]:
    """Return what a network is shown of each history.

    Args:
        histories: The questions.
        row_of_item: Row in the model of each item number, -1 = not known to it.
        max_length: The newest known items that are shown.

    Returns:
        Inputs padded at the end, shape ``(B, L)``; days since the first of them, shape ``(B, L)``; and the step at
        which each row is asked, shape ``(B,)``.
    """
    known = histories.item < row_of_item.size
    row = np.where(known, row_of_item[np.where(known, histories.item, 0)] if row_of_item.size else PAD, PAD)
    keep = row >= 0
    owner, row, at = histories.rows()[keep], row[keep], histories.at[keep]
    n = np.bincount(owner, minlength=len(histories)).astype(np.int64)
    from_end = np.cumsum(n)[owner] - np.arange(owner.size)  # 1 = the newest
    newest = from_end <= max_length
    owner, row, at, from_end = owner[newest], row[newest], at[newest], from_end[newest]
    n = np.minimum(n, max_length)
    inputs = np.full((len(histories), int(n.max(initial=0)) + 1), PAD)
    days = np.zeros(inputs.shape, dtype=np.float32)
    inputs[:, 0] = START
    inputs[owner, n[owner] - from_end + 1] = row
    first_at = np.zeros(len(histories))
    oldest = from_end == n[owner]
    first_at[owner[oldest]] = at[oldest]
    days[owner, n[owner] - from_end + 1] = (at - first_at[owner]) / 86400.0
    return inputs, days, n


def real_times(sequences: Sequences) -> bool:
    """Return whether the times tell more than the order: whether the gaps between events differ."""
    gap = np.diff(sequences.at)
    inside = np.ones(gap.size, dtype=bool)
    inside[sequences.start[1:-1] - 1] = False
    gap = gap[inside]
    return bool(gap.size > 1 and np.log1p(np.maximum(gap, 0.0)).std() > REAL_TIMES)
