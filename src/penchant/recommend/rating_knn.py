"""Predict a rating from the neighbours' ratings: users who rate alike, or items that are rated alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.errors import EventError, NotFittedError
from penchant.math.arrays import FloatArray, Int32Array, IntArray
from penchant.recommend.bias import Bias


class RatingKNNConfig(BaseModel):
    """Configuration of rating prediction by neighbours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_neighbours: int = Field(default=40, ge=1)
    """Nearest of those that rated the item (whom the user rated) that count."""
    similarity: Literal["pearson", "adjusted_cosine", "cosine"] = "pearson"
    """``pearson``: each side less its own mean; ``adjusted_cosine``: less the other side's, for items the users' means;
    ``cosine``: ratings as they are. Over common ratings only."""
    shrinkage: float = Field(default=10.0, ge=0)
    """Common ratings at which a similarity counts half."""
    mean_damping: float = Field(default=0.0, ge=0)
    """Ratings at the overall mean that every user's, or item's, mean starts with; 0 is the plain mean."""
    centre: Literal["mean", "bias"] = "mean"
    """From what deviations are counted: the user's (the item's) mean, or what ``Bias`` says of the pair."""
    doubt: float = Field(default=0.0, ge=0)
    """Similarity that speaks for no deviation at all, added to the sum that is divided by."""
    negative: bool = False
    """Whether those of negative similarity count, with what they say turned round."""


class ItemKNNRatingConfig(RatingKNNConfig):
    """Configuration of rating prediction by neighbouring items."""

    similarity: Literal["pearson", "adjusted_cosine", "cosine"] = "adjusted_cosine"
    """See ``RatingKNNConfig``; the other side are users here."""


@dataclass(frozen=True, slots=True)
class _Ratings:
    """Ratings by row and by column; see ``rating_kernels.deviations``."""

    mean: FloatArray
    row_start: IntArray
    row_column: Int32Array
    row_value: FloatArray
    column_start: IntArray
    column_row: Int32Array
    column_value: FloatArray
    column_deviation: FloatArray


class UserKNNRating:
    """``r_ui = mean_u + sum_v sim(u, v) (r_vi - mean_v) / sum_v |sim(u, v)|`` over the nearest users who rated the item.

    Where nobody near did, or the user or the item is new, the answer is that of ``Bias``. Of several ratings of a pair
    the last one given counts. Nothing is worked out before it is asked for: O(ratings of the user's items) a user.

    Source:
        Resnick, Iacovou, Suchak, Bergstrom & Riedl, "GroupLens", CSCW 1994; the weight by common ratings: Herlocker,
        Konstan, Borchers & Riedl, SIGIR 1999, section 5; deviations from biases: Koren, TKDD 2010, section 2.2.
    """

    name = "user_knn_rating"
    Config: ClassVar[type[RatingKNNConfig]] = RatingKNNConfig
    by_item: ClassVar[bool] = False

    def __init__(self, config: RatingKNNConfig | None = None) -> None:
        self.config = config or self.Config()
        self._otherwise = Bias()
        self._ratings: _Ratings | None = None

    def fit(self, user: Int32Array, item: Int32Array, rating: FloatArray) -> None:
        """Learn from ratings; three arrays of shape ``(n,)``.

        Raises:
            EventError: When a rating is not a finite number.
        """
        wrong = np.flatnonzero(~np.isfinite(rating))
        if wrong.size:
            raise EventError(
                f"{wrong.size} of {rating.size} ratings are not finite numbers, the first at row {wrong[0]}; leave them out"
            )
        self._otherwise.fit(user, item, rating)
        row, column = (item, user) if self.by_item else (user, item)
        row, column, rating = _last_of_each(row, column, rating)
        expected = self._otherwise.predict(*((column, row) if self.by_item else (row, column)))
        self._ratings = _laid_out(row, column, rating, expected, self.config)

    def predict(self, user: Int32Array, item: Int32Array) -> FloatArray:
        """Return predicted ratings, shape ``(n,)``; numbers outside what was fitted are unknown.

        Raises:
            NotFittedError: When there was no fit.
        """
        from penchant.recommend.rating_kernels import deviations

        ratings = self._ratings
        if ratings is None:
            raise NotFittedError(f"{self.name} was asked before it was fitted; fit it first")
        row, column = (item, user) if self.by_item else (user, item)
        n_rows, n_columns = ratings.row_start.size - 1, ratings.column_start.size - 1
        known = np.flatnonzero((row >= 0) & (row < n_rows) & (column >= 0) & (column < n_columns))
        order = known[np.argsort(row[known], kind="stable")]
        asked_row, start = np.unique(row[order], return_index=True)
        found = deviations(
            np.append(start, order.size).astype(np.int64),
            asked_row.astype(np.int32),
            column[order].astype(np.int32),
            ratings.row_start,
            ratings.row_column,
            ratings.row_value,
            ratings.column_start,
            ratings.column_row,
            ratings.column_value,
            ratings.column_deviation,
            self.config.n_neighbours,
            self.config.shrinkage,
            self.config.doubt,
            self.config.negative,
        )
        said = self._otherwise.predict(user, item)
        near = np.isfinite(found)
        from_where = ratings.mean[row[order]] if self.config.centre == "mean" else said[order]
        said[order[near]] = from_where[near] + found[near]
        return said


