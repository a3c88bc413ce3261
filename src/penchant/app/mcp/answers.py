"""What the tools answer: fewer fields than the library gives, each with the words that an agent needs to read it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field

from penchant.domain import slate
from penchant.domain.interests import Interest

EVIDENCE = 3
"""Events that are named for an interest, the strongest first."""
Trend: TypeAlias = Literal["rising", "falling", "steady"]


class Because(BaseModel):
    """An event that carries an interest."""

    event_id: str
    type: str
    at: datetime
    item_id: str | None
    share: Annotated[float, Field(description="Which part of the interest's strength it carries, 0..1.")]


class OneInterest(BaseModel):
    """One topic that a user cares about."""

    topic: str
    probability: Annotated[float, Field(description="That the user's next event is about this topic, 0..1.")]
    low: Annotated[float, Field(description="Lower end of the 95 % interval of the probability.")]
    high: Annotated[float, Field(description="Upper end of it.")]
    long_term: Annotated[float, Field(description="Share of the topic over months, 0..1.")]
    short_term: Annotated[float, Field(description="Share of the topic lately, 0..1.")]
    trend: Annotated[Trend, Field(description="Rising or falling only where chance does not explain the change.")]
    factor: Annotated[float, Field(description="How many times as strong lately as usual.")]
    stated: Annotated[
        float | None, Field(description="What the user said of it and still holds, -1..1; null: nothing.")
    ]
    stated_until: Annotated[datetime | None, Field(description="When what was said expires; null: it does not.")]
    muted: Annotated[bool, Field(description="The user does not want to be shown it: do not bring it up.")]
    evidence: Annotated[list[Because], Field(description="The strongest of the events behind it.")]


class Interests(BaseModel):
    """A user's interests, the most probable first."""

    user_id: str
    at: Annotated[datetime, Field(description="The moment that the answer is about.")]
    interests: Annotated[list[OneInterest], Field(description="Empty where nothing is known of the user.")]


class Summary(BaseModel):
    """A user's profile in plain words."""

    user_id: str
    at: Annotated[datetime, Field(description="The moment that the text is about.")]
    known: Annotated[bool, Field(description="False where nothing is known of the user.")]
    text: Annotated[str, Field(description="Sentences made from the numbers by templates; no model wrote them.")]


class OneRecommendation(BaseModel):
    """One recommended item."""

    item_id: str
    title: Annotated[str | None, Field(description="Null where the catalogue has none.")]
    score: Annotated[float, Field(description="Higher is better; comparable within one list only.")]
    source: Annotated[str, Field(description="What proposed it most.")]
    reason: Annotated[str, Field(description="Why, in words that can be told to the user.")]
    evidence: Annotated[list[str], Field(description="Ids of the user's events that led there.")]


class Recommendations(BaseModel):
    """Items for a user, the best first."""

    user_id: str
    recommendations: list[OneRecommendation]


class Explanation(BaseModel):
    """Why an item is, or is not, recommended to a user."""

    user_id: str
    item_id: str
    verdict: Annotated[
        Literal["recommended", "ranked", "excluded", "not_a_candidate", "unknown_item"],
        Field(description="recommended: in the first 10; ranked: further down; excluded: a rule keeps it out."),
    ]
    rank: Annotated[int | None, Field(description="1 is first; null where it is in no list.")]
    reason: str
    topics: Annotated[dict[str, float], Field(description="The item's topics: probability that each is next.")]
    evidence: Annotated[list[str], Field(description="Ids of the user's events that led there.")]


class Recorded(BaseModel):
    """What became of an event or a statement; from now on every answer knows it."""

    recorded: Annotated[bool, Field(description="False: the very same event was there already, and counts once.")]
    late: Annotated[bool, Field(description="Later events of the user were known already.")]


class Forgotten(BaseModel):
    """A receipt for what was erased."""

    user_id: str
    erased: Annotated[int, Field(description="How many events were erased, for good.")]
    at: Annotated[datetime, Field(description="When.")]


def trend_of(one: Interest) -> Trend:
    """Return which way an interest moves: rising or falling only where the interval excludes no change."""
    low, high = one.trend_interval
    return "rising" if low > 0 else "falling" if high < 0 else "steady"


def interest_of(one: Interest) -> OneInterest:
    """Return an interest as the tools tell it."""
    return OneInterest(
        topic=one.topic,
        probability=one.probability,
        low=one.interval[0],
        high=one.interval[1],
        long_term=one.long_term,
        short_term=one.short_term,
        trend=trend_of(one),
        factor=2.0**one.trend,
        stated=one.stated,
        stated_until=one.stated_until,
        muted=one.muted,
        evidence=[
            Because(event_id=event.event_id, type=event.type, at=event.at, item_id=event.item_id, share=event.share)
            for event in one.evidence[:EVIDENCE]
        ],
    )


def recommendation_of(one: slate.Recommendation) -> OneRecommendation:
    """Return a recommendation as the tools tell it."""
    return OneRecommendation(
        item_id=one.item_id,
        title=one.title,
        score=one.score,
        source=one.source,
        reason=one.reason,
        evidence=list(one.evidence),
    )


def explanation_of(found: slate.Explanation) -> Explanation:
    """Return an explanation as the tools tell it."""
    return Explanation(
        user_id=found.user_id,
        item_id=found.item_id,
        verdict=found.verdict,
        rank=found.rank,
        reason=found.reason,
        topics=dict(found.topics),
        evidence=list(found.recommendation.evidence) if found.recommendation else [],
    )
