"""A small made-up log with a known truth: every user's interest changes at a known time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from penchant.clock import Moment, isoformat, parse_moment
from penchant.domain.row import Row
from penchant.process.validate import Limits, validate

DEEDS = ("view", "click", "cart", "purchase", "like")


@dataclass(frozen=True, slots=True)
class ToyLog:
    """Events and what is true of them.

    Attributes:
        events: The catalogue first, then everything that users did, in the order of time; all with an ``event_id``.
        before: Each user's favourite topic at first.
        after: Each user's favourite topic after the change, another one.
        changes: When each user's favourite changes.
        begins: Moment of the first deed at the earliest.
        ends: All events happened before this moment.
    """

    events: list[dict[str, Any]]
    before: dict[str, str]
    after: dict[str, str]
    changes: dict[str, datetime]
    begins: datetime
    ends: datetime


def toy_log(
    n_users: int = 12,
    n_items: int = 40,
    n_topics: int = 5,
    days: int = 120,
    deeds_per_user: int = 40,
    loyalty: float = 0.85,
    late_share: float = 0.0,
    begins: Moment = "2026-01-01",
    seed: int = 0,
) -> ToyLog:
    """Return a log that is the same for the same arguments.

    Args:
        n_users: Users ``user-0`` and on. Each draws from its own chance, so more users leave the others as they are.
        n_items: Items ``item-0`` and on; item ``i`` is about topic ``topic-(i mod n_topics)``; the first are taken most.
        n_topics: Topics, at least 2.
        days: Length of the log. The change comes between 40 % and 60 % of it.
        deeds_per_user: Events per user.
        loyalty: Share of a user's events with the favourite topic of the time; the rest is spread over all topics.
        late_share: Share of events that arrive a hundredth of the log's length after they happened.
        begins: Moment of the catalogue and of the first possible deed.
        seed: Of all chance.
    """
    start = parse_moment(begins)
    events: list[dict[str, Any]] = [
        {
            "event_id": f"item-{i}",
            "type": "item",
            "item_id": f"item-{i}",
            "title": f"Item {i}",
            "topics": [f"topic-{i % n_topics}"],
            "at": isoformat(start),
        }
        for i in range(n_items)
    ]
    before, after, changes = {}, {}, {}
    deeds: list[tuple[float, dict[str, Any]]] = []
    for user in range(n_users):
        user_id = f"user-{user}"
        rng = np.random.default_rng([seed, user])
        first, second = rng.choice(n_topics, 2, replace=False)
        turn = start + timedelta(days=days * rng.uniform(0.4, 0.6))
        before[user_id], after[user_id], changes[user_id] = f"topic-{first}", f"topic-{second}", turn
        for number, share in enumerate(np.sort(rng.uniform(0.0, 1.0, deeds_per_user))):
            at = start + timedelta(seconds=round(days * 86_400 * share))
            favourite = first if at < turn else second
            topic = favourite if rng.random() < loyalty else rng.integers(n_topics)
            of_topic = range(int(topic), n_items, n_topics)
            item = of_topic[int(len(of_topic) * rng.random() ** 2)]
            kind = DEEDS[rng.integers(len(DEEDS))]
            deed: dict[str, Any] = {
                "event_id": f"{user_id}-{number}",
                "type": kind,
                "user_id": user_id,
                "item_id": f"item-{item}",
                "at": isoformat(at),
            }
            if kind == "purchase":
                deed |= {"value": float(rng.integers(1, 4)), "amount": float(rng.integers(100, 2000)) / 100}
            delay = days * 86_400 / 100 if rng.random() < late_share else 0.0
            deeds.append((at.timestamp() + delay, deed))
    deeds.sort(key=lambda deed: deed[0])
    events.extend(deed for _, deed in deeds)
    return ToyLog(events, before, after, changes, start, start + timedelta(days=days, seconds=1))


def as_rows(events: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return events as lines of the log, without topics from a catalogue.

    Raises:
        EventError: When an event cannot be taken.
    """
    now = parse_moment("2100-01-01")
    limits = Limits.around(now, timedelta(0), parse_moment("1900-01-01"))
    return [validate(event, now, limits) for event in events]
