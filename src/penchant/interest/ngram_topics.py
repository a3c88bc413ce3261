"""The next topic after the last two, as words follow words: interpolated Kneser-Ney over topics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from penchant.domain.batch import EventBatch
from penchant.interest.baselines import share_of
from penchant.interest.histogram import TOPIC_TYPES
from penchant.interest.models.ngram_counts import KneserNey
from penchant.interest.prequential import Training
from penchant.math.arrays import FloatArray, IntArray

HELD_OUT = 0.2
"""Share of the training users whose topics choose the order; the counts are then taken from everybody."""


class NGramTopics:
    """P(next topic | the user's last two topics); the lowest order falls back on the population.

    The order (1, 2 or 3) is the one of least log loss on users that were held out. Topics of one event follow each other
    in the order in which it names them.

    Source:
        As ``penchant.interest.models.ngram_counts.KneserNey``.
    """

    def __init__(self) -> None:
        self.counts: KneserNey | None = None
        self.loss: dict[int, float] = {}

    def fit(self, training: Training) -> None:
        """Choose the order on users held out, then count everybody's topics."""
        told = _sequences(training.batch)
        if not told:
            return
        rng = np.random.default_rng([training.seed, 37])
        out = set(rng.permutation(len(told))[: int(HELD_OUT * len(told))].tolist())
        rest = [topics for number, topics in enumerate(told) if number not in out]
        prior = share_of(training.population(training.from_s))
        for order in (1, 2, 3):
            counts = _count(rest, training.n_topics, order)
            self.loss[order] = _loss(counts, [told[number] for number in sorted(out)], prior) if out else 0.0
        best = min(self.loss, key=lambda order: self.loss[order])
        self.counts = _count(told, training.n_topics, best)

    def update(self, states: Mapping[str, IntArray], batch: EventBatch) -> dict[str, IntArray]:
        """Return the users' last two topics after the events, newest last."""
        changed = {}
        for user_id, rows in batch.groups("user", TOPIC_TYPES):
            came = [batch.topic[batch.topic_start[row] : batch.topic_start[row + 1]] for row in rows]
            old = states.get(user_id)
            changed[user_id] = np.concatenate([*([] if old is None else [old]), *came]).astype(np.int64)[-2:]
        return changed

    def predict(self, state: IntArray | None, at: float, population: FloatArray) -> FloatArray:
        """Return P(next topic), shape ``(T,)``."""
        base = share_of(population)
        if state is None or self.counts is None or state.size == 0:
            return base
        mark = self.counts.n_words
        # A topic from ``n_words`` on came after the fit: a number beyond the mark says so.
        last = [mark] * (2 - state.size) + [topic if topic < mark else topic + 1 for topic in state.tolist()]
        size = max(base.size, mark)
        p: FloatArray = self.counts.distribution(last[0], last[1], np.pad(base, (0, size - base.size)))[: base.size]
        p /= p.sum()
        return p

    @property
    def settings(self) -> dict[str, Any]:
        """Return the order, and the log loss of each order on users held out."""
        return {
            "order": self.counts.order if self.counts else 0,
            "loss_by_order": {str(order): round(loss, 4) for order, loss in self.loss.items()},
        }


def _sequences(batch: EventBatch) -> list[IntArray]:
    """Return the topics of every user that has any, in the order of the log."""
    found = []
    for _, rows in batch.groups("user", TOPIC_TYPES):
        topics = np.concatenate([batch.topic[batch.topic_start[row] : batch.topic_start[row + 1]] for row in rows])
        if topics.size:
            found.append(topics.astype(np.int64))
    return found


def _count(told: list[IntArray], n_topics: int, order: int) -> KneserNey:
    start = np.concatenate([[0], np.cumsum([topics.size for topics in told])]).astype(np.int64)
    words = np.concatenate(told) if told else np.empty(0, np.int64)
    return KneserNey.fit(start, words, n_topics, order, None)


def _loss(counts: KneserNey, told: list[IntArray], prior: FloatArray) -> float:
    """Return the mean log loss in nats."""
    total, n = 0.0, 0
    for topics in told:
        earlier = before = counts.n_words
        for topic in topics.tolist():
            total -= float(np.log(counts.probability(earlier, before, topic, float(prior[topic]))))
            earlier, before, n = before, topic, n + 1
    return total / max(1, n)
