"""The topic catalogue, built from topic events: under which parent a topic stood, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from penchant.domain.batch import EventBatch, Scope
from penchant.domain.hierarchy import TopicEntry
from penchant.domain.packing import pack, unpack
from penchant.domain.row import parent_of

FORMAT = 1
MAX_ENTRIES = 16

TopicState = tuple[TopicEntry, ...]
"""The newest entries of one topic, oldest first."""


class TopicCatalog:
    """Keeps the 16 newest ``topic`` events of each topic by event time, so that the past can be asked about.

    Each event says all of the parent: one that names none puts the topic at the top. A title that an event leaves out
    stays as it was. Before the oldest event that is kept a topic has no parent.
    """

    name = "topic_catalog"
    scope: Scope = "topic"
    types = frozenset({"topic"})

    def start(self) -> TopicState:
        """Return no entry."""
        return ()

    def update(self, states: Mapping[str, TopicState], batch: EventBatch) -> dict[str, TopicState]:
        """Return the states after the batch; see ``Learner.update``."""
        changed: dict[str, TopicState] = {}
        for topic_id, rows in batch.groups(self.scope, self.types):
            entries = list(states.get(topic_id, ()))
            for row in rows.tolist():
                payload = batch.payloads.get(row)
                title = msgspec.json.decode(payload).get("title") if payload else None
                parent = parent_of(payload)
                number = -1 if parent is None else batch.topics.number(parent)
                entries.append(TopicEntry(float(batch.at[row]), int(batch.position[row]), number, title))
            entries.sort(key=lambda entry: (entry.at, entry.position))
            changed[topic_id] = tuple(entries[-MAX_ENTRIES:])
        return changed

    def read(self, state: TopicState, at: float) -> TopicEntry | None:
        """Return what holds at a moment, with the newest title up to then; None when nothing was said by then."""
        known = [entry for entry in state if entry.at <= at]
        if not known:
            return None
        title = next((entry.title for entry in reversed(known) if entry.title is not None), None)
        return TopicEntry(known[-1].at, known[-1].position, known[-1].parent, title)

    def encode(self, state: TopicState) -> bytes:
        """Return the state as bytes."""
        return pack(FORMAT, {"entries": [[e.at, e.position, e.parent, e.title] for e in state]})

    def decode(self, data: bytes) -> TopicState:
        """Return the state that ``encode`` wrote; ``FormatError`` when damaged."""
        return tuple(TopicEntry(*entry) for entry in unpack(data, FORMAT)["entries"])

    def last_at(self, state: TopicState) -> float:
        """Return the time of the newest event, seconds since 1970."""
        return state[-1].at if state else -math.inf
