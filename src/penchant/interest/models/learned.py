"""What models keep: a frozen record of arrays and plain values that is saved as bytes and taken back whole or not at all."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Generic, TypeVar

from penchant.domain.packing import pack, unpack
from penchant.errors import FormatError, NotFittedError

L = TypeVar("L")


class KeepsLearned(Generic[L]):
    """The part of an item model that is the same in all: whether it is fitted, and its way to bytes and back.

    A model names the dataclass of what it learns in ``_kind`` and counts ``_format`` up when that changes.
    """

    name: str
    _kind: type[L]
    _format = 1
    _learned: L | None = None

    @property
    def fitted(self) -> bool:
        """Return whether ``fit`` or ``decode`` has happened."""
        return self._learned is not None

    @property
    def learned(self) -> L:
        """Return what was learned.

        Raises:
            NotFittedError: When nothing was.
        """
        if self._learned is None:
            raise NotFittedError(f"{self.name} was asked before it was fitted; fit it first")
        return self._learned

    def encode(self) -> bytes:
        """Return what was learned as bytes; ``NotFittedError`` when nothing was."""
        learned: Any = self.learned
        kept = {field.name: getattr(learned, field.name) for field in fields(learned)}
        return pack(self._format, {"model": self.name, "learned": kept})

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` of the same model wrote; ``FormatError`` when damaged, and then nothing changes."""
        kind: Any = self._kind
        wanted = {field.name for field in fields(kind)}
        found = unpack(data, self._format)
        model, kept = found.get("model"), found.get("learned")
        if model != self.name or not isinstance(kept, dict) or set(kept) != wanted:
            raise FormatError(f"bytes of {model!r} given; {self.name!r} reads its own only; fit it again")
        self._learned = kind(**kept)
