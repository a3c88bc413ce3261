from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.errors import NotFittedError
from penchant.interest.models.online_knn import OnlineItemKNN, OnlineItemKNNConfig
from penchant.interest.models.takers import ItemTakers, user_hash
from penchant.testing import LearnerContract
from penchant.testing.learner_contract import NOON, Folding, a_bit_of_everything
from penchant.testing.model_contract import ItemModelContract


def events(n=600, n_users=30, n_items=15, seed=1):
    rng = np.random.default_rng(seed)
    at = np.sort(rng.uniform(0, 50, n)) * DAY_S
    user, item = rng.integers(0, n_users, n).astype(np.int32), rng.integers(0, n_items, n).astype(np.int32)
    return Interactions(user, item, at, np.ones(n), n_users, n_items)


def cut(seen, a, b):
    here = slice(a, b)
    return Interactions(seen.user[here], seen.item[here], seen.at[here], seen.weight[here], seen.n_users, seen.n_items)


def question(mine, at, last_at=None):
    last_at = np.full(len(mine), at) if last_at is None else np.array(last_at, float)
    return Histories(np.array([0, len(mine)]), np.array(mine, np.int32), last_at, np.ones(len(mine)), np.array([at]))


def by_hand(seen, half_life_days, shrinkage):
    """Return the similarities of all pairs, from the last event of every user with every item."""
    faded = np.zeros((seen.n_users, seen.n_items))
    for u, i, at in zip(seen.user, seen.item, seen.at, strict=True):
        faded[u, i] = 2 ** (-(seen.at.max() - at) / DAY_S / half_life_days)  # in the order of time: the last stays
    length = np.linalg.norm(faded, axis=0)
    found = faded.T @ faded / (np.outer(length, length) + shrinkage)
    np.fill_diagonal(found, 0.0)
    return found


def fitted(seen, **options):
    model = OnlineItemKNN(OnlineItemKNNConfig(**options))
    model.fit(ItemTraining(seen, ItemTable.bare(seen.n_items)))
    return model


def test_with_room_enough_it_is_the_faded_cosine_of_everything():
    seen = events()
    model = fitted(seen, common_half_life_days=10.0, shrinkage=0.5, half_life_days=20.0)
    expected = by_hand(seen, 10.0, 0.5)
    now = float(seen.at.max())
    scores = model.scores(question([3, 8], now, [now - 20 * DAY_S, now]), ItemTable.bare(15))[0]
    assert scores == pytest.approx(0.5 * expected[3] + expected[8], rel=1e-4)


@pytest.mark.parametrize("sizes", [(1,), (200,), (7, 1, 93)])
def test_events_in_batches_of_any_size_give_the_same(sizes):
    seen = events()
    small = {"max_users": 8, "max_items": 5}
    whole, parts = fitted(seen, **small), OnlineItemKNN(OnlineItemKNNConfig(**small))
    begin, number = 0, 0
    while begin < seen.user.size:
        size = sizes[number % len(sizes)]
        parts.learn(cut(seen, begin, begin + size))
        begin, number = begin + size, number + 1
    assert parts.encode() == whole.encode()


def test_it_goes_on_learning_from_bytes_and_at_once():
    seen = events()
    model, other = fitted(cut(seen, 0, 300)), OnlineItemKNN()
    other.decode(model.encode())
    now = float(seen.at.max())
    before = other.scores(question([3], now), ItemTable.bare(15))
    for one in (model, other):
        one.learn(cut(seen, 300, 600))
    assert not np.array_equal(other.scores(question([3], now), ItemTable.bare(15)), before)
    assert other.encode() == model.encode()


def test_users_and_items_that_come_later_have_room():
    model = fitted(events(n_users=3, n_items=4))
    model.learn(
        Interactions(np.array([9, 9], np.int32), np.array([2, 20], np.int32), np.full(2, 5e6), np.ones(2), 10, 21)
    )
    assert np.isfinite(model.scores(question([2], 5e6), ItemTable.bare(21))[0, 20])


