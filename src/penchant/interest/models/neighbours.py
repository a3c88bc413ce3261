"""How alike two columns of the table of users and items are: cosine, Pearson's correlation, adjusted cosine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy import sparse

from penchant.domain.item_model import Histories, ItemTable
from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray

Similarity: TypeAlias = Literal["cosine", "pearson", "adjusted_cosine"]
ROUNDING = 1e-9
"""A centred column shorter than this share of itself before is rounding: it does not differ from its mean."""


@dataclass(frozen=True, slots=True)
class Centring:
    """What centring takes away from the products of columns; see ``nearest_columns``."""

    norm: FloatArray
    root_mean: FloatArray
    with_mean: FloatArray
    means: float


def centring(matrix: sparse.csr_array, similarity: Similarity) -> Centring:
    """Return what makes scalar products of columns those of centred columns, absent entries being zeros.

    ``cosine``: nothing. ``pearson``: every column less its mean over all rows, ``x_i·x_j - N m_i m_j``.
    ``adjusted_cosine``: every row less its mean over all columns, ``x_i·x_j - s_i - s_j + sum_u m_u**2`` with
    ``s_i = sum_u m_u x_ui``.

    Args:
        matrix: Values >= 0, CSR of shape ``(rows, columns)``; empty rows do not count as rows.

    Source:
        Sarwar, Karypis, Konstan & Riedl, "Item-based collaborative filtering recommendation algorithms", WWW 2001,
        section 3.1, with zeros for what nobody rated: without ratings an absent entry says "not taken".
    """
    n_rows, n_columns = max(1, int((np.diff(matrix.indptr) > 0).sum())), matrix.shape[1]
    squared = _column_sums(matrix, matrix.data**2)
    nothing, means = np.zeros(n_columns), 0.0
    root_mean, with_mean, norm = nothing, nothing, squared
    if similarity == "pearson":
        root_mean = _column_sums(matrix, matrix.data) / np.sqrt(n_rows)
        norm = squared - root_mean**2
    elif similarity == "adjusted_cosine":
        mean = np.asarray(matrix.sum(axis=1)).ravel() / max(1, n_columns)  # of each row
        with_mean = _column_sums(matrix, matrix.data * np.repeat(mean, np.diff(matrix.indptr)))
        means = float(mean @ mean)
        norm = squared - 2 * with_mean + means
    norm = np.where(norm > ROUNDING * squared, norm, 0.0)
    return Centring(norm, root_mean, with_mean, means)


def _column_sums(matrix: sparse.csr_array, value: FloatArray) -> FloatArray:
    sums: FloatArray = np.bincount(matrix.indices, weights=value, minlength=matrix.shape[1]).astype(np.float64)
    return sums


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a sparse table, for ``spread``: ``index[start[j]:start[j + 1]]`` and ``value`` of row ``j``."""

    start: IntArray
    index: Int32Array
    value: Float32Array

    @classmethod
    def of(cls, matrix: sparse.csr_array) -> Table:
        """Return the rows of a matrix."""
        return cls(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float32))

    @property
    def n_rows(self) -> int:
        """Return how many rows there are."""
        return self.start.size - 1

    def row(self, j: int) -> tuple[Int32Array, Float32Array]:
        """Return the columns and values of a row; none beyond the table."""
        if j >= self.n_rows:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        here = slice(int(self.start[j]), int(self.start[j + 1]))
        return self.index[here], self.value[here]

    def spread(self, start: IntArray, index: Int32Array, weight: FloatArray, n: int) -> Float32Array:
        """Return the sums of ``weight`` times the rows ``index``, shape ``(start.size - 1, n)``."""
        from penchant.interest.models.neighbour_kernels import spread

        out = np.zeros((start.size - 1, n), np.float32)
        spread(start, index.astype(np.int32), weight, self.start, self.index, self.value, out)
        return out


def nearest(matrix: sparse.csr_array, similarity: Similarity, n_neighbours: int, shrinkage: float) -> Table:
    """Return every column's nearest columns, best first, with their similarities above zero."""
    from penchant.interest.models.neighbour_kernels import nearest_columns

    by_column: Any = matrix.T.tocsr()
    by_column.sort_indices()
    taken_away = centring(matrix, similarity)
    neighbour, value = nearest_columns(
        by_column.indptr.astype(np.int64),
        by_column.indices.astype(np.int32),
        by_column.data,
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        matrix.data,
        taken_away.norm,
        taken_away.root_mean,
        taken_away.with_mean,
        taken_away.means,
        n_neighbours,
        shrinkage,
    )
    there = neighbour >= 0
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(there.sum(axis=1))])
    return Table(start, neighbour[there], value[there])


def silent_where_zero(scores: Float32Array) -> Float32Array:
    """Return the scores with ``-inf`` where nothing was added: there a model has nothing to say."""
    scores[scores == 0] = -np.inf
    return scores


def best_three(item: Int32Array, part: FloatArray) -> IntArray:
    """Return up to three of the items with the largest parts above zero, best first, the first of equals before."""
    best = np.argsort(-part, kind="stable")[:3]
    return item[best[part[best] > 0]].astype(np.int64)


def none_of(histories: Histories, items: ItemTable) -> Float32Array:
    """Return the scores of a model with nothing to say."""
    return np.full((len(histories), items.n_items), -np.inf, np.float32)
