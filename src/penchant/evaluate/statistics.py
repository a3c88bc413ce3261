"""Intervals for means, ratios and differences, by resampling users."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from penchant.evaluate.metrics.probability import ece, equal_mass_bins
from penchant.math.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured value and the interval around it; the ends are NaN where no interval is known."""

    value: float
    """What was measured."""

    low: float
    """Lower end, in the unit of the value."""

    high: float
    """Upper end, in the unit of the value."""

    @classmethod
    def point(cls, value: float) -> Interval:
        """Return the value without an interval, as for a metric of the whole catalogue.

        >>> Interval.point(0.5)
        Interval(value=0.5, low=nan, high=nan)
        """
        return cls(value, math.nan, math.nan)

    def transformed(self, function: Callable[[float], float]) -> Interval:
        """Return the interval of ``function`` of the value; the function only rises or only falls.

        >>> Interval(4.0, 1.0, 9.0).transformed(math.sqrt)
        Interval(value=2.0, low=1.0, high=3.0)
        >>> Interval(0.5, 0.25, 0.75).transformed(lambda ratio: 1.0 - ratio)
        Interval(value=0.5, low=0.25, high=0.75)
        """
        ends = (function(self.low), function(self.high))
        return Interval(function(self.value), min(ends), max(ends))

    def as_dict(self) -> dict[str, float]:
        """Return value, low and high by name.

        >>> Interval(0.5, 0.25, 0.75).as_dict()
        {'value': 0.5, 'low': 0.25, 'high': 0.75}
        """
        return {"value": self.value, "low": self.low, "high": self.high}


