"""Recommend: the list with sources, scores and reasons; why an item is not in it; the list if things were otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from penchant.app.dashboard.desk import Cell, Desk
from penchant.app.dashboard.profile import offer_users
from penchant.domain.slate import Explanation, Recommendation
from penchant.engine import Engine
from penchant.errors import ConfigError

N = 10
"""Length of the list."""


@dataclass(frozen=True, slots=True)
class Question:
    """How a list was asked for."""

    exclude: tuple[str, ...] = ()
    context: str = ""
    filter: str = ""
    strategy: str = ""
    at: str | None = None


async def build(desk: Desk) -> None:
    """Draw the tab."""
    user_id = desk.user_id
    if user_id is None:
        await offer_users(desk)
        return
    slate = await desk.ask(ask_for, desk.engine, user_id, Question(at=desk.at))
    if slate is None:
        return
    other = _WhatIf(desk, user_id, slate)
    desk.headline("list")
    _list(desk, slate, lambda item_id: other.without(item_id))
    _why_not(desk, user_id)
    other.draw()


def ask_for(engine: Engine, user_id: str, asked: Question) -> list[Recommendation]:
    """Return a list as it was asked for.

    Raises:
        ConfigError: When the context is no JSON object, or a rule is wrong.
    """
    context: Any = {}
    if asked.context.strip():
        try:
            context = json.loads(asked.context)
        except ValueError as error:
            raise ConfigError(f"the context is no JSON: {error}") from None
        if not isinstance(context, Mapping):
            raise ConfigError('the context is no JSON object; give one such as {"device": "phone"}')
    return engine.recommend(
        user_id, N, asked.at, context, asked.exclude, asked.strategy or None, filter=asked.filter.strip() or None
    )


def _list(desk: Desk, slate: Sequence[Recommendation], without: Any) -> None:
    def acts(one: Recommendation) -> Cell:
        return lambda: desk.button("without", lambda: without(one.item_id), of=one.title or one.item_id)

    rows: list[list[Cell]] = [
        [rank, _name(one), one.source, f"{one.score:.4f}", parts(desk, one), one.reason, evidence(one), acts(one)]
        for rank, one in enumerate(slate, 1)
    ]
    columns = ["#", *(desk.word(k) for k in ("item", "source", "score", "parts", "why", "evidence", "what_if"))]
    desk.table(desk.word("list"), columns, rows, right="03")


def _name(one: Recommendation) -> str:
    return f"{one.title} ({one.item_id})" if one.title else one.item_id


def parts(desk: Desk, one: Recommendation) -> str:
    """Return what each source gave to the score, and how far rerankers moved the item."""
    given = ", ".join(f"{name} {part:.3f}" for name, part in sorted(one.parts.items(), key=lambda pair: -abs(pair[1])))
    moved = ", ".join(f"{name} {places:+d}" for name, places in one.moves.items())
    return f"{given}; {desk.word('moved')}: {moved}" if moved else given


def evidence(one: Recommendation) -> str:
    """Return the first of the user's events that led there, and how many more."""
    more = len(one.evidence) - 2
    return ", ".join(one.evidence[:2]) + (f" +{more}" if more > 0 else "")


def _why_not(desk: Desk, user_id: str) -> None:
    desk.headline("why_not")
    with ui.row().classes("items-center gap-2"):
        item = ui.input(desk.word("item_id")).props("dense outlined maxlength=256")
        view = ui.column()

        async def explain() -> None:
            if not item.value:
                return
            found = await desk.ask(desk.engine.explain, user_id, item.value.strip(), desk.at)
            if found is not None:
                view.clear()
                with view:
                    _explanation(desk, found)

        item.on("keydown.enter", explain)
        desk.button("explain", explain)
    view.move(target_index=-1)
    view.classes("w-full gap-0").props("aria-live=polite")


def _explanation(desk: Desk, found: Explanation) -> None:
    verdict = desk.word(f"verdict_{found.verdict}")
    pairs = [[desk.word("verdict"), verdict], [desk.word("why"), found.reason]]
    if found.rank is not None:
        pairs.append([desk.word("rank"), str(found.rank)])
    if found.recommendation is not None:
        pairs.append([desk.word("parts"), parts(desk, found.recommendation)])
    pairs += [[desk.word("p_of", topic=topic), f"{chance:.1%}"] for topic, chance in found.topics.items()]
    desk.table(desk.word("why_not"), [desk.word("item"), found.item_id], pairs)


class _WhatIf:
    """The list if things were otherwise, with what that moved."""

    def __init__(self, desk: Desk, user_id: str, before: Sequence[Recommendation]) -> None:
        self._desk = desk
        self._user_id = user_id
        self._before = {one.item_id: rank for rank, one in enumerate(before, 1)}

    def draw(self) -> None:
        desk = self._desk
        desk.headline("what_if")
        desk.text("what_if_means")
        with ui.row().classes("items-center gap-2 w-full"):
            self._exclude = ui.input(desk.word("exclude"), placeholder="item-1, item-2").props("dense outlined")
            self._context = ui.input(desk.word("context"), placeholder='{"device": "phone"}').props("dense outlined")
            self._filter = ui.input(desk.word("filter"), placeholder='topic = "tea"').props("dense outlined")
            self._strategy = ui.input(desk.word("strategy"), placeholder="popular").props("dense outlined")
            for field in (self._exclude, self._context, self._filter, self._strategy):
                field.on("keydown.enter", self._ask)
            desk.button("ask", self._ask)
        self._view = ui.column().classes("w-full gap-0").props("aria-live=polite")

    async def without(self, item_id: str) -> None:
        """Ask for the list without one more item."""
        named = [*self._named(), item_id]
        self._exclude.value = ", ".join(dict.fromkeys(named))
        await self._ask()

    def _named(self) -> tuple[str, ...]:
        return tuple(name for part in (self._exclude.value or "").split(",") if (name := part.strip()))

    async def _ask(self) -> None:
        desk = self._desk
        asked = Question(
            self._named(),
            self._context.value or "",
            self._filter.value or "",
            (self._strategy.value or "").strip(),
            desk.at,
        )
        slate = await desk.ask(ask_for, desk.engine, self._user_id, asked)
        if slate is None:
            return
        self._view.clear()
        with self._view:
            rows: list[list[Cell]] = [
                [rank, _name(one), self._moved(one.item_id, rank), one.source, f"{one.score:.4f}", one.reason]
                for rank, one in enumerate(slate, 1)
            ]
            columns = ["#", *(desk.word(k) for k in ("item", "before", "source", "score", "why"))]
            desk.table(desk.word("what_if"), columns, rows, right="04")

    def _moved(self, item_id: str, rank: int) -> str:
        before = self._before.get(item_id)
        if before is None:
            return self._desk.word("new")
        return "=" if before == rank else f"{before} {'↑' if before > rank else '↓'}"
