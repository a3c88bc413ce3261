"""The event log in memory: for tests, notebooks and evaluation."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np

from penchant.domain.row import Row, log_schema
from penchant.math.arrays import IntArray

if TYPE_CHECKING:
    import polars as pl


class MemoryLog:
    """Rows in a list; gone when the process ends."""

    def __init__(self) -> None:
        self._positions: list[int] = []
        self._rows: list[Row] = []
        self._ids: set[str] = set()
        self._by_user: dict[str | None, list[int]] = {}
        self._marks: dict[str, str] = {}
        self._tail = 0

    def transaction(self) -> AbstractContextManager[object]:
        """Return an empty context: nothing here can fail half-way."""
        return nullcontext()

    def append(self, rows: Sequence[Row]) -> IntArray:
        """Append rows; see ``EventLog.append``."""
        given = np.zeros(len(rows), dtype=np.int64)
        for i, row in enumerate(rows):
            if row[0] in self._ids:
                continue
            self._ids.add(row[0])
            self._tail += 1
            given[i] = self._tail
            self._by_user.setdefault(row[2], []).append(len(self._rows))
            self._positions.append(self._tail)
            self._rows.append(row)
        return given

    def read(self, after: int = 0, chunk: int = 200_000) -> Iterator[pl.DataFrame]:
        """Yield frames in position order; see ``EventLog.read``."""
        first = bisect.bisect_right(self._positions, after)
        for start in range(first, len(self._rows), chunk):
            yield self._frame(range(start, min(start + chunk, len(self._rows))))

    def of_user(self, user_id: str, upto_us: int | None = None) -> pl.DataFrame:
        """Return a user's events; see ``EventLog.of_user``."""
        mine = self._by_user.get(user_id, [])
        return self._frame([i for i in mine if upto_us is None or self._rows[i][4] <= upto_us])

    def span(self, from_us: int, upto_us: int) -> pl.DataFrame:
        """Return the events of a span of time; see ``EventLog.span``."""
        return self._frame([i for i, row in enumerate(self._rows) if from_us <= row[4] <= upto_us])

    def at_positions(self, positions: Sequence[int]) -> list[tuple[int, Row]]:
        """Return rows by position; see ``EventLog.at_positions``."""
        found = []
        for position in sorted(set(positions)):
            i = bisect.bisect_left(self._positions, position)
            if i < len(self._positions) and self._positions[i] == position:
                found.append((position, Row(*self._rows[i])))
        return found

    def tail(self) -> int:
        """Return the highest position ever given."""
        return self._tail

    def count(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def erase(self, user_id: str) -> int:
        """Remove a user's rows; see ``EventLog.erase``."""
        before = len(self._rows)
        keep = [i for i, row in enumerate(self._rows) if row[2] != user_id]
        self._positions = [self._positions[i] for i in keep]
        self._rows = [self._rows[i] for i in keep]
        self._ids = {row[0] for row in self._rows}
        self._by_user = {}
        for i, row in enumerate(self._rows):
            self._by_user.setdefault(row[2], []).append(i)
        return before - len(self._rows)

    def mark(self, name: str) -> str | None:
        """Return the text kept under a name."""
        return self._marks.get(name)

    def set_mark(self, name: str, value: str) -> None:
        """Keep a text under a name."""
        self._marks[name] = value

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _frame(self, which: Sequence[int] | range) -> pl.DataFrame:
        import polars as pl

        rows = [(self._positions[i], *self._rows[i]) for i in which]
        return pl.DataFrame(rows, schema=log_schema(), orient="row")
