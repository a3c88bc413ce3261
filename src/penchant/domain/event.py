"""The one event schema: what happened, to whom, with what, when, and when we heard of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

EventType: TypeAlias = Literal[
    "view",  # looked at an item
    "click",  # followed a link to an item
    "dwell",  # stayed; value = seconds
    "search",  # searched; text = the words
    "cart",  # put into the cart; value = quantity
    "purchase",  # bought; value = quantity, amount = money
    "return",  # gave back; value = quantity, amount = money
    "rating",  # rated; value = the rating on the source's own scale
    "like",
    "dislike",
    "hide",  # "not interested", "stop showing this"
    "comment",  # text = the words
    "share",
    "follow",  # follows another user or a topic; payload.target
    "post",  # published; text = the words
    "play",  # played or read; value = share completed, 0..1
    "survey",  # answered a question; value or text
    "statement",  # said of oneself: interest in topics; value = strength, -1..1; payload.scope, payload.until
    "impression",  # was shown an item
    "consent",  # gave or withdrew consent; payload.purpose, value = 1 or 0
    "item",  # the catalogue speaks: title, topics, attributes of an item
    "user",  # the user base speaks: facts about a user
    "topic",  # the topic catalogue speaks: one topic, its title, and its parent in payload.parent
]

EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
"""Every type; the index in this tuple is the code in arrays, so new types go to the end."""

TYPE_CODE: dict[str, int] = {name: code for code, name in enumerate(EVENT_TYPES)}

ITEM_REQUIRED: frozenset[str] = frozenset(
    {
        "view",
        "click",
        "dwell",
        "cart",
        "purchase",
        "return",
        "rating",
        "like",
        "dislike",
        "hide",
        "play",
        "impression",
        "item",
    }
)
"""Types that make no sense without an item."""

EVIDENCE_WEIGHT: dict[str, float] = {
    "view": 0.25,
    "click": 0.5,
    "dwell": 0.5,
    "search": 0.5,
    "cart": 0.75,
    "purchase": 1.0,
    "return": -1.0,
    "rating": 1.0,
    "like": 1.0,
    "dislike": -1.0,
    "hide": -1.0,
    "comment": 0.75,
    "share": 1.0,
    "follow": 1.0,
    "post": 1.0,
    "play": 1.0,
    "survey": 1.0,
    "statement": 0.0,  # no evidence: what a user says outranks what is inferred (docs/interest.md, Statements)
    "impression": 0.0,
    "consent": 0.0,
    "item": 0.0,
    "user": 0.0,
    "topic": 0.0,
}
"""How much one event says about interest in its topics; below zero speaks against it. Documented in docs/reference/events.md."""

NOBODY: frozenset[str] = frozenset({"item", "topic"})
"""Types of which nobody is the doer: they have no user."""

PAYLOAD_FIELDS: tuple[str, ...] = (
    "title",
    "attributes",
    "facts",
    "text",
    "context",
    "target",
    "purpose",
    "scope",
    "until",
    "parent",
)
"""Fields that callers give beside the columns and that the log keeps inside ``payload``."""

FIELDS: tuple[str, ...] = (
    "event_id",
    "type",
    "user_id",
    "item_id",
    "at",
    "arrived_at",
    "value",
    "amount",
    "session_id",
    "topics",
    "payload",
    *PAYLOAD_FIELDS,
)
"""Every field that a caller may give."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    ``event_id`` makes ingest idempotent: the same id is taken once. ``at`` is when it happened, ``arrived_at`` when it
    reached the log; both aware, UTC. ``topics`` are the event's own, or those its item had when it arrived.
    """

    event_id: str
    type: EventType
    user_id: str | None
    item_id: str | None
    at: datetime
    arrived_at: datetime
    value: float | None = None
    amount: float | None = None
    session_id: str | None = None
    topics: tuple[str, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not taken: where it stood, why, and what it was (shortened)."""

    row: int
    reason: str
    given: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the events given to ``ingest``: every one is accepted, a duplicate, or refused with a reason."""

    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    late: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()

    @property
    def total(self) -> int:
        """Return how many events were given."""
        return self.accepted + self.duplicates + self.refused

    def __add__(self, other: Receipt) -> Receipt:
        """Return the sum; keeps the first 100 refusals."""
        reasons = dict(self.reasons)
        for reason, count in other.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
        return Receipt(
            self.accepted + other.accepted,
            self.duplicates + other.duplicates,
            self.refused + other.refused,
            self.late + other.late,
            reasons,
            (self.refusals + other.refusals)[:100],
        )
