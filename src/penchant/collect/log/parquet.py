"""The event log as a folder of Parquet files: for batch work, not for single events."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from penchant.domain.row import Row, log_schema
from penchant.errors import LogLockedError, StorageError
from penchant.math.arrays import IntArray

if TYPE_CHECKING:
    import polars as pl


class ParquetLog:
    """One file an append, written beside and renamed, so that a killed process leaves whole files only.

    Event ids are kept in memory. Appending single events makes many small files; use SQL for those.
    """

    def __init__(self, folder: str | Path) -> None:
        import polars as pl

        self._folder = Path(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self._folder / "writer.lock").open("w")
        except OSError as error:
            raise StorageError(f"cannot open the log at {self._folder}: {error}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise LogLockedError(f"another process uses the log at {self._folder}; close it first") from None
        try:
            for left_over in self._folder.glob("*.partial"):
                left_over.unlink()
            self._notes = self._folder / "marks.json"
            self._marks: dict[str, str] = msgspec.json.decode(self._notes.read_bytes()) if self._notes.exists() else {}
            self._ids: set[str] = set()
            self._tail = int(self._marks.get("high_water", "0"))
            for part in self._parts():
                frame = pl.read_parquet(part, columns=["position", "event_id"])
                self._ids.update(frame["event_id"].to_list())
                self._tail = max(self._tail, int(frame["position"][-1]))
        except (OSError, pl.exceptions.PolarsError, msgspec.DecodeError) as error:
            self._lock.close()
            raise StorageError(f"cannot open the log at {self._folder}: {error}") from error

    def _parts(self) -> list[Path]:
        return sorted(self._folder.glob("part-*.parquet"))

    def transaction(self) -> AbstractContextManager[object]:
        """Return an empty context: each append is one file, all or nothing by itself."""
        return nullcontext()

    def append(self, rows: Sequence[Row]) -> IntArray:
        """Append rows as one file; see ``EventLog.append``."""
        import polars as pl

        given = np.zeros(len(rows), dtype=np.int64)
        new: dict[str, int] = {}
        for i, row in enumerate(rows):
            if row[0] not in self._ids and row[0] not in new:
                new[row[0]] = i
                given[i] = self._tail + len(new)
        if new:
            placed = [(int(given[i]), *rows[i]) for i in new.values()]
            frame = pl.DataFrame(placed, schema=log_schema(), orient="row")
            self._write(self._folder / f"part-{self._tail + 1:015d}.parquet", frame)
            self._ids.update(new)
            self._tail += len(new)
        return given

    def _write(self, path: Path, frame: pl.DataFrame) -> None:
        partial = path.with_suffix(".partial")
        try:
            frame.write_parquet(partial)
            _sync(partial)
            partial.replace(path)
            _sync(self._folder)
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error}") from error

    def read(self, after: int = 0, chunk: int = 100_000) -> Iterator[pl.DataFrame]:
        """Yield frames in position order; see ``EventLog.read``."""
        import polars as pl

        for part in self._parts():
            frame = pl.read_parquet(part).filter(pl.col("position") > after)
            yield from (piece for piece in frame.iter_slices(chunk) if piece.height)

    def _where(self, condition: pl.Expr) -> pl.DataFrame:
        import polars as pl

        parts = self._parts()
        if not parts:
            return pl.DataFrame(schema=log_schema())
        return pl.scan_parquet(parts).filter(condition).sort("position").collect()

    def of_user(self, user_id: str, upto_us: int | None = None) -> pl.DataFrame:
        """Return a user's events; see ``EventLog.of_user``."""
        import polars as pl

        mine = pl.col("user_id") == user_id
        return self._where(mine if upto_us is None else mine & (pl.col("at_us") <= upto_us))

    def span(self, from_us: int, upto_us: int) -> pl.DataFrame:
        """Return the events of a span of time; see ``EventLog.span``."""
        import polars as pl

        return self._where(pl.col("at_us").is_between(from_us, upto_us))

    def at_positions(self, positions: Sequence[int]) -> list[tuple[int, Row]]:
        """Return rows by position; see ``EventLog.at_positions``."""
        import polars as pl

        frame = self._where(pl.col("position").is_in(list(positions)))
        return [(row[0], Row(*row[1:])) for row in frame.rows()]

    def tail(self) -> int:
        """Return the highest position ever given."""
        return self._tail

    def count(self) -> int:
        """Return how many rows there are."""
        return len(self._ids)

    def erase(self, user_id: str) -> int:
        """Remove a user's rows by rewriting the files that hold them; see ``EventLog.erase``."""
        import polars as pl

        self.set_mark("high_water", str(self._tail))
        gone = 0
        for part in self._parts():
            frame = pl.read_parquet(part)
            keep = frame.filter(pl.col("user_id").ne_missing(user_id))
            if keep.height == frame.height:
                continue
            gone += frame.height - keep.height
            self._ids.difference_update(frame.filter(pl.col("user_id") == user_id)["event_id"].to_list())
            if keep.height:
                self._write(part, keep)
            else:
                part.unlink()
        return gone

    def fill_topics(self, topics: Mapping[str, str]) -> int:
        """Give rows the topics of their item by rewriting files; see ``EventLog.fill_topics``."""
        import polars as pl

        from penchant.collect.log.filling import filled

        changed = 0
        for part in self._parts():
            frame, n = filled(pl.read_parquet(part), topics)
            if n:
                self._write(part, frame)
                changed += n
        return changed

    def mark(self, name: str) -> str | None:
        """Return the text kept under a name."""
        return self._marks.get(name)

    def set_mark(self, name: str, value: str) -> None:
        """Keep a text under a name."""
        self._marks[name] = value
        partial = self._notes.with_suffix(".partial")
        partial.write_bytes(msgspec.json.encode(self._marks))
        _sync(partial)
        partial.replace(self._notes)

    def close(self) -> None:
        """Let go of the folder; every append is on disk already."""
        self._lock.close()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
