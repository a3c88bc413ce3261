"""A user's profile at a moment: facts, behaviour, interests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penchant.domain.interests import Interest
from penchant.math.arrays import FloatArray, Int32Array, IntArray


@dataclass(frozen=True, slots=True)
class Fact:
    """Something known of a user: the value, who says so, and since when."""

    value: Any
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a user behaves, as numbers.

    Attributes:
        n_events: Events in all.
        n_by_type: Events by type, types that occurred only.
        first_at: First event; None when there is none.
        last_at: Last event; None when there is none.
        recency_days: Days since the last event; None when there is none.
        n_sessions: Visits, a new one after 30 minutes of silence.
        frequency_days: Mean days between visits; None below two visits.
        spend: Money spent less money returned.
        spend_per_session: ``spend / n_sessions``; None without visits.
        by_hour: Share of events by UTC hour, shape ``(24,)``.
        by_weekday: Share of events by weekday from Monday, shape ``(7,)``.
    """

    n_events: int
    n_by_type: Mapping[str, int]
    first_at: datetime | None
    last_at: datetime | None
    recency_days: float | None
    n_sessions: int
    frequency_days: float | None
    spend: float
    spend_per_session: float | None
    by_hour: tuple[float, ...]
    by_weekday: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything known of a user at a moment; ``known`` is False for a user without an event."""

    user_id: str
    at: datetime
    known: bool
    facts: Mapping[str, Fact]
    behaviour: Behaviour
    interests: tuple[Interest, ...]


@dataclass(frozen=True, slots=True)
class History:
    """Which items a user dealt with, oldest first.

    Attributes:
        item: Item numbers, shape ``(m,)``, distinct.
        count: Decay-free weight of the events on each, shape ``(m,)``.
        last_at: Time of the last event on each, seconds since 1970, shape ``(m,)``.
        last_position: Log position of that event, shape ``(m,)``.
    """

    item: Int32Array
    count: FloatArray
    last_at: FloatArray
    last_position: IntArray


@dataclass(frozen=True, slots=True)
class RecentTopics:
    """The user's newest (event, topic) pairs, in the order of arrival.

    Attributes:
        topic: Topic number, shape ``(r,)``.
        weight: Signed evidence that the event gave the topic, shape ``(r,)``.
        at: Time of the event, seconds since 1970, shape ``(r,)``.
        position: Its log position, shape ``(r,)``.
    """

    topic: Int32Array
    weight: FloatArray
    at: FloatArray
    position: IntArray
