"""Fitted models by name, with the log position that they have seen."""

from __future__ import annotations

from penchant.storage.database import Database


class ModelShelf:
    """Keeps models in the table ``model``, in memory where there is no database. A write replaces the model whole."""

    def __init__(self, database: Database | None) -> None:
        self._database = database
        self._memory: dict[str, tuple[int, bytes]] = {}

    def load(self, name: str) -> tuple[int, bytes] | None:
        """Return ``(log position, bytes)``, None when there is no such model."""
        if self._database is None:
            return self._memory.get(name)
        sql = f"SELECT position, data FROM model WHERE name = {self._database.bind}"  # noqa: S608
        found = self._database.fetch(sql, (name,))
        return (int(found[0][0]), bytes(found[0][1])) if found else None

    def save(self, name: str, position: int, fitted_us: int, data: bytes) -> None:
        """Keep a model.

        Args:
            name: Its name.
            position: Up to which log position it has seen the events.
            fitted_us: When it was fitted, microseconds since 1970.
            data: What it encodes to.
        """
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
