"""Metrics of predicted ratings: MAE and RMSE, and the errors of each rating behind them."""

import numpy as np

from penchant.math.arrays import FloatArray


def absolute_error(actual: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return ``|actual - predicted|``, shape ``(n,)``: what a bootstrap of MAE resamples.

    >>> absolute_error(np.array([4.0, 2.0]), np.array([3.0, 2.5]))
    array([1. , 0.5])
    """
    return np.abs(actual - predicted)


def squared_error(actual: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return ``(actual - predicted)^2``, shape ``(n,)``: what a bootstrap of RMSE resamples before the root.

    >>> squared_error(np.array([4.0, 2.0]), np.array([3.0, 2.5]))
    array([1.  , 0.25])
    """
    return np.square(actual - predicted)


def mae(actual: FloatArray, predicted: FloatArray) -> float:
    """Return the mean absolute error, ``mean |actual - predicted|`` (lower is better).

    Args:
        actual: Given ratings, shape ``(n,)``.
        predicted: Predicted ratings, shape ``(n,)``.

    Returns:
        Rating points, >= 0; NaN without ratings.

    Source:
        Herlocker et al., "Evaluating collaborative filtering recommender systems", ACM TOIS 22(1), 2004,
        section 4.1.

    >>> mae(np.array([4.0, 2.0]), np.array([3.0, 2.5]))
    0.75
    """
    return _mean(absolute_error(actual, predicted))


def rmse(actual: FloatArray, predicted: FloatArray) -> float:
    """Return the root mean squared error, ``sqrt(mean (actual - predicted)^2)`` (lower is better).

    Args:
        actual: Given ratings, shape ``(n,)``.
        predicted: Predicted ratings, shape ``(n,)``.

    Returns:
        Rating points, >= 0; NaN without ratings.

    Source:
        Herlocker et al., "Evaluating collaborative filtering recommender systems", ACM TOIS 22(1), 2004,
        section 4.1.

    >>> rmse(np.array([4.0, 2.0]), np.array([1.0, 5.0]))  # sqrt((9 + 9) / 2)
    3.0
    """
    return float(np.sqrt(_mean(squared_error(actual, predicted))))


def _mean(errors: FloatArray) -> float:
    return float(errors.mean()) if errors.size else float("nan")
