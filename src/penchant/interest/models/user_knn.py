"""Items that users like this one took: user-based nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.interest.models.evidence import Mine, newest_items, taken_by_users
from penchant.interest.models.learned import KeepsLearned
from penchant.interest.models.neighbours import Table, best_three, centring, silent_where_zero
from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray
from penchant.math.top import top_n


class UserKNNConfig(BaseModel):
    """Configuration of user-based nearest neighbours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_neighbours: int = Field(default=100, ge=1)
    """Users whose items count."""
    similarity: Literal["cosine", "pearson"] = "cosine"
    """How alike two users are by what they took; ``pearson`` takes each user's mean over all items away."""
    shrinkage: float = Field(default=5.0, ge=0)
    """Added to the norm, so that two items in common do not look like certainty."""
    half_life_days: float | None = Field(default=30.0, gt=0)
    """After so many days what anybody took counts half; None: nothing fades."""
    max_history: int = Field(default=1000, ge=1)
    """The asking user's newest items that count."""


@dataclass(frozen=True, slots=True)
class Users:
    """Who took what, both ways round.

    Attributes:
        start: Items of user ``v`` are ``item[start[v]:start[v + 1]]``, shape ``(n_users + 1,)``.
        item: Item numbers.
        value: What each counts, 0..1.
        item_start: Users of item ``i`` are ``user[item_start[i]:item_start[i + 1]]``, shape ``(n_items + 1,)``.
        user: User rows.
        user_value: What each counts.
        norm: Squared length of each user's row, centred by ``pearson``, shape ``(n_users,)``.
        root_mean: What centring takes away, shape ``(n_users,)``.
        n_taken: Items that anybody took.
    """

    start: IntArray
    item: Int32Array
    value: Float32Array
    item_start: IntArray
    user: Int32Array
    user_value: Float32Array
    norm: FloatArray
    root_mean: FloatArray
    n_taken: int

    @property
    def items_of(self) -> Table:
        """Return the table from users to items."""
        return Table(self.start, self.item, self.value)

    @property
    def users_of(self) -> Table:
        """Return the table from items to users."""
        return Table(self.item_start, self.user, self.user_value)


class UserKNN(KeepsLearned[Users]):
    """Score = sum over the nearest users ``v`` of ``sim(u, v) * x_vi``.

    ``x_vi = 2**(-age / half_life)`` of ``v``'s last event with the item at the end of training, and of the asking user's at
    the question. ``sim`` is the cosine of the two rows, or Pearson's correlation with zeros for what was not taken,
    with the shrinkage added to the norm. Users are known by their histories alone: who asks may be new, and one who was in
    the training is their own nearest neighbour, which speaks for nothing but what they took already.
    Fit is a transposition; an answer costs O(takers of the user's items) + O(items of the neighbours).

    Source:
        Herlocker, Konstan, Borchers & Riedl, "An algorithmic framework for performing collaborative filtering", SIGIR
        1999; for who took what: Sarwar, Karypis, Konstan & Riedl, "Analysis of recommendation algorithms for
        e-commerce", EC 2000, section 3.
    """

    name = "user_knn"
    Config = UserKNNConfig
    _kind = Users

    def __init__(self, config: UserKNNConfig | None = None) -> None:
        self.config = config or UserKNNConfig()

    def fit(self, training: ItemTraining) -> None:
        """Lay out who took what."""
        matrix = taken_by_users(training.interactions, self.config.half_life_days)
        by_item: Any = matrix.T.tocsr()
        by_item.sort_indices()
        length = centring(by_item, self.config.similarity)
        items_of, users_of = Table.of(matrix), Table.of(by_item)
        self._learned = Users(
            *(items_of.start, items_of.index, items_of.value),
            *(users_of.start, users_of.index, users_of.value),
            length.norm,
            length.root_mean,
            max(1, int((np.diff(by_item.indptr) > 0).sum())),
        )

    def _mine(self, histories: Histories) -> tuple[Mine, FloatArray]:
        mine = newest_items(histories, self.learned.users_of.n_rows, self.config.max_history)
        return mine, mine.faded(self.config.half_life_days)

    def _similar(self, mine: Mine, value: FloatArray) -> FloatArray:
        """Return how alike each row is to each user of the training, shape ``(B, n_users)``."""
        users = self.learned
        both = users.users_of.spread(mine.start, mine.item, value, users.norm.size).astype(np.float64)
        row = np.repeat(np.arange(len(mine.start) - 1), np.diff(mine.start))
        norm = np.bincount(row, weights=value**2, minlength=both.shape[0])
        if self.config.similarity == "pearson":
            root_mean = np.bincount(row, weights=value, minlength=both.shape[0]) / np.sqrt(users.n_taken)
            norm = np.maximum(norm - root_mean**2, 0.0)
            both = np.where(both > 0, both - np.outer(root_mean, users.root_mean), 0.0)
        length = np.sqrt(np.outer(norm, users.norm))
        alike: FloatArray = np.divide(both, length + self.config.shrinkage, out=np.zeros_like(both), where=length > 0)
        return alike

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return what the nearest users took; ``-inf`` for what none of them did."""
        mine, value = self._mine(histories)
        nearest, weight = self._nearest(self._similar(mine, value))
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum([each.size for each in nearest], dtype=np.int64)])
        user = np.concatenate([*nearest, np.empty(0, np.int64)]).astype(np.int32)
        share = np.concatenate([*weight, np.empty(0)])
        return silent_where_zero(self.learned.items_of.spread(start, user, share, items.n_items))

    def _nearest(self, alike: FloatArray) -> tuple[list[IntArray], list[FloatArray]]:
        nearest, weight = [], []
        for row in alike:
            best = top_n(row, self.config.n_neighbours)
            best = best[row[best] > 0]
            nearest.append(best)
            weight.append(row[best])
        return nearest, weight

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return the up to three of the user's items through which the users who took ``item`` are near."""
        mine, value = self._mine(histories)
        (nearest,), (weight,) = self._nearest(self._similar(mine, value))
        takers, took = self.learned.users_of.row(item)
        says = np.zeros(self.learned.norm.size)
        says[takers] = took
        near = np.zeros(self.learned.norm.size)
        near[nearest] = says[nearest] * weight
        part = np.zeros(mine.item.size)
        for place, own in enumerate(mine.item.tolist()):
            users, theirs = self.learned.users_of.row(own)
            part[place] = value[place] * float(theirs @ near[users])
        return best_three(mine.item, part)
