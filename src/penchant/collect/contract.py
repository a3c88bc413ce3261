"""What an event log and a source of events must do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from penchant.domain.row import Row
from penchant.math.arrays import IntArray

if TYPE_CHECKING:
    import polars as pl


class EventLog(Protocol):
    """The append-only truth: rows in the order of arrival, each event id once.

    ``penchant.testing.EventLogContract`` checks every back end. Positions rise strictly, may have gaps, and are never
    used again, not even after ``erase``. What ``append`` returned is durable as the back end promises.
    """

    def transaction(self) -> AbstractContextManager[object]:
        """Return a context in which appends and marks take effect together or not at all, where the back end can."""
        ...

    def append(self, rows: Sequence[Row]) -> IntArray:
        """Append rows in order; return the position of each, 0 for one whose event id is already there."""
        ...

    def read(self, after: int = 0, chunk: int = 100_000) -> Iterator[pl.DataFrame]:
        """Yield frames in the log's schema, in position order, of what lies after a position."""
        ...

    def of_user(self, user_id: str, upto_us: int | None = None) -> pl.DataFrame:
        """Return the user's events that happened not later than ``upto_us``, in position order."""
        ...

    def span(self, from_us: int, upto_us: int) -> pl.DataFrame:
        """Return the events that happened in ``[from_us, upto_us]``, in position order."""
        ...

    def at_positions(self, positions: Sequence[int]) -> list[tuple[int, Row]]:
        """Return ``(position, row)`` of those positions that exist, in position order."""
        ...

    def tail(self) -> int:
        """Return the highest position ever given, 0 at first."""
        ...

    def count(self) -> int:
        """Return how many rows there are."""
        ...

    def erase(self, user_id: str) -> int:
        """Remove every row of the user for good; return how many there were."""
        ...

    def fill_topics(self, topics: Mapping[str, str]) -> int:
        """Give rows without topics those of their item (JSON text by item id); return how many rows changed."""
        ...

    def mark(self, name: str) -> str | None:
        """Return the text last kept under a name."""
        ...

    def set_mark(self, name: str, value: str) -> None:
        """Keep a text under a name."""
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...
