"""The arguments that tools share, each with its limits and the words that an agent reads before it fills it in."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from penchant.process.validate import MAX_ID, MAX_TOPICS, is_whole

MAX_N = 100
"""Length of a list; an agent that reads more than that reads nothing of it."""

Deed: TypeAlias = Literal[
    "view",
    "click",
    "dwell",
    "search",
    "cart",
    "purchase",
    "return",
    "rating",
    "like",
    "dislike",
    "hide",
    "comment",
    "share",
    "follow",
    "post",
    "play",
    "survey",
    "impression",
]
"""What a user does; what is said of items, users, topics and consent is left to those who keep the catalogue."""


def whole(text: str) -> str:
    """Return a text that every store can hold; ``ValueError`` for any other."""
    if not is_whole(text):
        raise ValueError("it has a NUL or half of a surrogate pair in it")
    return text


Id: TypeAlias = Annotated[str, Field(min_length=1, max_length=MAX_ID), AfterValidator(whole)]
UserId: TypeAlias = Annotated[Id, Field(description="Id of the user; may be one that nothing is known of.")]
ItemId: TypeAlias = Annotated[Id, Field(description="Id of the item, as recommend gives it.")]
Topic: TypeAlias = Annotated[Id, Field(description="A topic, as interests gives it; one that is new is allowed.")]
Topics: TypeAlias = Annotated[
    list[Id] | None,
    Field(max_length=MAX_TOPICS, description="What it was about; left out: the topics of the item."),
]
N: TypeAlias = Annotated[int, Field(ge=1, le=MAX_N, description="How many, at most.")]
Level: TypeAlias = Annotated[
    int | None, Field(ge=0, le=1000, description="Sum up to this level of the topic hierarchy, 0 for the top.")
]
At: TypeAlias = Annotated[
    str | None,
    Field(
        max_length=64,
        description="The moment asked about, ISO 8601 in UTC, such as 2026-03-01T12:00:00Z; the answer knows nothing "
        "after it. Left out: now.",
    ),
]
Happened: TypeAlias = Annotated[
    str | None, Field(max_length=64, description="When it happened, ISO 8601 in UTC. Left out: now.")
]
Language: TypeAlias = Annotated[Literal["en", "zh"], Field(description="English or Chinese.")]
