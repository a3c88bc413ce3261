"""``penchant process``: sessions, topics and splits of what is in the log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from penchant.app.cli.options import Json, SettingsFile, Url, open_engine, shown
from penchant.app.cli.output import bars, say_json, table


def process(
    url: Url = None,
    settings: SettingsFile = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the events with session and split as Parquet files here.")
    ] = None,
    gap: Annotated[float, typer.Option("--gap", help="Minutes of silence that end a session.", min=0.001)] = 30.0,
    split: Annotated[
        Literal["global_time", "leave_one_out"],
        typer.Option("--split", help="global_time, or leave_one_out, which leaks."),
    ] = "global_time",
    validation: Annotated[float, typer.Option(help="Share of the events for validation.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of the events for test.")] = 0.1,
    shards: Annotated[int, typer.Option(help="Shards of whole users.", min=1)] = 4,
    workers: Annotated[int, typer.Option(help="Processes that work on shards.", min=1)] = 1,
    as_json: Json = False,
) -> None:
    """Cut the log into sessions, count what is labelled, and split it by time."""
    from penchant.loop.processing import process_log

    with open_engine(url, settings) as engine, bars() as progress:
        summary = process_log(
            engine.ledger,
            timedelta(minutes=gap),
            split,
            validation,
            test,
            shards,
            workers,
            out,
            progress.of("process"),
        )
        where = shown(engine)
    if as_json:
        say_json(summary)
        return
    table(
        f"Processed {where}",
        ["events", "users", "items", "topics", "labelled", "sessions", "events a session"],
        [
            [
                summary.events,
                summary.users,
                summary.items,
                summary.topics,
                f"{summary.labelled:.1%}",
                summary.sessions,
                f"{summary.events_per_session:.2f}",
            ]
        ],
    )
    table(
        f"Split: {summary.split}" + (" (LEAKS: for comparison with published figures only)" if summary.leaks else ""),
        ["part", "events", "from", "to"],
        [[part.name, part.events, part.first, part.last] for part in summary.parts],
    )
    table("Events by type", ["type", "events"], [[name, n] for name, n in summary.by_type.items()])
    if out is not None:
        table("Written", ["file"], [[name] for name in summary.files])
