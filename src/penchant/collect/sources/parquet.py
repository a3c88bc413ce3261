"""Parquet files, a slice of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from penchant.collect.mapping import Reading
from penchant.collect.sources.contract import CHUNK_ROWS, Chunk, Place, SourceFile
from penchant.errors import SourceError


class ParquetReader:
    """Rows of a Parquet file; its lines are row numbers."""

    def __init__(self, file: SourceFile, how: Reading, columns: Sequence[str]) -> None:
        if file.member is not None:
            raise SourceError(f"{file}: a Parquet file is not read inside a zip archive; unpack it first")
        self._file = file
        self._wanted = columns

    def columns(self) -> list[str]:
        """Return the names in the file's schema; see ``Reader.columns``."""
        try:
            return self._scan().collect_schema().names()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise self._damaged(error) from error

    def total(self) -> int | None:
        """Return the number of rows that the file's footer says."""
        try:
            return int(self._scan().select(pl.len()).collect().item())
        except (OSError, pl.exceptions.PolarsError) as error:
            raise self._damaged(error) from error

    def chunks(self, start: Place) -> Iterator[Chunk]:
        """Yield chunks from a row on; see ``Reader.chunks``."""
        total = self.total() or 0
        has = set(self.columns())
        names = [name for name in self._wanted if name in has]
        row = start.row
        while True:
            size = max(0, min(CHUNK_ROWS, total - row))
            try:
                frame = self._scan().select(names).slice(row, size).collect()
            except (OSError, pl.exceptions.PolarsError) as error:
                raise self._damaged(error) from error
            if not names:
                frame = pl.DataFrame({"": pl.Series("", [None] * size, dtype=pl.Null)})
            lines = pl.int_range(row + 1, row + size + 1, eager=True).alias("line")
            row += size
            yield Chunk(frame, lines, (), Place(row, row, 0), row >= total)
            if row >= total:
                return

    def _scan(self) -> pl.LazyFrame:
        with self._file.open():  # says what is wrong with a file that is not there
            pass
        return pl.scan_parquet(self._file.path, glob=False)

    def _damaged(self, error: Exception) -> SourceError:
        if isinstance(error, SourceError):
            return error
        what = "is empty" if self._file.path.stat().st_size == 0 else "is not a whole Parquet file"
        return SourceError(
            f"{self._file} {what} ({str(error).splitlines()[0][:200]}); perhaps it was cut off: get it again"
        )
