from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.errors import FormatError
from penchant.interest.models.item_knn import ItemAdjustedCosine, ItemKNN, ItemKNNConfig, ItemPearson
from penchant.interest.models.neighbours import Table
from penchant.testing.model_contract import ItemModelContract


def interactions(matrix):
    user, item = np.nonzero(matrix)
    return Interactions(
        user.astype(np.int32), item.astype(np.int32), np.zeros(user.size), np.ones(user.size), *matrix.shape
    )


def fitted(matrix, **options):
    matrix = np.asarray(matrix)
    model = ItemKNN(ItemKNNConfig(**options))
    model.fit(ItemTraining(interactions(matrix), ItemTable.bare(matrix.shape[1])))
    return model


def brute_force(matrix, shrinkage, similarity="cosine"):
    """Return shrunk similarities of all pairs with a user in common, an item with itself left out."""
    matrix = np.asarray(matrix, dtype=float)
    common = matrix.T @ matrix > 0
    if similarity == "pearson":
        matrix = matrix - matrix.mean(axis=0)
    elif similarity == "adjusted_cosine":
        matrix = matrix - matrix.mean(axis=1, keepdims=True)
    length = np.linalg.norm(matrix, axis=0)
    found = (matrix.T @ matrix) / (np.outer(length, length) + max(shrinkage, 1e-300))
    np.fill_diagonal(found, 0.0)
    return np.where(common, found, 0.0)


def neighbours(model, item):
    index, value = model.learned.row(item)
    return dict(zip(index.tolist(), value.tolist(), strict=True))


def question(mine, at=0.0, last_at=None):
    last_at = np.zeros(len(mine)) if last_at is None else np.array(last_at, float)
    return Histories(
        np.array([0, len(mine)]), np.array(mine, np.int32), last_at, np.ones(len(mine)), np.array([float(at)])
    )


def proposed(model, mine, n_items):
    """Return the items that are spoken for, best first."""
    scores = model.scores(question(mine), ItemTable.bare(n_items))[0]
    order = np.argsort(-scores, kind="stable")
    return order[np.isfinite(scores[order])].tolist()


CHECKERBOARD = np.add.outer(np.arange(10), np.arange(8)) % 2


def test_on_a_checkerboard_the_neighbours_are_the_squares_of_the_same_colour():
    model = fitted(CHECKERBOARD, shrinkage=0.0)
    for item in range(8):
        assert neighbours(model, item) == {
            other: 1.0 for other in range(8) if other != item and (other - item) % 2 == 0
        }
    assert neighbours(fitted(CHECKERBOARD, shrinkage=5.0), 0) == {2: 0.5, 4: 0.5, 6: 0.5}


@pytest.mark.parametrize("similarity", ["cosine", "pearson", "adjusted_cosine"])
@pytest.mark.parametrize("shrinkage", [0.0, 0.5, 20.0])
@pytest.mark.parametrize("density", [0.02, 0.2, 0.9])
def test_all_neighbours_against_brute_force(shrinkage, density, similarity):
    matrix = np.random.default_rng(1).random((60, 40)) < density
    matrix = matrix[matrix.any(axis=1)]
    model = fitted(matrix, shrinkage=shrinkage, n_neighbours=40, similarity=similarity)
    expected = brute_force(matrix, shrinkage, similarity)
    for item in range(40):
        wanted = {other: expected[item, other] for other in np.flatnonzero(expected[item] > 1e-12)}
        found = {other: value for other, value in neighbours(model, item).items() if value > 1e-12}
        assert found == pytest.approx(wanted, rel=1e-5)


def test_users_without_items_do_not_count_in_the_means():
    matrix = np.random.default_rng(1).random((30, 10)) < 0.3
    padded = np.vstack([matrix, np.zeros((9, 10), bool)])
    for similarity in ("pearson", "adjusted_cosine"):
        matrix = matrix[matrix.any(axis=1)]
        assert neighbours(fitted(padded, similarity=similarity), 3) == pytest.approx(
            neighbours(fitted(matrix, similarity=similarity), 3)
        )


def test_an_item_that_everybody_took_correlates_with_nothing():
    matrix = np.ones((5, 3), bool)
    matrix[:2, 1] = False
    assert neighbours(fitted(matrix, similarity="pearson", shrinkage=0.0), 0) == {}


def test_the_nearest_are_kept_best_first_and_of_equals_the_lower_number():
    matrix = np.random.default_rng(2).random((200, 50)) < 0.15
    model = fitted(matrix, n_neighbours=7, shrinkage=3.0)
    expected = brute_force(matrix, 3.0).astype(np.float32)
    for item in range(50):
        order = np.lexsort((np.arange(50), -expected[item]))[:7]
        order = order[expected[item][order] > 0]
        assert list(neighbours(model, item)) == order.tolist()


def test_the_order_of_users_is_moot():
    matrix = np.random.default_rng(3).random((80, 30)) < 0.2
    one, other = fitted(matrix, n_neighbours=5), fitted(matrix[::-1], n_neighbours=5)
    assert one.encode() == other.encode()


def test_taking_an_item_twice_counts_once():
    once = interactions(CHECKERBOARD)
    twice = Interactions(*(np.tile(getattr(once, name), 2) for name in ("user", "item", "at", "weight")), 10, 8)
    models = [ItemKNN(), ItemKNN()]
    for model, given in zip(models, (once, twice), strict=True):
        model.fit(ItemTraining(given, ItemTable.bare(8)))
    assert models[0].encode() == models[1].encode()


