"""Profile: what is known of a user, what the user says, and to be forgotten."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nicegui import ui

from penchant.app.dashboard.collect import consent_table
from penchant.app.dashboard.desk import Desk
from penchant.clock import from_s
from penchant.domain.profile import Behaviour, Profile
from penchant.domain.statements import SCOPES
from penchant.engine import Engine
from penchant.loop.interests import said_by

OFFERED = 24
"""Users offered where none is chosen."""
WEEKDAYS = 7


async def build(desk: Desk) -> None:
    """Draw the tab."""
    user_id = desk.user_id
    if user_id is None:
        await offer_users(desk)
        return
    profile = await desk.ask(desk.engine.profile, user_id, desk.at)
    consents = await desk.ask(desk.engine.consents, user_id)
    said = await desk.ask(statements, desk.engine, user_id)
    if profile is None or consents is None or said is None:
        return
    if not profile.known:
        desk.text("unknown_user", user=user_id)
    _facts(desk, profile)
    if profile.behaviour.n_events:
        _behaviour(desk, profile.behaviour)
    desk.headline("statements")
    columns = [desk.word(name) for name in ("when", "topic", "scope", "strength", "until")]
    desk.table(desk.word("statements"), columns, said, right="3")
    desk.headline("consents")
    consent_table(desk, user_id, consents)
    desk.headline("forget")
    desk.text("forget_means")
    desk.button("forget_user", lambda: forget_dialog(desk, user_id), of=user_id, danger=True)


async def offer_users(desk: Desk) -> None:
    """Ask for a user, and name the first ones."""
    desk.text("choose_user")
    found = await desk.ask(desk.engine.users, OFFERED)
    with ui.row().classes("gap-1"):
        for user_id in found or ():
            desk.button("look_at", _chooser(desk, user_id), of=user_id).text = user_id
    if not found:
        desk.text("no_events")


def _chooser(desk: Desk, user_id: str) -> Any:
    return lambda: desk.choose(user_id)


def statements(engine: Engine, user_id: str) -> list[list[str]]:
    """Return the newest word of a user on each topic and scope as rows: when, topic, scope, strength, until."""
    said = said_by(engine.ledger, user_id, engine.now())
    names = engine.ledger.topics.ids
    rows = []
    for i in range(said.topic.size)[::-1]:
        until = float(said.until[i])
        rows.append(
            [
                f"{from_s(float(said.at[i])):%Y-%m-%d %H:%M}",
                names[int(said.topic[i])],
                SCOPES[int(said.scope[i])],
                f"{float(said.value[i]):+.2f}",
                "" if until == float("inf") else f"{from_s(until):%Y-%m-%d %H:%M}",
            ]
        )
    return rows


def _facts(desk: Desk, profile: Profile) -> None:
    desk.headline("facts")
    rows = [
        [
            name,
            fact.value if isinstance(fact.value, str) else json.dumps(fact.value),
            fact.source,
            f"{fact.at:%Y-%m-%d}",
        ]
        for name, fact in profile.facts.items()
    ]
    desk.table(desk.word("facts"), [desk.word(k) for k in ("fact", "value", "source", "since")], rows)


def _behaviour(desk: Desk, seen: Behaviour) -> None:
    desk.headline("behaviour")
    desk.figures(
        [
            ("events", f"{seen.n_events:,}"),
            ("sessions", f"{seen.n_sessions:,}"),
            ("days_since", _figure(seen.recency_days)),
            ("days_between", _figure(seen.frequency_days)),
            ("spend", f"{seen.spend:,.2f}"),
            ("spend_visit", _figure(seen.spend_per_session)),
        ]
    )
    hours = [f"{hour:02}" for hour in range(24)]
    days = [desk.word(f"day_{day}") for day in range(WEEKDAYS)]
    with ui.row().classes("w-full items-start no-wrap gap-6 max-md:flex-wrap"):
        for key, names, shares in (("by_hour", hours, seen.by_hour), ("by_weekday", days, seen.by_weekday)):
            with ui.column().classes("grow basis-1/2 min-w-0 gap-1"):
                _bars(desk, key, names, shares)
    with ui.expansion(desk.word("as_table")).props("dense"):
        rows = [[name, f"{count:,}"] for name, count in seen.n_by_type.items()]
        desk.table(desk.word("by_type"), [desk.word("type"), desk.word("events")], rows, right="1")
        for key, names, shares in (("by_hour", hours, seen.by_hour), ("by_weekday", days, seen.by_weekday)):
            rows = [[name, f"{share:.1%}"] for name, share in zip(names, shares, strict=True)]
            desk.table(desk.word(key), [desk.word(key), desk.word("share")], rows, right="1")


def _bars(desk: Desk, key: str, names: Sequence[str], shares: Sequence[float]) -> None:
    options = {
        "title": {"text": desk.word(key), "textStyle": {"fontSize": 14, "fontWeight": "normal"}},
        "xAxis": {"type": "category", "data": list(names)},
        "yAxis": {"type": "value", "axisLabel": {"show": False}, "splitLine": {"show": False}},
        "series": [{"type": "bar", "name": desk.word("share"), "data": [round(float(one), 4) for one in shares]}],
        "legend": {"show": False},
    }
    desk.chart(desk.word(key), options, "12rem")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def forget_dialog(desk: Desk, user_id: str) -> None:
    """Ask for the user's id again, then erase the user."""
    with ui.dialog(value=True) as dialog, ui.card().props(f'aria-label="{desk.word("forget_user")}"'):
        desk.text("forget_means")
        desk.text("forget_type", user=user_id)
        typed = ui.input(desk.word("user")).props("dense outlined autofocus").classes("w-full")

        async def forget() -> None:
            if (typed.value or "").strip() != user_id:
                ui.notify(desk.word("not_the_same"), type="warning")
                return
            dialog.close()
            erased = await desk.ask(desk.engine.forget, user_id)
            if erased is not None:
                desk.service.kept.drop(user_id)
                desk.audit("forget", erased)
                ui.notify(desk.word("forgotten", n=f"{erased:,}"), type="positive", close_button=desk.word("close"))
                await desk.choose("")

        with ui.row().classes("w-full justify-end"):
            desk.button("cancel", dialog.close)
            desk.button("forget_now", forget, danger=True)
