from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from penchant.errors import EventError, NotFittedError
from penchant.recommend.bias import Bias
from penchant.recommend.rating_knn import ItemKNNRating, RatingKNNConfig, UserKNNRating

PLAIN = {"shrinkage": 0.0, "mean_damping": 0.0}
BOTH = [UserKNNRating, ItemKNNRating]


def dense(rows):
    """Return (user, item, rating) of a table in which nan stands for no rating."""
    table = np.array(rows, float)
    user, item = np.nonzero(np.isfinite(table))
    return user.astype(np.int32), item.astype(np.int32), table[user, item]


def fitted(kind, rows, **options):
    model = kind(RatingKNNConfig(**{**PLAIN, **options}))
    model.fit(*dense(rows))
    return model


def one(model, user, item):
    return float(model.predict(np.array([user], np.int32), np.array([item], np.int32))[0])


nan = np.nan


def test_the_worked_example_of_the_formula():
    """Mean 4 of who asks, neighbours of mean 3.5 that gave 3 and 4, similarities 0.8 and 0.6: 3.93 (docs/formulas.md)."""
    # Common items 0 and 1 carry the cosines; items 2 and 3 bring the means to 4 and 3.5; item 4 is asked about.
    asks = [3.0, 4.0, 5.0, nan, nan]
    first = [0.0, 1.0, nan, 10.0, 3.0]  # cosine 4/5, mean 3.5
    second = [1.0, 0.0, nan, 9.0, 4.0]  # cosine 3/5, mean 3.5
    model = fitted(UserKNNRating, [asks, first, second], similarity="cosine")
    assert one(model, 0, 4) == pytest.approx(4 + (0.8 * (3 - 3.5) + 0.6 * (4 - 3.5)) / (0.8 + 0.6))
    assert round(one(model, 0, 4), 2) == 3.93


def test_pearson_by_hand():
    # User 1 rates like user 0 but a star lower; user 2 the other way round.
    rows = [[5, 3, 1, nan], [4, 2, 0, 4], [1, 3, 5, 1]]
    # Deviations of user 1 (mean 2.5) on the common items: 1.5, -0.5, -2.5; of user 0 (mean 3): 2, 0, -2.
    alike = (3 + 5) / np.sqrt(8 * (1.5**2 + 0.5**2 + 2.5**2))
    assert alike > 0
    model = fitted(UserKNNRating, rows)
    assert one(model, 0, 3) == pytest.approx(3 + (4 - 2.5))
    # With those of the other taste turned round: deviations of user 2 (mean 2.5) are -1.5, 0.5, 2.5, and -1.5 on item 3.
    model = fitted(UserKNNRating, rows, negative=True)
    assert one(model, 0, 3) == pytest.approx(3 + (alike * 1.5 + -alike * -1.5) / (2 * alike))


def test_items_by_adjusted_cosine_by_hand():
    rows = [[5, 4, nan], [1, 2, 1], [4, 5, 4]]
    user_mean, item_mean = [4.5, 4 / 3, 13 / 3], [10 / 3, 11 / 3, 2.5]
    x = np.array([[5, 4, np.nan], [1, 2, 1], [4, 5, 4]]) - np.array(user_mean)[:, None]

    def alike(i, j):
        both = np.isfinite(x[:, i]) & np.isfinite(x[:, j])
        return x[both, i] @ x[both, j] / np.sqrt((x[both, i] ** 2).sum() * (x[both, j] ** 2).sum())

    assert alike(2, 0) == pytest.approx(1.0)
    assert alike(2, 1) < 0
    model = ItemKNNRating(RatingKNNConfig(similarity="adjusted_cosine", **PLAIN))
    model.fit(*dense(rows))
    assert one(model, 0, 2) == pytest.approx(item_mean[2] + (5 - item_mean[0]))


def test_common_ratings_and_doubt_weigh():
    # Both neighbours are alike by a cosine of 1, one over two common items and one over one.
    rows = [[1, 2, nan, 9], [2, 4, 6, nan], [3, nan, 9, nan]]
    mean = [4.0, 4.0, 6.0]
    model = fitted(UserKNNRating, rows, similarity="cosine", shrinkage=2.0, doubt=0.5)
    alike = np.array([2 / 4, 1 / 3])
    assert one(model, 0, 2) == pytest.approx(mean[0] + alike @ [6 - 4, 9 - 6] / (alike.sum() + 0.5))


