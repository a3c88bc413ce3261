"""``penchant mcp``: interests for assistants and agents, over the Model Context Protocol."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from penchant.app.cli.options import SettingsFile, Url, open_engine, shown
from penchant.app.cli.output import talk
from penchant.app.cli.serve import DEFAULT_KEYS, KeyFile, server_config
from penchant.errors import ConfigError, NotInstalledError

if TYPE_CHECKING:
    from penchant.engine import Engine


def mcp(
    url: Url = None,
    settings: SettingsFile = None,
    user: Annotated[str | None, typer.Option(help="Confine the agent to this user; without --http.")] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(
            help="What the agent may do: ingest, read, recommend or admin; may be repeated; default: admin, which is "
            "everything; without --http."
        ),
    ] = None,
    http: Annotated[bool, typer.Option("--http", help="Answer over HTTP, not on standard input and output.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond this machine a key is needed.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes any that is free.", min=0, max=65_535)] = 8001,
    key_file: KeyFile = DEFAULT_KEYS,
    rate: Annotated[float, typer.Option(help="Requests a second for each key; 0: no limit.", min=0)] = 1000.0,
) -> None:
    """Give an assistant or agent the interests, over the Model Context Protocol (MCP)."""
    try:
        import mcp as _  # noqa: F401 - is it there?
    except ImportError as error:
        raise NotInstalledError("the mcp package", "pip install 'penchant[mcp]'") from error
    if http:
        if user is not None or role:
            raise typer.BadParameter("over HTTP the key says it: penchant serve key add", param_hint="--user, --role")
        config = server_config(host=host, port=port, keys=key_file, rate_per_s=rate, cache_users=0)
        try:
            from penchant.app.mcp.http import run_http
        except ImportError as error:
            need = f"{error.name}, which --http needs,"
            raise NotInstalledError(need, "pip install 'penchant[mcp,server]'") from error
        with open_engine(url, settings) as engine:
            run_http(
                engine,
                config,
                lambda address: talk.print(f"{address} answers from {shown(engine)}", markup=False, soft_wrap=True),
            )
        return
    from penchant.app.mcp.server import run_stdio
    from penchant.app.server.keys import ROLES, Caller

    wrong = [one for one in role or () if one not in ROLES]
    if wrong:
        raise ConfigError(f"no role {wrong[0]!r}; known: {', '.join(ROLES)}")
    with open_engine(url, settings) as engine:
        _stop_in_peace(engine)
        run_stdio(engine, Caller("local", frozenset(role or ("admin",)), user))


def _stop_in_peace(engine: Engine) -> None:
    """Close the log when the process is told to stop: a thread that waits for input cannot be ended otherwise."""

    def stop(_: int, __: FrameType | None) -> None:
        engine.close()
        sys.stderr.flush()
        os._exit(0)

    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, stop)
