"""What a ranking model answered over many queries, and the form every ranking metric has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from penchant.math.arrays import BoolArray, FloatArray, Int32Array, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NOTHING = -1
"""The row number that fills a list up behind its last item."""


@dataclass(frozen=True, slots=True, eq=False)
class RankingEvidence:
    """What a model answered to Q queries over a catalogue of I items.

    Lists may be longer than the ``n`` a metric cuts at: a long list makes `auc` sharper and changes nothing
    else.
    """

    items: Int32Array
    """Recommended item rows in rank order, shape ``(Q, N)``; short lists end in -1."""

    hits: BoolArray
    """Whether each recommended item is relevant, shape ``(Q, N)``; False where there is no item."""

    n_relevant: IntArray
    """How many items of the catalogue are relevant, shape ``(Q,)``, all >= 1."""

    n_items: int
    """Size of the catalogue, I."""

    item_popularity: FloatArray
    """Share of the training interactions of each item, shape ``(I,)``; sums to 1, zero where never seen."""

    item_topics: csr_array | None = None
    """Which topics each item has, binary, shape ``(I, T)``; None where nothing is known about topics."""

    @classmethod
    def from_lists(
        cls,
        recommended: Sequence[IntArray],
        relevant: Sequence[IntArray],
        n_items: int,
        item_popularity: FloatArray,
        item_topics: csr_array | None = None,
    ) -> RankingEvidence:
        """Return the evidence in ragged lists of item rows, one list a query.

        >>> evidence = RankingEvidence.from_lists(
        ...     [np.array([3, 0]), np.array([1])], [np.array([0, 2]), np.array([2])], 4, np.full(4, 0.25)
        ... )
        >>> evidence.items
        array([[ 3,  0],
               [ 1, -1]], dtype=int32)
        >>> evidence.hits
        array([[False,  True],
               [False, False]])
        """
        lengths = _lengths(recommended)
        items = np.full((len(recommended), int(lengths.max(initial=0))), NOTHING, dtype=np.int32)
        items[np.arange(items.shape[1]) < lengths[:, None]] = _joined(recommended)
        return cls.from_matrix(items, relevant, n_items, item_popularity, item_topics)

    @classmethod
    def from_matrix(
        cls,
        items: Int32Array,
        relevant: Sequence[IntArray],
        n_items: int,
        item_popularity: FloatArray,
        item_topics: csr_array | None = None,
    ) -> RankingEvidence:
        """Return the evidence in one matrix of item rows, shape ``(Q, N)``, short lists ending in -1.

        Relevant items that are named twice in a query count once.

        Raises:
            ValueError: If a list holds an item twice, an item outside the catalogue or a gap, or if a query
                has no relevant item: such a query cannot be scored and should be left out.
        """
        _check_shapes(len(items), len(relevant), n_items, item_popularity, item_topics)
        _check_lists(items, n_items)
        queries = np.repeat(np.arange(len(relevant)), _lengths(relevant))
        wanted = _joined(relevant)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < n_items:
            raise ValueError(f"a relevant item lies outside the catalogue of {n_items} items")
        # One integer names a (query, item) pair, so that one sorted search answers for all queries.
        relevant_pairs = np.unique(queries * n_items + wanted)
        n_relevant = np.bincount(relevant_pairs // n_items, minlength=len(relevant)).astype(np.int64)
        if len(relevant) and n_relevant.min() == 0:
            raise ValueError(f"query {int(n_relevant.argmin())} has no relevant item; leave such queries out")
        pairs = np.arange(len(items))[:, None] * n_items + items
        hits = np.isin(pairs, relevant_pairs) & (items != NOTHING)
        return cls(items, hits, n_relevant, n_items, item_popularity, item_topics)

    def top(self, n: int) -> tuple[Int32Array, BoolArray]:
        """Return items and hits of the first ``n`` ranks, each of shape ``(Q, min(n, N))``.

        Raises:
            ValueError: If ``n`` is below 1.
        """
        if n < 1:
            raise ValueError(f"a list of {n} items cannot be scored; n is at least 1")
        return self.items[:, :n], self.hits[:, :n]

    def n_hits(self, n: int) -> IntArray:
        """Return how many of the first ``n`` items are relevant, shape ``(Q,)``."""
        hits: IntArray = np.sum(self.top(n)[1], axis=1, dtype=np.int64)
        return hits

    def n_listed(self, n: int) -> IntArray:
        """Return how many items the first ``n`` ranks hold, shape ``(Q,)``: below ``n`` in a short list."""
        listed: IntArray = np.sum(self.top(n)[0] != NOTHING, axis=1, dtype=np.int64)
        return listed


class Metric(Protocol):
    """A ranking metric: higher is better, unless its first line says otherwise.

    An array holds one value a query, shape ``(Q,)``, NaN where the metric is undefined for the query; means
    and intervals leave those out. A float belongs to all lists together and has no interval.
    """

    def __call__(self, evidence: RankingEvidence, n: int) -> FloatArray | float:
        """Return the metric of lists cut at ``n`` items."""
        ...


def _lengths(lists: Sequence[IntArray]) -> IntArray:
    return np.fromiter((len(rows) for rows in lists), dtype=np.int64, count=len(lists))


def _joined(lists: Sequence[IntArray]) -> IntArray:
    return np.concatenate(lists).astype(np.int64) if len(lists) else np.empty(0, dtype=np.int64)


def _check_shapes(
    n_lists: int, n_relevant: int, n_items: int, item_popularity: FloatArray, item_topics: csr_array | None
) -> None:
    if n_lists != n_relevant:
        raise ValueError(f"{n_lists} recommended lists but {n_relevant} relevant ones; give one of each a query")
    if item_popularity.shape != (n_items,):
        raise ValueError(
            f"item_popularity has shape {item_popularity.shape}; a catalogue of {n_items} needs ({n_items},)"
        )
    if item_topics is not None and item_topics.shape[0] != n_items:
        raise ValueError(f"item_topics has {item_topics.shape[0]} rows; a catalogue of {n_items} needs {n_items}")


def _check_lists(items: Int32Array, n_items: int) -> None:
    if items.size == 0:
        return
    if items.min() < NOTHING or items.max() >= n_items:
        raise ValueError(f"a recommended item lies outside the catalogue of {n_items} items")
    empty = items == NOTHING
    if bool((empty[:, :-1] & ~empty[:, 1:]).any()):
        raise ValueError("a recommended list has a gap; -1 may only follow the last item")
    in_order = np.sort(items, axis=1)
    twice = (in_order[:, 1:] == in_order[:, :-1]) & (in_order[:, 1:] != NOTHING)
    if bool(twice.any()):
        raise ValueError(f"the list of query {int(twice.any(axis=1).argmax())} recommends an item twice")
