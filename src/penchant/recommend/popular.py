"""What everybody likes now: decayed popularity."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.query import Query
from penchant.domain.slate import Because, Candidates
from penchant.math.arrays import FloatArray
from penchant.math.top import top_n


class PopularConfig(BaseModel):
    """Configuration of decayed popularity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_life_days: float = Field(default=14.0, gt=0)
    """After so many days an event counts half."""


class Popular:
    """Score = sum over all users' events on the item of ``weight * 2**(-age in days / half_life)``."""

    name = "popular"
    Config = PopularConfig

    def __init__(self, config: PopularConfig | None = None) -> None:
        self.config = config or PopularConfig()

    def candidates(self, query: Query, n: int) -> Candidates:
        """Return the most popular allowed items."""
        return choose(query, query.popularity(self.config.half_life_days), n)

    def because(self, query: Query, item: int) -> Because:
        """Return that the item is popular."""
        return Because("Popular with everybody lately")


def choose(query: Query, score: FloatArray, n: int) -> Candidates:
    """Return the ``n`` allowed items with the highest scores above zero."""
    usable = np.where(query.allowed & (score > 0), score, -np.inf)
    best = top_n(usable, n)
    return Candidates(best, score[best])
