"""Calibration: the topics of the list in the proportions of the user's interests."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.query import Query
from penchant.domain.slate import Candidates
from penchant.math.arrays import FloatArray
from penchant.recommend.relevance import reordered, unit


class CalibrateConfig(BaseModel):
    """Configuration of calibrated lists."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: float = Field(default=0.3, ge=0, le=1)
    """How much closeness to the user's interests counts against relevance; 0 changes nothing."""
    view: Literal["next", "long_term"] = "next"
    """The interests that the list is held against: what comes next, or the long-term view."""
    smoothing: float = Field(default=0.01, gt=0, lt=1)
    """Share of the user's interests mixed into the list's, so that a topic that is missing costs much, not everything."""
    depth: int = Field(default=100, ge=1)
    """Candidates, from the first on, that may come to stand in the list."""


class Calibrate:
    """Takes, place by place, ``argmax (1 - strength) * sum of relevance - strength * KL(p || (1 - a) q + a p)``.

    ``p`` are the user's interests, ``q`` the mean over the list of its items' topics, ``a`` the smoothing. Relevance is
    the score brought to 0..1. An item without topics does not change ``q``. The best choice of all would be a hard
    problem; place by place is within ``1 - 1/e`` of it. Cost: ``O(n * topics)`` and one pass over the candidates' topics.

    Source:
        Steck, "Calibrated recommendations", RecSys 2018, sections 3 and 4.
    """

    name = "calibrate"
    Config = CalibrateConfig

    def __init__(self, config: CalibrateConfig | None = None) -> None:
        self.config = config or CalibrateConfig()

    def rerank(self, query: Query, ranked: Candidates) -> Candidates:
        """Return the list with its first ``n`` items chosen near the proportions of the user's interests."""
        item, strength, a = ranked.item[: self.config.depth], self.config.strength, self.config.smoothing
        topics = query.item_topics[item]
        if strength == 0 or item.size < 2 or topics.nnz == 0:
            return ranked
        reading = query.reading
        wanted = reading.probability if self.config.view == "next" else reading.long_term
        relevance = (1.0 - strength) * unit(ranked.score[: item.size])
        owner = np.repeat(np.arange(item.size), np.diff(topics.indptr))
        labelled = np.bincount(owner, minlength=item.size) > 0
        total, n_labelled = np.zeros(wanted.size), 0  # sum of the topics of what is chosen
        left = np.ones(item.size, dtype=np.bool_)
        chosen: list[int] = []
        for _ in range(min(query.n, item.size)):
            # KL with an item = KL of the list diluted by one item more, changed at the item's own topics only.
            diluted = _cost(wanted, total / (n_labelled + 1), a)
            after = (total[topics.indices] + topics.data) / (n_labelled + 1)
            change = _cost(wanted[topics.indices], after, a) - diluted[topics.indices]
            distance = diluted.sum() + np.bincount(owner, change, minlength=item.size)
            unchanged = _cost(wanted, total / max(1, n_labelled), a).sum()
            distance = np.where(labelled, distance, unchanged)
            best = int(np.argmax(np.where(left, relevance - strength * distance, -np.inf)))
            chosen.append(best)
            left[best] = False
            if labelled[best]:
                mine = slice(topics.indptr[best], topics.indptr[best + 1])
                np.add.at(total, topics.indices[mine], topics.data[mine])
                n_labelled += 1
        return reordered(ranked, chosen)


def divergence(wanted: FloatArray, listed: FloatArray, smoothing: float = 0.01) -> float:
    """Return ``KL(p || (1 - a) q + a p)`` in nats: how far a list's topics ``q`` are from interests ``p``; 0 = the same.

    >>> wanted = np.array([0.7, 0.3])
    >>> round(divergence(wanted, np.array([0.7, 0.3])), 6), round(divergence(wanted, np.array([1.0, 0.0])), 4)
    (0.0, 1.134)
    """
    return float(_cost(wanted, listed, smoothing).sum())


def _cost(wanted: FloatArray, listed: FloatArray, a: float) -> FloatArray:
    """Return each topic's part of the divergence in nats; 0 where there is no interest in it."""
    smooth = (1.0 - a) * listed + a * wanted
    ratio = np.divide(wanted, smooth, out=np.ones_like(wanted), where=wanted > 0)
    cost: FloatArray = wanted * np.log(ratio)
    return cost
