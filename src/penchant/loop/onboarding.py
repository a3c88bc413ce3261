"""From the log to questions for a new user: draw people, see what they would answer, choose what tells most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from penchant.clock import Moment
from penchant.config import Settings, component_config
from penchant.domain.onboarding import Question, QuestionKind
from penchant.errors import ConfigError
from penchant.loop.fold import Ledger
from penchant.math.arrays import BoolArray, FloatArray, IntArray
from penchant.recommend.catalog_index import CatalogIndex
from penchant.recommend.onboarding import Crowd, OnboardingConfig, asked_about, choose_questions, likes, taste_of


class Onboarding:
    """Questions to new users of one engine; the people are drawn anew when the log has grown by a tenth."""

    def __init__(self, ledger: Ledger, index: CatalogIndex, settings: Settings) -> None:
        self.config = component_config(OnboardingConfig, settings.components, "onboarding")
        self._ledger = ledger
        self._index = index
        self._seed = settings.seed
        self._known: dict[tuple[str, float | None], tuple[int, Crowd, IntArray]] = {}

    def questions(
        self, n: int, kind: QuestionKind, answers: Mapping[str, bool], at: float, live: bool
    ) -> list[Question]:
        """Return the ``n`` most telling questions; see ``Engine.onboarding``."""
        if n < 1 or kind not in ("topic", "item"):
            raise ConfigError(f"n is {n} and kind {kind!r}; n is at least 1, kind 'topic' or 'item'")
        crowd, about = self._crowd(kind, at, live)
        names = self._ledger.topics if kind == "topic" else self._ledger.items
        place = {int(number): column for column, number in enumerate(about)}
        given = []
        for name, yes in answers.items():
            number = names.number(name)
            if number < 0:
                raise ConfigError(f"answers: no {kind} {name!r} is known")
            if number in place:  # others were not looked at and tell nothing here
                given.append((place[number], bool(yes)))
        chosen = choose_questions(crowd, n, given, self.config.branches)
        return [
            Question(
                kind, names.ids[about[column]], self._text(kind, int(about[column]), at), round(bits, 4), round(yes, 4)
            )
            for column, bits, yes in chosen
        ]

    def _text(self, kind: QuestionKind, number: int, at: float) -> str:
        if kind == "item":
            return self._index.title(number) or self._ledger.items.ids[number]
        topic = self._ledger.topics.ids[number]
        learner: Any = self._ledger.learners["topic_catalog"]
        entry = learner.read(self._ledger.states.get("topic_catalog", topic) or learner.start(), at)
        return (entry.title if entry is not None else None) or topic

    def _crowd(self, kind: QuestionKind, at: float, live: bool) -> tuple[Crowd, IntArray]:
        """Return people as of a moment, and which topics or items the questions are about."""
        key, tail = (kind, None if live else at), self._ledger.log.tail()
        known = self._known.get(key)
        if known is None or not known[0] <= tail <= known[0] * 1.1:
            self._known = {key: (tail, *self._drawn(kind, at))}
            known = self._known[key]
        return known[1], known[2]

    def _drawn(self, kind: QuestionKind, at: float) -> tuple[Crowd, IntArray]:
        config = self.config
        with self._ledger.locked():
            item_topics = self._index.arrays()[0]
            histories = dict(self._ledger.states.every("history"))
        users = sorted(histories)
        rng = np.random.default_rng([self._seed, 21])
        rows: list[tuple[IntArray, FloatArray]] = []
        for place in rng.permutation(len(users)).tolist():
            mine = _up_to(histories[users[place]], at, item_topics.shape[0])
            if mine[1].sum() >= config.min_events:
                rows.append(mine)
            if len(rows) == config.people:
                break
        taken = _stacked(rows, item_topics.shape[0])
        counts: FloatArray = (taken @ item_topics).toarray()  # (U, T)
        if kind == "topic":
            cared_for: BoolArray = likes(counts)
            about = asked_about(cared_for, config.questions)
            said = cared_for[:, about]
        else:
            times = np.asarray((taken > 0).sum(axis=0)).ravel()
            known = np.flatnonzero(times > 0)
            about = known[np.argsort(-times[known], kind="stable")[: config.questions]].astype(np.int64)
            said = (taken[:, about] > 0).toarray()
        return Crowd.of(taste_of(counts, config.prior_events), said, config.noise), about


def _up_to(state: Any, at: float, n_items: int) -> tuple[IntArray, FloatArray]:
    """Return a user's items and counts without those touched after a moment: what was before it is not told apart there."""
    keep = (state.item_at <= at) & (state.item < n_items) & (state.count > 0)
    return state.item[keep].astype(np.int64), state.count[keep].astype(np.float64)


def _stacked(rows: list[tuple[IntArray, FloatArray]], n_items: int) -> sparse.csr_array:
    start = np.cumsum([0, *(item.size for item, _ in rows)])
    item = np.concatenate([item for item, _ in rows]) if rows else np.empty(0, np.int64)
    count = np.concatenate([count for _, count in rows]) if rows else np.empty(0)
    return sparse.csr_array((count, item, start), shape=(len(rows), n_items))


def answer_events(
    user_id: str, answers: Mapping[str, bool], kind: QuestionKind, at: Moment | None
) -> list[dict[str, Any]]:
    """Return the events that answers are: a statement on each topic, a liking of each item that is taken.

    A no to an item is no event: not to take something is no dislike.
    """
    if kind not in ("topic", "item"):
        raise ConfigError(f"kind is {kind!r}; 'topic' or 'item'")
    if kind == "item":
        return [{"type": "like", "user_id": user_id, "item_id": name, "at": at} for name, yes in answers.items() if yes]
    return [
        {"type": "statement", "user_id": user_id, "topics": [name], "value": 1.0 if yes else -1.0, "at": at}
        for name, yes in answers.items()
    ]
