"""Intervals hold what they promise, and users, not queries, are what is drawn."""

import math
import time

import numpy as np
import pytest

from penchant.evaluate.metrics.probability import ece
from penchant.evaluate.statistics import (
    Interval,
    bootstrap_ece,
    bootstrap_mean,
    bootstrap_quantile,
    bootstrap_ratio,
    paired_difference,
)


def draw_users(rng, n_users=150, n_queries=4, spread=1.0):
    """Return queries of users who differ by ``spread``: the true mean is 0."""
    level = rng.normal(0.0, spread, size=n_users)
    users = np.repeat(np.arange(n_users), n_queries)
    return level[users] + rng.normal(0.0, 1.0, size=len(users)), users


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(400):
        values, users = draw_users(rng)
        interval = bootstrap_mean(values, users, rng, n_resamples=300, level=0.9)
        held += interval.low <= 0.0 <= interval.high
    # 0.9 with a standard error of 0.015 over 400 trials.
    assert 0.85 <= held / 400 <= 0.95


def test_the_width_is_that_of_the_normal_interval_over_users():
    rng = np.random.default_rng(12)
    values, users = draw_users(rng, n_users=2000)
    interval = bootstrap_mean(values, users, rng, n_resamples=2000)
    user_means = values.reshape(2000, 4).mean(axis=1)
    expected = 2 * 1.96 * user_means.std(ddof=1) / math.sqrt(2000)
    assert interval.value == pytest.approx(values.mean())
    assert interval.high - interval.low == pytest.approx(expected, rel=0.08)


def test_repeating_a_users_queries_tells_nothing_new():
    values, users = draw_users(np.random.default_rng(13), n_queries=1)
    once = bootstrap_mean(values, users, np.random.default_rng(0))
    tenfold = bootstrap_mean(np.repeat(values, 10), np.repeat(users, 10), np.random.default_rng(0))
    assert tenfold.as_dict() == pytest.approx(once.as_dict())
    # Drawn as if each query stood for itself, the interval would be wrongly narrow.
    wrong = bootstrap_mean(np.repeat(values, 10), np.arange(10 * len(values)), np.random.default_rng(0))
    assert (wrong.high - wrong.low) < 0.5 * (once.high - once.low)


def test_seeds_reproduce_and_the_numbers_of_users_are_only_names():
    values, users = draw_users(np.random.default_rng(14))
    first = bootstrap_mean(values, users, np.random.default_rng(1))
    assert bootstrap_mean(values, users, np.random.default_rng(1)) == first
    assert bootstrap_mean(values, users * 1000 - 5, np.random.default_rng(1)) == first
    assert bootstrap_mean(values, users, np.random.default_rng(2)) != first


def test_a_higher_level_is_wider():
    values, users = draw_users(np.random.default_rng(15))
    narrow = bootstrap_mean(values, users, np.random.default_rng(1), level=0.5)
    wide = bootstrap_mean(values, users, np.random.default_rng(1), level=0.99)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_undefined_queries_are_left_out():
    values, users = draw_users(np.random.default_rng(16))
    more = np.concatenate([values, np.full(5, np.nan)])
    more_users = np.concatenate([users, np.arange(1000, 1005)])
    expected = bootstrap_mean(values, users, np.random.default_rng(1))
    assert bootstrap_mean(more, more_users, np.random.default_rng(1)) == expected


def test_paired_difference_is_narrower_than_two_intervals():
    rng = np.random.default_rng(17)
    values, users = draw_users(rng, spread=3.0)
    better = values + 0.2 + rng.normal(0.0, 0.1, size=len(values))
    difference = paired_difference(better, values, users, np.random.default_rng(1))
    assert difference.low > 0.0
    assert difference.value == pytest.approx(0.2, abs=0.02)
    alone = bootstrap_mean(values, users, np.random.default_rng(1))
    assert difference.high - difference.low < 0.1 * (alone.high - alone.low)
    better[0] = np.nan
    assert paired_difference(better, values, users, rng).value == pytest.approx((better - values)[1:].mean())