class ItemKNNRating(UserKNNRating):
    """``r_ui = mean_i + sum_j sim(i, j) (r_uj - mean_j) / sum_j |sim(i, j)|`` over the nearest items the user rated.

    The same with users and items exchanged; the similarity is the adjusted cosine unless the settings say otherwise.

    Source:
        Sarwar, Karypis, Konstan & Riedl, "Item-based collaborative filtering recommendation algorithms", WWW 2001,
        section 3; the deviations from the item's mean: Aggarwal, "Recommender systems", 2016, section 2.3.3.
    """

    name = "item_knn_rating"
    Config = ItemKNNRatingConfig
    by_item: ClassVar[bool] = True


def _last_of_each(row: Int32Array, column: Int32Array, rating: FloatArray) -> tuple[Int32Array, Int32Array, FloatArray]:
    """Return the ratings without those that a later one of the same pair replaced, by row and column."""
    width = int(column.max(initial=0)) + 1
    key = row.astype(np.int64) * width + column
    distinct, from_end = np.unique(key[::-1], return_index=True)
    return (distinct // width).astype(np.int32), (distinct % width).astype(np.int32), rating[::-1][from_end]


def _laid_out(
    row: Int32Array, column: Int32Array, rating: FloatArray, expected: FloatArray, config: RatingKNNConfig
) -> _Ratings:
    n_rows, n_columns = int(row.max(initial=-1)) + 1, int(column.max(initial=-1)) + 1
    overall = float(rating.mean()) if rating.size else 0.0
    row_mean = _means(row, rating, overall, n_rows, config.mean_damping)
    column_mean = _means(column, rating, overall, n_columns, config.mean_damping)
    taken_away = {"pearson": row_mean[row], "adjusted_cosine": column_mean[column], "cosine": np.zeros(rating.size)}
    value = rating - taken_away[config.similarity]
    deviation = rating - (row_mean[row] if config.centre == "mean" else expected)
    order = np.argsort(column, kind="stable")
    return _Ratings(
        row_mean,
        np.searchsorted(row, np.arange(n_rows + 1)).astype(np.int64),
        column.astype(np.int32),
        value,
        np.searchsorted(column[order], np.arange(n_columns + 1)).astype(np.int64),
        row[order].astype(np.int32),
        value[order],
        deviation[order],
    )


def _means(number: Int32Array, rating: FloatArray, overall: float, size: int, damping: float) -> FloatArray:
    """Return the mean rating of each row, beginning with ``damping`` ratings at the overall mean."""
    total = np.bincount(number, weights=rating, minlength=size) + damping * overall
    count = np.bincount(number, minlength=size) + damping
    means: FloatArray = np.divide(total, count, out=np.full(size, overall), where=count > 0)
    return means
