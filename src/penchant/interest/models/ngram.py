"""The next item after the last two, as words follow words: an interpolated Kneser-Ney trigram over items."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.domain.space import OneOf, Space
from penchant.interest.models.learned import KeepsLearned
from penchant.interest.models.ngram_counts import KneserNey
from penchant.math.arrays import Float32Array, FloatArray, IntArray

TOPIC_PRIOR = 10.0
"""Pairs of topics that the overall distribution counts for when topics follow topics."""


class NGramConfig(BaseModel):
    """Configuration of the n-gram model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: int = Field(default=3, ge=1, le=3)
    """Length of the runs that are counted; 3 looks at the last two items."""
    discount: float | None = Field(default=None, gt=0, lt=1)
    """Taken off every count; None estimates it for each order."""


@dataclass(frozen=True, slots=True)
class NGramLearned:
    """Counts of items, and of topics after topics.

    Attributes:
        counts: What ``KneserNey.encode`` gives.
        n_topics: Topics, with one more for items without any.
        first: Of each pair of topics that occurred, the first, shape ``(m,)``.
        second: The second, shape ``(m,)``.
        weight: How often it occurred, an item's topics sharing 1, shape ``(m,)``.
    """

    counts: dict[str, Any]
    n_topics: int
    first: IntArray
    second: IntArray
    weight: FloatArray


