"""Metrics of stated probabilities: log loss, Brier score and skill, reliability and calibration error.

Two kinds of statement are scored: which of many topics is next (``log_loss``, ``brier``) and whether one
thing happens (``binary_log_loss``, ``binary_brier``). Each returns one value a statement, so that users can
be resampled.
"""

from dataclasses import dataclass

import numpy as np

from penchant.math.arrays import BoolArray, FloatArray, IntArray

LEAST_PROBABILITY = float(np.finfo(np.float64).eps)
"""The probability of what happened counts as no less than this, 2.2e-16: a loss is at most 36.05 nats."""


def log_loss(p_actual: FloatArray) -> FloatArray:
    """Return ``-ln p`` of what happened (lower is better).

    Args:
        p_actual: Probability that was given to the topic that came next, in ``[0, 1]``, shape ``(n,)``.

    Returns:
        Nats, >= 0, shape ``(n,)``; ``ln T`` for a uniform guess among T topics.

    Source:
        Good, "Rational decisions", Journal of the Royal Statistical Society B 14(1), 1952.

    >>> log_loss(np.array([1.0, 0.5])).round(4)
    array([0.    , 0.6931])
    """
    loss: FloatArray = np.log(1.0 / np.clip(p_actual, LEAST_PROBABILITY, 1.0))
    return loss


def binary_log_loss(p: FloatArray, happened: BoolArray) -> FloatArray:
    """Return ``-ln p`` where it happened and ``-ln(1 - p)`` where it did not (lower is better).

    Args:
        p: Probability that it happens, in ``[0, 1]``, shape ``(n,)``.
        happened: Whether it did, shape ``(n,)``.

    Returns:
        Nats, >= 0, shape ``(n,)``; 0.6931 for an even guess.

    >>> binary_log_loss(np.array([0.5, 0.9]), np.array([True, False])).round(4)
    array([0.6931, 2.3026])
    """
    return log_loss(np.where(happened, p, 1.0 - p))


def brier(p_actual: FloatArray, p_squared_sum: FloatArray) -> FloatArray:
    """Return ``sum over topics of (p - y)^2`` with y 1 for what happened, else 0 (lower is better).

    The sum equals ``1 - 2 p_actual + sum of p^2``, so the distributions themselves need not be kept.

    Args:
        p_actual: Probability that was given to the topic that came next, shape ``(n,)``.
        p_squared_sum: Sum of the squared probabilities of all topics, shape ``(n,)``.

    Returns:
        Values in ``[0, 2]``, shape ``(n,)``; ``1 - 1/T`` for a uniform guess among T topics.

    Source:
        Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78(1),
        1950.

    >>> p = np.array([0.7, 0.2, 0.1])  # and the first came next: 0.09 + 0.04 + 0.01
    >>> brier(p[:1], np.array([np.dot(p, p)])).round(4)
    array([0.14])
    """
    # Rounding leaves a perfect statement a hair below 0.
    return np.maximum(1.0 - 2.0 * p_actual + p_squared_sum, 0.0)


def binary_brier(p: FloatArray, happened: BoolArray) -> FloatArray:
    """Return ``(p - y)^2`` with y 1 where it happened, else 0 (lower is better).

    This is half of `brier` over the two outcomes.

    Args:
        p: Probability that it happens, shape ``(n,)``.
        happened: Whether it did, shape ``(n,)``.

    Returns:
        Values in ``[0, 1]``, shape ``(n,)``; 0.25 for an even guess.

    >>> binary_brier(np.array([0.5, 0.9]), np.array([True, False])).round(4)
    array([0.25, 0.81])
    """
    return np.square(p - happened)


