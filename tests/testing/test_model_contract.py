from __future__ import annotations

import numpy as np

from companions import Companions
from penchant.testing import ItemModelContract
from penchant.testing.model_contract import GROUPS, LENGTH, SIZE, USERS, hits, planted


class TestCompanions(ItemModelContract):
    def make(self):
        return Companions()


class Says:
    """Says the same scores to every question."""

    def __init__(self, scores):
        self._scores = scores

    def scores(self, histories, _items):
        return self._scores(histories)


def test_what_is_planted_can_be_learned_and_not_guessed():
    data = planted()
    n = data.training.items.n_items
    same = Says(lambda histories: np.zeros((len(histories), n), np.float32))
    assert hits(same, data, 10) == 0.0  # ties gain nothing
    popular = np.bincount(data.training.interactions.item, minlength=n).astype(np.float32)
    assert hits(Says(lambda histories: np.tile(popular, (len(histories), 1))), data, 10) < 0.35

    def follows(histories):
        scores = np.zeros((len(histories), n), np.float32)
        for row in range(len(histories)):
            last = int(histories.item[histories.row(row)][-1])
            scores[row, last // SIZE * SIZE + (last % SIZE + 1) % SIZE] = 1.0
        return scores

    assert hits(Says(follows), data, 1) > 0.6


def test_the_walks_are_as_told():
    data = planted()
    assert data.training.interactions.user.size == USERS * (LENGTH - 1)
    assert data.training.interactions.item.max() < GROUPS * SIZE < data.training.items.n_items
    for row in range(USERS):
        mine = data.questions.item[data.questions.row(row)]
        assert mine.size == LENGTH - 1
        assert data.taken[row] not in mine
        assert data.taken[row] // SIZE == row % GROUPS
