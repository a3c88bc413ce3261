"""Google Takeout's browsing history: one JSON document with a long list, read object by object."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Any

import msgspec

from penchant.collect.mapping import Reading
from penchant.collect.pages import COLUMNS, PagesConfig
from penchant.collect.sources.contract import Chunk, Place, SourceFile, reader_options
from penchant.collect.sources.history import Visits
from penchant.collect.sources.lines import open_text
from penchant.errors import SourceError

KEY = "Browser History"
_READ = 256 << 10
_LONGEST = 1 << 20
"""Bytes of one object at most."""
_CHUNK = 50_000
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_PLAIN = re.compile(rb'(?:"(?:[^"\\]|\\.)*"|[^,\]"])+(?=[,\]])', re.DOTALL)
_decode = msgspec.json.Decoder().decode


class TakeoutReader:
    """Visits of ``BrowserHistory.json`` (or ``History.json``); its lines are the numbers of the visits."""

    def __init__(self, file: SourceFile, how: Reading, columns: Sequence[str]) -> None:
        self._file = file
        self._wanted = columns
        self.config = reader_options(PagesConfig, how)

    def columns(self) -> list[str]:
        """Return what every visit is told as; see ``Reader.columns``."""
        with open_text(self._file) as stream:
            _List(stream, self._file, 0)
        return list(COLUMNS)

    def total(self) -> int | None:
        """Return None: only reading all of it would tell."""
        return None

    def chunks(self, start: Place) -> Iterator[Chunk]:
        """Yield chunks from a place on; see ``Reader.chunks``."""
        visits, row = Visits(self.config, self._wanted), start.row
        with open_text(self._file) as stream:
            given = _List(stream, self._file, start.byte)
            for raw in given:
                row += 1
                self._add(visits, row, raw)
                if len(visits) >= _CHUNK:
                    yield visits.chunk(Place(row, row, given.byte), last=False)
            yield visits.chunk(Place(row, row, given.byte), last=True)

    def _add(self, visits: Visits, line: int, raw: bytes) -> None:
        try:
            one = _decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            one = None
        if not isinstance(one, dict):
            visits.put_aside(line, "not a JSON object", raw.decode("utf-8", "replace"))
            return
        visits.add(line, one.get("url"), one.get("title"), one.get("time_usec"), None, _left_out(one))


def _left_out(one: dict[str, Any]) -> str | None:
    transition = str(one.get("page_transition") or one.get("page_transition_qualifier") or "").upper()
    return "reload" if "RELOAD" in transition else "frame" if "SUBFRAME" in transition else None


class _List:
    """The objects of a list inside a document, as bytes; memory holds one object and what was read ahead.

    An object ends where its braces do: a bad one costs only itself, as long as its texts have an end.
    """

    def __init__(self, stream: IO[bytes], file: SourceFile, byte: int) -> None:
        self._stream, self._file = stream, file
        self._buffer = bytearray()
        self.byte = byte
        """Bytes of the document, unpacked, that lie behind."""
        self._read(lambda: stream.seek(byte))
        if byte == 0:
            self._find_list()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            kind = self._next_byte()
            if kind == b"]":
                return
            if kind in (b"{", b"["):
                yield self._object()
            else:
                yield self._plain()

    def _find_list(self) -> None:
        pattern = re.compile(rb'"' + re.escape(KEY.encode()) + rb'"\s*:\s*\[')
        while (found := pattern.search(self._buffer)) is None:
            if len(self._buffer) > _LONGEST or not self._more():
                raise SourceError(
                    f'{self._file} holds no list "{KEY}"; give BrowserHistory.json or History.json from the folder Chrome of a '
                    "Google Takeout"
                )
        self._drop(found.end())

    def _next_byte(self) -> bytes:
        """Return the byte at which the next value, or the end, begins; nothing is taken."""
        while True:
            skipped = len(self._buffer) - len(self._buffer.lstrip(b" \t\r\n,"))
            self._drop(skipped)
            if self._buffer:
                return bytes(self._buffer[:1])
            if not self._more():
                raise self._cut_off()

    def _object(self) -> bytes:
        depth, at = 0, 0
        while True:
            found = _TOKEN.search(self._buffer, at)
            # A text that is cut off at the end of what was read looks like none, and its braces like braces.
            if found is None or b'"' in self._buffer[at : found.start()]:
                if len(self._buffer) > _LONGEST:
                    raise SourceError(
                        f"{self._file}: an object at byte {self.byte} does not end within {_LONGEST:,} bytes"
                    )
                if not self._more():
                    raise self._cut_off()
                continue
            at = found.end()
            depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(found[0], 0)
            if depth == 0:
                return self._drop(at)

    def _plain(self) -> bytes:
        """Return a value that is no object: up to the next comma or bracket."""
        while (found := _PLAIN.match(self._buffer)) is None:
            if len(self._buffer) > _LONGEST or not self._more():
                raise self._cut_off()
        return self._drop(found.end())

    def _more(self) -> bool:
        data: bytes = self._read(lambda: self._stream.read(_READ))
        self._buffer += data
        return bool(data)

    def _drop(self, size: int) -> bytes:
        gone = bytes(self._buffer[:size])
        del self._buffer[:size]
        self.byte += size
        return gone

    def _read(self, work: Any) -> Any:
        try:
            return work()
        except (EOFError, zlib.error, OSError) as error:
            raise self._cut_off(error) from error

    def _cut_off(self, error: Exception | None = None) -> SourceError:
        why = f": {error}" if error else ""
        return SourceError(
            f"{self._file} ends in the middle{why}; what came before may have been taken already. "
            "Get the whole file and import it again"
        )
