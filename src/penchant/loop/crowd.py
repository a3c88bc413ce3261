"""What everybody does at a moment, as the tracker wants it: from the ledger for one moment, from the days for many."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from penchant.clock import DAY_S, day_of
from penchant.domain.batch import EventBatch
from penchant.domain.hierarchy import TopicTree
from penchant.interest.crowd import TREND_DAYS, Crowd
from penchant.loop.fold import Ledger
from penchant.math.arrays import FloatArray, Int32Array
from penchant.profile.population import DayState, by_day
from penchant.profile.topics import TopicCatalog


def crowd_at(ledger: Ledger, at: float, n_topics: int) -> Crowd:
    """Return what everybody does at a moment, over the first so many topics."""
    # Up to the beginning of the day, as it was learned from: within a day the counts of few hours would say too much.
    begin = day_of(at) * DAY_S - 1e-6
    trends = [sized(ledger.population("topic_population", begin, days), n_topics) for days in TREND_DAYS]
    return Crowd(np.stack(trends), _any(ledger.parents(at, n_topics)))


def crowd_by_day(days: Mapping[int, DayState], parents: Int32Array) -> Callable[[float], Crowd]:
    """Return what everybody does, for many moments in any order, with the hierarchy of one of them."""
    trends = [by_day(days, half_life, parents.size) for half_life in TREND_DAYS]
    above = _any(parents)
    return lambda at: Crowd(np.stack([trend(at) for trend in trends]), above)


def parents_in(batch: EventBatch, at: float) -> Int32Array:
    """Return every topic's parent at a moment as the events of a batch say it, -1 for none, shape ``(T,)``."""
    entries = TopicCatalog().update({}, batch)
    numbered = {batch.topics.number(topic): mine for topic, mine in entries.items()}
    return TopicTree(numbered).parents(at, len(batch.topics))


def _any(parents: Int32Array) -> Int32Array | None:
    return parents if (parents >= 0).any() else None


def sized(counts: FloatArray, size: int) -> FloatArray:
    """Return counts of exactly ``size``: the vocabulary may have grown between two looks."""
    return counts[:size] if counts.size >= size else np.concatenate([counts, np.zeros(size - counts.size)])
