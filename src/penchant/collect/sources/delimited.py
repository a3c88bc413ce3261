"""CSV and its relatives: any delimiter, quoted line breaks; a line that is no row is put aside."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO, Any

import polars as pl

from penchant.collect.mapping import Reading
from penchant.collect.sources.contract import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    SHOWN,
    BadLine,
    Chunk,
    Place,
    SourceFile,
)
from penchant.collect.sources.lines import Block, Line, codec, lines_of, open_text, read_blocks
from penchant.errors import SourceError


class CsvReader:
    """Rows of a text file with a header line; all values are text."""

    def __init__(self, file: SourceFile, how: Reading, columns: Sequence[str]) -> None:
        self._file = file
        self._how = how
        self._wanted = columns

    def columns(self) -> list[str]:
        """Return the names in the header line; see ``Reader.columns``."""
        with open_text(self._file) as stream:
            return self._header(_Rows(stream, self._file, self._how))

    def total(self) -> int | None:
        """Return None: only reading all of it would tell."""
        return None

    def chunks(self, start: Place) -> Iterator[Chunk]:
        """Yield chunks from a place on; see ``Reader.chunks``."""
        with open_text(self._file) as stream:
            rows = _Rows(stream, self._file, self._how)
            header = self._header(rows)
            # Anew from where the rows begin: what came into memory with the header would be read line by line.
            rows = _Rows(stream, self._file, self._how, start if start != Place() else rows.here())
            keep = [(i, name) for i, name in enumerate(header) if name in self._wanted]
            while True:
                chunk = rows.chunk(len(header), keep)
                yield chunk
                if chunk.last:
                    return

    def _header(self, rows: _Rows) -> list[str]:
        header = rows.header() if not self._how.columns else list(self._how.columns)
        twice = [name for name in self._wanted if header.count(name) > 1]
        if twice:
            raise SourceError(f"{self._file} has two columns {twice[0]!r}; rename one of them")
        return header


class _Filled:
    """What a chunk holds so far: the columns that are wanted, and the line of each row."""

    def __init__(self, keep: list[tuple[int, str]]) -> None:
        self.bad: list[BadLine] = []
        self._keep = keep
        self._frames: list[pl.DataFrame] = []
        self._rows: list[list[str]] = []
        self._lines: list[int] = []
        self._line_parts: list[pl.Series] = []

    def add(self, row: list[str], line: int) -> None:
        """Add the row that begins in ``line``."""
        self._rows.append(row)
        self._lines.append(line)

    def extend(self, frame: pl.DataFrame, line: int) -> None:
        """Add rows, one a line, the first of which stands in ``line``; columns named by their places."""
        self._gather()
        self._frames.append(frame.select(pl.col(str(i)).alias(name) for i, name in self._keep))
        self._line_parts.append(pl.int_range(line, line + frame.height, eager=True))

    def whole(self) -> tuple[pl.DataFrame, pl.Series]:
        """Return the rows, and the line of each."""
        self._gather()
        lines = pl.concat(self._line_parts).alias("line") if self._line_parts else pl.Series("line", [], dtype=pl.Int64)
        if not self._keep:
            return pl.DataFrame(pl.Series("", [None] * lines.len(), dtype=pl.Null)), lines
        empty = pl.DataFrame(schema={name: pl.String for _, name in self._keep})
        return pl.concat([empty, *self._frames]), lines

    def _gather(self) -> None:
        if self._rows:
            columns = {name: [row[i] for row in self._rows] for i, name in self._keep}
            self._frames.append(pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)))
            self._line_parts.append(pl.Series(self._lines, dtype=pl.Int64))
            self._rows, self._lines = [], []


class _Rows:
    """Parses rows and knows, at every moment, which lines the present row took.

    A block of lines in which nothing is odd is parsed at once. In any other, the parser gets one line at a time.
    When a row turns out broken, for example because a quote is never closed, only its first line is given up, and
    the lines after it are parsed again.
    """

    def __init__(self, stream: IO[bytes], file: SourceFile, how: Reading, start: Place | None = None) -> None:
        self._file = file
        self._how = how
        start = start or Place()
        self._row, self._line, self._byte = start.row, start.line, start.byte
        self._blocks = read_blocks(stream, file, start.byte)
        self._ahead: Block | None = None
        self._again: deque[Line] = deque()
        self._taken: list[Line] = []
        self._parser = self._new_parser()

    def header(self) -> list[str]:
        for names in self._carefully():
            wrong = names if isinstance(names, str) else self._taken[0].wrong
            if wrong:
                raise SourceError(
                    f"the header line of {self._file} cannot be read: {wrong}; set read.encoding or "
                    "read.delimiter, or name the columns in read.columns"
                )
            self._done(len(self._taken))
            return [name.strip() for name in names]
        raise SourceError(f"{self._file} is empty; a CSV file begins with the names of its columns")

    def here(self) -> Place:
        """Return what lies behind; a header is no row."""
        return Place(self._row, self._line, self._byte)

    def chunk(self, width: int, keep: list[tuple[int, str]]) -> Chunk:
        """Return the next rows; of columns those in ``keep``, of a row that must have ``width`` columns."""
        filled = _Filled(keep)
        first_row, first_byte, last = self._row, self._byte, False
        while not last and self._byte - first_byte < CHUNK_BYTES and self._row - first_row < CHUNK_ROWS:
            room = CHUNK_ROWS - (self._row - first_row)
            block = None if self._again else self._next_block()
            quick = self._at_once(block, width) if block else None
            if block and quick is not None and quick.height <= room:
                filled.extend(quick, self._line + 1)
                self._row, self._line = self._row + quick.height, self._line + quick.height
                self._byte += block.size
            elif block and quick is not None and room < CHUNK_ROWS:
                self._ahead = block
                break
            else:
                if block:
                    self._again += lines_of(block, self._how.encoding)
                last = not self._again
                self._rows_of_block(width, filled, room)
        return Chunk(*filled.whole(), tuple(filled.bad), self.here(), last)

    def _at_once(self, block: Block, width: int) -> pl.DataFrame | None:
        """Return the block's rows when every line is one good row, else None; columns are named by their places."""
        if block.wrong:
            return None
        plain = _plain(block.data, self._how, width)
        if plain is not None:
            return plain
        try:
            lines = block.data.decode(codec(self._how.encoding)).split("\n")
            if not lines[-1]:
                lines.pop()
            rows = list(csv.reader(lines, **self._dialect()))
        except (UnicodeDecodeError, csv.Error):
            return None
        if len(rows) != len(lines) or {*map(len, rows)} != {width}:
            return None
        return pl.DataFrame(rows, schema={str(i): pl.String for i in range(width)}, orient="row")

    def _rows_of_block(self, width: int, filled: _Filled, room: int) -> None:
        """Parse the lines that wait one by one; stop after ``room`` rows, good or bad."""
        if not self._again:
            return
        for row in self._carefully():
            taken = self._taken
            wrong = row if isinstance(row, str) else next((line.wrong for line in taken if line.wrong), None)
            used = 1 if isinstance(row, str) or taken[0].wrong else len(taken)
            if not wrong and len(row) != width:
                wrong = f"{len(row)} columns instead of {width}"
            if wrong:
                text = "".join(line.text for line in taken[:used])[:SHOWN].rstrip("\r\n")
                filled.bad.append(BadLine(self._line + 1, wrong, text))
            elif isinstance(row, list):
                filled.add(row, self._line + 1)
            self._row += 1
            self._done(used)
            room -= 1
            if not self._again or not room:
                return

    def _carefully(self) -> Iterator[list[str] | str]:
        """Yield rows, or what is wrong where there is none; ``_done`` must be called before going on."""
        while True:
            try:
                row = next(self._parser)
            except StopIteration:
                return
            except csv.Error as error:
                self._parser = self._new_parser()
                yield f"not a row: {error}"
                continue
            if row:
                yield row
            else:  # an empty line
                self._done(len(self._taken))

    def _done(self, used: int) -> None:
        """Leave ``used`` lines behind; the parser gets the others once more."""
        taken = self._taken
        self._line += used
        self._byte += sum(line.size for line in taken[:used])
        self._again.extendleft(reversed(taken[used:]))
        taken.clear()

    def _dialect(self) -> dict[str, Any]:
        return {
            "delimiter": self._how.delimiter,
            "quotechar": self._how.quote or None,
            "quoting": csv.QUOTE_MINIMAL if self._how.quote else csv.QUOTE_NONE,
            "strict": True,
        }

    def _new_parser(self) -> Iterator[list[str]]:
        return csv.reader(self._lines(), **self._dialect())

    def _lines(self) -> Iterator[str]:
        while True:
            while not self._again:
                block = self._next_block()
                if block is None:
                    return
                self._again += lines_of(block, self._how.encoding)
            line = self._again.popleft()
            self._taken.append(line)
            yield line.text

    def _next_block(self) -> Block | None:
        block, self._ahead = self._ahead, None
        return block or next(self._blocks, None)


