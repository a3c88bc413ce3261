"""Named components: each room lists its own as strings, loaded on first use; other packages add entry points.

A room's table reads ``{"tracker": "penchant.interest.tracker:Tracker"}``. A package outside adds to it with an
entry point in the group ``penchant.<room>.<kind>`` (for example ``penchant.recommend.source``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from penchant.errors import UnknownNameError


class Registry(Mapping[str, Any]):
    """A read-only table ``name -> object`` whose values are imported when they are first asked for."""

    def __init__(self, kind: str, group: str, table: Mapping[str, str]) -> None:
        self._kind = kind
        self._group = group
        self._table = dict(table)
        self._outside: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._outside is None:
            self._outside = {
                point.name: point.value for point in entry_points(group=self._group) if point.name not in self._table
            }
        return self._table | self._outside

    def __getitem__(self, name: str) -> Any:
        """Return the object registered under ``name``.

        Raises:
            UnknownNameError: When there is none; the message lists the known names.
        """
        try:
            path = self._table.get(name) or self._all()[name]
        except KeyError:
            raise UnknownNameError(self._kind, name, self._all()) from None
        module, _, attribute = path.partition(":")
        return getattr(import_module(module), attribute)

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def get(self, name: str, default: Any = None) -> Any:
        """Return the object registered under ``name``, ``default`` when there is none."""
        try:
            return self[name]
        except UnknownNameError:
            return default

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())
