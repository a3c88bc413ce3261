"""Freshness: what is new in the catalogue moves up."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.clock import DAY_S
from penchant.domain.query import Query
from penchant.domain.slate import Candidates
from penchant.math.decay import half_life_weight
from penchant.recommend.relevance import mixed


class FreshnessConfig(BaseModel):
    """Configuration of freshness."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: float = Field(default=0.2, ge=0, le=1)
    """How much being new counts against relevance; 0 changes nothing."""
    half_life_days: float = Field(default=14.0, gt=0)
    """After so many days in the catalogue an item counts as half as new."""
    depth: int = Field(default=100, ge=1)
    """Candidates, from the first on, that may come to stand in the list."""


class Freshness:
    """Order by ``(1 - strength) * relevance + strength * 2**(-days in the catalogue / half_life)``.

    Relevance is the score brought to 0..1 among the candidates looked at. An item of which no item event has spoken is
    not new.
    """

    name = "fresh"
    Config = FreshnessConfig

    def __init__(self, config: FreshnessConfig | None = None) -> None:
        self.config = config or FreshnessConfig()

    def rerank(self, query: Query, ranked: Candidates) -> Candidates:
        """Return the list with what is new moved up."""
        item = ranked.item[: self.config.depth]
        if self.config.strength == 0 or item.size < 2:
            return ranked
        since = query.since[item]
        known = np.isfinite(since)
        age = np.maximum(0.0, query.at - np.where(known, since, query.at)) / DAY_S
        new = np.where(known, half_life_weight(age, self.config.half_life_days), 0.0)
        return mixed(ranked, new, self.config.strength, item.size)
