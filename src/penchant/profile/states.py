"""States in memory, checkpointed a few at a time with the log position they reflect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from heapq import nsmallest
from itertools import islice
from typing import Any, Protocol

from penchant.domain.learner import Learner
from penchant.domain.vocabulary import Vocabulary
from penchant.storage.database import Database


class Checkpoint(Protocol):
    """Where states go so that a restart need not fold the whole log again."""

    def load(self, learner: str, key: str) -> tuple[int, bytes] | None:
        """Return ``(log position, bytes)`` of a state."""
        ...

    def load_all(self, learner: str) -> Iterator[tuple[str, int, bytes]]:
        """Yield ``(key, log position, bytes)`` of every state of a learner."""
        ...

    def keys(self, learner: str, after: str, n: int) -> list[str]:
        """Return the first ``n`` keys of a learner's states beyond ``after``, in order."""
        ...

    def save(self, states: Iterable[tuple[str, str, int, bytes]], position: int) -> None:
        """Keep states as ``(learner, key, log position, bytes)``, and up to where nothing is missing."""
        ...

    def position(self) -> int:
        """Return up to which log position every state is kept."""
        ...

    def drop(self, learner: str, key: str | None) -> None:
        """Remove a state, or every state of a learner."""
        ...

    def vocabulary(self, kind: str) -> list[str]:
        """Return the ids of a vocabulary in the order of their numbers."""
        ...

    def save_vocabulary(self, kind: str, first: int, ids: list[str]) -> None:
        """Keep ids whose numbers start at ``first``."""
        ...

    def rename(self, kind: str, number: int, name: str) -> None:
        """Give a number of a vocabulary another name."""
        ...


