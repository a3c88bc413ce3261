"""A reading in the numbers that people see: the strongest topics, with intervals, trend and events."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from penchant.domain.batch import EventBatch
from penchant.domain.interests import Reading
from penchant.domain.profile import RecentTopics
from penchant.interest.tracker import Tracker, TrackerState
from penchant.math.arrays import FloatArray
from penchant.math.top import top_n

Z = 1.959964
"""Two-sided 95 % of the normal distribution."""
MAX_EVIDENCE = 3


@dataclass(frozen=True, slots=True)
class Described:
    """One topic of a reading; ``evidence`` holds ``(log position, share of the long-term evidence)``, largest first."""

    topic: int
    probability: float
    interval: tuple[float, float]
    long_term: float
    short_term: float
    trend: float
    trend_interval: tuple[float, float]
    evidence: tuple[tuple[int, float], ...]


def describe(
    tracker: Tracker,
    state: TrackerState,
    at: float,
    population: FloatArray,
    recent: RecentTopics,
    n: int,
    reading: Reading | None = None,
) -> list[Described]:
    """Return the ``n`` most probable of the topics that the user touched.

    The probability's interval is Wilson's, with the effective number of events behind it. The trend is the base-2
    logarithm of short-term over long-term strength; its interval is the normal one for a ratio of two counts.

    Args:
        tracker: Reads the state.
        state: The user's state.
        at: Seconds since 1970.
        population: Decayed topic counts, shape ``(T,)``.
        recent: Events to name as evidence; only those up to ``at`` count.
        n: At most this many.
        reading: What to describe; None for what the tracker reads.

    Source:
        Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927. Ratio: Katz et al.,
        "Obtaining confidence intervals for the risk ratio", Biometrics 1978.
    """
    reading = reading or tracker.read(state, at, population)
    mine = np.full(population.size, -np.inf)
    touched = state.topic[reading.evidence[state.topic] > 0]
    mine[touched] = reading.probability[touched]
    views = tracker.views(state, at)
    strength = tracker.learned.strength
    short, long = tracker.config.short_view, strength.size - 1
    chosen = top_n(mine, n).tolist()
    carried = _evidence(recent, set(chosen), reading.evidence, at, float(tracker.half_lives_s[long]))
    described = []
    places = state.topic.tolist()
    for topic in chosen:
        p = float(reading.probability[topic])
        fast, slow = float(reading.short_term[topic]), float(reading.long_term[topic])
        trend = math.log2(fast / slow) if fast > 0 and slow > 0 else 0.0
        # Half an event, or what the prior stands for, keeps the width finite where a view has seen nothing.
        place = places.index(topic)
        seen_fast = float(views[place, short]) + max(0.5, float(strength[short]) * fast)
        seen_slow = float(views[place, long]) + max(0.5, float(strength[long]) * slow)
        width = Z * math.sqrt(1.0 / seen_fast + 1.0 / seen_slow) / math.log(2.0)
        described.append(
            Described(
                topic,
                p,
                wilson(p, reading.known_long + float(strength[long])),
                slow,
                fast,
                trend,
                (trend - width, trend + width),
                carried.get(topic, ()),
            )
        )
    return described


def wilson(p: float, n: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share ``p`` seen among ``n`` events.

    >>> low, high = wilson(0.5, 100)
    >>> round(low, 3), round(high, 3)
    (0.404, 0.596)
    """
    centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def recent_of(batch: EventBatch) -> RecentTopics:
    """Return every (event, topic) pair of a batch, as the history would keep them."""
    owner = batch.topic_owner
    share = batch.weight[owner] / np.diff(batch.topic_start)[owner]
    return RecentTopics(batch.topic, share, batch.at[owner], batch.position[owner])


def _evidence(
    recent: RecentTopics, topics: set[int], total: FloatArray, at: float, half_life: float
) -> dict[int, tuple[tuple[int, float], ...]]:
    """Return, by topic, the positions and shares of the events that carry most of its long-term evidence."""
    carries = np.zeros(total.size, dtype=np.bool_)
    carries[list(topics)] = True
    # While others write, the recent events may speak of topics that came after the state was read.
    usable = np.flatnonzero((recent.topic < carries.size) & (recent.at <= at) & (recent.weight > 0))
    usable = usable[carries[recent.topic[usable]]]
    topic = recent.topic[usable]
    share = recent.weight[usable] * np.exp2(-(at - recent.at[usable]) / half_life) / total[topic]
    position = recent.position[usable]
    order = np.lexsort((-position, -share))  # the largest share first, of equals the newest
    carried: dict[int, list[tuple[int, float]]] = {}
    for number, where, part in zip(
        topic[order].tolist(), position[order].tolist(), np.minimum(share[order], 1.0).tolist(), strict=True
    ):
        pairs = carried.setdefault(number, [])
        if len(pairs) < MAX_EVIDENCE:
            pairs.append((where, part))
    return {number: tuple(pairs) for number, pairs in carried.items()}
