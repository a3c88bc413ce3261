"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from penchant.engine import Engine

DEFAULT_URL = "sqlite:///penchant.db"

Url: TypeAlias = Annotated[
    str,
    typer.Option(
        "--db",
        envvar="PENCHANT_URL",
        help="Where the log lies: sqlite:///file.db, postgresql+psycopg://user@host/name, parquet:///folder.",
    ),
]
SettingsFile: TypeAlias = Annotated[
    Path | None, typer.Option("--settings", envvar="PENCHANT_SETTINGS", help="A TOML file with settings.")
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
At: TypeAlias = Annotated[
    str | None, typer.Option("--at", help="The moment asked about, ISO 8601 in UTC; default: now.")
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


def open_engine(url: str, settings: Path | None = None) -> Engine:
    """Return the engine of a command line."""
    from penchant.config import Settings
    from penchant.engine import Engine

    return Engine.open(url, settings=Settings.load(settings))
