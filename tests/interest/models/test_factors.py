from __future__ import annotations

import sys

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.errors import NotInstalledError
from penchant.interest.models.als import ALS, ALSConfig, Collective, CollectiveConfig
from penchant.interest.models.bpr import BPR, BPRConfig
from penchant.testing.model_contract import ItemModelContract

pytest.importorskip("implicit")

N_ITEMS = 24
# Twelve tastes in two halves of the catalogue; the last two items nobody took.
MATRIX = np.kron(np.eye(2), np.ones((20, 11))) * (np.random.default_rng(1).random((40, 22)) < 0.6)
TOPICS = sparse.csr_array((np.ones(N_ITEMS), (np.arange(N_ITEMS), [0] * 11 + [1] * 11 + [0, 1])), shape=(N_ITEMS, 3))
ITEMS = ItemTable(TOPICS, ("",) * N_ITEMS, np.full(N_ITEMS, -np.inf))


def training(seed=0):
    user, item = np.nonzero(MATRIX)
    n = user.size
    seen = Interactions(user.astype(np.int32), item.astype(np.int32), np.zeros(n), np.ones(n), 40, N_ITEMS)
    return ItemTraining(seen, ITEMS, seed=seed)


def fitted(model):
    model.fit(training())
    return model


def question(mine):
    n = len(mine)
    return Histories(np.array([0, n]), np.array(mine, np.int32), np.zeros(n), np.ones(n), np.zeros(1))


SMALL = {"embedding_size": 2, "epochs": 20}


@pytest.fixture(scope="module")
def als():
    return fitted(ALS(ALSConfig(**SMALL, reg=1.0, half_life_days=None)))


def test_a_user_is_folded_in_as_the_library_does_it(als):
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        theirs = AlternatingLeastSquares(factors=2, regularization=1.0, random_state=0, num_threads=1)
        theirs.item_factors = als.learned.item
        theirs.user_factors = np.zeros((1, 2), np.float32)
        mine = sparse.csr_matrix((np.full(3, 11.0, np.float32), [0, 3, 15], [0, 3]), shape=(1, N_ITEMS))
        expected = theirs.recalculate_user(np.array([0]), mine) @ als.learned.item.T
    scores = als.scores(question([0, 3, 15]), ITEMS)
    assert scores[:, :22] == pytest.approx(expected[:, :22], abs=1e-4)
    assert np.isneginf(scores[:, 22:]).all()


def test_als_tells_the_halves_apart(als):
    scores = als.scores(question([1, 2]), ITEMS)[0]
    assert scores[:11].min() > scores[11:22].max()


def test_the_parts_of_a_score_sum_up_to_it(als):
    mine, value = als._mine(question([0, 3, 15]))
    for item in (1, 12):
        assert als.parts(mine, value, item).sum() == pytest.approx(
            float(als.scores(question([0, 3, 15]), ITEMS)[0, item])
        )
    model = fitted(BPR(BPRConfig(**SMALL)))
    mine, value = model._mine(question([0, 3, 15]))
    score = float(model.scores(question([0, 3, 15]), ITEMS)[0, 1] - model.learned.bias[1])
    assert model.parts(mine, value, 1).sum() / 3 == pytest.approx(score, rel=1e-4)


def test_the_reasons_are_of_the_same_half(als):
    assert set(als.because(question([0, 3, 15]), 1).tolist()) <= {0, 3}
    assert als.because(question([0, 3, 15]), 1).size
    assert als.because(question([0]), 23).size == 0


def test_more_threads_learn_the_same(als):
    assert fitted(ALS(ALSConfig(**SMALL, reg=1.0, half_life_days=None, n_threads=2))).encode() == als.encode()


def test_another_seed_is_another_model(als):
    other = ALS(als.config)
    other.fit(training(seed=1))
    assert other.encode() != als.encode()


def test_an_item_that_nobody_took_yet_has_the_place_of_its_topic():
    model = fitted(Collective(CollectiveConfig(**SMALL, reg=1.0, topic_weight=0.5)))
    scores = model.scores(question([1, 2]), ITEMS)[0]
    assert scores[22] > scores[23]
    bare = ItemTable(sparse.csr_array((N_ITEMS, 3)), ("",) * N_ITEMS, np.full(N_ITEMS, -np.inf))
    assert np.isneginf(model.scores(question([1, 2]), bare)[0, 22:]).all()
    fewer = ItemTable(TOPICS[:, :1], ("",) * N_ITEMS, np.full(N_ITEMS, -np.inf))
    assert np.isfinite(model.scores(question([1, 2]), fewer)[0, 22:]).tolist() == [True, False]


def test_the_topics_do_draw_their_items_together():
    def spread(model):
        y = model.learned.item[:11].astype(float)
        y /= np.linalg.norm(y, axis=1, keepdims=True)
        return (y @ y.T).mean()

    alone = fitted(ALS(ALSConfig(embedding_size=8, reg=0.1)))
    together = fitted(Collective(CollectiveConfig(embedding_size=8, reg=0.1, topic_weight=5.0)))
    assert spread(together) > spread(alone)


def test_the_progress_is_told():
    told = []
    given = training()
    model = BPR(BPRConfig(embedding_size=4, epochs=3))
    model.fit(ItemTraining(given.interactions, given.items, progress=lambda *what: told.append(what)))
    assert told == [("fit bpr", 1, 3), ("fit bpr", 2, 3), ("fit bpr", 3, 3)]


@pytest.mark.parametrize("kind", [ALS, BPR])
def test_without_the_package_it_says_what_to_install_and_still_answers(kind, monkeypatch):
    model = fitted(kind())
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    monkeypatch.setitem(sys.modules, "implicit.cpu.bpr", None)
    with pytest.raises(NotInstalledError, match=r"pip install 'penchant\[cf\]'"):
        kind().fit(training())
    again = kind()
    again.decode(model.encode())
    assert np.isfinite(again.scores(question([0]), ITEMS)).any()


@pytest.mark.parametrize("wrong", [{"embedding_size": 0}, {"epochs": 0}, {"reg": -1}, {"factors": 3}])
def test_impossible_settings_are_refused(wrong):
    for config in (ALSConfig, BPRConfig):
        with pytest.raises(ValidationError):
            config(**wrong)


class TestALS(ItemModelContract):
    def make(self):
        return ALS(ALSConfig(embedding_size=8, reg=5.0))


class TestCollective(ItemModelContract):
    def make(self):
        return Collective(CollectiveConfig(embedding_size=8, reg=5.0))


class TestBPR(ItemModelContract):
    expected_hits = 0.5

    def make(self):
        return BPR(BPRConfig(embedding_size=8))
