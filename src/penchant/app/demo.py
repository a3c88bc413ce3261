"""The demonstration: the whole loop on a year of groceries, step by step, with counts and times."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from penchant.clock import from_us
from penchant.domain.slate import Recommendation
from penchant.engine import Engine

CHART_TOPICS = 3
MIN_EVENTS = 300


@dataclass(frozen=True)
class Household:
    """A household whose interests changed: shares of its topics by month, and what it is recommended at the end."""

    user_id: str
    months: list[datetime]
    shares: dict[str, list[float]]
    rising: str
    falling: str
    recommendations: list[Recommendation]


@dataclass(frozen=True)
class Newcomer:
    """A new visitor before and after one event."""

    user_id: str
    event: dict[str, Any]
    milliseconds: float
    interests_before: list[str]
    interests_after: list[str]
    list_before: list[Recommendation]
    list_after: list[Recommendation]


@dataclass
class Step:
    """One step of the demonstration and how long it took."""

    name: str
    seconds: float
    counts: dict[str, Any] = field(default_factory=dict)


def changed_households(engine: Engine, n: int = 3) -> list[str]:
    """Return the users whose topics differ most between the two halves of their events.

    The difference is the Jensen-Shannon divergence of the two histograms, less what chance alone would give: the same for
    a random halving.
    """
    labelled = pl.col("user_id").is_not_null() & pl.col("topics").is_not_null()
    parts = [part.filter(labelled).select("user_id", "at_us", "topics") for part in engine.log.read()]
    frame = pl.concat(parts).sort("user_id", "at_us")
    busy = frame.group_by("user_id").len().filter(pl.col("len") >= MIN_EVENTS)
    frame = frame.join(busy.select("user_id"), on="user_id", how="semi", maintain_order="left")
    code = frame["topics"].rank("dense").to_numpy().astype(np.int64) - 1
    rng = np.random.default_rng(0)
    scores: list[tuple[float, str]] = []
    starts = frame.with_row_index().group_by("user_id", maintain_order=True).agg(pl.col("index").first(), pl.len())
    for user_id, first, size in starts.rows():
        mine = code[first : first + size]
        shuffled = rng.permutation(mine)
        half = size // 2
        scores.append((_divergence(mine[:half], mine[half:]) - _divergence(shuffled[:half], shuffled[half:]), user_id))
    return [user_id for _, user_id in sorted(scores, key=lambda pair: (-pair[0], pair[1]))[:n]]


def _divergence(a: Any, b: Any) -> float:
    size = int(max(a.max(initial=0), b.max(initial=0))) + 1
    p, q = (np.bincount(x, minlength=size) / max(1, x.size) for x in (a, b))
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        both = [np.where(x > 0, x * np.log(x / middle), 0.0).sum() for x in (p, q)]
    return float(sum(both) / 2)


def household(engine: Engine, user_id: str, last_at: datetime) -> Household:
    """Return how a household's interests moved over the year up to ``last_at``, and what it is recommended then."""
    months = [last_at - timedelta(days=30 * k) for k in range(11, -1, -1)]
    readings = [{one.topic: one.short_term for one in engine.interests(user_id, 1000, at)} for at in months]
    topics = sorted({topic for reading in readings for topic in reading})
    shares = {topic: [reading.get(topic, 0.0) for reading in readings] for topic in topics}
    early = {topic: float(np.mean(line[2:5])) for topic, line in shares.items()}
    late = {topic: float(np.mean(line[-3:])) for topic, line in shares.items()}
    ordered = sorted(topics, key=lambda topic: late[topic] - early[topic])
    chosen = [*ordered[:1], *ordered[::-1][: CHART_TOPICS - 1]]
    return Household(
        user_id,
        months,
        {topic: shares[topic] for topic in chosen},
        ordered[-1],
        ordered[0],
        engine.recommend(user_id, 5, last_at),
    )


def newcomer(engine: Engine, at: datetime) -> Newcomer:
    """Return what one live event does to the profile and the list of a visitor of whom nothing was known."""
    user_id = "new-visitor"
    before = engine.recommend(user_id, 5, at)
    shown = {one.item_id for one in before}
    # Something popular that the list did not show, of a topic that it did not show either.
    topics_shown = {topic for item_id in shown for topic in engine.item(item_id).topics}
    pick = next(
        one.item_id
        for one in engine.recommend(user_id, 100, at, strategy="popular")
        if one.item_id not in shown and not topics_shown & set(engine.item(one.item_id).topics)
    )
    event = {"event_id": "demo-live", "type": "purchase", "user_id": user_id, "item_id": pick, "at": at}
    began = time.perf_counter()
    engine.ingest(event)
    after_interests = [one.topic for one in engine.interests(user_id, 3, at)]
    took = (time.perf_counter() - began) * 1000
    return Newcomer(user_id, event, took, [], after_interests, before, engine.recommend(user_id, 5, at))


def last_moment(engine: Engine) -> datetime:
    """Return the moment just after the newest event of a user."""
    newest = [from_us(int(frame["at_us"].max() or 0)) for frame in engine.log.read()]
    return max(newest, default=datetime.now(UTC)) + timedelta(seconds=1)
