"""Browsing histories: the SQLite files of Chrome and Firefox, read from a copy so that the browser may run."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from penchant.collect.mapping import Reading
from penchant.collect.pages import COLUMNS, Pages, PagesConfig, page_id, visit_id
from penchant.collect.sources.contract import SHOWN, BadLine, Chunk, Place, SourceFile, reader_options
from penchant.errors import SourceError

_MAGIC = b"SQLite format 3\x00"
_CHUNK = 50_000
_FIRST_US, _LAST_US = 0, 253_402_300_799_000_000
_1601_US = 11_644_473_600_000_000
"""Microseconds from 1601, where Chrome's clock begins, to 1970."""
KINDS: dict[str, pl.DataType] = {
    **{name: pl.String() for name in COLUMNS},
    "at": pl.Datetime("us", "UTC"),
    "value": pl.Float64(),
}


class Visits:
    """Gathers visits for a chunk, as columns of events."""

    def __init__(self, config: PagesConfig, wanted: Sequence[str]) -> None:
        self._pages = Pages(config)
        self._wanted = wanted
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self._lines: list[int] = []
        self._bad: list[BadLine] = []

    def __len__(self) -> int:
        return len(self._lines) + len(self._bad)

    def add(
        self, line: int, url: Any, title: Any, at_us: Any, dwell_s: float | None = None, left_out: str | None = None
    ) -> None:
        """Add one visit; what is none is put aside with the reason."""
        if not isinstance(url, str) or not url:
            self.put_aside(line, "no address", repr(url))
            return
        if not isinstance(at_us, int) or isinstance(at_us, bool) or not _FIRST_US < at_us <= _LAST_US:
            self.put_aside(line, "the time cannot be read", f"{at_us} {url}")
            return
        title = title.strip() or None if isinstance(title, str) else None
        page = self._pages.told(url, title)
        dropped = page.dropped or left_out
        stayed = dwell_s if dwell_s and page.item_id else None
        row = {
            "event_id": visit_id(at_us, url),
            "page_id": page_id(page.item_id, title) if page.item_id else None,
            "type": "search" if page.text else "dwell" if stayed else "view",
            "user_id": self._pages.config.user,
            "item_id": None if dropped else page.item_id,
            "at": at_us,
            "value": stayed,
            "text": page.text,
            "title": title,
            "topics": page.topics,
            "dropped": dropped,
        }
        for name, value in row.items():
            self._columns[name].append(value)
        self._lines.append(line)

    def put_aside(self, line: int, reason: str, text: str) -> None:
        """Add what is no visit."""
        self._bad.append(BadLine(line, reason, text[:SHOWN]))

    def chunk(self, here: Place, *, last: bool) -> Chunk:
        """Return what was gathered, and begin anew."""
        names = [name for name in COLUMNS if name in self._wanted]
        frame = pl.DataFrame(
            [pl.Series(name, self._columns[name], dtype=pl.Int64 if name == "at" else KINDS[name]) for name in names]
            or [pl.Series("", [None] * len(self._lines), dtype=pl.Null)]
        )
        if "at" in names:
            frame = frame.with_columns(pl.col("at").cast(KINDS["at"]))
        chunk = Chunk(frame, pl.Series("line", self._lines, dtype=pl.Int64), tuple(self._bad), here, last)
        self._columns, self._lines, self._bad = {name: [] for name in COLUMNS}, [], []
        return chunk