def test_ratio_is_of_sums():
    rng = np.random.default_rng(18)
    bottoms = rng.random(300) + 0.5
    tops = 0.3 * bottoms + rng.normal(0.0, 0.05, size=300)
    interval = bootstrap_ratio(tops, bottoms, np.arange(300), rng)
    assert interval.value == pytest.approx(tops.sum() / bottoms.sum())
    assert interval.low < 0.3 < interval.high
    assert interval.high - interval.low < 0.05


def test_what_cannot_be_known_is_nan():
    rng = np.random.default_rng(0)
    one_user = bootstrap_mean(np.array([1.0, 3.0]), np.array([4, 4]), rng)
    assert one_user.value == 2.0
    assert math.isnan(one_user.low)
    assert math.isnan(one_user.high)
    nobody = bootstrap_mean(np.array([np.nan]), np.array([4]), rng)
    assert math.isnan(nobody.value)
    assert math.isnan(bootstrap_mean(np.empty(0), np.empty(0, dtype=np.int64), rng).value)


def test_resamples_without_anything_to_divide_by_are_left_out():
    # Only user 0 has a denominator: a draw without that user has no ratio.
    interval = bootstrap_ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0]), np.array([0, 1]), np.random.default_rng(0))
    assert interval == Interval(0.5, 0.5, 0.5)


def test_bad_arguments_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="2 numerators, 2 denominators and 1 users"):
        bootstrap_ratio(np.ones(2), np.ones(2), np.array([0]), rng)
    with pytest.raises(ValueError, match="level is 95"):
        bootstrap_mean(np.ones(2), np.array([0, 1]), rng, level=95)


def test_many_queries_take_a_moment():
    rng = np.random.default_rng(19)
    values, users = rng.random(40_000), rng.integers(2000, size=40_000)
    started = time.perf_counter()
    bootstrap_mean(values, users, rng, n_resamples=1000)
    # Measured at 0.04 s; the bound is loose for busy machines.
    assert time.perf_counter() - started < 1.0


def test_transformed_keeps_the_ends_in_order():
    falling = Interval(0.5, 0.25, 1.0).transformed(lambda x: 1 - x)
    assert falling == Interval(0.5, 0.0, 0.75)
    point = Interval.point(4.0).transformed(math.sqrt)
    assert point.value == 2.0
    assert math.isnan(point.low)
    assert math.isnan(point.high)


def test_a_quantile_has_the_interval_of_its_resamples():
    values = np.arange(101.0)
    interval = bootstrap_quantile(values, np.random.default_rng(0))
    assert interval.value == 50.0
    assert 30 < interval.low < 45
    assert 55 < interval.high < 70
    assert bootstrap_quantile(values, np.random.default_rng(0), 0.25).value == 25.0
    assert math.isnan(bootstrap_quantile(np.array([np.nan]), np.random.default_rng(0)).value)
    single = bootstrap_quantile(np.array([3.0, np.nan]), np.random.default_rng(0))
    assert single.value == 3.0
    assert math.isnan(single.low)


def test_the_interval_of_a_calibration_error_holds_the_error_of_another_sample():
    rng = np.random.default_rng(0)

    def sample():
        users = np.repeat(np.arange(200), 50)
        p = rng.uniform(0.1, 0.6, users.size)
        return p, rng.random(users.size) < p + 0.2, users

    interval = bootstrap_ece(*sample(), np.random.default_rng(1))
    assert interval.low < interval.value < interval.high
    assert interval.value == pytest.approx(0.2, abs=0.02)
    p, happened, _ = sample()
    assert interval.low - 0.01 < ece(p, happened, 20) < interval.high + 0.01
    assert math.isnan(bootstrap_ece(p[:5], happened[:5], np.zeros(5, np.int64), rng).low)
    assert math.isnan(bootstrap_ece(p[:0], happened[:0], np.empty(0, np.int64), rng).value)
