"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from penchant.engine import Engine

DEFAULT_URL = "sqlite:///penchant.db"

Url: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--db",
        help="Where the log lies: sqlite:///file.db, postgresql+psycopg://user@host/name, parquet:///folder. "
        "Default: what the settings or PENCHANT_URL say, else sqlite:///penchant.db.",
    ),
]
SettingsFile: TypeAlias = Annotated[
    Path | None, typer.Option("--settings", envvar="PENCHANT_SETTINGS", help="A TOML file with settings.")
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
At: TypeAlias = Annotated[
    str | None, typer.Option("--at", help="The moment asked about, ISO 8601 in UTC; default: now.")
]
Level: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--level",
        min=0,
        help="Sum up to this level of the topic hierarchy, 0 for the top; default: topics as they are.",
    ),
]
DataName: TypeAlias = Annotated[
    str,
    typer.Option("--data", help="A built-in data set (completejourney, ml100k), a folder, an archive or a file."),
]
Folder: TypeAlias = Annotated[Path | None, typer.Option("--folder", help="Where the files of a built-in data set lie.")]
MappingFile: TypeAlias = Annotated[
    Path | None, typer.Option("--mapping", help="A TOML file that says what the columns mean.")
]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]


def open_engine(url: str | None, settings: Path | None = None) -> Engine:
    """Return the engine of a command line: its URL, else that of the settings, else a file in this folder."""
    from penchant.config import Settings
    from penchant.engine import Engine

    given = Settings.load(settings)
    return Engine.open(url or (DEFAULT_URL if given.url == "memory" else given.url), settings=given)


def shown(engine: Engine) -> str:
    """Return the engine's URL without a password."""
    address, at, host = engine.settings.url.rpartition("@")
    return (
        engine.settings.url if not at else f"{address.rpartition(':')[0] if address.count(':') > 1 else address}@{host}"
    )
