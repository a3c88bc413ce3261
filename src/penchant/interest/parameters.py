"""What the tracker is told, and what it has learned from data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from penchant.domain.packing import pack, unpack
from penchant.interest.activity import Activity
from penchant.interest.features import TopicFacts
from penchant.interest.layout import STATE_FORMAT
from penchant.interest.network import Network
from penchant.interest.seasons import Seasons
from penchant.math.arrays import FloatArray

FORMAT = 3


class TrackerConfig(BaseModel):
    """Configuration of the tracker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_lives_days: tuple[float, ...] = (3.0, 14.0, 60.0, 720.0)
    """Half-lives of the views in days, rising; the last is the long-term view."""
    short_view: int = Field(default=1, ge=0)
    """Which half-life is the short-term view, counted from 0."""
    negative_half_life_days: float = Field(default=90.0, gt=0)
    """Half-life of evidence against a topic."""
    population_half_life_days: float = Field(default=60.0, gt=0)
    """Half-life of the population prior."""
    recalibrate_days: float = Field(default=7.0, ge=0)
    """P(active) is calibrated anew when the log has moved on by so many days; 0 = only by ``fit``."""
    branch_events: float = Field(default=100.0, gt=0)
    """Events that the population counts for where a user's interest in a branch of topics becomes the prior of those in it."""
    max_topics: int = Field(default=256, ge=8)
    """Topics kept per user; beyond it the one with the least long-term evidence is forgotten."""
    false_alarm_days: float = Field(default=365.0, ge=2)
    """A user whose interests never change is taken to have changed once in this many active days at most, on average."""
    change_odds: float = Field(default=0.02, gt=0, lt=1)
    """Odds of a change at any moment, before anything speaks for it."""
    day_topics: float = Field(default=12.0, gt=0)
    """A day speaks for a change with the weight of this many topics at most, however much was done on it."""

    @model_validator(mode="after")
    def _views_are_in_order(self) -> TrackerConfig:
        days = self.half_lives_days
        if not all(0 < half_life < math.inf for half_life in days) or any(a >= b for a, b in pairwise(days)):
            raise ValueError("half_lives_days must rise, each above 0")
        if self.short_view >= len(days):
            raise ValueError(f"short_view {self.short_view} is none of the {len(days)} half-lives, counted from 0")
        return self

    @property
    def fold_version(self) -> str:
        """Return what the states depend on; states folded under another version are folded anew."""
        return (
            f"{STATE_FORMAT} {self.half_lives_days} {self.negative_half_life_days} {self.max_topics} "
            f"{self.false_alarm_days} {self.day_topics}"
        )


@dataclass(frozen=True)
class TrackerParameters:
    """What the tracker has learned from data.

    Attributes:
        half_lives_days: The half-lives that it was learned for, shape ``(K,)``.
        weights: Mixture weights over the half-lives by how much is known of the user, shape ``(B, K)``, rows sum to 1.
        strength: Weight of the population prior, in events, per half-life, shape ``(K,)``.
        edges: A user whose long-term evidence is at least ``edges[b]`` uses row ``b + 1``, shape ``(B - 1,)``.
        topics: Ids of the topics by the number that they had; another log may number them in another way.
        facts: What is known of each topic as such; None before ``fit``.
        scorer: Corrects the mixture by rhythm, recency and counts; None where the data did not support one.
        seasons: How topics follow hour, weekday and context; None where the data did not show it.
        activity: Says how likely a topic is within a horizon; None before ``fit``.
        calibrated_at: Up to which moment of the log ``activity`` was calibrated, seconds since 1970.
    """

    half_lives_days: FloatArray
    weights: FloatArray
    strength: FloatArray
    edges: FloatArray
    topics: tuple[str, ...] = ()
    facts: TopicFacts | None = None
    scorer: Network | None = None
    seasons: Seasons | None = None
    activity: Activity | None = None
    calibrated_at: float = -math.inf

    def encode(self) -> bytes:
        """Return the parameters as bytes."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)[:4]}
        parts = {
            name: part.encode()
            for name in ("facts", "scorer", "seasons", "activity")
            if (part := getattr(self, name)) is not None
        }
        return pack(FORMAT, {**plain, "topics": list(self.topics), "calibrated_at": self.calibrated_at, "parts": parts})

    @classmethod
    def decode(cls, data: bytes) -> TrackerParameters:
        """Return the parameters that ``encode`` wrote; ``FormatError`` when damaged."""
        found = unpack(data, FORMAT)
        parts, topics = found.pop("parts"), tuple(found.pop("topics"))
        kinds: dict[str, Any] = {"facts": TopicFacts, "scorer": Network, "seasons": Seasons, "activity": Activity}
        return cls(**found, topics=topics, **{name: kinds[name].decode(part) for name, part in parts.items()})

    def recalibrated(self, activity: Activity, at: float) -> TrackerParameters:
        """Return the same with activity calibrated on what happened up to a moment."""
        return replace(self, activity=activity, calibrated_at=at)

    def numbered_as(self, topics: Sequence[str]) -> TrackerParameters:
        """Return the same for a log whose topics have the numbers given; those it does not name are left out."""
        if not self.topics or tuple(topics[: len(self.topics)]) == self.topics:
            return self
        place = {topic: number for number, topic in enumerate(topics)}
        numbers = np.array([place.get(topic, -1) for topic in self.topics], dtype=np.int64)
        return replace(
            self,
            topics=tuple(topics),
            facts=None if self.facts is None else self.facts.renumbered(numbers, len(topics)),
            seasons=None if self.seasons is None else self.seasons.renumbered(numbers, len(topics)),
        )

    @classmethod
    def default(cls, half_lives_days: FloatArray) -> TrackerParameters:
        """Return parameters for use before ``fit``: slower views get more weight, the prior counts ten events."""
        weights = np.arange(1.0, half_lives_days.size + 1.0)
        return cls(
            half_lives_days, (weights / weights.sum())[None, :], np.full(half_lives_days.size, 10.0), np.empty(0)
        )
