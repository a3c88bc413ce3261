"""The rules of ``validate`` on whole columns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl

from penchant.clock import from_us, isoformat, parse_moment, to_us
from penchant.domain.event import EVENT_TYPES, FIELDS, ITEM_REQUIRED, NOBODY, PAYLOAD_FIELDS
from penchant.domain.row import COLUMNS, Row, encode_topics
from penchant.errors import EventError
from penchant.process.validate import (
    MAX_AMOUNT,
    MAX_ID,
    WORDED,
    Limits,
    clean_topics,
    content_id,
    encode_payload,
)

_TEXT = ("event_id", "type", "user_id", "item_id", "session_id")
_TROUBLE = "trouble"
"""Column of a prepared frame: why a value could not be brought into the log's form."""
_WORDS = "words"
"""Column of a frame under judgement: what the rules of single types say of its payload."""
_FIRST_US = to_us(datetime.min.replace(tzinfo=UTC))
_LAST_US = to_us(datetime.max.replace(tzinfo=UTC))
_PLAIN_TIME = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{1,6})?(Z|\+00:00)?$"
"""The ISO 8601 times that columns are read by; all others go one by one through ``parse_moment``."""


def prepare_frame(frame: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return a frame with the log's columns, times as microseconds; ``verdicts`` says which rows are good.

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
    columns: dict[str, pl.Series | pl.Expr] = {name: _text(frame, name) for name in _TEXT}
    trouble: list[pl.Expr] = []
    for name, column in (("at", "at_us"), ("arrived_at", "arrived_us")):
        columns[column] = _time(frame, name, now)
        trouble.append(pl.when(pl.col(column).is_null()).then(pl.lit(f"{name}: not a time")))
    for name in ("value", "amount"):
        if name in frame.columns and not (frame.schema[name].is_numeric() or frame.schema[name] == pl.Null):
            raise EventError(f"column {name!r} must hold numbers, not {frame.schema[name]}")
        columns[name] = (pl.col(name) if name in frame.columns else pl.lit(None)).cast(pl.Float64)
    columns["topics"], bad_topics = _topics(frame)
    columns["payload"], bad_payload = _payload(frame, nested)
    prepared = frame.select(columns[name].alias(name) for name in COLUMNS)
    return prepared.with_columns(pl.coalesce(*trouble, bad_topics, bad_payload).alias(_TROUBLE))


def _text(frame: pl.DataFrame, name: str) -> pl.Expr:
    if name not in frame.columns:
        return pl.lit(None, dtype=pl.String)
    kind = frame.schema[name]
    if kind == pl.String or kind == pl.Null or kind.is_integer() or isinstance(kind, pl.Categorical | pl.Enum):
        return pl.col(name).cast(pl.String)
    raise EventError(f"column {name!r} must hold text or whole numbers, not {kind}")


def _time(frame: pl.DataFrame, name: str, now: datetime) -> pl.Expr:
    """Return microseconds since 1970: the arrival where there is no time, null where it is none."""
    arrival = pl.lit(to_us(now), dtype=pl.Int64)
    if name not in frame.columns or frame.schema[name] == pl.Null:
        return arrival
    kind, column = frame.schema[name], pl.col(name)
    if isinstance(kind, pl.Datetime):
        us = (column if kind.time_zone is None else column.dt.convert_time_zone("UTC")).dt.timestamp("us")
    elif kind == pl.Date:
        us = column.cast(pl.Datetime("us")).dt.timestamp("us")
    elif kind.is_numeric():
        # As timedelta(seconds=...) rounds: whole seconds exactly, then the rest half to even.
        seconds = column if kind.is_integer() else column.cast(pl.Float64)
        seconds = pl.when(seconds.is_between(-1e11, 1e12)).then(seconds)
        whole = seconds.cast(pl.Int64)
        us = whole * 1_000_000
        if not kind.is_integer():
            us = us + ((seconds - whole) * 1e6).round(0, mode="half_to_even").cast(pl.Int64)
    elif kind == pl.String:
        return pl.when(column.is_null()).then(arrival).otherwise(_text_time(frame[name]))
    else:
        raise EventError(f"column {name!r} must hold times, not {kind}")
    us = pl.when(us.is_between(_FIRST_US, _LAST_US)).then(us)
    return pl.when(column.is_null()).then(arrival).otherwise(us)


def _text_time(texts: pl.Series) -> pl.Series:
    plain = texts.str.contains(_PLAIN_TIME)
    bare = texts.str.strip_suffix("Z").str.strip_suffix("+00:00").str.replace(" ", "T", literal=True)
    quick = bare.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False).dt.timestamp("us")
    us = pl.select(pl.when(plain).then(quick))[texts.name]
    left = texts.filter(us.is_null()).drop_nulls()
    if left.len() == 0:
        return us
    return pl.select(pl.coalesce(us, _each(texts, left, _moment_us)[0].cast(pl.Int64)))[texts.name]


