"""``penchant evaluate``: which list is best, which profile is right."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from penchant.app.cli import ablation, tune
from penchant.app.cli.options import DataName, Folder, Json, MappingFile, Seed, SettingsFile
from penchant.app.cli.output import Bars, bars, data, say_json, talk

if TYPE_CHECKING:
    from penchant.evaluate.report import Report
    from penchant.loop.evaluating import Evaluation

app = typer.Typer(help="Which list is best, which profile is right.", no_args_is_help=True)

Html = Annotated[Path | None, typer.Option("--html", help="Write the report as an HTML page here.")]
KeepUsers = Annotated[
    int | None,
    typer.Option("--keep-users", help="Learn from and ask a random sample of users; the others are left out.", min=2),
]
Models = Annotated[
    str,
    typer.Option("--models", help="Item models by name, with commas between; all; or none: sources and pipeline only."),
]
SeenRule = Annotated[
    Literal["auto", "allow", "exclude", "both"],
    typer.Option("--seen", help="May come what the user dealt with? auto: where people repeat; both: two tables."),
]
ListLength = Annotated[int, typer.Option("-n", help="Length of the lists.", min=1)]
TestShare = Annotated[float, typer.Option(help="Share of the events after the cut.", min=0.001, max=0.9)]
MaxUsers = Annotated[int | None, typer.Option("--max-users", help="Ask a random sample of users.", min=2)]


@app.command()
def ranking(
    data_name: DataName = "completejourney",
    folder: Folder = None,
    mapping: MappingFile = None,
    protocol: Annotated[
        Literal["global_time", "replay", "leave_one_out"],
        typer.Option(
            "--protocol",
            help="Ask once at the cut, or before every moment after it, or for everybody's last item (leaks the future).",
        ),
    ] = "global_time",
    n: ListLength = 10,
    test: TestShare = 0.1,
    max_users: MaxUsers = None,
    keep_users: KeepUsers = None,
    models: Models = "all",
    seen: SeenRule = "auto",
    seed: Seed = 0,
    settings: SettingsFile = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Compare every source, every item model and the pipeline on one data set, split by time, over the full catalogue."""
    with bars() as progress:
        evaluation = load(data_name, folder, mapping, settings, seed, progress).of_users(keep_users)
        report = evaluation.ranking(protocol, n, test, max_users, model_names(models), seen)
    _show(report, html, as_json)


@app.command()
def cold(
    data_name: DataName = "completejourney",
    folder: Folder = None,
    mapping: MappingFile = None,
    n: ListLength = 10,
    test: TestShare = 0.1,
    max_users: Annotated[int, typer.Option("--max-users", help="New users at most.", min=2)] = 300,
    keep_users: KeepUsers = None,
    models: Models = "all",
    seed: Seed = 0,
    settings: SettingsFile = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Ask for new users, of whom 0, 1, 3 and 5 events are known, and for items that nobody has taken yet."""
    with bars() as progress:
        evaluation = load(data_name, folder, mapping, settings, seed, progress).of_users(keep_users)
        report = evaluation.cold(n, test, max_users, model_names(models))
    _show(report, html, as_json)


@app.command()
def generalise(
    data_names: Annotated[
        list[str], typer.Option("--data", help="A data set as for ranking, or NAME=FOLDER; give it again for each.")
    ],
    protocol: Annotated[
        Literal["global_time", "replay", "leave_one_out"], typer.Option("--protocol", help="As for ranking.")
    ] = "global_time",
    n: ListLength = 10,
    test: TestShare = 0.1,
    max_users: MaxUsers = None,
    keep_users: KeepUsers = None,
    models: Models = "all",
    seen: SeenRule = "auto",
    seed: Seed = 0,
    settings: SettingsFile = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Compare with one configuration on several data sets: who is good everywhere?"""
    from penchant.loop.comparing import RankingPlan
    from penchant.loop.generalising import generalise as compare_sets

    plan = RankingPlan(protocol, n, test, max_users, model_names(models), seen)
    with bars() as progress:

        def make(given: str) -> Evaluation:
            name, _, folder = given.partition("=")
            place = Path(folder) if folder else None
            return load(name, place, None, settings, seed, progress).of_users(keep_users)

        report = compare_sets([partial(make, given) for given in data_names], plan)
    _show(report, html, as_json)


@app.command()
def tracking(
    data_name: DataName = "completejourney",
    folder: Folder = None,
    mapping: MappingFile = None,
    test: Annotated[float, typer.Option(help="Share of the events that are scored.", min=0.001, max=0.9)] = 0.25,
    max_users: MaxUsers = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="A topic model by name, may be given again; all when left out."),
    ] = None,
    splice: Annotated[
        bool, typer.Option("--splice/--no-splice", help="Also splice users together and see who notices.")
    ] = True,
    pairs: Annotated[int, typer.Option("--pairs", help="Spliced pairs of users at most.", min=2)] = 150,
    activity: Annotated[
        bool, typer.Option("--activity/--no-activity", help="Also ask every week what will be active in time.")
    ] = True,
    seed: Seed = 0,
    settings: SettingsFile = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Compare topic models: ask before every event, learn after it, everything tuned on what came before."""
    with bars() as progress:
        evaluation = load(data_name, folder, mapping, settings, seed, progress)
        report = evaluation.tracking(test, max_users, model or (), pairs if splice else 0, activity)
    _show(report, html, as_json)


@app.command()
def ratings(
    data_name: DataName = "ml100k",
    folder: Folder = None,
    mapping: MappingFile = None,
    test: Annotated[float, typer.Option(help="Share of the ratings after the cut.", min=0.001, max=0.9)] = 0.1,
    seed: Seed = 0,
    settings: SettingsFile = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Compare rating predictors (MAE, RMSE): learned before a cut in time, asked about the ratings after it."""
    with bars() as progress:
        evaluation = load(data_name, folder, mapping, settings, seed, progress)
        report = evaluation.ratings(test)
    _show(report, html, as_json)


def model_names(given: str) -> list[str] | None:
    """Return the names in ``a,b``; none for ``none``, None for ``all``."""
    if given == "all":
        return None
    return [] if given == "none" else [name.strip() for name in given.split(",") if name.strip()]


def load(
    data_name: str,
    folder: Path | None,
    mapping: Path | None,
    settings: Path | None,
    seed: int,
    progress: Bars,
) -> Evaluation:
    """Return the evaluation of a data set, read through the same importer and engine as any other."""
    from penchant.collect.datasets import open_dataset
    from penchant.collect.importer import collect
    from penchant.collect.quarantine import Quarantine
    from penchant.config import Settings
    from penchant.engine import Engine
    from penchant.loop.evaluating import Evaluation

    given = Settings.load(settings)

    def make() -> Engine:
        return Engine.open("memory", settings=given, seed=seed)

    source = open_dataset(data_name, folder, mapping)
    with make() as engine, Quarantine() as kept:
        report = collect(source, engine, kept, progress.of(f"collect {source.name}"))
        if report.refused or report.skipped:
            talk.print(f"left out: {report.refused:,} refused, {report.skipped:,} skipped rows", markup=False)
        frame = engine.ledger.events()
    return Evaluation(source.name, frame, make, seed, progress)


def _show(report: Report, html: Path | None, as_json: bool) -> None:
    from penchant.evaluate.report import html_report, print_report

    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(html_report(report), encoding="utf-8")
        talk.print(f"report: {html}", markup=False)
    if as_json:
        say_json(report.as_dict())
    else:
        print_report(report, data)


app.command()(tune.tune)
app.command()(ablation.ablation)
