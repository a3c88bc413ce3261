"""Items that go with the user's items: item-based nearest neighbours on cosine similarity."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.packing import pack, unpack
from penchant.domain.query import Query
from penchant.domain.slate import Because, Candidates
from penchant.math.arrays import Float32Array, FloatArray, Int32Array
from penchant.math.decay import half_life_weight
from penchant.recommend.popular import choose

FORMAT = 1


class ItemKNNConfig(BaseModel):
    """Configuration of item-based nearest neighbours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_neighbours: int = Field(default=50, ge=1)
    """Neighbours kept per item."""
    shrinkage: float = Field(default=20.0, ge=0)
    """Added to the norm, so that two users in common do not look like certainty."""
    half_life_days: float = Field(default=60.0, gt=0)
    """After so many days one of the user's items counts half."""
    max_history: int = Field(default=200, ge=1)
    """The user's newest items that count."""


class ItemKNN:
    """Score = sum over the user's items ``j`` of ``2**(-age_j / half_life) * sim(j, i)``.

    ``sim(j, i) = users of both / (sqrt(users of j * users of i) + shrinkage)``; an item is no neighbour of itself.
    Memory: ``8 * n_neighbours`` bytes an item.

    Source:
        Deshpande & Karypis, "Item-based top-N recommendation algorithms", TOIS 2004, section 4.1. Shrinkage: Bell &
        Koren, "Improved neighborhood-based collaborative filtering", KDD Cup 2007. The decay by age is ours.
    """

    name = "item_knn"
    Config = ItemKNNConfig

    def __init__(self, config: ItemKNNConfig | None = None) -> None:
        self.config = config or ItemKNNConfig()
        self._neighbour: Int32Array = np.empty((0, self.config.n_neighbours), np.int32)  # -1 = none
        self._similarity: Float32Array = np.empty((0, self.config.n_neighbours), np.float32)

    @property
    def fitted(self) -> bool:
        """Return whether there are neighbours."""
        return bool(self._neighbour.shape[0] > 0)

    def fit(self, interactions: Interactions) -> None:
        """Find every item's nearest neighbours."""
        from penchant.recommend.kernels import nearest_items

        by_user = interactions.matrix()
        by_item = by_user.T.tocsr()
        self._neighbour, self._similarity = nearest_items(
            by_item.indptr.astype(np.int64),
            by_item.indices.astype(np.int32),
            by_user.indptr.astype(np.int64),
            by_user.indices.astype(np.int32),
            interactions.n_items,
            self.config.n_neighbours,
            self.config.shrinkage,
        )

    def _history(self, query: Query) -> tuple[Int32Array, FloatArray]:
        known = query.history.item < self._neighbour.shape[0]
        item = query.history.item[known][-self.config.max_history :]
        age = np.maximum(0.0, query.at - query.history.last_at[known][-self.config.max_history :]) / DAY_S
        weight = half_life_weight(age, self.config.half_life_days)
        return item, np.where(query.history.count[known][-self.config.max_history :] > 0, weight, 0.0)

    def candidates(self, query: Query, n: int) -> Candidates:
        """Return the allowed items nearest to the user's."""
        item, weight = self._history(query)
        neighbour = self._neighbour[item]  # (history, n_neighbours)
        score = np.zeros(query.allowed.size)
        there = (neighbour >= 0) & (neighbour < score.size)
        np.add.at(score, neighbour[there], (self._similarity[item] * weight[:, None])[there])
        return choose(query, score, n)

    def because(self, query: Query, item: int) -> Because:
        """Return the up to three of the user's items that contribute most."""
        mine, weight = self._history(query)
        part = ((self._neighbour[mine] == item) * self._similarity[mine]).sum(axis=1) * weight
        best = [int(mine[i]) for i in np.argsort(-part, kind="stable")[:3] if part[i] > 0]
        names = ", ".join(query.name(other) for other in best)
        return Because(f"Goes with what you took: {names}", tuple(best))

    def encode(self) -> bytes:
        """Return the neighbours as bytes."""
        return pack(FORMAT, {"neighbour": self._neighbour, "similarity": self._similarity})

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` wrote; ``FormatError`` when damaged."""
        fields = unpack(data, FORMAT)
        self._neighbour, self._similarity = fields["neighbour"], fields["similarity"]
