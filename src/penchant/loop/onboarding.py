"""From the log to questions for a new user: draw people, see what they would answer, choose what tells most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from penchant.clock import from_s
from penchant.config import Settings, component_config
from penchant.domain.onboarding import Question, QuestionKind
from penchant.errors import ConfigError
from penchant.loop.fold import Ledger
from penchant.math.arrays import FloatArray, IntArray
from penchant.recommend.catalog_index import CatalogIndex
from penchant.recommend.onboarding import Crowd, OnboardingConfig, asked_about, choose_questions, likes, taste_of, worth


@dataclass(frozen=True, slots=True)
class _People:
    """People whose tastes are known, the topics or items that questions are about, and what answers are worth."""

    crowd: Crowd
    about: IntArray
    yes: FloatArray
    no: FloatArray
    order: IntArray | None


class Onboarding:
    """Questions to new users of one engine; the people are drawn anew when the log has grown by a tenth."""

    def __init__(self, ledger: Ledger, index: CatalogIndex, settings: Settings) -> None:
        self.config = component_config(OnboardingConfig, settings.components, "onboarding")
        self._ledger = ledger
        self._index = index
        self._seed = settings.seed
        self._known: dict[tuple[str, float | None], tuple[int, _People]] = {}

    def questions(
        self, n: int, kind: QuestionKind, answers: Mapping[str, bool], at: float, live: bool
    ) -> list[Question]:
        """Return the ``n`` most telling questions; see ``Engine.onboarding``."""
        if n < 1 or kind not in ("topic", "item"):
            raise ConfigError(f"n is {n} and kind {kind!r}; n is at least 1, kind 'topic' or 'item'")
        people = self._people(kind, at, live)
        crowd, about = people.crowd, people.about
        names = self._ledger.topics if kind == "topic" else self._ledger.items
        place = {int(number): column for column, number in enumerate(about)}
        given = []
        for name, yes in answers.items():
            number = names.number(name)
            if number < 0:
                raise ConfigError(f"answers: no {kind} {name!r} is known")
            if number in place:  # others were not looked at and tell nothing here
                given.append((place[number], bool(yes)))
        chosen = choose_questions(crowd, n, given, self.config.branches, people.order)
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

    def answered(
        self, user_id: str, answers: Mapping[str, bool], kind: QuestionKind, at: float, live: bool
    ) -> list[dict[str, Any]]:
        """Return the events that answers are: a statement on each topic, a liking of each item that is taken.

        A statement is as strong as people who answer so are different from others. A no to an item is no event: not to
        take something is no dislike.
        """
        if kind not in ("topic", "item"):
            raise ConfigError(f"kind is {kind!r}; 'topic' or 'item'")
        moment = None if live else from_s(at)
        if kind == "item":
            return [
                {"type": "like", "user_id": user_id, "item_id": one, "at": moment}
                for one, yes in answers.items()
                if yes
            ]
        people = self._people(kind, at, live)
        events = []
        for name, yes in answers.items():
            number, worth_of = self._ledger.topics.number(name), people.yes if yes else people.no
            plain = 1.0 if yes else -1.0
            value = float(worth_of[number]) if 0 <= number < worth_of.size else plain
            events.append(
                {"type": "statement", "user_id": user_id, "topics": [name], "value": round(value, 4), "at": moment}
            )
        return events

    def _people(self, kind: QuestionKind, at: float, live: bool) -> _People:
        """Return people as of a moment."""
        key, tail = (kind, None if live else at), self._ledger.log.tail()
        known = self._known.get(key)
        if known is None or not known[0] <= tail <= known[0] * 1.1:
            self._known = {key: (tail, self._drawn(kind, at))}
            known = self._known[key]
        return known[1]

    def _drawn(self, kind: QuestionKind, at: float) -> _People:
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
        taste, cared_for = taste_of(counts, config.prior_events), likes(counts)
        if kind == "topic":
            about = asked_about(cared_for, config.questions)
            said = cared_for[:, about]
        else:
            times = np.asarray((taken > 0).sum(axis=0)).ravel()
            known = np.flatnonzero(times > 0)
            about = known[np.argsort(-times[known], kind="stable")[: config.questions]].astype(np.int64)
            said = (taken[:, about] > 0).toarray()
        order = None
        if config.criterion == "popular":
            done = counts.sum(axis=0)[about] if kind == "topic" else np.asarray(taken.sum(axis=0)).ravel()[about]
            order = np.argsort(-done, kind="stable").astype(np.int64)
        return _People(Crowd.of(taste, said, config.noise), about, *worth(taste, cared_for), order)


def _up_to(state: Any, at: float, n_items: int) -> tuple[IntArray, FloatArray]:
    """Return a user's items and counts without those touched after a moment: what was before it is not told apart there."""
    keep = (state.item_at <= at) & (state.item < n_items) & (state.count > 0)
    return state.item[keep].astype(np.int64), state.count[keep].astype(np.float64)


def _stacked(rows: list[tuple[IntArray, FloatArray]], n_items: int) -> sparse.csr_array:
    start = np.cumsum([0, *(item.size for item, _ in rows)])
    item = np.concatenate([item for item, _ in rows]) if rows else np.empty(0, np.int64)
    count = np.concatenate([count for _, count in rows]) if rows else np.empty(0)
    return sparse.csr_array((count, item, start), shape=(len(rows), n_items))
