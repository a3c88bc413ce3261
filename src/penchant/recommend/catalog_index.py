"""The catalogue as arrays: which item is about which topic, and since when it is known."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import sparse

from penchant.domain.item import Item
from penchant.domain.vocabulary import Vocabulary
from penchant.math.arrays import FloatArray


class CatalogIndex:
    """Keeps the arrays that a query needs; they are made anew after the catalogue has changed."""

    def __init__(self, items: Vocabulary, topics: Vocabulary) -> None:
        self._items = items
        self._topics = topics
        self._known: dict[int, Item] = {}
        self._size = (-1, -1)
        self._stale = True
        self._item_topics = sparse.csr_array((0, 0))
        self._topic_items = sparse.csr_array((0, 0))
        self._since = np.empty(0)  # -inf where no item event has spoken of the item

    def clear(self) -> None:
        """Forget every item."""
        self._known.clear()
        self._stale = True

    def put(self, items: Iterable[Item | None]) -> None:
        """Take items as they are now."""
        for item in items:
            if item is not None:
                self._known[self._items.number(item.item_id)] = item
                self._stale = True

    def title(self, number: int) -> str | None:
        """Return an item's title."""
        item = self._known.get(number)
        return None if item is None else item.title

    def item(self, number: int) -> Item | None:
        """Return an item, None when no item event has spoken of it."""
        return self._known.get(number)

    def arrays(self) -> tuple[sparse.csr_array, sparse.csr_array, FloatArray]:
        """Return ``(item_topics, topic_items, since)``; see ``Query``."""
        size = (len(self._items), len(self._topics))
        if self._stale:
            self._build(size)
        elif size != self._size:  # only names that no item event has spoken of: empty rows
            self._item_topics.resize(size)
            self._topic_items.resize(size[::-1])
            self._since = np.concatenate([self._since, np.full(size[0] - self._since.size, -np.inf)])
            self._size = size
        return self._item_topics, self._topic_items, self._since

    def _build(self, size: tuple[int, int]) -> None:
        rows: list[int] = []
        columns: list[int] = []
        share: list[float] = []
        since = np.full(size[0], -np.inf)
        for number, item in self._known.items():
            since[number] = item.since_s
            topics = [self._topics.number(topic) for topic in item.topics]
            rows.extend([number] * len(topics))
            columns.extend(topics)
            share.extend([1.0 / max(1, len(topics))] * len(topics))
        self._item_topics = sparse.csr_array((share, (rows, columns)), shape=size)
        self._topic_items = self._item_topics.T.tocsr()
        self._since = since
        self._size = size
        self._stale = False
