"""Every item predicted from all others by one ridge regression in closed form: EASE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.domain.space import Between, OneOf, Space
from penchant.interest.models.evidence import Mine, newest_items, taken_by_users
from penchant.interest.models.learned import KeepsLearned
from penchant.interest.models.neighbours import Table, best_three
from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray


class EASEConfig(BaseModel):
    """Configuration of EASE."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reg: float = Field(default=200.0, gt=0)
    """Weight of the ridge, in users: the larger, the less a pair says that few have in common."""
    max_size: int = Field(default=10_000, ge=1)
    """Where both users and items are more than this, only so many most taken items are learned and scored."""
    half_life_days: float | None = Field(default=60.0, gt=0)
    """After so many days one of the user's items counts half in an answer; None: all count the same."""
    common_half_life_days: float | None = Field(default=120.0, gt=0)
    """After so many days what a user took counts half in training; None: nothing fades there."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The inverse that all weights are made of, over items or over users, whichever are fewer.

    Attributes:
        column: Place of each item among those learned, -1 for none, shape ``(n_items,)``.
        item: Item at each place, shape ``(m,)``.
        inverse: ``(X'X + reg)**-1`` divided by minus its diagonal by columns, zeros on it, shape ``(m, m)``; or
            ``(XX' + reg)**-1``, shape ``(n, n)``.
        over_users: Whether it is the latter.
        rest: ``1 - x_i' K x_i`` of each item, shape ``(m,)``; none over items.
        start: Users of place ``i`` are ``user[start[i]:start[i + 1]]``; none over items.
        user: User rows.
        value: What each counts.
    """

    column: Int32Array
    item: Int32Array
    inverse: Float32Array
    over_users: bool
    rest: Float32Array
    start: IntArray
    user: Int32Array
    value: Float32Array