class SqlCheckpoint:
    """States in the table ``state``. An older state never overwrites a newer one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bind = database.bind

    def load(self, learner: str, key: str) -> tuple[int, bytes] | None:
        """Return a state; see ``Checkpoint``."""
        sql = f"SELECT position, data FROM state WHERE learner = {self._bind} AND key = {self._bind}"  # noqa: S608
        found = self._database.fetch(sql, (learner, key))
        return (int(found[0][0]), bytes(found[0][1])) if found else None

    def load_all(self, learner: str) -> Iterator[tuple[str, int, bytes]]:
        """Yield every state of a learner; see ``Checkpoint``."""
        sql = f"SELECT key, position, data FROM state WHERE learner = {self._bind}"  # noqa: S608
        for key, position, data in self._database.fetch(sql, (learner,)):
            yield key, int(position), bytes(data)

    def keys(self, learner: str, after: str, n: int) -> list[str]:
        """Return keys beyond a key; see ``Checkpoint``."""
        binary = "key" if self._database.sqlite else 'key COLLATE "C"'  # by code points, as Python compares
        sql = (
            f"SELECT key FROM state WHERE learner = {self._bind} AND {binary} > {self._bind} "  # noqa: S608
            f"ORDER BY {binary} LIMIT {self._bind}"
        )
        return [row[0] for row in self._database.fetch(sql, (learner, after, n))]

    def save(self, states: Iterable[tuple[str, str, int, bytes]], position: int) -> None:
        """Keep states; see ``Checkpoint``."""
        rows = list(states)
        with self._database.transaction() as connection:
            if rows:
                binds = ", ".join([self._bind] * 4)
                connection.exec_driver_sql(
                    f"INSERT INTO state (learner, key, position, data) VALUES ({binds}) "  # noqa: S608
                    "ON CONFLICT (learner, key) DO UPDATE SET position = excluded.position, data = excluded.data "
                    "WHERE excluded.position >= state.position",
                    rows,
                )
            self._mark(connection, "states", str(position))

    def _mark(self, connection: Any, name: str, value: str) -> None:
        connection.exec_driver_sql(
            f"INSERT INTO mark (name, value) VALUES ({self._bind}, {self._bind}) "  # noqa: S608
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def position(self) -> int:
        """Return up to where nothing is missing; see ``Checkpoint``."""
        found = self._database.fetch("SELECT value FROM mark WHERE name = 'states'")
        return int(found[0][0]) if found else 0

    def drop(self, learner: str, key: str | None) -> None:
        """Remove states; see ``Checkpoint``."""
        with self._database.transaction() as connection:
            if key is None:
                connection.exec_driver_sql(f"DELETE FROM state WHERE learner = {self._bind}", (learner,))  # noqa: S608
            else:
                sql = f"DELETE FROM state WHERE learner = {self._bind} AND key = {self._bind}"  # noqa: S608
                connection.exec_driver_sql(sql, (learner, key))

    def vocabulary(self, kind: str) -> list[str]:
        """Return a vocabulary; see ``Checkpoint``."""
        sql = f"SELECT name FROM vocabulary WHERE kind = {self._bind} ORDER BY number"  # noqa: S608
        return [row[0] for row in self._database.fetch(sql, (kind,))]

    def save_vocabulary(self, kind: str, first: int, ids: list[str]) -> None:
        """Keep new ids; see ``Checkpoint``."""
        if not ids:
            return
        binds = ", ".join([self._bind] * 3)
        with self._database.transaction() as connection:
            connection.exec_driver_sql(
                f"INSERT INTO vocabulary (kind, number, name) VALUES ({binds}) ON CONFLICT DO NOTHING",  # noqa: S608
                [(kind, first + i, name) for i, name in enumerate(ids)],
            )

    def rename(self, kind: str, number: int, name: str) -> None:
        """Give a number another name; see ``Checkpoint``."""
        bind = self._bind
        with self._database.transaction() as connection:
            connection.exec_driver_sql(
                f"UPDATE vocabulary SET name = {bind} WHERE kind = {bind} AND number = {bind}",  # noqa: S608
                (name, kind, number),
            )


class States:
    """The states of all learners by (learner, key), with the log position that each reflects.

    They live in memory and come in from the checkpoint when first asked for. ``flush`` writes the states that have been
    waiting longest, a bounded number a call, so that no event pays for many.
    """

    def __init__(
        self,
        learners: Mapping[str, Learner[Any]],
        checkpoint: Checkpoint | None,
        vocabularies: Mapping[str, Vocabulary],
    ) -> None:
        self._learners = learners
        self._checkpoint = checkpoint
        self._vocabularies = vocabularies
        self._saved = {kind: len(vocabulary) for kind, vocabulary in vocabularies.items()}
        self._states: dict[str, dict[str, Any]] = {name: {} for name in learners}
        self._positions: dict[str, dict[str, int]] = {name: {} for name in learners}
        # A checkpoint that reflects nothing holds nothing: no need to look for each key.
        nothing_kept = checkpoint is None or checkpoint.position() == 0
        self._complete: set[str] = set(learners) if nothing_kept else set()
        self._waiting: dict[tuple[str, str], int] = {}  # (learner, key) -> first event not yet kept; oldest first

    def get(self, learner: str, key: str) -> Any | None:
        """Return a state, None when no event ever touched it."""
        known = self._states[learner].get(key)
        if known is None and learner not in self._complete and self._checkpoint is not None:
            found = self._checkpoint.load(learner, key)
            if found is not None:
                # Readers come here too: what a writer has put meanwhile is newer and stays.
                self._positions[learner].setdefault(key, found[0])
                known = self._states[learner].setdefault(key, self._learners[learner].decode(found[1]))
        return known

    def position(self, learner: str, key: str) -> int:
        """Return the log position that a state reflects, 0 when there is none."""
        self.get(learner, key)
        return self._positions[learner].get(key, 0)

    def keys(self, learner: str, after: str, n: int) -> list[str]:
        """Return the first ``n`` keys beyond ``after``, in order; the states stay where they are."""
        here = nsmallest(n, (key for key in list(self._states[learner]) if key > after))
        if learner in self._complete or self._checkpoint is None:
            return here
        return sorted({*here, *self._checkpoint.keys(learner, after, n)})[:n]

    def every(self, learner: str) -> Mapping[str, Any]:
        """Return all states of a learner by key."""
        if learner not in self._complete and self._checkpoint is not None:
            decode = self._learners[learner].decode
            for key, position, data in self._checkpoint.load_all(learner):
                if key not in self._states[learner]:
                    self._positions[learner][key] = position
                    self._states[learner][key] = decode(data)
            self._complete.add(learner)
        return self._states[learner]

    def put(self, learner: str, states: Mapping[str, Any], first: int, last: int) -> None:
        """Take new states that reflect the log up to ``last``; the oldest news in them is event ``first``."""
        self._states[learner].update(states)
        positions = self._positions[learner]
        for key in states:
            positions[key] = last
            if self._checkpoint is not None:
                self._waiting.setdefault((learner, key), first)

    @property
    def waiting(self) -> int:
        """Return how many states have news that the checkpoint lacks."""
        return len(self._waiting)

    def flush(self, limit: int | None = None, upto: int = 0) -> None:
        """Write states to the checkpoint, those waiting longest first.

        Args:
            limit: At most this many; None for all.
            upto: Log position that the states reflect altogether.
        """
        if self._checkpoint is None:
            return
        chosen = list(islice(self._waiting, limit))
        for kind, vocabulary in self._vocabularies.items():
            # Numbers in states mean nothing without their names: names first, in the same transaction.
            self._checkpoint.save_vocabulary(kind, self._saved[kind], vocabulary.ids[self._saved[kind] :])
        # Keys wait in the order of their first news: the next one says up to where nothing is missing.
        next_one = next(islice(self._waiting.values(), len(chosen), None), None)
        kept = upto if next_one is None else next_one - 1
        self._checkpoint.save(
            (
                (name, key, self._positions[name][key], self._learners[name].encode(self._states[name][key]))
                for name, key in chosen
            ),
            kept,
        )

    def flushed(self, limit: int | None = None) -> None:
        """Note that the last ``flush`` with this limit was committed."""
        for key in list(islice(self._waiting, limit)):
            del self._waiting[key]
        self._saved = {kind: len(vocabulary) for kind, vocabulary in self._vocabularies.items()}

    def rename(self, kind: str, number: int, name: str) -> None:
        """Give a number of a vocabulary another name in the checkpoint."""
        if self._checkpoint is not None:
            self._checkpoint.rename(kind, number, name)

    def drop(self, learner: str, key: str | None = None) -> None:
        """Remove a state, or all of a learner, here and in the checkpoint."""
        if key is None:
            self._states[learner].clear()
            self._positions[learner].clear()
            self._complete.add(learner)
            self._waiting = {at: first for at, first in self._waiting.items() if at[0] != learner}
        else:
            self.lose(learner, key)
        if self._checkpoint is not None:
            self._checkpoint.drop(learner, key)

    def lose(self, learner: str, key: str) -> None:
        """Remove a state here; the checkpoint keeps what it has."""
        self._states[learner].pop(key, None)
        self._positions[learner].pop(key, None)
        self._waiting.pop((learner, key), None)

    def as_bytes(self) -> dict[tuple[str, str], bytes]:
        """Return every state as bytes by (learner, key): what "the same states" means."""
        return {
            (name, key): learner.encode(state)
            for name, learner in self._learners.items()
            for key, state in sorted(self.every(name).items())
        }
