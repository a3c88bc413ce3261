"""``penchant serve``: the HTTP API, and the keys to it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from penchant.app.cli.options import Json, SettingsFile, Url, open_engine, shown
from penchant.app.cli.output import data, say_json, table, talk

app = typer.Typer(help="Answer over HTTP; make and revoke keys.", invoke_without_command=True)
keys = typer.Typer(help="Keys: who may call, and what each may do.", no_args_is_help=True)
app.add_typer(keys, name="key")

KeyFile = Annotated[
    Path, typer.Option("--keys", envvar="PENCHANT_KEYS", help="The file of hashed keys.", show_default=True)
]
DEFAULT_KEYS = Path("penchant-keys.json")


@app.callback()
def serve(
    context: typer.Context,
    url: Url = None,
    settings: SettingsFile = None,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond this machine a key is needed.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes any that is free.", min=0, max=65_535)] = 8000,
    key_file: KeyFile = DEFAULT_KEYS,
    compat: Annotated[
        Literal["gorse"] | None, typer.Option("--compat", help="Answer the paths of another server too.")
    ] = None,
    gorse_type: Annotated[
        list[str] | None,
        typer.Option("--gorse-type", help="What Gorse's feedback counts as: star=like; may be repeated."),
    ] = None,
    cors: Annotated[
        list[str] | None, typer.Option("--cors", help="Origin whose pages may call; may be repeated.")
    ] = None,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="Show the six rooms in a browser at /dashboard.")
    ] = False,
    rate: Annotated[float, typer.Option(help="Requests a second for each key; 0: no limit.", min=0)] = 1000.0,
    log: Annotated[Literal["all", "errors", "none"], typer.Option(help="Which requests get a log line.")] = "errors",
) -> None:
    """Answer over HTTP: by default on this machine only, from a SQLite file in this folder."""
    if context.invoked_subcommand is not None:
        return
    config = server_config(
        host=host,
        port=port,
        keys=key_file,
        compat=(compat,) if compat else (),
        gorse_types=dict(_pair(one) for one in gorse_type or ()),
        cors=tuple(cors or ()),
        dashboard=dashboard,
        rate_per_s=rate,
        log=log,
    )
    from penchant.app.server.run import run

    with open_engine(url, settings) as engine:
        unfinished = run(
            engine,
            config,
            lambda address: _tell(address, shown(engine), dashboard),
        )
    if unfinished:  # its thread may be inside compiled code, which Python cannot end in peace
        sys.stderr.flush()
        os._exit(0)


def _tell(address: str, log: str, dashboard: bool) -> None:
    talk.print(f"{address} answers from {log}", markup=False, soft_wrap=True)
    if dashboard:
        talk.print(f"dashboard: {address}/dashboard/", markup=False, soft_wrap=True)


def server_config(**given: Any) -> Any:
    """Return a ``ServerConfig``; what is wrong with it is a ``ConfigError``."""
    from pydantic import ValidationError

    from penchant.app.server.config import ServerConfig
    from penchant.errors import ConfigError

    try:
        return ServerConfig(**given)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error


def _pair(text: str) -> tuple[str, str]:
    name, sign, kind = text.partition("=")
    if not (name and sign and kind):
        raise typer.BadParameter(f"{text!r} is not of the form star=like", param_hint="--gorse-type")
    return name, kind


@keys.command()
def add(
    role: Annotated[list[str], typer.Option("--role", help="ingest, read, recommend or admin; may be repeated.")],
    user: Annotated[str | None, typer.Option("--user", help="Confine the key to this user.")] = None,
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    key_file: KeyFile = DEFAULT_KEYS,
    as_json: Json = False,
) -> None:
    """Make a key and show it, once; a running server knows it at once."""
    from penchant.app.server.keys import KeyStore

    key, token = KeyStore(key_file).add(role, user, note)
    if as_json:
        say_json({"id": key.id, "roles": key.roles, "user_id": key.user_id, "key": token})
        return
    talk.print("keep it now; nobody can show it again:", markup=False)
    data.print(token, markup=False, soft_wrap=True)


@keys.command("list")
def list_(key_file: KeyFile = DEFAULT_KEYS, as_json: Json = False) -> None:
    """List the keys, without what opens."""
    from penchant.app.server.keys import KeyStore

    known = KeyStore(key_file).every()
    if as_json:
        shown = [
            {"id": k.id, "roles": k.roles, "user_id": k.user_id, "created": k.created, "note": k.note} for k in known
        ]
        say_json({"keys": shown})
        return
    rows = [[k.id, ", ".join(k.roles), k.user_id or "", k.created[:10], k.note] for k in known]
    table("Keys", ["id", "roles", "user", "since", "note"], rows)


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id that list shows.")], key_file: KeyFile = DEFAULT_KEYS
) -> None:
    """Take a key away; a running server refuses it from the next request on."""
    from penchant.app.server.keys import KeyStore

    key = KeyStore(key_file).revoke(key_id)
    talk.print(f"key {key.id} opens nothing any more", markup=False)
