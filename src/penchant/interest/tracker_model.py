"""The tracker as a topic model, for ``penchant evaluate tracking``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penchant.domain.batch import EventBatch
from penchant.interest.mixture import fit_mixture
from penchant.interest.prequential import Training
from penchant.interest.tracker import Tracker, TrackerConfig, TrackerState
from penchant.math.arrays import FloatArray


class TrackerModel:
    """The tracker with its mixture learned on the training slice."""

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.tracker = Tracker(config or TrackerConfig())

    def fit(self, training: Training) -> None:
        """Learn mixture weights and prior strengths."""
        evidence = training.evidence.only(self.tracker.config.half_lives_days)
        self.tracker = Tracker(self.tracker.config, fit_mixture(evidence))

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
