"""What was read and not taken, as JSON lines: where it stood, why it was not taken, and how it began."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Literal

import msgspec
import polars as pl

from penchant.errors import StorageError

SHOWN = 2_048
"""Characters of a row that are kept."""
_MAX_REASONS = 1_000
_OTHER = "other reasons"


class Quarantine:
    """Appends to a file, and counts by reason; without a path it only counts.

    A line reads ``{"source": "sales.csv", "line": 17, "reason": "at is not a time", "row": "..."}``. The file is
    made when there is a first line for it, and written through: it survives the process.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.counts: dict[str, int] = {}
        """How many rows there were by reason; beyond 1,000 different reasons the rest is counted together."""
        self._file: IO[bytes] | None = None

    def add(self, source: str, line: int, reason: str, row: str) -> None:
        """Append one row."""
        self.count(reason, 1)
        entry = {"source": source, "line": line, "reason": reason, "row": row[:SHOWN]}
        self._write(msgspec.json.encode(entry) + b"\n")

    def add_frame(self, source: str, frame: pl.DataFrame) -> None:
        """Append the rows of a frame with the columns ``line``, ``reason`` and ``row``."""
        if not frame.height:
            return
        for reason, count in frame["reason"].value_counts(sort=True).iter_rows():
            self.count(reason, count)
        entries = frame.select(pl.lit(source).alias("source"), "line", "reason", pl.col("row").str.slice(0, SHOWN))
        self._write(entries.write_ndjson().encode())

    def count(self, reason: str, count: int) -> None:
        """Count rows that are not kept."""
        if reason not in self.counts and len(self.counts) >= _MAX_REASONS:
            reason = _OTHER
        self.counts[reason] = self.counts.get(reason, 0) + count

    def _write(self, lines: bytes) -> None:
        if self.path is None:
            return
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("ab", buffering=0)
            self._file.write(lines)
        except OSError as error:
            raise StorageError(f"cannot write the quarantine {self.path}: {error.strerror or error}") from error

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Quarantine:
        return self

    def __exit__(self, *_: object) -> Literal[False]:
        self.close()
        return False


def row_texts(frame: pl.DataFrame) -> pl.Series:
    """Return every row of a frame as JSON text, shortened to what a quarantine keeps."""
    return frame.select(pl.struct(pl.all()).struct.json_encode().str.slice(0, SHOWN).alias("row"))["row"]
