"""The four classical models: linear support vector machine, decision tree, random forest, gradient boosting."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from penchant.domain.space import Between, Space
from penchant.errors import NotInstalledError
from penchant.interest.models.classical import Classical, ClassicalConfig, Judge
from penchant.interest.models.classical_data import Examples
from penchant.interest.models.features import FEATURES
from penchant.math.trees import Trees

INSTALL = "pip install 'penchant[trees]'"


class SVMConfig(ClassicalConfig):
    """Configuration of the support vector machine."""

    cost: float = Field(default=0.1, gt=0)
    """C: how much an example on the wrong side costs against a wide margin."""


class SVM(Classical):
    """A linear support vector machine on standardised features; see ``Classical``.

    Source:
        Cortes & Vapnik, "Support-vector networks", 1995; squared hinge loss, in scikit-learn's ``LinearSVC``.
    """

    name = "svm"
    Config = SVMConfig
    space: ClassVar[Space] = {"cost": Between(0.001, 10.0, log=True), "others": Between(20, 200, log=True)}

    def __init__(self, config: SVMConfig | None = None) -> None:
        self.config: SVMConfig = config or SVMConfig()

    def _train(self, examples: Examples, seed: int) -> Judge:
        library = _sklearn("svm")
        mean, spread = examples.x.mean(axis=0, dtype=np.float64), examples.x.std(axis=0, dtype=np.float64)
        spread[spread == 0] = 1.0
        # In the primal: there are far more examples than features.
        machine = library.LinearSVC(C=self.config.cost, dual=False, random_state=seed, max_iter=2000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it stopped early: the calibration slice tells how good it is
            machine.fit((examples.x - mean) / spread, examples.taken, sample_weight=examples.weight)
        slope = machine.coef_[0].astype(np.float64)
        offset = float(machine.intercept_[0] - slope @ (mean / spread))
        return Judge.of_plane(slope / spread, offset, np.abs(slope))


class TreeConfig(ClassicalConfig):
    """Configuration of the decision tree."""

    max_leaves: int = Field(default=64, ge=2)
    """Leaves at most."""
    min_leaf: int = Field(default=50, ge=1)
    """Examples that a leaf must hold."""


class Tree(Classical):
    """One decision tree; see ``Classical``.

    Source:
        Breiman, Friedman, Olshen & Stone, "Classification and regression trees", 1984, in scikit-learn.
    """

    name = "tree"
    Config = TreeConfig
    space: ClassVar[Space] = {"max_leaves": Between(8, 256, log=True), "min_leaf": Between(10, 300, log=True)}

    def __init__(self, config: TreeConfig | None = None) -> None:
        self.config: TreeConfig = config or TreeConfig()

    def _train(self, examples: Examples, seed: int) -> Judge:
        tree = _sklearn("tree").DecisionTreeClassifier(
            max_leaf_nodes=self.config.max_leaves, min_samples_leaf=self.config.min_leaf, random_state=seed
        )
        tree.fit(examples.x, examples.taken, sample_weight=examples.weight)
        return Judge.of_trees(Trees.of_sklearn([tree]), tree.feature_importances_, True)


class ForestConfig(ClassicalConfig):
    """Configuration of the random forest."""

    n_trees: int = Field(default=60, ge=1)
    """Trees."""
    max_leaves: int = Field(default=256, ge=2)
    """Leaves of a tree at most."""
    min_leaf: int = Field(default=10, ge=1)
    """Examples that a leaf must hold."""


class Forest(Classical):
    """A random forest: the mean of trees that each saw a resample and, at a split, a few features; see ``Classical``.

    Source:
        Breiman, "Random forests", Machine Learning 2001, in scikit-learn.
    """

    name = "forest"
    Config = ForestConfig
    space: ClassVar[Space] = {"max_leaves": Between(32, 512, log=True), "min_leaf": Between(3, 100, log=True)}

    def __init__(self, config: ForestConfig | None = None) -> None:
        self.config: ForestConfig = config or ForestConfig()

    def _train(self, examples: Examples, seed: int) -> Judge:
        config = self.config
        forest = _sklearn("ensemble").RandomForestClassifier(
            config.n_trees, max_leaf_nodes=config.max_leaves, min_samples_leaf=config.min_leaf, random_state=seed
        )
        forest.fit(examples.x, examples.taken, sample_weight=examples.weight)
        return Judge.of_trees(Trees.of_sklearn(forest.estimators_), forest.feature_importances_, True)


class BoostingConfig(ClassicalConfig):
    """Configuration of gradient boosting."""

    n_trees: int = Field(default=100, ge=1)
    """Trees."""
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    """Of each tree's answer so much is added."""
    max_leaves: int = Field(default=15, ge=2)
    """Leaves of a tree at most."""
    min_leaf: int = Field(default=30, ge=1)
    """Examples that a leaf must hold."""


class Boosting(Classical):
    """Gradient boosting of trees on the log loss; see ``Classical``.

    Source:
        Friedman, "Greedy function approximation: a gradient boosting machine", 2001; Ke et al., "LightGBM", NIPS 2017.
    """

    name = "boosting"
    Config = BoostingConfig
    space: ClassVar[Space] = {
        "n_trees": Between(30, 300, log=True),
        "learning_rate": Between(0.02, 0.2, log=True),
        "max_leaves": Between(4, 63, log=True),
        "min_leaf": Between(10, 300, log=True),
        "others": Between(20, 200, log=True),
    }

    def __init__(self, config: BoostingConfig | None = None) -> None:
        self.config: BoostingConfig = config or BoostingConfig()

    def _train(self, examples: Examples, seed: int) -> Judge:
        try:
            import lightgbm
        except ImportError as error:
            raise NotInstalledError("LightGBM", INSTALL) from error
        config = self.config
        parameters = {
            "objective": "binary",
            "learning_rate": config.learning_rate,
            "num_leaves": config.max_leaves,
            "min_data_in_leaf": config.min_leaf,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        data = lightgbm.Dataset(examples.x, examples.taken.astype(np.float64), weight=examples.weight)
        booster = lightgbm.train(parameters, data, config.n_trees)
        gain = booster.feature_importance("gain")
        return Judge.of_trees(Trees.of_lightgbm(booster.dump_model()), gain[: len(FEATURES)], False)


def _sklearn(part: str) -> Any:
    """Return a module of scikit-learn."""
    try:
        from importlib import import_module

        return import_module(f"sklearn.{part}")
    except ImportError as error:
        raise NotInstalledError("scikit-learn", INSTALL) from error
