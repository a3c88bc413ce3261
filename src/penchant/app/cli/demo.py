"""``penchant demo``: the whole loop on a year of groceries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.app.cli.options import Seed
from penchant.app.cli.output import bars, data, say_json, table, talk

if TYPE_CHECKING:
    from penchant.app.demo import Household, Newcomer, Step


def demo(
    data_name: Annotated[
        str, typer.Option("--data", help="A built-in data set, a folder or a file.")
    ] = "completejourney",
    out: Annotated[Path, typer.Option("--out", help="Folder for the database and the page.")] = Path("out"),
    max_users: Annotated[int, typer.Option("--max-users", help="Users asked in the tables.", min=20)] = 600,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run the loop on real data: collect, profile, interests over time, recommendations, one live event, evaluation."""
    from datetime import timedelta

    from penchant.app import demo as show
    from penchant.app.demo_page import demo_page
    from penchant.collect.datasets import open_dataset
    from penchant.collect.importer import collect
    from penchant.collect.quarantine import Quarantine
    from penchant.engine import Engine
    from penchant.evaluate.report import print_report
    from penchant.loop.evaluating import Evaluation
    from penchant.loop.processing import process_log

    out.mkdir(parents=True, exist_ok=True)
    database = out / "demo.db"
    for left_over in (database, *(out / f"demo.db{end}" for end in ("-wal", "-shm"))):
        left_over.unlink(missing_ok=True)
    steps: list[Step] = []
    quiet = as_json
    with (
        bars() as progress,
        Quarantine(out / "quarantine.jsonl") as kept,
        Engine.open(f"sqlite:///{database}", seed=seed) as engine,
    ):
        source = open_dataset(data_name)
        show.timed(
            steps,
            "1 collect: files -> event log and profiles",
            lambda: collect(source, engine, kept, progress.of("collect")),
            lambda report: {"accepted": report.accepted, "refused": report.refused, "skipped": report.skipped},
        )
        _tell(steps, quiet)
        show.timed(
            steps,
            "2 process: sessions, labels, split by time",
            lambda: process_log(engine.ledger, timedelta(minutes=30), "global_time", 0.1, 0.1, 4, 1, None),
            lambda s: {"users": s.users, "sessions": s.sessions, "topics": s.topics, "labelled": f"{s.labelled:.1%}"},
        )
        _tell(steps, quiet)
        show.timed(
            steps,
            "3 learn: tracker mixture, item neighbours, blend",
            engine.fit,
            lambda report: {
                name: f"{step['seconds']:.1f} s" for name, step in report.items() if isinstance(step, dict)
            },
        )
        _tell(steps, quiet)
        end = show.last_moment(engine)
        households: list[Household] = show.timed(
            steps,
            "4 interests over the year, recommendations",
            lambda: [show.household(engine, user_id, end) for user_id in show.changed_households(engine)],
            lambda found: {"households": len(found)},
        )
        _tell(steps, quiet)
        if not quiet:
            for one in households:
                _show_household(one)
        visitor: Newcomer = show.timed(
            steps,
            "5 one live event",
            lambda: show.newcomer(engine, end),
            lambda found: {"milliseconds": f"{found.milliseconds:.1f}"},
        )
        _tell(steps, quiet)
        if not quiet:
            _show_newcomer(visitor)
        frame = engine.ledger.events()
    with bars() as progress:
        evaluation = Evaluation(source.name, frame, lambda: Engine.open(seed=seed), seed, progress)
        tracking = show.timed(
            steps,
            "6 evaluate: topic models",
            lambda: evaluation.tracking(max_users=max_users),
            lambda r: {"models": len(r.models)},
        )
        _tell(steps, quiet)
        if not quiet:
            print_report(tracking, data)
        ranking = show.timed(
            steps,
            "6 evaluate: lists",
            lambda: evaluation.ranking(max_users=max_users),
            lambda r: {"models": len(r.models)},
        )
        _tell(steps, quiet)
        if not quiet:
            print_report(ranking, data)
    page = out / "demo.html"
    page.write_text(
        demo_page(steps, households, visitor, [("tracking", tracking), ("ranking", ranking)]), encoding="utf-8"
    )
    if as_json:
        say_json({"steps": steps, "households": households, "live": visitor, "page": str(page)})
    else:
        talk.print(f"page: {page}    log and profiles: {database}", markup=False)
        talk.print(f"now try: penchant interest show {households[0].user_id} --db sqlite:///{database}", markup=False)


def _tell(steps: list[Step], quiet: bool) -> None:
    if not quiet:
        step = steps[-1]
        counts = ", ".join(
            f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}" for name, value in step.counts.items()
        )
        data.print(f"[bold]{step.name}[/bold]  {step.seconds:.1f} s  ({counts})")


def _show_household(one: Household) -> None:
    from rich.text import Text

    from penchant.evaluate.plots import terminal_chart

    data.print(f"\nHousehold {one.user_id}: more {one.rising}, less {one.falling}", style="bold", markup=False)
    series = {topic: [(float(i), share) for i, share in enumerate(line)] for topic, line in one.shares.items()}
    ends = (f"{one.months[0]:%Y-%m}", f"{one.months[-1]:%Y-%m}")
    data.print(Text(terminal_chart(series, width=78, height=2, ends=ends)))
    _slate(one.recommendations, "recommended now")


def _show_newcomer(visitor: Newcomer) -> None:
    item = visitor.event["item_id"]
    data.print(
        f"\nA new visitor takes {item}: in the log and in the profile after {visitor.milliseconds:.1f} ms; "
        f"interests now: {', '.join(visitor.interests_after)}",
        style="bold",
        markup=False,
    )
    _slate(visitor.list_before, "the list before")
    _slate(visitor.list_after, "the list after")


def _slate(slate: list[Any], title: str) -> None:
    table(title, ["title", "source", "why"], [[one.title or one.item_id, one.source, one.reason] for one in slate])
