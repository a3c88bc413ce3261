"""Keep one topic from filling the list."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.query import Query
from penchant.domain.slate import Candidates


class SpreadConfig(BaseModel):
    """Configuration of the limit per topic."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_share: float = Field(default=0.4, gt=0, le=1)
    """At most this share of the list from one topic (rounded up), as long as other topics have candidates."""


class Spread:
    """Goes down the list and moves an item behind the others when its main topic has had its share of the first n."""

    Config = SpreadConfig

    def __init__(self, config: SpreadConfig | None = None) -> None:
        self.config = config or SpreadConfig()

    def rerank(self, query: Query, ranked: Candidates) -> Candidates:
        """Return the list with overfull topics moved back; scores go with their items."""
        limit = int(np.ceil(self.config.max_share * query.n))
        used: dict[int, int] = {}
        front: list[int] = []
        back: list[int] = []
        starts, topics = query.item_topics.indptr, query.item_topics.indices
        for place, item in enumerate(ranked.item.tolist()):
            topic = int(topics[starts[item]]) if starts[item + 1] > starts[item] else -1
            if topic >= 0 and used.get(topic, 0) >= limit and len(front) < query.n:
                back.append(place)
            else:
                used[topic] = used.get(topic, 0) + 1
                front.append(place)
        order = np.array(front[: query.n] + sorted(back + front[query.n :]), dtype=np.int64)
        return Candidates(ranked.item[order], ranked.score[order])
