"""Behaviour of a user as numbers: recency, frequency, spend, rhythm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from penchant.clock import DAY_S, from_s
from penchant.domain.batch import EventBatch, Scope
from penchant.domain.event import EVENT_TYPES, TYPE_CODE
from penchant.domain.packing import pack, unpack
from penchant.domain.profile import Behaviour
from penchant.math.arrays import IntArray
from penchant.math.calendar import hour_of, weekday_of

FORMAT = 1
SESSION_GAP_S = 30 * 60.0
"""Silence after which a new visit begins; the usual web-analytics value."""
SILENT_TYPES = frozenset({"item", "user", "consent", "impression", "topic"})
"""Events that are not the user's own deed."""

_SIGN = np.zeros(len(EVENT_TYPES))
_SIGN[TYPE_CODE["purchase"]], _SIGN[TYPE_CODE["return"]] = 1.0, -1.0


@dataclass(frozen=True, slots=True)
class BehaviourState:
    """Counts and times of one user.

    Attributes:
        by_type: Events by type code, shape ``(len(EVENT_TYPES),)``.
        by_hour: Events by UTC hour, shape ``(24,)``.
        by_weekday: Events by weekday from Monday, shape ``(7,)``.
        first_at: Seconds since 1970, ``inf`` for none.
        last_at: Seconds since 1970, ``-inf`` for none.
        n_sessions: Visits in order of arrival.
        spend_cents: Money spent less money returned, in hundredths, whole so that order does not matter.
    """

    by_type: IntArray
    by_hour: IntArray
    by_weekday: IntArray
    first_at: float
    last_at: float
    n_sessions: int
    spend_cents: int


class BehaviourLearner:
    """Counts a user's events by type, hour and weekday, visits (30 minutes of silence end one), and money.

    A late event counts everywhere except in the number of visits, which would need the whole history.
    """

    name = "behaviour"
    scope: Scope = "user"
    types: frozenset[str] = frozenset(EVENT_TYPES) - SILENT_TYPES

    def start(self) -> BehaviourState:
        """Return the state of a user who never did anything."""
        return BehaviourState(
            np.zeros(len(EVENT_TYPES), np.int64),
            np.zeros(24, np.int64),
            np.zeros(7, np.int64),
            math.inf,
            -math.inf,
            0,
            0,
        )

    def update(self, states: Mapping[str, BehaviourState], batch: EventBatch) -> dict[str, BehaviourState]:
        """Return the states after the batch; see ``Learner.update``."""
        changed: dict[str, BehaviourState] = {}
        hour, weekday = hour_of(batch.at), weekday_of(batch.at)
        money = np.where(np.isnan(batch.amount), 0.0, batch.amount)
        cents = np.rint(money * _SIGN[batch.type] * 100.0).astype(np.int64)
        for user_id, rows in batch.groups(self.scope, self.types):
            old = states.get(user_id) or self.start()
            at = batch.at[rows]
            # A visit begins where an event comes more than the gap after everything before it.
            newest = np.maximum.accumulate(np.concatenate([[old.last_at], at]))
            sessions = int(np.count_nonzero(at - newest[:-1] > SESSION_GAP_S))
            changed[user_id] = BehaviourState(
                old.by_type + np.bincount(batch.type[rows], minlength=len(EVENT_TYPES)),
                old.by_hour + np.bincount(hour[rows], minlength=24),
                old.by_weekday + np.bincount(weekday[rows], minlength=7),
                min(old.first_at, float(at.min())),
                float(newest[-1]),
                old.n_sessions + sessions,
                old.spend_cents + int(cents[rows].sum()),
            )
        return changed

    def read(self, state: BehaviourState, at: float) -> Behaviour:
        """Return the behaviour as of ``at``, seconds since 1970; nothing in the state may be newer."""
        n_events = int(state.by_type.sum())
        total = max(1, n_events)
        spend = state.spend_cents / 100
        return Behaviour(
            n_events=n_events,
            n_by_type={EVENT_TYPES[code]: int(state.by_type[code]) for code in np.flatnonzero(state.by_type)},
            first_at=from_s(state.first_at) if n_events else None,
            last_at=from_s(state.last_at) if n_events else None,
            recency_days=(at - state.last_at) / DAY_S if n_events else None,
            n_sessions=state.n_sessions,
            frequency_days=(
                (state.last_at - state.first_at) / DAY_S / (state.n_sessions - 1) if state.n_sessions > 1 else None
            ),
            spend=spend,
            spend_per_session=spend / state.n_sessions if state.n_sessions else None,
            by_hour=tuple((state.by_hour / total).tolist()),
            by_weekday=tuple((state.by_weekday / total).tolist()),
        )

    def encode(self, state: BehaviourState) -> bytes:
        """Return the state as bytes."""
        return pack(FORMAT, {name: getattr(state, name) for name in BehaviourState.__slots__})

    def decode(self, data: bytes) -> BehaviourState:
        """Return the state that ``encode`` wrote; ``FormatError`` when damaged."""
        return BehaviourState(**unpack(data, FORMAT))

    def last_at(self, state: BehaviourState) -> float:
        """Return the time of the newest event, seconds since 1970."""
        return state.last_at
