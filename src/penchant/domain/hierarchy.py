"""Which topic lies under which: entries of the topic catalogue, and the parents that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from penchant.math.arrays import Int32Array

KEPT = 16
"""Moments between two changes of the catalogue whose parents a tree keeps."""


@dataclass(frozen=True, slots=True)
class TopicEntry:
    """What one ``topic`` event said: when, the topic's parent (-1 for none), and its title."""

    at: float
    position: int
    parent: int
    title: str | None


def parents_of(edges: Iterable[tuple[int, TopicEntry]], n_topics: int) -> Int32Array:
    """Return every topic's parent, -1 for a topic at the top, shape ``(n_topics,)``.

    Edges enter in the order of their times. One that would close a cycle is left out, so that of the edges of a cycle
    the newest is ignored. Topics and parents that have no number below ``n_topics`` are passed over.

    >>> entry = lambda at, parent: TopicEntry(at, int(at), parent, None)
    >>> parents_of([(0, entry(1.0, 1)), (1, entry(2.0, 2)), (2, entry(3.0, 0))], 3)
    array([ 1,  2, -1], dtype=int32)
    """
    parents = [-1] * n_topics
    for topic, entry in sorted(edges, key=lambda edge: (edge[1].at, edge[1].position, edge[0])):
        if not (0 <= topic < n_topics and 0 <= entry.parent < n_topics):
            continue
        above = entry.parent
        while above not in (-1, topic):
            above = parents[above]
        if above != topic:
            parents[topic] = entry.parent
    return np.array(parents, dtype=np.int32)


class TopicTree:
    """The parents of all topics as of any moment; what was asked lately is kept at hand."""

    def __init__(self, entries: Mapping[int, Sequence[TopicEntry]]) -> None:
        """Take the entries of each topic by its number, oldest first."""
        self._entries = entries
        self._changes = np.sort([entry.at for mine in entries.values() for entry in mine])
        self._known: dict[tuple[int, int], Int32Array] = {}

    def parents(self, at: float, n_topics: int) -> Int32Array:
        """Return every topic's parent at a moment, -1 for none, shape ``(n_topics,)``; not to be written to."""
        asked = (int(np.searchsorted(self._changes, at, side="right")), n_topics)
        parents = self._known.get(asked)
        if parents is None:
            newest = ((topic, [entry for entry in mine if entry.at <= at]) for topic, mine in self._entries.items())
            parents = parents_of([(topic, known[-1]) for topic, known in newest if known], n_topics)
            parents.setflags(write=False)
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[asked] = parents
        return parents
