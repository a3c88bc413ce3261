"""Training of the trees that rank; needs LightGBM, answering does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.errors import NotInstalledError
from penchant.recommend.stack_features import RISING

if TYPE_CHECKING:
    from penchant.recommend.stack import StackConfig, Table

PATIENCE = 30
"""Trees that may bring nothing before the training stops."""


def train(table: Table, check: Table | None, config: StackConfig, n_trees: int, names: Sequence[str], seed: int) -> Any:
    """Return a booster on columns of these names; with ``check`` it has as many trees as are best there.

    Raises:
        NotInstalledError: When LightGBM is not there.
    """
    try:
        import lightgbm
    except ImportError as error:
        raise NotInstalledError("LightGBM", "pip install 'penchant[trees]'") from error
    parameters = {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": [10],
        "lambdarank_truncation_level": 20,
        "learning_rate": config.learning_rate,
        "num_leaves": config.max_leaves,
        "min_data_in_leaf": config.min_leaf,
        "monotone_constraints": [int(name.rpartition(":")[2] in RISING) for name in names],
        "feature_fraction": 0.6,
        "bagging_fraction": 0.7,
        "bagging_by_query": True,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": config.threads,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(table.x, table.taken.astype(np.float64), group=table.size)
    if check is None or not check.taken.any():
        return lightgbm.train(parameters, data, n_trees)
    held = lightgbm.Dataset(check.x, check.taken.astype(np.float64), group=check.size, reference=data)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    grown = lightgbm.train(parameters, data, n_trees, valid_sets=[held], callbacks=[stop])
    best = max(1, int(grown.best_iteration))
    # A booster of exactly those trees, so that what is counted and dumped is what was measured.
    return lightgbm.Booster(model_str=grown.model_to_string(num_iteration=best))
