"""Novelty: what few people know moves up."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.query import Query
from penchant.domain.slate import Candidates
from penchant.recommend.relevance import mixed, unit


class NoveltyConfig(BaseModel):
    """Configuration of novelty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: float = Field(default=0.2, ge=0, le=1)
    """How much being little known counts against relevance; 0 changes nothing."""
    half_life_days: float = Field(default=60.0, gt=0)
    """Half-life of the popularity that is meant."""
    depth: int = Field(default=100, ge=1)
    """Candidates, from the first on, that may come to stand in the list."""


class Novelty:
    """Order by ``(1 - strength) * relevance + strength * novelty``, novelty = ``-log2(popularity)``.

    Popularity is the item's share of everybody's decayed events; one that nobody took counts as the least popular that
    somebody took. Relevance and novelty are each brought to 0..1 among the candidates looked at.

    Source:
        Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 107(10), 2010, for
        the measure; the weighted sum is ours.
    """

    name = "novelty"
    Config = NoveltyConfig

    def __init__(self, config: NoveltyConfig | None = None) -> None:
        self.config = config or NoveltyConfig()

    def rerank(self, query: Query, ranked: Candidates) -> Candidates:
        """Return the list with what is little known moved up."""
        item = ranked.item[: self.config.depth]
        if self.config.strength == 0 or item.size < 2:
            return ranked
        popularity = query.popularity(self.config.half_life_days)
        least = popularity.min(initial=np.inf, where=popularity > 0)
        if not np.isfinite(least):
            return ranked  # nobody did anything yet
        return mixed(ranked, unit(-np.log2(np.maximum(popularity[item], least))), self.config.strength, item.size)
