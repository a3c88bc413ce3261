"""The rules of ``validate`` on whole columns."""

from __future__ import annotations

from datetime import datetime

import msgspec
import polars as pl

from penchant.clock import from_us, isoformat, to_us
from penchant.domain.event import EVENT_TYPES, ITEM_REQUIRED, PAYLOAD_FIELDS
from penchant.domain.row import COLUMNS, Row
from penchant.errors import EventError
from penchant.process.validate import FIELDS, MAX_ID, MAX_PAYLOAD, Limits, content_id

_TEXT = ("event_id", "type", "user_id", "item_id", "session_id")


def prepare_frame(frame: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return a frame with the log's columns, times as microseconds; values are not yet checked.

    Args:
        frame: Columns named as in ``FIELDS``; ``at`` a Datetime (naive means UTC), a Date, ISO 8601 text or seconds
            since 1970; ``topics`` a list of text or one text; ``payload`` JSON text.
        now: When the events arrived.

    Raises:
        EventError: When a column is unknown, has the wrong type, or ``type`` is missing.
    """
    unknown = [name for name in frame.columns if name not in FIELDS]
    if unknown:
        raise EventError(f"unknown column {unknown[0]!r}; known: {', '.join(FIELDS)}")
    nested = [name for name in PAYLOAD_FIELDS if name in frame.columns]
    if nested and "payload" in frame.columns:
        raise EventError(f"give either 'payload' or {', '.join(nested)}, not both")
    if "type" not in frame.columns:
        raise EventError("no column 'type'")
    columns: dict[str, pl.Expr] = {}
    for name in _TEXT:
        columns[name] = _text(frame, name)
    columns["at_us"] = _time(frame, "at", now)
    columns["arrived_us"] = _time(frame, "arrived_at", now)
    for name in ("value", "amount"):
        if name in frame.columns and not (frame.schema[name].is_numeric() or frame.schema[name] == pl.Null):
            raise EventError(f"column {name!r} must hold numbers, not {frame.schema[name]}")
        columns[name] = (pl.col(name) if name in frame.columns else pl.lit(None)).cast(pl.Float64)
    columns["topics"] = _topics(frame)
    columns["payload"] = _payload(frame, nested)
    return frame.select(columns[name].alias(name) for name in COLUMNS)


def _text(frame: pl.DataFrame, name: str) -> pl.Expr:
    if name not in frame.columns:
        return pl.lit(None, dtype=pl.String)
    kind = frame.schema[name]
    if kind == pl.String or kind == pl.Null or kind.is_integer() or isinstance(kind, pl.Categorical | pl.Enum):
        return pl.col(name).cast(pl.String)
    raise EventError(f"column {name!r} must hold text or whole numbers, not {kind}")


def _time(frame: pl.DataFrame, name: str, now: datetime) -> pl.Expr:
    arrival = pl.lit(to_us(now), dtype=pl.Int64)
    if name not in frame.columns:
        return arrival
    kind, column = frame.schema[name], pl.col(name)
    if isinstance(kind, pl.Datetime):
        if kind.time_zone is not None:
            column = column.dt.convert_time_zone("UTC")
        us = column.dt.timestamp("us")
    elif kind == pl.Date:
        us = column.cast(pl.Datetime("us")).dt.timestamp("us")
    elif kind.is_numeric():
        us = (column.cast(pl.Float64) * 1e6).round().cast(pl.Int64, strict=False)
    elif kind == pl.String:
        us = column.str.to_datetime(time_unit="us", time_zone="UTC", strict=False).dt.timestamp("us")
        us = pl.when(column.is_null()).then(arrival).otherwise(us)
        return us
    elif kind == pl.Null:
        return arrival
    else:
        raise EventError(f"column {name!r} must hold times, not {kind}")
    return pl.when(column.is_null()).then(arrival).otherwise(us)


def _topics(frame: pl.DataFrame) -> pl.Expr:
    if "topics" not in frame.columns:
        return pl.lit(None, dtype=pl.String)
    kind, column = frame.schema["topics"], pl.col("topics")
    if kind == pl.Null:
        return pl.lit(None, dtype=pl.String)
    if kind == pl.String or isinstance(kind, pl.Categorical):
        # Distinct texts are few: encode each once.
        texts = frame["topics"].cast(pl.String).unique().drop_nulls()
        encoded = [msgspec.json.encode([t.strip()]).decode() if t.strip() else None for t in texts.to_list()]
        return column.cast(pl.String).replace_strict(texts, pl.Series(encoded, dtype=pl.String), default=None)
    if isinstance(kind, pl.List) and kind.inner in (pl.String, pl.Null):
        clean = column.cast(pl.List(pl.String)).list.eval(
            pl.element().str.strip_chars().filter(pl.element().str.strip_chars() != "")
        )
        clean = clean.list.unique(maintain_order=True)
        quoted = clean.list.eval(
            pl.format('"{}"', pl.element().str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True))
        )
        return pl.when(clean.list.len() > 0).then(pl.format("[{}]", quoted.list.join(","))).otherwise(None)
    raise EventError(f"column 'topics' must hold text or lists of text, not {kind}")


def _payload(frame: pl.DataFrame, nested: list[str]) -> pl.Expr:
    if "payload" in frame.columns:
        if frame.schema["payload"] not in (pl.String, pl.Null):
            raise EventError(f"column 'payload' must hold JSON text, not {frame.schema['payload']}")
        return pl.col("payload").cast(pl.String)
    if not nested:
        return pl.lit(None, dtype=pl.String)
    def encode(row: dict[str, object]) -> str | None:
        filled = {name: _drop_nulls(value) for name, value in row.items() if value is not None}
        return msgspec.json.encode(filled).decode() if filled else None

    return pl.struct(nested).map_elements(encode, return_dtype=pl.String, skip_nulls=False)


def _drop_nulls(value: object) -> object:
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


def verdicts(frame: pl.DataFrame, limits: Limits) -> pl.Series:
    """Return for every row of a prepared frame the reason why it is refused, null when it is good."""
    col = pl.col
    kind = col("type")
    long = [
        (col(name).str.len_chars() > MAX_ID, pl.format(name + " has {} characters; at most " + str(MAX_ID), col(name).str.len_chars()))
        for name in ("event_id", "user_id", "item_id", "session_id")
    ]
    nul = [
        (col(name).str.contains("\x00", literal=True), pl.lit(f"{name} holds a NUL or half a character"))
        for name in ("event_id", "user_id", "item_id", "session_id")
    ]
    ids = [rule for pair in zip(long, nul, strict=True) for rule in pair]
    rules: list[tuple[pl.Expr, pl.Expr]] = [
        (kind.is_null() | (kind == ""), pl.lit("no type")),
        (
            ~kind.is_in(EVENT_TYPES),
            pl.format("unknown type '{}'; known: " + ", ".join(EVENT_TYPES), kind.str.slice(0, 40)),
        ),
        ((kind == "item") & col("user_id").is_not_null(), pl.lit("an item event has no user_id")),
        ((kind != "item") & (col("user_id").is_null() | (col("user_id") == "")), pl.lit("no user_id")),
        (
            col("item_id").is_null() & kind.is_in(list(ITEM_REQUIRED)),
            pl.format("no item_id, which {} needs", kind),
        ),
        (col("item_id") == "", pl.lit("item_id is empty")),
        *ids,
        (col("at_us").is_null(), pl.lit("at: not a time")),
        (col("arrived_us").is_null(), pl.lit("arrived_at: not a time")),
        (col("at_us") > limits.latest_us, pl.lit("at is in the future")),
        (
            col("at_us") < limits.earliest_us,
            pl.lit(f"at is before {isoformat(from_us(limits.earliest_us))}"),
        ),
        (~col("value").is_finite(), pl.lit("value is not a finite number")),
        (~col("amount").is_finite(), pl.lit("amount is not a finite number")),
        ((kind == "rating") & col("value").is_null(), pl.lit("a rating needs a value")),
        (
            col("payload").str.len_chars() > MAX_PAYLOAD,
            pl.format("payload of {} characters; at most " + f"{MAX_PAYLOAD:,}", col("payload").str.len_chars()),
        ),
    ]
    verdict: pl.Expr = pl.lit(None, dtype=pl.String)
    for wrong, reason in reversed(rules):
        verdict = pl.when(wrong.fill_null(False)).then(reason).otherwise(verdict)
    found = frame.select(verdict.alias("reason"))["reason"]
    if frame["payload"].null_count() == frame.height:
        return found
    broken = frame["payload"].map_elements(_not_an_object, return_dtype=pl.Boolean, skip_nulls=True).fill_null(False)
    return pl.select(pl.when(found.is_null() & broken).then(pl.lit(NOT_AN_OBJECT)).otherwise(found).alias("reason"))["reason"]


NOT_AN_OBJECT = "payload must be a JSON object"


def _not_an_object(text: str) -> bool:
    try:
        return not isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, RecursionError):
        return True


def fill_ids(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with a content hash wherever ``event_id`` is missing; see ``validate``."""
    missing = frame.filter(pl.col("event_id").is_null() | (pl.col("event_id") == ""))
    if missing.height == 0:
        return frame
    ids = iter([content_id(Row(*row)) for row in missing.rows()])
    lacking = (frame["event_id"].is_null() | (frame["event_id"] == "")).to_list()
    filled = [next(ids) if lacks else known for lacks, known in zip(lacking, frame["event_id"].to_list(), strict=True)]
    return frame.with_columns(pl.Series("event_id", filled, dtype=pl.String))
