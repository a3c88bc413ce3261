"""What is like something else: items like an item, users like a user; and everything kept of one user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from penchant.domain.event import Event
from penchant.domain.profile import Profile


@dataclass(frozen=True, slots=True)
class SimilarItem:
    """An item like another.

    Attributes:
        item_id: The item.
        title: Its title, None when the catalogue has none.
        score: Higher is more alike; comparable within one list only.
        source: What found it: ``item_knn`` (taken by the same users), ``taste`` (near in the item vectors) or
            ``interest`` (about the same topics).
    """

    item_id: str
    title: str | None
    score: float
    source: str


@dataclass(frozen=True, slots=True)
class SimilarUser:
    """A user like another.

    Attributes:
        user_id: The user.
        similarity: Cosine of the long-term evidence on topics, 0..1.
        topics: Up to three topics that carry most of it, the strongest first.
    """

    user_id: str
    similarity: float
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Export:
    """Everything kept of one user: the profile at a moment, and every event in the order of arrival."""

    user_id: str
    at: datetime
    profile: Profile
    events: tuple[Event, ...]