def test_what_was_taken_long_ago_says_less_of_what_goes_together():
    # Two users took 0 and 1 now, two took 0 and 2 one half-life ago, the last event of a pair counting.
    user = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3], np.int32)
    item = np.array([0, 1, 0, 1, 0, 2, 0, 2, 2], np.int32)
    at = np.array([10.0, 10.0, 10.0, 10.0, 0.0, 0.0, 0.0, -50.0, 0.0]) * DAY_S
    model = ItemKNN(ItemKNNConfig(shrinkage=0.0, common_half_life_days=10.0))
    model.fit(ItemTraining(Interactions(user, item, at, np.ones(9), 4, 3), ItemTable.bare(3)))
    length = np.sqrt([2 + 2 * 0.25, 2.0, 2 * 0.25])
    assert neighbours(model, 0) == pytest.approx(
        {1: 2 / (length[0] * length[1]), 2: 2 * 0.25 / (length[0] * length[2])}
    )


def test_scores_against_brute_force():
    rng = np.random.default_rng(4)
    matrix = rng.random((100, 25)) < 0.3
    model = fitted(matrix, n_neighbours=25, shrinkage=2.0, half_life_days=30.0)
    similarity = brute_force(matrix, 2.0)
    expected = 0.25 * similarity[3] + 0.5 * similarity[7] + similarity[11]
    asked = question([3, 3, 7, 11], 60 * DAY_S, [-5.0, 0.0, 30 * DAY_S, 60 * DAY_S])  # item 3 twice: the last counts
    scores = model.scores(asked, ItemTable.bare(25))[0]
    assert scores[expected > 0] == pytest.approx(expected[expected > 0], rel=1e-5)
    assert np.isneginf(scores[expected == 0]).all()


def test_only_the_newest_items_of_a_long_history_count():
    model = fitted(CHECKERBOARD, shrinkage=0.0, max_history=1)
    assert sorted(proposed(model, [0, 1], 8)) == [3, 5, 7]


def test_the_reason_names_the_items_that_contribute_most():
    matrix = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1]])
    model = fitted(matrix, shrinkage=0.0)
    expected = brute_force(matrix, 0.0)[:, 1]
    assert expected[0] > expected[3] > expected[2] > 0
    assert model.because(question([0, 2, 3]), 1).tolist() == [0, 3, 2]
    assert model.because(question([]), 1).tolist() == []


def test_items_unknown_to_the_model_are_left_out():
    model = fitted(CHECKERBOARD, shrinkage=0.0)
    assert sorted(proposed(model, [0, 9], 12)) == [2, 4, 6]
    # And the other way round: asked with fewer items than it was fitted on.
    assert sorted(proposed(model, [0], 5)) == [2, 4]


def test_bytes_of_another_model_are_refused_and_change_nothing():
    model, other = fitted(CHECKERBOARD), ItemPearson()
    other.fit(ItemTraining(interactions(CHECKERBOARD), ItemTable.bare(8)))
    before = model.encode()
    for wrong in (other.encode(), before[:-3]):
        with pytest.raises(FormatError):
            model.decode(wrong)
    assert model.encode() == before


def test_a_user_of_a_hundred_thousand_events():
    rng = np.random.default_rng(5)
    user = np.concatenate([np.zeros(100_000, np.int32), np.repeat(np.arange(1, 300, dtype=np.int32), 10)])
    item = rng.integers(0, 2000, user.size).astype(np.int32)
    seen = Interactions(user, item, np.sort(rng.random(user.size)) * 1e7, np.ones(user.size), 300, 2000)
    model = ItemKNN()
    model.fit(ItemTraining(seen, ItemTable.bare(2000)))
    scores = model.scores(Histories.of(seen, np.array([0]), np.array([2e7])), ItemTable.bare(2000))
    assert np.isfinite(scores).sum() > 50


def test_spreading_is_a_product_of_matrices():
    rng = np.random.default_rng(6)
    left, right = rng.random((7, 9)) * (rng.random((7, 9)) < 0.4), rng.random((9, 12)) * (rng.random((9, 12)) < 0.4)
    rows, table = sparse.csr_array(left), Table.of(sparse.csr_array(right))
    for n in (12, 5, 20):
        found = table.spread(rows.indptr.astype(np.int64), rows.indices, rows.data, n)
        expected = np.zeros((7, n))
        expected[:, : min(n, 12)] = (left @ right)[:, :n]
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"n_neighbours": 0}, {"shrinkage": -1}, {"half_life_days": 0}, {"neighbours": 3}, {"similarity": "l2"}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        ItemKNNConfig(**wrong)


def test_every_kind_has_its_own_similarity_however_it_is_made():
    kinds = {"cosine": ItemKNN, "pearson": ItemPearson, "adjusted_cosine": ItemAdjustedCosine}
    for similarity, kind in kinds.items():
        assert kind().config.similarity == kind(kind.Config()).config.similarity == similarity


class TestItemKNN(ItemModelContract):
    def make(self):
        return ItemKNN()


class TestItemPearson(ItemModelContract):
    def make(self):
        return ItemPearson()


class TestItemAdjustedCosine(ItemModelContract):
    def make(self):
        return ItemAdjustedCosine()