def test_a_full_table_forgets_the_oldest_whatever_the_order():
    at = np.array([5.0, 1.0, 9.0, 3.0, 7.0])
    seen = Interactions(np.arange(5, dtype=np.int32), np.zeros(5, np.int32), at, np.ones(5), 5, 1)
    model = OnlineItemKNN(OnlineItemKNNConfig(max_users=2))
    model.learn(seen)
    assert sorted(model.learned.taker.tolist()) == [2, 4]
    assert model.learned.takers.tolist() == [2]


def test_the_state_is_bounded():
    sizes = []
    model = OnlineItemKNN(OnlineItemKNNConfig(max_users=5, max_items=5))
    for seed in range(4):
        model.learn(events(5000, seed=seed))
        sizes.append(len(model.encode()))
    assert sizes[-1] == sizes[0]


def test_the_reason_contributes_most():
    seen = events()
    model, expected = fitted(seen, shrinkage=0.5, common_half_life_days=10.0), by_hand(seen, 10.0, 0.5)
    mine = [1, 2, 3, 4, 5]
    order = [mine[i] for i in np.argsort(-expected[mine, 9], kind="stable")[:3]]
    assert model.because(question(mine, float(seen.at.max())), 9).tolist() == order
    assert model.because(question(mine, 0.0), 99).size == 0


def test_before_any_event_there_is_no_answer():
    with pytest.raises(NotFittedError):
        OnlineItemKNN().scores(question([0], 0.0), ItemTable.bare(3))


@pytest.mark.parametrize("wrong", [{"max_users": 0}, {"max_items": 0}, {"shrinkage": -1}, {"users": 3}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        OnlineItemKNNConfig(**wrong)


class TestOnlineItemKNN(ItemModelContract):
    def make(self):
        return OnlineItemKNN(OnlineItemKNNConfig(shrinkage=1.0))


class TestOnlineItemKNNOfFew(ItemModelContract):
    expected_hits = 0.3

    def make(self):
        return OnlineItemKNN(OnlineItemKNNConfig(max_users=6, max_items=4))


class TestItemTakers(LearnerContract):
    @pytest.fixture
    def learner(self):
        return ItemTakers()


class TestItemTakersOfFew(LearnerContract):
    """Forgetting users that do not fit is part of the fold, so it too must not depend on batches."""

    @pytest.fixture
    def learner(self):
        return ItemTakers(max_users=2)


def test_neighbours_are_those_of_the_model():
    """The learner's reading and the model's similarities are one thing, by two ways."""
    learner = ItemTakers(max_users=1000)
    rows = [row for row in a_bit_of_everything(900) if row.user_id and row.item_id]
    folding = Folding(learner).fold(rows, [100])
    batch = Folding(learner).batch(rows)
    taken = batch.weight > 0
    users = {user: number for number, user in enumerate(batch.users)}
    seen = Interactions(
        batch.user[taken], batch.item[taken], batch.at[taken], np.ones(taken.sum()), len(users), len(batch.items)
    )
    model = fitted(seen, max_users=1000, max_items=1000, common_half_life_days=30.0, shrinkage=1.0)
    now = float(seen.at.max())
    scores = model.scores(question([0], now), ItemTable.bare(seen.n_items))[0]
    found = learner.neighbours(folding.states, batch.items.ids[0], now, shrinkage=1.0)
    assert len(found) == np.isfinite(scores).sum() > 5
    for item_id, similarity in found:
        assert similarity == pytest.approx(float(scores[batch.items.number(item_id)]), rel=1e-4)
    assert [pair[1] for pair in found] == sorted((pair[1] for pair in found), reverse=True)
    assert learner.neighbours(folding.states, "nowhere", now) == []
    assert now > NOON / 1e6


def test_hashes_are_the_same_in_every_process():
    assert user_hash("ann") == -8270052116146162779
    assert user_hash("ann") != user_hash("bob")
