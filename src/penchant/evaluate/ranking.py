"""Score ranked lists: the same queries for every model, over the full catalogue, with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from penchant.evaluate import METRICS
from penchant.evaluate.metrics.evidence import NOTHING, RankingEvidence
from penchant.evaluate.statistics import Interval, bootstrap_mean, paired_difference
from penchant.math.arrays import BoolArray, Float32Array, FloatArray, Int32Array, IntArray
from penchant.math.top import top_n

Lists = Mapping[str, Int32Array]
"""Item rows by model, best first, one list a query, shape ``(Q, N)``; short lists end in -1."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The queries that every model answered, and the catalogue that they were about.

    Attributes:
        relevant: Item rows that were taken afterwards, one set a query.
        users: User of each query, shape ``(Q,)``.
        n_items: Size of the catalogue.
        count: Training interactions of each item, shape ``(n_items,)``.
        topics: Which topics each item has, shape ``(n_items, T)``; None where nothing is known.
    """

    relevant: Sequence[IntArray]
    users: IntArray
    n_items: int
    count: FloatArray
    topics: sparse.csr_array | None = None

    @property
    def answerable(self) -> BoolArray:
        """Return after which queries something was taken; the others cannot be scored, shape ``(Q,)``."""
        return np.array([items.size > 0 for items in self.relevant], dtype=np.bool_)

    def only(self, keep: BoolArray, relevant: Sequence[IntArray] | None = None) -> Asked:
        """Return some of the queries, with other relevant items if they are given for all."""
        chosen = relevant or self.relevant
        return replace(
            self, relevant=[items for items, kept in zip(chosen, keep, strict=True) if kept], users=self.users[keep]
        )

    def evidence(self, lists: Int32Array) -> RankingEvidence:
        """Return what a model's lists say."""
        share = self.count / max(1.0, float(self.count.sum()))
        return RankingEvidence.from_matrix(lists, self.relevant, self.n_items, share, self.topics)


def of_rows(lists: Lists, keep: BoolArray) -> dict[str, Int32Array]:
    """Return some of the lists of every model."""
    return {name: rows[keep] for name, rows in lists.items()}


def score_lists(
    lists: Lists, asked: Asked, n: int, rng: np.random.Generator, metrics: Iterable[str] | None = None
) -> dict[str, dict[str, Interval]]:
    """Return ``{model: {"ndcg@10": interval, …}}`` for every registered metric, or the named ones.

    Args:
        lists: What the models answered.
        asked: What they were asked, every query answerable.
        n: Where lists are cut.
        rng: Source of chance for the intervals.
        metrics: Names of metrics.
    """
    chosen = list(METRICS if metrics is None else metrics)
    scored: dict[str, dict[str, Interval]] = {}
    for model, rows in lists.items():
        evidence = asked.evidence(rows)
        row: dict[str, Interval] = {}
        for name in chosen:
            value = METRICS[name](evidence, n)
            whole = isinstance(value, float)
            row[f"{name}@{n}"] = Interval.point(value) if whole else bootstrap_mean(value, asked.users, rng)
        scored[model] = row
    return scored


def gains(lists: Lists, asked: Asked, n: int) -> dict[str, FloatArray]:
    """Return the NDCG of every model at every query, shape ``(Q,)`` each."""
    ndcg = METRICS["ndcg"]
    return {model: ndcg(asked.evidence(rows), n) for model, rows in lists.items()}


def ahead(values: Mapping[str, FloatArray], of: str, users: IntArray, rng: np.random.Generator) -> dict[str, Interval]:
    """Return, by model, the mean of its values less those of the model ``of`` on the same queries, with its interval."""
    return {model: paired_difference(value, values[of], users, rng) for model, value in values.items() if model != of}


def top_lists(scores: Float32Array, depth: int) -> Int32Array:
    """Return the ``depth`` best items of every row, best first, shape ``(B, depth)``; short lists end in -1.

    Ties go to the lower number. ``scores`` has shape ``(B, I)``, ``-inf`` where an item cannot be listed.

    >>> top_lists(np.array([[0.0, 2.0, 2.0], [-np.inf, 1.0, -np.inf]], np.float32), 2)
    array([[ 1,  2],
           [ 1, -1]], dtype=int32)
    """
    lists = np.full((len(scores), depth), NOTHING, np.int32)
    if scores.shape[1] == 0 or depth < 1:
        return lists
    place = max(0, scores.shape[1] - depth)
    border = np.partition(scores, place, axis=1)[:, place]  # (B,) the worst that can still be in the list
    for row, least in enumerate(border):
        near = np.flatnonzero(scores[row] >= least)
        best = near[top_n(scores[row, near].astype(np.float64), depth)]
        lists[row, : best.size] = best
    return lists


def padded(found: IntArray, depth: int) -> Int32Array:
    """Return one list as a row of ``depth``, filled up with -1."""
    row = np.full(depth, NOTHING, np.int32)
    row[: min(depth, found.size)] = found[:depth]
    return row
