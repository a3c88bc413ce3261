"""Gorse's objects as they stand on the wire, and what they are among our events."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from penchant.app.server.problems import Problem
from penchant.clock import isoformat, parse_moment
from penchant.domain.event import ITEM_REQUIRED
from penchant.domain.item import Item

NO_TIME = "0001-01-01T00:00:00Z"
"""How Gorse writes that no time is known."""
KEPT = "gorse"
"""Under this name an event's payload keeps what Gorse's feedback has and our events have not."""
DEFAULT_TYPE = "click"
"""What feedback of an unknown type counts as."""
TYPES: dict[str, str] = {
    **{name: name for name in ITEM_REQUIRED - {"item", "rating", "dwell"}},
    "read": "view",
    "watch": "view",
    "buy": "purchase",
    "order": "purchase",
    "add_to_cart": "cart",
    "star": "like",
    "favorite": "like",
    "favourite": "like",
    "bookmark": "like",
    "upvote": "like",
    "fork": "share",
    "skip": "hide",
    "downvote": "dislike",
}
"""What feedback counts as, by Gorse's type; more with ``--gorse-type``. A hyphen in a name counts as an underscore."""
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ms|us|µs|ns|h|m|s)")


class GorseUser(msgspec.Struct, rename="pascal"):
    """A user as Gorse writes it."""

    user_id: str
    labels: Any = None
    comment: str = ""


class GorseItem(msgspec.Struct, rename="pascal"):
    """An item as Gorse writes it."""

    item_id: str
    is_hidden: bool = False
    categories: list[str] | None = None
    timestamp: str = ""
    labels: Any = None
    comment: str = ""


class UserPatch(msgspec.Struct, rename="pascal"):
    """What is to be changed of a user; null leaves as it was."""

    labels: Any = None
    comment: str | None = None


class ItemPatch(msgspec.Struct, rename="pascal"):
    """What is to be changed of an item; null leaves as it was."""

    is_hidden: bool | None = None
    categories: list[str] | None = None
    timestamp: str | None = None
    labels: Any = None
    comment: str | None = None


class GorseFeedback(msgspec.Struct, rename="pascal"):
    """Feedback as Gorse writes it: one row for each type, user and item."""

    feedback_type: str
    user_id: str
    item_id: str
    value: float = 0.0
    timestamp: str = ""
    updated: str = ""
    labels: Any = None
    comment: str = ""


def check_id(value: str) -> str:
    """Return an id, or raise ``Problem`` when Gorse would not take it."""
    if not value or "/" in value:
        raise Problem("bad-request", f"invalid id {value[:40]!r}")
    return value


def check_labels(labels: Any) -> Any:
    """Return labels, or raise ``Problem``: null, a text, a number, a list of texts or of numbers, or an object of those."""
    if isinstance(labels, Mapping):
        for one in labels.values():
            check_labels(one)
    elif isinstance(labels, list):
        texts = all(isinstance(one, str) for one in labels)
        if not texts and not all(_is_number(one) for one in labels):
            raise Problem("bad-request", "labels: a list holds either texts or numbers")
    elif labels is not None and not isinstance(labels, str) and not _is_number(labels):
        raise Problem("bad-request", f"labels: {type(labels).__name__} is not taken")
    return labels


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def moment(text: str) -> datetime | None:
    """Return a time that a client wrote, None for an empty text or Gorse's own "no time"; ``Problem`` when it is none."""
    if not text or text == NO_TIME:
        return None
    for shorter in (text, text.removesuffix(" UTC").replace(" +0000", "+00:00")):
        try:
            return parse_moment(shorter)
        except ValueError:
            continue
    raise Problem("bad-request", f"failed to parse datetime `{text[:60]}`: give ISO 8601")


def delay(text: str) -> timedelta:
    """Return a duration as Go writes it: ``10m``, ``1h30m``, ``0``."""
    parts = _PART.findall(text)
    if text not in ("", "0") and "".join(number + unit for number, unit in parts) != text:
        raise Problem("bad-request", f"not a duration: {text[:40]!r}; 10m or 1h30m for example")
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))


def user_event(user_id: str, labels: Any, comment: str | None) -> dict[str, Any]:
    """Return the event that keeps a user's labels and comment as facts."""
    facts: dict[str, Any] = {"labels": check_labels(labels)}
    if comment is not None:
        facts["comment"] = comment
    return {"type": "user", "user_id": check_id(user_id), "facts": facts, "event_id": str(uuid.uuid4())}


def item_event(given: GorseItem, known: bool, now: datetime) -> dict[str, Any]:
    """Return the event that puts an item into our catalogue: categories are its topics, the comment its title.

    Args:
        given: The item.
        known: Whether the catalogue has it already; a new one is known since its own time stamp.
        now: The present.
    """
    at = moment(given.timestamp)
    attributes = {"hidden": given.is_hidden, "deleted": False, "labels": check_labels(given.labels)}
    return {
        "type": "item",
        "item_id": check_id(given.item_id),
        "event_id": str(uuid.uuid4()),
        "title": given.comment or None,
        "topics": given.categories or None,
        "attributes": {**attributes, "timestamp": "" if at is None else isoformat(at)},
        "at": isoformat(now if known or at is None else min(at, now)),
    }


def item_of(item: Item) -> GorseItem:
    """Return an item of our catalogue as Gorse writes it."""
    said = item.attributes
    return GorseItem(
        item.item_id,
        bool(said.get("hidden", False)),
        list(item.topics),
        str(said.get("timestamp") or NO_TIME),
        said.get("labels"),
        item.title or "",
    )


def gone(item: Item) -> bool:
    """Return whether a client has deleted an item."""
    return bool(item.attributes.get("deleted", False))


def feedback_event(given: GorseFeedback, how: str, types: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Return the event that feedback is.

    Args:
        given: The feedback.
        how: ``add`` to the row of this type, user and item, ``put`` in its place, or ``delete`` it.
        types: Our types by Gorse's, those that were set.
        now: The present.
    """
    name = check_id(given.feedback_type).replace("-", "_")
    kind = types.get(given.feedback_type) or types.get(name) or TYPES.get(name, DEFAULT_TYPE)
    kept = {
        "type": given.feedback_type,
        "how": how,
        "value": given.value,
        "comment": given.comment,
        "labels": check_labels(given.labels),
        "timed": bool(moment(given.timestamp)),
    }
    return {
        # What was deleted no longer speaks for the item: our log keeps it and takes its weight back.
        "type": "return" if how == "delete" else kind,
        "user_id": check_id(given.user_id),
        "item_id": check_id(given.item_id),
        "event_id": str(uuid.uuid4()),
        "at": isoformat(moment(given.timestamp) or now),
        "value": given.value if kind in ("rating", "play", "dwell") else None,
        "payload": {KEPT: kept},
    }
