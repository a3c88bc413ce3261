"""A reading told from its arrays alone: of whole branches, and of topics that no event touched."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from penchant.domain.interests import Reading
from penchant.interest.describe import MAX_EVIDENCE, Described, Z, wilson
from penchant.math.arrays import FloatArray, IntArray


def describe_from(reading: Reading, topic: int, carried: tuple[tuple[int, float], ...] = ()) -> Described:
    """Return one topic in the numbers that people see.

    Intervals as in ``describe``, with the effective counts that the reading holds: those on the topic in the slow view,
    and its share of the user's events in the fast one, half an event at least.
    """
    p, fast, slow = (float(view[topic]) for view in (reading.probability, reading.short_term, reading.long_term))
    trend = math.log2(fast / slow) if fast > 0 and slow > 0 else 0.0
    seen_slow = max(0.5, float(reading.evidence[topic]))
    seen_fast = max(0.5, reading.known_short * fast)
    width = Z * math.sqrt(1.0 / seen_fast + 1.0 / seen_slow) / math.log(2.0)
    interval = wilson(p, max(1.0, reading.known_long))
    return Described(topic, p, interval, slow, fast, trend, (trend - width, trend + width), carried)


def at_branches(reading: Reading, stands: IntArray) -> Reading:
    """Return the reading of branches: every topic's numbers go to the topic that stands for it.

    Args:
        reading: Of single topics, over ``T`` of them.
        stands: From ``at_level``, shape ``(T,)``.
    """

    def summed(values: FloatArray) -> FloatArray:
        return np.bincount(stands, values, minlength=values.size).astype(np.float64)

    return replace(
        reading,
        probability=summed(reading.probability),
        long_term=summed(reading.long_term),
        short_term=summed(reading.short_term),
        evidence=summed(reading.evidence),
    )


def describe_branches(
    reading: Reading, stands: IntArray, leaves: Iterable[Described], also: Iterable[int]
) -> list[Described]:
    """Return the branches that the user touched, most probable first, with the events that carry most of each.

    Args:
        reading: Of single topics, over ``T`` of them.
        stands: From ``at_level``, shape ``(T,)``.
        leaves: The touched topics, described one by one.
        also: Topics to tell of though no event touched them.
    """
    whole = at_branches(reading, stands)
    carried: dict[int, dict[int, float]] = {int(stands[topic]): {} for topic in also}
    for leaf in leaves:
        top = int(stands[leaf.topic])
        share = float(reading.evidence[leaf.topic]) / max(float(whole.evidence[top]), 1e-300)
        mine = carried.setdefault(top, {})
        for position, part in leaf.evidence:
            mine[position] = mine.get(position, 0.0) + share * part
    described = [
        describe_from(whole, top, tuple(sorted(mine.items(), key=lambda pair: (-pair[1], -pair[0]))[:MAX_EVIDENCE]))
        for top, mine in carried.items()
    ]
    return sorted(described, key=lambda one: (-one.probability, one.topic))
