"""An item as the catalogue knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Item:
    """An item: what it is called, what it is about, and since when it is known (seconds since 1970)."""

    item_id: str
    title: str | None = None
    topics: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    since_s: float = 0.0
    changed_s: float = 0.0
