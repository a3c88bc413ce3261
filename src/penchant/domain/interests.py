"""Interests as the tracker reads them at a moment, and as they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from penchant.math.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Reading:
    """What a topic model says of one user at one moment, over all ``T`` topics.

    Attributes:
        probability: P(topic of the next event), shape ``(T,)``, sums to 1.
        long_term: Share of the topic in the slow view, shrunk to the population, shape ``(T,)``, sums to 1.
        short_term: The same in the fast view.
        evidence: Decayed weight of the events on each topic in the slow view, shape ``(T,)``, >= 0.
        known_long: Effective number of events behind the slow view.
        known_short: Effective number of events behind the fast view.
    """

    probability: FloatArray
    long_term: FloatArray
    short_term: FloatArray
    evidence: FloatArray
    known_long: float
    known_short: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """An event that carries a strength, and which share of it."""

    event_id: str
    type: str
    at: datetime
    item_id: str | None
    share: float


@dataclass(frozen=True, slots=True)
class Interest:
    """One topic in a user's profile.

    Attributes:
        topic: The topic's id.
        probability: P(this is the topic of the user's next event).
        interval: 95 % interval of the probability.
        long_term: Share of the topic in the slow view, 0..1.
        short_term: Share of the topic in the fast view, 0..1.
        trend: log2(short_term / long_term): +1 means twice as strong lately as usual.
        trend_interval: 95 % interval of the trend; an interval on one side of zero is a change.
        evidence: The recent events that carry it, strongest first; before them the statement that does, whose share is
            what is left of its strength.
        stated: What the user said of it and still holds, -1..1 after fading; None when nothing.
        stated_until: When that expires; None when it does not.
        muted: The user does not want to be shown it.
        active: P(at least one event on it within 1, 7 and 30 days); None before ``fit``, and for whole branches.
    """

    topic: str
    probability: float
    interval: tuple[float, float]
    long_term: float
    short_term: float
    trend: float
    trend_interval: tuple[float, float]
    evidence: tuple[Evidence, ...] = ()
    stated: float | None = None
    stated_until: datetime | None = None
    muted: bool = False
    active: tuple[float, float, float] | None = None
