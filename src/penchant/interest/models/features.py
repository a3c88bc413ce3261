"""What the classical models see of a user, an item and a moment: a named table of numbers, and which items they look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import ItemTable
from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray
from penchant.math.calendar import hour_of, weekday_of
from penchant.math.decay import half_life_weight
from penchant.math.top import top_n

FEATURES: dict[str, str] = {
    "count": "log(1 + weight of the user's events on the item)",
    "share": "that weight as a share of all of the user's",
    "days_since": "log(1 + days since the user's last event on the item), 400 days when there is none",
    "topic_count": "log(1 + weight of the user's events on the item's topics)",
    "topic_share": "share of the user's weight that is on the item's topics, against that of everybody in 30 days, log",
    "topic_days": "log(1 + days since the user's last event on the item's topics), mean over them, 400 when none",
    "follows": "log(1 + 100 * sum of confidences of the rules from the user's items to the item)",
    "popularity_7": "log of the item's share of all events, half-life 7 days",
    "popularity_30": "the same, half-life 30 days",
    "trend": "popularity_7 - popularity_30",
    "item_age": "log(1 + days since the item was first seen)",
    "item_repeat": "share of the item's events by a user who had had it before",
    "topic_popularity": "log share of the item's topics of all events, half-life 30 days",
    "evidence": "log(1 + weight of all of the user's events)",
    "breadth": "log of the effective number of the user's topics (exp of the entropy)",
    "repeat_share": "1 - distinct items / weight of all of the user's events",
    "recency": "log(1 + days since the user's last event), 400 days when there is none",
    "hour": "hour of the day asked about, UTC",
    "weekday": "weekday asked about, 0 = Monday",
}
"""Every feature in the order of the columns, and what it is. All are finite."""

NEVER = float(np.log1p(400.0))
RARE = 1e-7
"""Added to shares before the logarithm."""
PRIOR = 3.0
"""Weight at which the population counts in ``topic_share``."""


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What all users did up to a moment, by item.

    Attributes:
        at: The moment, seconds since 1970.
        fast: Share of all events, half-life 7 days, shape ``(I,)``.
        slow: The same, half-life 30 days, shape ``(I,)``.
        first_at: First event on each item, ``inf`` without one, shape ``(I,)``.
        repeat: Share of its events that were repeats, shape ``(I,)``.
        best: The most popular items by ``slow``, shape ``(at most 1000,)``.
    """

    at: float
    fast: FloatArray
    slow: FloatArray
    first_at: FloatArray
    repeat: FloatArray
    best: IntArray

    @classmethod
    def of(cls, interactions: Interactions, n_items: int, at: float) -> ItemFacts:
        """Return the facts known from interactions before ``at``."""
        keep = interactions.at < at
        user, item, when = interactions.user[keep].astype(np.int64), interactions.item[keep], interactions.at[keep]
        age = (at - when) / DAY_S
        fast, slow = (
            np.bincount(item, half_life_weight(age, days), minlength=n_items).astype(np.float64) for days in (7.0, 30.0)
        )
        first = np.full(n_items, np.inf)
        np.minimum.at(first, item, when)
        events = np.bincount(item, minlength=n_items)
        pairs = np.bincount(distinct(user * max(1, n_items) + item) % max(1, n_items), minlength=n_items)[:n_items]
        repeat = (events - pairs) / (events + 2.0)
        best = top_n(np.where(slow > 0, slow, -np.inf), 1000)
        return cls(at, fast / max(fast.sum(), 1e-300), slow / max(slow.sum(), 1e-300), first, repeat, best)

    def sized(self, n_items: int) -> ItemFacts:
        """Return the facts for exactly so many items; of further ones nothing is known."""
        more = max(0, n_items - self.slow.size)

        def fit(values: FloatArray, fill: float) -> FloatArray:
            return np.pad(values, (0, more), constant_values=fill)[:n_items]

        return ItemFacts(
            self.at,
            fit(self.fast, 0.0),
            fit(self.slow, 0.0),
            fit(self.first_at, np.inf),
            fit(self.repeat, 0.0),
            self.best[self.best < n_items],
        )

    def encode(self) -> dict[str, Any]:
        """Return the facts as arrays and plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Mine:
    """One user's distinct items at a moment: numbers, days since the last event on each, weight of the events on each."""

    item: Int32Array
    age_days: FloatArray
    weight: FloatArray


@dataclass(frozen=True, slots=True)
class Liked:
    """A user's weight on each topic, and the days since the last event on it, 400 when never; shape ``(T,)`` each."""

    weight: FloatArray
    days: FloatArray