def test_only_the_nearest_who_rated_the_item_count():
    rows = [[1, 2, nan], [1, 2, 5], [1, 3, 4], [2, 1, 1]]
    model = fitted(UserKNNRating, rows, similarity="cosine", n_neighbours=1)
    assert one(model, 0, 2) == pytest.approx(1.5 + 5 - 8 / 3)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("similarity", ["pearson", "adjusted_cosine", "cosine"])
@pytest.mark.parametrize("centre", ["mean", "bias"])
@pytest.mark.parametrize(("n", "shrinkage", "negative"), [(40, 0.0, True), (3, 5.0, False)])
def test_predictions_against_brute_force(kind, similarity, centre, n, shrinkage, negative):
    rng = np.random.default_rng(1)
    table = np.where(rng.random((25, 18)) < 0.4, rng.normal(3, 1, (25, 18)), np.nan)
    model = fitted(
        kind, table, similarity=similarity, centre=centre, n_neighbours=n, shrinkage=shrinkage, negative=negative
    )
    bias = Bias()
    bias.fit(*dense(table))
    user, item = np.divmod(np.arange(25 * 18), 18)
    expected_by_bias = bias.predict(user.astype(np.int32), item.astype(np.int32)).reshape(25, 18)
    r, base = (table.T, expected_by_bias.T) if kind is ItemKNNRating else (table, expected_by_bias)
    row_mean, column_mean = np.nanmean(r, axis=1), np.nanmean(r, axis=0)
    x = {"pearson": r - row_mean[:, None], "adjusted_cosine": r - column_mean, "cosine": r}[similarity]
    level = np.broadcast_to(row_mean[:, None], r.shape) if centre == "mean" else base
    for u, i in rng.integers(0, 18, (60, 2)):
        parts = []
        for v in range(r.shape[0]):
            both = np.isfinite(x[u]) & np.isfinite(x[v])
            if v != u and np.isfinite(r[v, i]) and both.any():
                alike = x[u, both] @ x[v, both] / np.sqrt((x[u, both] ** 2).sum() * (x[v, both] ** 2).sum())
                alike *= both.sum() / (both.sum() + shrinkage)
                if alike > 0 or negative:
                    parts.append((alike, r[v, i] - level[v, i]))
        parts = sorted(parts, key=lambda part: -abs(part[0]))[:n]
        expected = base[u, i]
        if parts:
            expected = level[u, i] + sum(s * d for s, d in parts) / sum(abs(s) for s, _ in parts)
        asked = (i, u) if kind is ItemKNNRating else (u, i)
        assert one(model, *asked) == pytest.approx(expected)


@pytest.mark.parametrize("kind", BOTH)
def test_equal_ratings_are_predicted_as_they_are(kind):
    model = fitted(kind, np.full((4, 5), 3.0), similarity="pearson")
    assert model.predict(np.array([0, 3, 9]), np.array([0, 4, 2])) == pytest.approx(3.0)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("rows", [[[4, 2, 3]], [[4], [2], [3]], [[4]]], ids=["one user", "one item", "one rating"])
def test_without_neighbours_the_biases_answer(kind, rows):
    model, bias = fitted(kind, rows), Bias()
    bias.fit(*dense(rows))
    user, item = np.array([0, 0, 7, -1], np.int32), np.array([0, 9, 0, -1], np.int32)
    assert model.predict(user, item).tolist() == bias.predict(user, item).tolist()


@pytest.mark.parametrize("kind", BOTH)
def test_of_two_ratings_of_a_pair_the_last_counts(kind):
    user, item, rating = dense([[5, 3, 1, nan], [4, 2, 0, 4], [1, 3, 5, 1]])
    once, twice = kind(), kind()
    once.fit(user, item, rating)
    twice.fit(np.append(0, user), np.append(0, item), np.append(1.0, rating))
    assert one(twice, 0, 3) - one(once, 0, 3) == pytest.approx(0)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_ratings_that_are_no_numbers_are_refused(kind, wrong):
    with pytest.raises(EventError, match="1 of 3 ratings are not finite numbers, the first at row 1; leave them out"):
        kind().fit(np.arange(3), np.arange(3), np.array([1.0, wrong, 2.0]))


@pytest.mark.parametrize("kind", BOTH)
def test_before_fit_there_is_no_answer(kind):
    with pytest.raises(NotFittedError):
        kind().predict(np.array([0]), np.array([0]))


@pytest.mark.parametrize("wrong", [{"n_neighbours": 0}, {"shrinkage": -1}, {"similarity": "euclid"}, {"k": 3}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        RatingKNNConfig(**wrong)
