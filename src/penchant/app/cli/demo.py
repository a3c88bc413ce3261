"""``penchant demo``: the whole loop on a year of groceries."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from penchant.app.cli.options import Seed
from penchant.app.cli.output import bars, data, say_json, table, talk

if TYPE_CHECKING:
    import polars as pl

    from penchant.app.demo import Household, Newcomer, Step
    from penchant.evaluate.report import Report

R = TypeVar("R")
SHOWN_MODELS = ("tracker", "ema", "static", "last_k", "popularity")
"""Topic models in the demo's table; the whole benchmark takes minutes more: ``penchant evaluate tracking``."""


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
    from penchant.app.demo_page import demo_page

    out.mkdir(parents=True, exist_ok=True)
    database = out / "demo.db"
    for left_over in (database, *(out / f"demo.db{end}" for end in ("-wal", "-shm"))):
        left_over.unlink(missing_ok=True)
    tell = _Teller(as_json)
    # The live engine is gone, and its memory with it, before the tables are made.
    name, frame, households, visitor = _live(data_name, out, database, seed, tell)
    tables = _tables(name, frame, max_users, seed, tell)
    page = out / "demo.html"
    page.write_text(demo_page(tell.steps, households, visitor, tables), encoding="utf-8")
    if as_json:
        say_json({"steps": tell.steps, "households": households, "live": visitor, "page": str(page)})
        return
    talk.print(f"page: {page}    log and profiles: {database}", markup=False)
    for one in households[:1]:
        talk.print(f"now try: penchant interest show {one.user_id} --db sqlite:///{database}", markup=False)


class _Teller:
    """Keeps the steps, and tells of each as it ends, unless one JSON document is wanted."""

    def __init__(self, quiet: bool) -> None:
        self.steps: list[Step] = []
        self.quiet = quiet

    def step(self, name: str, work: Callable[[], R], counts: Callable[[R], dict[str, Any]]) -> R:
        """Run a step, tell how long it took and what it counted, and return its result."""
        from penchant.app.demo import Step

        began = time.perf_counter()
        result = work()
        step = Step(name, time.perf_counter() - began, counts(result))
        self.steps.append(step)
        said = ", ".join(f"{k} {v:,}" if isinstance(v, int) else f"{k} {v}" for k, v in step.counts.items())
        self.show(lambda: data.print(f"[bold]{step.name}[/bold]  {step.seconds:.1f} s  ({said})"))
        return result

    def show(self, printing: Callable[[], None]) -> None:
        """Print, unless one JSON document is wanted."""
        if not self.quiet:
            printing()


def _live(
    data_name: str, out: Path, database: Path, seed: int, tell: _Teller
) -> tuple[str, pl.DataFrame, list[Household], Newcomer]:
    """Collect, process, learn, show interests and lists, and one live event; return what the tables need."""
    from penchant.app import demo as show
    from penchant.collect.datasets import open_dataset
    from penchant.collect.importer import collect
    from penchant.collect.quarantine import Quarantine
    from penchant.engine import Engine
    from penchant.loop.processing import process_log

    source = open_dataset(data_name)
    with (
        bars() as progress,
        Quarantine(out / "quarantine.jsonl") as kept,
        Engine.open(f"sqlite:///{database}", seed=seed) as engine,
    ):
        tell.step(
            "1 collect: files -> event log and profiles",
            lambda: collect(source, engine, kept, progress.of("collect")),
            lambda report: {"accepted": report.accepted, "refused": report.refused, "skipped": report.skipped},
        )
        tell.step(
            "2 process: sessions, labels, split by time",
            lambda: process_log(engine.ledger, timedelta(minutes=30), "global_time", 0.1, 0.1, 4, 1, None),
            lambda s: {"users": s.users, "sessions": s.sessions, "topics": s.topics, "labelled": f"{s.labelled:.1%}"},
        )
        tell.step(
            "3 learn: tracker mixture, item neighbours, blend",
            engine.fit,
            lambda report: {k: f"{step['seconds']:.1f} s" for k, step in report.items() if isinstance(step, dict)},
        )
        end = show.last_moment(engine)
        households = tell.step(
            "4 interests over the year, recommendations",
            lambda: [show.household(engine, user_id, end) for user_id in show.changed_households(engine)],
            lambda found: {"households": len(found)},
        )
        for one in households:
            tell.show(partial(_show_household, one))
        visitor = tell.step(
            "5 one live event",
            lambda: show.newcomer(engine, end),
            lambda found: {"milliseconds": f"{found.milliseconds:.1f}"},
        )
        tell.show(lambda: _show_newcomer(visitor))
        return source.name, engine.ledger.events(), households, visitor


def _tables(name: str, frame: pl.DataFrame, max_users: int, seed: int, tell: _Teller) -> list[tuple[str, Report]]:
    from penchant.engine import Engine
    from penchant.evaluate.report import print_report
    from penchant.loop.evaluating import Evaluation

    tables = []
    with bars() as progress:
        evaluation = Evaluation(name, frame, lambda: Engine.open(seed=seed), seed, progress)
        for title, work in (
            ("topic models", lambda: evaluation.tracking(0.25, max_users, SHOWN_MODELS, pairs=0, activity=False)),
            ("lists", lambda: evaluation.ranking(max_users=max_users, models=())),
        ):
            report = tell.step(f"6 evaluate: {title}", work, lambda r: {"models": len(r.models)})
            tell.show(partial(print_report, report, data))
            tables.append((title, report))
    return tables


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
