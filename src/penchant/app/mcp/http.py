"""The server over HTTP: the same door as the HTTP API's, with its keys, limits and refusals."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from penchant.app.mcp.server import create_server, set_up_logs
from penchant.app.server.config import ServerConfig
from penchant.app.server.guard import Guard
from penchant.app.server.keys import Caller, KeyStore
from penchant.app.server.run import BACKLOG, CONNECTIONS, STOP_S, _listen, _shown
from penchant.app.server.service import Service
from penchant.engine import Engine
from penchant.errors import ConfigError, PenchantError

PATH = "/mcp"
NOBODY = Caller("nobody", frozenset())
"""Who asks should a request come without its caller: one who may do nothing."""


def create_app(engine: Engine, config: ServerConfig) -> Starlette:
    """Return the ASGI application; closing the engine stays with the caller.

    Every request stands alone (no sessions) and is answered with one JSON document: nothing is kept for a client that
    does not come back, and any number of clients may call.
    """
    inner = create_server(engine, NOBODY).streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=config.max_body,
        # The guard looks at host and origin, and it knows the keys.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with inner.router.lifespan_context(inner):
            yield

    # No request stands open to wait for news: there are none without sessions.
    route = Route(PATH, inner, methods=["POST"])
    # Of the service only what the guard needs: keys, limits, counts. Writer and tasks stay those of penchant serve.
    guard = Middleware(Guard, service=Service(engine, config))
    return Starlette(routes=[route], middleware=[guard], lifespan=lifespan)


class _Server(uvicorn.Server):
    """uvicorn would raise the signal again once it has stopped, and end the process before the log is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def run_http(engine: Engine, config: ServerConfig, tell: Callable[[str], None] = lambda _: None) -> None:
    """Answer over HTTP until SIGINT or SIGTERM; then end what was begun, and return.

    Args:
        engine: Stays open.
        config: Where to listen, keys and limits.
        tell: Told the address once it is taken.

    Raises:
        ConfigError: When it would listen beyond this machine without a key, or the address cannot be had.
        PenchantError: When it could not start.
    """
    if not config.local and not KeyStore(config.keys).every():
        raise ConfigError(
            f"{config.host} can be reached from other machines, and {config.keys} has no key; "
            "make one: penchant serve key add --role admin"
        )
    set_up_logs()
    listening = _listen(config)
    tell(f"http://{_shown(listening)}{PATH}")
    server = _Server(
        uvicorn.Config(
            create_app(engine, config),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_S,
            limit_concurrency=CONNECTIONS,
            backlog=BACKLOG,
            proxy_headers=False,
        )
    )
    server.run(sockets=[listening])
    if not server.started:
        raise PenchantError("the server could not start; the line above says why")
