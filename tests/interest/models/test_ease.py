from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.interest.models.ease import EASE, EASEConfig
from penchant.testing.model_contract import ItemModelContract

WIDE = np.random.default_rng(1).random((25, 60)) < 0.2  # fewer users than items: worked out over users
TALL = np.random.default_rng(2).random((70, 30)) < 0.2


def fitted(matrix, **options):
    user, item = np.nonzero(matrix)
    seen = Interactions(
        user.astype(np.int32), item.astype(np.int32), np.zeros(user.size), np.ones(user.size), *matrix.shape
    )
    model = EASE(EASEConfig(**{"reg": 5.0, "half_life_days": None, "common_half_life_days": None, **options}))
    model.fit(ItemTraining(seen, ItemTable.bare(matrix.shape[1])))
    return model


def by_the_book(matrix, reg):
    """Return B as in the paper, in float64."""
    inverse = np.linalg.inv(matrix.T.astype(float) @ matrix + reg * np.eye(matrix.shape[1]))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


def question(mine, at=0.0, last_at=None):
    last_at = np.zeros(len(mine)) if last_at is None else np.array(last_at, float)
    return Histories(
        np.array([0, len(mine)]), np.array(mine, np.int32), last_at, np.ones(len(mine)), np.array([float(at)])
    )


@pytest.mark.parametrize("matrix", [WIDE, TALL], ids=["over users", "over items"])
def test_both_ways_give_the_weights_of_the_paper(matrix):
    model, weights = fitted(matrix), by_the_book(matrix, 5.0)
    assert model.learned.over_users == (matrix.shape[0] < matrix.shape[1])
    for mine in ([0], [3, 7, 9], list(range(20))):
        scores = model.scores(question(mine), ItemTable.bare(matrix.shape[1]))[0]
        assert scores == pytest.approx(weights[mine].sum(axis=0), abs=2e-5)


@pytest.mark.parametrize("shape", [(25, 60), (70, 30)], ids=["over users", "over items"])
def test_what_was_taken_long_ago_counts_less(shape):
    rng = np.random.default_rng(3)
    user, item = np.nonzero(rng.random(shape) < 0.2)
    at = rng.uniform(0, 40, user.size) * DAY_S
    at[0] = 40 * DAY_S
    seen = Interactions(user.astype(np.int32), item.astype(np.int32), at, np.ones(user.size), *shape)
    model = EASE(EASEConfig(reg=2.0, half_life_days=None, common_half_life_days=10.0))
    model.fit(ItemTraining(seen, ItemTable.bare(shape[1])))
    matrix = np.zeros(shape)
    matrix[user, item] = 2 ** (-(40 - at / DAY_S) / 10)
    expected = by_the_book(matrix, 2.0)[[1, 4]].sum(axis=0)
    scores = model.scores(question([1, 4]), ItemTable.bare(shape[1]))[0]
    assert scores == pytest.approx(expected, abs=2e-5)


def test_the_weights_are_the_least_squares_that_they_claim_to_be():
    """Each column is the ridge regression of the item on all others, found without the closed form."""
    model = fitted(TALL)
    for item in (0, 11):
        others = np.delete(np.arange(30), item)
        x, y = TALL[:, others].astype(float), TALL[:, item].astype(float)
        expected = np.linalg.solve(x.T @ x + 5.0 * np.eye(29), x.T @ y)
        assert model.learned.inverse[others, item] == pytest.approx(expected, abs=1e-5)


def test_items_of_the_user_fade():
    model, weights = fitted(TALL, half_life_days=10.0), by_the_book(TALL, 5.0)
    scores = model.scores(question([1, 2], 10 * DAY_S, [0.0, 10 * DAY_S]), ItemTable.bare(30))[0]
    assert scores == pytest.approx(0.5 * weights[1] + weights[2], abs=2e-5)


@pytest.mark.parametrize("size", [8, 12])
def test_beyond_the_cap_only_the_most_taken_items_are_learned(size):
    model = fitted(TALL, max_size=size)
    taken = TALL.sum(axis=0)
    best = np.sort(np.lexsort((np.arange(30), -taken))[:size])
    assert model.learned.item.tolist() == best.tolist()
    weights = by_the_book(TALL[:, best], 5.0)
    scores = model.scores(question([best[0], best[3], *np.setdiff1d(range(30), best)]), ItemTable.bare(30))[0]
    assert scores[best] == pytest.approx(weights[0] + weights[3], abs=2e-5)
    assert np.isneginf(np.delete(scores, best)).all()


def test_the_cap_does_not_bind_where_users_are_few():
    assert fitted(WIDE, max_size=25).learned.item.size == WIDE.any(axis=0).sum()


@pytest.mark.parametrize("matrix", [WIDE, TALL], ids=["over users", "over items"])
def test_the_reasons_have_the_largest_weights(matrix):
    model, weights = fitted(matrix), by_the_book(matrix, 5.0)
    for item in range(10):
        mine = [i for i in range(matrix.shape[1]) if i != item][:12]
        order = [mine[i] for i in np.argsort(-weights[mine, item], kind="stable")[:3] if weights[mine[i], item] > 0]
        assert model.because(question(mine), item).tolist() == order
    assert model.because(question([0, 1]), 999).tolist() == []


def test_a_user_of_unknown_items_gets_no_zeros_for_an_answer():
    assert np.isneginf(fitted(TALL).scores(question([55]), ItemTable.bare(60))).all()


@pytest.mark.parametrize("wrong", [{"reg": 0}, {"max_size": 0}, {"half_life_days": -1}, {"lambda": 3}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        EASEConfig(**wrong)


class TestEASE(ItemModelContract):
    def make(self):
        return EASE(EASEConfig(reg=10.0))


class TestEASEOfFewItems(ItemModelContract):
    expected_hits = 0.3

    def make(self):
        return EASE(EASEConfig(reg=10.0, max_size=40))
