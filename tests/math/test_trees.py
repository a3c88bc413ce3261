from __future__ import annotations

import numpy as np
import pytest

from penchant.errors import FormatError
from penchant.math.trees import Trees

LEAF = {"feature": [-1], "threshold": [0.0], "left": [-1], "right": [-1]}


def stump(feature, threshold, low, high):
    return {
        "feature": [feature, -1, -1],
        "threshold": [threshold, 0.0, 0.0],
        "left": [1, -1, -1],
        "right": [2, -1, -1],
        "value": [9.0, low, high],
    }


def data(n=800):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 5)).astype(np.float32)
    x[:, 3] = rng.integers(0, 4, n)
    return x, (x[:, 0] * x[:, 1] + x[:, 3] + rng.normal(size=n) > 1).astype(int)


def test_leaves_add_up_and_equal_goes_left():
    trees = Trees.joined([stump(0, 1.0, 10.0, 20.0), stump(1, -0.5, 1.0, 2.0), LEAF | {"value": [100.0]}])
    x = np.array([[1.0, -0.5], [1.1, -0.5], [1.0, 0.0]], np.float32)
    assert trees.predict(x).tolist() == [111.0, 121.0, 112.0]
    assert trees.n_features == 2


def test_no_trees_say_nothing():
    assert Trees.none().predict(np.ones((3, 2), np.float32)).tolist() == [0.0] * 3
    assert Trees.joined([]).predict(np.ones((0, 2), np.float32)).size == 0


def test_too_few_columns_are_refused():
    with pytest.raises(FormatError, match="1 columns given to trees that ask for 2"):
        Trees.joined([stump(1, 0.0, 1.0, 2.0)]).predict(np.ones((2, 1), np.float32))


def test_the_arrays_are_all_there_is():
    trees = Trees.joined([stump(0, 1.0, 10.0, 20.0)])
    x, _ = data(50)
    assert Trees(**trees.encode()).predict(x).tolist() == trees.predict(x).tolist()


def test_equal_to_lightgbm():
    lightgbm = pytest.importorskip("lightgbm")
    x, y = data()
    options = {"objective": "binary", "verbosity": -1, "num_leaves": 31, "min_data_in_leaf": 5, "num_threads": 1}
    booster = lightgbm.train(options, lightgbm.Dataset(x, y), 40)
    trees = Trees.of_lightgbm(booster.dump_model())
    new, _ = data(300)
    new[:, 0] += 0.3
    assert trees.predict(new) == pytest.approx(booster.predict(new, raw_score=True), abs=1e-9)


def test_trees_of_lightgbm_that_ask_otherwise_are_refused():
    lightgbm = pytest.importorskip("lightgbm")
    x, y = data()
    grown = lightgbm.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_per_group": 1, "cat_smooth": 1},
        lightgbm.Dataset(x[:, 3:4], y, categorical_feature=[0]),
        5,
    )
    with pytest.raises(FormatError, match="only x <= threshold"):
        Trees.of_lightgbm(grown.dump_model())


def test_equal_to_a_forest_and_a_tree_of_sklearn():
    ensemble = pytest.importorskip("sklearn.ensemble")
    from sklearn.tree import DecisionTreeClassifier

    x, y = data()
    new, _ = data(300)
    new += 0.01
    forest = ensemble.RandomForestClassifier(20, max_leaf_nodes=40, random_state=1).fit(x, y)
    assert Trees.of_sklearn(forest.estimators_).predict(new) == pytest.approx(forest.predict_proba(new)[:, 1])
    tree = DecisionTreeClassifier(max_depth=6, random_state=1).fit(x, y, sample_weight=1.0 + y)
    assert Trees.of_sklearn([tree]).predict(new) == pytest.approx(tree.predict_proba(new)[:, 1])


def test_the_mean_of_several():
    several = [
        Trees.joined([stump(0, 0.0, 1.0, 2.0), stump(1, 0.5, 3.0, 4.0)]),
        Trees.joined([stump(0, 1.0, 5.0, 9.0)]),
    ]
    x, _ = data(60)
    assert Trees.mean(several).predict(x) == pytest.approx((several[0].predict(x) + several[1].predict(x)) / 2)
