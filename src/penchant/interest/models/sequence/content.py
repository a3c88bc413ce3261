"""Vectors of items from their words and topics: TF-IDF, then the strongest directions, whitened."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from penchant.domain.item_model import ItemTable
from penchant.math.arrays import BoolArray, Float32Array, FloatArray

_WORD = re.compile(r"[^\W_]+")
_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
LEAST_ITEMS = 8
"""With fewer items that say anything there are no directions worth keeping."""


def words(text: str) -> list[str]:
    """Return the words of a text in lower case; runs of ideographs, which have no spaces, as pairs.

    >>> words("Green-Tea 绿茶叶 2 kg")
    ['green', 'tea', '绿茶', '茶叶', '2', 'kg']
    """
    found: list[str] = []
    for word in _WORD.findall(text.lower()):
        if not _IDEOGRAPHS.search(word) or len(word) == 1:
            found.append(word)
        else:
            found += [word[i : i + 2] for i in range(len(word) - 1)]
    return found


@dataclass(frozen=True, slots=True)
class Content:
    """How words and topics become vectors.

    ``c = normalised(tf-idf(words) + topics) V / s``, then scaled to length 1: the directions ``V`` with the largest
    singular values ``s`` of the items known when it was fitted, each with the same weight.

    Attributes:
        vocabulary: The words, in the order of the first columns.
        idf: Log of items over items with the word, shape ``(n_words,)``, float32.
        n_topics: The columns after the words.
        directions: ``V / s``, shape ``(n_words + n_topics, r)``, float32.
    """

    vocabulary: tuple[str, ...]
    idf: Float32Array
    n_topics: int
    directions: Float32Array

    @property
    def size(self) -> int:
        """Return the numbers in a vector."""
        return int(self.directions.shape[1])

    @classmethod
    def fit(cls, items: ItemTable, size: int, max_words: int) -> Content | None:
        """Return the directions of these items, at most ``size``; None when they say too little."""
        counted = Counter(word for text in items.text for word in set(words(text)))
        common = sorted((-n, word) for word, n in counted.items() if n >= 2)[:max_words]
        vocabulary = tuple(word for _, word in common)
        idf = np.log(max(1, items.n_items) / np.array([-n for n, _ in common], dtype=np.float32)) + 1.0
        bare = cls(vocabulary, idf.astype(np.float32), items.topics.shape[1], np.zeros((0, 0), np.float32))
        rows = bare.rows(items)
        says = np.diff(rows.indptr) > 0
        size = min(size, rows.shape[1], int(says.sum()))
        if says.sum() < LEAST_ITEMS or size < 1:
            return None
        s, vt = strongest(rows, size)
        strong = s > 1e-3 * s.max(initial=0.0)
        order = np.argsort(-s[strong], kind="stable")
        s, vt = s[strong][order], vt[strong][order]
        vt *= np.where(vt[np.arange(s.size), np.abs(vt).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
        return cls(vocabulary, bare.idf, bare.n_topics, (vt / s[:, None]).T.astype(np.float32))

    def rows(self, items: ItemTable) -> sparse.csr_array:
        """Return TF-IDF of the words beside the topics, rows of length 1 or 0, shape ``(n, n_words + n_topics)``."""
        texts = _counts(items.text, self.vocabulary)
        weighted = texts @ sparse.diags_array(self.idf.astype(np.float64)) if self.idf.size else texts
        topics = sparse.csr_array(items.topics[:, : self.n_topics])
        if topics.shape[1] < self.n_topics:  # an older table, made when there were fewer topics
            topics.resize((topics.shape[0], self.n_topics))
        both = sparse.csr_array(sparse.hstack([_unit(weighted), _unit(topics)]))
        both.eliminate_zeros()
        return _unit(both)

    def vectors(self, items: ItemTable) -> tuple[Float32Array, BoolArray]:
        """Return each item's vector, length 1 or 0, shape ``(n, size)``, and whether it says anything."""
        vectors = self.rows(items) @ self.directions.astype(np.float64)
        length = np.linalg.norm(vectors, axis=1)
        says = length > 1e-9
        unit = np.where(says[:, None], vectors / np.maximum(length, 1e-9)[:, None], 0.0)
        return unit.astype(np.float32), says


def strongest(rows: sparse.csr_array, size: int) -> tuple[FloatArray, FloatArray]:
    """Return the largest singular values and their right vectors, shapes ``(size,)`` and ``(size, columns)``.

    Source:
        Halko, Martinsson & Tropp, "Finding structure with randomness", SIAM Review 2011, algorithm 4.4, with a fixed
        seed: scipy's ARPACK draws from a state of its own, so that two calls may differ.
    """
    wide = min(size + 10, *rows.shape)
    basis = np.random.default_rng(0).standard_normal((rows.shape[1], wide))
    for _ in range(6):
        basis = np.linalg.qr(rows.T @ np.linalg.qr(rows @ basis)[0])[0]
    _, s, inner = np.linalg.svd(rows @ basis, full_matrices=False)
    return s[:size], (inner @ basis.T)[:size]


def _counts(texts: Iterable[str], vocabulary: Sequence[str]) -> sparse.csr_array:
    column = {word: number for number, word in enumerate(vocabulary)}
    start, found = [0], []
    for text in texts:
        found += [column[word] for word in words(text) if word in column]
        start.append(len(found))
    ones = np.ones(len(found))
    counts = sparse.csr_array((ones, np.array(found, np.int64), np.array(start)), shape=(len(start) - 1, len(column)))
    counts.sum_duplicates()
    return counts


def _unit(rows: sparse.csr_array) -> sparse.csr_array:
    length = np.sqrt(rows.multiply(rows).sum(axis=1))
    scale = np.divide(1.0, length, out=np.zeros_like(length, dtype=np.float64), where=length > 0)
    return sparse.csr_array(sparse.diags_array(scale) @ rows) if rows.shape[0] else rows


def ridge(vectors: FloatArray, learned: FloatArray, weight: FloatArray, strength: float = 1.0) -> FloatArray:
    """Return ``W`` with the least ``sum weight * |learned - vectors W|**2 + strength * |W|**2``.

    What training learned about items, guessed from what they say: for items that it never saw.
    """
    left = vectors.T @ (vectors * weight[:, None]) + strength * np.eye(vectors.shape[1])
    return np.asarray(np.linalg.solve(left, vectors.T @ (learned * weight[:, None])), np.float64)
