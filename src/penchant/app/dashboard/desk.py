"""What the tabs of one open page share: the engine behind a thread, the user looked at, words, and how things look."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ParamSpec, TypeAlias, TypeVar

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from penchant.app.dashboard.words import Words
from penchant.app.server.logs import LOG
from penchant.app.server.problems import problem_of
from penchant.app.server.service import Service

P = ParamSpec("P")
R = TypeVar("R")
Cell: TypeAlias = "str | int | float | Callable[[], object]"
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a8a8a", "#b8a800")
"""Told apart also by people who see few colours (Okabe & Ito 2008, yellow darkened)."""


class Desk:
    """One page in one browser."""

    def __init__(self, service: Service, word: Words, may: Callable[[], bool], key: Callable[[], str]) -> None:
        self.service = service
        self.engine = service.engine
        self.word = word
        self.user_id: str | None = None
        self.at: str | None = None
        """The moment that is asked about; None for now."""
        self.show: Callable[[], Awaitable[None]] = _nothing
        """Draws the tab in view again."""
        self.choose: Callable[[str], Awaitable[None]] = _no_one
        """Looks at another user."""
        self.room = "collect"
        self._may = may
        self._key = key

    async def ask(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
        """Return what the engine answers, from another thread; on an error say it and return None."""
        if not self._may():
            ui.navigate.to("/")
            return None
        try:
            return await self.service.work(function, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - an entry point: the page goes on
            problem = problem_of(error)
            if problem is None:
                LOG.error("the dashboard failed", exc_info=error)
            ui.notify(
                problem.detail if problem else self.word("failed"), type="negative", close_button=self.word("close")
            )
            return None

    def audit(self, action: str, events: int) -> None:
        """Log that somebody's data were erased: by which key, not whose."""
        LOG.info("audit", extra={"action": action, "events": events, "key": self._key()})

    # -- how things look -------------------------------------------------------------------------------------------

    def headline(self, key: str, **values: Any) -> None:
        """Begin a part of a tab."""
        TextElement(tag="h2", text=self.word(key, **values)).classes("text-lg font-medium mt-6 mb-1")

    def text(self, key: str, **values: Any) -> None:
        """Say something."""
        TextElement(tag="p", text=self.word(key, **values)).classes("my-1 opacity-80")

    def figures(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Show a few numbers, each over its name."""
        with ui.element("dl").classes("flex flex-wrap gap-x-10 gap-y-3 my-2"):
            for key, value in pairs:
                with ui.element("div").classes("flex flex-col-reverse"):
                    TextElement(tag="dt", text=self.word(key)).classes("text-sm opacity-75")
                    TextElement(tag="dd", text=value).classes("text-2xl m-0 tabular-nums")

    def table(self, caption: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], right: str = "") -> None:
        """Show a table; a cell is text, or a function that draws into it.

        Args:
            caption: What it shows, read out before it.
            columns: Heads, already in words.
            rows: Cells.
            right: Numbers of the columns, from 0, that hold figures: ``"13"``.
        """
        around = ui.element("div").classes("w-full overflow-x-auto" + " max-w-2xl" * (len(columns) == 2))
        around.props(f'tabindex=0 role=region aria-label="{_attr(caption)}"')
        with around, ui.element("table").classes("penchant-table"):
            TextElement(tag="caption", text=caption).classes("sr-only")
            with ui.element("thead"), ui.element("tr"):
                for number, name in enumerate(columns):
                    TextElement(tag="th", text=name).props("scope=col").classes(_side(number, right))
            with ui.element("tbody"):
                for row in rows:
                    with ui.element("tr"):
                        for number, cell in enumerate(row):
                            _draw(cell, _side(number, right))
        if not rows:
            self.text("none")

    def chart(self, label: str, options: dict[str, Any], height: str = "20rem") -> ui.echart:
        """Draw a chart; what it shows stands in a table beside it, too."""
        base: dict[str, Any] = {
            "color": list(COLOURS),
            "backgroundColor": "transparent",
            "animation": False,
            # Not as HTML: names of topics are what users and shops have sent.
            "tooltip": {"trigger": "axis", "renderMode": "richText", "confine": True},
            "aria": {"enabled": True, "label": {"description": label}},
            "grid": {"left": 8, "right": 24, "top": 44, "bottom": 8, "containLabel": True},
            "legend": {"type": "scroll", "top": 4, "icon": "roundRect"},
            "textStyle": {"fontFamily": "Roboto, sans-serif"},
        }
        for name in ("xAxis", "yAxis"):
            if name in options:
                options[name] = {"splitLine": {"lineStyle": {"color": "rgba(128,128,128,.25)"}}} | options[name]
        # As SVG, whose letters take the colour of the page, light or dark.
        drawn = ui.echart(base | options, renderer="svg").classes("w-full penchant-chart").style(f"height:{height}")
        return drawn.props(f'role=img aria-label="{_attr(label)}"')

    def button(self, key: str, act: Callable[..., Any] | None, *, of: str = "", danger: bool = False) -> ui.button:
        """Show a button; ``of`` tells a screen reader what it acts on, where many have the same words."""
        words = self.word(key)
        one = ui.button(words, on_click=act, color=None).props("flat dense no-caps")
        one.classes("penchant-danger" if danger else "penchant-act")
        return one.props(f'aria-label="{_attr(f"{words}: {of}")}"') if of else one


def _attr(text: str) -> str:
    """Return text as it can stand between quotes in NiceGUI's ``props``."""
    return text.replace("\\", "").replace('"', "'").replace("\n", " ")


def _side(number: int, right: str) -> str:
    return "text-right tabular-nums" if str(number) in right else "text-left"


def _draw(cell: Cell, side: str) -> None:
    if callable(cell):
        with ui.element("td").classes(side):
            cell()
    else:
        TextElement(tag="td", text=str(cell)).classes(side)


async def _nothing() -> None:
    return


async def _no_one(_: str) -> None:
    return
