from __future__ import annotations

import numpy as np
import pytest

from penchant.recommend import RATINGS
from penchant.recommend.bias import Bias, BiasConfig, GlobalMean, ItemMean

USER = np.array([0, 0, 1, 1], np.int32)
ITEM = np.array([0, 1, 0, 2], np.int32)
RATING = np.array([5.0, 3.0, 4.0, 1.0])  # mean 3.25


def test_as_many_predictors_as_there_are_were_found():
    assert sorted(RATINGS) == ["bias", "global_mean", "item_knn_rating", "item_mean", "user_knn_rating"]


def test_biases_by_hand():
    model = Bias(BiasConfig(item_damping=2.0, user_damping=1.0))
    model.fit(USER, ITEM, RATING)
    item = [(1.75 + 0.75) / 4, -0.25 / 3, -2.25 / 3]
    user = [(1.75 - item[0] - 0.25 - item[1]) / 3, (0.75 - item[0] - 2.25 - item[2]) / 3]
    assert model.predict(USER, ITEM) == pytest.approx(
        3.25 + np.array([item[0], item[1], item[0], item[2]]) + np.repeat(user, 2)
    )


def test_without_damping_an_item_has_its_mean():
    model = ItemMean(BiasConfig(item_damping=0.0, use_users=False))
    model.fit(USER, ITEM, RATING)
    assert model.predict(np.array([9, 9, 9]), np.array([0, 1, 2])) == pytest.approx([4.5, 3.0, 1.0])


@pytest.mark.parametrize("name", sorted(RATINGS))
def test_strangers_get_the_mean_and_nothing_known_is_no_trouble(name):
    model = RATINGS[name]()
    model.fit(USER, ITEM, RATING)
    assert model.predict(np.array([7, -1]), np.array([-1, 99])) == pytest.approx([3.25, 3.25])
    empty = RATINGS[name]()
    empty.fit(USER[:0], ITEM[:0], RATING[:0])
    assert empty.predict(USER, ITEM).tolist() == [0.0] * 4


def test_the_global_mean_is_the_same_for_everything():
    model = GlobalMean()
    model.fit(USER, ITEM, RATING)
    assert model.predict(USER, ITEM).tolist() == [3.25] * 4
