"""The contract of models that score items for users: what they learn from, what they are asked, what they answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from penchant.domain.interactions import Interactions
from penchant.domain.profile import History
from penchant.domain.progress import Progress, silent
from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray


@dataclass(frozen=True, slots=True)
class ItemTable:
    """What is known of every item at one moment.

    Attributes:
        topics: Which item is about which topic, rows sum to 1 or 0, CSR of shape ``(n_items, n_topics)``.
        text: Title of each item, and whatever else its catalogue entry says in words; "" when nothing is known.
        since: When each item became known, seconds since 1970, ``-inf`` without an item event, shape ``(n_items,)``.
    """

    topics: sparse.csr_array
    text: Sequence[str]
    since: FloatArray

    @property
    def n_items(self) -> int:
        """Return how many items there are."""
        return len(self.text)

    def first(self, n: int) -> ItemTable:
        """Return the table of the first ``n`` items."""
        return self if n == self.n_items else ItemTable(self.topics[:n], self.text[:n], self.since[:n])

    def padded(self, n: int) -> ItemTable:
        """Return the table with items of which nothing is known behind the others, ``n`` in all."""
        more = n - self.n_items
        if more <= 0:
            return self.first(n)
        topics = sparse.vstack([self.topics, sparse.csr_array((more, self.topics.shape[1]))], format="csr")
        return ItemTable(topics, (*self.text, *[""] * more), np.append(self.since, np.full(more, -np.inf)))

    @classmethod
    def bare(cls, n_items: int) -> ItemTable:
        """Return a table of items of which nothing is known."""
        return cls(sparse.csr_array((n_items, 0)), ("",) * n_items, np.full(n_items, -np.inf))


@dataclass(frozen=True, slots=True)
class Histories:
    """What several users did up to the moment at which each of them is asked about; row ``b`` is one question.

    Attributes:
        start: The events of row ``b`` are ``start[b]:start[b + 1]``, shape ``(B + 1,)``.
        item: Item numbers, oldest first, shape ``(m,)``; an item may come several times.
        at: Seconds since 1970, never falling within a row, shape ``(m,)``.
        weight: Evidence weight, > 0, shape ``(m,)``.
        asked_at: The moment asked about, seconds since 1970, shape ``(B,)``.
    """

    start: IntArray
    item: Int32Array
    at: FloatArray
    weight: FloatArray
    asked_at: FloatArray

    def __len__(self) -> int:
        return int(self.asked_at.size)

    @classmethod
    def one(cls, history: History, at: float) -> Histories:
        """Return one question about a user's history as the profile keeps it: distinct items by their last event."""
        take = (history.count > 0) & (history.last_at <= at)
        item = history.item[take]
        start = np.array([0, item.size], dtype=np.int64)
        return cls(start, item, history.last_at[take], history.count[take], np.array([at]))

    @classmethod
    def of(cls, interactions: Interactions, users: IntArray, asked_at: FloatArray) -> Histories:
        """Return one question for each of ``users`` (row numbers, any number of times); later events are left out."""
        order = np.lexsort((np.arange(interactions.user.size), interactions.at, interactions.user))
        user, at = interactions.user[order], interactions.at[order]
        first, end = np.searchsorted(user, users, "left"), np.searchsorted(user, users, "right")
        sizes = np.array(
            [np.searchsorted(at[a:b], when, "right") for a, b, when in zip(first, end, asked_at, strict=True)],
            dtype=np.int64,
        )
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        rows = order[np.repeat(first - start[:-1], sizes) + np.arange(start[-1])]
        return cls(start, interactions.item[rows], interactions.at[rows], interactions.weight[rows], asked_at)

    def row(self, b: int) -> slice:
        """Return where the events of row ``b`` lie."""
        return slice(int(self.start[b]), int(self.start[b + 1]))

    def rows(self) -> IntArray:
        """Return to which row each event belongs, shape ``(m,)``."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    def chunks(self, size: int) -> Iterator[Histories]:
        """Return the questions in order, at most ``size`` at a time."""
        for first in range(0, len(self), size):
            start = self.start[first : first + size + 1]
            inside = slice(int(start[0]), int(start[-1]))
            asked_at = self.asked_at[first : first + size]
            yield Histories(start - start[0], self.item[inside], self.at[inside], self.weight[inside], asked_at)

    def matrix(self, n_items: int, value: FloatArray | None = None) -> sparse.csr_array:
        """Return the sum of ``value`` (default: ones) by row and item, CSR of shape ``(B, n_items)``.

        Items from ``n_items`` on, which a model may not know, are left out.
        """
        values = np.ones(self.item.size) if value is None else value
        known = self.item < n_items
        matrix = sparse.csr_array(
            (values[known], (self.rows()[known], self.item[known])), shape=(len(self), n_items), dtype=np.float64
        )
        matrix.sum_duplicates()
        return matrix


@dataclass(frozen=True, slots=True)
class ItemTraining:
    """What an item model learns from.

    Attributes:
        interactions: Everything that users did with items; nothing later may be known to the model.
        items: What is known of the items; as many as ``interactions.n_items``.
        seed: Seed of all chance.
        progress: Told how far it is.
        folder: Where a long training may keep what lets it go on after an interruption; None: nowhere.
    """

    interactions: Interactions
    items: ItemTable
    seed: int = 0
    progress: Progress = field(default=silent)
    folder: str | None = None


class ItemModel(Protocol):
    """Learns from interactions which items go with whom. ``penchant.testing.ItemModelContract`` checks every one.

    * the same training and seed give the same model; scoring is a pure read;
    * ``scores`` of several rows are those of each row alone; a row never depends on what came after ``asked_at``;
    * an empty history, a history of items that training never saw, and items newer than the model get an answer;
    * ``decode(encode())`` scores the same; damaged bytes are a ``FormatError`` and leave the model as it was;
    * one user, one item, or no interactions at all are no error.
    """

    name: str
    config: Any

    @property
    def fitted(self) -> bool:
        """Return whether ``fit`` or ``decode`` has happened."""
        ...

    def fit(self, training: ItemTraining) -> None:
        """Learn from scratch."""
        ...

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return a score for every item, higher is better, shape ``(len(histories), items.n_items)``.

        Comparable within a row only. ``-inf`` where the model has nothing to say of an item; never NaN or ``+inf``.
        """
        ...

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return up to three items of the one row that speak most for ``item``, best first; empty when none does."""
        ...

    def encode(self) -> bytes:
        """Return what was learned as bytes: arrays and plain values with a format number, never pickle."""
        ...

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` wrote; ``FormatError`` when damaged."""
        ...
