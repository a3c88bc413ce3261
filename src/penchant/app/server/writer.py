"""One thread that writes: what waits is taken together, committed once, and each caller is told of its own."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from penchant.app.server.problems import Problem
from penchant.domain.event import Receipt
from penchant.engine import Engine
from penchant.errors import PenchantError

GROUP = 5000
"""Events after which a group is full; more wait for the next one."""
Outcome: TypeAlias = "Receipt | Exception"


@dataclass(slots=True)
class _Waiting:
    events: Sequence[Any]
    future: asyncio.Future[Receipt] = field(repr=False)


class Writer:
    """Hands events of many requests to the engine in groups (group commit).

    A request is answered when its events are in the log and in every state: what was acknowledged is durable, and the
    next read knows it. While a group is written the next one gathers, and goes over as a whole: the thread is woken once
    a group, not once a request, which would cost more than the request.
    """

    def __init__(self, engine: Engine, max_waiting: int) -> None:
        self._engine = engine
        self._max_waiting = max_waiting
        self._queue: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._gathering: deque[_Waiting] = deque()
        self._busy = False  # a group is being written, or is about to go over
        self._idle = asyncio.Event()
        self.waiting = 0
        """Events that are not in the log yet."""

    def start(self) -> None:
        """Begin to write; call it in the loop in which ``ingest`` will be awaited."""
        self._loop = asyncio.get_running_loop()
        self.waiting, self._busy, self._idle = 0, False, asyncio.Event()
        self._idle.set()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Write what waits, then end."""
        await self._idle.wait()
        self._queue.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    async def ingest(self, events: Sequence[Any]) -> Receipt:
        """Return the receipt of events once they are durable.

        Raises:
            Problem: When too many wait already.
            StorageError: When the log cannot be written.
        """
        # An event or a stream of them is always let in when nothing waits, however long it is.
        if self.waiting and self.waiting + len(events) > self._max_waiting:
            detail = f"{self.waiting:,} events wait to be written; nothing of this request was taken; try again"
            raise Problem("busy", detail, {"Retry-After": "1"})
        loop = asyncio.get_running_loop()
        one = _Waiting(events, loop.create_future())
        self.waiting += len(events)
        self._gathering.append(one)
        if not self._busy:
            self._busy = True
            self._idle.clear()
            loop.call_soon(self._hand_over)
        return await one.future

    def _hand_over(self) -> None:
        """Give the thread what has gathered, or let it rest."""
        group, size = [], 0
        while self._gathering and size < GROUP:
            group.append(self._gathering.popleft())
            size += len(group[-1].events)
        if group:
            self._queue.put(group)
        else:
            self._busy = False
            self._idle.set()

    def _run(self) -> None:
        loop = self._loop
        assert loop is not None  # noqa: S101 - start() has set it
        while (group := self._queue.get()) is not None:
            outcomes = self._write(group)
            loop.call_soon_threadsafe(self._settle, group, outcomes)

    def _write(self, group: list[_Waiting]) -> list[Outcome]:
        try:
            return list(self._engine.ingest_each([one.events for one in group]))
        except PenchantError as error:
            return [error] * len(group)
        except Exception as error:  # noqa: BLE001 - a thread that dies would leave every later request waiting
            if len(group) == 1:
                return [error]
            # Whatever is wrong with one of them must not be held against the others.
            return [outcome for one in group for outcome in self._write([one])]

    def _settle(self, group: list[_Waiting], outcomes: list[Outcome]) -> None:
        for one, outcome in zip(group, outcomes, strict=True):
            self.waiting -= len(one.events)
            if one.future.done():  # the client has gone; its events are in the log all the same
                continue
            if isinstance(outcome, Exception):
                one.future.set_exception(outcome)
            else:
                one.future.set_result(outcome)
        # After what else is ready in the loop: answers go out, and the requests that came meanwhile join the group.
        asyncio.get_running_loop().call_soon(self._hand_over)
