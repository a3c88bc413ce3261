"""Where the commands talk: data on stdout, everything else on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from penchant.app.wire import to_json

data = Console(highlight=False)
"""Writes to stdout: tables and JSON."""
talk = Console(stderr=True, highlight=False)
"""Writes to stderr: progress and remarks."""


def say_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    data.print(to_json(value), markup=False, soft_wrap=True)


def table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """Print a table on stdout; numbers stand to the right."""
    grid = Table(title=title, title_justify="left", title_style="bold")
    for i, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[i], int | float) for row in rows)
        grid.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(value) for value in row))
    data.print(grid, markup=False)


def _cell(value: Any) -> Any:
    from rich.text import Text

    if isinstance(value, Text):
        return value
    return Text(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))


class Bars:
    """Progress bars on stderr, one a task, made when a task first reports."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show how far a task is; ``total`` None when it is not known."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)

    def of(self, what: str) -> Any:
        """Return a callback ``(done, total)`` for one task."""
        return lambda done, total: self(what, done, total)


@contextmanager
def bars() -> Iterator[Bars]:
    """Yield progress bars that vanish when the work is done; silent where stderr is no terminal."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=talk,
        transient=True,
        disable=not talk.is_terminal,
    ) as progress:
        yield Bars(progress)
