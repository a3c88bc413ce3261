"""Process: sessions, labels, and what the items are about."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from nicegui import ui

from penchant.app.dashboard.desk import Desk
from penchant.engine import Engine
from penchant.errors import ConfigError
from penchant.loop.processing import Summary, process_log

GAP = timedelta(minutes=30)
"""Silence that ends a session, as ``penchant process`` has it."""
TOPICS = 20
"""Topics shown, those with the most items."""
QUEUE = 20
"""Items without a topic that are named."""
PAGE = 10_000


async def build(desk: Desk) -> None:
    """Draw the tab."""
    summary = await desk.ask(_summary, desk.engine)
    items = await desk.ask(items_by_topic, desk.engine)
    if items is None:
        return
    by_topic, bare = items
    if summary is not None:
        desk.figures(
            [
                ("events", f"{summary.events:,}"),
                ("users", f"{summary.users:,}"),
                ("items", f"{summary.items:,}"),
                ("topics", f"{summary.topics:,}"),
                ("labelled", f"{summary.labelled:.1%}"),
                ("sessions", f"{summary.sessions:,}"),
                ("per_session", f"{summary.events_per_session:.2f}"),
            ]
        )
        desk.headline("split")
        rows = [[desk.word(one.name), f"{one.events:,}", one.first[:16], one.last[:16]] for one in summary.parts]
        desk.table(desk.word("split"), [desk.word(k) for k in ("part", "events", "from", "to")], rows, right="1")
    else:
        desk.text("no_events")
    _topics(desk, by_topic)
    desk.headline("queue")
    desk.text("queue_count", n=f"{len(bare):,}")
    if bare:
        desk.table(desk.word("queue"), [desk.word("item"), desk.word("title")], bare[:QUEUE])


def _summary(engine: Engine) -> Summary | None:
    try:
        return process_log(engine.ledger, GAP, "global_time", 0.1, 0.1, 4, 1, None)
    except ConfigError:  # no event of a user yet
        return None


def items_by_topic(engine: Engine) -> tuple[dict[str, int], list[list[str]]]:
    """Return how many items each topic has, the most first, and the items that have none."""
    counts: dict[str, int] = {}
    bare: list[list[str]] = []
    after: int | None = 0
    while after is not None:
        items, after = engine.items(PAGE, after)
        for item in items:
            for topic in item.topics:
                counts[topic] = counts.get(topic, 0) + 1
            if not item.topics:
                bare.append([item.item_id, item.title or ""])
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))), bare


def _topics(desk: Desk, by_topic: dict[str, int]) -> None:
    desk.headline("topics_of_items")
    if not by_topic:
        desk.text("none")
        return
    desk.text("topics_shown", n=min(TOPICS, len(by_topic)), of=f"{len(by_topic):,}")
    shown = dict(list(by_topic.items())[:TOPICS])
    names = list(shown)[::-1]
    options: dict[str, Any] = {
        "xAxis": {"type": "value"},
        "yAxis": {"type": "category", "data": names, "axisLabel": {"width": 180, "overflow": "truncate"}},
        "series": [{"type": "bar", "name": desk.word("items"), "data": [shown[name] for name in names]}],
        "legend": {"show": False},
        "grid": {"left": 8, "right": 24, "top": 8, "bottom": 8, "containLabel": True},
    }
    with ui.row().classes("w-full items-start no-wrap gap-6 max-md:flex-wrap"):
        with ui.column().classes("grow basis-2/3 min-w-0"):
            desk.chart(desk.word("topics_of_items"), options, f"{3 + 1.5 * len(names)}rem")
        with ui.column().classes("basis-1/3 min-w-0"):
            rows = [[name, f"{count:,}"] for name, count in shown.items()]
            desk.table(desk.word("topics_of_items"), [desk.word("topic"), desk.word("items")], rows, right="1")
