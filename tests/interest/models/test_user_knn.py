from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.interest.models.user_knn import UserKNN, UserKNNConfig
from penchant.testing.model_contract import ItemModelContract

MATRIX = np.random.default_rng(1).random((50, 20)) < 0.25


def fitted(matrix=MATRIX, **options):
    user, item = np.nonzero(matrix)
    seen = Interactions(
        user.astype(np.int32), item.astype(np.int32), np.zeros(user.size), np.ones(user.size), *matrix.shape
    )
    model = UserKNN(UserKNNConfig(**{"half_life_days": None, **options}))
    model.fit(ItemTraining(seen, ItemTable.bare(matrix.shape[1])))
    return model


def question(mine, at=0.0, last_at=None):
    last_at = np.zeros(len(mine)) if last_at is None else np.array(last_at, float)
    return Histories(
        np.array([0, len(mine)]), np.array(mine, np.int32), last_at, np.ones(len(mine)), np.array([float(at)])
    )


def brute_force(mine, similarity, shrinkage, n):
    """Return the scores by the formula, with all users at hand."""
    matrix, row = MATRIX.astype(float), np.zeros(20)
    row[mine] = 1.0
    common = matrix @ row > 0
    there = matrix.any(axis=0)
    if similarity == "pearson":
        mean, own = matrix[:, there].mean(axis=1, keepdims=True), row[there].mean()
        product = (matrix[:, there] - mean) @ (row[there] - own)
        length = np.linalg.norm(matrix[:, there] - mean, axis=1) * np.linalg.norm(row[there] - own)
    else:
        product, length = matrix @ row, np.linalg.norm(matrix, axis=1) * np.linalg.norm(row)
    alike = np.where(common & (length > 0), product / np.maximum(length + shrinkage, 1e-12), 0.0)
    best = np.lexsort((np.arange(50), -alike.round(9)))[:n]  # equal users are not told apart by rounding
    best = best[alike[best] > 0]
    return alike[best] @ matrix[best]


@pytest.mark.parametrize("similarity", ["cosine", "pearson"])
@pytest.mark.parametrize(("shrinkage", "n"), [(0.0, 50), (3.0, 6)])
def test_scores_against_brute_force(similarity, shrinkage, n):
    model = fitted(similarity=similarity, shrinkage=shrinkage, n_neighbours=n)
    for mine in ([0, 1, 2], [7], list(range(15))):
        expected = brute_force(mine, similarity, shrinkage, n)
        scores = model.scores(question(mine), ItemTable.bare(20))[0]
        assert scores[expected > 1e-9] == pytest.approx(expected[expected > 1e-9], rel=1e-4)
        assert np.isneginf(scores[expected == 0]).all()


def test_who_has_everything_in_common_speaks_first():
    matrix = np.array([[1, 1, 1, 0], [1, 1, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]], bool)
    scores = fitted(matrix, shrinkage=0.0, n_neighbours=1).scores(question([0, 1, 2]), ItemTable.bare(4))[0]
    assert np.isfinite(scores).tolist() == [True, True, True, False]  # the nearest is user 0: nothing new from there


def test_what_fades_by_hand():
    seen = Interactions(
        np.array([0, 0], np.int32), np.array([0, 1], np.int32), np.array([0.0, 10 * DAY_S]), np.ones(2), 1, 2
    )
    model = UserKNN(UserKNNConfig(half_life_days=10.0, shrinkage=0.0))
    model.fit(ItemTraining(seen, ItemTable.bare(2)))
    scores = model.scores(question([0], 20 * DAY_S, [10 * DAY_S]), ItemTable.bare(2))[0]
    # The user of the training is (0.5, 1) then, who asks is (0.5, 0): cosine 0.25 / (sqrt(1.25) * 0.5).
    alike = 0.5 / np.sqrt(1.25)
    assert scores == pytest.approx([alike * 0.5, alike])


def test_the_reason_is_what_the_near_users_share():
    matrix = np.array([[1, 0, 0, 1], [1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 0]], bool)
    model = fitted(matrix, shrinkage=0.0)
    assert model.because(question([0, 1, 2]), 3).tolist() == [0, 1]
    assert model.because(question([2]), 3).tolist() == []


@pytest.mark.parametrize("wrong", [{"n_neighbours": 0}, {"shrinkage": -1}, {"similarity": "adjusted_cosine"}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        UserKNNConfig(**wrong)


class TestUserKNN(ItemModelContract):
    def make(self):
        return UserKNN()


class TestUserKNNByPearson(ItemModelContract):
    def make(self):
        return UserKNN(UserKNNConfig(similarity="pearson", half_life_days=None))
