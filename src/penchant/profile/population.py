"""What everybody does: counts by UTC day of every item and every topic."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from penchant.clock import DAY_S, day_of
from penchant.domain.batch import EventBatch, Scope
from penchant.domain.event import EVENT_TYPES, EVIDENCE_WEIGHT
from penchant.domain.packing import pack, unpack
from penchant.math.arrays import FloatArray, Int32Array, IntArray

FORMAT = 1
UNIT = 5040
"""Counts are whole numbers of 1/5040 (= 7!): quarters and shares among up to ten topics stay exact, so that taking a
user's events away again gives the very state that would be without them."""


@dataclass(frozen=True, slots=True)
class DayState:
    """Counts of one day: ``number`` rising, shape ``(m,)``; ``count`` in units of ``1 / UNIT``, > 0, shape ``(m,)``."""

    number: Int32Array
    count: IntArray
    last_at: float


class _DayCounts:
    """Counts per UTC day; interest against something does not count. The state grows with the day's distinct things."""

    name: str
    scope: Scope = "day"
    types: frozenset[str] = frozenset(name for name in EVENT_TYPES if EVIDENCE_WEIGHT[name] > 0.0)

    def start(self) -> DayState:
        """Return a day without events."""
        return DayState(np.empty(0, np.int32), np.empty(0, np.int64), -math.inf)

    def things(self, batch: EventBatch) -> tuple[Int32Array, IntArray, IntArray]:
        """Return ``(number, units, event row)`` of everything counted."""
        raise NotImplementedError

    def update(self, states: Mapping[str, DayState], batch: EventBatch) -> dict[str, DayState]:
        """Return the states after the batch; see ``Learner.update``."""
        return self._add(states, batch, 1)

    def retract(self, states: Mapping[str, DayState], batch: EventBatch) -> dict[str, DayState]:
        """Return the states as if the batch had never come; ``last_at`` stays."""
        return self._add(states, batch, -1)

    def _add(self, states: Mapping[str, DayState], batch: EventBatch, sign: int) -> dict[str, DayState]:
        number, units, owner = self.things(batch)
        counted = units > 0
        number, units, owner = number[counted], units[counted], owner[counted]
        day_of = np.floor_divide(batch.at, DAY_S).astype(np.int64)
        order = np.argsort(day_of[owner], kind="stable")
        number, units, day = number[order], units[order], day_of[owner][order]
        changed: dict[str, DayState] = {}
        for key, rows in batch.groups(self.scope, self.types):
            old = states.get(key) or self.start()
            here = slice(*np.searchsorted(day, [int(key), int(key) + 1]))
            last_at = max(old.last_at, float(batch.at[rows].max())) if sign > 0 else old.last_at
            changed[key] = DayState(*_summed(old.number, old.count, number[here], sign * units[here]), last_at)
        return changed

    def encode(self, state: DayState) -> bytes:
        """Return the state as bytes."""
        return pack(FORMAT, {name: getattr(state, name) for name in DayState.__slots__})

    def decode(self, data: bytes) -> DayState:
        """Return the state that ``encode`` wrote; ``FormatError`` when damaged."""
        return DayState(**unpack(data, FORMAT))

    def last_at(self, state: DayState) -> float:
        """Return the time of the newest event, seconds since 1970."""
        return state.last_at


def _summed(number: Int32Array, count: IntArray, new: Int32Array, units: IntArray) -> tuple[Int32Array, IntArray]:
    """Return numbers, rising, and their counts after adding units; a count that comes to zero goes."""
    if new.size == 1:  # one event: no need to sort the day anew
        place = int(np.searchsorted(number, new[0]))
        if place < number.size and number[place] == new[0]:
            if count[place] + units[0] > 0:
                count = count.copy()
                count[place] += units[0]
                return number, count
        elif units[0] > 0:
            return np.insert(number, place, new[0]), np.insert(count, place, units[0])
    every, where = np.unique(np.concatenate([number, new]), return_inverse=True)
    total = np.zeros(every.size, dtype=np.int64)
    np.add.at(total, where, np.concatenate([count, units]))
    left = total > 0
    return every[left].astype(np.int32), total[left]


class ItemPopulation(_DayCounts):
    """Weight of the day's events on every item."""

    name = "item_population"

    def things(self, batch: EventBatch) -> tuple[Int32Array, IntArray, IntArray]:
        """Return ``(item number, units, event row)``."""
        rows = np.flatnonzero(batch.item >= 0)
        return batch.item[rows], np.rint(batch.weight[rows] * UNIT).astype(np.int64), rows


class TopicPopulation(_DayCounts):
    """Weight of the day's events on every topic, an event's weight shared evenly among its topics."""

    name = "topic_population"

    def things(self, batch: EventBatch) -> tuple[Int32Array, IntArray, IntArray]:
        """Return ``(topic number, units, event row)``."""
        owner = batch.topic_owner
        share = np.diff(batch.topic_start)[owner]
        return batch.topic, np.rint(batch.weight[owner] * UNIT / share).astype(np.int64), owner


class DecayedCounts:
    """Decayed sums over the days, kept ready: ``at(day, today, half_life)`` is one vector addition.

    The sum of all days before ``day`` is computed once per day and half-life, and thrown away when a day before it
    changes. Within a day there is no decay, so that the answer for a moment depends on what came before it only.
    """

    def __init__(self) -> None:
        self._days: dict[int, DayState] = {}
        self._ready: dict[float, tuple[int, FloatArray]] = {}

    def put(self, day: int, state: DayState) -> None:
        """Take the present state of a day."""
        self._days[day] = state
        for half_life, (upto, _) in list(self._ready.items()):
            if day < upto:
                del self._ready[half_life]

    def clear(self) -> None:
        """Forget every day."""
        self._days.clear()
        self._ready.clear()

    @property
    def days(self) -> dict[int, DayState]:
        """Return the states by day number."""
        return self._days

    def at(self, day: int, today: DayState | None, half_life_days: float, size: int) -> FloatArray:
        """Return decayed counts as of a day, shape ``(size,)``: earlier days decayed by age in days, today in full."""
        known = self._ready.get(half_life_days)
        if known is None or known[0] != day or known[1].size < size:
            known = self._ready[half_life_days] = (day, self._sum(day, half_life_days, size))
        total = known[1][:size].copy()
        if today is not None:
            total[today.number] += today.count / UNIT
        return total

    def _sum(self, day: int, half_life_days: float, size: int) -> FloatArray:
        total = np.zeros(size)
        for earlier in sorted(self._days):
            if earlier < day:
                state = self._days[earlier]
                factor = 2.0 ** ((earlier - day) / half_life_days) / UNIT
                total[state.number] += state.count * factor
        return total


def by_day(days: Mapping[int, DayState], half_life_days: float, size: int) -> Callable[[float], FloatArray]:
    """Return a function from a moment (seconds) to the decayed counts of all days before its day, shape ``(size,)``.

    Made once for many moments in any order, as replays ask them: one vector a day.
    """
    if not days:
        return lambda _at: np.zeros(size)
    first, last = min(days), max(days)
    table = np.zeros((last - first + 2, size))  # row d: counts as of the beginning of day first + d
    for day in range(first, last + 1):
        row = table[day - first].copy()
        if day in days:
            row[days[day].number] += days[day].count / UNIT
        table[day - first + 1] = row * 2.0 ** (-1.0 / half_life_days)

    def before(at: float) -> FloatArray:
        day = day_of(at) - first
        if day <= 0:
            return np.zeros(size)
        row: FloatArray = table[min(day, table.shape[0] - 1)]
        return row

    return before
