"""Users, items and feedback of Gorse, as its bulk files and its REST interface give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict, field_validator

from penchant.clock import isoformat, parse_moment
from penchant.collect.mapping import Reading
from penchant.collect.sources.contract import SourceFile, reader_options
from penchant.collect.sources.jsonl import JsonlReader
from penchant.domain.event import EVENT_TYPES

COLUMNS = ("type", "user_id", "item_id", "at", "value", "title", "text", "topics", "attributes", "facts", "context")
_ZERO = "0001-01-01"
"""How the moment begins that Gorse writes where it knows none."""


class GorseConfig(BaseModel):
    """How Gorse's feedback types and missing times are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    types: dict[str, str] = {
        **dict.fromkeys(("read", "watch"), "view"),
        **dict.fromkeys(("star", "favorite", "bookmark", "upvote"), "like"),
        **dict.fromkeys(("buy", "order"), "purchase"),
        **dict.fromkeys(("downvote", "unlike"), "dislike"),
        "fork": "share",
        "skip": "hide",
    }
    """Event type by feedback type. What is not listed keeps its name, and is refused when there is no such event type."""
    unknown_at: str = "1970-01-01T00:00:00Z"
    """Moment of what has none: users, and items and feedback with Gorse's zero time."""

    @field_validator("types")
    @classmethod
    def _known(cls, types: dict[str, str]) -> dict[str, str]:
        for name, event_type in types.items():
            if event_type not in EVENT_TYPES:
                raise ValueError(
                    f"{name!r} becomes {event_type!r}, which is no event type; known: {', '.join(EVENT_TYPES)}"
                )
        return types

    @field_validator("unknown_at")
    @classmethod
    def _moment(cls, moment: str) -> str:
        return isoformat(parse_moment(moment))


class GorseReader(JsonlReader):
    """JSON lines in Gorse's words: ``ItemId``, ``Labels``, ``FeedbackType``.

    Labels are kept as attributes and facts, whether an object or, as in older versions, a list; a feedback's
    ``Updated`` is kept in the context. An item's categories, or else its list of labels, are its topics.
    """

    def __init__(self, file: SourceFile, how: Reading, columns: Sequence[str]) -> None:
        super().__init__(file, how, columns)
        self.config = reader_options(GorseConfig, how)

    def columns(self) -> list[str]:
        """Return what every line is told as; see ``Reader.columns``."""
        super().columns()  # says what is wrong with a file that is empty or not there
        return list(COLUMNS)

    def told(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of the event that an object is."""
        if "FeedbackType" in row:
            return self._feedback(row)
        return self._item(row) if "ItemId" in row else self._user(row)

    def _feedback(self, row: dict[str, Any]) -> dict[str, Any]:
        kind = row.get("FeedbackType")
        context = {"source": "gorse", "feedback_type": kind, "updated": self._at(row.get("Updated"), None)}
        return {
            "type": self.config.types.get(kind, kind) if isinstance(kind, str) else None,
            "user_id": _id(row.get("UserId")),
            "item_id": _id(row.get("ItemId")),
            "at": self._at(row.get("Timestamp")),
            # Gorse writes 0 where a feedback has no value.
            "value": _number(row.get("Value")) or None,
            "text": _text(row.get("Comment")),
            "context": _json({name: value for name, value in context.items() if value is not None}),
        }

    def _item(self, row: dict[str, Any]) -> dict[str, Any]:
        labels, categories = row.get("Labels"), _texts(row.get("Categories"))
        attributes = _labels(labels)
        attributes |= {"categories": categories} if categories else {}
        attributes |= {"hidden": True} if row.get("IsHidden") is True else {}
        return {
            "type": "item",
            "item_id": _id(row.get("ItemId")),
            "at": self._at(row.get("Timestamp")),
            "title": _text(row.get("Comment")),
            "topics": categories or _texts(labels) or None,
            "attributes": _json(attributes),
        }

    def _user(self, row: dict[str, Any]) -> dict[str, Any]:
        facts = _labels(row.get("Labels"))
        for name in ("Subscribe", "Comment"):
            facts |= {name.lower(): row[name]} if row.get(name) else {}
        return {"type": "user", "user_id": _id(row.get("UserId")), "at": self.config.unknown_at, "facts": _json(facts)}

    def _at(self, given: Any, missing: str | None = "") -> str | None:
        """Return a moment as it was written; where there is none, the one that stands for it."""
        if not isinstance(given, str) or not given or given.startswith(_ZERO):
            return self.config.unknown_at if missing == "" else missing
        return given


def _labels(labels: Any) -> dict[str, Any]:
    return dict(labels) if isinstance(labels, dict) else {"labels": labels} if labels else {}


def _texts(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str) and value] if isinstance(values, list) else []


def _id(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _json(value: dict[str, Any]) -> str | None:
    return msgspec.json.encode(value).decode() if value else None