def bootstrap_mean(
    values: FloatArray,
    users: IntArray,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Return the mean of ``values`` with its percentile interval under resampling of users.

    Queries of one user resemble each other, so users, not queries, are drawn with replacement, and a user
    brings all of their queries. The mean stays a mean over queries: a user with more of them weighs more.

    Args:
        values: One value a query, shape ``(n,)``; NaN where undefined, left out.
        users: User of each query, shape ``(n,)``; any numbers.
        rng: Source of chance.
        n_resamples: How many times the users are drawn.
        level: Share of resamples inside the interval, in ``(0, 1)``.

    Returns:
        The interval; NaN ends below two users, NaN throughout without a value. Below about 30 users it is too
        narrow.

    Source:
        Davison & Hinkley, "Bootstrap Methods and their Application", 1997, sections 3.8 (clusters) and 5.3
        (percentile intervals).

    >>> bootstrap_mean(np.array([0.5, 0.5, 0.5]), np.array([7, 7, 8]), np.random.default_rng(0))
    Interval(value=0.5, low=0.5, high=0.5)
    """
    defined = ~np.isnan(values)
    n_defined = int(np.count_nonzero(defined))
    return bootstrap_ratio(values[defined], np.ones(n_defined), users[defined], rng, n_resamples, level)


def paired_difference(
    a: FloatArray,
    b: FloatArray,
    users: IntArray,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Return the mean of ``a - b``, two models on the same queries, with its interval as in `bootstrap_mean`.

    The interval is narrower than two separate ones suggest, for what makes a query hard is hard for both.
    Queries where either is undefined are left out.

    Args:
        a: Values of one model, shape ``(n,)``.
        b: Values of the other on the same queries, shape ``(n,)``.
        users: User of each query, shape ``(n,)``.
        rng: Source of chance.
        n_resamples: How many times the users are drawn.
        level: Share of resamples inside the interval, in ``(0, 1)``.

    Returns:
        The interval; the models differ at this level where it does not hold 0.

    Source:
        Sakai, "Evaluating evaluation metrics based on the bootstrap", SIGIR 2006.

    >>> values = np.array([0.25, 0.5, 1.0])
    >>> paired_difference(values + 0.25, values, np.array([1, 2, 2]), np.random.default_rng(0))
    Interval(value=0.25, low=0.25, high=0.25)
    """
    return bootstrap_mean(a - b, users, rng, n_resamples, level)


def bootstrap_ratio(
    numerators: FloatArray,
    denominators: FloatArray,
    users: IntArray,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Return ``sum(numerators) / sum(denominators)`` with its interval as in `bootstrap_mean`.

    A resample divides its own sum by its own sum. Brier skill, for one, is 1 minus the ratio of two Brier
    scores.

    Args:
        numerators: Shape ``(n,)``, without NaN.
        denominators: Shape ``(n,)``, without NaN, all >= 0.
        users: User of each row, shape ``(n,)``.
        rng: Source of chance.
        n_resamples: How many times the users are drawn.
        level: Share of resamples inside the interval, in ``(0, 1)``.

    Returns:
        The interval; NaN ends below two users, NaN throughout where the denominators sum to 0.

    Raises:
        ValueError: If the arrays differ in length or ``level`` lies outside ``(0, 1)``.

    >>> top, bottom, users = np.array([1.0, 2.0]), np.array([2.0, 4.0]), np.array([1, 2])
    >>> bootstrap_ratio(top, bottom, users, np.random.default_rng(0))
    Interval(value=0.5, low=0.5, high=0.5)
    """
    if not len(numerators) == len(denominators) == len(users):
        lengths = f"{len(numerators)} numerators, {len(denominators)} denominators and {len(users)} users"
        raise ValueError(f"{lengths}; give one of each a row")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level}; it is a share between 0 and 1, such as 0.95")
    total = float(denominators.sum())
    if total == 0.0:
        return Interval.point(math.nan)
    value = float(numerators.sum()) / total
    _, row = np.unique(users, return_inverse=True)
    tops: FloatArray = np.bincount(row, weights=numerators).astype(np.float64)  # (U,) sums of each user
    bottoms: FloatArray = np.bincount(row, weights=denominators).astype(np.float64)
    if len(tops) < 2:
        return Interval.point(value)
    return _percentiles(value, _resampled_ratios(tops, bottoms, rng, n_resamples), level)


def bootstrap_quantile(
    values: FloatArray,
    rng: np.random.Generator,
    q: float = 0.5,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Return a quantile of ``values``, one a user, with its percentile interval under resampling of users.

    Args:
        values: Shape ``(n,)``; NaN where undefined, left out.
        rng: Source of chance.
        q: Which quantile, in ``[0, 1]``.
        n_resamples: How many times the users are drawn.
        level: Share of resamples inside the interval, in ``(0, 1)``.

    >>> bootstrap_quantile(np.array([2.0, 2.0, 2.0, np.nan]), np.random.default_rng(0))
    Interval(value=2.0, low=2.0, high=2.0)
    """
    values = values[~np.isnan(values)]
    if not values.size:
        return Interval.point(math.nan)
    value = float(np.quantile(values, q))
    if values.size < 2:
        return Interval.point(value)
    drawn = np.quantile(values[rng.integers(values.size, size=(n_resamples, values.size))], q, axis=1)
    return _percentiles(value, drawn, level)


def bootstrap_ece(
    p: FloatArray,
    happened: BoolArray,
    users: IntArray,
    rng: np.random.Generator,
    n_bins: int = 20,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Return the expected calibration error of `ece` with its interval as in `bootstrap_mean`; the bins stay.

    Chance only adds to an absolute distance, so resamples lie above the value where it is near 0.

    Args:
        p: Probability that it happens, in ``[0, 1]``, shape ``(n,)``.
        happened: Whether it did, shape ``(n,)``.
        users: User of each row, shape ``(n,)``.
        rng: Source of chance.
        n_bins: The most bins to make, >= 1.
        n_resamples: How many times the users are drawn.
        level: Share of resamples inside the interval, in ``(0, 1)``.

    >>> p, happened = np.array([0.1, 0.1, 0.8, 0.8]), np.array([False, False, True, False])
    >>> round(bootstrap_ece(p, happened, np.zeros(4, np.int64), np.random.default_rng(0), 2).value, 4)
    0.2
    """
    value = ece(p, happened, n_bins)
    _, row = np.unique(users, return_inverse=True)
    n_users = int(row.max(initial=-1)) + 1
    if n_users < 2:
        return Interval.point(value)
    bins = equal_mass_bins(p, n_bins)
    gap = np.bincount(row * n_bins + bins, weights=p - happened, minlength=n_users * n_bins).reshape(n_users, n_bins)
    count = np.bincount(row, minlength=n_users).astype(np.float64)
    times = rng.multinomial(n_users, np.full(n_users, 1.0 / n_users), size=n_resamples).astype(np.float64)
    errors = np.abs(times @ gap).sum(axis=1) / (times @ count)  # (R, U) @ (U, B)
    return _percentiles(value, errors, level)


def _percentiles(value: float, resampled: FloatArray, level: float) -> Interval:
    """Return the interval that holds ``level`` of the resamples; those that are NaN do not count."""
    tail = (1.0 - level) / 2.0
    low, high = np.nanquantile(resampled, [tail, 1.0 - tail])
    return Interval(value, float(low), float(high))


def _resampled_ratios(tops: FloatArray, bottoms: FloatArray, rng: np.random.Generator, n_resamples: int) -> FloatArray:
    # Drawing U users is the same as weighting each by how often it was drawn: rows are never copied, and one
    # resample at a time keeps the memory at one vector of U weights.
    n_users = len(tops)
    ratios = np.full(n_resamples, np.nan)
    for resample in range(n_resamples):
        times = np.bincount(rng.integers(n_users, size=n_users), minlength=n_users)
        bottom = np.dot(times, bottoms)
        if bottom > 0.0:
            ratios[resample] = np.dot(times, tops) / bottom
    return ratios
