"""From a user id to interests: gather what is known, read it as of a moment, name the events behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penchant import clock as clocks
from penchant.domain.interests import Evidence, Interest, Reading
from penchant.domain.statements import Statements
from penchant.interest.hierarchy import at_level
from penchant.interest.statements import Standing, StatementsConfig, apply_statements, standing
from penchant.interest.tracker import Tracker, TrackerState
from penchant.loop.crowd import crowd_at
from penchant.loop.fold import Ledger
from penchant.math.arrays import FloatArray

if TYPE_CHECKING:
    from penchant.interest.describe import Described

SHOWN_EVENTS = 3


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a user at a moment."""

    ledger: Ledger
    tracker: Tracker
    user_id: str
    at: float
    state: TrackerState
    population: FloatArray
    reading: Reading


def said_by(ledger: Ledger, user_id: str, at: float) -> Statements:
    """Return what a user has said up to a moment."""
    learner: Any = ledger.learners["statements"]
    said: Statements = learner.read(ledger.state_at("statements", user_id, at), at)
    return said


def interests_of(
    ledger: Ledger,
    tracker: Tracker,
    config: StatementsConfig,
    user_id: str,
    n: int,
    at: float,
    level: int | None = None,
    context: Mapping[str, Any] | None = None,
) -> list[Interest]:
    """Return a user's ``n`` most probable topics; see ``Engine.interests``.

    Args:
        ledger: Holds the states.
        tracker: Reads the user's evidence.
        config: How statements fade.
        user_id: May be unknown: then there are no interests.
        n: At most this many.
        at: The moment asked about, seconds since 1970.
        level: Of which level of the topic hierarchy, 0 for the top; None for the topics as they are.
        context: What the caller says of the situation.
    """
    from penchant.interest.levels import describe_branches, describe_from

    state, said = ledger.state_at("tracker", user_id, at), said_by(ledger, user_id, at)
    if not (state.topic.size or said.topic.size):
        return []
    population = ledger.population("topic_population", at, tracker.config.population_half_life_days)
    parents = ledger.parents(at, population.size)
    look = tracker.look(state, at, population, crowd_at(ledger, at, population.size))
    reading = apply_statements(tracker.reading(look, context), said, at, config, parents)
    told = standing(said, at, config, parents)
    known = _Known(ledger, tracker, user_id, at, state, population, reading)
    if level is None:
        described = _touched(known, n)
        there = {one.topic for one in described}
        described += [describe_from(reading, topic) for topic in told.topics if topic not in there]
        described.sort(key=lambda one: (-one.probability, one.topic))
    else:
        touched = _touched(known, population.size)
        described = describe_branches(reading, at_level(parents, level), touched, told.topics)
    active = tracker.activity(look) if level is None and tracker.learned.activity else None
    return _named(ledger, described[:n], told, active)


def _touched(known: _Known, n: int) -> list[Described]:
    """Return the ``n`` most probable of the topics that the user's events touched."""
    from penchant.interest.describe import describe, recent_of

    if not known.state.topic.size:
        return []
    ledger = known.ledger
    history: Any = ledger.learners["history"]
    recent = history.recent(ledger.state_at("history", known.user_id, known.at))
    described = describe(known.tracker, known.state, known.at, known.population, recent, n, known.reading)
    if any(not one.evidence for one in described):
        # Some interest rests on events older than those in memory: look into the log.
        whole = recent_of(ledger.of_user(known.user_id, known.at))
        described = describe(known.tracker, known.state, known.at, known.population, whole, n, known.reading)
    return described


def _named(ledger: Ledger, described: list[Described], told: Standing, active: FloatArray | None) -> list[Interest]:
    """Return interests with names, the events behind them, and what the user said of them."""
    behind: dict[int, tuple[tuple[int, float], ...]] = {}
    for one in described:
        strength, _, position = told.stated.get(one.topic, (0.0, 0.0, 0))
        spoken = ((position, strength),) if strength > 0 else ()
        behind[one.topic] = (*spoken, *one.evidence)[:SHOWN_EVENTS]
    rows = dict(ledger.log.at_positions([position for pairs in behind.values() for position, _ in pairs]))
    interests = []
    for one in described:
        stated = told.stated.get(one.topic)
        interests.append(
            Interest(
                ledger.topics.ids[one.topic],
                one.probability,
                one.interval,
                one.long_term,
                one.short_term,
                one.trend,
                one.trend_interval,
                tuple(
                    Evidence(row.event_id, row.type, clocks.from_us(row.at_us), row.item_id, share)
                    for position, share in behind[one.topic]
                    if (row := rows.get(position)) is not None
                ),
                None if stated is None else stated[0],
                None if stated is None or math.isinf(stated[1]) else clocks.from_s(stated[1]),
                one.topic in told.muted,
                None
                if active is None
                else (float(active[0, one.topic]), float(active[1, one.topic]), float(active[2, one.topic])),
            )
        )
    return interests
