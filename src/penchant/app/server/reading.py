"""Bodies of requests: JSON of limited size and depth, of the type that the route expects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from penchant.app.server.problems import Problem
from penchant.process.validate import MAX_ID, is_whole

T = TypeVar("T")
JSON = "application/json"
JSONL = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")
SLASH = "\ue000"
"""Stands for a slash inside an id while the path is taken apart: a private character that no id should hold."""


def media_type(request: Request) -> str:
    """Return the media type of a request's body without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: Request, kind: Any = Any) -> Any:
    """Return the body of a request as ``kind`` (a msgspec type).

    Raises:
        Problem: When it is no JSON, nested too deep, or of another shape.
    """
    given = media_type(request)
    if given != JSON and not given.endswith("+json"):
        # A page of another site can make a browser send text, but not this type: no request by surprise.
        raise Problem("wrong-media-type", f"Content-Type is {given[:60] or 'missing'!r}; give {JSON}")
    return decode(await request.body(), kind)


def decode(body: bytes, kind: Any = Any) -> Any:
    """Return JSON as ``kind``; ``Problem`` when it cannot be."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Problem("bad-value", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem("bad-request", f"the body is not JSON: {error}") from None
    except RecursionError:
        raise Problem("bad-request", "the body is nested too deep") from None


async def read_lines(request: Request, max_line: int) -> AsyncIterator[bytes]:
    """Yield the lines of a body as they arrive, without empty ones.

    Raises:
        Problem: When a line is longer than ``max_line`` bytes or the type is not JSON lines.
    """
    given = media_type(request)
    if given not in JSONL:
        raise Problem("wrong-media-type", f"Content-Type is {given[:60] or 'missing'!r}; give {JSONL[0]}")
    rest = b""
    async for piece in request.stream():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if len(line) > max_line:
                raise Problem("body-too-large", f"a line of {len(line):,} bytes; at most {max_line:,}")
            if line.strip():
                yield line
        if len(rest) > max_line:
            raise Problem("body-too-large", f"a line of more than {max_line:,} bytes")
    if rest.strip():
        yield rest


def clean_id(name: str, value: str) -> str:
    """Return an id from a path or a query as the log writes it; ``Problem`` when no id can be like that."""
    value = value.replace(SLASH, "/")
    if not 0 < len(value) <= MAX_ID or not is_whole(value):
        raise Problem("bad-value", f"{name} has {len(value)} characters; 1 to {MAX_ID}, without NUL")
    return value
