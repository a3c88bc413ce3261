from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.interest.models.content import BM25, TFIDF, BM25Config, ContentConfig
from penchant.interest.models.words import words
from penchant.testing.model_contract import ItemModelContract

TITLES = ("green tea", "green tea tea leaf", "black coffee", "coffee cup", "绿茶叶", "绿茶杯", "")


def table(titles, topics=None):
    topics = np.zeros((len(titles), 0)) if topics is None else np.array(topics, float)
    return ItemTable(sparse.csr_array(topics), tuple(titles), np.zeros(len(titles)))


def fitted(model, items):
    empty = Interactions(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0), np.empty(0), 0, items.n_items)
    model.fit(ItemTraining(empty, items))
    return model


def question(mine, at=0.0, last_at=None):
    last_at = np.zeros(len(mine)) if last_at is None else np.array(last_at, float)
    return Histories(
        np.array([0, len(mine)]), np.array(mine, np.int32), last_at, np.ones(len(mine)), np.array([float(at)])
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Green-TEA, no. 2", ["green", "tea", "no", "2"]),
        ("café_crème", ["café", "crème"]),
        ("绿茶叶", ["绿茶", "茶叶"]),
        ("茶 and 杯", ["茶", "and", "杯"]),
        ("iPhone15手机壳red", ["iphone15", "手机", "机壳", "red"]),
        ("カタカナ", ["カタ", "タカ", "カナ"]),
        ("한국어", ["한국", "국어"]),
        ("𠀀𠀁𠀂", ["𠀀𠀁", "𠀁𠀂"]),
        (" ,;— 🍵 ", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_tfidf_by_hand():
    items = table(["a b", "a a c", "c"])
    model = fitted(TFIDF(ContentConfig(min_items=1)), items)
    idf = np.log(4 / (1 + np.array([2, 1, 2]))) + 1  # a, b, c
    rows = np.array([[1, 1, 0], [1 + np.log(2), 0, 1], [0, 0, 1]]) * idf
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scores = model.scores(question([0, 2], 60 * DAY_S, [0.0, 60 * DAY_S]), items)[0]
    assert scores == pytest.approx(rows @ ((0.5 * rows[0] + rows[2]) / 1.5), rel=1e-5)


def test_bm25_by_hand():
    items = table(["a b", "a a c", "c"])
    model = fitted(BM25(BM25Config(min_items=1, k1=1.5, b=0.5)), items)
    idf = np.log(1 + (3 - np.array([2, 1, 2]) + 0.5) / (np.array([2, 1, 2]) + 0.5))
    tf, length = np.array([[1, 1, 0], [2, 0, 1], [0, 0, 1.0]]), np.array([[2.0], [3], [1]]) / 2
    takes = idf * tf * 2.5 / (tf + 1.5 * (0.5 + 0.5 * length))
    scores = model.scores(question([0]), items)[0]
    assert scores[:2] == pytest.approx((takes @ tf[0])[:2], rel=1e-5)
    assert np.isneginf(scores[2])  # no word in common


@pytest.mark.parametrize("kind", [TFIDF, BM25])
def test_chinese_titles_lead_to_chinese_titles(kind):
    scores = fitted(kind(), table(TITLES)).scores(question([4]), table(TITLES))[0]
    assert np.flatnonzero(np.isfinite(scores)).tolist() == [4, 5]


@pytest.mark.parametrize("kind", [TFIDF, BM25])
def test_an_item_newer_than_the_model_scores_at_once(kind):
    model = fitted(kind(), table(TITLES))
    later = table((*TITLES, "green tea with coffee"))
    scores = model.scores(question([0]), later)[0]
    assert np.flatnonzero(np.isfinite(scores)).tolist() == [0, 1, 7]
    assert model.because(question([4, 0, 2]), 7).tolist() == [0, 2]
    assert np.isneginf(scores[6])  # nothing is known of it


def test_a_changed_title_is_seen_at_once():
    model = fitted(TFIDF(), table(TITLES))
    assert np.isneginf(model.scores(question([0]), table(TITLES))[0, 2])
    changed = table(("green tea", "green tea tea leaf", "green coffee", *TITLES[3:]))
    assert np.isfinite(model.scores(question([0]), changed)[0, 2])


def test_topics_are_words_too():
    topics = [[1, 0], [1, 0], [0, 1], [0, 1], [0, 0], [0, 0], [1, 0]]
    items = table(TITLES, topics)
    assert np.isfinite(fitted(TFIDF(), items).scores(question([0]), items)[0, 6])
    without = fitted(TFIDF(ContentConfig(topic_weight=0.0)), items)
    assert np.isneginf(without.scores(question([0]), items)[0, 6])
    # More topics than training knew, and fewer.
    wider = table(TITLES, np.hstack([topics, np.ones((7, 1))]))
    narrow = table(TITLES, np.array(topics)[:, :1])
    for other in (wider, narrow):
        assert np.isfinite(fitted(TFIDF(), items).scores(question([0]), other)[0, 6])


def test_words_of_a_single_item_are_left_out():
    assert fitted(TFIDF(), table(TITLES)).learned.vocabulary == ["coffee", "green", "tea", "绿茶"]


@pytest.mark.parametrize("kind", [TFIDF, BM25])
def test_a_catalogue_without_a_word_is_no_error(kind):
    bare = ItemTable.bare(3)
    model = fitted(kind(), bare)
    assert np.isneginf(model.scores(question([0]), bare)).all()
    assert model.because(question([0]), 2).size == 0


@pytest.mark.parametrize("wrong", [{"half_life_days": 0}, {"min_items": 0}, {"k1": -1}, {"b": 2}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        BM25Config(**wrong)


class TestTFIDF(ItemModelContract):
    def make(self):
        return TFIDF()


class TestBM25(ItemModelContract):
    def make(self):
        return BM25()
