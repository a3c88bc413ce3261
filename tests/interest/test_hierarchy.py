from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.interest.hierarchy import at_level, branch, depths, prior_down, roll_up

# drinks(0) > tea(1) > green(2), black(3); drinks > milk(4); food(5) > bread(6); odds(7)
PARENTS = np.array([-1, 0, 1, 1, 0, -1, 5, -1], dtype=np.int32)
ALONE = np.full(8, -1, dtype=np.int32)
PRIOR = np.array([1.0, 1.0, 2.0, 1.0, 3.0, 0.0, 6.0, 2.0])


@st.composite
def trees(draw):
    n = draw(st.integers(1, 12))
    # A topic's parent has a lower number before the numbers are mixed: no cycles.
    parents = [draw(st.integers(-1, i - 1)) for i in range(n)]
    order = draw(st.permutations(range(n)))
    mixed = np.full(n, -1, dtype=np.int32)
    for i, parent in enumerate(parents):
        mixed[order[i]] = -1 if parent < 0 else order[parent]
    counts = st.lists(st.sampled_from([0.0, 0.5, 1.0, 7.0]), min_size=n, max_size=n)
    prior = np.array(draw(counts))
    prior[draw(st.integers(0, n - 1))] += 1.0
    return mixed, np.array(draw(counts)), prior, draw(st.sampled_from([0.1, 1.0, 20.0]))


def test_what_lies_under_a_topic_counts_for_it():
    assert roll_up(PRIOR, PARENTS).tolist() == [8.0, 4.0, 2.0, 1.0, 3.0, 6.0, 6.0, 2.0]
    assert roll_up(PRIOR, ALONE).tolist() == PRIOR.tolist()


def test_levels():
    assert depths(PARENTS).tolist() == [0, 1, 2, 2, 1, 0, 1, 0]
    assert at_level(PARENTS, 0).tolist() == [0, 0, 0, 0, 0, 5, 5, 7]
    assert at_level(PARENTS, 1).tolist() == [0, 1, 1, 1, 4, 5, 6, 7]
    assert at_level(PARENTS, 2).tolist() == at_level(PARENTS, 9).tolist() == list(range(8))
    assert np.flatnonzero(branch(PARENTS, 1)).tolist() == [1, 2, 3]
    assert np.flatnonzero(branch(PARENTS, 7)).tolist() == [7]


def test_one_level_is_plain_shrinkage():
    evidence = np.array([0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    expected = (evidence + 5.0 * PRIOR / PRIOR.sum()) / (4.0 + 5.0)
    assert prior_down(evidence, PRIOR, ALONE, 5.0) == pytest.approx(expected)


def test_shares_by_hand():
    evidence = np.zeros(8)
    evidence[2] = 4.0  # green tea, four times
    found = prior_down(evidence, PRIOR, PARENTS, 2.0)
    # Of everything: 4 events and 2 by the population's 8/16 for drinks, of 4 + 2.
    drinks, food, odds = (4 + 2 * 8 / 16) / 6, 2 * (6 / 16) / 6, 2 * (2 / 16) / 6
    tea, milk, itself = (4 + 2 * 4 / 8) / 6, 2 * (3 / 8) / 6, 2 * (1 / 8) / 6
    green, black, only_tea = (4 + 2 * 2 / 4) / 6, 2 * (1 / 4) / 6, 2 * (1 / 4) / 6
    assert found == pytest.approx(
        [
            drinks * itself,
            drinks * tea * only_tea,
            drinks * tea * green,
            drinks * tea * black,
            drinks * milk,
            0.0,
            food,
            odds,
        ]
    )
    # Who drinks green tea is nearer to black tea than plain shrinkage says.
    assert found[3] > 2 * prior_down(evidence, PRIOR, ALONE, 2.0)[3]


@settings(max_examples=200, deadline=None)
@given(trees())
def test_a_prior_is_a_distribution_and_knows_what_it_knows(tree):
    parents, evidence, prior, strength = tree
    found = prior_down(evidence, prior, parents, strength)
    assert found.sum() == pytest.approx(1.0)
    assert (found >= 0).all()
    assert prior_down(np.zeros_like(evidence), prior, parents, strength) == pytest.approx(prior / prior.sum())
    alone = np.full(parents.size, -1, dtype=np.int32)
    plain = (evidence + strength * prior / prior.sum()) / (evidence.sum() + strength)
    assert prior_down(evidence, prior, alone, strength) == pytest.approx(plain)
    # A branch at the top has the share that plain shrinkage of the branches gives it.
    top = parents < 0
    branches = roll_up(evidence, parents), roll_up(prior / prior.sum(), parents)
    expected = (branches[0] + strength * branches[1]) / (evidence.sum() + strength)
    assert roll_up(found, parents)[top] == pytest.approx(expected[top])


@settings(max_examples=100, deadline=None)
@given(trees())
def test_sums_agree_with_walking_the_tree(tree):
    parents, values, *_ = tree
    expected = np.zeros(values.size)
    for topic, value in enumerate(values):
        above = topic
        while above >= 0:
            expected[above] += value
            above = parents[above]
    assert roll_up(values, parents) == pytest.approx(expected)
    for level in range(3):
        stands = at_level(parents, level)
        for topic in range(parents.size):
            way = [topic]
            while parents[way[-1]] >= 0:
                way.append(int(parents[way[-1]]))
            assert stands[topic] == way[::-1][min(level, len(way) - 1)]


def test_where_the_user_is_unknown_the_population_decides_within_the_branch():
    evidence = np.zeros(8)
    evidence[6] = 9.0
    found = prior_down(evidence, PRIOR, PARENTS, 2.0)
    drinks = PRIOR[:5] / PRIOR[:5].sum()
    assert found[:5] / found[:5].sum() == pytest.approx(drinks)
