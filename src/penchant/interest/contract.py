"""What a topic model must do, so that ``penchant evaluate tracking`` can put it on its tables, and what it may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from penchant.domain.batch import EventBatch
from penchant.interest.prequential import Training
from penchant.math.arrays import FloatArray


class TopicModel(Protocol):
    """Says, before each of a user's events, how likely each topic is; learns the event afterwards.

    States are values: ``update`` returns new ones and leaves the old as they were, and a batch gives the states that its
    events give one by one.
    """

    def fit(self, training: Training) -> None:
        """Choose every setting from what came before the cut; called once, before anything else."""
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


@runtime_checkable
class SaysActivity(Protocol):
    """Says how likely it is that a user turns to a topic soon at all; the activity table asks it."""

    def active(self, state: Any | None, at: float, population: FloatArray) -> FloatArray:
        """Return P(at least one event on the topic within 1, 7 and 30 days after ``at``), shape ``(3, T)``.

        An event counts when its type speaks for interest (weight above 0). The horizons are ``HORIZONS_DAYS`` of
        ``penchant.domain.activity``; arguments as for ``predict``.
        """
        ...


@runtime_checkable
class Refreshes(Protocol):
    """Keeps its calibration fresh; the activity table calls it before each week's questions."""

    def refresh(self, batch: EventBatch, at: float) -> None:
        """Learn anew from what happened before a moment how far to trust what ``active`` says from then on.

        Args:
            batch: Every event before ``at``, of all users.
            at: Seconds since 1970; rising from call to call. ``active`` must answer for earlier moments as before.
        """
        ...


@runtime_checkable
class SaysChanges(Protocol):
    """Says when a user's interests changed; the detection table asks it."""

    def changes(self, state: Any) -> FloatArray:
        """Return the times of the changes detected so far, seconds since 1970, rising; the newest may suffice."""
        ...

    def n_changes(self, state: Any) -> int:
        """Return how many changes were detected so far."""
        ...


@runtime_checkable
class SaysStrengths(Protocol):
    """Tells short-term from long-term interest; the table of horizons asks it."""

    def strengths(self, state: Any | None, at: float, population: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ``(short_term, long_term)``, each of shape ``(T,)`` and sum 1; arguments as for ``predict``."""
        ...
