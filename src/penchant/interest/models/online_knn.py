"""Item neighbours that are right after every event: no fit to wait for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.interest.models.evidence import newest_items
from penchant.interest.models.learned import KeepsLearned
from penchant.interest.models.neighbours import best_three, silent_where_zero
from penchant.math.arrays import Float32Array, FloatArray, IntArray


class OnlineItemKNNConfig(BaseModel):
    """Configuration of item neighbours kept up to date event by event."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_users: int = Field(default=60, ge=1)
    """Newest users remembered of an item."""
    max_items: int = Field(default=40, ge=1)
    """Newest items remembered of a user."""
    common_half_life_days: float = Field(default=30.0, gt=0)
    """After so many days what a user took counts half in the similarities."""
    shrinkage: float = Field(default=10.0, ge=0)
    """Added to the norm, so that one user in common does not look like certainty."""
    half_life_days: float = Field(default=60.0, gt=0)
    """After so many days one of the asking user's items counts half."""
    max_history: int = Field(default=50, ge=1)
    """The asking user's newest items that count."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest keys of each row, with the time of the newest event of each; only this model writes them.

    Attributes:
        key: Shape ``(rows, most)``, the first ``n`` of each row are there.
        at: Seconds since 1970, ``-inf`` for none.
        n: How many there are, shape ``(rows,)``.
    """

    key: IntArray
    at: FloatArray
    n: IntArray

    @classmethod
    def empty(cls, rows: int, most: int) -> Newest:
        """Return rows without a key."""
        return cls(np.zeros((rows, most), np.int64), np.full((rows, most), -np.inf), np.zeros(rows, np.int64))

    def grown(self, rows: int) -> Newest:
        """Return the same with room for ``rows`` and a quarter more; itself where there is room."""
        if rows <= self.n.size:
            return self
        more = Newest.empty(rows + rows // 4, self.key.shape[1])
        here = slice(0, self.n.size)
        more.key[here], more.at[here], more.n[here] = self.key, self.at, self.n
        return more


@dataclass(frozen=True, slots=True)
class Tables:
    """What is kept, without the room to grow: the rows' tables one after the other.

    Attributes:
        takers: How many users each item has, shape ``(n_items,)``.
        taker: Users of all items.
        taken_at: Time of each one's newest event on the item.
        own: How many items each user has, shape ``(n_users,)``.
        item: Items of all users.
        item_at: Time of the user's newest event on each.
    """

    takers: IntArray
    taker: IntArray
    taken_at: FloatArray
    own: IntArray
    item: IntArray
    item_at: FloatArray


class OnlineItemKNN(KeepsLearned[Tables]):
    """Score = ``sum over the user's items j of 2**(-age_j / half_life) sim(j, i)``, the similarities as of the last event.

    ``sim(j, i)`` is the cosine of who took what, every event faded by its age, with the shrinkage added to the norm. Kept
    are the newest users of each item and the newest items of each user; a pair's common users are counted when it is
    asked for. ``learn`` takes events in the order in which they come, in batches of any size with the same result, in
    O(max_users + max_items) each; ``fit`` is ``learn`` of everything by time, from nothing. The state is bounded by
    ``16 (items max_users + users max_items)`` bytes; an answer costs O(max_history max_users max_items).

    Source:
        After Huang, Cui, Zhang, Jiang & Xu, "TencentRec: real-time stream recommendation in practice", SIGMOD 2015,
        section 4.1, who keep counts of pairs; keeping who took what instead lets ages be taken at the question.
    """

    name = "item_knn_online"
    Config = OnlineItemKNNConfig
    _kind = Tables

    def __init__(self, config: OnlineItemKNNConfig | None = None) -> None:
        self.config = config or OnlineItemKNNConfig()
        self._clear()

    def _clear(self) -> None:
        self._takers = Newest.empty(0, self.config.max_users)
        self._own = Newest.empty(0, self.config.max_items)
        self._n_items, self._n_users = 0, 0
        self._norm: FloatArray | None = None

    @property
    def fitted(self) -> bool:
        """Return whether ``fit``, ``learn`` or ``decode`` has happened."""
        return self._norm is not None or self._learned is not None

    def fit(self, training: ItemTraining) -> None:
        """Learn all interactions by time, from nothing."""
        self._clear()
        seen = training.interactions
        order = np.argsort(seen.at, kind="stable")
        self.learn(
            Interactions(
                seen.user[order], seen.item[order], seen.at[order], seen.weight[order], seen.n_users, seen.n_items
            )
        )

    def learn(self, events: Interactions) -> None:
        """Take further events in order; users and items keep their numbers, new ones follow."""
        from penchant.interest.models.online_kernels import note_both

        self._n_items, self._n_users = max(self._n_items, events.n_items), max(self._n_users, events.n_users)
        self._takers, self._own = self._takers.grown(self._n_items), self._own.grown(self._n_users)
        takers, own = self._takers, self._own
        note_both(events.user, events.item, events.at, takers.key, takers.at, takers.n, own.key, own.at, own.n)
        self._norm = np.empty(0)  # worked out at the next question
        self._learned = None

    @property
    def learned(self) -> Tables:
        """Return the tables as they are now; ``NotFittedError`` before any were made."""
        if self._learned is None and self._norm is not None:
            takers = np.arange(self._takers.key.shape[1]) < self._takers.n[: self._n_items, None]
            own = np.arange(self._own.key.shape[1]) < self._own.n[: self._n_users, None]
            self._learned = Tables(
                self._takers.n[: self._n_items],
                self._takers.key[: self._n_items][takers],
                self._takers.at[: self._n_items][takers],
                self._own.n[: self._n_users],
                self._own.key[: self._n_users][own],
                self._own.at[: self._n_users][own],
            )
        return super().learned

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` wrote; ``FormatError`` when damaged, and then nothing changes."""
        super().decode(data)
        found = super().learned
        self._n_items, self._n_users = found.takers.size, found.own.size
        self._takers = _spread_out(found.takers, found.taker, found.taken_at, self.config.max_users)
        self._own = _spread_out(found.own, found.item, found.item_at, self.config.max_items)
        self._norm = np.empty(0)

    def _norms(self) -> tuple[FloatArray, float]:
        """Return the faded length of each item's column, and the time at which it was taken."""
        at = self._takers.at[: self._n_items]
        newest = float(at.max(initial=-np.inf))
        if self._norm is None or self._norm.size != self._n_items:
            age = (newest - at) / DAY_S if np.isfinite(newest) else np.full(at.shape, np.inf)
            self._norm = np.sqrt((2.0 ** (-2 * age / self.config.common_half_life_days)).sum(axis=1))
        return self._norm, newest

    def _similar(self, start: IntArray, item: IntArray, weight: FloatArray, n_items: int) -> Float32Array:
        from penchant.interest.models.online_kernels import together

        norm, newest = self._norms()
        takers, own = self._takers, self._own
        out = np.zeros((start.size - 1, n_items), np.float32)
        half_life_s, shrinkage = self.config.common_half_life_days * DAY_S, self.config.shrinkage
        together(
            start,
            item.astype(np.int32),
            weight,
            takers.key,
            takers.at,
            takers.n,
            own.key,
            own.at,
            own.n,
            norm,
            newest,
            half_life_s,
            shrinkage,
            out,
        )
        return out

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return how near each item is to the user's; ``-inf`` for those that nobody took together with any."""
        _ = self.learned
        mine = newest_items(histories, self._n_items, self.config.max_history)
        weight = mine.faded(self.config.half_life_days)
        return silent_where_zero(self._similar(mine.start, mine.item.astype(np.int64), weight, items.n_items))

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return the up to three of the user's items that contribute most."""
        _ = self.learned
        mine = newest_items(histories, self._n_items, self.config.max_history)
        if item >= self._n_items:
            return np.empty(0, np.int64)
        alone = np.arange(mine.item.size + 1)  # every item of the user as a row of its own
        weight = mine.faded(self.config.half_life_days)
        part = self._similar(alone, mine.item.astype(np.int64), weight, self._n_items)[:, item]
        return best_three(mine.item, part.astype(np.float64))


def _spread_out(sizes: IntArray, key: IntArray, at: FloatArray, most: int) -> Newest:
    """Return tables one after the other as rows with room for ``most``, the newest of them where there are more."""
    found = Newest.empty(sizes.size, max(most, int(sizes.max(initial=0))))
    there = np.arange(found.key.shape[1]) < sizes[:, None]
    found.key[there], found.at[there] = key, at
    found.n[:] = sizes
    return found
