"""The contract of everything that learns online."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

from penchant.domain.batch import EventBatch, Scope

S = TypeVar("S")


class Learner(Protocol[S]):
    """A fold over the event log: ``update(states, events) -> states``; answers are pure reads of a state at a moment.

    What holds for every learner (``penchant.testing.LearnerContract`` checks it):

    * a batch gives the same state, bit for bit, as its events one by one in the same order;
    * ``update`` leaves the old states alone; reading changes nothing;
    * ``decode(encode(state))`` reads the same, and encodes to the same bytes;
    * the state stays bounded however many events come;
    * nothing random, nothing from the wall clock: what is learned depends on the log alone.
    """

    @property
    def name(self) -> str:
        """Return under which name the store keeps the states."""
        ...

    @property
    def scope(self) -> Scope:
        """Return whose state this is."""
        ...

    @property
    def types(self) -> frozenset[str] | None:
        """Return the event types that matter; None for all."""
        ...

    def start(self) -> S:
        """Return the state of a key that no event has touched."""
        ...

    def update(self, states: Mapping[str, S], batch: EventBatch) -> dict[str, S]:
        """Return the new state of every key in the batch; a key missing from ``states`` begins with ``start()``."""
        ...

    def encode(self, state: S) -> bytes:
        """Return the state as bytes: arrays and plain values with a format number, never pickle."""
        ...

    def decode(self, data: bytes) -> S:
        """Return the state that ``data`` holds.

        Raises:
            FormatError: When the bytes are damaged or from an unknown format.
        """
        ...

    def last_at(self, state: S) -> float:
        """Return the time of the newest event in the state, seconds since 1970; ``-inf`` when there is none."""
        ...
