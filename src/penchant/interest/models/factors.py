"""Items as short vectors whose product with a user's says who takes what; what ALS and BPR have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.errors import NotInstalledError
from penchant.interest.models.evidence import Mine, newest_items
from penchant.interest.models.learned import KeepsLearned
from penchant.interest.models.neighbours import best_three
from penchant.math.arrays import BoolArray, Float32Array, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Factors:
    """What a factor model keeps: items, not users, who are found by their histories.

    Attributes:
        item: A vector for each item, zeros for those nobody took, shape ``(n_items, d)``.
        bias: Added to the score of each item, shape ``(n_items,)``.
        known: Whether anybody took the item, shape ``(n_items,)``.
        topic: The mean vector of the items of each topic, for items that came later; none where topics were not learned
            from, shape ``(n_topics, d)``.
        user: From the mean of a user's items to the user's vector, shape ``(d, d)``; none where that is solved for.
    """

    item: Float32Array
    bias: Float32Array
    known: BoolArray
    topic: Float32Array
    user: Float32Array

    @classmethod
    def of(
        cls,
        item: Float32Array,
        known: BoolArray,
        bias: Float32Array | None = None,
        topic: Float32Array | None = None,
        user: Float32Array | None = None,
    ) -> Factors:
        """Return factors in which what is left out is none, or zero."""
        nothing = np.empty((0, item.shape[1]), np.float32)
        return cls(
            item,
            np.zeros(known.size, np.float32) if bias is None else bias,
            known,
            nothing if topic is None else topic,
            nothing if user is None else user,
        )


class FactorModel(KeepsLearned[Factors]):
    """Score = ``x_u · y_i + b_i``, with ``x_u`` worked out from the history: a new user is like one of the training."""

    _kind = Factors
    config: Any

    def vectors(self, mine: Mine, value: FloatArray) -> Float32Array:
        """Return the vectors of the rows, shape ``(B, d)``; zeros without a known item."""
        raise NotImplementedError

    def parts(self, mine: Mine, value: FloatArray, item: int) -> FloatArray:
        """Return what each item of one row adds to the product with ``item``, shape ``(m,)``."""
        raise NotImplementedError

    def _mine(self, histories: Histories) -> tuple[Mine, FloatArray]:
        mine = newest_items(histories, self.learned.known.size)
        return mine, mine.faded(self.config.half_life_days)

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return the products; ``-inf`` for items without a vector, and everywhere for users of no known item."""
        learned = self.learned
        found = self.vectors(*self._mine(histories))
        scores = np.full((len(histories), items.n_items), -np.inf, np.float32)
        known = np.flatnonzero(learned.known[: items.n_items])
        scores[:, known] = found @ learned.item[known].T + learned.bias[known]
        if learned.topic.shape[0]:
            fresh = np.setdiff1d(np.arange(items.n_items), known)
            scores[:, fresh] = self._by_topics(found, items, fresh)
        scores[~found.any(axis=1)] = -np.inf
        return scores

    def _by_topics(self, found: Float32Array, items: ItemTable, fresh: IntArray) -> Float32Array:
        """Return the scores of items nobody took: by the mean vector of their topics; ``-inf`` without one."""
        n_topics = min(self.learned.topic.shape[0], items.topics.shape[1])
        share: Any = items.topics[fresh][:, :n_topics]
        told = np.asarray(share.sum(axis=1)).ravel() > 0
        vectors = np.asarray(share @ self.learned.topic[:n_topics], np.float32)
        return np.where(told, found @ vectors.T, np.float32(-np.inf))

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return the up to three of the user's items that add most to the product."""
        mine, value = self._mine(histories)
        if item >= self.learned.known.size or not self.learned.known[item] or not mine.item.size:
            return np.empty(0, np.int64)
        return best_three(mine.item, np.where(mine.item == item, 0.0, self.parts(mine, value, item)))


def topic_vectors(items: ItemTable, vectors: Float32Array, known: BoolArray) -> Float32Array:
    """Return the mean vector of the known items of each topic, each weighing its share of the topic."""
    share: Any = items.topics[np.flatnonzero(known)].T
    total = np.asarray(share.sum(axis=1)).ravel()
    mean = (share @ vectors[known]) / np.where(total > 0, total, 1.0)[:, None]
    return np.asarray(mean, np.float32)


def telling(training: ItemTraining, name: str, epochs: int) -> Callable[..., None]:
    """Return what the library calls after every round."""
    return lambda epoch, *_: training.progress(f"fit {name}", epoch + 1, epochs)


@dataclass(frozen=True, slots=True)
class Library:
    """What is used of the package ``implicit``; ``limits`` keeps BLAS to one thread meanwhile, as it asks for."""

    als: Any
    bpr: Any
    limits: Callable[[], AbstractContextManager[Any]]


def library() -> Library:
    """Return the package.

    Raises:
        NotInstalledError: When the extra ``cf`` is missing.
    """
    try:
        from implicit.cpu.als import AlternatingLeastSquares
        from implicit.cpu.bpr import BayesianPersonalizedRanking
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
    except ImportError as error:
        raise NotInstalledError("implicit", "pip install 'penchant[cf]'") from error
    return Library(AlternatingLeastSquares, BayesianPersonalizedRanking, lambda: threadpool_limits(1, "blas"))
