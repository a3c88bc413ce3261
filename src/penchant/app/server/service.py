"""What all requests of one server share."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ParamSpec, TypeVar

from starlette.requests import Request

from penchant.app.server.answers import Health
from penchant.app.server.config import ServerConfig
from penchant.app.server.kept import KeptLists
from penchant.app.server.keys import KeyStore
from penchant.app.server.limits import RateLimit
from penchant.app.server.meter import Meter
from penchant.app.server.tasks import Tasks
from penchant.app.server.writer import Writer
from penchant.clock import from_s
from penchant.engine import Engine
from penchant.errors import StorageError

TASK_S = 5.0
"""Seconds that a running task has to end when the server stops; a longer one is begun again at the next start."""
P = ParamSpec("P")
R = TypeVar("R")
WRONG_KEYS = 10.0
WRONG_KEYS_PER_S = 0.2
"""How often an address may give a wrong key: so many at first, then one in five seconds."""


class Service:
    """An engine with everything that stands between it and HTTP."""

    def __init__(self, engine: Engine, config: ServerConfig) -> None:
        self.engine = engine
        self.config = config
        self.keys = KeyStore(config.keys)
        self._ids, self._number = secrets.token_hex(4), itertools.count(secrets.randbits(32))
        self._open = config.local and not self.keys.every()
        self.rate = RateLimit(config.rate_per_s)
        self.wrong_keys = RateLimit(WRONG_KEYS_PER_S, WRONG_KEYS)
        self.verifying = asyncio.Lock()
        self.writer = Writer(engine, config.queue_events)
        self.kept = KeptLists.of(config.cache_users, config.cache_s, engine.ledger.learners)
        self.tasks = Tasks(engine, self.kept.clear)
        self.meter = Meter()
        self.meter.watch("penchant_waiting_events", "Events not written yet.", lambda: self.writer.waiting)
        self.meter.watch("penchant_items", "Items ever named.", lambda: len(engine.ledger.items))
        self.meter.watch("penchant_topics", "Topics ever named.", lambda: len(engine.ledger.topics))
        self._pool: ThreadPoolExecutor | None = None

    def new_id(self) -> str:
        """Return an id that no other request has, 16 hexadecimal digits; cheaper than 8 random bytes each time."""
        return f"{self._ids}{next(self._number) & 0xFFFFFFFF:08x}"

    @property
    def open(self) -> bool:
        """Return whether no key is needed: on loopback, until the first key is made; never again after that."""
        if self._open and self.keys.every():
            self._open = False
        return self._open

    async def work(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what a function gives that takes a while, from another thread."""
        call = (lambda: function(*args, **kwargs)) if kwargs else function
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, *(() if kwargs else args))

    async def ready(self) -> Health:
        """Return whether events can be taken and questions answered."""
        if self.writer.waiting >= self.config.queue_events:
            return Health(False, "too many events wait to be written")
        try:
            await self.work(self.engine.log.tail)
        except StorageError:
            return Health(False, "the event log cannot be reached")
        return Health(True)

    async def start(self) -> None:
        """Begin, once nobody has to wait for what is compiled or loaded at first use."""
        self.verifying = asyncio.Lock()  # of the loop that runs now
        self._pool = ThreadPoolExecutor(self.config.threads, thread_name_prefix="answer")
        self.engine.ledger.watchers.append(self.kept.watch)
        self.writer.start()
        self.tasks.start()
        if self.config.warm_up:
            await self.work(self._warm_up)

    def _warm_up(self) -> None:
        """Do everything once with an engine that is thrown away: what is loaded and compiled at first use is there then."""
        settings = self.engine.settings.model_copy(update={"url": "memory"})
        at = {"at": from_s(self.engine.now())}
        with Engine(settings) as scratch:
            scratch.ingest({"type": "item", "item_id": "t", "topics": ["t"], **at})
            scratch.ingest([{"type": "view", "user_id": f"u{i}", "item_id": "t", **at} for i in range(600)])
            scratch.recommend("u0")
            scratch.profile("u0")
        with suppress(StorageError):  # the log may be back when somebody asks
            self.engine.recommend("", 1)

    async def stop(self) -> None:
        """Write what waits and let go of threads; the engine stays open."""
        await self.writer.stop()
        await asyncio.to_thread(self.tasks.stop, TASK_S)
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        self.engine.ledger.watchers.remove(self.kept.watch)
        self.kept.clear()


def service_of(request: Request) -> Service:
    """Return the service that a request has come to."""
    service: Service = request.app.state.service
    return service
