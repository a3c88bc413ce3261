"""The page: a head with the user that is looked at, six tabs in the order of the rooms, and what is in view."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.events import ValueChangeEventArguments
from starlette.requests import Request

from penchant.app.dashboard import collect, evaluate, interest, process, profile, recommend
from penchant.app.dashboard.desk import Desk
from penchant.app.dashboard.door import PATH, Door, Sessions
from penchant.app.dashboard.words import LANGUAGES, language_of, words_of
from penchant.app.server.service import Service

ROOMS: Mapping[str, Callable[[Desk], Awaitable[None]]] = {
    "collect": collect.build,
    "process": process.build,
    "profile": profile.build,
    "interest": interest.build,
    "recommend": recommend.build,
    "evaluate": evaluate.build,
}
MATCHES = 8
"""Users offered while a name is typed."""


def mount(app: FastAPI, service: Service) -> None:
    """Put the dashboard under ``/dashboard`` of an application; one application of a process can have it."""
    sessions = Sessions(service)
    register(service, sessions)
    ui.run_with(app, mount_path=PATH, title="penchant", dark=None, show_welcome_message=False)
    app.add_middleware(Door, service=service, sessions=sessions)


def register(service: Service, sessions: Sessions) -> None:
    """Make the page known to NiceGUI."""

    async def home(request: Request) -> None:
        Page(service, sessions, request).draw()

    ui.page("/", title="penchant")(home)


class Page:
    """One open page."""

    def __init__(self, service: Service, sessions: Sessions, request: Request) -> None:
        self._asked = dict(request.query_params)
        self._language = language_of(request)
        token = str(request.scope.get("penchant.session", ""))

        def caller() -> str:
            found = sessions.caller(token)
            return found.id if found else ""

        self.desk = Desk(service, words_of(self._language), lambda: bool(caller()), caller)
        self.desk.show, self.desk.choose = self._show, self._choose
        self.desk.room = self._asked["tab"] if self._asked.get("tab") in ROOMS else "collect"
        self.desk.user_id = self._asked.get("user") or None
        self.desk.at = self._asked.get("at") or None
        self._drawing = asyncio.Lock()

    def draw(self) -> None:
        """Draw the head and the tabs; what the tab holds comes when the browser is there."""
        word = self.desk.word
        style = files("penchant.app.dashboard").joinpath("style.css").read_text(encoding="utf-8")
        ui.add_head_html(f"<style>{style}</style>")
        ui.add_head_html(f"<script>document.documentElement.lang = '{self._language}'</script>")
        ui.dark_mode({"dark": True, "light": False}.get(self._asked.get("theme", "")))
        ui.colors(primary="#0063a0")
        with ui.header().classes("items-center gap-4 px-4 py-2").style("background:#005a92"):
            TextElement(tag="h1", text="penchant").classes("text-xl font-medium")
            ui.space()
            self._settings()
        with ui.element("div").classes("w-full max-w-6xl mx-auto px-2"):
            self._user_picker()
            with ui.tabs().props("dense no-caps inline-label outside-arrows mobile-arrows align=left") as self._tabs:
                for room in ROOMS:
                    ui.tab(room, label=word(room))
            self._tabs.set_value(self.desk.room)
            self._tabs.on_value_change(self._turned)
            ui.separator()
            self._view = ui.column().classes("w-full gap-0 pt-2").props("role=tabpanel tabindex=-1")
        ui.timer(0.01, self._show, once=True)

    def _settings(self) -> None:
        word = self.desk.word
        with ui.row().classes("gap-1 items-center"):
            for code, name in LANGUAGES.items():
                if code != self._language:
                    self._link(name, lang=code)
            dark = self._asked.get("theme") == "dark"
            self._link(word("light" if dark else "dark"), theme="light" if dark else "dark")
            if not self.desk.service.open:
                ui.button(word("leave"), on_click=lambda: ui.navigate.to("/logout")).props(
                    "flat dense no-caps color=white"
                )

    def _link(self, text: str, **change: str) -> None:
        ui.button(text, on_click=lambda: ui.navigate.to(f"/?{self._address(**change)}")).props(
            "flat dense no-caps color=white"
        )

    def _address(self, **change: str) -> str:
        now = {"tab": self.desk.room, "user": self.desk.user_id or "", "at": self.desk.at or "", "lang": self._language}
        kept = {"theme": self._asked.get("theme", "")}
        return urlencode({name: value for name, value in (now | kept | change).items() if value})

    # -- the user that is looked at --------------------------------------------------------------------------------

    def _user_picker(self) -> None:
        word = self.desk.word
        with ui.row().classes("items-center gap-2 w-full py-2"):
            self._name = ui.input(
                word("user"), value=self.desk.user_id or "", placeholder=word("user_hint"), on_change=self._typed
            ).props("dense outlined clearable maxlength=256")
            self._name.on("keydown.enter", lambda: self._choose(self._name.value or ""))
            self._moment = ui.input(word("as_of"), value=self.desk.at or "", placeholder=word("as_of_hint"))
            self._moment.props("dense outlined clearable maxlength=64")
            self._moment.on("keydown.enter", self._travel).on("clear", self._travel)
            self._matches = ui.row().classes("gap-1").props("role=group aria-live=polite")

    async def _travel(self) -> None:
        self.desk.at = (self._moment.value or "").strip() or None
        await self._show()

    async def _typed(self, _: ValueChangeEventArguments[Any]) -> None:
        typed = self._name.value or ""
        found = await self.desk.ask(matching_users, self.desk, typed) if typed != self.desk.user_id else []
        if typed != (self._name.value or ""):
            return  # more was typed meanwhile
        self._matches.clear()
        with self._matches:
            for user_id in found or ():
                self.desk.button("look_at", self._chooser(user_id), of=user_id).text = user_id

    def _chooser(self, user_id: str) -> Callable[[], Awaitable[None]]:
        return lambda: self._choose(user_id)

    async def _choose(self, user_id: str) -> None:
        self.desk.user_id = user_id or None
        self._name.value = user_id
        self._matches.clear()
        if self.desk.room in ("process", "evaluate"):
            self._tabs.value = "profile"  # draws it
        else:
            await self._show()

    # -- what is in view -------------------------------------------------------------------------------------------

    async def _turned(self, event: ValueChangeEventArguments[Any]) -> None:
        self.desk.room = str(event.value)
        await self._show()

    async def _show(self) -> None:
        async with self._drawing:
            room = self.desk.room
            self._view.clear()
            self._view.props(f'aria-label="{self.desk.word(room)}" aria-busy=true')
            with self._view:
                waiting = ui.spinner(size="lg").props(f'aria-label="{self.desk.word("wait")}"')
                await ROOMS[room](self.desk)
                waiting.delete()
            self._view.props("aria-busy=false")
            ui.run_javascript(f"history.replaceState(history.state, '', '?{self._address()}')")


def matching_users(desk: Desk, typed: str) -> list[str]:
    """Return users whose id begins with what was typed, in the order of their ids."""
    if not typed:
        return desk.engine.users(MATCHES)
    # ``users`` begins beyond a name: what was typed may be one itself.
    exact = [typed] if desk.engine.profile(typed, n=1).known else []
    return exact + [one for one in desk.engine.users(MATCHES, after=typed) if one.startswith(typed)]
