"""A request for recommendations, with what the engine knows of the user and the catalogue at that moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scipy import sparse

from penchant.domain.impressions import Impressions
from penchant.domain.interests import Reading
from penchant.domain.item_model import ItemTable
from penchant.domain.profile import History
from penchant.domain.rules import NO_RULING, Ruling
from penchant.domain.statements import Statements
from penchant.domain.taste import ItemVectors, TasteReader
from penchant.domain.vocabulary import Vocabulary
from penchant.math.arrays import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Query:
    """One question: which items for this user now?

    Attributes:
        user_id: Who asks; may be unknown.
        n: How many items.
        at: The moment asked about, seconds since 1970.
        history: The user's items.
        reading: The user's interests.
        taste: Reads the user's taste in item vectors: ``taste(vectors, config)``.
        popularity: Decayed popularity of every item by half-life in days: ``popularity(30.0)`` has shape ``(I,)``.
        item_topics: Which item is about which topic, rows sum to 1 or 0, CSR of shape ``(I, T)``.
        topic_items: The same turned round, CSR of shape ``(T, I)``.
        since: When each item became known, seconds since 1970, ``-inf`` without an item event, shape ``(I,)``.
        allowed: Which items may be recommended, shape ``(I,)``.
        items: Item vocabulary, size I.
        topics: Topic vocabulary, size T.
        titles: Title of an item by number, None when it has none.
        table: Returns what is known of every item in topics and words; it may have grown beyond I.
        context: Whatever the caller says of the situation.
        shown: Returns what the user was shown.
        facts: Returns what is known of the user beside events: value by name.
        vectors: Returns the item vectors.
        said: Returns what the user said of topics, as of the moment.
        ruling: The business rules; what they keep out is not ``allowed`` already.
    """

    user_id: str
    n: int
    at: float
    history: History
    reading: Reading
    taste: TasteReader
    popularity: Callable[[float], FloatArray]
    item_topics: sparse.csr_array
    topic_items: sparse.csr_array
    since: FloatArray
    allowed: BoolArray
    items: Vocabulary
    topics: Vocabulary
    titles: Callable[[int], str | None]
    table: Callable[[], ItemTable]
    context: Mapping[str, Any] = field(default_factory=dict)
    shown: Callable[[], Impressions] = Impressions.none
    facts: Callable[[], Mapping[str, Any]] = dict
    vectors: Callable[[], ItemVectors] = ItemVectors.none
    said: Callable[[], Statements] = Statements.none
    ruling: Ruling = NO_RULING

    def name(self, item: int) -> str:
        """Return an item's title, its id when it has none."""
        return self.titles(item) or self.items.ids[item]
