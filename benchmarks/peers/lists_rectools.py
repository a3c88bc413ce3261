"""Lists of one RecTools model: ``python lists_rectools.py MODEL QUESTION.npz OUT.npz``, in an environment of its own."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from exchange import answer, rows_of
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from rectools.dataset import Dataset
from rectools.models import (
    EASEModel,
    ImplicitALSWrapperModel,
    ImplicitItemKNNWrapperModel,
    PopularModel,
    PureSVDModel,
)

MODELS = {
    "popular": lambda: PopularModel(),
    "popular_14_days": lambda: PopularModel(period=timedelta(days=14)),
    "item_knn_cosine": lambda: ImplicitItemKNNWrapperModel(CosineRecommender(K=50, num_threads=1)),
    "item_knn_bm25": lambda: ImplicitItemKNNWrapperModel(BM25Recommender(K=50, num_threads=1)),
    "als": lambda: ImplicitALSWrapperModel(
        AlternatingLeastSquares(factors=64, iterations=15, random_state=0, num_threads=1)
    ),
    "pure_svd": lambda: PureSVDModel(factors=64),
    "ease": lambda: EASEModel(),
}


def fit(data: dict[str, Any]) -> Any:
    frame = pd.DataFrame(
        {
            "user_id": data["user"],
            "item_id": data["item"],
            "weight": 1.0,
            "datetime": pd.to_datetime(data["at"], unit="s"),
        }
    )
    dataset = Dataset.construct(frame)
    return MODELS[NAME]().fit(dataset), dataset


def ask(fitted: Any, data: dict[str, Any]) -> np.ndarray:
    model, dataset = fitted
    found = model.recommend(data["users"], dataset, int(data["n"]), filter_viewed=not data["seen"])
    found = found.sort_values(["user_id", "rank"])
    return rows_of(data["users"], found["user_id"].to_numpy(), found["item_id"].to_numpy(), int(data["n"]))


if __name__ == "__main__":
    NAME = sys.argv[1]
    answer(sys.argv[2], sys.argv[3], NAME, fit, ask)
