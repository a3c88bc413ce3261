"""The tracker's parameters by the time they were in force, so that the past can be read as it was served."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np

from penchant.interest.parameters import TrackerConfig, TrackerParameters
from penchant.interest.tracker import Tracker
from penchant.storage.shelf import ModelShelf

NAME = "tracker"
KEPT = 100
"""Versions kept; older ones give way, and the oldest kept answers for their time."""
AT_HAND = 4
FAR_S = 9e12
"""No moment is further from 1970, so that it fits 64 bits in microseconds."""


class TrackerVersions:
    """The tracker as it is, and as it was at any moment since the log's first event arrived.

    For a moment before that, when nothing can have been served, the tracker as it is now answers.
    """

    def __init__(self, shelf: ModelShelf, config: TrackerConfig, topics: Callable[[], Sequence[str]]) -> None:
        self._shelf = shelf
        self._config = config
        self._topics = topics
        self._times = sorted(int(name.partition("@")[2]) for name in shelf.names(f"{NAME}@"))
        self._at_hand: dict[int, Tracker] = {}
        self.current = self._tracker(shelf.restore(NAME, TrackerParameters.decode))

    def _tracker(self, parameters: TrackerParameters | None) -> Tracker:
        return Tracker(self._config, None if parameters is None else parameters.numbered_as(self._topics()))

    def at(self, at: float) -> Tracker:
        """Return the tracker that was in force at a moment, seconds since 1970."""
        times, asked = self._times, round(min(max(at, -FAR_S), FAR_S) * 1e6)
        if not times or asked >= times[-1] or (asked < times[0] and len(times) < KEPT):
            return self.current
        in_force = times[max(0, bisect_right(times, asked) - 1)]
        found = self._at_hand.get(in_force)
        if found is None:
            if len(self._at_hand) >= AT_HAND:
                self._at_hand.clear()
            found = self._tracker(self._shelf.restore(f"{NAME}@{in_force}", TrackerParameters.decode))
            self._at_hand[in_force] = found
        return found

    def put(self, parameters: TrackerParameters, position: int, now_us: int, began_us: int) -> None:
        """Take new parameters into force.

        Args:
            parameters: What was learned.
            position: Up to which log position they have seen the events.
            now_us: When they come into force, microseconds since 1970.
            began_us: When the log's first event arrived: from then on the tracker answered without parameters.
        """
        if not self._times and began_us < now_us:
            unfitted = TrackerParameters.default(np.array(self._config.half_lives_days))
            self._keep(unfitted.encode(), 0, began_us)
        data = parameters.encode()
        self._keep(data, position, now_us)
        self._shelf.save(NAME, position, now_us, data)
        self.current = self._tracker(parameters)

    def _keep(self, data: bytes, position: int, at_us: int) -> None:
        self._shelf.save(f"{NAME}@{at_us}", position, at_us, data)
        self._at_hand.pop(at_us, None)
        self._times = sorted({*self._times, at_us})
        for old in self._times[:-KEPT]:
            self._shelf.drop(f"{NAME}@{old}")
        self._times = self._times[-KEPT:]
