"""``penchant evaluate ablation``: what each source adds to the fusion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penchant.app.cli.options import DataName, Folder, Json, MappingFile, Seed, SettingsFile
from penchant.app.cli.output import bars

Html = Annotated[Path | None, typer.Option("--html", help="Write the report as an HTML page here.")]


def ablation(
    data_name: DataName = "completejourney",
    folder: Folder = None,
    mapping: MappingFile = None,
    sources: Annotated[
        str,
        typer.Option("--sources", help="Sources and item models to fuse, as a,b,c; those of the settings if empty."),
    ] = "",
    test: Annotated[float, typer.Option(help="Share of the events after the cut.", min=0.001, max=0.9)] = 0.1,
    max_users: Annotated[
        int, typer.Option("--max-users", help="Users asked about after the cut, and to learn the order.", min=2)
    ] = 1000,
    seed: Seed = 0,
    settings: SettingsFile = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Fuse sources by a learned order, and learn it again without each of them: what is each one worth?"""
    from penchant.app.cli.evaluate import _show, load
    from penchant.loop.ablation import AblationPlan, ablate

    chosen = tuple(name.strip() for name in sources.split(",") if name.strip())
    with bars() as progress:
        evaluation = load(data_name, folder, mapping, settings, seed, progress)
        report = ablate(evaluation, AblationPlan(chosen, test, max_users))
    _show(report, html, as_json)
