"""One order from many sources: a weighted sum of their scores."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from penchant.domain.query import Query
from penchant.domain.slate import Candidates
from penchant.recommend.blending import blend


class BlendConfig(BaseModel):
    """Configuration of the weighted sum."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: dict[str, float] = {
        "recent": 1.0,
        "item_knn": 0.6,
        "interest": 0.3,
        "popular": 0.2,
        "new": 0.01,
        "taste": 0.2,
    }
    """Weight by source, >= 0; a source that is not named weighs nothing. ``fit`` replaces them with learned ones."""


class Blend:
    """Score = sum over sources of ``weight * share``, a score as a share of the source's highest in this query.

    Scores that are not all above zero are first raised by the lowest (``penchant.recommend.blending.shares``).
    """

    Config = BlendConfig

    def __init__(self, config: BlendConfig | None = None) -> None:
        self.config = config or BlendConfig()

    def rank(self, query: Query, proposals: Mapping[str, Candidates]) -> tuple[Candidates, dict[str, dict[int, float]]]:
        """Return all candidates, best first, and each source's part of each score."""
        return blend(proposals, self.config.weights)
