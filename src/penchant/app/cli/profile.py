"""``penchant profile``: what is known of a user; forget a user; rebuild all profiles."""

from __future__ import annotations

from typing import Annotated

import typer

from penchant.app.cli.interest import interest_rows
from penchant.app.cli.options import At, Json, SettingsFile, Url, open_engine
from penchant.app.cli.output import say_json, table, talk

app = typer.Typer(help="What is known of a user; forget a user; rebuild all profiles.", no_args_is_help=True)


@app.command()
def show(
    user_id: Annotated[str, typer.Argument(help="The user.")],
    at: At = None,
    n: Annotated[int, typer.Option("-n", help="How many interests.", min=1)] = 10,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Show facts, behaviour and interests of a user."""
    with open_engine(url, settings) as engine:
        profile = engine.profile(user_id, at, n)
    if as_json:
        say_json(profile)
        return
    if not profile.known:
        talk.print(f"nothing is known of {user_id} at {profile.at:%Y-%m-%d %H:%M}Z", markup=False)
    if profile.facts:
        rows = [[name, fact.value, fact.source, f"{fact.at:%Y-%m-%d}"] for name, fact in profile.facts.items()]
        table(f"Facts about {user_id}", ["fact", "value", "source", "since"], rows)
    behaviour = profile.behaviour
    if behaviour.n_events:
        table(
            "Behaviour",
            ["events", "visits", "days since the last", "days between visits", "spend", "spend a visit"],
            [
                [
                    behaviour.n_events,
                    behaviour.n_sessions,
                    _figure(behaviour.recency_days),
                    _figure(behaviour.frequency_days),
                    f"{behaviour.spend:,.2f}",
                    _figure(behaviour.spend_per_session),
                ]
            ],
        )
    table("Interests", *interest_rows(profile.interests))


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


@app.command()
def forget(
    user_id: Annotated[str, typer.Argument(help="The user.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Erase a user from the log, the states and the population's counts; this cannot be undone."""
    if not yes:
        typer.confirm(f"Erase everything about {user_id} for good?", abort=True, err=True)
    with open_engine(url, settings) as engine:
        erased = engine.forget(user_id)
    if as_json:
        say_json({"user_id": user_id, "erased_events": erased})
    else:
        talk.print(f"erased {erased:,} events of {user_id}", markup=False)


@app.command()
def rebuild(
    fill_topics: Annotated[
        bool, typer.Option("--fill-topics", help="Give events that came before their item was known its topics.")
    ] = False,
    url: Url = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Fold the whole log again; the profiles come out the same."""
    with open_engine(url, settings) as engine:
        folded = engine.rebuild(fill_topics)
    if as_json:
        say_json({"folded_events": folded})
    else:
        talk.print(f"folded {folded:,} events", markup=False)
