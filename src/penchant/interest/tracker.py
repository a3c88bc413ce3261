"""The tracker: evidence per topic at several half-lives, mixed into the probability of the next topic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import pairwise

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from penchant.clock import DAY_S
from penchant.domain.batch import EventBatch, Scope
from penchant.domain.event import EVENT_TYPES, EVIDENCE_WEIGHT
from penchant.domain.interests import Reading
from penchant.domain.packing import pack, unpack
from penchant.math.arrays import Float32Array, FloatArray, Int32Array

FORMAT = 1


class TrackerConfig(BaseModel):
    """Configuration of the tracker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_lives_days: tuple[float, ...] = (1.0, 3.0, 7.0, 21.0, 60.0, 180.0, 720.0)
    """Half-lives of the views in days, rising; the last is the long-term view."""
    short_view: int = Field(default=2, ge=0)
    """Which half-life is the short-term view."""
    negative_half_life_days: float = Field(default=90.0, gt=0)
    """Half-life of evidence against a topic."""
    population_half_life_days: float = Field(default=60.0, gt=0)
    """Half-life of the population prior."""
    max_topics: int = Field(default=256, ge=8)
    """Topics kept per user; beyond it the one with the least long-term evidence is forgotten."""

    @model_validator(mode="after")
    def _views_are_in_order(self) -> TrackerConfig:
        days = self.half_lives_days
        if not all(0 < half_life < math.inf for half_life in days) or any(a >= b for a, b in pairwise(days)):
            raise ValueError("half_lives_days must rise, each above 0")
        if self.short_view >= len(days):
            raise ValueError(f"short_view {self.short_view} is none of the {len(days)} half-lives, counted from 0")
        return self


