"""What the stacking ranker sees of each candidate: what every source says of it, and what is known beside that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.query import Query
from penchant.domain.slate import Candidates
from penchant.math.arrays import Float32Array, FloatArray, IntArray
from penchant.math.calendar import hour_of, weekday_of

OF_SOURCE: dict[str, str] = {
    "share": "the score moved and stretched so that the source's candidates lie in 0..1; 0 where it does not propose",
    "rank": "1 / rank, 1 = first; 0 where it does not propose",
}
"""Features of every source, named ``source:feature``."""

BESIDE: dict[str, str] = {
    "sources": "sources that propose the item",
    "votes": "sum of 1 / (20 + rank) over them",
    "interest": "P(topic is next), summed over the item's topics",
    "interest_lift": "log of that over the topics' share of everybody",
    "short_term": "P(topic is next) of the item's best topic",
    "count": "log(1 + weight of the user's events on the item)",
    "days_since": "log(1 + days since the user's last event on the item), 400 days when there is none",
    "popularity_7": "log of the item's share of all events, half-life 7 days",
    "popularity_30": "the same, half-life 30 days",
    "trend": "popularity_7 - popularity_30",
    "item_age": "log(1 + days since the item became known), 0 when no item event has spoken of it",
    "history": "log(1 + the user's items)",
    "repeat_share": "1 - the user's items / weight of the user's events",
    "recency": "log(1 + days since the user's last event), 400 days when there is none",
    "hour": "hour of the day, UTC",
    "weekday": "0 = Monday",
}
"""Features of the item, the user and the moment."""

RARE = 1e-7
"""Added to shares before the logarithm."""


RISING = ("share", "rank", "sources", "votes")
"""Features that can only speak for a candidate: the trees may not turn them round."""


def names_of(sources: Sequence[str]) -> list[str]:
    """Return the names of the columns, in order."""
    return [*(f"{source}:{feature}" for source in sources for feature in OF_SOURCE), *BESIDE]


def stack_features(
    query: Query, proposals: Mapping[str, Candidates], sources: Sequence[str]
) -> tuple[IntArray, Float32Array]:
    """Return the candidates of these sources, rising, and their features, shape ``(n, len(names_of(sources)))``.

    All features are finite; what cannot be known is 0.
    """
    lists = [proposals[name] for name in sources if name in proposals]
    item: IntArray = np.unique(np.concatenate([np.empty(0, np.int64), *(one.item for one in lists)]))
    columns = np.zeros((item.size, len(sources) * len(OF_SOURCE) + len(BESIDE)), np.float32)
    if not item.size:
        return item, columns
    n_sources, votes = np.zeros(item.size), np.zeros(item.size)
    for number, name in enumerate(sources):
        candidates = proposals.get(name)
        if candidates is None or not candidates.item.size:
            continue
        place, score = np.searchsorted(item, candidates.item), candidates.score
        rank = 1.0 + np.arange(score.size)
        low, high = float(score.min()), float(score.max())
        first = number * len(OF_SOURCE)
        # The last candidate keeps a little: it is still a candidate.
        columns[place, first] = (score - low + 0.01 * (high - low)) / (1.01 * (high - low)) if high > low else 1.0
        columns[place, first + 1] = 1.0 / rank
        n_sources[place] += 1
        votes[place] += 1.0 / (20.0 + rank)
    for number, value in enumerate((n_sources, votes, *_beside(query, item))):
        columns[:, len(sources) * len(OF_SOURCE) + number] = value
    return item, np.nan_to_num(columns, nan=0.0, posinf=0.0, neginf=0.0)


def _beside(query: Query, item: IntArray) -> Sequence[FloatArray | float]:
    """Return the features from ``interest`` on."""
    history = query.history
    rows = query.item_topics[item]
    probability = query.reading.probability[: rows.shape[1]]
    interest = rows @ probability
    best = np.zeros(item.size)
    np.maximum.at(best, np.repeat(np.arange(item.size), np.diff(rows.indptr)), probability[rows.indices])
    fast, slow = query.popularity(7.0), query.popularity(30.0)
    by_topic = query.item_topics.T @ slow
    everybody = rows @ (by_topic / max(float(by_topic.sum()), 1e-300))
    fast, slow = (np.log(one[item] / max(float(one.sum()), 1e-300) + RARE) for one in (fast, slow))
    count, days = np.zeros(item.size), np.full(item.size, 400.0)
    known = np.zeros(query.allowed.size, dtype=np.int64)
    known[item] = 1 + np.arange(item.size)
    inside = (history.item < known.size) & (history.count > 0)
    mine = history.item[inside]
    place = known[mine] - 1
    there = place >= 0
    age = np.clip((query.at - history.last_at[inside]) / DAY_S, 0.0, 400.0)
    count[place[there]] = history.count[inside][there]
    days[place[there]] = age[there]
    since = query.since[item]
    item_age = np.where(np.isfinite(since), np.maximum(0.0, query.at - since) / DAY_S, 0.0)
    total = float(history.count[inside].sum())
    return (
        interest,
        np.log((interest + 1e-4) / (everybody + 1e-4)),
        best,
        np.log1p(count),
        np.log1p(days),
        fast,
        slow,
        fast - slow,
        np.log1p(item_age),
        np.log1p(float(mine.size)),
        1.0 - mine.size / max(total, float(mine.size), 1.0),
        np.log1p(float(age.min(initial=400.0))),
        float(hour_of(query.at)),
        float(weekday_of(query.at)),
    )
