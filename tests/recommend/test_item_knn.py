from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.profile import History
from penchant.domain.vocabulary import Vocabulary
from penchant.errors import FormatError
from penchant.recommend.item_knn import ItemKNN, ItemKNNConfig


def interactions(matrix):
    user, item = np.nonzero(matrix)
    return Interactions(
        user.astype(np.int32), item.astype(np.int32), np.zeros(user.size), np.ones(user.size), *matrix.shape
    )


def fitted(matrix, **options):
    model = ItemKNN(ItemKNNConfig(**options))
    model.fit(interactions(np.asarray(matrix)))
    return model


def brute_force(matrix, shrinkage):
    """Return shrunk cosines of all pairs, an item with itself left out, shape (items, items)."""
    matrix = np.asarray(matrix, dtype=float)
    users = matrix.sum(axis=0)
    similarity = (matrix.T @ matrix) / (np.sqrt(np.outer(users, users)) + max(shrinkage, 1e-300))
    np.fill_diagonal(similarity, 0.0)
    return similarity


def neighbours(model, item):
    there = model._neighbour[item] >= 0
    return dict(zip(model._neighbour[item][there].tolist(), model._similarity[item][there].tolist(), strict=True))


def question(mine, n_items, at=0.0, last_at=None, count=None, allowed=None):
    """A query with what the source looks at."""
    mine = np.array(mine, np.int32)
    return SimpleNamespace(
        history=History(
            mine,
            np.ones(mine.size) if count is None else np.array(count, float),
            np.zeros(mine.size) if last_at is None else np.array(last_at, float),
            np.arange(mine.size),
        ),
        at=at,
        allowed=np.ones(n_items, bool) if allowed is None else np.array(allowed),
        items=Vocabulary(f"i{i}" for i in range(n_items)),
        name=lambda item: f"i{item}",
    )


CHECKERBOARD = np.add.outer(np.arange(10), np.arange(8)) % 2


def test_on_a_checkerboard_the_neighbours_are_the_squares_of_the_same_colour():
    model = fitted(CHECKERBOARD, shrinkage=0.0)
    for item in range(8):
        assert neighbours(model, item) == {
            other: 1.0 for other in range(8) if other != item and (other - item) % 2 == 0
        }
    assert neighbours(fitted(CHECKERBOARD, shrinkage=5.0), 0) == {2: 0.5, 4: 0.5, 6: 0.5}


@pytest.mark.parametrize("shrinkage", [0.0, 0.5, 20.0])
@pytest.mark.parametrize("density", [0.02, 0.2, 0.9])
def test_all_neighbours_against_brute_force(shrinkage, density):
    matrix = np.random.default_rng(1).random((60, 40)) < density
    model = fitted(matrix, shrinkage=shrinkage, n_neighbours=40)
    expected = brute_force(matrix, shrinkage)
    for item in range(40):
        wanted = {other: expected[item, other] for other in np.flatnonzero(expected[item])}
        assert neighbours(model, item) == pytest.approx(wanted, rel=1e-6)


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
        model.fit(given)
    assert models[0].encode() == models[1].encode()


def test_scores_against_brute_force():
    rng = np.random.default_rng(4)
    matrix = rng.random((100, 25)) < 0.3
    model = fitted(matrix, n_neighbours=25, shrinkage=2.0, half_life_days=30.0)
    similarity = brute_force(matrix, 2.0)
    mine, last_at, count = [3, 7, 11], [0.0, 30 * DAY_S, 60 * DAY_S], [2.0, 1.0, 0.0]
    # Ages of 60, 30 and 0 days; the last was only ever spoken against, so it leads nowhere.
    expected = 0.25 * similarity[3] + 0.5 * similarity[7]
    found = model.candidates(question(mine, 25, 60 * DAY_S, last_at, count), 25)
    assert found.item.tolist() == [i for i in np.lexsort((np.arange(25), -expected)) if expected[i] > 0]
    assert found.score == pytest.approx(expected[found.item], rel=1e-5)
    allowed = np.arange(25) % 2 == 0
    some = model.candidates(question(mine, 25, 60 * DAY_S, last_at, count, allowed), 4)
    assert some.item.tolist() == [item for item in found.item.tolist() if item % 2 == 0][:4]


def test_only_the_newest_items_of_a_long_history_count():
    model = fitted(CHECKERBOARD, shrinkage=0.0, max_history=1)
    found = model.candidates(question([0, 1], 8), 8)  # histories begin with the longest untouched
    assert sorted(found.item.tolist()) == [3, 5, 7]


def test_the_reason_names_the_items_that_contribute_most():
    matrix = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1]])
    model = fitted(matrix, shrinkage=0.0)
    because = model.because(question([0, 2, 3], 4), 1)
    expected = brute_force(matrix, 0.0)[:, 1]
    assert expected[0] > expected[3] > expected[2] > 0
    assert because.items == (0, 3, 2)
    assert because.text == "Goes with what you took: i0, i3, i2"


def test_items_unknown_to_the_model_are_left_out():
    model = fitted(CHECKERBOARD, shrinkage=0.0)
    found = model.candidates(question([0, 9], 12), 12)
    assert sorted(found.item.tolist()) == [2, 4, 6]
    # And the other way round: asked with fewer items than it was fitted on.
    assert sorted(model.candidates(question([0], 5), 12).item.tolist()) == [2, 4]


def test_before_fit_and_after_an_empty_fit_it_proposes_nothing():
    model = ItemKNN()
    assert not model.fitted
    assert model.candidates(question([], 5), 5).item.size == 0
    assert model.candidates(question([1], 5), 5).item.size == 0
    model.fit(interactions(np.zeros((0, 0))))
    assert model.candidates(question([1], 5), 5).item.size == 0


def test_bytes_of_another_format_are_refused():
    data = fitted(CHECKERBOARD).encode()
    with pytest.raises(FormatError):
        ItemKNN().decode(data[:-3])


@pytest.mark.parametrize("wrong", [{"n_neighbours": 0}, {"shrinkage": -1}, {"half_life_days": 0}, {"neighbours": 3}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        ItemKNNConfig(**wrong)
