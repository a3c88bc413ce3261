"""Items about what the user cares for: interest in the topic times the item's standing within it."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.query import Query
from penchant.domain.slate import Because, Candidates
from penchant.recommend.popular import choose


class InterestAffinityConfig(BaseModel):
    """Configuration of interest affinity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_life_days: float = Field(default=60.0, gt=0)
    """Half-life of an item's popularity within its topic."""
    newcomer: float = Field(default=0.05, ge=0)
    """Popularity that every item has from the start, in events, so that a new item is not shut out."""


class InterestAffinity:
    """Score = P(item | topic) P(topic | user), summed over the item's topics.

    ``P(item | topic)`` is the item's share of the topic's decayed popularity; ``P(topic | user)`` is the tracker's.
    """

    name = "interest"
    Config = InterestAffinityConfig

    def __init__(self, config: InterestAffinityConfig | None = None) -> None:
        self.config = config or InterestAffinityConfig()

    def candidates(self, query: Query, n: int) -> Candidates:
        """Return the allowed items that stand highest in the user's topics."""
        newcomer = np.where(query.since <= query.at, self.config.newcomer, 0.0)  # not for what is yet to come
        popularity = query.popularity(self.config.half_life_days) + newcomer  # (I,)
        total = query.topic_items @ popularity  # (T,)
        share = np.divide(query.reading.probability, total, out=np.zeros_like(total), where=total > 0)
        return choose(query, (query.item_topics @ share) * popularity, n)

    def because(self, query: Query, item: int) -> Because:
        """Return the item's topic that the user cares for most."""
        topics = query.item_topics.indices[query.item_topics.indptr[item] : query.item_topics.indptr[item + 1]]
        if topics.size == 0:
            return Because("Matches your interests")
        topic = int(topics[np.argmax(query.reading.probability[topics])])
        name, p = query.topics.ids[topic], query.reading.probability[topic]
        if query.reading.evidence[topic] > 0:
            return Because(f"Because of your interest in {name} ({p:.0%} of what comes next)", topic=topic)
        return Because(f"{name} is what most people start with", topic=None)
