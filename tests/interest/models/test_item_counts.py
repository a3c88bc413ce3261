from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.errors import NotFittedError
from penchant.interest.models.counts import MostPopular, MostPopularConfig, MostRecent, Repeat, RepeatConfig
from penchant.testing.model_contract import ItemModelContract

# One user took item 0 twenty and ten days ago and item 2 ten days ago; another took item 1 now.
USER = np.array([0, 0, 0, 1], np.int32)
ITEM = np.array([0, 0, 2, 1], np.int32)
AT = np.array([0.0, 10.0, 10.0, 20.0]) * DAY_S
SEEN = Interactions(USER, ITEM, AT, np.ones(4), 2, 4)
NOW = Histories.of(SEEN, np.array([0, 1]), np.full(2, 20 * DAY_S))


def fitted(model):
    model.fit(ItemTraining(SEEN, ItemTable.bare(4)))
    return model


def test_popularity_by_hand():
    model = fitted(MostPopular(MostPopularConfig(half_life_days=10.0)))
    scores = model.scores(NOW, ItemTable.bare(6))
    assert scores[0].tolist() == [0.75, 1.0, 0.5, -np.inf, -np.inf, -np.inf]
    assert scores[1].tolist() == scores[0].tolist()
    assert model.scores(NOW, ItemTable.bare(2)).shape == (2, 2)


def test_own_items_by_how_often_and_how_lately():
    scores = fitted(Repeat(RepeatConfig(half_life_days=10.0))).scores(NOW, ItemTable.bare(5))
    assert scores[0].tolist() == [0.75, -np.inf, 0.5, -np.inf, -np.inf]
    assert scores[1].tolist() == [-np.inf, 1.0, -np.inf, -np.inf, -np.inf]


def test_own_items_by_how_lately_only():
    scores = fitted(MostRecent()).scores(NOW, ItemTable.bare(4))
    assert scores[0] == pytest.approx([1 / 11, -np.inf, 1 / 11, -np.inf])


def test_an_item_taken_ages_ago_is_still_one_of_the_users():
    scores = fitted(Repeat(RepeatConfig(half_life_days=0.001))).scores(NOW, ItemTable.bare(4))
    assert np.isfinite(scores[0]).tolist() == [True, False, True, False]


def test_events_after_the_question_do_not_count():
    late = Histories(np.array([0, 2]), np.array([0, 1], np.int32), np.array([5.0, 15.0]), np.ones(2), np.array([10.0]))
    for model in (fitted(Repeat()), fitted(MostRecent())):
        assert np.isfinite(model.scores(late, ItemTable.bare(4))[0]).tolist() == [True, False, False, False]
        assert model.because(late, 0).tolist() == [0]
        assert model.because(late, 1).tolist() == []


@pytest.mark.parametrize("kind", [MostPopular, Repeat, MostRecent])
def test_before_fit_there_is_no_answer(kind):
    with pytest.raises(NotFittedError, match="before it was fitted"):
        kind().scores(NOW, ItemTable.bare(4))
    with pytest.raises(NotFittedError):
        kind().encode()


@pytest.mark.parametrize("config", [MostPopularConfig, RepeatConfig])
def test_impossible_settings_are_refused(config):
    for wrong in ({"half_life_days": 0}, {"half_life": 3}):
        with pytest.raises(ValidationError):
            config(**wrong)


class TestMostPopular(ItemModelContract):
    expected_hits = 0.1

    def make(self):
        return MostPopular()


class TestRepeat(ItemModelContract):
    expected_hits = 0.0  # what is asked for is never among the user's own

    def make(self):
        return Repeat()


class TestMostRecent(ItemModelContract):
    expected_hits = 0.0

    def make(self):
        return MostRecent()
