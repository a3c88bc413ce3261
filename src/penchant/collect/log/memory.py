"""The event log in memory: for tests, notebooks and evaluation."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np

from penchant.domain.row import Row, log_schema
from penchant.math.arrays import IntArray

if TYPE_CHECKING:
    import polars as pl

SEALED = 20_000
"""Rows that are put away as a frame: a tenth of the memory that they take as tuples."""


class MemoryLog:
    """The newest rows in a list, the older ones in frames; gone when the process ends."""

    def __init__(self) -> None:
        self._sealed: list[pl.DataFrame] = []
        self._rows: list[tuple[int, Row]] = []  # (position, row), rising
        self._by_user: dict[str | None, list[tuple[int, Row]]] = {}
        self._hashes: set[int] = set()  # of the event ids: a third of the memory that the ids take
        self._count = 0
        self._marks: dict[str, str] = {}
        self._tail = 0

    def transaction(self) -> AbstractContextManager[object]:
        """Return an empty context: nothing here can fail half-way."""
        return nullcontext()

    def append(self, rows: Sequence[Row]) -> IntArray:
        """Append rows; see ``EventLog.append``."""
        given = np.zeros(len(rows), dtype=np.int64)
        # A hash that was met before is looked up, so that two ids with one hash stay two.
        taken = self._present([row[0] for row in rows if hash(row[0]) in self._hashes])
        for i, row in enumerate(rows):
            if row[0] in taken:
                continue
            taken.add(row[0])
            self._hashes.add(hash(row[0]))
            self._tail += 1
            given[i] = self._tail
            self._rows.append((self._tail, row))
        n_new = int(np.count_nonzero(given))
        self._count += n_new
        if len(self._rows) >= SEALED:
            self._sealed.append(_frame(self._rows))
            self._rows, self._by_user = [], {}
        else:
            for placed in self._rows[len(self._rows) - n_new :]:
                self._by_user.setdefault(placed[1][2], []).append(placed)
        return given

    def _present(self, event_ids: Sequence[str]) -> set[str]:
        """Return which of these ids are in the log."""
        if not event_ids:
            return set()
        import polars as pl

        wanted = pl.Series(event_ids, dtype=pl.String)
        present = set(event_ids) & {row[0] for _, row in self._rows}
        for frame in self._sealed:
            present.update(frame.filter(pl.col("event_id").is_in(wanted.implode()))["event_id"].to_list())
        return present

    def read(self, after: int = 0, chunk: int = 100_000) -> Iterator[pl.DataFrame]:
        """Yield frames in position order; see ``EventLog.read``."""
        import polars as pl

        for frame in (*self._sealed, _frame(self._rows)):
            if frame.height and int(frame["position"][-1]) > after:
                yield from frame.filter(pl.col("position") > after).iter_slices(chunk)

    def _where(self, condition: pl.Expr, rows: Sequence[tuple[int, Row]]) -> pl.DataFrame:
        import polars as pl

        return pl.concat([frame.filter(condition) for frame in (*self._sealed, _frame(rows))])

    def of_user(self, user_id: str, upto_us: int | None = None) -> pl.DataFrame:
        """Return a user's events; see ``EventLog.of_user``."""
        import polars as pl

        mine = pl.col("user_id") == user_id
        if upto_us is not None:
            mine &= pl.col("at_us") <= upto_us
        return self._where(mine, self._by_user.get(user_id, []))

    def span(self, from_us: int, upto_us: int) -> pl.DataFrame:
        """Return the events of a span of time; see ``EventLog.span``."""
        import polars as pl

        return self._where(pl.col("at_us").is_between(from_us, upto_us), self._rows)

    def at_positions(self, positions: Sequence[int]) -> list[tuple[int, Row]]:
        """Return rows by position; see ``EventLog.at_positions``."""
        found = []
        for position in sorted({int(position) for position in positions}):
            row = self._at(position)
            if row is not None:
                found.append((position, row))
        return found

    def _at(self, position: int) -> Row | None:
        if self._rows and position >= self._rows[0][0]:
            i = bisect.bisect_left(self._rows, position, key=lambda placed: placed[0])
            return Row(*self._rows[i][1]) if i < len(self._rows) and self._rows[i][0] == position else None
        for frame in self._sealed:
            if frame.height and position <= int(frame["position"][-1]):
                i = int(frame["position"].search_sorted(position))
                return Row(*frame.row(i)[1:]) if int(frame["position"][i]) == position else None
        return None

    def tail(self) -> int:
        """Return the highest position ever given."""
        return self._tail

    def count(self) -> int:
        """Return how many rows there are."""
        return self._count

    def erase(self, user_id: str) -> int:
        """Remove a user's rows; see ``EventLog.erase``."""
        import polars as pl

        others = pl.col("user_id").ne_missing(user_id)
        gone = [event_id for frame in self._sealed for event_id in frame.filter(~others)["event_id"].to_list()]
        gone += [row[0] for _, row in self._by_user.pop(user_id, [])]
        self._sealed = [frame.filter(others) for frame in self._sealed]
        self._rows = [placed for placed in self._rows if placed[1][2] != user_id]
        # A hash may be shared with an id that stays: it is left, and costs a look.
        self._count -= len(gone)
        return len(gone)

    def fill_topics(self, topics: Mapping[str, str]) -> int:
        """Give rows the topics of their item; see ``EventLog.fill_topics``."""
        from penchant.collect.log.filling import filled

        changed = 0
        for number, frame in enumerate(self._sealed):
            self._sealed[number], n = filled(frame, topics)
            changed += n
        for number, (position, row) in enumerate(self._rows):
            if row[9] is None and row[3] is not None and row[3] in topics:
                self._rows[number] = (position, Row(*row)._replace(topics=topics[row[3]]))
                changed += 1
        self._by_user = {}
        for placed in self._rows:
            self._by_user.setdefault(placed[1][2], []).append(placed)
        return changed

    def mark(self, name: str) -> str | None:
        """Return the text kept under a name."""
        return self._marks.get(name)

    def set_mark(self, name: str, value: str) -> None:
        """Keep a text under a name."""
        self._marks[name] = value

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def _frame(rows: Sequence[tuple[int, Row]]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame([(position, *row) for position, row in rows], schema=log_schema(), orient="row")