class NGram(KeepsLearned[NGramLearned]):
    """Score = P(next item = i | the last two items), interpolated Kneser-Ney; see ``KneserNey``.

    The lowest order falls back on topics: ``P0(i) = sum over topics c of q(c | topics of the last item) * share(i, c) /
    sum over items of share(., c)``. So an item that training never saw gets the share of its topic, and after an item
    that training never saw the topics alone speak. Items without topics are a topic of their own.
    """

    name = "ngram"
    Config = NGramConfig
    space: ClassVar[Space] = {"order": OneOf((1, 2, 3)), "discount": OneOf((None, 0.3, 0.5, 0.7, 0.9))}
    _kind = NGramLearned

    def __init__(self, config: NGramConfig | None = None) -> None:
        self.config = config or NGramConfig()

    def fit(self, training: ItemTraining) -> None:
        """Count runs of items and pairs of topics, user by user in the order of time."""
        start, words = sequences(training.interactions)
        n_items = training.items.n_items
        counts = KneserNey.fit(start, words, n_items, self.config.order, self.config.discount)
        about = with_rest(training.items.topics)
        owner = np.repeat(np.arange(start.size - 1), np.diff(start))
        inner = np.flatnonzero(owner[1:] == owner[:-1])
        follows = sparse.csr_array((np.ones(inner.size), (words[inner], words[inner + 1])), shape=(n_items, n_items))
        pairs = sparse.coo_array(about.T @ follows @ about)
        first, second = (np.asarray(place, dtype=np.int64) for place in pairs.coords)
        self._learned = NGramLearned(counts.encode(), about.shape[1], first, second, pairs.data.astype(np.float64))

    @property
    def _counts(self) -> KneserNey:
        return KneserNey.decode(self.learned.counts)

    def _topic_share(self, about: sparse.csr_array, before: int) -> FloatArray:
        """Return how likely each topic is after the topics of an item, shape ``(T + 1,)``."""
        kept, n = self.learned, about.shape[1]
        # Topics that came after the fit stand before the place of those without a topic, which is always the last.
        place = np.append(np.arange(kept.n_topics - 1), n - 1)
        overall = np.ones(n)
        np.add.at(overall, place[kept.second], kept.weight)
        overall /= overall.sum()
        after = TOPIC_PRIOR * overall
        if 0 <= before < about.shape[0]:
            mine = np.zeros(n)
            part = slice(int(about.indptr[before]), int(about.indptr[before + 1]))
            mine[about.indices[part]] = about.data[part]
            np.add.at(after, place[kept.second], kept.weight * mine[place[kept.first]])
        share: FloatArray = after / after.sum()
        return share

    def _base(self, about: sparse.csr_array, mass: FloatArray, before: int) -> FloatArray:
        share = np.where(mass > 0, self._topic_share(about, before), 0.0)
        share /= share.sum() or 1.0
        base: FloatArray = about @ (share / np.where(mass > 0, mass, 1.0))
        return base

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return P(next item) for every item; each row sums to 1, items that came later than the question have 0."""
        counts = self._counts
        out = np.empty((len(histories), items.n_items), np.float32)
        about = with_rest(items.topics)
        # An engine may ask about fewer items than were known at the fit, never of an item that is not in the table.
        more = max(0, counts.n_words - items.n_items)
        moment, known, mass = np.nan, np.empty(0), np.empty(0)
        for b, at in enumerate(histories.asked_at.tolist()):
            if at != moment:
                moment, known = at, (items.since <= at).astype(np.float64)
                mass = about.T @ known
            earlier, before = self._context(histories, b)
            base = known * self._base(about, mass, _item(before, counts.n_words))
            p = counts.distribution(earlier, before, np.pad(base, (0, more)))
            out[b] = p[: items.n_items]
        return out

    def _context(self, histories: Histories, b: int) -> tuple[int, int]:
        counts = self._counts
        last = histories.item[histories.row(b)][-2:].tolist()
        known = [_word(item, counts.n_words) for item in last]
        filled = [counts.n_words] * (2 - len(known)) + known
        return filled[0], filled[1]

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return the last items after which this one was counted."""
        earlier, before = self._context(histories, 0)
        lengths = self._counts.follows(earlier, before, item)
        found = [before] if 1 in lengths or 2 in lengths else []
        found += [earlier] if 2 in lengths else []
        size = self._counts.n_words
        return np.array([one for one in dict.fromkeys(found) if one < size], dtype=np.int64)

    def perplexity(self, interactions: Interactions, items: ItemTable) -> float:
        """Return ``exp(-mean log P)`` of every item given those before it with the same user; NaN without any.

        1 is certainty, the number of items is a blind guess; interactions that the model was not fitted on measure it.
        """
        counts = self._counts
        start, words = sequences(interactions)
        about = with_rest(items.topics)
        mass = np.asarray(about.sum(axis=0)).ravel()
        total = 0.0
        bases: dict[int, FloatArray] = {}
        for s in range(start.size - 1):
            earlier = before = counts.n_words
            for word in words[start[s] : start[s + 1]].tolist():
                last = _item(before, counts.n_words)
                base = bases.get(last)
                if base is None:
                    base = bases[last] = self._base(about, mass, last)
                total += math.log(counts.probability(earlier, before, word, float(base[word])))
                earlier, before = before, _word(word, counts.n_words)
        return math.exp(-total / words.size) if words.size else math.nan


def _word(item: int, n_words: int) -> int:
    """Return the word for an item: one that came after the fit steps over the mark of a beginning, ``n_words``."""
    return item if item < n_words else item + 1


def _item(word: int, n_words: int) -> int:
    """Return the item of a word, -1 for the mark of a beginning."""
    return word if word < n_words else word - 1 if word > n_words else -1


def sequences(interactions: Interactions) -> tuple[IntArray, IntArray]:
    """Return every user's items in the order of time: ``(start, items)``; at one moment in the order of the log."""
    order = np.lexsort((np.arange(interactions.user.size), interactions.at, interactions.user))
    count = np.bincount(interactions.user, minlength=interactions.n_users)
    return np.concatenate([[0], np.cumsum(count)]).astype(np.int64), interactions.item[order].astype(np.int64)


def with_rest(topics: sparse.csr_array) -> sparse.csr_array:
    """Return the items' topics with one column more, for items without any: rows sum to 1, shape ``(I, T + 1)``."""
    rest = (np.asarray(topics.sum(axis=1)).ravel() <= 0).astype(np.float64)
    return sparse.csr_array(sparse.hstack([topics, rest[:, None]], format="csr"))
