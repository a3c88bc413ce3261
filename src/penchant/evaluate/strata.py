"""The same lists, cut differently: by how popular the taken items were, by how much was known of the user."""

from __future__ import annotations

import numpy as np

from penchant.evaluate.ranking import Asked, Lists, gains, of_rows
from penchant.evaluate.statistics import Interval, bootstrap_mean
from penchant.math.arrays import FloatArray, Int32Array, IntArray

POPULARITY = ("head", "middle", "tail", "new")
"""Items that hold the first third of the training interactions, the second, the last, and those without any."""
LENGTHS = (0, 1, 5, 20, 100)
"""Least number of events in the history of each group of users."""
_Scored = dict[str, dict[str, Interval]]


def popularity_strata(count: FloatArray) -> Int32Array:
    """Return the place of each item in ``POPULARITY``, shape ``(I,)``; ties go to the lower number.

    >>> popularity_strata(np.array([1.0, 4.0, 0.0, 2.0, 2.0]))
    array([2, 0, 3, 1, 2], dtype=int32)
    """
    strata = np.full(count.size, POPULARITY.index("new"), np.int32)
    order = np.argsort(-count, kind="stable")
    order = order[count[order] > 0]
    before = np.concatenate([[0.0], np.cumsum(count[order])[:-1]])  # interactions with more popular items
    strata[order] = np.minimum(2, np.floor(3.0 * before / max(1e-12, float(count.sum())))).astype(np.int32)
    return strata


def length_strata(n_events: IntArray) -> Int32Array:
    """Return the place of each history in ``LENGTHS``, shape ``(Q,)``.

    >>> length_strata(np.array([0, 1, 4, 5, 1000]))
    array([0, 1, 1, 2, 4], dtype=int32)
    """
    return (np.searchsorted(LENGTHS, n_events, "right") - 1).astype(np.int32)


def length_names() -> list[str]:
    """Return how the groups of users are called: ``0``, ``1-4``, …, ``100+``."""
    ends = [*(f"-{after - 1}" for after in LENGTHS[1:]), "+"]
    return [str(least) if end == f"-{least}" else f"{least}{end}" for least, end in zip(LENGTHS, ends, strict=True)]


def by_popularity(lists: Lists, asked: Asked, n: int, rng: np.random.Generator) -> tuple[dict[str, int], _Scored]:
    """Return how many queries each stratum has, and NDCG@n where only its items count as relevant."""
    stratum = popularity_strata(asked.count)
    counts: dict[str, int] = {}
    scored: _Scored = {name: {} for name in lists}
    for place, name in enumerate(POPULARITY):
        relevant = [items[stratum[items] == place] for items in asked.relevant]
        keep = np.array([items.size > 0 for items in relevant], dtype=np.bool_)
        _score(scored, counts, name, of_rows(lists, keep), asked.only(keep, relevant), n, rng)
    return counts, scored


def by_length(
    lists: Lists, asked: Asked, n_events: IntArray, n: int, rng: np.random.Generator
) -> tuple[dict[str, int], _Scored]:
    """Return how many queries each group of users has, and NDCG@n within it."""
    stratum = length_strata(n_events)
    counts: dict[str, int] = {}
    scored: _Scored = {name: {} for name in lists}
    for place, name in enumerate(length_names()):
        keep = stratum == place
        _score(scored, counts, name, of_rows(lists, keep), asked.only(keep), n, rng)
    return counts, scored


def _score(
    scored: _Scored,
    counts: dict[str, int],
    stratum: str,
    lists: Lists,
    asked: Asked,
    n: int,
    rng: np.random.Generator,
) -> None:
    if not len(asked.relevant):
        return
    counts[stratum] = len(asked.relevant)
    for model, values in gains(lists, asked, n).items():
        scored[model][f"ndcg@{n} {stratum}"] = bootstrap_mean(values, asked.users, rng)