class EASE(KeepsLearned[Weights]):
    """Score = ``h B``, ``h`` the user's items; ``B`` minimises ``|X - XB|**2 + reg |B|**2`` with zeros on the diagonal.

    ``B = I - P / diag(P)`` by columns with ``P = (X'X + reg I)**-1``, exactly. With fewer users than items the same is
    worked out without ``P``: ``reg P = I - X' K X`` with ``K = (XX' + reg I)**-1`` (Woodbury), so ``(h B)_i =
    (t_i - h_i x_i'Kx_i) / (1 - x_i'Kx_i)``, ``t = h X' K X``, over the full catalogue. The cost is that of one inverse of
    ``min(users, items)`` rows in float32, ``4 * min(users, items)**2`` bytes are kept.

    Source:
        Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019, section 3. The way over users and the
        decay by age are ours.
    """

    name = "ease"
    Config = EASEConfig
    space: ClassVar[Space] = {
        "reg": Between(10.0, 5000.0, log=True),
        "half_life_days": OneOf((None, 15.0, 60.0, 240.0)),
        "common_half_life_days": OneOf((None, 60.0, 240.0)),
    }
    _kind = Weights

    def __init__(self, config: EASEConfig | None = None) -> None:
        self.config = config or EASEConfig()

    def fit(self, training: ItemTraining) -> None:
        """Invert one matrix."""
        matrix = taken_by_users(training.interactions, self.config.common_half_life_days).astype(np.float32)
        taken_by = np.bincount(matrix.indices, minlength=matrix.shape[1])
        item = np.flatnonzero(taken_by).astype(np.int32)
        matrix = matrix[np.diff(matrix.indptr) > 0]
        if min(matrix.shape[0], item.size) > self.config.max_size:
            item = np.sort(np.lexsort((item, -taken_by[item]))[: self.config.max_size].astype(np.int32))
            item = np.flatnonzero(taken_by)[item].astype(np.int32)
        column = np.full(matrix.shape[1], -1, np.int32)
        column[item] = np.arange(item.size, dtype=np.int32)
        matrix = sparse.csr_array(matrix[:, item])
        learned = self._over_users(matrix) if matrix.shape[0] < item.size else self._over_items(matrix)
        self._learned = Weights(column, item, *learned)

    def _over_items(self, matrix: sparse.csr_array) -> tuple[Any, ...]:
        weights = _inverse(matrix.T.tocsr(), self.config.reg)
        diagonal = weights.diagonal().copy()
        weights /= -diagonal
        np.fill_diagonal(weights, 0.0)
        nothing = np.empty(0, np.float32)
        return weights, False, nothing, np.zeros(1, np.int64), np.empty(0, np.int32), nothing

    def _over_users(self, matrix: sparse.csr_array) -> tuple[Any, ...]:
        inverse = _inverse(matrix, self.config.reg)
        by_item: Any = matrix.T.tocsr()
        rest = np.ones(by_item.shape[0], np.float32)
        for first in range(0, rest.size, BLOCK):
            block = by_item[first : first + BLOCK]
            rest[first : first + BLOCK] -= np.asarray(block.multiply(block @ inverse).sum(axis=1)).ravel()
        table = Table.of(by_item)
        return inverse, True, rest, table.start, table.index, table.value

    def _mine(self, histories: Histories) -> tuple[Mine, FloatArray, Int32Array]:
        """Return the rows' items that were learned, what each counts, and their places."""
        mine = newest_items(histories, self.learned.column.size)
        value, place = mine.faded(self.config.half_life_days), self.learned.column[mine.item]
        known = place >= 0
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(known)])[mine.start]
        mine = Mine(start, mine.item[known], mine.age_days[known], mine.weight[known])
        return mine, value[known], place[known]

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return the weighted sums; ``-inf`` for items that were not learned, and everywhere without a known item."""
        learned = self.learned
        mine, value, place = self._mine(histories)
        shape = (len(histories), learned.item.size)
        asked: Any = sparse.csr_array((value.astype(np.float32), place, mine.start), shape=shape)
        found = self._through_users(asked) if learned.over_users else asked @ learned.inverse
        scores = np.full((len(histories), items.n_items), -np.inf, np.float32)
        inside = learned.item < items.n_items
        scores[:, learned.item[inside]] = found[:, inside]
        scores[np.diff(mine.start) == 0] = -np.inf
        return scores

    def _through_users(self, asked: Any) -> Float32Array:
        learned = self.learned
        by_item: Any = sparse.csr_array(
            (learned.value, learned.user, learned.start), shape=(learned.item.size, learned.inverse.shape[0])
        )
        like = (asked @ by_item).toarray() @ learned.inverse  # (B, n_users)
        through: Float32Array = (by_item @ like.T).T  # (B, m)
        row = np.repeat(np.arange(asked.shape[0]), np.diff(asked.indptr))
        through[row, asked.indices] -= asked.data * (1 - learned.rest[asked.indices])
        return through / learned.rest

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return the up to three of the user's items with the largest weights towards ``item``."""
        learned = self.learned
        mine, value, place = self._mine(histories)
        to = int(learned.column[item]) if item < learned.column.size else -1
        if to < 0:
            return np.empty(0, np.int64)
        if learned.over_users:
            table = Table(learned.start, learned.user, learned.value)
            users, theirs = table.row(to)
            like = theirs @ learned.inverse[users]
            weight = np.array([float(like[who] @ took) for who, took in map(table.row, place.tolist())])
        else:
            weight = learned.inverse[place, to].astype(np.float64)
        return best_three(mine.item, np.where(place == to, 0.0, weight * value) if weight.size else weight)


BLOCK = 4096
"""Items at a time where a row for every user is needed of each."""


def _inverse(rows: sparse.csr_array, reg: float) -> Float32Array:
    """Return ``(R R' + reg I)**-1`` in float32, by Cholesky in place: no second matrix of that size is ever held."""
    from scipy.linalg import lapack

    n = rows.shape[0]
    gram = np.zeros((n, n), np.float32, order="F")
    columns: Any = rows.T.tocsr()
    for first in range(0, n, BLOCK):
        gram[first : first + BLOCK] = (rows[first : first + BLOCK] @ columns).toarray()
    gram[np.diag_indices(n)] += np.float32(reg)
    if n == 0:
        return gram
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1, clean=0)
    inverse, failed_too = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:  # reg > 0 makes the matrix positive definite; only rounding could undo it
        raise FloatingPointError(f"the matrix of {n} rows cannot be inverted; give a larger reg")
    for first in range(0, n, BLOCK):  # the upper triangle is the lower one's mirror
        end = min(n, first + BLOCK)
        corner = np.tril(inverse[first:end, first:end])
        inverse[first:end, first:end] = corner + np.tril(corner, -1).T
        inverse[first:end, end:] = inverse[end:, first:end].T
    mirrored: Float32Array = inverse.T  # symmetric: the same matrix in C order
    return mirrored
