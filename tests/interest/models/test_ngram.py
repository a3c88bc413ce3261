from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.errors import NotFittedError
from penchant.interest.models.ngram import NGram, NGramConfig
from penchant.interest.models.ngram_counts import KneserNey, estimate_discount
from penchant.testing.model_contract import ItemModelContract, asked

A, B, MARK = 0, 1, 2


def walks(*items, n_items):
    user = np.repeat(np.arange(len(items), dtype=np.int32), [len(one) for one in items])
    item = np.array([i for one in items for i in one], np.int32)
    return Interactions(user, item, np.arange(item.size, dtype=float), np.ones(item.size), len(items), n_items)


def counts(order, discount=0.5):
    """Counts of the two sequences "a b a" and "b a"."""
    return KneserNey.fit(np.array([0, 3, 5]), np.array([A, B, A, B, A]), 2, order, discount)


def test_bigrams_by_hand():
    # After the mark: a 1, b 1. After a: b 1. After b: a 2. Each word follows two different ones: P1 is a half for both.
    model, half = counts(2), np.full(2, 0.5)
    assert model.distribution(MARK, A, half).tolist() == [0.25, 0.75]  # b: (1 - .5) / 1 + .5 * 1 / 1 * .5
    assert model.distribution(MARK, B, half).tolist() == [0.875, 0.125]  # a: (2 - .5) / 2 + .5 * 1 / 2 * .5
    assert model.distribution(MARK, MARK, half).tolist() == [0.5, 0.5]


def test_trigrams_by_hand():
    # "b a" is the end of two different trigrams, so P2(a | b) = 1.5 / 2 + .25 * .5 = .875; P3 = .5 + .5 * .875.
    model, half = counts(3), np.full(2, 0.5)
    assert model.distribution(A, B, half).tolist() == [0.9375, 0.0625]
    assert model.distribution(B, B, half).tolist() == [0.875, 0.125]  # never came: the shorter context speaks
    assert [model.probability(A, B, word, 0.5) for word in (A, B)] == [0.9375, 0.0625]


def test_the_lowest_order_falls_back_on_what_is_given():
    model = counts(1)
    assert model.distribution(A, B, np.array([0.9, 0.1])).tolist() == pytest.approx(
        [2.5 / 5 + 0.2 * 0.9, 1.5 / 5 + 0.2 * 0.1]
    )


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_sum_to_one(order):
    rng = np.random.default_rng(order)
    sizes = rng.integers(0, 9, 40)
    model = KneserNey.fit(np.concatenate([[0], np.cumsum(sizes)]), rng.integers(0, 12, sizes.sum()), 12, order, None)
    base = rng.dirichlet(np.ones(15))
    for earlier, before in rng.integers(0, 16, (50, 2)):
        p = model.distribution(int(earlier), int(before), base)
        assert p.sum() == pytest.approx(1.0)
        assert (p > 0).all()
        one = [model.probability(int(earlier), int(before), word, base[word]) for word in range(15)]
        assert one == pytest.approx(p.tolist())


def test_runs_never_cross_from_one_user_to_the_next():
    model = KneserNey.fit(np.array([0, 1, 1, 2, 4]), np.array([0, 1, 2, 3]), 4, 3, 0.5)
    for level in model.levels[1:]:
        contexts, _ = level.runs()
        assert 0 not in contexts  # item 0 was all of its user's
    assert model.follows(4, 2, 3) == [2, 1]
    assert model.follows(4, 0, 1) == []


def test_the_discount_is_estimated_from_singles_and_pairs():
    assert estimate_discount(np.array([1, 1, 1, 2, 7])) == pytest.approx(3 / 5)
    assert estimate_discount(np.array([1, 1])) == estimate_discount(np.array([], int)) == 0.75


def test_perplexity_by_hand():
    model = NGram(NGramConfig(order=2, discount=0.5))
    items = ItemTable.bare(2)
    model.fit(ItemTraining(walks([A, B, A], [B, A], n_items=2), items))
    assert model.perplexity(walks([A, B, A], n_items=2), items) == pytest.approx(
        (0.5 * 0.75 * 0.875) ** (-1 / 3), rel=0.02
    )  # the base is not quite a half: what follows anything counts in it
    assert math.isnan(model.perplexity(walks(n_items=2), items))


def test_known_order_is_less_perplexing_than_none():
    items = ItemTable.bare(6)
    cycle = walks(*[[(i + k) % 6 for k in range(12)] for i in range(6)], n_items=6)
    perplexity = []
    for order in (1, 2, 3):
        model = NGram(NGramConfig(order=order))
        model.fit(ItemTraining(cycle, items))
        perplexity.append(model.perplexity(cycle, items))
    assert perplexity[0] == pytest.approx(6.0, rel=0.01)
    assert perplexity[1] < 1.5
    assert perplexity[2] < 1.5


def test_an_item_that_nobody_took_is_as_likely_as_its_topic():
    topic = np.array([0, 0, 1, 1, 0, 1])  # items 4 and 5 come after the fit
    table = ItemTable(sparse.csr_array((np.ones(6), (np.arange(6), topic)), shape=(6, 2)), ("",) * 6, np.zeros(6))
    early = ItemTable(table.topics[:4], table.text[:4], table.since[:4])
    model = NGram()
    model.fit(ItemTraining(walks(*[[0, 1, 0, 1, 0]] * 9, *[[2, 3, 2]] * 9, n_items=4), early))
    scores = model.scores(asked([1, 0], [2], [4]), table)
    assert scores.sum(axis=1) == pytest.approx(1.0)
    assert scores[0, 4] > scores[0, 5]
    assert scores[1, 5] > scores[1, 4]
    assert scores[2, 0] > scores[2, 2]  # after an unseen item its topic speaks


def test_the_reason_is_what_it_was_counted_after():
    model = NGram()
    model.fit(ItemTraining(walks([0, 1, 2], [0, 1, 2], [3, 1, 4], n_items=5), ItemTable.bare(5)))
    assert model.because(asked([0, 1]), 2).tolist() == [1, 0]
    assert model.because(asked([3, 1]), 2).tolist() == [1]
    assert model.because(asked([3]), 2).tolist() == []


def test_it_cannot_be_asked_before_it_is_fitted():
    with pytest.raises(NotFittedError):
        NGram().scores(asked([1]), ItemTable.bare(3))


@pytest.mark.parametrize("wrong", [{"order": 4}, {"order": 0}, {"discount": 1.0}, {"orders": 2}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        NGramConfig(**wrong)


class TestNGram(ItemModelContract):
    expected_next = 0.5

    def make(self):
        return NGram()


class TestUnigram(ItemModelContract):
    expected_hits = 0.1

    def make(self):
        return NGram(NGramConfig(order=1))


def test_a_question_is_that_of_its_row():
    model = NGram()
    data = walks([0, 1, 2, 0], n_items=3)
    model.fit(ItemTraining(data, ItemTable.bare(3)))
    one = Histories.of(data, np.array([0]), np.array([1.0]))
    assert int(np.argmax(model.scores(one, ItemTable.bare(3))[0])) == 2
