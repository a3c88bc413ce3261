"""``penchant collect``: bring files into the log."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from penchant.app.cli.options import DataName, Folder, Json, MappingFile, SettingsFile, Url, open_engine, shown
from penchant.app.cli.output import bars, say_json, table, talk


def collect(
    data: DataName = "completejourney",
    folder: Folder = None,
    mapping: MappingFile = None,
    url: Url = None,
    settings: SettingsFile = None,
    options: Annotated[
        Path | None,
        typer.Option("--options", help="A TOML file with what the format needs to know: rules of a web log."),
    ] = None,
    server: Annotated[
        str | None, typer.Option("--from", help="Address of a Gorse server: fetched into --folder first.")
    ] = None,
    key_from: Annotated[
        str, typer.Option("--key-from", help="Environment variable with the server's API key.")
    ] = "GORSE_API_KEY",
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on taking what is appended to one file, until interrupted.")
    ] = False,
    quarantine: Annotated[
        Path, typer.Option("--quarantine", help="Where refused rows go, one JSON object a line.")
    ] = Path("quarantine.jsonl"),
    as_json: Json = False,
) -> None:
    """Import files, or a built-in data set, into the log: CSV, Parquet, JSONL, web logs, browsing histories, surveys.

    Can be broken off and run again: it goes on where it stopped and counts nothing twice. Rows that cannot be taken go to
    the quarantine file with line number and reason; then the exit code is 1.
    """
    from penchant.collect.datasets import open_dataset
    from penchant.collect.importer import collect as run
    from penchant.collect.quarantine import Quarantine
    from penchant.collect.tail import follow as follow_file

    if server is not None:
        folder = _fetched(server, folder, key_from)
    source = open_dataset(str(data), folder, mapping, options)
    with open_engine(url, settings) as engine, Quarantine(quarantine) as kept, bars() as progress:
        if follow:
            report = follow_file(source, engine, kept, _waiter())
        else:
            report = run(source, engine, kept, progress.of(f"collect {source.name}"))
        where = shown(engine)
    if as_json:
        say_json(report)
    else:
        table(
            f"Collected {source.name} into {where}",
            ["rows read", "accepted", "duplicates", "refused", "skipped", "late", "seconds"],
            [
                [
                    report.read,
                    report.accepted,
                    report.duplicates,
                    report.refused,
                    report.skipped,
                    report.late,
                    f"{report.seconds:.1f}",
                ]
            ],
        )
        if report.already:
            talk.print(f"imported before: {', '.join(report.already)}", markup=False)
        if report.gaps:
            talk.print(f"a rotated file was gone before it was read to its end, {report.gaps} times", style="red")
        if report.reasons:
            table("Not taken", ["reason", "rows"], [[reason, n] for reason, n in report.reasons.items()])
            talk.print(f"rows that were not taken: {report.quarantine}", markup=False)
    if report.refused:
        raise typer.Exit(1)


def _fetched(server: str, folder: Path | None, key_from: str) -> Path:
    """Fetch a Gorse server into a folder; return the folder."""
    from penchant.collect.gorse_walk import walk

    if folder is None:
        raise typer.BadParameter("--from needs --folder: where the pages are kept, so that a walk can go on")
    rows = walk(server, folder, os.environ.get(key_from, ""))
    talk.print(f"fetched {', '.join(f'{n:,} {name}' for name, n in rows.items())} into {folder}", markup=False)
    return folder


def _waiter() -> Callable[[], bool]:
    """Return what waits a second and says whether to go on: not after Ctrl-C or SIGTERM; a second one ends at once."""
    stop = threading.Event()

    def stopping(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, signal.default_int_handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stopping)
    return lambda: not stop.wait(1.0)
