"""Ask first, learn after: what a tracker knew about each event's topic just before the event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from penchant.domain.batch import EventBatch
from penchant.domain.moment import moments
from penchant.interest.tracker import Tracker
from penchant.math.arrays import FloatArray, Int32Array, IntArray

RECENT = 50


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


def collect_evidence(
    batch: EventBatch,
    tracker: Tracker,
    population: Callable[[float], FloatArray],
    users: set[str] | None = None,
    from_s: float = -np.inf,
) -> TopicEvidence:
    """Return the evidence before every event of the users that happened at ``from_s`` or later.

    Args:
        batch: Events of many users, in log order.
        tracker: Its ``update`` folds the events; its parameters do not matter.
        population: Decayed topic counts as of a moment, shape ``(T,)``.
        users: Whose events are asked about; None for everybody's.
        from_s: Seconds since 1970.
    """
    n_views = len(tracker.config.half_lives_days)
    topic: list[FloatArray] = []
    known: list[FloatArray] = []
    prior: list[FloatArray] = []
    recent: list[Int32Array] = []
    came: list[IntArray] = []
    weight: list[FloatArray] = []
    for user_id, before, asked in moments(batch, from_s, tracker.types, users):
        state = tracker.start()
        last = np.full(RECENT, -1, dtype=np.int32)
        if before.size:
            state = tracker.update({}, batch.select(before))[user_id]
            told = np.concatenate(
                [batch.topic[batch.topic_start[r] : batch.topic_start[r + 1]] for r in before[-RECENT:]]
            )
            last = np.concatenate([told[::-1], last])[:RECENT]
        for moment in asked:
            n = moment.topic.size
            if n:
                views = np.vstack([tracker.views(state, moment.at), np.zeros(n_views)])  # the last row: never seen
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
            state = tracker.update({user_id: state}, batch.select(moment.rows))[user_id]
    if not topic:
        topic, known = [np.empty((0, n_views))], [np.empty((0, n_views))]
        prior, weight, came, recent = (
            [np.empty(0)],
            [np.empty(0)],
            [np.empty(0, np.int64)],
            [np.empty((0, RECENT), np.int32)],
        )
    return TopicEvidence(
        np.array(tracker.config.half_lives_days),
        np.concatenate(topic),
        np.concatenate(known),
        np.concatenate(prior),
        np.concatenate(weight),
        np.concatenate(recent),
        np.concatenate(came),
    )
