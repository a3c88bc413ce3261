"""``penchant interest``: a user's interests; fit the models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from penchant.app.cli.options import At, Json, Level, SettingsFile, Url, open_engine
from penchant.app.cli.output import bars, data, say_json, table, talk
from penchant.domain.interests import Interest

app = typer.Typer(help="A user's interests; fit the models.", no_args_is_help=True)


@app.command()
def show(
    user_id: Annotated[str, typer.Argument(help="The user.")],
    at: At = None,
    n: Annotated[int, typer.Option("-n", help="How many.", min=1)] = 10,
    level: Level = None,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Show a user's interests with probability, trend and evidence."""
    with open_engine(url, settings) as engine:
        interests = engine.interests(user_id, n, at, level=level)
    if as_json:
        say_json({"user_id": user_id, "interests": interests})
        return
    if not interests:
        talk.print(f"no interests are known of {user_id}", markup=False)
    table(f"Interests of {user_id}", *interest_rows(interests))


@app.command()
def taste(
    user_id: Annotated[str, typer.Argument(help="The user.")],
    at: At = None,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Show the items that stand for a user's taste, and whether the last days differ from the last months."""
    with open_engine(url, settings) as engine:
        found = engine.taste(user_id, at)
        names = {item: engine.item(item).title or item for one in found.medoids for item in one.others}
    if as_json:
        say_json(found)
        return
    if found.agreement is None:
        talk.print(f"no taste is known of {user_id}; item vectors come from: penchant interest fit taste", markup=False)
    rows = [
        [
            one.title or one.item_id,
            one.item_id,
            f"{one.share:.0%}",
            one.n_items,
            f"{one.last_at:%Y-%m-%d}",
            ", ".join(names[item] for item in one.others),
        ]
        for one in found.medoids
    ]
    table(f"Taste of {user_id}", ["in the middle", "item", "share", "items", "last", "with"], rows)
    if found.agreement is not None:
        data.print(f"last days against last months: cosine {found.agreement:.2f}", markup=False)


@app.command()
def fit(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="tracker, item_knn, taste, blend, or any item model; default: what the pipeline is made of."
        ),
    ] = None,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Learn from the log: the tracker's mixture, item neighbours and vectors, item models, the blend's weights."""
    with bars() as progress, open_engine(url, settings) as engine:
        report = engine.fit(what or None, progress)
    if as_json:
        say_json(report)
        return
    rows = [[name, f"{step['seconds']:.1f}"] for name, step in report.items() if isinstance(step, dict)]
    table(f"Fitted on {report['events']:,} events", ["model", "seconds"], rows)


def interest_rows(interests: Sequence[Interest]) -> tuple[list[str], list[list[Any]]]:
    """Return the columns and rows of a table of interests."""
    spoken = any(said(one) for one in interests)
    columns = ["topic", "P(next)", "95 %", "long-term", "short-term", "trend", *["said"] * spoken, "last evidence"]
    rows = [
        [
            one.topic,
            f"{one.probability:.1%}",
            f"{one.interval[0]:.1%} – {one.interval[1]:.1%}",
            f"{one.long_term:.1%}",
            f"{one.short_term:.1%}",
            arrow(one),
            *[said(one)] * spoken,
            f"{max(event.at for event in one.evidence):%Y-%m-%d}" if one.evidence else "",
        ]
        for one in interests
    ]
    return columns, rows


def arrow(interest: Interest) -> str:
    """Return the trend in a sign and a factor: rising or falling only where the interval excludes no change."""
    low, high = interest.trend_interval
    sign = "↑" if low > 0 else "↓" if high < 0 else "→"
    return f"{sign} x{2**interest.trend:.2f}"


def said(interest: Interest) -> str:
    """Return what the user said of a topic: a liking or dislike with what is left of it, its expiry, and a mute."""
    marks = []
    if interest.stated is not None:
        marks.append(f"{'♥' if interest.stated > 0 else '✗'} {abs(interest.stated):.0%}")
    if interest.stated_until is not None:
        marks.append(f"until {interest.stated_until:%Y-%m-%d}")
    if interest.muted:
        marks.append("muted")
    return ", ".join(marks)
