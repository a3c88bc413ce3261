"""Interpolated Kneser-Ney: how likely each word is after the last one or two, from counts of short runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penchant.errors import FormatError
from penchant.math.arrays import FloatArray, Int32Array, IntArray

DISCOUNT = 0.75
"""Used where the counts are too few to estimate a discount from."""


@dataclass(frozen=True, slots=True)
class Level:
    """Counts of words after contexts, for one length of context.

    Attributes:
        context: Keys of the contexts, rising, shape ``(K,)``.
        start: The words after context ``k`` are ``word[start[k]:start[k + 1]]``, shape ``(K + 1,)``.
        word: Rising within a context, shape ``(m,)``.
        count: Counts, or at the lower levels in how many contexts the run occurs, shape ``(m,)``.
        total: Sum of the counts by context, shape ``(K,)``.
        discount: Taken off every count, 0..1.
    """

    context: IntArray
    start: IntArray
    word: Int32Array
    count: Int32Array
    total: FloatArray
    discount: float

    @classmethod
    def of(cls, context: IntArray, word: IntArray, n_words: int, discount: float | None) -> Level:
        """Return the counts of the pairs; ``context * n_words + word`` must fit into 63 bits."""
        pair, count = np.unique(context * n_words + word, return_counts=True)
        of_pair = pair // n_words
        known, first = np.unique(of_pair, return_index=True)
        start = np.concatenate([first, [pair.size]]).astype(np.int64)
        total = np.add.reduceat(count, first).astype(np.float64) if pair.size else np.empty(0)
        taken = estimate_discount(count) if discount is None else discount
        return cls(known, start, (pair % n_words).astype(np.int32), count.astype(np.int32), total, taken)

    def runs(self) -> tuple[IntArray, IntArray]:
        """Return context and word of every distinct run, each of shape ``(m,)``."""
        return np.repeat(self.context, np.diff(self.start)), self.word.astype(np.int64)

    def place(self, key: int) -> int:
        """Return the row of a context, -1 when it never occurred."""
        at = int(np.searchsorted(self.context, key))
        return at if at < self.context.size and self.context[at] == key else -1

    def row(self, key: int) -> tuple[Int32Array, FloatArray, float]:
        """Return the words after a context, what the counts say of each, and the share left to the level below."""
        k = self.place(key)
        if k < 0:
            return self.word[:0], np.empty(0), 1.0
        part = slice(int(self.start[k]), int(self.start[k + 1]))
        count = self.count[part].astype(np.float64)
        left = self.discount * count.size / self.total[k]
        return self.word[part], np.maximum(count - self.discount, 0.0) / self.total[k], float(left)

    def encode(self) -> dict[str, Any]:
        """Return the level as arrays and plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


def estimate_discount(count: IntArray) -> float:
    """Return ``n1 / (n1 + 2 n2)``, from how many runs occur once and twice; 0.75 where there are none of either.

    Source:
        Ney, Essen & Kneser, "On structuring probabilistic dependences in stochastic language modelling", 1994; the
        form used by Chen & Goodman, "An empirical study of smoothing techniques for language modeling", 1999.

    >>> round(estimate_discount(np.array([1, 1, 2, 5])), 3)
    0.5
    """
    once, twice = int(np.count_nonzero(count == 1)), int(np.count_nonzero(count == 2))
    return once / (once + 2.0 * twice) if once and twice else DISCOUNT


