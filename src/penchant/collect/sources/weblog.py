"""Access logs of Apache and nginx, combined or JSON: every request a row, told as an event or why it is none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
import polars as pl
from pydantic import Field

from penchant.collect.bots import Bots
from penchant.collect.expressions import parse_iso, parse_time, to_utc
from penchant.collect.mapping import Reading
from penchant.collect.sources.contract import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    SHOWN,
    BadLine,
    Chunk,
    Place,
    SourceFile,
    reader_options,
)
from penchant.collect.sources.lines import Block, codec, lines_of, open_text, read_blocks
from penchant.collect.visitors import Hiding, hidden_series, line_ids
from penchant.collect.web_rules import Requests, WebRules

COLUMNS = ("event_id", "type", "user_id", "item_id", "at", "text", "topics", "referrer", "status", "dropped")
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_COMBINED = (
    r"^(?:(?P<vhost>\S+:\d+) )?(?P<host>\S+) \S+ (?P<user>[^\[]*?) \[(?P<time>[^\]]+)\] "
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?P<size>\d+|-)'
    r'(?: "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"(?P<extra>(?: "(?:[^"\\]|\\.)*")*))?\s*$'
)
"""https://httpd.apache.org/docs/2.4/logs.html#accesslog: common, combined, with or without the virtual host."""
_JSON = {
    "host": ("remote_addr", "request.remote_ip", "client_ip", "host"),
    "user": ("remote_user", "user_id", "user"),
    "time": ("time_iso8601", "time", "ts", "timestamp", "@timestamp", "msec"),
    "request": ("request",),
    "method": ("request_method", "request.method", "method"),
    "target": ("request_uri", "request.uri", "uri"),
    "status": ("status",),
    "referrer": ("http_referer", "referer", "referrer"),
    "agent": ("http_user_agent", "user_agent", "agent"),
}
"""Names that nginx, Apache and Caddy give what we need; the first that an object has counts."""
_BETWEEN = "\x1f"
"""Stands between the topics of a request while they are one text."""
_decode = msgspec.json.Decoder().decode


class WebLogConfig(WebRules, Hiding):
    """How a web log is written, who the users are, and which requests are events."""

    style: Literal["combined", "json"] = "combined"
    """``combined``: the common and combined formats, with or without the virtual host; ``json``: an object a line."""
    extra: tuple[str, ...] = ()
    """Names of further quoted fields at the end of a combined line, in order: ``cookie``, ``x-user-id``."""
    fields: dict[str, str] = Field(default={})
    """Where JSON objects keep ``host``, ``user``, ``time``, ``request`` (or ``method`` and ``target``), ``status``,
    ``referrer``, ``agent``, when not under the names of nginx or Caddy. Dotted names reach into objects."""
    user: tuple[Annotated[str, Field(pattern=r"^(user|visitor|(cookie|header):.+)$")], ...] = Field(
        default=("user", "visitor"), min_length=1
    )
    """Who a user is, the first that a request has: ``user`` (who logged in at the server), ``cookie:NAME``,
    ``header:NAME`` (a name under ``extra``, or of a JSON field), ``visitor`` (address and user agent together)."""
    time_format: str | None = None
    """How the time is written, in the letters of ``strptime``; left out: as Apache does, or ISO 8601, or seconds."""


