"""The help of every command, as ``docs/reference/cli.md`` shows it; ``python scripts/cli_help.py`` prints it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from typer.testing import CliRunner

from penchant.app.cli import app

WIDTH = 110
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def commands(command: Any, path: tuple[str, ...] = ("penchant",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield ``(words, command)`` of a command and everything below it, in the order of the help."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


def help_of(path: tuple[str, ...]) -> str:
    """Return what ``--help`` prints for a command, without colours and spaces at line ends."""
    environment = {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb"}
    result = CliRunner().invoke(
        app, [*path[1:], "--help"], prog_name="penchant", env=environment, catch_exceptions=False
    )
    return "\n".join(line.rstrip() for line in _COLOURS.sub("", result.output).splitlines()).strip("\n")


def text() -> str:
    """Return the pasted part of the page: a headline and a block for every command."""
    parts = [
        f"## {' '.join(path)}\n\n```text\n{help_of(path)}\n```" for path, _ in commands(typer.main.get_command(app))
    ]
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(text())