class Sight:
    """Chooses candidates and works out their features, for questions of about one moment.

    Args:
        facts: Of the population, as of the moment or before.
        items: The catalogue.
    """

    def __init__(self, facts: ItemFacts, items: ItemTable) -> None:
        self.facts = facts.sized(items.n_items)
        self.items = items
        self._log_fast, self._log_slow = np.log(self.facts.fast + RARE), np.log(self.facts.slow + RARE)
        topic = items.topics.T @ self.facts.slow  # (T,)
        self._topic_share: FloatArray = topic / max(float(topic.sum()), 1e-300)
        self._log_topic = np.log(self._topic_share + RARE)
        order = np.lexsort((np.arange(items.n_items), -self.facts.slow))
        columns = items.topics[order].tocsc()
        self._order, self._topic_start, self._topic_items = order, columns.indptr, columns.indices

    def look(self, mine: Mine) -> Liked:
        """Return a user's weight on each topic and the days since the last event on it."""
        known = mine.item < self.items.n_items
        row, topic, share = entries(self.items.topics, mine.item[known].astype(np.int64))
        n_topics = self.items.topics.shape[1]
        weight = np.bincount(topic, share * mine.weight[known][row], minlength=n_topics).astype(np.float64)
        days = np.full(n_topics, 400.0)
        np.fmin.at(days, topic, mine.age_days[known][row])
        return Liked(weight, days)

    def candidates(self, mine: Mine, liked: Liked, follows: FloatArray, at: float, sizes: CandidateSizes) -> IntArray:
        """Return the items to look at, rising.

        The user's own newest, those that rules lead to, the most popular of all and those of the user's own topics;
        none that came after ``at``.
        """
        known = mine.item[mine.item < self.items.n_items].astype(np.int64)
        own = known[-sizes.own :] if sizes.own else known[:0]
        led = top_n(np.where(follows > 0, follows, -np.inf), sizes.follows)
        best = top_n(np.where(liked.weight > 0, liked.weight, -np.inf), sizes.topics)
        topical = [self._best_of(topic, sizes.per_topic) for topic in best.tolist()]
        found: IntArray = np.unique(np.concatenate([own, led, self.facts.best[: sizes.popular], *topical]))
        there: IntArray = found[self.items.since[found] <= at]
        return there

    def _best_of(self, topic: int, n: int) -> IntArray:
        first, end = self._topic_start[topic], self._topic_start[topic + 1]
        best: IntArray = self._order[self._topic_items[first : min(first + n, end)]]
        return best

    def features(self, mine: Mine, liked: Liked, follows: FloatArray, candidates: IntArray, at: float) -> Float32Array:
        """Return the features of each candidate, shape ``(n, len(FEATURES))``.

        Args:
            mine: What the user did.
            liked: What ``look`` says of it.
            follows: Sum of the confidences of rules by item, shape ``(I,)``.
            candidates: Item numbers, rising.
            at: The moment asked about.
        """
        facts, n = self.facts, candidates.size
        total = float(mine.weight.sum())
        count, days = np.zeros(n), np.full(n, 400.0)
        place = np.searchsorted(candidates, mine.item).clip(max=max(0, n - 1))
        there = candidates[place] == mine.item if n else np.zeros(mine.item.size, np.bool_)
        count[place[there]] = mine.weight[there]
        days[place[there]] = np.minimum(mine.age_days[there], 400.0)
        row, topic, part = entries(self.items.topics, candidates)

        def over_topics(value: FloatArray) -> FloatArray:
            summed: FloatArray = np.bincount(row, part * value[topic], minlength=n).astype(np.float64)
            return summed

        bare = np.bincount(row, minlength=n) == 0
        of_topic, everybody = over_topics(liked.weight), over_topics(self._topic_share)
        likes = (of_topic + PRIOR * everybody + RARE) / (total + PRIOR) / (everybody + RARE)
        share = liked.weight / max(float(liked.weight.sum()), 1e-300)
        entropy = -float(np.sum(share[share > 0] * np.log(share[share > 0])))
        since = np.minimum(self.items.since[candidates], facts.first_at[candidates])
        since = np.where(np.isfinite(since), since, facts.first_at[candidates])
        age = np.where(np.isfinite(since), np.maximum(0.0, at - since) / DAY_S, 0.0)
        columns = np.empty((n, len(FEATURES)), np.float32)
        values = (
            np.log1p(count),
            count / max(total, 1e-300),
            np.log1p(days),
            np.log1p(of_topic),
            np.where(bare, 0.0, np.log(np.maximum(likes, RARE))),
            np.where(bare, NEVER, over_topics(np.log1p(np.minimum(liked.days, 400.0)))),
            np.log1p(100.0 * np.maximum(0.0, follows[candidates])),
            self._log_fast[candidates],
            self._log_slow[candidates],
            self._log_fast[candidates] - self._log_slow[candidates],
            np.log1p(age),
            facts.repeat[candidates],
            np.where(bare, np.log(RARE), over_topics(self._log_topic)),
            np.log1p(total),
            entropy,
            1.0 - mine.item.size / max(total, 1.0, mine.item.size),
            np.log1p(min(400.0, float(mine.age_days.min(initial=400.0)))),
            float(hour_of(at)),
            float(weekday_of(at)),
        )
        for column, value in enumerate(values):
            columns[:, column] = value
        return np.nan_to_num(columns, nan=0.0, posinf=0.0, neginf=0.0)


def distinct(keys: IntArray) -> IntArray:
    """Return the different keys, all >= 0, rising; for millions of them much faster than ``numpy.unique``."""
    ordered: IntArray = np.sort(keys)
    return ordered[np.diff(ordered, prepend=-1) > 0]


def entries(matrix: sparse.csr_array, rows: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the entries of some rows: the place of the row among those asked for, the column, the value.

    What ``matrix[rows]`` holds, without making a matrix: several times faster for a few hundred rows.
    """
    first = matrix.indptr[rows].astype(np.int64)
    size = matrix.indptr[rows + 1].astype(np.int64) - first
    row = np.repeat(np.arange(rows.size), size)
    place = np.repeat(first - np.cumsum(size) + size, size) + np.arange(row.size)
    return row, matrix.indices[place].astype(np.int64), matrix.data[place]


@dataclass(frozen=True, slots=True)
class CandidateSizes:
    """How many items each cheap count proposes."""

    own: int
    """The user's newest own items; 0 where items are not taken twice."""
    follows: int
    """Items that rules lead to."""
    popular: int
    """The most popular items, half-life 30 days."""
    topics: int
    """The user's topics that propose."""
    per_topic: int
    """The most popular items of each."""
