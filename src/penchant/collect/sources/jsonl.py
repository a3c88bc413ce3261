"""JSON lines: one object a line; a dotted column name reaches into nested objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
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
from penchant.collect.sources.lines import Block, Line, lines_of, open_text, read_blocks, read_lines
from penchant.errors import SourceError

_PEEK = 10_000
_INT64 = range(-(2**63), 2**63)
_decode = msgspec.json.Decoder().decode


class JsonlReader:
    """Objects of a text file, as columns typed by what the values of a chunk are."""

    def __init__(self, file: SourceFile, how: Reading, columns: Sequence[str]) -> None:
        self._file = file
        self._how = how
        self._wanted = columns

    def columns(self) -> list[str]:
        """Return the keys of the first 10,000 objects, and the wanted columns that reach into them."""
        with open_text(self._file) as stream:
            given = list(islice(read_lines(stream, self._file, self._how.encoding), _PEEK))
        if not given:
            raise SourceError(f"{self._file} is empty; a JSONL file has one JSON object a line")
        rows = [row for line in given if isinstance(row := _parse(line), dict)]
        if not rows:
            return list(self._wanted)
        keys = dict.fromkeys(key for row in rows for key in row)
        nested = (n for n in self._wanted if n not in keys and any(_dig(row, n) is not None for row in rows))
        return [*keys, *nested]

    def total(self) -> int | None:
        """Return None: only reading all of it would tell."""
        return None

    def chunks(self, start: Place) -> Iterator[Chunk]:
        """Yield chunks from a place on; see ``Reader.chunks``."""
        with open_text(self._file) as stream:
            yield from self.chunks_of(read_blocks(stream, self._file, start.byte), start)

    def chunks_of(self, blocks: Iterator[Block], start: Place) -> Iterator[Chunk]:
        """Yield chunks made of blocks of lines, the first of which begins at a place."""
        lines = (line for block in blocks for line in lines_of(block, self._how.encoding))
        chunk = None
        while chunk is None or not chunk.last:
            chunk = self._chunk(lines, chunk.next if chunk else start)
            yield chunk

    def told(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return what an object tells: itself; formats that are JSON lines of a special kind say it in their way."""
        return row

    def _chunk(self, lines: Iterator[Line], start: Place) -> Chunk:
        columns: dict[str, list[Any]] = {name: [] for name in self._wanted}
        numbers: list[int] = []
        bad: list[BadLine] = []
        row, number, byte, last = start.row, start.line, start.byte, True
        for line in lines:
            number += 1
            byte += line.size
            parsed = _parse(line)
            if parsed is None:
                continue
            row += 1
            if isinstance(parsed, str):
                bad.append(BadLine(number, parsed, line.text[:SHOWN].rstrip("\r\n")))
            else:
                parsed = self.told(parsed)
                for name, values in columns.items():
                    values.append(parsed.get(name) if name in parsed else _dig(parsed, name))
                numbers.append(number)
            if row - start.row >= CHUNK_ROWS or byte - start.byte >= CHUNK_BYTES:
                last = False
                break
        series = [_series(name, values) for name, values in columns.items()]
        frame = pl.DataFrame(series or [pl.Series("", [None] * len(numbers), dtype=pl.Null)])
        here = Place(row, number, byte)
        return Chunk(frame, pl.Series("line", numbers, dtype=pl.Int64), tuple(bad), here, last)


def _parse(line: Line) -> dict[str, Any] | str | None:
    """Return the line's object, or what is wrong with it; None for an empty line."""
    if line.wrong:
        return line.wrong
    if not line.text.strip():
        return None
    try:
        value = _decode(line.text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "not JSON"
    return value if isinstance(value, dict) else "not a JSON object"


def _dig(row: dict[str, Any], name: str) -> Any:
    """Return the value at the end of a dotted path; None when there is none."""
    value: Any = row
    for step in name.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _series(name: str, values: list[Any]) -> pl.Series:
    """Return the values as numbers, truth values or lists of text where all of them are, else as text."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int} and all(value is None or value in _INT64 for value in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds and kinds <= {int, float}:
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {list} and all(type(each) is str for value in values if value for each in value):
        return pl.Series(name, values, dtype=pl.List(pl.String))
    return pl.Series(name, [_text(value) for value in values], dtype=pl.String)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
