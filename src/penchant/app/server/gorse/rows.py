"""Gorse's view of our events: one row for each feedback type, user and item, added up or overwritten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from penchant.app.server.gorse.objects import KEPT, NO_TIME, GorseFeedback
from penchant.clock import from_us, isoformat
from penchant.engine import Engine

if TYPE_CHECKING:
    import polars as pl

Key: TypeAlias = tuple[str, str, str]
"""Feedback type, user, item."""
OURS = ("item", "user", "topic", "statement", "consent")
"""Events that are no feedback."""
BATCH = 200
"""Users looked at together while all feedback is listed."""


def rows_of_user(engine: Engine, user_id: str) -> dict[Key, GorseFeedback]:
    """Return a user's feedback by key, in the order in which it came first."""
    return gather(engine.log.of_user(user_id))


def rows_of_item(engine: Engine, item_id: str) -> list[GorseFeedback]:
    """Return everybody's feedback on an item; it reads the whole log."""
    import polars as pl

    found = [frame.filter(pl.col("item_id") == item_id) for frame in engine.log.read()]
    return list(gather(pl.concat(found)).values()) if found else []


def all_rows(engine: Engine, after: str, skip: int, n: int, kind: str | None) -> tuple[list[GorseFeedback], str, int]:
    """Return ``n`` rows in the order of users, and where to go on: ``(rows, user, rows to skip)``, an empty user at the end.

    Args:
        engine: Whose log.
        after: Begin with the user after this one; the one that ``skip`` speaks of comes right after it.
        skip: Rows of the first user that were given already.
        n: How many.
        kind: Only this feedback type.
    """
    found: list[GorseFeedback] = []
    for user_id, before in _users(engine, after):
        mine = [row for row in rows_of_user(engine, user_id).values() if kind in (None, row.feedback_type)]
        for place, row in enumerate(mine[skip:], skip):
            if len(found) == n:
                return found, before, place
            found.append(row)
        skip = 0
    return found, "", 0


def _users(engine: Engine, after: str) -> Iterator[tuple[str, str]]:
    """Yield users, each with the one before it."""
    while page := engine.users(BATCH, after):
        for user_id in page:
            yield user_id, after
            after = user_id


def gather(events: pl.DataFrame) -> dict[Key, GorseFeedback]:
    """Return the rows that events amount to: POST added, PUT took the place, DELETE removed.

    Events that did not come by Gorse's paths are rows of their own type; a repeated one adds 1.
    """
    rows: dict[Key, GorseFeedback] = {}
    columns = ("type", "user_id", "item_id", "at_us", "value", "payload")
    for kind, user_id, item_id, at_us, value, payload in events.select(columns).iter_rows():
        if kind in OURS or item_id is None or user_id is None:
            continue
        said: dict[str, Any] = (msgspec.json.decode(payload) if payload else {}).get(KEPT) or {
            "type": kind,
            "how": "add",
            "value": 1.0 if value is None else value,
            "timed": True,
        }
        key = (said["type"], user_id, item_id)
        if said["how"] == "delete":
            rows.pop(key, None)
            continue
        old = rows.get(key) if said["how"] == "add" else None
        when = isoformat(from_us(at_us))
        rows[key] = GorseFeedback(
            said["type"],
            user_id,
            item_id,
            said["value"] + (old.value if old else 0.0),
            when if said.get("timed") else NO_TIME,
            when,
            said.get("labels"),
            said.get("comment", ""),
        )
    return rows
