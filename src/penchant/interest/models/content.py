"""Items that say the same as the user's: titles, descriptions and topics as sparse vectors, by TF-IDF or BM25."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.interest.models.evidence import Mine, newest_items
from penchant.interest.models.learned import KeepsLearned
from penchant.interest.models.neighbours import Table, best_three, silent_where_zero
from penchant.interest.models.words import words
from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray


class ContentConfig(BaseModel):
    """Configuration of recommending by content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_life_days: float = Field(default=60.0, gt=0)
    """After so many days one of the user's items counts half."""
    max_history: int = Field(default=200, ge=1)
    """The user's newest items that count."""
    min_items: int = Field(default=2, ge=1)
    """Words in fewer items of the training are left out: a word of one item leads nowhere."""
    topic_weight: float = Field(default=1.0, ge=0)
    """What a topic counts beside a word of the title; 0 leaves topics out."""


class BM25Config(ContentConfig):
    """Configuration of recommending by content with BM25."""

    k1: float = Field(default=1.2, ge=0)
    """How much a repeated word adds; 0: nothing."""
    b: float = Field(default=0.75, ge=0, le=1)
    """How much long texts are held against their words; 0: not at all."""


@dataclass(frozen=True, slots=True)
class Language:
    """How rare words and topics are, and how long texts are.

    Attributes:
        vocabulary: The words, in the order of their columns.
        with_word: Items that say each, shape ``(n_words,)``.
        with_topic: Items about each topic, whose columns come after the words', shape ``(n_topics,)``.
        n_items: Items that say anything.
        length: Words and topics of such an item on average.
    """

    vocabulary: list[str]
    with_word: FloatArray
    with_topic: FloatArray
    n_items: int
    length: float

    @property
    def size(self) -> int:
        """Return how many columns there are."""
        return len(self.vocabulary) + self.with_topic.size


@dataclass(frozen=True, slots=True)
class _Said:
    """A catalogue as vectors: what an item gives to a profile, and from each word to the items that it speaks for."""

    items: ItemTable
    gives: Table
    leads: Table
    takes: sparse.csr_array


