"""Diversity: an item counts for less the more it is like one that stands above it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.query import Query
from penchant.domain.slate import Candidates
from penchant.math.arrays import FloatArray, IntArray
from penchant.recommend.relevance import reordered, unit


class MMRConfig(BaseModel):
    """Configuration of maximal marginal relevance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strength: float = Field(default=0.3, ge=0, le=1)
    """How much being unlike the items above counts against relevance; 0 changes nothing."""
    similarity: Literal["topics", "vectors"] = "topics"
    """Likeness of two items: cosine of their topics, or of their item vectors; items without either are like none."""
    depth: int = Field(default=100, ge=1)
    """Candidates, from the first on, that may come to stand in the list."""


class MMR:
    """Takes, place by place, ``argmax (1 - strength) * relevance(i) - strength * max over items above of sim(i, j)``.

    Relevance is the score brought to 0..1 among the candidates looked at. Only the first ``n`` places are chosen so.

    Source:
        Carbonell & Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing
        summaries", SIGIR 1998, section 2; ``strength = 1 - lambda``.
    """

    name = "mmr"
    Config = MMRConfig

    def __init__(self, config: MMRConfig | None = None) -> None:
        self.config = config or MMRConfig()

    def rerank(self, query: Query, ranked: Candidates) -> Candidates:
        """Return the list with its first ``n`` items chosen for being unlike each other."""
        item = ranked.item[: self.config.depth]
        if self.config.strength == 0 or item.size < 2:
            return ranked
        relevance = (1.0 - self.config.strength) * unit(ranked.score[: item.size])
        similar = self._similar(query, item)
        nearest = np.zeros(item.size)  # to any item chosen so far
        left = np.ones(item.size, dtype=np.bool_)
        chosen: list[int] = []
        for _ in range(min(query.n, item.size)):
            value = np.where(left, relevance - self.config.strength * nearest, -np.inf)
            best = int(np.argmax(value))
            chosen.append(best)
            left[best] = False
            nearest = np.maximum(nearest, similar[best])
        return reordered(ranked, chosen)

    def _similar(self, query: Query, item: IntArray) -> FloatArray:
        """Return the cosine of every two items, shape ``(m, m)``, never below 0."""
        if self.config.similarity == "vectors":
            vectors = query.vectors()
            place = vectors.places(item)
            rows = (
                np.where((place >= 0)[:, None], vectors.vector[place], 0.0)
                if len(vectors)
                else np.zeros((item.size, 1))
            )
        else:
            rows = query.item_topics[item].toarray()
        length = np.sqrt((rows**2).sum(axis=1))
        unit_rows = rows / np.where(length > 0, length, 1.0)[:, None]
        cosine: FloatArray = np.maximum(0.0, unit_rows @ unit_rows.T).astype(np.float64)
        return cosine
