"""``penchant evaluate tune``: better settings for a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from penchant.app.cli.options import DataName, Folder, Json, MappingFile, Seed, SettingsFile
from penchant.app.cli.output import bars

Html = Annotated[Path | None, typer.Option("--html", help="Write the report as an HTML page here.")]


def tune(
    data_name: DataName = "completejourney",
    folder: Folder = None,
    mapping: MappingFile = None,
    model: Annotated[str, typer.Option("--model", help="Name of an item model.")] = "item_knn",
    method: Annotated[
        Literal["grid", "random", "bayes"], typer.Option("--method", help="How to search the settings.")
    ] = "bayes",
    trials: Annotated[int, typer.Option("--trials", help="Trials in all, earlier ones included.", min=1)] = 30,
    file: Annotated[
        Path | None, typer.Option("--file", help="SQLite file that keeps the trials; a search goes on from there.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes that search together.", min=1)] = 1,
    prune: Annotated[bool, typer.Option("--prune/--no-prune", help="Cut short what lags behind.")] = True,
    n: Annotated[int, typer.Option("-n", help="Length of the lists.", min=1)] = 10,
    validation: Annotated[float, typer.Option(help="Share of the events to choose on.", min=0.001, max=0.9)] = 0.1,
    test: Annotated[float, typer.Option(help="Share of the events after that, used once.", min=0.001, max=0.9)] = 0.1,
    max_users: Annotated[int, typer.Option("--max-users", help="Users asked about in each slice.", min=2)] = 500,
    seed: Seed = 0,
    settings: SettingsFile = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Search for better settings of an item model: chosen on one slice of time, tested once on the next."""
    from penchant.app.cli.evaluate import _show, load
    from penchant.loop.tuning import TuningPlan
    from penchant.loop.tuning import tune as run

    plan = TuningPlan(model, method, trials, file, jobs, prune, n, validation, test, max_users)
    with bars() as progress:
        evaluation = load(data_name, folder, mapping, settings, seed, progress)
        report = run(evaluation, plan)
    _show(report, html, as_json)
