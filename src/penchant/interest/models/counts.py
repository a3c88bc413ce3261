"""What everybody takes, and what the user took before: the counts that every other model is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.clock import DAY_S
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.interest.models.evidence import newest_items
from penchant.interest.models.learned import KeepsLearned
from penchant.math.arrays import Float32Array, FloatArray, IntArray
from penchant.math.decay import half_life_weight


@dataclass(frozen=True, slots=True)
class Popularity:
    """Decayed weight of everybody's events on each item at the end of training, shape ``(n_items,)``."""

    count: FloatArray


class MostPopularConfig(BaseModel):
    """Configuration of decayed popularity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_life_days: float = Field(default=14.0, gt=0)
    """After so many days an event counts half."""


class MostPopular(KeepsLearned[Popularity]):
    """Score = sum over all users' events on the item of ``weight * 2**(-age / half_life)``, the same for everybody.

    Ages are taken at the newest event of training: later all counts fade alike, which changes no order. The same order
    as the candidate source ``popular``, which counts live and by days.
    """

    name = "most_popular"
    Config = MostPopularConfig
    _kind = Popularity

    def __init__(self, config: MostPopularConfig | None = None) -> None:
        self.config = config or MostPopularConfig()

    def fit(self, training: ItemTraining) -> None:
        """Count."""
        seen = training.interactions
        age_days = (seen.at.max(initial=-np.inf) - seen.at) / DAY_S
        faded = seen.weight * half_life_weight(age_days, self.config.half_life_days)
        count = np.bincount(seen.item, weights=faded, minlength=seen.n_items)
        self._learned = Popularity(count.astype(np.float64))  # no events would make whole numbers

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return the counts in every row; ``-inf`` for what nobody took."""
        count = self.learned.count[: items.n_items]
        row = np.full(items.n_items, -np.inf, np.float32)
        row[: count.size] = np.where(count > 0, count, -np.inf)
        return np.tile(row, (len(histories), 1))

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return nothing: what everybody likes has no reason in the user's items."""
        return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is learned from others."""

    n_items: int


class RepeatConfig(BaseModel):
    """Configuration of what the user takes again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_life_days: float = Field(default=60.0, gt=0)
    """After so many days one of the user's events counts half."""


class Repeat(KeepsLearned[Nothing]):
    """Score = sum over the user's own events on the item of ``weight * 2**(-age / half_life)``: how often and how lately.

    Where a history holds one line an item, with the sum of its weights, all of them are as old as the last one.

    Source:
        As a strong baseline for baskets: Li, Jullien, Ariannezhad & de Rijke, "A next basket recommendation reality
        check", TOIS 2023, section 4.1 (personal top frequency). The decay is ours.
    """

    name = "repeat"
    Config = RepeatConfig
    _kind = Nothing

    def __init__(self, config: RepeatConfig | None = None) -> None:
        self.config = config or RepeatConfig()

    def fit(self, training: ItemTraining) -> None:
        """Learn nothing: the history alone says it."""
        self._learned = Nothing(training.interactions.n_items)

    def _values(self, histories: Histories) -> FloatArray:
        asked_at = np.repeat(histories.asked_at, np.diff(histories.start))
        age_days = np.maximum(0.0, asked_at - histories.at) / DAY_S
        value = histories.weight * half_life_weight(age_days, self.config.half_life_days)
        return np.where(histories.at <= asked_at, np.maximum(value, 1e-30), 0.0)  # the oldest stay above nothing

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return the faded counts; ``-inf`` for items that the user never took."""
        _ = self.learned
        scores = np.full((len(histories), items.n_items), -np.inf, np.float32)
        matrix = histories.matrix(items.n_items, self._values(histories))
        there = matrix.data > 0
        scores[np.repeat(np.arange(len(histories)), np.diff(matrix.indptr))[there], matrix.indices[there]] = (
            matrix.data[there]
        )
        return scores

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return the item itself where the user took it."""
        took = (histories.item == item) & (histories.at <= histories.asked_at[0])
        return np.full(int(took.any()), item, np.int64)


class MostRecent(Repeat):
    """The user's own items, the last one first: ``1 / (1 + days since the last event)``."""

    name = "most_recent"

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return how lately the user took each item; ``-inf`` for those never taken."""
        _ = self.learned
        mine = newest_items(histories, items.n_items)
        scores = np.full((len(histories), items.n_items), -np.inf, np.float32)
        rows = np.repeat(np.arange(len(histories)), np.diff(mine.start))
        scores[rows, mine.item] = 1.0 / (1.0 + mine.age_days)
        return scores
