"""What candidate sources, rankers and rerankers must do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from penchant.domain.interactions import Interactions
from penchant.domain.query import Query
from penchant.domain.slate import Because, Candidates
from penchant.math.arrays import FloatArray, Int32Array, IntArray


class CandidateSource(Protocol):
    """Proposes items for a query. ``penchant.testing.SourceContract`` checks every registered one.

    * items are distinct, allowed by the query, best first, at most ``n``; scores are finite and never rise;
    * an unknown user and an empty catalogue get an answer (perhaps an empty one), not an error;
    * the same query gives the same answer; nothing that happened after ``query.at`` matters.
    """

    name: str

    def candidates(self, query: Query, n: int) -> Candidates:
        """Return at most ``n`` items, best first."""
        ...

    def because(self, query: Query, item: int) -> Because:
        """Return why this source proposes an item that it did propose."""
        ...


class FittedSource(CandidateSource, Protocol):
    """A source that learns from all interactions at once; before that it proposes nothing."""

    @property
    def fitted(self) -> bool:
        """Return whether ``fit`` or ``decode`` has happened."""
        ...

    def fit(self, interactions: Interactions) -> None:
        """Learn from interactions."""
        ...

    def encode(self) -> bytes:
        """Return what was learned as bytes: arrays and JSON values with a format number."""
        ...

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` wrote; ``FormatError`` when damaged."""
        ...


class Ranker(Protocol):
    """Puts the candidates of all sources into one order."""

    def rank(self, query: Query, proposals: Mapping[str, Candidates]) -> tuple[Candidates, dict[str, dict[int, float]]]:
        """Return all candidates, best first, and each source's part of each score, ``{source: {item: part}}``."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the past, what the sources answered without knowing what came, and what came.

    Attributes:
        query: The question.
        proposals: Candidates by source.
        taken: Items taken after the question, distinct, all allowed, shape ``(k,)``.
    """

    query: Query
    proposals: Mapping[str, Candidates]
    taken: IntArray


class FittedRanker(Ranker, Protocol):
    """A ranker that learns from what was proposed and then taken; before that it ranks as well as it can."""

    name: str

    @property
    def fitted(self) -> bool:
        """Return whether ``fit`` or ``decode`` has happened."""
        ...

    def fit(self, asked: Iterable[Asked], sources: Sequence[str], seed: int) -> dict[str, Any]:
        """Learn, and return what came of it as plain values.

        Args:
            asked: Gone through once.
            sources: Names of the sources that will propose, in the order of the pipeline.
            seed: Seed of all chance.
        """
        ...

    def encode(self) -> bytes:
        """Return what was learned as bytes."""
        ...

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` wrote; ``FormatError`` when damaged."""
        ...


class Reranker(Protocol):
    """Changes the order of a ranked list for a purpose other than accuracy."""

    def rerank(self, query: Query, ranked: Candidates) -> Candidates:
        """Return the list in a new order; may leave items out, never adds any."""
        ...


class RatingPredictor(Protocol):
    """Says which rating a user would give an item; learns from ratings before that."""

    def fit(self, user: Int32Array, item: Int32Array, rating: FloatArray) -> None:
        """Learn from ratings; three arrays of shape ``(n,)``."""
        ...

    def predict(self, user: Int32Array, item: Int32Array) -> FloatArray:
        """Return predicted ratings, shape ``(n,)``; users and items that were never seen get an answer too."""
        ...
