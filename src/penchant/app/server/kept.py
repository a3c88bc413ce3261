"""Lists that were made a moment ago, given again until something happens to their user or to the catalogue."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

A_USER = 32
"""Different lists kept of one user."""
SLOTS = 4096
"""Counters of changes; users who share one drop each other's unfinished answers, never a finished one."""


class KeptLists:
    """Answers by user and question.

    The ledger tells of every state that changes: an event of a user drops the user's answers before the event is
    acknowledged, so the next read is made anew. What other users do moves a list only through the popularity of items;
    for that an answer may be ``seconds`` old.
    """

    def __init__(self, users: int, seconds: float, of_users: frozenset[str], clock: Callable[[], float]) -> None:
        self._users = users
        self._seconds = seconds
        self._of_users = of_users
        self._clock = clock
        self._lock = threading.Lock()  # the writer's thread drops, the loop's thread keeps
        self._kept: OrderedDict[str, dict[Any, tuple[float, bytes]]] = OrderedDict()
        self._changes = [0] * SLOTS
        self._all = 0

    @classmethod
    def of(cls, users: int, seconds: float, learners: Mapping[str, Any]) -> KeptLists:
        """Return one for an engine's learners."""
        return cls(users, seconds, frozenset(n for n, one in learners.items() if one.scope == "user"), time.monotonic)

    def watch(self, learner: str, changed: Mapping[str, Any]) -> None:
        """Take note of states that changed; see ``Ledger.watchers``."""
        if learner in self._of_users:
            for user_id in changed:
                self.drop(user_id)
        elif learner in ("", "catalog", "topic_catalog"):
            self.clear()

    def drop(self, user_id: str) -> None:
        """Forget the lists of a user."""
        with self._lock:
            self._changes[hash(user_id) % SLOTS] += 1
            self._kept.pop(user_id, None)

    def clear(self) -> None:
        """Forget every list."""
        with self._lock:
            self._all += 1
            self._kept.clear()

    def get(self, user_id: str, question: Any) -> bytes | None:
        """Return the answer that was kept, None when there is none that may be given again."""
        found = self._kept.get(user_id, {}).get(question)
        if found is None or found[0] < self._clock():
            return None
        return found[1]

    def begin(self, user_id: str) -> tuple[int, int]:
        """Note that an answer is being made; what happens from here on keeps it from being kept."""
        return self._all, self._changes[hash(user_id) % SLOTS]

    def put(self, user_id: str, question: Any, answer: bytes, begun: tuple[int, int]) -> None:
        """Keep an answer, unless something happened since ``begin``."""
        with self._lock:
            if not self._users or begun != self.begin(user_id):
                return
            mine = self._kept.setdefault(user_id, {})
            if len(mine) >= A_USER:
                mine.clear()
            mine[question] = (self._clock() + self._seconds, answer)
            self._kept.move_to_end(user_id)
            if len(self._kept) > self._users:
                self._kept.popitem(last=False)
