"""What is sent out: the engine's own answers as JSON, and the few shapes that only HTTP has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from starlette.responses import Response

from penchant.domain.alike import SimilarItem, SimilarUser
from penchant.domain.interests import Interest
from penchant.domain.item import Item
from penchant.domain.slate import Recommendation


class Interests(msgspec.Struct):
    """A user's interests, the most probable first."""

    user_id: str
    interests: list[Interest]


class Recommendations(msgspec.Struct):
    """A list for a user; its id, given back with feedback, tells which list was acted on."""

    recommendation_id: str
    user_id: str
    recommendations: list[Recommendation]


class SimilarItems(msgspec.Struct):
    """Items like an item, the most alike first."""

    item_id: str
    similar: list[SimilarItem]


class SimilarUsers(msgspec.Struct):
    """Users like a user, the most alike first."""

    user_id: str
    similar: list[SimilarUser]


class Page(msgspec.Struct):
    """A part of a long list; ``cursor`` asks for the next part, null at the end."""

    cursor: str | None


class ItemPage(Page):
    """Items in the order in which they became known."""

    items: list[Item]


class UserPage(Page):
    """Users in the order of their ids."""

    user_ids: list[str]


class Erased(msgspec.Struct):
    """Proof that a user was erased."""

    user_id: str
    erased_events: int
    at: datetime


class Health(msgspec.Struct):
    """Whether the server can do its work, and if not, why."""

    ready: bool
    reason: str | None = None


class ProblemDocument(msgspec.Struct):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    detail: str
    request_id: str


class Status(msgspec.Struct):
    """What the engine holds."""

    version: str
    events: int
    items: int
    topics: int
    position: int
    storage: Literal["memory", "sqlite", "postgresql", "parquet"]


def encode(value: Any) -> bytes:
    """Return an answer as JSON: dataclasses become objects, times ISO 8601 in UTC, NaN null."""
    return _ENCODER.encode(value)


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer with a JSON body."""
    return Response(encode(value), status, headers, "application/json")


def _other(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


_ENCODER = msgspec.json.Encoder(enc_hook=_other)
