"""Ask first, learn after: what a tracker knew about each event's topic just before the event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from penchant.domain.batch import EventBatch
from penchant.domain.moment import moments
from penchant.interest.crowd import NO_CROWD, Crowd
from penchant.interest.histogram import TOPIC_TYPES, Histogram
from penchant.math.arrays import FloatArray, Int32Array, IntArray

RECENT = 50
FOREVER_DAYS = 1e6
"""A half-life so long that nothing is forgotten."""
EVIDENCE_VIEWS_DAYS: tuple[float, ...] = (
    *(1.0, 3.0, 7.0, 14.0, 21.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 365.0, 720.0),
    FOREVER_DAYS,
)
"""Half-lives on which the plain models choose: finer than the tracker's own, so that the best single one is found."""


@dataclass(frozen=True, slots=True)
class TopicEvidence:
    """One row for each (event, topic) pair of the chosen users, as known before the event's moment.

    Attributes:
        half_lives_days: The views, shape ``(K,)``.
        topic: Evidence of the topic that came, by view, shape ``(N, K)``.
        known: Evidence over all topics, by view, shape ``(N, K)``.
        prior: The population's share of that topic, shape ``(N,)``, > 0.
        weight: Weight of the pair in the likelihood, shape ``(N,)``; an event's topics share 1.
        recent: The user's last 50 topics, newest first, -1 where there is none, shape ``(N, 50)``.
        came: The topic that came, shape ``(N,)``.
    """

    half_lives_days: FloatArray
    topic: FloatArray
    known: FloatArray
    prior: FloatArray
    weight: FloatArray
    recent: Int32Array
    came: IntArray

    def only(self, half_lives_days: tuple[float, ...]) -> TopicEvidence:
        """Return the same with these views only; each must be there."""
        views = [int(np.flatnonzero(self.half_lives_days == days)[0]) for days in half_lives_days]
        return replace(
            self,
            half_lives_days=self.half_lives_days[views],
            topic=self.topic[:, views],
            known=self.known[:, views],
        )


@dataclass(frozen=True)
class Training:
    """What a topic model may learn from: everything before the cut, and nothing after it.

    Attributes:
        batch: The events before the cut, of all users, in log order.
        population: Decayed topic counts of the days before the day of a moment, shape ``(T,)``; for moments before the
            cut, and at prediction for the moment asked about.
        from_s: Tune on the events from here on, seconds since 1970; earlier ones are only learned.
        users: The tuning sample.
        seed: Seed of all chance.
        n_topics: Number of topics ``T``.
        crowd: What else was known of everybody at a moment, under the same condition.
    """

    batch: EventBatch
    population: Callable[[float], FloatArray]
    from_s: float
    users: frozenset[str]
    seed: int
    n_topics: int
    crowd: Callable[[float], Crowd] = lambda _at: NO_CROWD

    @cached_property
    def evidence(self) -> TopicEvidence:
        """Return what was known before each event of the tuning sample, for every view in ``EVIDENCE_VIEWS_DAYS``."""
        return collect_evidence(self.batch, EVIDENCE_VIEWS_DAYS, self.population, self.users, self.from_s)


def collect_evidence(
    batch: EventBatch,
    half_lives_days: tuple[float, ...],
    population: Callable[[float], FloatArray],
    users: set[str] | frozenset[str] | None = None,
    from_s: float = -np.inf,
) -> TopicEvidence:
    """Return the evidence before every event of the users that happened at ``from_s`` or later.

    Args:
        batch: Events of many users, in log order.
        half_lives_days: The views, rising.
        population: Decayed topic counts as of a moment, shape ``(T,)``.
        users: Whose events are asked about; None for everybody's.
        from_s: Seconds since 1970.
    """
    histogram = Histogram(half_lives_days)
    n_views = len(half_lives_days)
    topic: list[FloatArray] = []
    known: list[FloatArray] = []
    prior: list[FloatArray] = []
    recent: list[Int32Array] = []
    came: list[IntArray] = []
    weight: list[FloatArray] = []
    for _, before, asked in moments(batch, from_s, TOPIC_TYPES, None if users is None else set(users)):
        state = histogram.start()
        last = np.full(RECENT, -1, dtype=np.int32)
        if before.size:
            state, _ = histogram.fold(state, batch, before)
            told = np.concatenate(
                [batch.topic[batch.topic_start[r] : batch.topic_start[r + 1]] for r in before[-RECENT:]]
            )
            last = np.concatenate([told[::-1], last])[:RECENT]
        for moment in asked:
            n = moment.topic.size
            if n:
                views = np.vstack([histogram.views(state, moment.at), np.zeros(n_views)])  # the last row: never seen
                place = np.full(int(moment.topic.max()) + 1, len(views) - 1)
                inside = state.topic < place.size
                place[state.topic[inside]] = np.flatnonzero(inside)
                counts = population(moment.at) + 1e-3
                topic.append(views[place[moment.topic]])
                known.append(np.tile(views.sum(axis=0), (n, 1)))
                prior.append(counts[moment.topic] / counts.sum())
                recent.append(np.tile(last, (n, 1)))
                came.append(moment.topic)
                weight.append(moment.share)
                last = np.concatenate([moment.topic[::-1].astype(np.int32), last])[:RECENT]
            state, _ = histogram.fold(state, batch, moment.rows)
    if not topic:
        topic, known = [np.empty((0, n_views))], [np.empty((0, n_views))]
        prior, weight, came, recent = (
            [np.empty(0)],
            [np.empty(0)],
            [np.empty(0, np.int64)],
            [np.empty((0, RECENT), np.int32)],
        )
    return TopicEvidence(
        np.array(half_lives_days),
        np.concatenate(topic),
        np.concatenate(known),
        np.concatenate(prior),
        np.concatenate(weight),
        np.concatenate(recent),
        np.concatenate(came),
    )
