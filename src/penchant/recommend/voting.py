"""One order from many sources by their ranks alone: every source votes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.query import Query
from penchant.domain.slate import Candidates


class VoteConfig(BaseModel):
    """Configuration of the vote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: float = Field(default=20.0, gt=0)
    """Added to every rank: the larger, the less the first places count against those further down."""
    weights: dict[str, float] = {}
    """Weight of a source's vote, 1 for one that is not named, 0 for none."""


class Vote:
    """Score = sum over the sources that propose the item of ``weight / (k + rank)``, rank 1 = first.

    Needs no scores that can be compared, and nothing to learn.

    Source:
        Cormack, Clarke & Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods",
        SIGIR 2009.
    """

    Config = VoteConfig

    def __init__(self, config: VoteConfig | None = None) -> None:
        self.config = config or VoteConfig()

    def rank(self, query: Query, proposals: Mapping[str, Candidates]) -> tuple[Candidates, dict[str, dict[int, float]]]:
        """Return all candidates, best first, and each source's part of each score; ties go to the lower item number."""
        parts: dict[str, dict[int, float]] = {}
        total: dict[int, float] = {}
        for source, candidates in proposals.items():
            weight = self.config.weights.get(source, 1.0)
            if weight <= 0 or candidates.item.size == 0:
                continue
            votes = weight / (self.config.k + 1.0 + np.arange(candidates.item.size))
            parts[source] = dict(zip(candidates.item.tolist(), votes.tolist(), strict=True))
            for item, vote in parts[source].items():
                total[item] = total.get(item, 0.0) + vote
        order = sorted(total, key=lambda item: (-total[item], item))
        return Candidates(np.array(order, dtype=np.int64), np.array([total[item] for item in order])), parts
