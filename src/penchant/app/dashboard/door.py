"""Who may see the dashboard: the rules of the API, with a cookie where the API has a key in a header."""

from __future__ import annotations

import hashlib
import secrets
import time
from html import escape
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penchant.app.dashboard.words import language_of, words_of
from penchant.app.server.keys import Caller
from penchant.app.server.problems import Problem
from penchant.app.server.service import Service

PATH = "/dashboard"
COOKIE = "penchant_dashboard"
SESSION_S = 12 * 3600
"""Seconds until somebody has to give the key again."""
SESSIONS = 1000
"""Sessions at a time; the oldest ends when one more begins."""
MAX_FORM = 4096
"""Bytes of what the page for the key sends."""
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Door:
    """ASGI middleware before the dashboard's pages and their sockets.

    Where no key exists, this machine alone comes in. Else a key with the role ``admin`` that is not confined to a user
    is asked for once; what the browser keeps is a random cookie, of which the hash is known here.
    """

    def __init__(self, app: ASGIApp, service: Service, sessions: Sessions) -> None:
        self._app = app
        self._service = service
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through to the dashboard, or ask for the key."""
        if scope["type"] not in ("http", "websocket") or not _inside(scope["path"]):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        caller = self._sessions.caller(connection.cookies.get(COOKIE, ""))
        if scope["type"] == "websocket":
            if caller is None or not _same_origin(connection) or not self._here(connection):
                await send({"type": "websocket.close", "code": 1008})
                return
        else:
            answer = await self._answer(Request(scope, receive), caller)
            if answer is not None:
                await answer(scope, receive, _framed(send))
                return
        scope["penchant.session"] = connection.cookies.get(COOKIE, "")
        await self._app(scope, receive, send if scope["type"] == "websocket" else _framed(send))

    def _here(self, connection: HTTPConnection) -> bool:
        """Return whether the name that led here is this machine's, where no key is asked for."""
        host = connection.headers.get("host", "").lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        return not self._service.open or name in _LOCAL

    async def _answer(self, request: Request, caller: Caller | None) -> Response | None:
        """Return what the door itself says; None to let the request through."""
        if not self._here(request):
            detail = "without keys only localhost is answered; make one: penchant serve key add --role admin"
            raise Problem("not-allowed", detail)
        path = request.url.path
        if path == PATH:
            return RedirectResponse(f"{PATH}/", 307)
        if path == f"{PATH}/logout":
            self._sessions.end(request.cookies.get(COOKIE, ""))
            return RedirectResponse(f"{PATH}/", 303)
        if caller is not None:
            return None
        if path == f"{PATH}/login" and request.method == "POST":
            return await self._enter(request)
        return _page(request) if path == f"{PATH}/" else Response(status_code=401)

    async def _enter(self, request: Request) -> Response:
        service, address = self._service, request.client.host if request.client else ""
        if service.wrong_keys.empty(address):
            raise Problem("too-many-requests", "too many wrong keys from this address", {"Retry-After": "60"})
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_FORM:
                raise Problem("body-too-large", f"the form has more than {MAX_FORM:,} bytes")
        token = parse_qs(body.decode("utf-8", "replace")).get("key", [""])[0].strip()
        async with service.verifying:
            caller = await service.work(service.keys.verify, token) if token else None
        if caller is None:
            service.wrong_keys.wait_s(address)
            return _page(request, "wrong_key")
        if not caller.may("admin") or caller.user_id is not None:
            return _page(request, "no_admin")
        answer = RedirectResponse(f"{PATH}/", 303)
        answer.set_cookie(
            COOKIE,
            self._sessions.begin(caller),
            max_age=SESSION_S,
            path=PATH,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer


class Sessions:
    """Who has given a key in a browser; forgotten when the server ends."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._open: dict[str, tuple[Caller, float]] = {}

    def begin(self, caller: Caller) -> str:
        """Return the cookie of a new session."""
        while len(self._open) >= SESSIONS:
            del self._open[next(iter(self._open))]
        token = secrets.token_urlsafe(32)
        self._open[_hash(token)] = caller, time.monotonic() + SESSION_S
        return token

    def end(self, token: str) -> None:
        """Forget a session."""
        self._open.pop(_hash(token), None)

    def caller(self, token: str) -> Caller | None:
        """Return who a cookie stands for; None when it is unknown, too old, or its key was revoked."""
        if self._service.open:
            return Caller("local", frozenset({"admin"}))
        caller, until = self._open.get(_hash(token), (None, 0.0))
        known = {key.id for key in self._service.keys.every()}
        if caller is None or time.monotonic() > until or caller.id not in known:
            self.end(token)
            return None
        return caller


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _inside(path: str) -> bool:
    return path == PATH or path.startswith(PATH + "/")


def _same_origin(connection: HTTPConnection) -> bool:
    """Return whether a socket was opened by a page of this server; programs send no origin."""
    origin = connection.headers.get("origin")
    return origin is None or origin.partition("://")[2] == connection.headers.get("host")


def _framed(send: Send) -> Send:
    """Return a ``send`` whose answers no page of another site can put into a frame."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: list[Any] = message.setdefault("headers", [])
            headers += [(b"x-frame-options", b"DENY"), (b"referrer-policy", b"no-referrer")]
        await send(message)

    return sent


def _page(request: Request, problem: str | None = None) -> Response:
    """Return the page that asks for the key."""
    language = language_of(request)
    word = words_of(language)
    page = files("penchant.app.dashboard").joinpath("login.html").read_text(encoding="utf-8")
    said = f'<p role="alert">{escape(word(problem))}</p>' if problem else ""
    names = {name: escape(word(name)) for name in ("dashboard", "key", "enter", "key_help")}
    for name, text in {**names, "language": language, "problem": said, "action": f"{PATH}/login"}.items():
        page = page.replace("{" + name + "}", text)
    return HTMLResponse(page, 403 if problem else 401)
