"""The catalogue, built from item events: an item's newest title, topics and attributes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import islice
from typing import Any

import msgspec

from penchant.domain.batch import EventBatch, Scope
from penchant.domain.item import Item
from penchant.domain.packing import pack, unpack

FORMAT = 1
MAX_ATTRIBUTES = 200


class CatalogLearner:
    """Keeps what the newest ``item`` event says of each item; fields that an event leaves out stay as they were.

    ``attributes`` are merged name by name, at most 200; more are ignored in the order in which they come. A late item
    event changes nothing that a newer one has said, but it may show that the item is known for longer.
    """

    name = "catalog"
    scope: Scope = "item"
    types = frozenset({"item"})

    def start(self) -> Item | None:
        """Return nothing: an item without an item event has no entry."""
        return None

    def update(self, states: Mapping[str, Item | None], batch: EventBatch) -> dict[str, Item | None]:
        """Return the items after the batch; see ``Learner.update``."""
        changed: dict[str, Item | None] = {}
        names = batch.topics.ids
        for item_id, rows in batch.groups(self.scope, self.types):
            item = states.get(item_id)
            for row in rows.tolist():
                at = float(batch.at[row])
                said = msgspec.json.decode(batch.payloads.get(row, "{}"))
                topics = tuple(names[i] for i in batch.topic[batch.topic_start[row] : batch.topic_start[row + 1]])
                if item is None:
                    item = Item(item_id, said.get("title"), topics, _merged({}, said), at, at)
                elif at >= item.changed_s:
                    item = Item(
                        item_id,
                        said.get("title", item.title),
                        topics or item.topics,
                        _merged(item.attributes, said),
                        item.since_s,
                        at,
                    )
                else:
                    item = Item(
                        item_id,
                        item.title,
                        item.topics,
                        item.attributes,
                        min(item.since_s, at),
                        item.changed_s,
                    )
            changed[item_id] = item
        return changed

    def encode(self, state: Item | None) -> bytes:
        """Return the item as bytes."""
        if state is None:
            return pack(FORMAT, {})
        fields = {name: getattr(state, name) for name in Item.__slots__}
        return pack(FORMAT, {**fields, "topics": list(state.topics), "attributes": dict(state.attributes)})

    def decode(self, data: bytes) -> Item | None:
        """Return the item that ``encode`` wrote; ``FormatError`` when damaged."""
        fields = unpack(data, FORMAT)
        if not fields:
            return None
        topics = tuple(sys.intern(topic) for topic in fields["topics"])
        return Item(**{**fields, "topics": topics, "attributes": _shared(fields["attributes"])})

    def last_at(self, state: Item | None) -> float:
        """Return the time of the newest item event, seconds since 1970."""
        return state.changed_s if state else float("-inf")


def _merged(attributes: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**attributes, **_shared(said.get("attributes", {}))}
    return dict(islice(merged.items(), MAX_ATTRIBUTES))


def _shared(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes whose names and texts are kept once for all items: catalogues repeat them by the thousand."""
    return {sys.intern(name): sys.intern(value) if type(value) is str else value for name, value in attributes.items()}
