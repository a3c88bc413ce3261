"""What every request passes: an id, limits, the key, the clock, the log line; and what becomes of any error."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any
from urllib.parse import quote, unquote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penchant.app.server.keys import EVERYBODY, Caller
from penchant.app.server.logs import LOG
from penchant.app.server.problems import Problem, problem_of
from penchant.app.server.reading import SLASH
from penchant.app.server.service import Service

MAX_HEADERS = 32_768
"""Bytes of all headers of a request."""
SLOW_S = 1.0
"""A request that takes longer gets a line in the log."""
PUBLIC = ("/health/", "/api/health/", "/openapi.json", "/dashboard")
"""Paths that need no key; before the dashboard stands a door of its own (app/dashboard/door.py)."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PORT = re.compile(r":[0-9]+\Z")
_PLAIN_SLASH = re.compile(rb"%2f", re.IGNORECASE)


class Guard:
    """ASGI middleware around all routes."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        one = _Request(self._service, scope, receive, send)
        try:
            await one.admit()
            await self._app(scope, one.receive, one.send)
        except Exception as error:  # noqa: BLE001 - the one place where every error becomes an answer
            await one.fail(error)
        finally:
            one.end()


class _Request:
    """One request on its way."""

    def __init__(self, service: Service, scope: Scope, receive: Receive, send: Send) -> None:
        self._service = service
        self._scope = scope
        self._receive = receive
        self._send = send
        self._began = time.perf_counter()
        self._headers = Headers(scope=scope)
        self._left = service.config.max_body if not scope["path"].endswith("/stream") else None
        self._status = 0
        self._caller: Caller | None = None
        given = self._headers.get("x-request-id", "")
        self.request_id = given if _REQUEST_ID.match(given) else service.new_id()
        scope["penchant.request_id"] = self.request_id

    async def admit(self) -> None:
        """Let the request pass, or raise a ``Problem``."""
        scope, config = self._scope, self._service.config
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if size > MAX_HEADERS:
            raise Problem("headers-too-large", f"{size:,} bytes of headers; at most {MAX_HEADERS:,}")
        length = self._headers.get("content-length")
        if self._left is not None and length is not None and int(length) > self._left:
            raise self._too_large()
        raw = scope.get("raw_path") or b""
        if b"%" in raw:
            # A slash inside an id is a letter of it, not the end of it.
            scope["path"] = unquote(_PLAIN_SLASH.sub(quote(SLASH).encode(), raw).decode("ascii", "replace"))
        origin = self._headers.get("origin")
        if origin is not None and origin not in config.cors and origin.partition("://")[2] != self._headers.get("host"):
            raise Problem("not-allowed", "pages of other sites may not call this server; see --cors")
        self._caller = scope["penchant.caller"] = await self._who(scope["path"])

    async def _who(self, path: str) -> Caller:
        service = self._service
        if path.startswith(PUBLIC):
            return Caller("public", frozenset())
        if service.open:
            # A name that leads here by a foreign DNS answer is a page trying to reach this machine.
            if _PORT.sub("", self._headers.get("host", "").lower()) not in _LOCAL:
                raise Problem(
                    "not-allowed", "without keys only localhost is answered; make one: penchant serve key add"
                )
            return EVERYBODY
        token = self._token()
        caller = service.keys.known(token) if token else None
        if caller is None:
            caller = await self._verify(token)
        wait = service.rate.wait_s(caller.id)
        if wait:
            detail = f"more than {service.config.rate_per_s:g} requests a second with this key"
            raise Problem("too-many-requests", detail, {"Retry-After": str(max(1, round(wait)))})
        return caller

    def _token(self) -> str:
        scheme, _, token = self._headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else self._headers.get("x-api-key", "")

    async def _verify(self, token: str) -> Caller:
        service, address = self._service, (self._scope.get("client") or ("", 0))[0]
        asked = {"WWW-Authenticate": "Bearer"}
        if not token:
            raise Problem("no-key", "give a key: Authorization: Bearer penchant_…, or X-API-Key", asked)
        if service.wrong_keys.empty(address):
            raise Problem("too-many-requests", "too many wrong keys from this address", {"Retry-After": "60"})
        async with service.verifying:  # one at a time: it is slow, and costs memory, on purpose
            caller = await service.work(service.keys.verify, token)
        if caller is None:
            service.wrong_keys.wait_s(address)
            raise Problem("no-key", "the key is unknown or was revoked", asked)
        return caller

    def _too_large(self) -> Problem:
        return Problem("body-too-large", f"the body has more than {self._service.config.max_body:,} bytes")

    async def receive(self) -> Message:
        """Return the next piece of the body, of limited size, in limited time."""
        try:
            async with asyncio.timeout(self._service.config.body_timeout_s):
                message = await self._receive()
        except TimeoutError:
            if self._status:  # the answer has begun: this waits for the client to go, not for a body
                return {"type": "http.disconnect"}
            raise Problem("too-slow", f"nothing came for {self._service.config.body_timeout_s:g} s") from None
        if self._left is not None:
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        """Pass a piece of the answer on, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers: list[tuple[bytes, bytes]] = message.setdefault("headers", [])
            headers += [
                (b"x-request-id", self.request_id.encode()),
                (b"x-content-type-options", b"nosniff"),
            ]
            if not self._scope["path"].startswith("/dashboard/_nicegui/"):  # scripts and fonts, the same for everybody
                headers.append((b"cache-control", b"no-store"))
        await self._send(message)

    async def fail(self, error: Exception) -> None:
        """Answer with a problem document, if the answer has not begun."""
        problem = problem_of(error)
        if problem is None:
            LOG.error("a request failed", exc_info=error, extra={"request_id": self.request_id})
            problem = Problem("internal", "the server made a mistake; its log tells more under the request id")
        elif problem.status >= 500:
            LOG.warning(str(error), extra={"request_id": self.request_id})
        if not self._status:
            plain = "gorse" in self._service.config.compat and self._scope["path"].startswith("/api/")
            response = problem.plain() if plain else problem.response(self.request_id)
            await response(self._scope, self._receive, self.send)

    def end(self) -> None:
        """Count the request and log it."""
        took = time.perf_counter() - self._began
        route: Any = self._scope.get("route")
        template, method = getattr(route, "path", "none"), self._scope["method"]
        if method not in _METHODS:
            method = "other"
        self._service.meter.request(method, template, self._status, took)
        wanted = self._service.config.log
        if wanted == "all" or (wanted == "errors" and (self._status >= 400 or took > SLOW_S)):
            LOG.info(
                "request",
                extra={
                    "request_id": self.request_id,
                    "method": method,
                    "route": template,
                    "status": self._status,
                    "ms": round(1000 * took, 2),
                    "key": self._caller and self._caller.id,
                },
            )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
