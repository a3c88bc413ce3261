"""Pages in this process without a browser, and a real Chromium."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from penchant import Engine
from penchant.app.server.config import ServerConfig
from penchant.app.server.keys import KeyStore
from penchant.app.server.service import Service
from penchant.testing import toy_log

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of packages that NiceGUI imports
    from nicegui.testing import User, user_simulation

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
)


class Simulated:
    """Opens the page in this process: what a person sees and clicks, without a browser."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def run(self, query: str, script: Callable[[User, Service], Awaitable[None]]) -> None:
        """Open the page with a query and run a script on it."""
        asyncio.run(self._run(query, script))

    async def _run(self, query: str, script: Callable[[User, Service], Awaitable[None]]) -> None:
        from penchant.app.dashboard.door import Sessions
        from penchant.app.dashboard.page import register

        await self.service.start()
        ours = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "penchant"}
        try:
            async with user_simulation() as user:
                register(self.service, Sessions(self.service))
                await user.open(f"/?{query}")
                await script(user, self.service)
        finally:
            # The simulation forgets the modules of its pages and all above them; other tests hold on to their objects.
            sys.modules.update(ours)
            await self.service.stop()


@pytest.fixture
def page(toy_engine: Engine, tmp_path: Path) -> Simulated:
    """The dashboard on the toy log."""
    config = ServerConfig(keys=tmp_path / "keys.json", warm_up=False)
    return Simulated(Service(toy_engine, config))


class Served:
    """``penchant serve --dashboard`` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.keys = KeyStore(folder / "keys.json")
        command = [sys.executable, "-c", "from penchant.app.cli import main; main()", "serve", "--dashboard"]
        command += ["--db", f"sqlite:///{folder / 'log.db'}", "--port", "0", "--keys", str(self.keys.path)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own program
        assert self._process.stderr is not None
        self.address = self._process.stderr.readline().split()[0]
        self._reader = threading.Thread(target=self._process.stderr.read)
        self._reader.start()
        for _ in range(600):
            with suppress(httpx2.HTTPError):
                if httpx2.get(f"{self.address}/health/live").status_code == 200:
                    return
            time.sleep(0.1)
        pytest.fail("the server did not come up")

    def stop(self) -> int:
        """Tell it to stop; return its exit code."""
        self._process.terminate()
        code = self._process.wait(30)
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        return code


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts the server on a log of this kind: the toy log until now."""
    started: list[Served] = []

    def start(*roles: str) -> tuple[Served, list[str]]:
        toy = toy_log(begins=datetime.now(UTC) - timedelta(days=121))
        with Engine.open(f"sqlite:///{tmp_path / 'log.db'}") as engine:
            engine.ingest(toy.events)
        keys = [KeyStore(tmp_path / "keys.json").add([role])[1] for role in roles]
        started.append(Served(tmp_path))
        return started[-1], keys

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is; in CI it is installed when it is not there."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None and os.environ.get("PENCHANT_CI") == "1" and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-q"], check=True)  # noqa: S607
        subprocess.run(["apt-get", "install", "-q", "-y", "chromium"], check=True)  # noqa: S607
        found = shutil.which("chromium")
    if found is None:
        if os.environ.get("PENCHANT_CI") == "1":
            pytest.fail("no Chromium; install the package chromium")
        pytest.skip("no Chromium on this machine")
    return found


@pytest.fixture
def browser(chromium: str) -> Iterator[Any]:
    """A headless Chromium that reaches nothing but this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=chromium, args=QUIET.split())
        yield one
        one.close()
