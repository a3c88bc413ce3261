"""A question to a new user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

QuestionKind: TypeAlias = Literal["topic", "item"]


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that a new user may be asked: do you like this topic, do you take this item?

    Attributes:
        kind: ``topic`` or ``item``.
        id: Of the topic or the item.
        text: The title of the item, the title or id of the topic.
        gain_bits: By how many bits the answer is expected to make the topic of the user's next event less uncertain,
            after the questions before it.
        yes: Share of people who would say yes, as far as the answers so far tell.
    """

    kind: QuestionKind
    id: str
    text: str
    gain_bits: float
    yes: float
