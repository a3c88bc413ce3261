from __future__ import annotations

import numpy as np
import pytest

from penchant.domain.item_model import ItemTraining
from penchant.errors import ConfigError, FormatError, NotFittedError, UnknownNameError
from penchant.interest.models.hybrid import Case, Hybrid, HybridConfig, ascend, shares
from penchant.testing.model_contract import ItemModelContract, asked, catalogue, planted, trained_on

PARTS = HybridConfig(parts=("item_knn", "tfidf"), max_users=60)


@pytest.fixture(scope="module")
def hybrid():
    model = Hybrid(PARTS)
    model.fit(planted().training)
    return model


def test_scores_are_the_weighted_shares_of_the_parts(hybrid):
    items = planted().training.items
    questions = asked([0, 1, 2], [25, 26], [])
    parts = [part.scores(questions, items) for part in hybrid._models]
    expected = sum(w * shares(part) for w, part in zip(hybrid.learned.weights, parts, strict=True))
    scores = hybrid.scores(questions, items)
    there = np.isfinite(parts[0]) & (hybrid.learned.weights[0] > 0) | np.isfinite(parts[1]) & (
        hybrid.learned.weights[1] > 0
    )
    assert np.array_equal(np.isfinite(scores), there)
    assert scores[there] == pytest.approx(expected[there], rel=1e-5)


def test_in_the_slice_it_is_no_worse_than_any_part(hybrid):
    *alone, together = hybrid.learned.ndcg
    assert len(alone) == 2
    assert together >= max(alone) - 1e-9
    assert hybrid.learned.weights.max() == pytest.approx(1.0)


def test_the_weights_do_not_see_what_comes_after_the_cut_but_as_answers():
    """The parts that are asked are fitted on the early part: an item of the slice alone has no neighbours in them."""
    user = [0, 0, 1, 1, 2, 2, 3, 3, *range(4)]
    item = [0, 1, 0, 1, 0, 1, 0, 1, 2, 2, 2, 2]
    model = Hybrid(HybridConfig(parts=("item_knn",), holdout=0.3))
    model.fit(trained_on(user, item, 3))
    assert model.learned.ndcg[0] == 0.0
    assert np.isfinite(model.scores(asked([0, 1]), catalogue(3))[0, 2])  # fitted on all, it does know the item


def cases(good, n=40):
    rng = np.random.default_rng(1)
    made = []
    for _ in range(n):
        taken = np.zeros(30, bool)
        taken[rng.integers(30)] = True
        share = rng.random((30, 3)).astype(np.float32)
        for part, lift in enumerate(good):
            share[taken, part] += lift
        made.append(Case(share, taken, 1.0))
    return made


def test_the_ascent_finds_the_part_that_knows():
    weights = ascend(cases((0.0, 2.0, 0.0)), 3, 3)
    assert weights[1] >= 4 * max(weights[0], weights[2])


def test_two_parts_that_know_half_each_are_put_together():
    rng = np.random.default_rng(2)
    made = []
    for _ in range(60):
        share = rng.random((40, 2)).astype(np.float32)
        taken = np.zeros(40, bool)
        taken[3] = True
        share[3] = 0.85  # good by both, the best by neither
        made.append(Case(share, taken, 1.0))
    weights = ascend(made, 2, 3)
    assert (weights > 0.2).all()


def test_shares_of_scores():
    scores = np.array([[4, 2, -np.inf], [1, -3, -np.inf], [-2, -2, -np.inf], [-np.inf] * 3], np.float32)
    assert shares(scores).tolist() == [[1, 0.5, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert shares(np.empty((0, 3), np.float32)).shape == (0, 3)
    assert shares(np.empty((2, 0), np.float32)).shape == (2, 0)


def test_items_that_only_the_content_knows_are_scored_by_it(hybrid):
    n = planted().training.items.n_items
    model = Hybrid(HybridConfig(parts=("item_knn", "tfidf")))
    model.fit(planted().training)
    object.__setattr__(model.learned, "weights", np.ones(2))
    assert np.isfinite(model.scores(asked([0, 1]), catalogue(n + 3))[0, n:]).any()


def test_bytes_of_other_parts_are_refused_and_change_nothing(hybrid):
    other = Hybrid(HybridConfig(parts=("tfidf", "most_popular")))
    other.fit(planted().training)
    before = hybrid.encode()
    with pytest.raises(FormatError, match="a hybrid of tfidf, most_popular given; the settings say item_knn, tfidf"):
        hybrid.decode(other.encode())
    assert hybrid.encode() == before
    assert hybrid.fitted
    fresh = Hybrid(PARTS)
    with pytest.raises(FormatError):
        fresh.decode(other.encode())
    assert not fresh.fitted


def test_options_reach_the_parts():
    model = Hybrid(HybridConfig(parts=("item_knn", "tfidf"), options={"item_knn": {"n_neighbours": 3}}))
    model.fit(planted().training)
    assert np.diff(model._models[0].learned.start).max() == 3


@pytest.mark.parametrize("parts", [(), ("tfidf", "tfidf"), ("hybrid", "tfidf")])
def test_impossible_parts_are_refused(parts):
    with pytest.raises(ConfigError, match=r"one or more other models, each once; known: .*item_knn"):
        Hybrid(HybridConfig(parts=parts))


def test_unknown_parts_and_options_for_none_are_refused():
    with pytest.raises(UnknownNameError, match="no item model named 'itemknn'"):
        Hybrid(HybridConfig(parts=("itemknn",)))
    with pytest.raises(ConfigError, match=r"options for .'ease'. given, which are no parts"):
        Hybrid(HybridConfig(parts=("tfidf",), options={"ease": {}}))


def test_before_fit_there_is_no_answer():
    with pytest.raises(NotFittedError):
        Hybrid(PARTS).scores(asked([0]), catalogue(3))


def test_the_progress_is_told():
    told = []
    given = planted().training
    model = Hybrid(PARTS)
    model.fit(ItemTraining(given.interactions, given.items, progress=lambda *what: told.append(what)))
    assert told == [("try item_knn", 0, 2), ("try tfidf", 1, 2), ("fit item_knn", 0, 2), ("fit tfidf", 1, 2)]


class TestHybrid(ItemModelContract):
    def make(self):
        return Hybrid(HybridConfig(max_users=60))


class TestHybridOfTwo(ItemModelContract):
    def make(self):
        return Hybrid(PARTS)
