"""Fitted models by name, with the log position that they have seen."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from penchant.errors import FormatError, StorageError
from penchant.storage.database import Database

T = TypeVar("T")


class ModelShelf:
    """Keeps models in the table ``model``, in a folder, or in memory. A write replaces the model whole."""

    def __init__(self, database: Database | None, folder: Path | None = None) -> None:
        self._database = database
        self._folder = folder
        self._memory: dict[str, tuple[int, bytes]] = {}

    def load(self, name: str) -> tuple[int, bytes] | None:
        """Return ``(log position, bytes)``, None when there is no such model."""
        if self._folder is not None:
            return self._read(self._folder / f"{name}.model")
        if self._database is None:
            return self._memory.get(name)
        sql = f"SELECT position, data FROM model WHERE name = {self._database.bind}"  # noqa: S608
        found = self._database.fetch(sql, (name,))
        return (int(found[0][0]), bytes(found[0][1])) if found else None

    def restore(self, name: str, decode: Callable[[bytes], T]) -> T | None:
        """Return a model as ``decode`` reads it, None when there is none.

        A damaged one is reported as a warning and left out: the log is whole, and ``fit`` makes a new one.
        """
        saved = self.load(name)
        if saved is None:
            return None
        try:
            return decode(saved[1])
        except FormatError as error:
            warnings.warn(f"the saved model {name!r} cannot be read ({error}); run fit again", stacklevel=2)
            return None

    def save(self, name: str, position: int, fitted_us: int, data: bytes) -> None:
        """Keep a model.

        Args:
            name: Its name.
            position: Up to which log position it has seen the events.
            fitted_us: When it was fitted, microseconds since 1970.
            data: What it encodes to.
        """
        if self._folder is not None:
            self._write(self._folder / f"{name}.model", position, data)
            return
        if self._database is None:
            self._memory[name] = (position, data)
            return
        binds = ", ".join([self._database.bind] * 4)
        with self._database.transaction() as connection:
            connection.exec_driver_sql(
                f"INSERT INTO model (name, position, fitted_us, data) VALUES ({binds}) "  # noqa: S608
                "ON CONFLICT (name) DO UPDATE SET position = excluded.position, fitted_us = excluded.fitted_us, "
                "data = excluded.data",
                (name, position, fitted_us, data),
            )

    def names(self, start: str) -> list[str]:
        """Return the names of the models whose name begins with ``start``, in order."""
        if self._folder is not None:
            found = [path.stem for path in self._folder.glob("*.model")] if self._folder.is_dir() else []
        elif self._database is None:
            found = list(self._memory)
        else:
            found = [str(row[0]) for row in self._database.fetch("SELECT name FROM model")]
        return sorted(name for name in found if name.startswith(start))

    def drop(self, name: str) -> None:
        """Remove a model, if it is there."""
        if self._folder is not None:
            (self._folder / f"{name}.model").unlink(missing_ok=True)
        elif self._database is None:
            self._memory.pop(name, None)
        else:
            with self._database.transaction() as connection:
                sql = f"DELETE FROM model WHERE name = {self._database.bind}"  # noqa: S608
                connection.exec_driver_sql(sql, (name,))

    @staticmethod
    def _read(path: Path) -> tuple[int, bytes] | None:
        if not path.exists():
            return None
        head, _, data = path.read_bytes().partition(b"\n")
        if not head.isdigit():
            raise StorageError(f"{path} is no saved model; remove it and run fit again")
        return int(head), data

    @staticmethod
    def _write(path: Path, position: int, data: bytes) -> None:
        partial = path.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                file.write(b"%d\n" % position + data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error}") from error
