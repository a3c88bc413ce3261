"""Work in the background: one task at a time, kept in the log's database, taken up again after a restart."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from penchant.app.server.logs import LOG
from penchant.app.server.problems import Problem, problem_of
from penchant.app.wire import to_json_value
from penchant.clock import from_s, isoformat
from penchant.engine import Engine
from penchant.errors import StorageError

KIND: TypeAlias = Literal["fit", "evaluate", "rebuild"]
MARK = "server.tasks"
KEPT = 50
"""Tasks remembered, the newest."""
ATTEMPTS = 2
"""Times that a task is begun: one that a restart broke off is begun again, once."""


class TaskBody(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Work to be done: fit models, evaluate lists on the log, or fold the whole log again."""

    kind: KIND
    what: Annotated[list[str], msgspec.Meta(max_length=32)] = []
    """For ``fit``: names of models, empty for all that the pipeline uses. For ``evaluate``: item models to compare with
    the sources and the pipeline."""
    max_users: Annotated[int, msgspec.Meta(ge=2, le=1_000_000)] | None = None
    """For ``evaluate``: ask a random sample of users."""
    test: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.1
    """For ``evaluate``: share of the events after the cut in time."""


class Task(msgspec.Struct):
    """A task and how far it is."""

    id: str
    asked: TaskBody
    state: Literal["waiting", "running", "done", "failed"]
    asked_at: str
    attempts: int = 0
    began_at: str | None = None
    ended_at: str | None = None
    progress: str | None = None
    error: str | None = None
    result: dict[str, Any] | None = None


class TaskList(msgspec.Struct):
    """Tasks, the newest first."""

    tasks: list[Task]


class Tasks:
    """A queue with one thread. What is asked is kept before it is acknowledged."""

    def __init__(self, engine: Engine, done: Callable[[], None]) -> None:
        self._engine = engine
        self._done = done
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._all: dict[str, Task] = {}
        self._waiting: deque[str] = deque()

    def start(self) -> None:
        """Take up what an earlier process left, and begin."""
        self._stopping = False
        self._waiting.clear()
        kept = self._engine.log.mark(MARK)
        for task in msgspec.json.decode(kept, type=list[Task]) if kept else ():
            self._all[task.id] = task
            if task.state == "running" and task.attempts >= ATTEMPTS:
                task.state, task.error = "failed", f"the server ended while it ran, {task.attempts} times"
            elif task.state in ("waiting", "running"):
                task.state = "waiting"
                self._waiting.append(task.id)
        self._wake.set()
        self._thread = threading.Thread(target=self._run, name="tasks", daemon=True)
        self._thread.start()

    def stop(self, wait_s: float) -> None:
        """Begin nothing more; what runs is waited for ``wait_s`` seconds, then left to be begun again."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(wait_s)

    @property
    def running(self) -> bool:
        """Return whether the thread is at work, or has not ended yet."""
        return self._thread is not None and self._thread.is_alive()

    def add(self, asked: TaskBody) -> Task:
        """Return a new task, kept in the log's database.

        Raises:
            Problem: When too many wait.
            StorageError: When it cannot be kept.
        """
        task = Task(secrets.token_hex(8), asked, "waiting", self._now())
        with self._lock:
            if len(self._waiting) >= KEPT // 2:
                raise Problem("busy", f"{len(self._waiting)} tasks wait already", {"Retry-After": "60"})
            self._all[task.id] = task
            while len(self._all) > KEPT:
                done = next(one.id for one in self._all.values() if one.state in ("done", "failed"))
                del self._all[done]
            try:
                self._keep()
            except StorageError:
                del self._all[task.id]
                raise
            self._waiting.append(task.id)
        self._wake.set()
        return task

    def every(self) -> list[Task]:
        """Return the tasks, the newest first."""
        with self._lock:
            return list(reversed(self._all.values()))

    def get(self, identity: str) -> Task | None:
        """Return a task."""
        return self._all.get(identity)

    def _now(self) -> str:
        return isoformat(from_s(self._engine.now()))

    def _keep(self) -> None:
        self._engine.log.set_mark(MARK, msgspec.json.encode(list(self._all.values())).decode())

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait()
            self._wake.clear()
            while self._waiting and not self._stopping:
                self._one(self._all[self._waiting.popleft()])

    def _one(self, task: Task) -> None:
        task.state, task.began_at, task.attempts = "running", self._now(), task.attempts + 1
        LOG.info("task", extra={"task": task.id, "action": f"begin {task.asked.kind}"})
        try:
            self._keep_safely()
            task.result = _WORK[task.asked.kind](self._engine, task)
            task.state = "done"
        except Exception as error:  # noqa: BLE001 - the task has failed; the server goes on
            if self._stopping:  # it may have failed because everything was closed: begin it again at the next start
                return
            problem = problem_of(error)
            task.state, task.error = "failed", problem.detail if problem else "the server made a mistake; see its log"
            LOG.warning("a task failed", exc_info=error, extra={"task": task.id})
        task.ended_at, task.progress = self._now(), None
        self._done()
        self._keep_safely()
        LOG.info("task", extra={"task": task.id, "action": f"end {task.asked.kind}: {task.state}"})

    def _keep_safely(self) -> None:
        try:
            with self._lock:
                self._keep()
        except StorageError as error:
            LOG.warning("a task's state could not be kept", exc_info=error)


def _fit(engine: Engine, task: Task) -> dict[str, Any]:
    task.progress = "fitting"
    return _plain(engine.fit(task.asked.what or None))


def _rebuild(engine: Engine, task: Task) -> dict[str, Any]:
    task.progress = "folding the log"
    return {"events": engine.rebuild()}


def _evaluate(engine: Engine, task: Task) -> dict[str, Any]:
    from penchant.loop.evaluating import Evaluation

    def progress(what: str, done: int, total: int | None) -> None:
        task.progress = f"{what}: {done:,} of {total:,}" if total else f"{what}: {done:,}"

    def empty() -> Engine:
        return Engine(engine.settings.model_copy(update={"url": "memory"}))

    evaluation = Evaluation("log", engine.ledger.events(), empty, engine.settings.seed, progress)
    asked = task.asked
    report = evaluation.ranking(test=asked.test, max_users=asked.max_users, models=asked.what)
    return _plain(report)


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = to_json_value(value)
    return plain


_WORK: Mapping[str, Callable[[Engine, Task], dict[str, Any]]] = {
    "fit": _fit,
    "evaluate": _evaluate,
    "rebuild": _rebuild,
}
