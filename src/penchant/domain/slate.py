"""What a recommendation is made of: candidates from a source, and the list that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from penchant.math.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Candidates:
    """Items that one source proposes.

    Attributes:
        item: Item numbers, best first, distinct, shape ``(m,)``.
        score: Higher is better, shape ``(m,)``.
    """

    item: IntArray
    score: FloatArray


@dataclass(frozen=True, slots=True)
class Because:
    """Why a source proposes an item: words, and the user's items or the topic that led there (numbers)."""

    text: str
    items: tuple[int, ...] = ()
    topic: int | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One recommended item.

    Attributes:
        item_id: The item.
        title: Its title, None when the catalogue has none.
        score: Higher is better; comparable within one list only.
        source: The candidate source that contributed most.
        reason: Why, in words.
        evidence: Ids of the user's events that led there; empty when nothing of the user's did (popular, new).
        parts: Score by source; sums to ``score``.
        moves: By reranker how many places it moved the item: up above zero, down below; those that did not are left out.
    """

    item_id: str
    title: str | None
    score: float
    source: str
    reason: str
    evidence: tuple[str, ...] = ()
    parts: Mapping[str, float] = field(default_factory=dict)
    moves: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an item is or is not recommended to a user.

    Attributes:
        user_id: The user.
        item_id: The item.
        verdict: ``recommended`` (in the first 10), ``ranked`` (a candidate further down), ``excluded`` (a rule keeps it
            out), ``not_a_candidate`` (no source proposes it) or ``unknown_item``.
        rank: 1 = first; None when it is no candidate.
        recommendation: As it would be shown; None when it is no candidate.
        reason: In words.
        topics: P(topic is next) of the item's topics for this user.
    """

    user_id: str
    item_id: str
    verdict: Literal["recommended", "ranked", "excluded", "not_a_candidate", "unknown_item"]
    rank: int | None
    recommendation: Recommendation | None
    reason: str
    topics: Mapping[str, float]