def _plain(data: bytes, how: Reading, width: int) -> pl.DataFrame | None:
    """Return the rows of lines without a quote in them, read by Polars; None where that might differ from the parser.

    Polars and Python's parser disagree about quotes, empty lines, lone carriage returns and short rows; where none of
    these is there, they say the same.
    """
    if codec(how.encoding) != "utf-8" or not how.delimiter.isascii() or how.delimiter in "\r\n":
        return None
    delimiter = how.delimiter.encode()
    if how.quote and how.quote.encode() in data:
        return None
    ends = data.count(b"\n")
    n = ends + (not data.endswith(b"\n"))
    # No row is too long (Polars refuses that), so when the delimiters are as many as they should be, none is too short.
    odd = data.count(b"\r") != data.count(b"\r\n") or data.count(delimiter) != n * (width - 1)
    if odd or data.startswith((b"\n", b"\r")) or b"\n\n" in data or b"\n\r" in data:
        return None
    try:
        names = [str(i) for i in range(width)]
        frame = pl.read_csv(
            data, has_header=False, separator=how.delimiter, quote_char=None, infer_schema=False, new_columns=names
        ).with_columns(pl.all().fill_null(""))
    except pl.exceptions.PolarsError:
        return None
    if frame.shape != (n, width) or max(frame.select(pl.all().str.len_bytes().max()).row(0)) > csv.field_size_limit():
        return None
    return frame
