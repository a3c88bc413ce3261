"""``penchant collect``: bring files into the log."""

from __future__ import annotations

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
    quarantine: Annotated[
        Path, typer.Option("--quarantine", help="Where refused rows go, one JSON object a line.")
    ] = Path("quarantine.jsonl"),
    as_json: Json = False,
) -> None:
    """Import CSV, Parquet or JSONL files, or a built-in data set, into the log.

    Can be broken off and run again: it goes on where it stopped and counts nothing twice. Rows that cannot be taken go to
    the quarantine file with line number and reason; then the exit code is 1.
    """
    from penchant.collect.datasets import open_dataset
    from penchant.collect.importer import collect as run
    from penchant.collect.quarantine import Quarantine

    source = open_dataset(str(data), folder, mapping)
    with open_engine(url, settings) as engine, Quarantine(quarantine) as kept, bars() as progress:
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
        if report.reasons:
            table("Not taken", ["reason", "rows"], [[reason, n] for reason, n in report.reasons.items()])
            talk.print(f"rows that were not taken: {report.quarantine}", markup=False)
    if report.refused:
        raise typer.Exit(1)
