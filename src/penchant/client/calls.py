"""What a client sends and what comes back, without the sending: both clients are made of these."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from penchant.clock import Moment, isoformat, parse_moment
from penchant.errors import PenchantError

T = TypeVar("T")


class ServerError(PenchantError):
    """The server refused, or could not answer.

    Attributes:
        name: Name of the problem, ``event-refused`` for one; see docs/reference/http.md.
        status: HTTP status, 0 when the server could not be reached.
        request_id: Under which the server's log tells more.
    """

    def __init__(self, name: str, status: int, detail: str, request_id: str = "") -> None:
        super().__init__(f"{detail} ({name}, status {status})")
        self.name = name
        self.status = status
        self.detail = detail
        self.request_id = request_id


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and the type of its answer."""

    method: str
    path: str
    answer: type[T]
    params: dict[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    pick: str = ""
    """Name of the part of the answer that is wanted; empty for all of it."""

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that go with the body."""
        return {} if self.body is None else {"Content-Type": "application/json"}

    def read(self, status: int, content: bytes) -> T:
        """Return the answer that a response holds.

        Raises:
            ServerError: When it is a problem, or no answer of this server.
        """
        try:
            if status >= 400:
                told = msgspec.json.decode(content, type=_Problem)
                raise ServerError(told.type.rpartition(":")[2], status, told.detail, told.request_id)
            if self.pick:
                return msgspec.convert(msgspec.json.decode(content)[self.pick], self.answer)
            return msgspec.json.decode(content, type=self.answer)
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            raise ServerError("no-answer", status, f"not an answer of this API: {error}") from None


class _Problem(msgspec.Struct):
    type: str
    detail: str
    request_id: str = ""


def user_path(user_id: str, rest: str = "") -> str:
    """Return the path of a user; a slash in the id is no separator."""
    return f"/v1/users/{quote(user_id, safe='')}{rest}"


def asked(**params: Any) -> dict[str, Any]:
    """Return parameters of a query, without those that were left out."""
    return {name: _plain(value) for name, value in params.items() if value is not None}


def _plain(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def when(at: Moment | None) -> str | None:
    """Return a moment as the server reads it."""
    return None if at is None else isoformat(parse_moment(at))


def encode(**fields: Any) -> bytes:
    """Return a body, without the fields that were left out."""
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})


def events_body(events: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> bytes:
    """Return events with an ``event_id`` each: sent again after a broken connection, they count once."""
    if isinstance(events, Mapping):
        return msgspec.json.encode(_named(events), enc_hook=str)
    return msgspec.json.encode([_named(event) for event in events], enc_hook=str)


def _named(event: Mapping[str, Any]) -> dict[str, Any]:
    return {"event_id": str(uuid.uuid4()), **event}
