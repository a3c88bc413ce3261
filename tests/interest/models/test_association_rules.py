from __future__ import annotations

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.interest.models.rules import Rule, Rules, RulesConfig, following
from penchant.testing.model_contract import ItemModelContract, asked

# Two users take 0, 1, 2 in a row; a third takes 2 and 0 at one moment.
USER = np.array([0, 0, 0, 1, 1, 1, 2, 2], np.int32)
ITEM = np.array([0, 1, 2, 0, 1, 2, 2, 0], np.int32)
AT = np.array([0, 1, 2, 0, 1, 2, 5, 5]) * DAY_S
TAKEN = Interactions(USER, ITEM, AT, np.ones(8), 3, 4)


def fitted(**options):
    model = Rules(RulesConfig(**{"min_support": 0.0, "min_lift": 0.0, "damping": 0.0} | options))
    model.fit(ItemTraining(TAKEN, ItemTable.bare(4)))
    return model


def test_pairs_weigh_less_by_distance_and_count_both_ways_at_one_moment():
    assert following(TAKEN, 4, 2).toarray().tolist() == [[0, 2, 2, 0], [0, 0, 2, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert following(TAKEN, 4, 1).toarray()[0].tolist() == [0, 2, 1, 0]


def test_support_confidence_and_lift_by_hand():
    # Of weight 7 in all, 2 came as item 1, 4 as item 2.
    assert fitted(window=2).of(0) == [
        Rule(1, 2.0, 0.5, pytest.approx(0.5 / (2 / 7))),
        Rule(2, 2.0, 0.5, pytest.approx(0.5 / (4 / 7))),
    ]
    assert [rule.item for rule in fitted(window=2, min_lift=1.0).of(0)] == [1]
    assert [rule.item for rule in fitted(window=1, min_support=2.0).of(0)] == [1]
    assert fitted(window=2, damping=4.0).of(1) == [Rule(2, 2.0, pytest.approx(1 / 3), pytest.approx(7 / 12))]
    assert fitted(window=2, n_rules=1).of(0)[0].item == 1
    assert fitted().of(3) == fitted().of(99) == []


def test_scores_by_hand():
    model = fitted(window=1, half_life_items=1.0, half_life_days=10.0)
    history = Histories(np.array([0, 2]), np.array([1, 0], np.int32), np.zeros(2), np.ones(2), np.array([10 * DAY_S]))
    # Item 0 is the newest (1), item 1 one further back (1/2); both are ten days old (1/2).
    scores = model.scores(history, ItemTable.bare(5))[0]
    assert scores.tolist() == pytest.approx([-np.inf, 0.5 * 2 / 3, 0.5 / 3 + 0.25 * 1.0, -np.inf, -np.inf])
    assert model.because(history, 2).tolist() == [1, 0]
    assert model.because(history, 3).tolist() == []


class TestRules(ItemModelContract):
    expected_next = 0.4

    def make(self):
        return Rules(RulesConfig(window=2, half_life_items=1.0))


def test_unknown_items_lead_nowhere():
    assert np.isneginf(fitted().scores(asked([9], [3]), ItemTable.bare(4))).all()
