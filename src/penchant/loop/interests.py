"""From a user id to interests: gather what is known, read it as of a moment, name the events behind it."""

from __future__ import annotations

from typing import Any

from penchant import clock as clocks
from penchant.domain.interests import Evidence, Interest
from penchant.interest.tracker import Tracker
from penchant.loop.fold import Ledger


def interests_of(ledger: Ledger, tracker: Tracker, user_id: str, n: int, at: float) -> list[Interest]:
    """Return a user's ``n`` most probable topics; see ``Engine.interests``.

    Args:
        ledger: Holds the states.
        tracker: Reads the user's evidence.
        user_id: May be unknown: then there are no interests.
        n: At most this many.
        at: The moment asked about, seconds since 1970.
    """
    from penchant.interest.describe import Described, describe, recent_of

    history: Any = ledger.learners["history"]
    state = ledger.state_at("tracker", user_id, at)
    if not state.topic.size:
        return []
    population = ledger.population("topic_population", at, tracker.config.population_half_life_days)
    recent = history.recent(ledger.state_at("history", user_id, at))
    described: list[Described] = describe(tracker, state, at, population, recent, n)
    if any(not one.evidence for one in described):
        # Some interest rests on events older than those in memory: look into the log.
        whole = recent_of(ledger.of_user(user_id, at))
        described = describe(tracker, state, at, population, whole, n)
    rows = dict(ledger.log.at_positions([position for one in described for position, _ in one.evidence]))
    return [
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
                for position, share in one.evidence
                if (row := rows.get(position)) is not None
            ),
        )
        for one in described
    ]
