"""Errors as problem documents (RFC 9457): what was wrong, in the same form for every route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from penchant import errors

MEDIA_TYPE = "application/problem+json"

TITLES: dict[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be read"),
    "no-key": (401, "A key is needed"),
    "not-allowed": (403, "The key does not allow this"),
    "not-found": (404, "There is no such thing"),
    "method-not-allowed": (405, "The path does not know this method"),
    "too-slow": (408, "The body did not arrive in time"),
    "not-fitted": (409, "A model has to be fitted first"),
    "body-too-large": (413, "The body is too large"),
    "wrong-media-type": (415, "The body is of the wrong type"),
    "bad-value": (422, "A value is not allowed"),
    "event-refused": (422, "The event cannot be taken"),
    "unknown-name": (422, "There is nothing of that name"),
    "too-many-requests": (429, "Too many requests"),
    "headers-too-large": (431, "The headers are too large"),
    "internal": (500, "Something is wrong with the server"),
    "not-installed": (501, "An optional part is not installed"),
    "busy": (503, "Too much is waiting"),
    "storage": (503, "The log cannot be reached"),
}
"""Every problem by name: status and title. Documented in docs/reference/http.md."""

_OF_STATUS = {status: name for name, (status, _) in reversed(TITLES.items())}


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it so
    """Ends a request with a problem document."""

    def __init__(
        self, name: str, detail: str, headers: Mapping[str, str] | None = None, status: int | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.name = name
        self.detail = detail
        self.headers = dict(headers or {})
        self.status = status or TITLES[name][0]
        self.more = more

    def document(self, request_id: str) -> dict[str, Any]:
        """Return the document; ``type`` is a name that stays, ``detail`` is for people."""
        return {
            "type": f"urn:penchant:problem:{self.name}",
            "title": TITLES[self.name][1],
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
            **self.more,
        }

    def response(self, request_id: str) -> Response:
        """Return the answer that carries the document."""
        body = msgspec.json.encode(self.document(request_id))
        return Response(body, self.status, self.headers, MEDIA_TYPE)

    def plain(self) -> Response:
        """Return the answer as plain text, as Gorse's clients know it; a status of ours that Gorse lacks becomes 400."""
        status = 400 if self.status in (413, 415, 422) else self.status
        return Response(self.detail, status, self.headers, "text/plain; charset=utf-8")


def problem_of(error: Exception) -> Problem | None:
    """Return the problem that one of penchant's errors is, None for any other error."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, errors.StorageError):
        # Its message names files and hosts: for the log, not for the caller.
        detail = "the event log cannot be read or written now; nothing of this request was taken; try again"
        return Problem("storage", detail, {"Retry-After": "1"})
    for kind, name in (
        (errors.EventError, "event-refused"),
        (errors.UnknownNameError, "unknown-name"),
        (errors.NotFittedError, "not-fitted"),
        (errors.NotInstalledError, "not-installed"),
        (errors.ConfigError, "bad-value"),
    ):
        if isinstance(error, kind):
            return Problem(name, str(error))
    return None


def problem_of_status(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Problem:
    """Return the problem of a plain HTTP status."""
    name = _OF_STATUS.get(status, "internal" if status >= 500 else "bad-request")
    return Problem(name, detail, headers, status)
