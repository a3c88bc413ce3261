"""What a topic model must do, so that ``penchant evaluate tracking`` can put it on its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from penchant.domain.batch import EventBatch
from penchant.interest.prequential import TopicEvidence
from penchant.math.arrays import FloatArray


class TopicModel(Protocol):
    """Says, before each of a user's events, how likely each topic is; learns the event afterwards."""

    def fit(self, evidence: TopicEvidence) -> None:
        """Choose every setting from the training slice; called once, before anything else."""
        ...

    def update(self, states: Mapping[str, Any], batch: EventBatch) -> dict[str, Any]:
        """Return the users' states after the events; see ``Learner.update``."""
        ...

    def predict(self, state: Any | None, at: float, population: FloatArray) -> FloatArray:
        """Return P(topic of the next event), shape ``(T,)``, sums to 1.

        Args:
            state: The user's state, None for a user without events.
            at: The moment asked about, seconds since 1970.
            population: Decayed counts of every topic over all users, shape ``(T,)``.
        """
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """Return what ``fit`` chose, as JSON values."""
        ...
