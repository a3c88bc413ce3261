"""The tracker: evidence per topic at several half-lives, read as the probability of the next topic."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.batch import EventBatch, Scope
from penchant.domain.event import EVENT_TYPES, EVIDENCE_WEIGHT
from penchant.domain.interests import Reading
from penchant.domain.packing import pack, unpack
from penchant.interest.crowd import NO_CROWD, Crowd
from penchant.interest.features import Gathered, feature_matrix
from penchant.interest.hierarchy import prior_down
from penchant.interest.layout import (
    CAUTION,
    EVIDENCE,
    LAST_AT,
    LEAST_REGIME,
    MAX_CHANGES,
    N_REGIME,
    N_SEEN,
    N_SINCE,
    NOVELTY,
    RETURN_EVIDENCE,
    RETURN_SURPRISE,
    STATE_FORMAT,
    SURPRISE,
    TODAY,
    USER_SIZE,
)
from penchant.interest.parameters import TrackerConfig, TrackerParameters
from penchant.math.arrays import Float32Array, FloatArray, Int16Array, Int32Array, IntArray, UInt16Array, UInt32Array

UNKNOWN = 1e-7
"""Probability left for all topics together that nobody has touched so far."""


@dataclass(frozen=True, slots=True)
class TrackerState:
    """Evidence of one user. What is kept of a topic is as of the topic's newest event.

    Attributes:
        topic: Topic numbers, shape ``(m,)``, in the order of their first event.
        at: Time of the newest event on each topic, whole seconds since 1970, shape ``(m,)``.
        evidence: For each topic the decayed evidence at each half-life, the decayed evidence against it, and the
            undecayed evidence since the last change of interests, shape ``(m, K + 2)``.
        count: For each topic on how many days it was touched since the last change, and since what may be the next one
            began, shape ``(m, 2)``.
        gap: Running mean of the logarithm of the days between touches, in steps of 1/2048, shape ``(m,)``.
        regimes: For each earlier regime (up to three) the days and the undecayed evidence of each topic in it, shape
            ``(m, 2 R)``.
        user: Numbers of the user as such; see ``penchant.interest.layout``, shape ``(18,)``.
        changes: When interests changed, seconds since 1970, the newest last, ``-inf`` where there was none, ``(8,)``.
    """

    topic: Int32Array
    at: UInt32Array
    evidence: Float32Array
    count: UInt16Array
    gap: Int16Array
    regimes: Float32Array
    user: FloatArray
    changes: FloatArray

    @property
    def last_at(self) -> float:
        """Return the time of the newest event, seconds since 1970."""
        return float(self.user[LAST_AT])


@dataclass(frozen=True, slots=True)
class Look:
    """A user at a moment, gathered once for all that is asked of it.

    Attributes:
        seen: What is known.
        mixture: The mixture of the shrunk views over the topics known, not yet corrected, shape ``(n,)``.
        features: What the networks see, shape ``(n, F)``; None before ``fit``.
        n_topics: How many topics have a number, T.
    """

    seen: Gathered
    mixture: FloatArray
    features: Float32Array | None
    n_topics: int


@dataclass(frozen=True)
class Tracker:
    """Exponentially forgetting topic histograms, shrunk to the population, mixed, and corrected by rhythm.

    Per user and topic the evidence ``e_k`` is the sum of ``weight * 2**(-age / h_k)`` over the user's events, one sum
    per half-life ``h_k``. With ``E_k`` the sum over topics and ``q`` the population's distribution,
    ``p_k(c) = (e_k(c) + s_k q(c)) / (E_k + s_k)``, and ``m(c) = sum_k w_k p_k(c)``. Where topics lie under others, ``q``
    is first pulled to the branches in which the user's evidence lies (``prior_down``). A small network ``f``, the same
    for every topic and user, sees the views, the time since the topic's last event against its usual gap, what is in
    fashion, how far the user's other topics speak for the topic, and what is known of topic and user: ``P(next = c)``
    is proportional to ``m(c) * exp(f(c))``, times what hour, weekday and context say. Evidence against a topic
    (returns, dislikes) divides its probability by ``1 + negative``.

    A change of interests is detected day by day. Let ``p0`` be the histogram of the days since the last change and
    ``p1`` one that began later and is shrunk to ``p0``; the evidence for a change is the cumulative sum
    ``S = max(0, S) + log p1 / p0`` over each day's topics, the challenger beginning anew whenever ``S`` is not above
    zero. As ``p1`` is known before the day, ``p1 / p0`` has mean 1 under ``p0``, so that ``S >= log A`` happens on
    average at most once in ``A`` active days while the topics follow ``p0`` (``A`` = ``false_alarm_days``). A day weighs
    at most as ``day_topics`` topics, so one binge changes nothing. Each earlier regime is a challenger too: a return is
    recognised without learning it again. Only the part of the evidence that the regimes in force can account for speaks
    for the next topic; strengths and evidence shown are those of all events.

    An event costs O(topics of the user + K); a state takes ``22 + 4 K`` bytes a topic. Late events enter with the weight
    that they would have by now; they do not enter rhythm and detection.

    Source:
        Exponential forgetting: Ding & Li, "Time weight collaborative filtering", CIKM 2005, section 4. Shrinkage:
        Dirichlet smoothing, Zhai & Lafferty, SIGIR 2001, section 4. Mixture weights by expectation-maximisation:
        Jelinek & Mercer, 1980. Detection: cumulative sum of likelihood ratios, Page, Biometrika 1954, Lorden, Annals of
        Mathematical Statistics 1971 (theorem 2); its run length when the ratios have mean 1 or less whatever the data:
        Shin, Ramdas & Rinaldo, "E-detectors", New England Journal of Statistics in Data Science 2023 (section 2).
    """

    config: TrackerConfig = field(default_factory=TrackerConfig)
    parameters: TrackerParameters | None = None

    name = "tracker"
    scope: Scope = "user"
    types: frozenset[str] = frozenset(name for name in EVENT_TYPES if EVIDENCE_WEIGHT[name] != 0.0)

    @cached_property
    def half_lives_s(self) -> FloatArray:
        """Return the half-lives in seconds, shape ``(K,)``."""
        return np.array(self.config.half_lives_days) * DAY_S

    @cached_property
    def learned(self) -> TrackerParameters:
        """Return the learned parameters, the defaults before ``fit``."""
        days = np.array(self.config.half_lives_days)
        if self.parameters is None or not np.array_equal(self.parameters.half_lives_days, days):
            return TrackerParameters.default(days)  # not fitted, or fitted for other half-lives
        return self.parameters

    @cached_property
    def _alarm(self) -> float:
        return math.log(self.config.false_alarm_days)

    def is_due(self, newest_s: Callable[[], float]) -> bool:
        """Return whether the log has moved on so far that P(active) should be calibrated anew.

        Args:
            newest_s: Returns how far the log reaches, seconds since 1970; not asked before ``fit``.
        """
        every, learned = self.config.recalibrate_days, self.learned
        return every > 0 and learned.activity is not None and newest_s() >= learned.calibrated_at + every * DAY_S

    def start(self) -> TrackerState:
        """Return the state of a user without events."""
        n_views = len(self.config.half_lives_days)
        user = np.zeros(USER_SIZE)
        user[LAST_AT], user[TODAY] = -math.inf, -math.inf
        return TrackerState(
            np.empty(0, np.int32),
            np.empty(0, np.uint32),
            np.empty((0, n_views + 2), np.float32),
            np.empty((0, 2), np.uint16),
            np.empty(0, np.int16),
            np.empty((0, 0), np.float32),
            user,
            np.full(MAX_CHANGES, -math.inf),
        )

    def update(self, states: Mapping[str, TrackerState], batch: EventBatch) -> dict[str, TrackerState]:
        """Return the states after the batch; see ``Learner.update``."""
        from penchant.interest.kernels import fold_topics

        config = self.config
        weight = batch.weight
        changed: dict[str, TrackerState] = {}
        negative_half_life = config.negative_half_life_days * DAY_S
        for user_id, rows in batch.groups(self.scope, self.types):
            old = states.get(user_id) or self.start()
            changed[user_id] = TrackerState(
                *fold_topics(
                    old.topic,
                    old.at,
                    old.evidence,
                    old.count,
                    old.gap,
                    old.regimes,
                    old.user,
                    old.changes,
                    rows,
                    batch.at,
                    weight,
                    batch.topic_start,
                    batch.topic,
                    self.half_lives_s,
                    negative_half_life,
                    config.max_topics,
                    NOVELTY,
                    CAUTION,
                    config.day_topics,
                    self._alarm,
                )
            )
        return changed

    def views(self, state: TrackerState, at: float) -> FloatArray:
        """Return the evidence of the state's topics as of ``at`` (not before ``last_at``), shape ``(m, K)``."""
        age = np.maximum(0.0, at - state.at.astype(np.float64))  # (m,)
        decayed: FloatArray = state.evidence[:, :-2].astype(np.float64) * np.exp2(-age[:, None] / self.half_lives_s)
        return decayed

    def negative(self, state: TrackerState, at: float) -> FloatArray:
        """Return the evidence against the state's topics as of ``at``, shape ``(m,)``."""
        age = at - state.at.astype(np.float64)
        left: FloatArray = state.evidence[:, -2].astype(np.float64) * np.exp2(
            -age / (self.config.negative_half_life_days * DAY_S)
        )
        return left

    def accounted(self, state: TrackerState) -> FloatArray:
        """Return how much undecayed evidence of each topic the regimes in force account for, shape ``(m,)``.

        Every regime that may hold now, by its odds: the one since the last change, what challenges it, those before.
        """
        mass = state.evidence[:, -1].astype(np.float64)
        odds = self.config.change_odds
        change, returns = self.spoken(state)
        weight = odds * math.exp(min(50.0, change))
        total, whole = 1.0 + weight, mass.copy()
        whole += weight * mass * state.count[:, 1] / np.maximum(1, state.count[:, 0])
        for r, spoken in enumerate(returns.tolist()):
            weight = odds * math.exp(min(50.0, spoken))
            whole += weight * state.regimes[:, 2 * r + 1]
            total += weight
        return whole / total

    def spoken(self, state: TrackerState) -> tuple[float, FloatArray]:
        """Return what speaks for a change now, and for a return to each earlier regime, as logarithms of odds.

        What the days before have said, and what the last day says as far as it goes, as ``finish_day`` will count it.
        """
        user, n_regimes = state.user, state.regimes.shape[1] // 2
        part = min(user[N_SEEN], self.config.day_topics) / user[N_SEEN] if user[N_SEEN] > 0 else 0.0
        begun = user[N_REGIME] - user[N_SINCE] >= max(user[N_SINCE], LEAST_REGIME)
        change = max(0.0, user[EVIDENCE]) + part * user[SURPRISE] if begun else 0.0
        before = np.maximum(0.0, user[RETURN_EVIDENCE : RETURN_EVIDENCE + n_regimes])
        returns: FloatArray = before + part * user[RETURN_SURPRISE : RETURN_SURPRISE + n_regimes]
        return float(change), returns

    def gather(self, state: TrackerState, at: float, population: FloatArray, crowd: Crowd = NO_CROWD) -> Gathered:
        """Return what is known at a moment of the user and of every topic that anybody has touched by then.

        Args:
            state: The user's state; nothing in it may be newer than ``at``.
            at: Seconds since 1970.
            population: Decayed counts of every topic over all users, shape ``(T,)``; need not sum to 1.
            crowd: What else is known of everybody.
        """
        there = population > 0
        there[state.topic] = True
        number = np.flatnonzero(there)
        # Only what was known by then is summed: topics that came later change no digit of the answer.
        prior = population[number] + 1e-3
        prior /= prior.sum()
        place = np.searchsorted(number, state.topic)
        full = self.views(state, at)
        views = np.minimum(full, self.accounted(state)[:, None])
        days_since = np.maximum(0.0, at - state.at.astype(np.float64)) / DAY_S
        own_prior = prior
        if crowd.parents is not None and state.topic.size:
            own_prior = self._own_prior(views[:, -1], place, prior, number, crowd.parents)
        trends = None if crowd.trends is None else crowd.trends[:, number]
        return Gathered(
            number, prior, own_prior, trends, place, views, full, days_since, state, at, *self.spoken(state)
        )

    def _own_prior(
        self, evidence: FloatArray, place: IntArray, prior: FloatArray, number: IntArray, parents: Int32Array
    ) -> FloatArray:
        """Return the prior pulled to the branches where the user's evidence lies, over the topics known, ``(n,)``."""
        mine, whole = np.zeros(parents.size), np.zeros(parents.size)
        mine[number[place]], whole[number] = evidence, prior
        pulled = prior_down(mine, whole, parents, self.config.branch_events)[number]
        answer: FloatArray = pulled / pulled.sum()
        return answer

    def look(self, state: TrackerState, at: float, population: FloatArray, crowd: Crowd = NO_CROWD) -> Look:
        """Return a user at a moment, for everything that is then asked; see ``gather`` for the arguments."""
        seen = self.gather(state, at, population, crowd)
        facts = self.learned.facts
        if not seen.number.size:
            return Look(seen, np.empty(0), None, population.size)
        p = self.mixture(seen)
        return Look(seen, p, None if facts is None else feature_matrix(seen, p, facts), population.size)

    def read(
        self,
        state: TrackerState,
        at: float,
        population: FloatArray,
        context: Mapping[str, Any] | None = None,
        crowd: Crowd = NO_CROWD,
    ) -> Reading:
        """Return the user's interests at a moment.

        Args:
            state: The user's state; nothing in it may be newer than ``at``.
            at: Seconds since 1970.
            population: Decayed counts of every topic over all users, shape ``(T,)``; need not sum to 1.
            context: What the caller says of the situation, by name; what ``fit`` found to matter is used.
            crowd: What else is known of everybody.
        """
        return self.reading(self.look(state, at, population, crowd), context)

    def reading(self, look: Look, context: Mapping[str, Any] | None = None) -> Reading:
        """Return the user's interests; see ``read``."""
        seen, n_topics = look.seen, look.n_topics
        state = seen.state
        if not seen.number.size:  # nobody has done anything
            even = np.full(n_topics, 1.0 / max(1, n_topics))
            return Reading(even, even, even, np.zeros(n_topics), 0.0, 0.0)
        p = look.mixture.copy()
        learned = self.learned
        if learned.scorer is not None and look.features is not None and state.topic.size:  # it was taught by users
            p *= np.exp(learned.scorer(look.features)[:, 0].astype(np.float64))
        if learned.seasons is not None:
            p *= learned.seasons.factor(seen.number, seen.at, context or {})
        full = seen.full
        known = full.sum(axis=0)
        short, long = self.config.short_view, len(self.half_lives_s) - 1
        strength = learned.strength
        short_term = seen.prior * (strength[short] / (known[short] + strength[short]))
        long_term = seen.prior * (strength[long] / (known[long] + strength[long]))
        place = seen.place
        short_term[place] += full[:, short] / (known[short] + strength[short])
        long_term[place] += full[:, long] / (known[long] + strength[long])
        against = self.negative(state, seen.at)
        if against.any():
            for view in (p, short_term, long_term):
                view[place] /= 1.0 + against
        slow = np.zeros(n_topics)
        slow[state.topic] = full[:, long]
        spread = [self._spread(view, seen.number, n_topics) for view in (p, long_term, short_term)]
        return Reading(spread[0], spread[1], spread[2], slow, float(known[long]), float(known[short]))

    def mixture(self, seen: Gathered) -> FloatArray:
        """Return the mixture of the shrunk views over the topics known, shape ``(n,)``."""
        learned = self.learned
        known = seen.views.sum(axis=0)  # (K,)
        weights = learned.weights[np.searchsorted(learned.edges, known[-1], side="right")]  # (K,)
        scale = 1.0 / (known + learned.strength)  # (K,)
        p = seen.own_prior * float(weights @ (learned.strength * scale))
        p[seen.place] += seen.views @ (weights * scale)
        return p

    @staticmethod
    def _spread(p: FloatArray, number: IntArray, n_topics: int) -> FloatArray:
        """Return probabilities over all topics, of which those nobody knows yet share next to nothing."""
        n_unknown = n_topics - number.size
        whole = np.full(n_topics, UNKNOWN / max(1, n_unknown))
        whole[number] = p / p.sum()
        return whole

    def active(self, state: TrackerState, at: float, population: FloatArray, crowd: Crowd = NO_CROWD) -> FloatArray:
        """Return P(at least one event on the topic within 1, 7 and 30 days after ``at``), shape ``(3, T)``.

        Zero before ``fit``, and for topics that nobody has touched yet.
        """
        return self.activity(self.look(state, at, population, crowd))

    def activity(self, look: Look) -> FloatArray:
        """Return P(at least one event on the topic within 1, 7 and 30 days), shape ``(3, T)``; see ``active``."""
        answer = np.zeros((3, look.n_topics))
        learned = self.learned
        if learned.activity is not None and look.features is not None:
            answer[:, look.seen.number] = learned.activity(look.features)
        return answer

    def changes(self, state: TrackerState) -> FloatArray:
        """Return when the user's interests changed, seconds since 1970, rising; the newest eight."""
        return state.changes[np.isfinite(state.changes)]

    def encode(self, state: TrackerState) -> bytes:
        """Return the state as bytes."""
        return pack(STATE_FORMAT, {name: getattr(state, name) for name in TrackerState.__slots__})

    def decode(self, data: bytes) -> TrackerState:
        """Return the state that ``encode`` wrote; ``FormatError`` when damaged."""
        return TrackerState(**unpack(data, STATE_FORMAT))

    def last_at(self, state: TrackerState) -> float:
        """Return the time of the newest event, seconds since 1970."""
        return state.last_at