class TFIDF(KeepsLearned[Language]):
    """Score = cosine-like ``p · v_i``; ``p`` is the mean of the user's items' vectors, faded by age.

    ``v = tf-idf`` of the item's words and topics, scaled to length 1: ``tf = 1 + ln(count)``, ``idf = ln((1 + N) / (1 + n))
    + 1``, a topic as ``topic_weight`` words. The vectors are made of the catalogue at the question, so an item that came
    today has its place; words that training never saw say nothing. Words are cut as in ``words``: of Chinese by pairs.

    Source:
        Salton & Buckley, "Term-weighting approaches in automatic text retrieval", IPM 1988; the profile: Rocchio, 1971,
        without its negative part; the decay is ours.
    """

    name = "tfidf"
    Config: type[ContentConfig] = ContentConfig
    _kind = Language

    def __init__(self, config: ContentConfig | None = None) -> None:
        self.config = config or self.Config()
        self._said: _Said | None = None
        self._cut: dict[str, tuple[Int32Array, Float32Array]] = {}

    def fit(self, training: ItemTraining) -> None:
        """Count in how many items each word and topic is."""
        items = training.items
        cut = [Counter(words(text)) for text in items.text]
        count = Counter(word for said in cut for word in said)
        vocabulary = sorted(word for word, n in count.items() if n >= self.config.min_items)
        with_topic = np.bincount(items.topics.indices, minlength=items.topics.shape[1]).astype(np.float64)
        length = np.diff(items.topics.indptr) + np.array([sum(said.values()) for said in cut], dtype=np.int64)
        self._forget()
        self._learned = Language(
            vocabulary,
            np.array([count[word] for word in vocabulary], dtype=np.float64),
            with_topic,
            int((length > 0).sum()),
            float(length[length > 0].mean()) if length.any() else 1.0,
        )

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` wrote; ``FormatError`` when damaged."""
        super().decode(data)
        self._forget()

    def _forget(self) -> None:
        self._said, self._cut = None, {}

    def _counts(self, items: ItemTable) -> sparse.csr_array:
        """Return how often each item says each word and topic, CSR of shape ``(n_items, size)``."""
        language = self.learned
        place = {word: column for column, word in enumerate(language.vocabulary)}
        rows = [self._row(text, place) for text in items.text]
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum([row.size for row, _ in rows], dtype=np.int64)])
        column = np.concatenate([np.empty(0, np.int32), *(row for row, _ in rows)])
        count = np.concatenate([np.empty(0, np.float32), *(value for _, value in rows)])
        said = sparse.csr_array((count.astype(np.float64), column, start), (items.n_items, len(place)))
        n_topics = min(language.with_topic.size, items.topics.shape[1])
        about: Any = sparse.csr_array(items.topics[:, :n_topics] > 0).astype(np.float64) * self.config.topic_weight
        about.resize((items.n_items, language.with_topic.size))
        both = sparse.csr_array(sparse.hstack([said, about]))
        both.eliminate_zeros()
        return both

    def _row(self, text: str, place: dict[str, int]) -> tuple[Int32Array, Float32Array]:
        """Return the columns and counts of a text, cut once however often the catalogue changes."""
        known = self._cut.get(text)
        if known is None:
            found = sorted((place[word], n) for word, n in Counter(words(text)).items() if word in place)
            column = np.array([column for column, _ in found], dtype=np.int32)
            known = self._cut[text] = (column, np.array([n for _, n in found], dtype=np.float32))
        return known

    def _vectors(self, counts: sparse.csr_array) -> tuple[sparse.csr_array, sparse.csr_array]:
        """Return what items give to a profile, and what they take from one; both of the shape of ``counts``."""
        language = self.learned
        with_it = np.concatenate([language.with_word, language.with_topic])
        vectors = counts.copy()
        vectors.data = np.where(counts.data > 1, 1 + np.log(np.maximum(counts.data, 1)), counts.data)
        vectors.data *= (np.log((1 + language.n_items) / (1 + with_it)) + 1)[vectors.indices]
        length = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
        vectors.data /= np.repeat(np.where(length > 0, length, 1.0), np.diff(vectors.indptr))
        return vectors, vectors

    def _catalogue(self, items: ItemTable) -> _Said:
        """Return the catalogue as vectors, made once for each catalogue."""
        if self._said is None or self._said.items is not items:
            if len(self._cut) > 2 * items.n_items + 1000:
                self._cut = {}
            gives, takes = self._vectors(self._counts(items))
            self._said = _Said(items, Table.of(gives), Table.of(takes.T.tocsr()), takes)
        return self._said

    def _mine(self, histories: Histories, items: ItemTable) -> tuple[Mine, FloatArray]:
        mine = newest_items(histories, items.n_items, self.config.max_history)
        return mine, mine.faded(self.config.half_life_days)

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return how much each item says of what the user's items say; ``-inf`` where they have no word in common."""
        said = self._catalogue(items)
        mine, weight = self._mine(histories, items)
        total = np.bincount(np.repeat(np.arange(len(histories)), np.diff(mine.start)), weight, minlength=len(histories))
        profile = said.gives.spread(mine.start, mine.item, weight, self.learned.size)  # (B, size)
        sought = sparse.csr_array(profile)
        share = sought.data.astype(np.float64) / np.repeat(total, np.diff(sought.indptr))
        return silent_where_zero(
            said.leads.spread(sought.indptr.astype(np.int64), sought.indices, share, items.n_items)
        )

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return the up to three of the user's items that say most of what ``item`` says, in the catalogue last asked of."""
        said = self._said
        if said is None or item >= said.items.n_items:
            return np.empty(0, np.int64)
        mine, weight = self._mine(histories, said.items)
        sought = np.zeros(self.learned.size)
        there = slice(int(said.takes.indptr[item]), int(said.takes.indptr[item + 1]))
        sought[said.takes.indices[there]] = said.takes.data[there]
        part = np.zeros(mine.item.size)
        for place, own in enumerate(mine.item.tolist()):
            column, value = said.gives.row(own)
            part[place] = weight[place] * float(value @ sought[column])
        return best_three(mine.item, np.where(mine.item == item, 0.0, part))


class BM25(TFIDF):
    """Score = ``sum over words p_t * idf_t * tf (k1 + 1) / (tf + k1 (1 - b + b * length / mean length))``.

    ``p_t`` is the faded mean of how often the user's items say ``t``; ``idf = ln(1 + (N - n + 0.5) / (n + 0.5))``.

    Source:
        Robertson & Zaragoza, "The probabilistic relevance framework: BM25 and beyond", FnTIR 2009, section 3.3; the user's
        items take the place of the query.
    """

    name = "bm25"
    Config: type[ContentConfig] = BM25Config
    config: BM25Config

    def _vectors(self, counts: sparse.csr_array) -> tuple[sparse.csr_array, sparse.csr_array]:
        language, config = self.learned, self.config
        with_it = np.concatenate([language.with_word, language.with_topic])
        length = np.asarray(counts.sum(axis=1)).ravel() / language.length
        against = config.k1 * (1 - config.b + config.b * np.repeat(length, np.diff(counts.indptr)))
        takes = counts.copy()
        takes.data = counts.data * (config.k1 + 1) / (counts.data + against)
        takes.data *= np.log(1 + (language.n_items - with_it + 0.5) / (with_it + 0.5))[takes.indices]
        return counts, takes
