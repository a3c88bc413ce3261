"""Topic models for the tracking table: the tracker, and the plain ones that it must beat, each tuned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from penchant.domain.batch import EventBatch
from penchant.interest.mixture import best_strength, fit_mixture
from penchant.interest.prequential import TopicEvidence
from penchant.interest.tracker import Tracker, TrackerConfig, TrackerParameters, TrackerState
from penchant.math.arrays import FloatArray, IntArray

FOREVER_DAYS = 1e6
"""A half-life so long that nothing is forgotten."""


class TrackerModel:
    """The tracker with its mixture learned on the training slice."""

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.tracker = Tracker(config or TrackerConfig())

    def fit(self, evidence: TopicEvidence) -> None:
        """Learn mixture weights and prior strengths."""
        self.tracker = Tracker(self.tracker.config, fit_mixture(evidence.only(self.tracker.config.half_lives_days)))

    def update(self, states: Mapping[str, TrackerState], batch: EventBatch) -> dict[str, TrackerState]:
        """Return the users' states after the events."""
        return self.tracker.update(states, batch)

    def predict(self, state: TrackerState | None, at: float, population: FloatArray) -> FloatArray:
        """Return P(next topic), shape ``(T,)``."""
        return self.tracker.read(state or self.tracker.start(), at, population).probability

    @property
    def settings(self) -> dict[str, Any]:
        """Return the learned weights and strengths."""
        learned = self.tracker.learned
        return {
            "half_lives_days": list(self.tracker.config.half_lives_days),
            "weights": learned.weights.round(4).tolist(),
            "strength": learned.strength.tolist(),
            "edges": learned.edges.tolist(),
        }


class Ema(TrackerModel):
    """The single best exponential moving average: one half-life and one prior strength, chosen together."""

    def fit(self, evidence: TopicEvidence) -> None:
        """Choose the half-life and the prior strength with the least log loss."""
        days = evidence.half_lives_days
        usable = [k for k in range(days.size) if (days[k] >= FOREVER_DAYS) == isinstance(self, Static)]
        scored = [(best_strength(evidence, k), k) for k in usable]
        (strength, _), view = min(scored, key=lambda entry: entry[0][1])
        self.tracker = Tracker(
            TrackerConfig(
                half_lives_days=(float(days[view]),),
                short_view=0,
                population_half_life_days=self.tracker.config.population_half_life_days,
                max_topics=self.tracker.config.max_topics,
            ),
            TrackerParameters(days[[view]], np.ones((1, 1)), np.array([strength]), np.empty(0)),
        )


class Static(Ema):
    """The user's histogram of all time, smoothed by the population: nothing is ever forgotten."""


class Popularity:
    """The population's decayed distribution, the same for everybody."""

    def fit(self, evidence: TopicEvidence) -> None:
        """Learn nothing."""

    def update(self, states: Mapping[str, float], batch: EventBatch) -> dict[str, float]:
        """Return nothing worth keeping."""
        return {user_id: 0.0 for user_id, _ in batch.groups("user")}

    def predict(self, state: float | None, at: float, population: FloatArray) -> FloatArray:
        """Return the population's distribution, shape ``(T,)``."""
        counts = population + 1e-3
        p: FloatArray = counts / counts.sum()
        return p

    @property
    def settings(self) -> dict[str, Any]:
        """Return nothing: the half-life of the population is the protocol's."""
        return {}


class LastK:
    """The histogram of the user's last ``k`` topics, smoothed by the population; ``k`` and smoothing chosen."""

    def __init__(self) -> None:
        self.k = 20
        self.strength = 10.0

    def fit(self, evidence: TopicEvidence) -> None:
        """Choose ``k`` and the prior strength with the least log loss."""
        hit = evidence.recent == evidence.came[:, None]  # (N, 50)
        there = evidence.recent >= 0
        best = np.inf
        for k in (1, 2, 5, 10, 20, 50):
            mine, known = hit[:, :k].sum(axis=1), there[:, :k].sum(axis=1)
            for strength in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0):
                p = (mine + strength * evidence.prior) / (known + strength)
                loss = float(np.average(-np.log(p), weights=evidence.weight))
                if loss < best:
                    best, self.k, self.strength = loss, k, strength

    def update(self, states: Mapping[str, IntArray], batch: EventBatch) -> dict[str, IntArray]:
        """Return the users' last topics after the events, newest last."""
        changed = {}
        for user_id, rows in batch.groups("user", Tracker.types):
            came = [batch.topic[batch.topic_start[row] : batch.topic_start[row + 1]] for row in rows]
            old = states.get(user_id)
            changed[user_id] = np.concatenate([*([] if old is None else [old]), *came]).astype(np.int64)[-self.k :]
        return changed

    def predict(self, state: IntArray | None, at: float, population: FloatArray) -> FloatArray:
        """Return P(next topic), shape ``(T,)``."""
        counts = population + 1e-3
        p: FloatArray = self.strength * counts / counts.sum()
        known = 0
        if state is not None:
            np.add.at(p, state, 1.0)
            known = state.size
        return p / (known + self.strength)

    @property
    def settings(self) -> dict[str, Any]:
        """Return ``k`` and the prior strength."""
        return {"k": self.k, "strength": self.strength}


EVIDENCE_VIEWS_DAYS: tuple[float, ...] = tuple(
    sorted({*TrackerConfig().half_lives_days, 14.0, 30.0, 45.0, 90.0, 120.0, 365.0, FOREVER_DAYS})
)
"""Half-lives on which the baselines choose: finer than the tracker's own, so that the best single one is found."""
