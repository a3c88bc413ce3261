"""How topics follow the hour, the weekday and what the caller says of the situation, where the data show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from penchant.domain.packing import pack, unpack
from penchant.math.arrays import FloatArray, IntArray
from penchant.math.calendar import hour_of, weekday_of

FORMAT = 1
HOUR, WEEKDAY = "hour", "weekday"


@dataclass(frozen=True)
class Season:
    """One circumstance: how much likelier each topic is under each of its values.

    Attributes:
        values: The values, as text.
        lift: Logarithm of P(topic | value) over P(topic), shrunk to 0, shape ``(V, T)``.
        exponent: How much of it is believed, 0..1.
    """

    values: tuple[str, ...]
    lift: FloatArray
    exponent: float


@dataclass(frozen=True)
class Seasons:
    """The circumstances that matter, by name."""

    by_name: Mapping[str, Season]

    def factor(self, number: IntArray, at: float, context: Mapping[str, Any]) -> FloatArray:
        """Return by what each topic's probability is multiplied, shape ``(n,)``.

        Args:
            number: The topics.
            at: The moment, seconds since 1970; hour and weekday are UTC unless the context says otherwise.
            context: What the caller says of the situation; names and values that were never learned do nothing.
        """
        total = np.zeros(number.size)
        said = {HOUR: int(hour_of(at)), WEEKDAY: int(weekday_of(at)), **context}
        for name, season in self.by_name.items():
            value = str(said.get(name))
            if value in season.values:
                row = season.lift[season.values.index(value)]
                known = number < row.size
                total[known] += season.exponent * row[number[known]]
        return np.exp(total)

    def renumbered(self, numbers: IntArray, n_topics: int) -> Seasons:
        """Return the seasons with topic ``t`` called ``numbers[t]``, of ``n_topics`` in all; -1 leaves a topic out."""
        moved = {}
        there = numbers >= 0
        for name, season in self.by_name.items():
            lift = np.zeros((season.lift.shape[0], n_topics))
            lift[:, numbers[there]] = season.lift[:, there]
            moved[name] = Season(season.values, lift, season.exponent)
        return Seasons(moved)

    def encode(self) -> bytes:
        """Return the seasons as bytes."""
        return pack(
            FORMAT,
            {
                "names": list(self.by_name),
                "values": [list(season.values) for season in self.by_name.values()],
                "exponents": [season.exponent for season in self.by_name.values()],
                "lifts": [season.lift for season in self.by_name.values()],
            },
        )

    @classmethod
    def decode(cls, data: bytes) -> Seasons:
        """Return the seasons that ``encode`` wrote; ``FormatError`` when damaged."""
        found = unpack(data, FORMAT)
        parts = zip(found["names"], found["values"], found["lifts"], found["exponents"], strict=True)
        return cls({name: Season(tuple(values), lift, exponent) for name, values, lift, exponent in parts})


def lifts(
    code: IntArray, topic: IntArray, share: FloatArray, n_values: int, n_topics: int, shrink: float
) -> FloatArray:
    """Return the logarithm of P(topic | value) / P(topic), shape ``(V, T)``.

    Args:
        code: Value of each (event, topic) pair, shape ``(P,)``; -1 where nothing is known.
        topic: Topic of each pair, shape ``(P,)``.
        share: Weight of each pair, shape ``(P,)``.
        n_values: V.
        n_topics: T.
        shrink: How many events the overall distribution counts for.
    """
    known = code >= 0
    flat = code[known] * n_topics + topic[known]
    count = np.bincount(flat, share[known], n_values * n_topics).reshape(n_values, n_topics)
    overall = (count.sum(axis=0) + 1e-3) / (count.sum() + 1e-3 * n_topics)
    given = (count + shrink * overall) / (count.sum(axis=1, keepdims=True) + shrink)
    ratio: FloatArray = np.log(given / overall)
    return ratio
