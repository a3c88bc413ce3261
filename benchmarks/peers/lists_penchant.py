"""Lists of one penchant item model: ``python lists_penchant.py MODEL QUESTION.npz OUT.npz``."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from exchange import answer

from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.evaluate.ranking import top_lists
from penchant.interest.models import MODELS


def fit(data: dict[str, Any]) -> Any:
    interactions = Interactions(
        data["user"], data["item"], data["at"], data["weight"], int(data["n_users"]), int(data["n_items"])
    )
    model = MODELS[NAME]()
    model.fit(ItemTraining(interactions, ItemTable.bare(interactions.n_items)))
    return model, interactions


def ask(fitted: Any, data: dict[str, Any]) -> np.ndarray:
    model, interactions = fitted
    users = data["users"].astype(np.int64)
    histories = Histories.of(interactions, users, np.full(users.size, float(data["asked_at"])))
    items = ItemTable.bare(interactions.n_items)
    parts = []
    for chunk in histories.chunks(256):
        scores = np.array(model.scores(chunk, items))
        if not data["seen"]:
            scores[chunk.rows(), chunk.item] = -np.inf
        parts.append(top_lists(scores, int(data["n"])))
    return np.concatenate(parts)


if __name__ == "__main__":
    NAME = sys.argv[1]
    answer(sys.argv[2], sys.argv[3], NAME, fit, ask)
