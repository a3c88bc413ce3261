"""Interest: what a user is interested in now, how that changed, what carries it, and to correct it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nicegui import ui

from penchant.app.dashboard.desk import Cell, Desk
from penchant.app.dashboard.profile import offer_users
from penchant.clock import from_s, to_s
from penchant.domain.event import Receipt
from penchant.domain.interests import Interest
from penchant.engine import Engine

SHOWN = 15
"""Interests in the table."""
MOMENTS = 12
"""Moments of the chart, evenly from the user's first event until the last."""
LINES = 6
"""Topics of the chart; all others are one more."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a user's interests went.

    Attributes:
        moments: When they were asked for, rising.
        shares: P(topic is next) at each moment by topic, the strongest on the whole first.
        changes: When the tracker saw that the user changed.
    """

    moments: list[datetime]
    shares: dict[str, list[float]]
    changes: list[datetime]


async def build(desk: Desk) -> None:
    """Draw the tab."""
    user_id = desk.user_id
    if user_id is None:
        await offer_users(desk)
        return
    interests = await desk.ask(desk.engine.interests, user_id, SHOWN, desk.at)
    course = await desk.ask(course_of, desk.engine, user_id, desk.at)
    if interests is None or course is None:
        return
    desk.headline("interests_of", user=user_id)
    if not interests:
        desk.text("no_interests")
    else:
        _interests(desk, user_id, interests)
        _course(desk, course)
    _say(desk, user_id)


def course_of(engine: Engine, user_id: str, at: str | None = None) -> Course:
    """Return how a user's interests went from the first event until a day after the last one, ``at`` at the latest."""
    profile = engine.profile(user_id, at, 1)
    first, last = profile.behaviour.first_at, profile.behaviour.last_at
    if first is None or last is None:
        return Course([], {}, [])
    step = (max(last, min(profile.at, last + timedelta(days=1))) - first) / MOMENTS
    moments = [first + step * (i + 1) for i in range(MOMENTS)]
    readings = [{one.topic: one.probability for one in engine.interests(user_id, 1000, at)} for at in moments]
    totals: dict[str, float] = {}
    for reading in readings:
        for topic, chance in reading.items():
            totals[topic] = totals.get(topic, 0.0) + chance
    order = sorted(totals, key=lambda topic: -totals[topic])
    shares = {topic: [reading.get(topic, 0.0) for reading in readings] for topic in order}
    state = engine.ledger.state_at("tracker", user_id, to_s(profile.at))
    changes = [from_s(float(moment)) for moment in engine.tracker.changes(state)]
    return Course(moments, shares, changes)


# -- the table of interests ----------------------------------------------------------------------------------------


def _interests(desk: Desk, user_id: str, interests: Sequence[Interest]) -> None:
    active = any(one.active is not None for one in interests)
    most = max(one.probability for one in interests) or 1.0
    heads = ["topic", "p_next", "interval", "trend", *(["active"] if active else []), "said", "evidence", "correct"]
    rows: list[list[Cell]] = [
        [
            one.topic,
            _chance(one, most),
            f"{one.interval[0]:.1%} – {one.interval[1]:.1%}",
            trend(desk, one),
            *([_active(one)] if active else []),
            said(desk, one),
            _evidence_button(desk, user_id, one),
            _correct(desk, user_id, one),
        ]
        for one in interests
    ]
    desk.table(desk.word("interests_of", user=user_id), [desk.word(head) for head in heads], rows)
    if not active:
        desk.text("active_after_fit")


def _chance(one: Interest, most: float) -> Cell:
    def draw() -> None:
        ui.label(f"{one.probability:.1%}").classes("tabular-nums")
        ui.element("div").classes("penchant-bar").style(f"width:{6 * one.probability / most:.2f}rem")

    return draw


def _active(one: Interest) -> str:
    return " / ".join(f"{chance:.0%}" for chance in one.active) if one.active else ""


def trend(desk: Desk, one: Interest) -> str:
    """Return the trend in words and a factor: rising or falling only where the interval excludes no change."""
    low, high = one.trend_interval
    key = "rising" if low > 0 else "falling" if high < 0 else "steady"
    sign = {"rising": "↑", "falling": "↓", "steady": "→"}[key]
    return f"{sign} {desk.word(key)} ×{2**one.trend:.2f}"


def said(desk: Desk, one: Interest) -> str:
    """Return what the user said of a topic that still holds."""
    marks = []
    if one.stated is not None:
        marks.append(f"{desk.word('likes' if one.stated > 0 else 'dislikes')} {abs(one.stated):.0%}")
    if one.stated_until is not None:
        marks.append(f"{desk.word('until')} {one.stated_until:%Y-%m-%d}")
    if one.muted:
        marks.append(desk.word("muted"))
    return ", ".join(marks)


def _evidence_button(desk: Desk, user_id: str, one: Interest) -> Cell:
    if not one.evidence:
        return "–"
    return lambda: desk.button(
        "show", lambda: _evidence(desk, user_id, one), of=f"{desk.word('evidence')}, {one.topic}"
    )