def brier_skill(scores: FloatArray, reference: FloatArray) -> float:
    """Return ``1 - mean(scores) / mean(reference)``: the share of a reference's Brier score that is saved.

    Args:
        scores: Brier scores of the model, shape ``(n,)``.
        reference: Brier scores of the reference on the same statements, shape ``(n,)``.

    Returns:
        1 is perfect, 0 is no better than the reference, below 0 is worse; NaN where the reference is perfect.

    Source:
        Murphy, "Skill scores based on the mean square error and their relationships to the correlation
        coefficient", Monthly Weather Review 116(12), 1988.

    >>> brier_skill(np.array([0.1, 0.2]), np.array([0.2, 0.4]))
    0.5
    """
    total = float(reference.sum())
    return 1.0 - float(scores.sum()) / total if total > 0 else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """What was stated and what happened, in bins of about equally many statements, by growing probability."""

    stated: FloatArray
    """Mean probability of each bin, shape ``(B,)``."""

    happened: FloatArray
    """Share that happened in each bin, shape ``(B,)``."""

    count: IntArray
    """Statements in each bin, shape ``(B,)``, all >= 1."""


def equal_mass_bins(p: FloatArray, n_bins: int) -> IntArray:
    """Return the bin of each probability, 0 to ``n_bins - 1``; equal probabilities always share one, shape ``(n,)``.

    >>> equal_mass_bins(np.array([0.8, 0.1, 0.1, 0.9]), 2)
    array([1, 0, 0, 1])
    """
    if not p.size:
        return np.empty(0, dtype=np.int64)
    edges = np.quantile(p, np.arange(1, n_bins) / n_bins, method="higher")
    return np.searchsorted(edges, p, side="right")


def reliability(p: FloatArray, happened: BoolArray, n_bins: int = 15) -> Reliability:
    """Return the reliability table of ``p`` in at most ``n_bins`` bins of equal mass.

    Equal probabilities always fall in one bin, so the result does not depend on the order of the statements,
    and probabilities that take few values make fewer bins.

    Args:
        p: Probability that it happens, shape ``(n,)``.
        happened: Whether it did, shape ``(n,)``.
        n_bins: The most bins to make, >= 1.

    Returns:
        Bins that hold at least one statement.

    >>> table = reliability(np.array([0.1, 0.1, 0.8, 0.8]), np.array([False, False, True, False]), n_bins=2)
    >>> table.stated, table.happened, table.count
    (array([0.1, 0.8]), array([0. , 0.5]), array([2, 2]))
    """
    if p.size == 0:
        return Reliability(np.empty(0), np.empty(0), np.empty(0, dtype=np.int64))
    bins = equal_mass_bins(p, n_bins)
    count = np.bincount(bins, minlength=n_bins)
    used = count > 0
    stated = np.bincount(bins, weights=p, minlength=n_bins)[used] / count[used]
    share = np.bincount(bins, weights=happened, minlength=n_bins)[used] / count[used]
    return Reliability(stated, share, count[used].astype(np.int64))


def ece(p: FloatArray, happened: BoolArray, n_bins: int = 15) -> float:
    """Return the expected calibration error, ``sum of count / n * |stated - happened|`` (lower is better).

    The sum runs over the B bins of `reliability`. Chance alone gives a perfectly calibrated model a value
    near ``sqrt(B p (1 - p) / n)``: do not read meaning into less.

    Args:
        p: Probability that it happens, shape ``(n,)``: of one event, or of every topic, laid flat.
        happened: Whether it did, shape ``(n,)``.
        n_bins: The most bins to make, >= 1.

    Returns:
        A mean distance between probabilities in ``[0, 1]``; NaN without statements.

    Source:
        Naeini, Cooper & Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI
        2015; with bins of equal mass as in Roelofs et al., "Mitigating bias in calibration error estimation",
        AISTATS 2022.

    >>> round(ece(np.array([0.1, 0.1, 0.8, 0.8]), np.array([False, False, True, False]), n_bins=2), 4)
    0.2
    """
    if p.size == 0:
        return float("nan")
    table = reliability(p, happened, n_bins)
    return float(np.dot(table.count, np.abs(table.stated - table.happened)) / len(p))
