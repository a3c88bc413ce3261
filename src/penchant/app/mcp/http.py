"""The server over HTTP: the same door as the HTTP API's, with its keys, limits and refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from penchant.app.mcp.server import create_server, set_up_logs
from penchant.app.server.config import ServerConfig
from penchant.app.server.guard import Guard
from penchant.app.server.keys import Caller
from penchant.app.server.run import answer
from penchant.app.server.service import Service
from penchant.engine import Engine

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

    def make_app() -> Starlette:
        set_up_logs()
        return create_app(engine, config)

    answer(make_app, config, PATH, tell)
