"""What is like something else: items like an item, users like a user."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np
from scipy import sparse

from penchant.domain.alike import SimilarItem, SimilarUser
from penchant.domain.profile import History
from penchant.domain.query import Query
from penchant.interest.taste import taste_reader
from penchant.loop.fold import Ledger
from penchant.loop.recommender import Recommender
from penchant.math.arrays import FloatArray, Int32Array
from penchant.math.top import top_n

SOURCES = ("item_knn", "taste", "interest")
"""Asked in this order until the list is full: taken together, near in the vectors, about the same topics."""
TOPICS = 3
"""Topics named of a similar user."""


def similar_items(recommender: Recommender, ledger: Ledger, item_id: str, n: int, at: float) -> list[SimilarItem]:
    """Return ``n`` items like one: what each source would recommend to somebody who took that item and nothing else."""
    query = _of_item(recommender, ledger.items.number(item_id), n, at)
    found: list[SimilarItem] = []
    for source in SOURCES if query is not None else ():
        assert query is not None  # noqa: S101 - the loop is empty otherwise
        proposed = recommender.pipeline.sources[source].candidates(query, n - len(found))
        for item, score in zip(proposed.item.tolist(), proposed.score.tolist(), strict=True):
            if score > 0:
                found.append(SimilarItem(ledger.items.ids[item], query.titles(item), score, source))
                query.allowed[item] = False  # each item once
        if len(found) >= n:
            break
    return found


def _of_item(recommender: Recommender, item: int, n: int, at: float) -> Query | None:
    """Return the question of somebody who took one item just now; None when nobody has heard of the item by then."""
    query = recommender.query("", n, at, {})
    if not 0 <= item < query.since.size or not query.since[item] <= at:
        return None
    one = np.array([item])
    history = History(one.astype(np.int32), np.ones(1), np.array([at]), np.zeros(1, np.int64))
    starts, topics = query.item_topics.indptr, query.item_topics.indices
    mine = topics[starts[item] : starts[item + 1]]
    probability = np.zeros(query.reading.probability.size)
    probability[mine] = query.item_topics.data[starts[item] : starts[item + 1]]
    query.allowed[item] = False
    return dataclasses.replace(
        query,
        history=history,
        taste=taste_reader(history, at),
        reading=dataclasses.replace(query.reading, probability=probability),
    )


class SimilarUsers:
    """Users by the cosine of their long-term evidence on topics.

    The first question reads every user's state; afterwards only those that changed. Evidence fades alike on all topics,
    so a user's direction does not turn with time and need not be read again. Memory: 12 bytes a user and topic.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = Lock()
        self._changed: set[str] | None = None  # None: everything
        self._rows: dict[str, tuple[Int32Array, FloatArray]] = {}
        self._users: list[str] = []
        self._matrix = sparse.csr_array((0, 0))
        ledger.watchers.append(self._watch)

    def _watch(self, learner: str, changed: Mapping[str, Any]) -> None:
        if learner == "tracker" and self._changed is not None:
            self._changed.update(changed)
        elif not learner:
            self._changed = None

    def __call__(self, user_id: str, n: int) -> list[SimilarUser]:
        """Return the ``n`` users most like one, none when nothing is known of the user."""
        with self._lock:
            self._read()
            mine = self._rows.get(user_id)
            if mine is None:
                return []
            direction = np.zeros(self._matrix.shape[1])
            direction[mine[0]] = mine[1]
            similarity = self._matrix @ direction
        users = self._users
        best = top_n(np.where(similarity > 0, similarity, -np.inf), n + 1)
        found = [(users[i], float(similarity[i])) for i in best.tolist() if users[i] != user_id]
        states = self._ledger.states  # whoever was forgotten since is in no answer
        return [
            SimilarUser(other, min(1.0, score), self._shared(direction, other))
            for other, score in found
            if states.get("tracker", other) is not None
        ][:n]

    def _shared(self, direction: FloatArray, other: str) -> tuple[str, ...]:
        topic, weight = self._rows[other]
        part = direction[topic] * weight
        best = np.argsort(-part, kind="stable")[:TOPICS]
        return tuple(self._ledger.topics.ids[int(topic[i])] for i in best if part[i] > 0)

    def _read(self) -> None:
        """Bring the matrix up to date."""
        states = self._ledger.states
        with self._ledger.locked():
            changed, self._changed = self._changed, set()
            if changed is None:
                self._rows = {}
                changed = set(states.every("tracker"))
            if not changed and self._matrix.shape[1] == len(self._ledger.topics):
                return
            fresh = {user_id: states.get("tracker", user_id) for user_id in changed}
            size = len(self._ledger.topics)
        for user_id, state in fresh.items():
            row = None if state is None else self._direction(state)
            if row is None:
                self._rows.pop(user_id, None)
            else:
                self._rows[user_id] = row
        self._users = list(self._rows)
        rows = list(self._rows.values())
        ends = np.concatenate([[0], np.cumsum([topic.size for topic, _ in rows])]).astype(np.int64)
        none = (np.empty(0, np.int32), np.empty(0))
        topic, weight = (np.concatenate([row[i] for row in (*rows, none)]) for i in (0, 1))
        self._matrix = sparse.csr_array((weight, topic, ends), shape=(len(rows), size))

    def _direction(self, state: Any) -> tuple[Int32Array, FloatArray] | None:
        """Return a user's topics and the evidence on each, of length 1; None when there is none."""
        tracker: Any = self._ledger.learners["tracker"]
        evidence = tracker.views(state, state.last_at)[:, -1]
        norm = float(np.linalg.norm(evidence))
        there = evidence > 0
        return (state.topic[there], evidence[there] / norm) if norm > 0 else None
