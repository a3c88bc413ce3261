"""Lists of one LensKit model: ``python lists_lenskit.py MODEL QUESTION.npz OUT.npz``, in an environment of its own."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
from exchange import answer
from lenskit.als import ImplicitMFScorer
from lenskit.basic import AllTrainingItemsCandidateSelector, PopScorer
from lenskit.batch import recommend
from lenskit.data import from_interactions_df
from lenskit.knn import EASEScorer, ItemKNNScorer, UserKNNScorer
from lenskit.pipeline import RecPipelineBuilder

MODELS = {
    "popular": lambda: PopScorer(),
    "item_knn": lambda: ItemKNNScorer(max_nbrs=50, save_nbrs=50, feedback="implicit"),
    "user_knn": lambda: UserKNNScorer(max_nbrs=50, feedback="implicit"),
    "als": lambda: ImplicitMFScorer(embedding_size=64, epochs=15),
    "ease": lambda: EASEScorer(),
}


def fit(data: dict[str, Any]) -> Any:
    frame = pd.DataFrame({"user_id": data["user"], "item_id": data["item"]}).drop_duplicates()
    dataset = from_interactions_df(frame)
    builder = RecPipelineBuilder()
    builder.scorer(MODELS[NAME]())
    builder.ranker(n=int(data["n"]))
    if data["seen"]:
        builder.candidate_selector(AllTrainingItemsCandidateSelector())
    pipeline = builder.build()
    pipeline.train(dataset)
    return pipeline


def ask(pipeline: Any, data: dict[str, Any]) -> np.ndarray:
    n = int(data["n"])
    found = recommend(pipeline, data["users"].tolist(), n, n_jobs=1)
    lists = np.full((len(data["users"]), n), -1, np.int64)
    for row, user in enumerate(data["users"].tolist()):
        ids = found.lookup(user_id=user).ids()
        lists[row, : len(ids)] = ids[:n]
    return lists


if __name__ == "__main__":
    NAME = sys.argv[1]
    answer(sys.argv[2], sys.argv[3], NAME, fit, ask)
