"""Fatigue: what was shown before, and left alone, moves down."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.clock import DAY_S
from penchant.domain.query import Query
from penchant.domain.slate import Candidates
from penchant.math.arrays import FloatArray
from penchant.math.decay import half_life_weight
from penchant.recommend.relevance import reordered, unit


class FatigueConfig(BaseModel):
    """Configuration of fatigue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: float = Field(default=0.5, ge=0)
    """An item shown once just now, and left alone, counts ``2**-strength``; 0 changes nothing."""
    half_life_days: float = Field(default=3.0, gt=0)
    """After so many days a showing counts half."""


class Fatigue:
    """Order by ``relevance * 2**(-strength * ignored)``, ``ignored`` = sum of ``2**(-age / half_life)`` over showings.

    Counted are the newest four ``impression`` events on the item after the user's last deed with it (a view, a purchase,
    a dislike ...): whoever reacts has not overlooked it. Relevance is the score brought to 0..1 in the list.

    Source:
        The measure of ignored showings is as in Ma et al., "User fatigue in online news recommendation", WWW 2016;
        the exponential form is ours.
    """

    name = "fatigue"
    Config = FatigueConfig

    def __init__(self, config: FatigueConfig | None = None) -> None:
        self.config = config or FatigueConfig()

    def rerank(self, query: Query, ranked: Candidates) -> Candidates:
        """Return the list with what was shown in vain moved down."""
        ignored = self._ignored(query, query.since.size)[ranked.item]
        if self.config.strength == 0 or not ignored.any():
            return ranked
        value = unit(ranked.score) * np.exp2(-self.config.strength * ignored)
        # Where relevance is 0 nothing can be taken from it: what was ignored comes last there.
        return reordered(ranked, np.lexsort((np.arange(value.size), ignored, -value)))

    def _ignored(self, query: Query, n_items: int) -> FloatArray:
        shown = query.shown()
        known = shown.item < n_items
        reacted = np.full(n_items, -np.inf)
        mine = query.history.item < n_items
        reacted[query.history.item[mine]] = query.history.last_at[mine]
        at = shown.at[known]  # (m, 4)
        counts = np.isfinite(at) & (at <= query.at) & (at > reacted[shown.item[known]][:, None])
        age = np.where(counts, query.at - at, 0.0) / DAY_S
        ignored = np.zeros(n_items)
        ignored[shown.item[known]] = np.where(counts, half_life_weight(age, self.config.half_life_days), 0.0).sum(
            axis=1
        )
        return ignored
