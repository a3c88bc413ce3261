"""Which items a filter holds of: the whole catalogue at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import sparse

from penchant.clock import DAY_S
from penchant.domain.filters import Condition, Every, Filter, Not, Value, conditions, parse
from penchant.domain.item import Item
from penchant.domain.vocabulary import Vocabulary
from penchant.errors import ConfigError, UnknownNameError
from penchant.math.arrays import BoolArray, FloatArray, Int32Array
from penchant.recommend.columns import Column, Columns

WORDS = ("topic", "item", "title", "age_days")
"""Names that mean something in every filter; an attribute of the same name is hidden by it."""


_parsed = lru_cache(256)(parse)


@dataclass(frozen=True, slots=True)
class CatalogView:
    """The catalogue as filters see it at a moment.

    Attributes:
        columns: Its attributes.
        items: Item vocabulary.
        topics: Topic vocabulary.
        item_topics: Which item is about which topic, CSR of shape ``(I, T)``.
        parents: The topic above each, -1 for none, shape ``(T,)``.
        since: When each item became known, seconds since 1970, ``-inf`` without an item event, shape ``(I,)``.
        at: The moment, seconds since 1970.
    """

    columns: Columns
    items: Vocabulary
    topics: Vocabulary
    item_topics: sparse.csr_array
    parents: Int32Array
    since: FloatArray
    at: float

    def holds(self, text: str) -> BoolArray:
        """Return of which items a filter holds, shape ``(I,)``."""
        return self._holds(_parsed(text))

    def _holds(self, found: Filter) -> BoolArray:
        if isinstance(found, Condition):
            return self._test(found)
        if isinstance(found, Not):
            return ~self._holds(found.part)
        answer = self._holds(found.parts[0]).copy()
        for part in found.parts[1:]:
            if isinstance(found, Every):
                answer &= self._holds(part)
            else:
                answer |= self._holds(part)
        return answer

    def _test(self, test: Condition) -> BoolArray:
        if test.name == "topic":
            return self._about(test)
        if test.name == "item":
            return self._is(test)
        if test.name == "age_days":
            return self._aged(test)
        return self.columns.column(test.name).mask(test, self.since.size)

    def _about(self, test: Condition) -> BoolArray:
        """Return the items about a topic, or about one that lies under it."""
        if test.operator == "known":
            return np.asarray(np.diff(self.item_topics.indptr) > 0)
        if test.operator not in ("=", "in"):
            raise ConfigError(f"a topic is = or in what is given, or is known; not {test.operator}")
        meant = np.zeros(self.item_topics.shape[1], dtype=np.bool_)
        number = self._numbers(self.topics, test.values)
        meant[number[number < meant.size]] = True
        parents = self.parents[: meant.size]
        under = parents >= 0
        while True:
            more = meant.copy()
            more[under] |= meant[parents[under]]
            if (more == meant).all():
                break
            meant = more
        about: BoolArray = (self.item_topics @ meant.astype(np.float64)) > 0
        return about

    def _is(self, test: Condition) -> BoolArray:
        answer = np.zeros(self.since.size, dtype=np.bool_)
        if test.operator == "known":
            return np.isfinite(self.since)
        if test.operator in ("=", "in"):
            number = self._numbers(self.items, test.values)
            answer[number[number < answer.size]] = True
            return answer
        column = Column(lambda item: item.item_id)  # rare: a comparison of ids is worked out anew
        column.put({number: Item(name) for number, name in enumerate(self.items.ids[: answer.size])})
        return column.mask(test, answer.size)

    @staticmethod
    def _numbers(vocabulary: Vocabulary, values: tuple[Value, ...]) -> Int32Array:
        number = vocabulary.numbers([value for value in values if isinstance(value, str)])
        return number[number >= 0]

    def _aged(self, test: Condition) -> BoolArray:
        known = np.isfinite(self.since)
        if test.operator == "known":
            return known
        if any(isinstance(value, str | bool) for value in test.values):
            raise ConfigError("age_days is a number of days in the catalogue; compare it with a number")
        age = np.where(known, self.at - self.since, np.nan) / DAY_S
        limit = np.array(test.values, dtype=np.float64)
        answers = {"<": age < limit[0], "<=": age <= limit[0], ">": age > limit[0], ">=": age >= limit[0]}
        aged: BoolArray = answers.get(test.operator, np.isin(age, limit))
        return aged

    def check(self, text: str) -> None:
        """Refuse a filter on an attribute that no item has, where there are items.

        Raises:
            UnknownNameError: When there is no such attribute; it lists those that there are.
            ConfigError: When a test means nothing.
        """
        self.holds(text)
        for test in conditions(_parsed(text)):
            self.check_name(test.name)

    def check_name(self, name: str) -> None:
        """Refuse the name of an attribute that no item has, where there are items."""
        if name in WORDS or self.columns.column(name).n_values or not np.isfinite(self.since).any():
            return
        raise UnknownNameError("attribute of items", name, {*WORDS, *self.columns.names()})