def _moment_us(text: str) -> str:
    try:
        return str(to_us(parse_moment(text)))
    except ValueError as error:
        raise EventError(str(error)) from None


def _each(column: pl.Series, texts: pl.Series, change: Callable[[str], str | None]) -> tuple[pl.Series, pl.Series]:
    """Return ``change`` of every one of ``texts`` where it stands in the column, and why it could not be changed.

    Each distinct text is looked at once; everything else is null.
    """
    distinct = texts.unique()
    if distinct.len() == 0:
        nothing = pl.Series([None], dtype=pl.String).new_from_index(0, column.len())
        return nothing, nothing
    changed: list[str | None] = []
    wrong: list[str | None] = []
    for text in distinct.to_list():
        try:
            changed.append(change(text))
            wrong.append(None)
        except EventError as error:
            changed.append(None)
            wrong.append(str(error))
    return (
        column.replace_strict(distinct, pl.Series(changed, dtype=pl.String), default=None, return_dtype=pl.String),
        column.replace_strict(distinct, pl.Series(wrong, dtype=pl.String), default=None, return_dtype=pl.String),
    )


_NOTHING = pl.lit(None, dtype=pl.String)


def _topics(frame: pl.DataFrame) -> tuple[pl.Series | pl.Expr, pl.Series | pl.Expr]:
    """Return topics as JSON text, and what is wrong with them."""
    kind = frame.schema.get("topics", pl.Null())
    if kind == pl.Null:
        return _NOTHING, _NOTHING
    if kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum):
        texts = frame["topics"].cast(pl.String)
        return _each(texts, texts.drop_nulls(), lambda text: encode_topics(clean_topics(text)))
    if isinstance(kind, pl.List) and kind.inner in (pl.String, pl.Null):
        listed = frame["topics"].cast(pl.List(pl.String))
        texts = frame.select(pl.struct(listed.alias("")).struct.json_encode().alias("topics"))["topics"]
        return _each(
            texts,
            texts.filter(listed.is_not_null()),
            lambda text: encode_topics(clean_topics(msgspec.json.decode(text)[""])),
        )
    raise EventError(f"column 'topics' must hold text or lists of text, not {kind}")


def _payload(frame: pl.DataFrame, nested: list[str]) -> tuple[pl.Series | pl.Expr, pl.Series | pl.Expr]:
    """Return the payload as JSON text in the form of ``validate``, and what is wrong with it."""
    if "payload" in frame.columns:
        if frame.schema["payload"] not in (pl.String, pl.Null):
            raise EventError(f"column 'payload' must hold JSON text, not {frame.schema['payload']}")
        texts = frame["payload"].cast(pl.String)
        return _each(texts, texts.drop_nulls(), _object_text)
    if not nested:
        return _NOTHING, _NOTHING
    encoded: list[str | None] = []
    wrong: list[str | None] = []
    for values in frame.select(nested).iter_rows():
        given = {name: _drop_nulls(value) for name, value in zip(nested, values, strict=True) if value is not None}
        try:
            encoded.append(encode_payload(given))
            wrong.append(None)
        except EventError as error:
            encoded.append(None)
            wrong.append(str(error))
    return pl.Series(encoded, dtype=pl.String), pl.Series(wrong, dtype=pl.String)


def _object_text(text: str) -> str | None:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise EventError("payload must be a JSON object")
    return encode_payload(value)


