"""What the user took before and may want again: decayed frequency of the user's own items."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.clock import DAY_S, from_s
from penchant.domain.query import Query
from penchant.domain.slate import Because, Candidates
from penchant.math.decay import half_life_weight
from penchant.math.top import top_n


class RecentConfig(BaseModel):
    """Configuration of the user's own items."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_life_days: float = Field(default=60.0, gt=0)
    """After so many days without a new event an item's count is worth half."""


class Recent:
    """Score = ``count * 2**(-days since the last event on the item / half_life)``."""

    name = "recent"
    Config = RecentConfig

    def __init__(self, config: RecentConfig | None = None) -> None:
        self.config = config or RecentConfig()

    def candidates(self, query: Query, n: int) -> Candidates:
        """Return the user's own allowed items."""
        history = query.history
        age = np.maximum(0.0, query.at - history.last_at) / DAY_S
        score = history.count * half_life_weight(age, self.config.half_life_days)
        score = np.where(query.allowed[history.item] & (score > 0), score, -np.inf)
        best = top_n(score, n)
        return Candidates(history.item[best].astype(np.int64), score[best])

    def because(self, query: Query, item: int) -> Because:
        """Return how often and when last the user took the item."""
        place = np.flatnonzero(query.history.item == item)
        if place.size == 0:
            return Because("You took it before")
        count, last_at = query.history.count[place[0]], float(query.history.last_at[place[0]])
        times = f"{count:.0f} times, last" if count >= 2 else "on"
        return Because(f"You took it {times} {from_s(last_at):%Y-%m-%d}", (item,))
