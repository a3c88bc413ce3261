"""The two clients: one waits for every answer, one is awaited. What they can ask stands once, in ``asks``."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar

from penchant.client import asks
from penchant.client.calls import Call, ServerError
from penchant.errors import NotInstalledError

if TYPE_CHECKING:
    import httpx2

P = ParamSpec("P")
T = TypeVar("T")
AGAIN = (429, 503)
"""Statuses after which a request is made again: the server took nothing of it."""
PAUSE_S = 0.1
"""Pause before a request is made again, doubled each time."""


def _waits(ask: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    @functools.wraps(ask)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(ask(*args, **kwargs))

    return method


def _is_awaited(ask: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncClient, P], Awaitable[T]]:
    @functools.wraps(ask)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(ask(*args, **kwargs))

    return method


class Client:
    """Asks a server over HTTP and waits; its methods are named as those of ``Engine`` and return the same types.

    Args:
        url: Of the server.
        key: A key that may do what will be asked; empty where none is needed.
        timeout_s: Seconds after which waiting ends.
        retries: How often a request is made again when the server cannot be reached or is too busy. Every request may
            be: events carry ids, and count once.
        transport: Sends in place of the network; for tests.

    Raises:
        NotInstalledError: When httpx2 is not there.
    """

    def __init__(
        self, url: str, key: str = "", timeout_s: float = 10.0, retries: int = 2, transport: Any = None
    ) -> None:
        http = _http()
        self._http: httpx2.Client = http.Client(
            base_url=url.rstrip("/"), headers=_headers(key), timeout=timeout_s, transport=transport
        )
        self._retries = retries

    def send(self, call: Call[T]) -> T:
        """Return the answer to a call.

        Raises:
            ServerError: When the server refuses or cannot be reached.
        """
        http = _http()
        for left in range(self._retries, -1, -1):
            try:
                response = self._http.request(
                    call.method, call.path, params=call.params, content=call.body, headers=call.headers
                )
            except http.TransportError as error:
                if not left:
                    raise _unreachable(error) from error
            else:
                if response.status_code not in AGAIN or not left:
                    return call.read(response.status_code, response.content)
            time.sleep(PAUSE_S * 2 ** (self._retries - left))
        raise AssertionError("unreachable")  # the last round returns or raises

    ingest = _waits(asks.ingest)
    put_item = _waits(asks.put_item)
    feedback = _waits(asks.feedback)
    item = _waits(asks.item)
    items = _waits(asks.items)
    users = _waits(asks.users)
    profile = _waits(asks.profile)
    interests = _waits(asks.interests)
    say = _waits(asks.say)
    mute = _waits(asks.mute)
    unmute = _waits(asks.unmute)
    recommend = _waits(asks.recommend)
    slate = _waits(asks.slate)
    explain = _waits(asks.explain)
    similar_items = _waits(asks.similar_items)
    similar_users = _waits(asks.similar_users)
    consent = _waits(asks.consent)
    consents = _waits(asks.consents)
    export = _waits(asks.export)
    forget = _waits(asks.forget)
    start_task = _waits(asks.start_task)
    task = _waits(asks.task)
    status = _waits(asks.status)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> Literal[False]:
        self.close()
        return False


class AsyncClient:
    """Asks a server over HTTP and is awaited; otherwise as ``Client``."""

    def __init__(
        self, url: str, key: str = "", timeout_s: float = 10.0, retries: int = 2, transport: Any = None
    ) -> None:
        http = _http()
        self._http: httpx2.AsyncClient = http.AsyncClient(
            base_url=url.rstrip("/"), headers=_headers(key), timeout=timeout_s, transport=transport
        )
        self._retries = retries

    async def send(self, call: Call[T]) -> T:
        """Return the answer to a call; see ``Client.send``."""
        http = _http()
        for left in range(self._retries, -1, -1):
            try:
                response = await self._http.request(
                    call.method, call.path, params=call.params, content=call.body, headers=call.headers
                )
            except http.TransportError as error:
                if not left:
                    raise _unreachable(error) from error
            else:
                if response.status_code not in AGAIN or not left:
                    return call.read(response.status_code, response.content)
            await asyncio.sleep(PAUSE_S * 2 ** (self._retries - left))
        raise AssertionError("unreachable")  # the last round returns or raises

    ingest = _is_awaited(asks.ingest)
    put_item = _is_awaited(asks.put_item)
    feedback = _is_awaited(asks.feedback)
    item = _is_awaited(asks.item)
    items = _is_awaited(asks.items)
    users = _is_awaited(asks.users)
    profile = _is_awaited(asks.profile)
    interests = _is_awaited(asks.interests)
    say = _is_awaited(asks.say)
    mute = _is_awaited(asks.mute)
    unmute = _is_awaited(asks.unmute)
    recommend = _is_awaited(asks.recommend)
    slate = _is_awaited(asks.slate)
    explain = _is_awaited(asks.explain)
    similar_items = _is_awaited(asks.similar_items)
    similar_users = _is_awaited(asks.similar_users)
    consent = _is_awaited(asks.consent)
    consents = _is_awaited(asks.consents)
    export = _is_awaited(asks.export)
    forget = _is_awaited(asks.forget)
    start_task = _is_awaited(asks.start_task)
    task = _is_awaited(asks.task)
    status = _is_awaited(asks.status)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> Literal[False]:
        await self.close()
        return False


def _http() -> Any:
    try:
        import httpx2
    except ImportError as error:
        raise NotInstalledError("httpx2", "pip install 'penchant[client]'") from error
    return httpx2


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _unreachable(error: Exception) -> ServerError:
    return ServerError("no-server", 0, f"the server cannot be reached: {type(error).__name__}")
