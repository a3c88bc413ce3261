"""Item models as candidate sources: one class for every model of ``penchant.interest.models``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from penchant.config import component_config
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemModel, ItemTable, ItemTraining
from penchant.domain.query import Query
from penchant.domain.slate import Because, Candidates
from penchant.interest.models import MODELS
from penchant.math.top import top_n


def model_source(name: str, options: Mapping[str, Mapping[str, Any]]) -> ModelSource:
    """Return a registered item model as a source, with its options out of the settings, not yet fitted.

    Raises:
        UnknownNameError: When there is no such model.
        ConfigError: When an option is unknown or out of range.
        NotInstalledError: When the model needs a package that is not there.
    """
    kind = MODELS[name]
    return ModelSource(kind(component_config(kind.Config, options, name)))


class ModelSource:
    """Proposes the allowed items that an item model scores highest for the user's history, of the whole catalogue.

    The scores are the model's own, so they may be negative; items of which it has nothing to say are left out.
    """

    def __init__(self, model: ItemModel) -> None:
        self.model = model
        self.name = model.name
        self.config = model.config

    @property
    def fitted(self) -> bool:
        """Return whether the model has learned."""
        return self.model.fitted

    def fresh(self) -> ModelSource:
        """Return the same source, not yet fitted."""
        kind: Any = type(self.model)
        return ModelSource(kind(self.config))

    def train(self, training: ItemTraining) -> None:
        """Fit the model."""
        self.model.fit(training)

    def fit(self, interactions: Interactions) -> None:
        """Fit the model on interactions alone; ``train`` also tells it of the items."""
        self.train(ItemTraining(interactions, ItemTable.bare(interactions.n_items)))

    def candidates(self, query: Query, n: int) -> Candidates:
        """Return the allowed items with the highest scores; none before the model is fitted."""
        if not self.model.fitted or not query.allowed.any():
            return Candidates(np.empty(0, np.int64), np.empty(0))
        # The catalogue may have grown since the question was put together: what came later is not asked about.
        found = self.model.scores(Histories.one(query.history, query.at), query.table())[0, : query.allowed.size]
        score = np.where(query.allowed, found, -np.inf).astype(np.float64)
        best = top_n(score, n)
        return Candidates(best, score[best])

    def because(self, query: Query, item: int) -> Because:
        """Return the user's items that speak most for the item."""
        mine = self.model.because(Histories.one(query.history, query.at), item)
        if not len(mine):
            return Because(f"The model {self.name} expects it next, whatever you took before")
        names = ", ".join(query.name(int(other)) for other in mine)
        return Because(f"Goes with what you took: {names}", tuple(int(other) for other in mine))

    def encode(self) -> bytes:
        """Return what the model learned as bytes."""
        return self.model.encode()

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` wrote; ``FormatError`` when damaged."""
        self.model.decode(data)