@dataclass(frozen=True)
class TrackerParameters:
    """What the tracker has learned from data.

    Attributes:
        half_lives_days: The half-lives that it was learned for, shape ``(K,)``.
        weights: Mixture weights over the half-lives by how much is known of the user, shape ``(B, K)``, rows sum to 1.
        strength: Weight of the population prior, in events, per half-life, shape ``(K,)``.
        edges: A user whose long-term evidence is at least ``edges[b]`` uses row ``b + 1``, shape ``(B - 1,)``.
    """

    half_lives_days: FloatArray
    weights: FloatArray
    strength: FloatArray
    edges: FloatArray

    def encode(self) -> bytes:
        """Return the parameters as bytes."""
        return pack(FORMAT, {field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def decode(cls, data: bytes) -> TrackerParameters:
        """Return the parameters that ``encode`` wrote; ``FormatError`` when damaged."""
        return cls(**unpack(data, FORMAT))

    @classmethod
    def default(cls, half_lives_days: FloatArray) -> TrackerParameters:
        """Return parameters for use before ``fit``: slower views get more weight, the prior counts ten events."""
        weights = np.arange(1.0, half_lives_days.size + 1.0)
        return cls(
            half_lives_days, (weights / weights.sum())[None, :], np.full(half_lives_days.size, 10.0), np.empty(0)
        )


@dataclass(frozen=True, slots=True)
class TrackerState:
    """Evidence of one user, as of ``last_at``.

    Attributes:
        topic: Topic numbers, shape ``(m,)``, in the order of their first event.
        positive: Decayed evidence for each topic and half-life, shape ``(m, K)``.
        negative: Decayed evidence against each topic, shape ``(m,)``.
        last_at: Time of the newest event, seconds since 1970.
    """

    topic: Int32Array
    positive: Float32Array
    negative: Float32Array
    last_at: float


@dataclass(frozen=True)
class Tracker:
    """Mixture of exponentially forgetting topic histograms, shrunk to the population.

    Per user and topic the evidence ``e_k`` is the sum of ``weight * 2**(-age / h_k)`` over the user's events, one sum
    per half-life ``h_k``. With ``E_k`` the sum over topics and ``q`` the population's distribution,
    ``p_k(c) = (e_k(c) + s_k q(c)) / (E_k + s_k)`` and ``P(next = c) = sum_k w_k p_k(c)``. Evidence against a topic
    (returns, dislikes, statements) divides its probability by ``1 + negative``.

    An event costs O(topics of the user x K); the state takes ``8 + 4 K`` bytes a topic. Late events enter with the
    weight that they would have by now, so that order does not matter beyond rounding.

    Source:
        Exponential forgetting: Ding & Li, "Time weight collaborative filtering", CIKM 2005, section 4. Shrinkage:
        Dirichlet smoothing, Zhai & Lafferty, SIGIR 2001, section 4. Mixture weights by expectation-maximisation:
        Jelinek & Mercer, 1980.
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

    def start(self) -> TrackerState:
        """Return the state of a user without events."""
        n_views = len(self.config.half_lives_days)
        return TrackerState(
            np.empty(0, np.int32), np.empty((0, n_views), np.float32), np.empty(0, np.float32), -math.inf
        )

    def update(self, states: Mapping[str, TrackerState], batch: EventBatch) -> dict[str, TrackerState]:
        """Return the states after the batch; see ``Learner.update``."""
        from penchant.interest.kernels import fold_topics

        weight = batch.weight
        changed: dict[str, TrackerState] = {}
        negative_half_life = self.config.negative_half_life_days * DAY_S
        for user_id, rows in batch.groups(self.scope, self.types):
            old = states.get(user_id) or self.start()
            topic, positive, negative, last_at = fold_topics(
                old.topic,
                old.positive,
                old.negative,
                old.last_at,
                rows,
                batch.at,
                weight,
                batch.topic_start,
                batch.topic,
                self.half_lives_s,
                negative_half_life,
                self.config.max_topics,
            )
            changed[user_id] = TrackerState(topic, positive, negative, last_at)
        return changed

    def views(self, state: TrackerState, at: float) -> FloatArray:
        """Return the evidence of the state's topics as of ``at`` (not before ``last_at``), shape ``(m, K)``."""
        age = max(0.0, at - state.last_at) if state.topic.size else 0.0
        decayed: FloatArray = state.positive.astype(np.float64) * np.exp2(-age / self.half_lives_s)
        return decayed

    def read(self, state: TrackerState, at: float, population: FloatArray) -> Reading:
        """Return the user's interests at a moment.

        Args:
            state: The user's state; nothing in it may be newer than ``at``.
            at: Seconds since 1970.
            population: Decayed counts of every topic over all users, shape ``(T,)``; need not sum to 1.
        """
        n_topics = population.size
        prior = population + 1e-3  # a topic that nobody ever touched is unlikely, not impossible
        prior /= prior.sum()
        evidence = self.views(state, at)  # (m, K)
        known = evidence.sum(axis=0)  # (K,)
        learned = self.learned
        weights = learned.weights[np.searchsorted(learned.edges, known[-1], side="right")]  # (K,)
        scale = 1.0 / (known + learned.strength)  # (K,)
        prior_scale = learned.strength * scale  # (K,)
        # Dense over topics only for the prior's part; a user touches few of them.
        probability = prior * float(weights @ prior_scale)
        short, long = self.config.short_view, len(self.half_lives_s) - 1
        short_term = prior * prior_scale[short]
        long_term = prior * prior_scale[long]
        slow = np.zeros(n_topics)
        topic = state.topic
        probability[topic] += evidence @ (weights * scale)
        short_term[topic] += evidence[:, short] * scale[short]
        long_term[topic] += evidence[:, long] * scale[long]
        slow[topic] = evidence[:, long]
        if state.negative.any():
            against = np.exp2(-max(0.0, at - state.last_at) / (self.config.negative_half_life_days * DAY_S))
            for view in (probability, short_term, long_term):
                view[topic] /= 1.0 + state.negative * against
                view /= view.sum()
        return Reading(probability, long_term, short_term, slow, float(known[long]), float(known[short]))

    def encode(self, state: TrackerState) -> bytes:
        """Return the state as bytes."""
        return pack(
            FORMAT,
            {
                "topic": state.topic,
                "positive": state.positive,
                "negative": state.negative,
                "last_at": state.last_at,
            },
        )

    def decode(self, data: bytes) -> TrackerState:
        """Return the state that ``encode`` wrote; ``FormatError`` when damaged."""
        found = unpack(data, FORMAT)
        return TrackerState(found["topic"], found["positive"], found["negative"], found["last_at"])

    def last_at(self, state: TrackerState) -> float:
        """Return the time of the newest event, seconds since 1970."""
        return state.last_at