class WebLogReader:
    """Reads an access log, plain or gzip, block by block; memory holds one chunk.

    The whole work is done on columns: 10,000 different paths and agents are looked at once each, not once a line.
    """

    def __init__(self, file: SourceFile, how: Reading, columns: Sequence[str]) -> None:
        self._file = file
        self._how = how
        self._wanted = columns
        self.config = reader_options(WebLogConfig, how)
        self._key = self.config.key()

    def columns(self) -> list[str]:
        """Return what every request is told as; see ``Reader.columns``."""
        with open_text(self._file):  # says what is wrong with a file that is not there
            return list(COLUMNS)

    def total(self) -> int | None:
        """Return None: only reading all of it would tell."""
        return None

    def chunks(self, start: Place) -> Iterator[Chunk]:
        """Yield chunks from a place on; see ``Reader.chunks``."""
        with open_text(self._file) as stream:
            yield from self.chunks_of(read_blocks(stream, self._file, start.byte), start)

    def chunks_of(self, blocks: Iterator[Block], start: Place) -> Iterator[Chunk]:
        """Yield chunks made of blocks of lines, the first of which begins at a place."""
        place, size, texts, numbers = start, 0, list[str](), list[int]()
        bad: list[BadLine] = []
        line, byte = start.line, start.byte
        for block in blocks:
            for text, wrong in _texts(block, self._how.encoding):
                line += 1
                if wrong:
                    bad.append(BadLine(line, wrong, text[:SHOWN]))
                elif text.strip():
                    texts.append(text)
                    numbers.append(line)
            byte += block.size
            size += block.size
            if len(texts) + len(bad) >= CHUNK_ROWS or size >= CHUNK_BYTES:
                place = Place(place.row + len(texts) + len(bad), line, byte)
                yield self._chunk(texts, numbers, bad, place, last=False)
                size, texts, numbers, bad = 0, [], [], []
        place = Place(place.row + len(texts) + len(bad), line, byte)
        yield self._chunk(texts, numbers, bad, place, last=True)

    @cached_property
    def _bots(self) -> Bots:
        return Bots(self.config.agents)

    @cached_property
    def _requests(self) -> Requests:
        return Requests(self.config)

    def _chunk(self, texts: list[str], numbers: list[int], bad: list[BadLine], here: Place, *, last: bool) -> Chunk:
        raw, lines = pl.Series("raw", texts, dtype=pl.String), pl.Series("line", numbers, dtype=pl.Int64)
        found, wrong = self._combined(raw) if self.config.style == "combined" else self._json(raw)
        if wrong.null_count() < wrong.len():
            odd = wrong.is_not_null()
            shown = zip(lines.filter(odd), wrong.filter(odd), raw.filter(odd), strict=True)
            bad = sorted([*bad, *(BadLine(n, why, text[:SHOWN]) for n, why, text in shown)], key=lambda one: one.line)
            found, raw, lines = found.filter(~odd), raw.filter(~odd), lines.filter(~odd)
        told = self._told(found, raw)
        return Chunk(told.select(name for name in COLUMNS if name in self._wanted), lines, tuple(bad), here, last)

    def _combined(self, raw: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
        """Return the fields of every line, and what is wrong with it."""
        found = raw.str.extract_groups(_COMBINED).struct.unnest()
        extra = found["extra"].str.extract_all(_QUOTED)
        found = found.with_columns(
            extra.list.get(i, null_on_oob=True).str.strip_chars('"').alias(name)
            for i, name in enumerate(self.config.extra)
        )
        form = self.config.time_format or "%d/%b/%Y:%H:%M:%S %z"
        found = found.with_columns(parse_time(pl.col("time"), form, "UTC").alias("at"))
        wrong = found.select(
            pl.when(pl.col("status").is_null())
            .then(pl.lit("not a line of a combined log"))
            .when(pl.col("at").is_null())
            .then(pl.lit("the time cannot be read"))
        ).to_series()
        return found, wrong

    def _json(self, raw: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
        wanted = {name: (self.config.fields[name],) if name in self.config.fields else _JSON[name] for name in _JSON}
        wanted |= {name: _header_names(name) for name in self._named()}
        columns: dict[str, list[str | None]] = {name: [] for name in wanted}
        wrong: list[str | None] = []
        for text in raw:
            row = _object(text)
            wrong.append(row if isinstance(row, str) else None)
            for name, places in wanted.items():
                columns[name].append(None if isinstance(row, str) else _first(row, places))
        found = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
        whole = pl.concat_str("method", pl.lit(" "), "target")
        found = found.with_columns(pl.coalesce(whole, "request").alias("request"), _json_time(self.config.time_format))
        odd = found.select(
            pl.when(pl.col("at").is_null()).then(pl.lit("the time cannot be read"))
            .when(pl.col("request").is_null()).then(pl.lit("no request in it"))
        ).to_series()  # fmt: skip
        return found, pl.select(pl.coalesce(pl.Series(wrong, dtype=pl.String), odd)).to_series()

    def _named(self) -> list[str]:
        """Return the names of the headers and cookies that may name a user."""
        named: list[str] = []
        for kind, _, name in (who.partition(":") for who in self.config.user):
            named += [name] if kind == "header" else ["cookie", f"cookie_{name}"] if kind == "cookie" else []
        return named

    def _told(self, found: pl.DataFrame, raw: pl.Series) -> pl.DataFrame:
        """Return the event that every request is, and why those that are none are left out."""
        nobody = pl.Series([False] * found.height, dtype=pl.Boolean)
        bots = self._bots.are(found["agent"]) if self.config.bots == "drop" else nobody
        told = self._meanings(found["request"]).with_columns(
            found["at"], found["status"], found["referrer"].replace({"-": None, "": None})
        )
        # What is told first is the reason: a robot that asks for a picture is a robot.
        told = told.with_columns(
            pl.when(bots).then(pl.lit("bot"))
            .when(self._bad_status(told["status"])).then(pl.lit("error or redirect"))
            .otherwise(pl.col("dropped"))
            .alias("dropped")
        )  # fmt: skip
        kept = told["dropped"].is_null()
        ids = pl.Series(line_ids(raw.filter(kept).to_list(), self._key), dtype=pl.String)
        told = told.with_columns(
            _spread(ids, kept).alias("event_id"), _spread(self._users(found.filter(kept)), kept).alias("user_id")
        )
        nameless = kept & told["user_id"].is_null()
        return told.with_columns(pl.when(nameless).then(pl.lit("no user")).otherwise("dropped").alias("dropped"))

    def _meanings(self, requests: pl.Series) -> pl.DataFrame:
        """Return what every request means; each different one is looked at once."""
        different = requests.unique()
        meanings = self._requests.meanings(different.to_list())
        texts = {
            "request": different,
            "dropped": [one.dropped for one in meanings],
            "type": [one.type for one in meanings],
            "item_id": [one.item for one in meanings],
            "text": [one.text for one in meanings],
            "topics": [_BETWEEN.join(one.topics) if one.topics else None for one in meanings],
        }
        table = pl.DataFrame(texts, schema=dict.fromkeys(texts, pl.String))
        table = table.with_columns(pl.col("topics").str.split(_BETWEEN))
        joined = requests.to_frame("request").join(
            table, on="request", how="left", nulls_equal=True, maintain_order="left"
        )
        return joined.drop("request")

    def _bad_status(self, status: pl.Series) -> pl.Series:
        if self.config.statuses == "all":
            return pl.Series([False] * status.len(), dtype=pl.Boolean)
        number = status.cast(pl.Int32, strict=False)
        return ~(number.is_between(200, 299) | (number == 304)).fill_null(value=False)

    def _users(self, found: pl.DataFrame) -> pl.Series:
        """Return who made each request, hidden; null for nobody."""
        kinds = [_user_of(who, found.columns) for who in self.config.user]
        named = [pl.when(~one.is_in(["", "-"])).then(one) for one in kinds if one is not None]
        if not named:
            return pl.Series([None] * found.height, dtype=pl.String)
        return hidden_series(found.select(pl.coalesce(named).alias("user_id"))["user_id"], self._key)


def _spread(values: pl.Series, kept: pl.Series) -> pl.Series:
    """Return a column with the values in the rows that are kept, null in the others."""
    return pl.Series([None] * kept.len(), dtype=pl.String).scatter(kept.arg_true(), values)


def _user_of(who: str, columns: list[str]) -> pl.Expr | None:
    """Return who a user is by one of the ways, None where the log has no such field."""
    kind, _, name = who.partition(":")
    if who == "visitor":
        return pl.concat_str(pl.col("host"), pl.col("agent").fill_null("-"), separator=" ")
    if who == "user":
        return pl.col("user")
    if kind == "header":
        return pl.col(name) if name in columns else None
    direct = [pl.col(f"cookie_{name}")] if f"cookie_{name}" in columns else []
    if "cookie" in columns:
        direct.append(pl.col("cookie").str.extract(rf"(?:^|;\s*){re.escape(name)}=([^;]*)"))
    return pl.coalesce(direct) if direct else None


def _header_names(name: str) -> tuple[str, ...]:
    low = name.lower().replace("-", "_")
    return (name, low, f"http_{low}", f"request.headers.{name}")


def _texts(block: Block, encoding: str) -> Iterator[tuple[str, str | None]]:
    """Yield the block's lines, without their ends, and what is wrong with them."""
    if not block.wrong:
        try:
            texts = block.data.decode(codec(encoding)).split("\n")
        except UnicodeDecodeError:
            pass
        else:
            if not texts[-1]:
                texts.pop()
            yield from ((text, None) for text in texts)
            return
    for line in lines_of(block, encoding):
        yield line.text.rstrip("\r\n"), line.wrong


def _object(text: str) -> dict[str, Any] | str:
    try:
        value = _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "not JSON"
    return value if isinstance(value, dict) else "not a JSON object"


def _first(row: dict[str, Any], places: Sequence[str]) -> str | None:
    """Return the first value there is, as text; headers come as lists of one."""
    for place in places:
        value: Any = row
        for step in (place,) if place in row else place.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return None


def _json_time(form: str | None) -> pl.Expr:
    """Return the moment: text in a form, or seconds since 1970, or ISO 8601."""
    text = pl.col("time")
    if form is not None:
        return parse_time(text, form, "UTC").alias("at")
    seconds = text.cast(pl.Float64, strict=False)
    seconds = pl.when(seconds.is_between(-62_135_596_800, 253_402_300_799)).then(seconds)
    us = (seconds * 1e6).round().cast(pl.Int64, strict=False)
    return pl.coalesce(to_utc(us, "UTC"), parse_iso(text, "UTC")).alias("at")
