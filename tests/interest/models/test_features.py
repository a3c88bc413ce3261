from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import ItemTable
from penchant.interest.models.features import FEATURES, NEVER, CandidateSizes, ItemFacts, Mine, Sight, entries

# Users 0 and 1 take items 0 and 1; user 0 takes item 0 again ten days later; nobody takes items 2 and 3.
TAKEN = Interactions(
    np.array([0, 1, 0], np.int32), np.array([0, 1, 0], np.int32), np.array([0.0, 0.0, 10.0]) * DAY_S, np.ones(3), 2, 4
)
TOPICS = sparse.csr_array(np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.0, 0.0]]))
ITEMS = ItemTable(TOPICS, ("",) * 4, np.array([0.0, 0.0, 5.0, 30.0]) * DAY_S)
NOW = 20 * DAY_S
MINE = Mine(np.array([1, 0], np.int32), np.array([20.0, 10.0]), np.array([1.0, 2.0]))
ALL = np.arange(4)


def features(mine=MINE, follows=(0.0, 0.0, 0.0, 0.0), at=NOW):
    sight = Sight(ItemFacts.of(TAKEN, 4, at), ITEMS)
    table = sight.features(mine, sight.look(mine), np.array(follows), ALL, at)
    return dict(zip(FEATURES, table.T, strict=True))


def test_facts_of_items_by_hand():
    facts = ItemFacts.of(TAKEN, 4, NOW)
    slow = np.array([2 ** (-20 / 30) + 2 ** (-10 / 30), 2 ** (-20 / 30), 0, 0])
    assert facts.slow == pytest.approx(slow / slow.sum())
    assert facts.repeat == pytest.approx([1 / 4, 0, 0, 0])  # one of two events, damped by two
    assert facts.first_at.tolist() == [0.0, 0.0, np.inf, np.inf]
    assert facts.best.tolist() == [0, 1]
    early = ItemFacts.of(TAKEN, 4, 5 * DAY_S)
    assert early.repeat.tolist() == [0.0] * 4


def test_features_by_hand():
    found = features(follows=(0.0, 0.0, 0.5, 0.0))
    assert found["count"] == pytest.approx(np.log1p([2.0, 1.0, 0.0, 0.0]))
    assert found["share"] == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert found["days_since"] == pytest.approx([np.log1p(10), np.log1p(20), NEVER, NEVER])
    assert found["topic_count"] == pytest.approx(np.log1p([2.5, 0.5 * 2.5 + 0.5 * 0.5, 0.5, 0.0]))
    assert found["topic_days"] == pytest.approx([np.log1p(10), (np.log1p(10) + np.log1p(20)) / 2, np.log1p(20), NEVER])
    assert found["follows"] == pytest.approx([0, 0, np.log1p(50), 0])
    assert found["item_age"] == pytest.approx([np.log1p(20), np.log1p(20), np.log1p(15), 0])
    assert found["repeat_share"] == pytest.approx([1 / 3] * 4)
    assert found["recency"] == pytest.approx([np.log1p(10)] * 4)
    assert found["breadth"] == pytest.approx([-(5 / 6 * np.log(5 / 6) + 1 / 6 * np.log(1 / 6))] * 4)
    assert found["weekday"].tolist() == [2.0] * 4  # 21 January 1970, a Wednesday
    assert found["topic_share"][3] == 0.0


def test_a_topic_that_is_more_the_users_than_everybodys():
    found = features(Mine(np.array([0], np.int32), np.array([1.0]), np.array([5.0])))
    assert found["topic_share"][0] > 0 > found["topic_share"][2]


def test_somebody_who_did_nothing():
    nobody = Mine(np.empty(0, np.int32), np.empty(0), np.empty(0))
    found = features(nobody)
    assert (found["count"] == 0).all()
    assert found["recency"] == pytest.approx([NEVER] * 4)
    for name, column in found.items():
        assert np.isfinite(column).all(), name


def test_what_cannot_be_known_becomes_zero():
    broken = Mine(np.array([0], np.int32), np.array([np.nan]), np.array([np.nan]))
    for name, column in features(broken).items():
        assert np.isfinite(column).all(), name


def test_candidates_come_from_own_items_rules_popularity_and_topics():
    sight = Sight(ItemFacts.of(TAKEN, 4, NOW), ITEMS)
    one = Mine(np.array([1], np.int32), np.array([20.0]), np.array([1.0]))

    def chosen(led=(0, 0, 0, 0), at=NOW, **sizes):
        none = {"own": 0, "follows": 0, "popular": 0, "topics": 0, "per_topic": 1}
        return sight.candidates(
            one, sight.look(one), np.array(led, float), at, CandidateSizes(**(none | sizes))
        ).tolist()

    assert chosen() == []
    assert chosen(own=5) == [1]
    assert chosen(follows=5) == []
    assert chosen((0.5, 0, 0.2, 0), follows=1) == [0]
    assert chosen(popular=1) == [0]
    assert chosen(topics=2, per_topic=5) == [0, 1, 2]
    assert chosen(topics=2, per_topic=1) == [0, 1]
    assert chosen((0, 0, 0, 0.5), follows=3) == []  # it comes in ten days only
    assert chosen((0, 0, 0, 0.5), follows=3, at=31 * DAY_S) == [3]


def test_entries_are_those_of_the_rows():
    matrix = sparse.random_array((30, 12), density=0.2, rng=np.random.default_rng(0), format="csr")
    rows = np.array([4, 4, 0, 29, 11])
    row, column, value = entries(matrix, rows)
    found = np.zeros((5, 12))
    found[row, column] = value
    assert np.array_equal(found, matrix.toarray()[rows])
    assert entries(matrix, rows[:0])[0].size == 0