def _drop_nulls(value: Any) -> Any:
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


def verdicts(frame: pl.DataFrame, limits: Limits) -> pl.Series:
    """Return for every row of a prepared frame the reason why it is refused, null when it is good."""
    col = pl.col
    kind = col("type")
    long = [
        (
            col(name).str.len_chars() > MAX_ID,
            pl.format(name + " has {} characters; at most " + str(MAX_ID), col(name).str.len_chars()),
        )
        for name in ("event_id", "user_id", "item_id", "session_id")
    ]
    nul = [
        (col(name).str.contains("\x00", literal=True), pl.lit(f"{name} holds a NUL or half a character"))
        for name in ("event_id", "user_id", "item_id", "session_id")
    ]
    ids = [rule for pair in zip(long, nul, strict=True) for rule in pair]
    rules: list[tuple[pl.Expr, pl.Expr]] = [
        (col(_TROUBLE).is_not_null(), col(_TROUBLE)),
        (kind.is_null() | (kind == ""), pl.lit("no type")),
        (
            ~kind.is_in(EVENT_TYPES),
            pl.format("unknown type '{}'; known: " + ", ".join(EVENT_TYPES), kind.str.slice(0, 40)),
        ),
        ((kind == "item") & col("user_id").is_not_null(), pl.lit("an item event has no user_id")),
        ((kind == "topic") & col("user_id").is_not_null(), pl.lit("a topic event has no user_id")),
        (~kind.is_in(list(NOBODY)) & (col("user_id").is_null() | (col("user_id") == "")), pl.lit("no user_id")),
        (
            col("item_id").is_null() & kind.is_in(list(ITEM_REQUIRED)),
            pl.format("no item_id, which {} needs", kind),
        ),
        (col("item_id") == "", pl.lit("item_id is empty")),
        *ids,
        (col("at_us") > limits.latest_us, pl.lit("at is in the future")),
        (
            col("at_us") < limits.earliest_us,
            pl.lit(f"at is before {isoformat(from_us(limits.earliest_us))}"),
        ),
        (~col("value").is_finite(), pl.lit("value is not a finite number")),
        (~col("amount").is_finite(), pl.lit("amount is not a finite number")),
        (col("amount").abs() > MAX_AMOUNT, pl.lit(f"amount is beyond {MAX_AMOUNT:,.0f}")),
        ((kind == "rating") & col("value").is_null(), pl.lit("a rating needs a value")),
        (col(_WORDS).is_not_null(), col(_WORDS)),
    ]
    verdict: pl.Expr = pl.lit(None, dtype=pl.String)
    for wrong, reason in reversed(rules):
        verdict = pl.when(wrong.fill_null(False)).then(reason).otherwise(verdict)
    return frame.with_columns(_wrong_words(frame)).select(verdict.alias("reason"))["reason"]


def _wrong_words(frame: pl.DataFrame) -> pl.Series:
    """Return what is wrong with the payload of rows whose type has rules for it; such rows are few, so one by one."""
    worded = frame["type"].is_in(list(WORDED)) & frame[_TROUBLE].is_null()
    reasons = pl.Series(_WORDS, [None], dtype=pl.String).new_from_index(0, frame.height)
    places = worded.fill_null(False).arg_true()
    if places.len() == 0:
        return reasons
    rows = map(Row._make, frame[places].select(COLUMNS).rows())
    return reasons.scatter(places, [WORDED[row.type](row) for row in rows])


def fill_ids(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows for the log: a content hash stands wherever ``event_id`` is missing; see ``validate``."""
    frame = frame.select(COLUMNS)
    missing = frame.filter(pl.col("event_id").is_null() | (pl.col("event_id") == ""))
    if missing.height == 0:
        return frame
    ids = iter([content_id(Row(*row)) for row in missing.rows()])
    lacking = (frame["event_id"].is_null() | (frame["event_id"] == "")).to_list()
    filled = [next(ids) if lacks else known for lacks, known in zip(lacking, frame["event_id"].to_list(), strict=True)]
    return frame.with_columns(pl.Series("event_id", filled, dtype=pl.String))
