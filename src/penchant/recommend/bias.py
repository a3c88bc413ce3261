"""Predict a rating from how high the user and the item are rated in general."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.math.arrays import FloatArray, Int32Array


class BiasConfig(BaseModel):
    """Configuration of the bias model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_damping: float = Field(default=5.0, ge=0)
    """Ratings at the overall mean that every item starts with."""
    user_damping: float = Field(default=5.0, ge=0)
    """Ratings at the item's mean that every user starts with."""
    use_items: bool = True
    """Whether items differ."""
    use_users: bool = True
    """Whether users differ."""


class Bias:
    """``r = mean + b_item + b_user``, both shrunk towards zero; an unknown user or item has none.

    ``b_item = sum(r - mean) / (n + damping)`` over the item's ratings, then
    ``b_user = sum(r - mean - b_item) / (n + damping)`` over the user's.

    Source:
        Koren, "Factor in the neighbors: scalable and accurate collaborative filtering", TKDD 2010, section 2.1.
    """

    name = "bias"
    Config = BiasConfig

    def __init__(self, config: BiasConfig | None = None) -> None:
        self.config = config or BiasConfig()
        self._mean = 0.0
        self._item = np.empty(0)
        self._user = np.empty(0)

    def fit(self, user: Int32Array, item: Int32Array, rating: FloatArray) -> None:
        """Learn from ratings; three arrays of shape ``(n,)``."""
        self._mean = float(rating.mean()) if rating.size else 0.0
        rest = rating - self._mean
        self._item = _shrunk(item, rest, self.config.item_damping) if self.config.use_items else np.empty(0)
        rest = rest - _look_up(self._item, item)
        self._user = _shrunk(user, rest, self.config.user_damping) if self.config.use_users else np.empty(0)

    def predict(self, user: Int32Array, item: Int32Array) -> FloatArray:
        """Return predicted ratings, shape ``(n,)``; numbers outside what was fitted are unknown."""
        return self._mean + _look_up(self._item, item) + _look_up(self._user, user)


class ItemMean(Bias):
    """The item's mean rating, shrunk to the overall mean; users do not differ."""

    name = "item_mean"

    def __init__(self, config: BiasConfig | None = None) -> None:
        super().__init__(config or BiasConfig(use_users=False))


class GlobalMean(Bias):
    """The mean of all ratings, for everybody and everything."""

    name = "global_mean"

    def __init__(self, config: BiasConfig | None = None) -> None:
        super().__init__(config or BiasConfig(use_items=False, use_users=False))


def _shrunk(number: Int32Array, rest: FloatArray, damping: float) -> FloatArray:
    size = int(number.max(initial=-1)) + 1
    total = np.bincount(number, weights=rest, minlength=size)
    count = np.bincount(number, minlength=size)
    shrunk: FloatArray = np.divide(total, count + damping, out=np.zeros(size), where=count > 0)
    return shrunk


def _look_up(values: FloatArray, number: Int32Array) -> FloatArray:
    known = (number >= 0) & (number < values.size)
    found = np.zeros(number.size)
    found[known] = values[number[known]]
    return found
