"""Fairness to the long tail: every head of the list holds a least number of items outside the most popular ones."""

from __future__ import annotations

from functools import cache

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.query import Query
from penchant.domain.slate import Candidates
from penchant.math.arrays import BoolArray, FloatArray
from penchant.recommend.relevance import reordered


class FairnessConfig(BaseModel):
    """Configuration of the long tail's least share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(default=0.3, ge=0, lt=1)
    """Share of the places that items of the long tail should have; 0 changes nothing."""
    significance: float = Field(default=0.1, gt=0, lt=1)
    """A list is put right where so few of the tail would come by chance with less than this probability."""
    head_share: float = Field(default=0.8, gt=0, lt=1)
    """The most popular items that together hold this share of everybody's events are the head, all others the tail."""
    half_life_days: float = Field(default=60.0, gt=0)
    """Half-life of the popularity that is meant."""


class Fairness:
    """FA*IR over the long tail: of every first ``k`` places at least ``m(k)`` go to the tail.

    ``m(k)`` is the ``significance`` quantile of a binomial distribution of ``k`` draws at ``share``. Where a place is due
    to the tail its best candidate takes it; otherwise the best candidate of all does. Within head and tail the order
    stays. The correction for testing every ``k`` (section 4.2 there) is left out: the promise is made for each ``k`` alone.

    Source:
        Zehlike et al., "FA*IR: a fair top-k ranking algorithm", CIKM 2017, sections 3 and 4; the group is the long tail
        as in Abdollahpouri et al., "Managing popularity bias in recommender systems with personalized re-ranking",
        FLAIRS 2019.
    """

    name = "fair"
    Config = FairnessConfig

    def __init__(self, config: FairnessConfig | None = None) -> None:
        self.config = config or FairnessConfig()

    def rerank(self, query: Query, ranked: Candidates) -> Candidates:
        """Return the list with tail items moved up where a place is due to them, as long as there are any."""
        if self.config.share == 0 or ranked.item.size < 2:
            return ranked
        in_tail = ~in_head(query.popularity(self.config.half_life_days), self.config.head_share)[ranked.item]
        due = least(min(query.n, ranked.item.size), self.config.share, self.config.significance)
        tail, others = np.flatnonzero(in_tail).tolist(), np.flatnonzero(~in_tail).tolist()
        chosen: list[int] = []
        n_tail = 0
        for needed in due:
            of_tail = tail and (n_tail < needed or not others or tail[0] < others[0])
            chosen.append((tail if of_tail else others).pop(0))
            n_tail += bool(of_tail)
        return reordered(ranked, chosen)


def in_head(popularity: FloatArray, head_share: float) -> BoolArray:
    """Return which items are the fewest most popular that hold ``head_share`` of it all, shape ``(I,)``.

    >>> in_head(np.array([1.0, 6.0, 3.0, 0.0]), 0.8)
    array([False,  True,  True, False])
    """
    taken = np.flatnonzero(popularity > 0)
    order = taken[np.argsort(-popularity[taken], kind="stable")]
    before = np.cumsum(popularity[order]) - popularity[order]
    head = np.zeros(popularity.size, dtype=np.bool_)
    # A hair below, so that shares that add up to head_share close the head whatever the last bit of the sum.
    head[order] = before < (head_share - 1e-12) * popularity.sum()
    return head


@cache
def least(n: int, share: float, significance: float) -> tuple[int, ...]:
    """Return how many of the first 1, 2, ... ``n`` places are due: the quantile of ``Binomial(k, share)``.

    >>> least(10, 0.5, 0.1)
    (0, 0, 0, 1, 1, 1, 2, 2, 3, 3)
    """
    answer = []
    exactly = np.ones(1)  # P(j of k draws), j = 0..k
    for _ in range(n):
        exactly = np.append(exactly * (1.0 - share), 0.0) + np.append(0.0, exactly * share)
        answer.append(int(np.searchsorted(np.cumsum(exactly), significance + 1e-12, side="right")))
    return tuple(answer)