class KneserNey:
    """Probability of a word after a context of up to ``order - 1`` words.

    ``P_k(w | c) = max(n(c, w) - D, 0) / n(c) + D N(c) / n(c) P_(k-1)(w | shorter c)`` where n counts occurrences at the
    highest order, and below it in how many different words before it the run occurs; N(c) is the number of different
    words after c. The lowest level falls back on a distribution that the caller gives.

    Source:
        Kneser & Ney, "Improved backing-off for m-gram language modeling", ICASSP 1995; interpolated as in Chen &
        Goodman 1999, section 2.7.
    """

    def __init__(self, n_words: int, order: int, levels: Sequence[Level] = ()) -> None:
        self.n_words = n_words
        self.order = order
        self.levels = list(levels)  # the shortest context first

    @classmethod
    def fit(cls, start: IntArray, words: IntArray, n_words: int, order: int, discount: float | None) -> KneserNey:
        """Count the runs of sequences; sequence ``s`` is ``words[start[s]:start[s + 1]]``.

        A sequence begins after two marks, which are a word of their own (number ``n_words``) that is never predicted.
        """
        mark = n_words
        before = np.concatenate([[mark], words[:-1]]).astype(np.int64)
        earlier = np.concatenate([[mark, mark], words[:-2]])[: words.size].astype(np.int64)
        firsts = start[:-1][np.diff(start) > 0]
        before, earlier = before[: words.size], earlier[: words.size]
        before[firsts] = mark
        earlier[firsts] = mark
        seconds = firsts + 1
        inside = seconds < words.size
        earlier[seconds[inside]] = (
            mark  # where a sequence has one word only, this is the first of the next one: marked too
        )
        size = n_words + 1
        contexts = (np.zeros(words.size, np.int64), before, earlier * size + before)
        levels = [Level.of(contexts[order - 1], words.astype(np.int64), size, discount)]
        for k in range(order - 1, 0, -1):
            context, word = levels[0].runs()
            shorter = context % size if k == 2 else np.zeros(context.size, np.int64)
            levels.insert(0, Level.of(shorter, word, size, discount))
        return cls(n_words, order, levels)

    def keys(self, earlier: int, before: int) -> list[int]:
        """Return the key of the context at each level; a word from ``n_words`` on stands for one that is not known."""
        size = self.n_words + 1
        known = before < size and earlier < size
        # A context with an unknown word never occurred; -1 is no key.
        return [0, before if before < size else -1, earlier * size + before if known else -1][: self.order]

    def distribution(self, earlier: int, before: int, base: FloatArray) -> FloatArray:
        """Return the probability of every word after ``(earlier, before)``.

        Args:
            earlier: The last word but one, ``n_words`` where there is none.
            before: The last word.
            base: What the lowest level falls back on, sums to 1, shape ``(at least n_words,)``.
        """
        p = base
        for level, key in zip(self.levels, self.keys(earlier, before), strict=True):
            word, sure, left = level.row(key)
            if word.size or left < 1.0:
                p = p * left
                p[word] += sure
        return p.copy() if p is base else p

    def probability(self, earlier: int, before: int, word: int, base: float) -> float:
        """Return the probability of one word; ``base`` is what the lowest level falls back on for it."""
        p = base
        for level, key in zip(self.levels, self.keys(earlier, before), strict=True):
            words, sure, left = level.row(key)
            at = int(np.searchsorted(words, word))
            p = left * p + (float(sure[at]) if at < words.size and words[at] == word else 0.0)
        return p

    def follows(self, earlier: int, before: int, word: int) -> list[int]:
        """Return the lengths of context, longest first, after which the word occurred."""
        found: list[int] = []
        for length, (level, key) in enumerate(zip(self.levels, self.keys(earlier, before), strict=True)):
            words, _, _ = level.row(key)
            if length and word in words:
                found.insert(0, length)
        return found

    def encode(self) -> dict[str, Any]:
        """Return everything as arrays and plain values."""
        return {"n_words": self.n_words, "order": self.order, "levels": [level.encode() for level in self.levels]}

    @classmethod
    def decode(cls, fields: dict[str, Any]) -> KneserNey:
        """Return what ``encode`` gave; ``FormatError`` when a part is missing."""
        try:
            levels = [Level(**level) for level in fields["levels"]]
            return cls(int(fields["n_words"]), int(fields["order"]), levels)
        except (KeyError, TypeError) as error:
            raise FormatError(f"no n-gram counts ({error}); fit the model again") from error
