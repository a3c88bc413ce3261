"""Collect: how much has come, what came last, what was refused, what the user agrees to."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from penchant.app.dashboard.desk import Desk
from penchant.clock import from_us
from penchant.domain.consent import PURPOSES, Consent
from penchant.domain.row import to_event
from penchant.engine import Engine

NEWEST = 15
"""Events shown, the newest first."""
LOOK_S = 2.0
"""Seconds between two looks for newer events."""


async def build(desk: Desk) -> None:
    """Draw the tab."""
    found = await desk.ask(_counts, desk.engine)
    if found is None:
        return
    by_type, position, events = found
    desk.figures(
        [("events", f"{sum(by_type.values()):,}"), ("types", str(len(by_type))), ("position", f"{position:,}")]
    )
    desk.headline("by_type")
    with ui.row().classes("w-full items-start no-wrap gap-6 max-md:flex-wrap"):
        with ui.column().classes("grow basis-2/3 min-w-0"):
            _chart(desk, by_type)
        with ui.column().classes("basis-1/3 min-w-0"):
            rows = [[name, f"{count:,}"] for name, count in by_type.items()]
            desk.table(desk.word("by_type"), [desk.word("type"), desk.word("events")], rows, right="1")
    _newest(desk, position, events)
    await _refused(desk)
    await _consents(desk)


def _counts(engine: Engine) -> tuple[dict[str, int], int, list[list[str]]]:
    """Return events by type, the log's end, and the newest events."""
    counts: dict[str, int] = {}
    for frame in engine.log.read():
        for name, count in frame["type"].value_counts().iter_rows():
            counts[name] = counts.get(name, 0) + count
    position = engine.log.tail()
    ordered = dict(sorted(counts.items(), key=lambda pair: -pair[1]))
    return ordered, position, newest(engine, position)


def newest(engine: Engine, position: int) -> list[list[str]]:
    """Return the newest events as rows: when, type, user, item, topics."""
    found = engine.log.at_positions(range(max(1, position - NEWEST + 1), position + 1))
    return [
        [
            f"{from_us(row.at_us):%Y-%m-%d %H:%M:%S}",
            row.type,
            row.user_id or "",
            row.item_id or "",
            ", ".join(to_event(row).topics),
        ]
        for _, row in reversed(found)
    ]


def _chart(desk: Desk, by_type: dict[str, int]) -> None:
    names = list(by_type)[::-1]
    options: dict[str, Any] = {
        "xAxis": {"type": "value"},
        "yAxis": {"type": "category", "data": names},
        "series": [{"type": "bar", "name": desk.word("events"), "data": [by_type[name] for name in names]}],
        "legend": {"show": False},
        "grid": {"left": 8, "right": 24, "top": 8, "bottom": 8, "containLabel": True},
    }
    desk.chart(desk.word("by_type"), options, f"{3 + 1.8 * max(2, len(names))}rem")


def _newest(desk: Desk, position: int, events: list[list[str]]) -> None:
    desk.headline("newest")
    columns = [desk.word(name) for name in ("when", "type", "user", "item", "topics")]
    live = ui.switch(desk.word("live"), value=True).props("dense")
    view = ui.column().classes("w-full gap-0")
    shown = position

    def draw(rows: list[list[str]]) -> None:
        view.clear()
        with view:
            desk.table(desk.word("newest"), columns, rows)

    async def look() -> None:
        nonlocal shown
        now = await desk.ask(desk.engine.log.tail)
        if now is None or now == shown or not live.value:
            return
        shown = now
        rows = await desk.ask(newest, desk.engine, now)
        if rows is not None:
            draw(rows)

    draw(events)
    ui.timer(LOOK_S, look)


async def _refused(desk: Desk) -> None:
    desk.headline("refused")
    outcomes = desk.service.meter.outcomes()
    desk.text("since_start")
    rows = [[desk.word(f"outcome_{name}"), f"{count:,}"] for name, count in outcomes.items()]
    desk.table(desk.word("refused"), [desk.word("outcome"), desk.word("events")], rows, right="1")
    desk.text("quarantine")


async def _consents(desk: Desk) -> None:
    desk.headline("consents")
    user_id = desk.user_id
    if user_id is None:
        desk.text("choose_user")
        return
    words = await desk.ask(desk.engine.consents, user_id)
    if words is not None:
        consent_table(desk, user_id, words)


def consent_table(desk: Desk, user_id: str, words: tuple[Consent, ...]) -> None:
    """Show what a user agrees to, with a button that takes the other word."""

    def other(one: Consent) -> Any:
        async def take() -> None:
            receipt = await desk.ask(desk.engine.consent, user_id, one.purpose, not one.given, source=one.source)
            if receipt is not None:
                desk.service.kept.drop(user_id)
                await desk.show()

        key = "withdraw" if one.given else "give"
        return lambda: desk.button(key, take, of=desk.word(f"purpose_{one.purpose}"))

    rows = [
        [
            desk.word(f"purpose_{one.purpose}") if one.purpose in PURPOSES else one.purpose,
            one.source or desk.word("all"),
            desk.word("yes" if one.given else "no"),
            desk.word("by_default") if one.default else f"{one.at:%Y-%m-%d %H:%M}",
            one.version or "",
            other(one),
        ]
        for one in words
    ]
    columns = [desk.word(name) for name in ("purpose", "source", "agrees", "since", "version", "change")]
    desk.table(desk.word("consents"), columns, rows)
