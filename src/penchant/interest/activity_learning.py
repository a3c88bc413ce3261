"""Learn how likely users turn to topics in time, and keep what is said calibrated as the data move on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logit

from penchant.clock import DAY_S
from penchant.domain.activity import HORIZONS_DAYS
from penchant.domain.batch import EventBatch
from penchant.interest import network as networks
from penchant.interest.activity import Activity, Calibration
from penchant.interest.crowd import Crowd
from penchant.interest.features import Gathered, feature_matrix
from penchant.interest.network import Network
from penchant.interest.tracker import Tracker, TrackerState
from penchant.math.arrays import Float32Array, FloatArray, IntArray

QUESTION_CELLS = 800_000
MAX_QUESTIONS = 2_666
"""Rows of features, and questions: with half as many the calibration suffers."""
CALIBRATION_CELLS = 500_000
MAX_CALIBRATION_QUESTIONS = 1_500
"""The same for a calibration alone."""
CALIBRATION_DAYS = 28.0
"""A calibration rests on the questions of so many days whose horizon has just ended: whole weeks, and not too old."""
MIN_QUESTIONS = 100
EPOCHS = 12
HIDDEN = 24
ASKED_PER_USER = 4
MAX_ASKED_PER_USER = 40


@dataclass(frozen=True)
class Around:
    """What everybody did, as of any moment: decayed counts, shape ``(T,)``, and what else is known."""

    population: Callable[[float], FloatArray]
    crowd: Callable[[float], Crowd]

    def gather(self, tracker: Tracker, state: TrackerState, at: float) -> Gathered:
        """Return what is known of a user at a moment."""
        return tracker.gather(state, at, self.population(at), self.crowd(at))


@dataclass(frozen=True)
class Answered:
    """What was asked of (user, moment, topic) triples, and what came of it.

    Attributes:
        features: What the network sees, shape ``(N, F)``.
        happened: Whether the topic came within each horizon, 1 or 0, NaN where the horizon ends too late, ``(N, H)``.
        at: The moments, seconds since 1970, shape ``(N,)``.
    """

    features: Float32Array
    happened: Float32Array
    at: FloatArray


def drawn_users(batch: EventBatch, types: frozenset[str], rng: np.random.Generator) -> list[tuple[str, IntArray]]:
    """Return users and the rows of their events, in an order drawn."""
    groups = batch.groups("user", types)
    return [groups[i] for i in rng.permutation(len(groups))]


def lives(batch: EventBatch, types: frozenset[str], rng: np.random.Generator) -> Iterator[tuple[str, EventBatch]]:
    """Yield users in an order drawn, each with the events that matter in the order of time."""
    for user_id, rows in drawn_users(batch, types, rng):
        yield user_id, batch.select(rows[np.argsort(batch.at[rows], kind="stable")])


def learn_activity(
    tracker: Tracker, batch: EventBatch, around: Around, from_s: float, rng: np.random.Generator
) -> Activity | None:
    """Return what says how likely a topic is within a horizon, calibrated on the newest questions of each horizon.

    The network learns from the first two thirds of the time and stops by the last; None where too little happened.
    """
    end = float(batch.at.max())
    cells = max(1, len(batch.topics))
    limit = max(MIN_QUESTIONS, min(MAX_QUESTIONS, QUESTION_CELLS // cells))
    users = drawn_users(batch, tracker.types, rng)
    times = min(MAX_ASKED_PER_USER, max(ASKED_PER_USER, limit // max(1, len(users))))
    asked = ask_activity(tracker, lives(batch, tracker.types, rng), around, (from_s, end), (limit, times), rng)
    late = asked.at >= from_s + (end - from_s) * 2 / 3
    features, happened = asked.features, asked.happened
    if not features.size or np.nansum(happened[~late, 0]) < MIN_QUESTIONS or late.all():
        return None
    learned_on, held = np.flatnonzero(~late), np.flatnonzero(late)
    first = networks.start(features[learned_on], HIDDEN, len(HORIZONS_DAYS), rng)
    answered = np.maximum(1, (~np.isnan(happened[learned_on])).sum(axis=0))  # of a short log no month has ended yet
    rate = np.clip(np.nansum(happened[learned_on], axis=0) / answered, 1e-6, 0.5)
    first = Network(first.mean, first.scale, (*first.weights[:5], logit(rate).astype(np.float32)))
    size = min(8_192, max(64, learned_on.size // 40))  # few data are seen in many small steps
    n_steps = max(1, learned_on.size // size)

    def steps(rng: np.random.Generator) -> Iterator[networks.Batch]:
        for part in np.array_split(rng.permutation(learned_on), n_steps):
            yield features[part], networks.logistic_loss(happened[part])

    def validate(network: Network) -> float:
        return networks.logistic_loss(happened[held])(network(features[held]))[0]

    network, _, _ = networks.train(first, steps, n_steps, validate, EPOCHS, rng)
    bare = Activity(network, tuple(Calibration(np.empty(0), np.empty(0)) for _ in HORIZONS_DAYS))
    taught = replace(tracker, parameters=replace(tracker.learned, activity=bare))
    return recalibrated(taught, lives(batch, tracker.types, rng), around, end, rng)


def recalibrated(
    tracker: Tracker,
    users: Iterable[tuple[str, EventBatch]],
    around: Around,
    upto: float,
    rng: np.random.Generator,
) -> Activity:
    """Return the tracker's activity with its calibration learned anew from what happened lately.

    Each horizon rests on the questions of the 28 days whose horizon ended by ``upto``; where too little came of them it
    keeps the calibration that it had.

    Args:
        tracker: Fitted; its network stays as it is.
        users: In an order drawn, each with its events in the order of time; no more are taken than needed.
        around: What everybody did.
        upto: What came later is not known, seconds since 1970.
        rng: Draws moments.
    """
    activity = tracker.learned.activity
    assert activity is not None  # noqa: S101 - who asks has looked
    n_topics = max(1, around.population(upto).size)
    limit = max(MIN_QUESTIONS, min(MAX_CALIBRATION_QUESTIONS, CALIBRATION_CELLS // n_topics))
    span = (upto - (max(HORIZONS_DAYS) + CALIBRATION_DAYS) * DAY_S, upto)
    asked = ask_activity(tracker, users, around, span, (limit, ASKED_PER_USER), rng)
    if not asked.features.size:
        return activity
    newest = upto - np.array(HORIZONS_DAYS) * DAY_S
    of_late = asked.at[:, None] >= newest - CALIBRATION_DAYS * DAY_S
    return activity.recalibrated(asked.features, np.where(of_late, asked.happened, np.float32(np.nan)))


def ask_activity(
    tracker: Tracker,
    users: Iterable[tuple[str, EventBatch]],
    around: Around,
    span: tuple[float, float],
    limits: tuple[int, int],
    rng: np.random.Generator,
) -> Answered:
    """Ask users at moments drawn evenly from a span of time which topics they will turn to.

    Args:
        tracker: With mixture and facts learned.
        users: Each with its events in the order of time.
        around: What everybody did.
        span: Begin and end, seconds since 1970; what comes after the end is not known.
        limits: How many questions in all, and of one user.
        rng: Draws the moments.
    """
    facts = tracker.learned.facts
    features, happened, at = [], [], []
    horizons = np.array(HORIZONS_DAYS) * DAY_S
    from_s, end = span
    n = 0
    for user_id, own in users:
        if n >= limits[0] or facts is None:
            break
        begin = max(from_s, float(own.at[0]) + 1.0) if len(own) else end
        if begin >= end - horizons[0]:
            continue
        owner = own.topic_owner
        speaks = own.weight[owner] > 0
        state, done = tracker.start(), 0
        for moment in np.sort(rng.uniform(begin, end - horizons[0], limits[1])).tolist():
            upto = int(np.searchsorted(own.at, moment, side="right"))
            if upto > done:
                state = tracker.update({user_id: state}, own.select(np.arange(done, upto))).get(user_id, state)
                done = upto
            seen = around.gather(tracker, state, moment)
            came = np.zeros((seen.number.size, horizons.size), dtype=np.float32)
            for h, horizon in enumerate(horizons.tolist()):
                if moment + horizon > end:
                    came[:, h] = np.nan
                    continue
                later = speaks & (own.at[owner] > moment) & (own.at[owner] <= moment + horizon)
                came[np.isin(seen.number, own.topic[later]), h] = 1.0
            features.append(feature_matrix(seen, tracker.mixture(seen), facts))
            happened.append(came)
            at.append(np.full(seen.number.size, moment))
            n += 1
    if not features:
        return Answered(np.empty((0, 0), np.float32), np.empty((0, horizons.size), np.float32), np.empty(0))
    return Answered(np.concatenate(features), np.concatenate(happened), np.concatenate(at))
