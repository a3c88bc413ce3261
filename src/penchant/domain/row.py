"""A line of the event log: the event as plain columns, in one fixed order, for every back end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from penchant.clock import from_us
from penchant.domain.event import Event, EventType

if TYPE_CHECKING:
    import polars as pl


class Row(NamedTuple):
    """One event as it lies in the log; ``topics`` and ``payload`` are JSON text or None."""

    event_id: str
    type: str
    user_id: str | None
    item_id: str | None
    at_us: int
    arrived_us: int
    value: float | None
    amount: float | None
    session_id: str | None
    topics: str | None
    payload: str | None


COLUMNS: tuple[str, ...] = Row._fields


def frame_schema() -> dict[str, pl.DataType]:
    """Return the Polars schema of a frame of rows, without ``position``."""
    import polars as pl

    kinds: dict[str, Any] = {
        "at_us": pl.Int64,
        "arrived_us": pl.Int64,
        "value": pl.Float64,
        "amount": pl.Float64,
    }
    return {name: kinds.get(name, pl.String)() for name in COLUMNS}


def log_schema() -> dict[str, pl.DataType]:
    """Return the Polars schema of what a log reads back: ``position`` and the row."""
    import polars as pl

    return {"position": pl.Int64(), **frame_schema()}


def encode_topics(topics: tuple[str, ...]) -> str | None:
    """Return topics as a JSON array, None when there are none."""
    return msgspec.json.encode(topics).decode() if topics else None


def parent_of(payload: str | None) -> str | None:
    """Return the parent that the payload of a ``topic`` event names, None for none.

    >>> parent_of('{"parent": "drinks"}'), parent_of('{"title": "Tea"}')
    ('drinks', None)
    """
    parent = msgspec.json.decode(payload).get("parent") if payload else None
    return parent.strip() or None if isinstance(parent, str) else None


def to_event(row: Row) -> Event:
    """Return the event that a line of the log holds."""
    return Event(
        row.event_id,
        cast(EventType, row.type),
        row.user_id,
        row.item_id,
        from_us(row.at_us),
        from_us(row.arrived_us),
        row.value,
        row.amount,
        row.session_id,
        tuple(msgspec.json.decode(row.topics)) if row.topics else (),
        msgspec.json.decode(row.payload) if row.payload else {},
    )