class HistoryReader:
    """Visits of a browser's SQLite file in the order of their numbers; its lines are those numbers."""

    browser: ClassVar[str]
    tables: ClassVar[tuple[str, ...]]
    query: ClassVar[str]

    def __init__(self, file: SourceFile, how: Reading, columns: Sequence[str]) -> None:
        self._file = file
        self._wanted = columns
        self.config = reader_options(PagesConfig, how)

    def columns(self) -> list[str]:
        """Return what every visit is told as; see ``Reader.columns``."""
        with self._file.open() as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise SourceError(f"{self._file} is no SQLite file; give the history of {self.browser} itself")
        return list(COLUMNS)

    def total(self) -> int | None:
        """Return None: the file is copied only when it is read."""
        return None

    def chunks(self, start: Place) -> Iterator[Chunk]:
        """Yield chunks from a place on; see ``Reader.chunks``."""
        visits, here = Visits(self.config, self._wanted), start
        with self._copy() as path, closing(sqlite3.connect(path)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            try:
                self._check(connection)
                while True:
                    rows = connection.execute(self.query, (here.line, _CHUNK)).fetchall()
                    for row in rows:
                        visits.add(row[0], *self.told(row[1:]))
                    here = Place(here.row + len(rows), rows[-1][0] if rows else here.line)
                    yield visits.chunk(here, last=len(rows) < _CHUNK)
                    if len(rows) < _CHUNK:
                        return
            except sqlite3.Error as error:
                raise SourceError(
                    f"{self._file} cannot be read to its end as a history of {self.browser}: {error}; "
                    "what came before may have been taken already. Close the browser and copy the file again"
                ) from error

    def told(self, row: tuple[Any, ...]) -> tuple[Any, Any, Any, float | None, str | None]:
        """Return address, title, time, seconds stayed, and why a visit is left out, of a row of the query."""
        raise NotImplementedError

    def _check(self, connection: sqlite3.Connection) -> None:
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        missing = [name for name in self.tables if name not in there]
        if missing:
            raise SourceError(f"{self._file} is no history of {self.browser}: it has no table {missing[0]!r}")

    @contextmanager
    def _copy(self) -> Iterator[Path]:
        """Yield a copy with its write-ahead log: a running browser locks the file itself."""
        with tempfile.TemporaryDirectory(prefix="penchant-") as folder:
            path = Path(folder) / "history"
            with self._file.open() as stream, path.open("wb") as copy:
                shutil.copyfileobj(stream, copy, 1 << 20)
            waiting = self._file.path.with_name(self._file.path.name + "-wal")
            if self._file.member is None and waiting.is_file():
                shutil.copyfile(waiting, path.with_name("history-wal"))
            yield path


_FRAMES = {3, 4}
_RELOAD = 8
_CHAIN_END = 0x20000000


class ChromeHistoryReader(HistoryReader):
    """The file ``History`` of Chrome, Chromium, Edge, Brave, Opera and Vivaldi.

    Transitions: ``ui/base/page_transition_types.h`` of Chromium. Frames, reloads, and addresses that only led on to
    another one are left out.
    """

    browser = "Chrome"
    tables = ("urls", "visits")
    query = (
        "SELECT visits.id, urls.url, urls.title, visits.visit_time, visits.visit_duration, visits.transition "
        "FROM visits LEFT JOIN urls ON urls.id = visits.url WHERE visits.id > ? ORDER BY visits.id LIMIT ?"
    )

    def told(self, row: tuple[Any, ...]) -> tuple[Any, Any, Any, float | None, str | None]:
        """Return a visit; see ``HistoryReader.told``."""
        url, title, at, duration, transition = row
        at_us = at - _1601_US if isinstance(at, int) else None
        stayed = duration / 1e6 if isinstance(duration, int) and duration > 0 else None
        left_out = None
        if isinstance(transition, int):
            core = transition & 0xFF
            left_out = "frame" if core in _FRAMES else "reload" if core == _RELOAD else None
            if not transition & _CHAIN_END:
                left_out = left_out or "redirect"
        return url, title, at_us, stayed, left_out


_FIREFOX_LEFT_OUT = {4: "frame", 7: "download", 8: "frame", 9: "reload"}


class FirefoxHistoryReader(HistoryReader):
    """The file ``places.sqlite`` of Firefox.

    Types of visits: ``toolkit/components/places/nsINavHistoryService.idl``. Frames, downloads, reloads, and pages that
    Firefox itself hides (they only led on to another one) are left out.
    """

    browser = "Firefox"
    tables = ("moz_places", "moz_historyvisits")
    query = (
        "SELECT moz_historyvisits.id, url, title, visit_date, visit_type, hidden FROM moz_historyvisits "
        "LEFT JOIN moz_places ON moz_places.id = place_id WHERE moz_historyvisits.id > ? "
        "ORDER BY moz_historyvisits.id LIMIT ?"
    )

    def told(self, row: tuple[Any, ...]) -> tuple[Any, Any, Any, float | None, str | None]:
        """Return a visit; see ``HistoryReader.told``."""
        url, title, at_us, kind, hidden = row
        return url, title, at_us, None, _FIREFOX_LEFT_OUT.get(kind) or ("redirect" if hidden else None)
