"""Fetch everything that a Gorse server holds, page by page, into the files that the format ``gorse`` reads."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from penchant.errors import ConfigError, SourceError

WHAT = {"users": "Users", "items": "Items", "feedback": "Feedback"}
"""Paths under ``/api``, and where the page holds its rows."""
STATE = "walk.json"
TRIES = 6
_LONGEST = 256 << 20
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Walked(msgspec.Struct):
    """How far one of the three lists was fetched: the next page, and what of the file is whole."""

    cursor: str = ""
    size: int = 0
    rows: int = 0
    done: bool = False


def walk(
    url: str,
    folder: Path,
    key: str = "",
    n: int = 1000,
    timeout_s: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, int]:
    """Write ``users.jsonl``, ``items.jsonl`` and ``feedback.jsonl`` into a folder; return how many rows each has.

    After each page the folder keeps the cursor of the next one: broken off, the next call goes on there. A walk that was
    finished begins anew. What fails for a while (429 and its Retry-After, 5xx, no answer, half a page) is tried again,
    six times with longer and longer waits.

    Args:
        url: Where the server is, ``http://host:8087``.
        folder: Made when it is not there.
        key: For the header ``X-API-Key``.
        n: Rows a page.
        timeout_s: How long the server may stay silent.
        sleep: Waits so many seconds.

    Raises:
        ConfigError: When the address is none.
        SourceError: When the server refuses, or still fails at the sixth try.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(f"a Gorse server is at http://host:port, not {url!r}")
    folder.mkdir(parents=True, exist_ok=True)
    walked = _kept(folder)
    if all(walked[name].done for name in WHAT):
        walked = {name: _Walked() for name in WHAT}
    server = _Server(url.rstrip("/"), key, timeout_s, sleep)
    for name, rows_in in WHAT.items():
        path, far = folder / f"{name}.jsonl", walked[name]
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(far.size)  # a page that was being written when the last walk broke off
            file.seek(far.size)
            while not far.done:
                page = server.page(name, rows_in, far.cursor, n)
                lines = b"".join(msgspec.json.encode(row) + b"\n" for row in page[rows_in])
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
                after = page["Cursor"]
                if after and after == far.cursor:
                    raise SourceError(f"{url}/api/{name} gives the same cursor again; the walk would never end")
                far = walked[name] = _Walked(after, far.size + len(lines), far.rows + len(page[rows_in]), not after)
                _keep(folder, walked)
    return {name: far.rows for name, far in walked.items()}


def _kept(folder: Path) -> dict[str, _Walked]:
    fresh = {name: _Walked() for name in WHAT}
    try:
        return fresh | msgspec.json.decode((folder / STATE).read_bytes(), type=dict[str, _Walked])
    except FileNotFoundError:
        return fresh
    except msgspec.DecodeError as error:
        raise SourceError(f"{folder / STATE} is damaged ({error}); remove it to begin anew") from error


def _keep(folder: Path, walked: dict[str, _Walked]) -> None:
    new = folder / f"{STATE}.new"
    new.write_bytes(msgspec.json.encode(walked))
    new.replace(folder / STATE)


class _Server:
    """Asks for pages, patiently."""

    def __init__(self, url: str, key: str, timeout_s: float, sleep: Callable[[float], None]) -> None:
        self._url, self._key, self._timeout_s, self._sleep = url, key, timeout_s, sleep

    def page(self, name: str, rows_in: str, cursor: str, n: int) -> dict[str, Any]:
        """Return ``{"Cursor": text, rows_in: [objects]}``."""
        address = f"{self._url}/api/{name}?{urlencode({'n': n, 'cursor': cursor})}"
        for attempt in range(1, TRIES + 1):
            try:
                return _page(self._ask(address), rows_in)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in _AGAIN:
                    hint = "; check the key" if error.code in (401, 403) else ""
                    raise SourceError(f"{self._url}/api/{name} answers {error.code} {error.reason}{hint}") from error
                wait_s, trouble = _retry_after(error), f"{error.code} {error.reason}"
            except (OSError, HTTPException, ValueError) as error:  # no answer, half an answer, or none that we know
                wait_s, trouble = None, str(error) or type(error).__name__
            if attempt == TRIES:
                raise SourceError(f"{self._url}/api/{name} fails: {trouble}; tried {TRIES} times. Run it again later")
            self._sleep(wait_s if wait_s is not None else 2.0 ** (attempt - 1))
        raise AssertionError

    def _ask(self, address: str) -> bytes:
        headers = {"Accept": "application/json"} | ({"X-API-Key": self._key} if self._key else {})
        request = urllib.request.Request(address, headers=headers)  # noqa: S310 - the scheme was looked at
        with urllib.request.urlopen(request, timeout=self._timeout_s) as reply:  # noqa: S310
            data: bytes = reply.read(_LONGEST)
            return data


def _page(data: bytes, rows_in: str) -> dict[str, Any]:
    page = json.loads(data)
    rows = page.get(rows_in) or [] if isinstance(page, dict) else None  # Gorse writes null for an empty page
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"not a page of {rows_in}")
    return {"Cursor": str(page.get("Cursor") or ""), rows_in: rows}


def _retry_after(error: urllib.error.HTTPError) -> float | None:
    try:
        return min(300.0, max(0.0, float(error.headers.get("Retry-After", ""))))
    except ValueError:
        return None
