"""The event log in SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy.engine import Connection

from penchant.domain.row import COLUMNS, Row, log_schema
from penchant.math.arrays import IntArray
from penchant.storage.database import Database

if TYPE_CHECKING:
    import polars as pl

_ALL = "position, " + ", ".join(COLUMNS)
_COPY_FROM = 500
"""Rows from which PostgreSQL's COPY beats inserts."""
_AT_ONCE = 10_000
"""Positions asked for in one query; SQLite takes 32,766 parameters, PostgreSQL 65,535."""


class SqlLog:
    """Rows in the table ``event``; a unique index on the event id makes ingest idempotent."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bind = database.bind

    def transaction(self) -> AbstractContextManager[object]:
        """Return the database's transaction."""
        return self._database.transaction()

    def append(self, rows: Sequence[Row]) -> IntArray:
        """Append rows; see ``EventLog.append``."""
        if not rows:
            return np.zeros(0, dtype=np.int64)
        with self._database.transaction() as connection:
            first = self.tail() + 1
            given = np.arange(first, first + len(rows), dtype=np.int64)
            if self._insert(connection, first, rows) < len(rows):
                sql = f"SELECT event_id, position FROM event WHERE position >= {self._bind}"  # noqa: S608
                new = dict(self._database.fetch(sql, (first,)))
                # Of several rows with one id the first was taken.
                given = np.array([new.pop(row[0], 0) for row in rows], dtype=np.int64)
        return given

    def _insert(self, connection: Connection, first: int, rows: Sequence[Row]) -> int:
        """Insert rows from a position on; return how many were new."""
        names, bind = ", ".join(COLUMNS), self._bind
        if self._database.sqlite:
            # SQLite gives the next positions itself; only the first one is said, for the rows before may be erased.
            binds = ", ".join([bind] * len(COLUMNS))
            sql = f"INSERT OR IGNORE INTO event (position, {names}) VALUES ({bind}, {binds})"  # noqa: S608
            taken = connection.exec_driver_sql(sql, (first, *rows[0])).rowcount
            if len(rows) == 1:
                return taken
            if taken == 0:  # a duplicate took no position: say all the others
                return connection.exec_driver_sql(sql, [(first + i, *row) for i, row in enumerate(rows[1:])]).rowcount
            sql = f"INSERT OR IGNORE INTO event ({names}) VALUES ({binds})"  # noqa: S608
            return taken + connection.exec_driver_sql(sql, rows[1:]).rowcount
        placed = [(first + i, *row) for i, row in enumerate(rows)]
        if len(placed) < _COPY_FROM:
            binds = ", ".join([bind] * (len(COLUMNS) + 1))
            sql = f"INSERT INTO event ({_ALL}) VALUES ({binds}) ON CONFLICT (event_id) DO NOTHING"  # noqa: S608
            return connection.exec_driver_sql(sql, placed if len(placed) > 1 else placed[0]).rowcount
        connection.exec_driver_sql("CREATE TEMP TABLE incoming (LIKE event) ON COMMIT DROP")
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY incoming ({_ALL}) FROM STDIN") as copy:
            for row in placed:
                copy.write_row(row)
        taken = connection.exec_driver_sql(
            f"INSERT INTO event ({_ALL}) SELECT {_ALL} FROM incoming ORDER BY position "  # noqa: S608
            "ON CONFLICT (event_id) DO NOTHING"
        ).rowcount
        connection.exec_driver_sql("DROP TABLE incoming")
        return taken

    def read(self, after: int = 0, chunk: int = 100_000) -> Iterator[pl.DataFrame]:
        """Yield frames in position order; see ``EventLog.read``."""
        while True:
            frame = self._select("position > {} ORDER BY position LIMIT {}", (after, chunk))
            if frame.height == 0:
                return
            after = int(frame["position"][-1])
            yield frame

    def of_user(self, user_id: str, upto_us: int | None = None) -> pl.DataFrame:
        """Return a user's events; see ``EventLog.of_user``."""
        if upto_us is None:
            return self._select("user_id = {} ORDER BY position", (user_id,))
        return self._select("user_id = {} AND at_us <= {} ORDER BY position", (user_id, upto_us))

    def span(self, from_us: int, upto_us: int) -> pl.DataFrame:
        """Return the events of a span of time; see ``EventLog.span``."""
        return self._select("at_us BETWEEN {} AND {} ORDER BY position", (from_us, upto_us))

    def at_positions(self, positions: Sequence[int]) -> list[tuple[int, Row]]:
        """Return rows by position; see ``EventLog.at_positions``."""
        wanted = sorted({int(position) for position in positions})
        found: list[tuple[int, Row]] = []
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            binds = ", ".join([self._bind] * len(some))
            sql = f"SELECT {_ALL} FROM event WHERE position IN ({binds}) ORDER BY position"  # noqa: S608
            found.extend((row[0], Row(*row[1:])) for row in self._database.fetch(sql, some))
        return found

    def tail(self) -> int:
        """Return the highest position ever given."""
        # Erased rows may have been the last ones; their positions must not come again.
        sql = "SELECT (SELECT max(position) FROM event), (SELECT value FROM mark WHERE name = 'high_water')"
        last, kept = self._database.fetch(sql)[0]
        return max(int(last or 0), int(kept or 0))

    def count(self) -> int:
        """Return how many rows there are."""
        return int(self._database.fetch("SELECT count(*) FROM event")[0][0])

    def erase(self, user_id: str) -> int:
        """Remove a user's rows; see ``EventLog.erase``. SQLite also overwrites them in the file."""
        with self._database.transaction() as connection:
            if self._database.sqlite:
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            self.set_mark("high_water", str(self.tail()))
            sql = f"DELETE FROM event WHERE user_id = {self._bind}"  # noqa: S608
            return connection.exec_driver_sql(sql, (user_id,)).rowcount

    def fill_topics(self, topics: Mapping[str, str]) -> int:
        """Give rows the topics of their item; see ``EventLog.fill_topics``."""
        if not topics:
            return 0
        bind = self._bind
        with self._database.transaction() as connection:
            connection.exec_driver_sql("CREATE TEMPORARY TABLE label (item_id TEXT PRIMARY KEY, topics TEXT NOT NULL)")
            connection.exec_driver_sql(f"INSERT INTO label VALUES ({bind}, {bind})", list(topics.items()))  # noqa: S608
            changed = connection.exec_driver_sql(
                "UPDATE event SET topics = (SELECT label.topics FROM label WHERE label.item_id = event.item_id) "
                "WHERE event.topics IS NULL AND event.item_id IN (SELECT label.item_id FROM label)"
            ).rowcount
            connection.exec_driver_sql("DROP TABLE label")
        return changed

    def mark(self, name: str) -> str | None:
        """Return the text kept under a name."""
        found = self._database.fetch(f"SELECT value FROM mark WHERE name = {self._bind}", (name,))  # noqa: S608
        return str(found[0][0]) if found else None

    def set_mark(self, name: str, value: str) -> None:
        """Keep a text under a name."""
        with self._database.transaction() as connection:
            sql = (
                f"INSERT INTO mark (name, value) VALUES ({self._bind}, {self._bind}) "  # noqa: S608
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            )
            connection.exec_driver_sql(sql, (name, value))

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _select(self, where: str, values: tuple[Any, ...]) -> pl.DataFrame:
        import polars as pl

        sql = f"SELECT {_ALL} FROM event WHERE {where.format(*[self._bind] * len(values))}"  # noqa: S608
        return pl.DataFrame(self._database.fetch(sql, values), schema=log_schema(), orient="row")
