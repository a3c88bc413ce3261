"""What is new in the catalogue."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.clock import DAY_S, from_s
from penchant.domain.query import Query
from penchant.domain.slate import Because, Candidates
from penchant.math.decay import half_life_weight
from penchant.recommend.popular import choose


class NewestConfig(BaseModel):
    """Configuration of new items."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_life_days: float = Field(default=7.0, gt=0)
    """After so many days in the catalogue an item counts as half as new."""


class Newest:
    """Score = ``2**(-days in the catalogue / half_life)``, by interest in its topics among the equally new."""

    name = "new"
    Config = NewestConfig

    def __init__(self, config: NewestConfig | None = None) -> None:
        self.config = config or NewestConfig()

    def candidates(self, query: Query, n: int) -> Candidates:
        """Return the newest allowed items."""
        known = np.isfinite(query.since) & (query.since <= query.at)
        age = np.where(known, query.at - query.since, 0.0) / DAY_S
        liking = 1.0 + (query.item_topics @ query.reading.probability if len(query.topics) else 0.0)
        return choose(query, np.where(known, half_life_weight(age, self.config.half_life_days) * liking, 0.0), n)

    def because(self, query: Query, item: int) -> Because:
        """Return since when the item is known."""
        return Because(f"New since {from_s(float(query.since[item])):%Y-%m-%d}")
