from __future__ import annotations

import math

import numpy as np
import pytest

from penchant.domain.interests import Reading
from penchant.interest.describe import Described, wilson
from penchant.interest.hierarchy import at_level
from penchant.interest.levels import at_branches, describe_branches, describe_from

PARENTS = np.array([-1, 0, 0, -1], dtype=np.int32)  # 1 and 2 lie under 0
READING = Reading(
    np.array([0.1, 0.4, 0.2, 0.3]),
    np.array([0.1, 0.2, 0.2, 0.5]),
    np.array([0.1, 0.6, 0.1, 0.2]),
    np.array([0.0, 6.0, 2.0, 8.0]),
    16.0,
    4.0,
)


def leaf(topic, *evidence):
    return Described(topic, 0.0, (0.0, 0.0), 0.0, 0.0, 0.0, (0.0, 0.0), evidence)


def test_a_topic_in_numbers():
    one = describe_from(READING, 1, ((7, 0.5),))
    assert (one.topic, one.probability, one.long_term, one.short_term) == (1, 0.4, 0.2, 0.6)
    assert one.interval == wilson(0.4, 16.0)
    assert one.trend == pytest.approx(math.log2(3))
    width = 1.959964 * math.sqrt(1 / 6 + 1 / 2.4) / math.log(2)
    assert one.trend_interval == pytest.approx((one.trend - width, one.trend + width))
    assert one.evidence == ((7, 0.5),)
    silent = describe_from(READING, 0)
    assert (silent.trend, silent.evidence) == (0.0, ())
    assert silent.trend_interval[1] == pytest.approx(1.959964 * math.sqrt(2 + 2) / math.log(2))


def test_branches_are_sums():
    whole = at_branches(READING, at_level(PARENTS, 0))
    assert whole.probability == pytest.approx([0.7, 0, 0, 0.3])
    assert whole.long_term == pytest.approx([0.5, 0, 0, 0.5])
    assert whole.short_term == pytest.approx([0.8, 0, 0, 0.2])
    assert whole.evidence == pytest.approx([8, 0, 0, 8])
    assert (whole.known_long, whole.known_short) == (16.0, 4.0)


def test_the_events_behind_a_branch():
    leaves = [leaf(1, (11, 0.5), (12, 0.3), (13, 0.2)), leaf(2, (12, 0.5), (14, 0.5))]
    (drinks,) = describe_branches(READING, at_level(PARENTS, 0), leaves, ())
    # Event 12 was about both: 6/8 of 0.3 and 2/8 of 0.5.
    assert [position for position, _ in drinks.evidence] == [11, 12, 13]
    assert [share for _, share in drinks.evidence] == pytest.approx([0.375, 0.35, 0.15])
    assert drinks.probability == pytest.approx(0.7)


def test_the_most_probable_branch_comes_first_and_others_may_be_named():
    found = describe_branches(READING, at_level(PARENTS, 0), [leaf(2, (1, 1.0))], (3,))
    assert [(one.topic, len(one.evidence)) for one in found] == [(0, 1), (3, 0)]
    assert [one.topic for one in describe_branches(READING, at_level(PARENTS, 1), [leaf(2)], (3, 0))] == [3, 2, 0]
