"""The catalogue's attributes as columns: which item has which of the values of an attribute."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from penchant.domain.filters import Condition, Value
from penchant.domain.item import Item
from penchant.math.arrays import BoolArray, FloatArray, IntArray

MASKS = 128
"""Answers kept of a column's latest tests."""


class Column:
    """One attribute of all items. Its values are kept once; an item has any number of them.

    Attributes:
        owner: Item number of each entry, shape ``(m,)``.
        code: Which value, shape ``(m,)``.
    """

    def __init__(self, value_of: Callable[[Item], Any]) -> None:
        self._value_of = value_of
        self.owner: IntArray = np.empty(0, np.int64)
        self.code: IntArray = np.empty(0, np.int64)
        self._codes: dict[tuple[bool, Value], int] = {}  # true is not 1
        self._values: list[Value] = []
        self._number: FloatArray = np.empty(0)  # of each value; NaN for texts, true and false
        self._masks: dict[tuple[Any, int], BoolArray] = {}

    def put(self, items: Mapping[int, Item]) -> None:
        """Take items as they are now."""
        known = ~np.isin(self.owner, np.fromiter(items, np.int64, len(items)))
        owner, code = [], []
        for number, item in items.items():
            for value in _plain(self._value_of(item)):
                owner.append(number)
                code.append(self._code(value))
        self.owner = np.concatenate([self.owner[known], np.array(owner, dtype=np.int64)])
        self.code = np.concatenate([self.code[known], np.array(code, dtype=np.int64)])
        more = self._values[self._number.size :]
        numbers = [np.nan if isinstance(value, str | bool) else value for value in more]
        self._number = np.concatenate([self._number, np.array(numbers, dtype=np.float64)])
        self._masks.clear()

    def _code(self, value: Value) -> int:
        key = (isinstance(value, bool), value)
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = len(self._values)
            self._values.append(value)
        return code

    @property
    def n_values(self) -> int:
        """Return how many values there are."""
        return len(self._values)

    def mask(self, test: Condition, size: int) -> BoolArray:
        """Return of which items a test is true, shape ``(size,)``; not to be written to."""
        asked = ((test.operator, tuple((type(value), value) for value in test.values)), size)
        mask = self._masks.get(asked)
        if mask is None:
            mask = np.zeros(size, dtype=np.bool_)
            owner = self.owner[self._true_of(test)[self.code]]
            mask[owner[owner < size]] = True
            mask.setflags(write=False)
            if len(self._masks) >= MASKS:
                self._masks.clear()
            self._masks[asked] = mask
        return mask

    def _true_of(self, test: Condition) -> BoolArray:
        """Return of which values a test is true, shape ``(values,)``."""
        true = np.zeros(len(self._values), dtype=np.bool_)
        if test.operator == "known":
            true[:] = True
        elif test.operator in ("=", "in"):
            codes = [self._codes.get((isinstance(value, bool), value)) for value in test.values]
            true[[code for code in codes if code is not None]] = True
        elif isinstance(limit := test.values[0], str):
            compare = _TEXT[test.operator]
            true[:] = [isinstance(value, str) and compare(value, limit) for value in self._values]
        else:
            true[:] = _NUMBER[test.operator](self._number, limit)
        return true


class Columns:
    """The columns of a catalogue, each built when it is first asked for and kept up with what changes."""

    def __init__(self, item: Callable[[int], Item | None], numbers: Callable[[], Iterable[int]]) -> None:
        """Take how to get an item by its number, and the numbers of all items."""
        self._item = item
        self._numbers = numbers
        self._columns: dict[str, tuple[Column, int]] = {}  # and how much of what changed it knows
        self._changed: list[int] = []
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Forget every column."""
        with self._lock:
            self._columns.clear()
            self._changed.clear()

    def changed(self, numbers: Iterable[int]) -> None:
        """Take note of items that changed."""
        with self._lock:
            if self._columns:
                self._changed.extend(numbers)

    def column(self, name: str) -> Column:
        """Return the column of an attribute, or of ``title``, up to date; empty when no item has it."""
        with self._lock:
            known = self._columns.get(name)
            if known is None:
                known = (Column(_title if name == "title" else lambda item: item.attributes.get(name)), -1)
            column, upto = known
            if upto != len(self._changed):
                numbers = list(self._numbers()) if upto < 0 else set(self._changed[upto:])
                column.put({number: item for number in numbers if (item := self._item(number)) is not None})
            self._columns[name] = (column, len(self._changed))
            return column

    def names(self) -> set[str]:
        """Return the names of all attributes that an item has."""
        items = (self._item(number) for number in list(self._numbers()))
        return {name for item in items if item is not None for name in item.attributes}


def _title(item: Item) -> str | None:
    return item.title


def _plain(value: Any) -> list[Value]:
    """Return the values that can be tested: texts, numbers, true and false, and those in a list."""
    if isinstance(value, list | tuple):
        return [plain for one in value if not isinstance(one, list | tuple) for plain in _plain(one)]
    if isinstance(value, str | bool):
        return [value]
    return [float(value)] if isinstance(value, int | float) else []


_NUMBER: dict[str, Callable[[FloatArray, Any], BoolArray]] = {
    "<": lambda values, limit: values < limit,
    "<=": lambda values, limit: values <= limit,
    ">": lambda values, limit: values > limit,
    ">=": lambda values, limit: values >= limit,
}
_TEXT: dict[str, Callable[[str, str], bool]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "contains": lambda value, part: part.lower() in value.lower(),
}