def _evidence(desk: Desk, user_id: str, one: Interest) -> None:
    title = desk.word("evidence_of", topic=one.topic, user=user_id)
    with ui.dialog(value=True) as dialog, ui.card().classes("max-w-3xl").props(f'aria-label="{desk.word("evidence")}"'):
        ui.label(title).classes("text-lg")
        rows = [
            [f"{event.at:%Y-%m-%d %H:%M}", event.type, event.item_id or "", f"{event.share:.1%}", event.event_id]
            for event in one.evidence
        ]
        columns = [desk.word(name) for name in ("when", "type", "item", "share", "event")]
        desk.table(title, columns, rows, right="3")
        desk.button("close", dialog.close)


def _correct(desk: Desk, user_id: str, one: Interest) -> Cell:
    def draw() -> None:
        with ui.row().classes("gap-0 no-wrap"):
            for key in ("like", "dislike", "unmute" if one.muted else "mute", *(["unsay"] * (one.stated is not None))):
                desk.button(key, _saying(desk, user_id, key, one.topic), of=one.topic)

    return draw


# -- to correct it -------------------------------------------------------------------------------------------------


def take_word(engine: Engine, user_id: str, key: str, topic: str) -> Receipt:
    """Take a user's word on a topic: like, dislike, mute, unmute or unsay."""
    if key == "mute":
        return engine.mute(user_id, topic)
    if key == "unmute":
        return engine.unmute(user_id, topic)
    if key == "unsay":
        return engine.say(user_id, topic, 0.0) + engine.say(user_id, topic, 0.0, scope="now")
    return engine.say(user_id, topic, 1.0 if key == "like" else -1.0)


def _saying(desk: Desk, user_id: str, key: str, topic: str) -> Any:
    async def take() -> None:
        receipt = await desk.ask(take_word, desk.engine, user_id, key, topic)
        if receipt is None:
            return
        desk.service.kept.drop(user_id)
        if receipt.refusals:
            ui.notify(receipt.refusals[0].reason, type="negative", close_button=desk.word("close"))
            return
        ui.notify(desk.word(f"done_{key}", topic=topic), type="positive")
        await desk.show()

    return take


def _say(desk: Desk, user_id: str) -> None:
    desk.headline("say")
    desk.text("say_means")
    with ui.row().classes("items-center gap-2"):
        topic = ui.input(desk.word("topic")).props("dense outlined maxlength=256")

        def saying(key: str) -> Any:
            async def take() -> None:
                if (topic.value or "").strip():
                    await _saying(desk, user_id, key, topic.value.strip())()

            return take

        for key in ("like", "dislike", "mute"):
            desk.button(key, saying(key))


# -- how it went ---------------------------------------------------------------------------------------------------


def _course(desk: Desk, course: Course) -> None:
    desk.headline("over_time")
    if not course.moments:
        desk.text("none")
        return
    shown = dict(list(course.shares.items())[:LINES])
    rest = [topic for topic in course.shares if topic not in shown]
    if rest:
        others = zip(*(course.shares[topic] for topic in rest), strict=True)
        shown[desk.word("others")] = [sum(moment) for moment in others]
    desk.chart(desk.word("over_time"), _options(desk, course, shown), "22rem")
    if course.changes:
        desk.text("changes", when=", ".join(f"{at:%Y-%m-%d}" for at in course.changes))
    else:
        desk.text("no_changes")
    rows = [[f"{at:%Y-%m-%d}", *(f"{line[i]:.1%}" for line in shown.values())] for i, at in enumerate(course.moments)]
    right = "".join(str(i + 1) for i in range(min(9, len(shown))))
    with ui.expansion(desk.word("as_table")).props("dense").classes("w-full"):
        desk.table(desk.word("over_time"), [desk.word("when"), *shown], rows, right=right)


def _options(desk: Desk, course: Course, shown: dict[str, list[float]]) -> dict[str, Any]:
    series: list[dict[str, Any]] = [
        {
            "name": topic,
            "type": "line",
            "stack": "all",
            "areaStyle": {"opacity": 0.6},
            "showSymbol": False,
            "data": [[_stamp(at), round(100 * share, 2)] for at, share in zip(course.moments, line, strict=True)],
        }
        for topic, line in shown.items()
    ]
    marks = [{"xAxis": _stamp(at)} for at in course.changes if at >= course.moments[0] - timedelta(days=1)]
    series[0]["markLine"] = {
        "symbol": "none",
        "silent": True,
        "lineStyle": {"type": "dashed", "width": 2, "color": "#888"},
        "label": {"show": False},
        "data": marks,
    }
    return {
        "xAxis": {"type": "time", "axisLabel": {"hideOverlap": True, "formatter": "{yyyy}-{MM}-{dd}"}},
        "yAxis": {"type": "value", "min": 0, "max": 100, "axisLabel": {"formatter": "{value} %"}},
        "series": series,
    }


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
