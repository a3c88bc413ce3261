"""Listen: check that it is safe, run until told to stop, then finish what was begun."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from penchant.app.server.config import ServerConfig
from penchant.app.server.keys import KeyStore
from penchant.engine import Engine
from penchant.errors import ConfigError, NotInstalledError, PenchantError

SWITCH_S = 0.0005
"""How long a thread may keep the others from running; Python's 5 ms would show in every 99th percentile."""
STOP_S = 20
"""Seconds that requests have to end once the server was told to stop."""
BACKLOG = 2048
"""Connections that may wait to be taken."""
CONNECTIONS = 2000
"""Connections at a time; more are answered with 503."""


def run(engine: Engine, config: ServerConfig, tell: Callable[[str], None] = lambda _: None) -> bool:
    """Answer over HTTP until SIGINT or SIGTERM; then end what was begun, and return.

    Args:
        engine: Stays open.
        config: Where to listen, and the limits.
        tell: Told the address once it is taken.

    Returns:
        Whether a task in the background was left unfinished; it is begun again at the next start.

    Raises:
        ConfigError: When it would listen beyond this machine without a key, or the address cannot be had.
        NotInstalledError: When the server's packages are not there.
        PenchantError: When it could not start.
    """
    try:
        import uvicorn  # noqa: F401 - what is missing is said before anything else

        from penchant.app.server.app import create_app
    except ImportError as error:
        raise NotInstalledError(f"{error.name}, which the server needs,", "pip install 'penchant[server]'") from error
    from penchant.app.server.logs import set_up

    def make_app() -> Any:
        set_up()
        sys.setswitchinterval(SWITCH_S)
        return create_app(engine, config)

    app = answer(make_app, config, "", tell)
    return bool(app.state.service.tasks.running)


def answer(make_app: Callable[[], Any], config: ServerConfig, path: str, tell: Callable[[str], None]) -> Any:
    """Listen and answer until SIGINT or SIGTERM; then end what was begun, and return the application.

    Args:
        make_app: Returns the ASGI application; called once the address is taken.
        config: Where to listen, and the keys.
        path: Where the application answers, for what is told.
        tell: Told the address once it is taken.

    Raises:
        ConfigError: When it would listen beyond this machine without a key, or the address cannot be had.
        PenchantError: When it could not start.
    """
    import uvicorn

    if not config.local and not KeyStore(config.keys).every():
        raise ConfigError(
            f"{config.host} can be reached from other machines, and {config.keys} has no key; "
            "make one: penchant serve key add --role admin"
        )
    listening = _listen(config)
    tell(f"http://{_shown(listening)}{path}")
    app = make_app()

    class Server(uvicorn.Server):
        """uvicorn would raise the signal again once it has stopped, and end the process before the log is closed."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            before = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for one, handler in before.items():
                    signal.signal(one, handler)

    server = Server(
        uvicorn.Config(
            app,
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
    return app


def _listen(config: ServerConfig) -> socket.socket:
    listening: socket.socket | None = None
    try:
        found = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        if listening is not None:
            listening.close()
        raise ConfigError(f"cannot listen on {config.host}:{config.port}: {error.strerror or error}") from error
    return listening


def _shown(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
