"""Text ids outside, int32 row numbers inside: only the vocabulary translates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from penchant.math.arrays import Int32Array


class Vocabulary:
    """An append-only list of ids; the number of an id is its place in the order of first appearance.

    >>> v = Vocabulary(["tea"])
    >>> v.add("milk"), v.add("tea"), v.number("salt"), v.ids[1]
    (1, 0, -1, 'milk')
    """

    __slots__ = ("_numbers", "ids")

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self.ids: list[str] = []
        self._numbers: dict[str, int] = {}
        for name in ids:
            self.add(name)

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, name: str) -> bool:
        return name in self._numbers

    def number(self, name: str) -> int:
        """Return the number of ``name``, or -1 when it was never seen."""
        return self._numbers.get(name, -1)

    def numbers(self, names: Sequence[str]) -> Int32Array:
        """Return the numbers of ``names``, -1 for the unknown, shape ``(len(names),)``."""
        get = self._numbers.get
        return np.fromiter((get(name, -1) for name in names), dtype=np.int32, count=len(names))

    def rename(self, number: int, name: str) -> None:
        """Give a number another name; the old one is unknown from then on."""
        del self._numbers[self.ids[number]]
        self.ids[number] = name
        self._numbers[name] = number

    def add(self, name: str) -> int:
        """Return the number of ``name``, giving it the next one when it is new."""
        number = self._numbers.get(name)
        if number is None:
            number = len(self.ids)
            self._numbers[name] = number
            self.ids.append(name)
        return number
