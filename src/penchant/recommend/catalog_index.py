"""The catalogue as arrays: which item is about which topic, what it is called, and since when it is known."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import sparse

from penchant.domain.item import Item
from penchant.domain.item_model import ItemTable
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
        self._text: list[str] = []
        self._untold: set[int] = set()  # items whose words are not in _text yet
        self._table: ItemTable | None = None

    def clear(self) -> None:
        """Forget every item."""
        self._known.clear()
        self._text.clear()
        self._untold.clear()
        self._stale = True

    def put(self, items: Iterable[Item | None]) -> None:
        """Take items as they are now."""
        for item in items:
            if item is not None:
                number = self._items.number(item.item_id)
                self._known[number] = item
                self._untold.add(number)
                self._stale = True

    def title(self, number: int) -> str | None:
        """Return an item's title."""
        item = self._known.get(number)
        return None if item is None else item.title

    def numbers(self) -> list[int]:
        """Return the numbers of all items of which an item event has spoken."""
        return list(self._known)

    def item(self, number: int) -> Item | None:
        """Return an item, None when no item event has spoken of it."""
        return self._known.get(number)

    def arrays(self) -> tuple[sparse.csr_array, sparse.csr_array, FloatArray]:
        """Return ``(item_topics, topic_items, since)``; see ``Query``."""
        size = (len(self._items), len(self._topics))
        if self._stale:
            self._build(size)
        elif size != self._size:  # only names that no item event has spoken of: empty rows
            # New objects: whoever holds the old arrays keeps them as they were.
            self._item_topics, self._topic_items = (
                _grown(self._item_topics, size),
                _grown(self._topic_items, size[::-1]),
            )
            self._since = np.concatenate([self._since, np.full(size[0] - self._since.size, -np.inf)])
            self._size = size
        return self._item_topics, self._topic_items, self._since

    def table(self) -> ItemTable:
        """Return what item models may know of the items; the same object until the catalogue changes."""
        topics, _, since = self.arrays()
        if self._table is None or self._table.topics is not topics or self._table.since is not since:
            self._text.extend([""] * (since.size - len(self._text)))
            for number in self._untold:
                self._text[number] = words(self._known[number])
            self._untold.clear()
            self._table = ItemTable(topics, tuple(self._text), since)
        return self._table

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


def _grown(matrix: sparse.csr_array, size: tuple[int, int]) -> sparse.csr_array:
    grown = sparse.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
    grown.resize(size)
    return grown


def words(item: Item) -> str:
    """Return an item's title and those of its attributes that are texts, or lists of texts.

    >>> words(Item("i", "Green tea", attributes={"brand": "Acme", "price": 3, "tags": ["loose", "leaf"]}))
    'Green tea Acme loose leaf'
    """
    said = [item.title or ""]
    for value in item.attributes.values():
        said.extend(each for each in (value if isinstance(value, list | tuple) else (value,)) if isinstance(each, str))
    return " ".join(part for part in said if part)
