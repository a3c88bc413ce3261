"""Taste as vectors: where items lie, where a user's interest lies among them, and the items that stand for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.packing import pack, unpack
from penchant.errors import ConfigError, FormatError
from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray

FORMAT = 1


class TasteConfig(BaseModel):
    """Configuration of item vectors, of the user's view in them, and of the items found near it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=64, ge=1, le=4096)
    """Length of the item vectors that ``fit`` learns."""
    min_users: int = Field(default=5, ge=1)
    """An item that fewer users took gets no vector."""
    popularity: float = Field(default=0.5, ge=0, le=1)
    """How far an item's popularity is divided out before the vectors are learned: 0 not at all, 0.5 cosine, 1 wholly."""
    fast_days: float = Field(default=7.0, gt=0)
    """Half-life of the fast view."""
    slow_days: float = Field(default=180.0, gt=0)
    """Half-life of the slow view."""
    medoid_days: float = Field(default=60.0, gt=0)
    """Half-life with which an item counts for the weight of its group."""
    max_medoids: int = Field(default=5, ge=1, le=100)
    """Groups of a user's items at most."""
    apart: float = Field(default=1.0, gt=0)
    """Groups further apart than this (Ward's distance; 1.41 between two unrelated items) stay apart where they may."""
    max_items: int = Field(default=100, ge=1, le=1000)
    """Of the user's items that many, those that weigh most, are put into groups."""
    fast_share: float = Field(default=0.5, ge=0)
    """Weight of nearness to the fast view when items are looked for; that of the groups is 1 together."""


@dataclass(frozen=True, eq=False)
class ItemVectors:
    """Where items lie: near each other where they are alike. Items without a vector are nowhere.

    Attributes:
        item: Numbers of the items that have a vector, rising, shape ``(k,)``.
        vector: Their vectors, each of length 1, shape ``(k, d)``.
        given: Whether they were brought from outside; ``fit`` then leaves them as they are.
    """

    item: Int32Array
    vector: Float32Array
    given: bool = False

    @classmethod
    def none(cls) -> ItemVectors:
        """Return vectors of no item."""
        return cls(np.empty(0, np.int32), np.empty((0, 0), np.float32))

    @classmethod
    def of(cls, item: Int32Array | IntArray, rows: FloatArray | Float32Array, given: bool = False) -> ItemVectors:
        """Return the vectors of items, brought to length 1; an item whose row is zero has none.

        Args:
            item: Item numbers, distinct, shape ``(n,)``.
            rows: One finite row for each, shape ``(n, d)``.
            given: Whether they come from outside.

        Returns:
            The vectors, in the order of item numbers.

        Raises:
            ConfigError: When shapes do not fit, a value is not finite, or an item is named twice.
        """
        rows = np.asarray(rows, dtype=np.float64)
        if rows.ndim != 2 or item.shape != rows.shape[:1]:
            raise ConfigError(
                f"{item.size} items and vectors of shape {rows.shape}; give one row of numbers for each item"
            )
        if not np.isfinite(rows).all():
            raise ConfigError("a vector has a value that is no finite number; leave that item out")
        if np.unique(item).size != item.size:
            raise ConfigError("an item has two vectors; give one for each")
        length = np.sqrt((rows**2).sum(axis=1))
        largest = length.max(initial=0.0)
        order = np.argsort(item, kind="stable")
        order = order[length[order] > 1e-6 * largest]  # what is left of nothing after rounding is no direction
        return cls(
            np.ascontiguousarray(item[order], dtype=np.int32),
            np.ascontiguousarray(rows[order] / length[order, None], dtype=np.float32),
            given,
        )

    def __len__(self) -> int:
        return int(self.item.size)

    def places(self, item: Int32Array | IntArray) -> IntArray:
        """Return at which row each item's vector stands, -1 for items without one, shape of ``item``."""
        if not self.item.size:
            return np.full(item.shape, -1, np.int64)
        place = np.minimum(np.searchsorted(self.item, item), self.item.size - 1)
        return np.where(self.item[place] == item, place, -1).astype(np.int64)

    def encode(self) -> bytes:
        """Return the vectors as bytes."""
        return pack(FORMAT, {"item": self.item, "vector": self.vector, "given": self.given})

    @classmethod
    def decode(cls, data: bytes) -> ItemVectors:
        """Return the vectors that ``encode`` wrote; ``FormatError`` when damaged."""
        fields = unpack(data, FORMAT)
        found = cls(**fields)
        if found.vector.ndim != 2 or found.item.shape != found.vector.shape[:1]:
            raise FormatError("the number of items is not that of vectors; run fit again")
        return found


@dataclass(frozen=True, slots=True)
class Medoid:
    """One group of a user's items, and the item in its middle.

    Attributes:
        item: Number of the item in the middle.
        share: Share of the group in the decayed weight of all the user's items that were grouped, 0..1.
        members: Numbers of its items, those that weigh most first, shape ``(m,)``.
        direction: Weighted mean of their vectors, length 1, shape ``(d,)``.
    """

    item: int
    share: float
    members: Int32Array
    direction: FloatArray


@dataclass(frozen=True, slots=True)
class TasteReading:
    """Where a user's interest lies among the items, at a moment.

    Attributes:
        fast: Direction of the last days, length 1, or zero where nothing is known, shape ``(d,)``.
        slow: Direction of the last months, likewise.
        fast_evidence: Decayed weight of the items behind the fast view, >= 0.
        slow_evidence: The same for the slow view.
        medoids: The groups of the user's items, heaviest first; their shares sum to 1, if there are any.
    """

    fast: FloatArray
    slow: FloatArray
    fast_evidence: float
    slow_evidence: float
    medoids: tuple[Medoid, ...]

    @property
    def agreement(self) -> float | None:
        """Return the cosine between the fast and the slow view, -1..1; None where nothing is known."""
        if not self.medoids:
            return None
        return float(np.clip(self.fast @ self.slow, -1.0, 1.0))


TasteReader: TypeAlias = Callable[[ItemVectors, TasteConfig], TasteReading]
"""Reads one user's taste at one moment in whichever vectors it is given."""


@dataclass(frozen=True, slots=True)
class TasteItem:
    """An item that stands for one group of a user's items.

    Attributes:
        item_id: The item.
        title: Its title, None when the catalogue has none.
        share: Share of the group in the decayed weight of the user's items, 0..1.
        n_items: Items in the group.
        last_at: The user's last event on the item in the middle.
        others: Ids of up to three other items of the group, those that weigh most first.
    """

    item_id: str
    title: str | None
    share: float
    n_items: int
    last_at: datetime
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taste:
    """A user's taste at a moment, in items.

    Attributes:
        user_id: The user.
        at: The moment.
        medoids: The items that stand for it, heaviest group first.
        agreement: Cosine between the direction of the last days and that of the last months, -1..1: 1 means that
            nothing has moved. None where nothing is known.
        fast_evidence: Decayed weight of the items behind the direction of the last days.
        slow_evidence: The same for the last months.
    """

    user_id: str
    at: datetime
    medoids: tuple[TasteItem, ...]
    agreement: float | None
    fast_evidence: float
    slow_evidence: float
