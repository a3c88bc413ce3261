"""The tracker as a topic model, for ``penchant evaluate tracking``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.batch import EventBatch
from penchant.domain.interests import Reading
from penchant.interest.activity_learning import Around, lives, recalibrated
from penchant.interest.crowd import NO_CROWD, Crowd
from penchant.interest.layout import N_CHANGES
from penchant.interest.learning import fit_tracker
from penchant.interest.parameters import TrackerConfig
from penchant.interest.prequential import Training
from penchant.interest.tracker import Tracker, TrackerState
from penchant.math.arrays import FloatArray


class TrackerModel:
    """The tracker with its parameters learned on the training slice."""

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.tracker = Tracker(config or TrackerConfig())
        self._around: Around | None = None
        self._fresh: list[tuple[float, Tracker]] = []
        self._seed = 0
        self.crowd: Callable[[float], Crowd] = lambda _at: NO_CROWD

    def fit(self, training: Training) -> None:
        """Learn the mixture, the network, the seasons, activity and its calibration."""
        names = [str(number) for number in range(training.n_topics)]
        self.crowd, self._seed, self._fresh = training.crowd, training.seed, []
        self._around = Around(training.population, training.crowd)
        parameters = fit_tracker(
            self.tracker, training.batch, training.population, training.from_s, names, training.seed, crowd=self.crowd
        )
        self.tracker = Tracker(self.tracker.config, parameters)

    def update(self, states: Mapping[str, TrackerState], batch: EventBatch) -> dict[str, TrackerState]:
        """Return the users' states after the events."""
        return self.tracker.update(states, batch)

    def predict(self, state: TrackerState | None, at: float, population: FloatArray) -> FloatArray:
        """Return P(next topic), shape ``(T,)``."""
        return self._read(state, at, population).probability

    def _read(self, state: TrackerState | None, at: float, population: FloatArray) -> Reading:
        return self.tracker.read(state or self.tracker.start(), at, population, crowd=self.crowd(at))

    def active(self, state: TrackerState | None, at: float, population: FloatArray) -> FloatArray:
        """Return P(at least one event on the topic within 1, 7 and 30 days), shape ``(3, T)``."""
        tracker = next((fresh for since, fresh in reversed(self._fresh) if since <= at), self.tracker)
        return tracker.active(state or tracker.start(), at, population, self.crowd(at))

    def refresh(self, batch: EventBatch, at: float) -> None:
        """Calibrate P(active) anew on the questions whose horizon ended by ``at``; see ``contract.Refreshes``."""
        if self._around is None or self.tracker.learned.activity is None:
            return
        rng = np.random.default_rng([self._seed, 21, int(at // DAY_S)])
        users = lives(batch, self.tracker.types, rng)
        activity = recalibrated(self.tracker, users, self._around, at, rng)
        fresh = Tracker(self.tracker.config, replace(self.tracker.learned, activity=activity))
        self._fresh.append((at, fresh))

    def changes(self, state: TrackerState) -> FloatArray:
        """Return when interests changed, seconds since 1970, rising; the newest eight."""
        return self.tracker.changes(state)

    def n_changes(self, state: TrackerState) -> int:
        """Return how many changes were detected so far."""
        return int(state.user[N_CHANGES])

    def strengths(self, state: TrackerState | None, at: float, population: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ``(short_term, long_term)``, each of shape ``(T,)``."""
        reading = self._read(state, at, population)
        return reading.short_term, reading.long_term

    @property
    def settings(self) -> dict[str, Any]:
        """Return what was learned."""
        learned = self.tracker.learned
        return {
            "half_lives_days": list(self.tracker.config.half_lives_days),
            "weights": learned.weights.round(4).tolist(),
            "strength": learned.strength.tolist(),
            "edges": learned.edges.tolist(),
            "network": learned.scorer is not None,
            "seasons": {name: one.exponent for name, one in learned.seasons.by_name.items()} if learned.seasons else {},
            "activity": learned.activity is not None,
        }
