"""Business rules: what must not come, what counts more, what stands where, and how many of a kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from penchant.domain.filters import parse
from penchant.errors import ConfigError
from penchant.math.arrays import BoolArray, FloatArray, Int32Array, IntArray

RULES = "business_rules"
"""What stands for the rules where a recommendation names its source, and the parts of its score."""


class Boost(BaseModel):
    """Candidates for which ``when`` holds count ``factor`` times as much."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: str
    factor: float = Field(gt=0, le=1000, allow_inf_nan=False)

    _parsed = field_validator("when")(lambda text: _checked(text))


class Pin(BaseModel):
    """An item that stands at a position, 1 for the first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str
    position: int = Field(ge=1)


class Quota(BaseModel):
    """How many items of a kind the list holds.

    ``when`` alone: the items for which it holds are one kind. ``by``: every value of this attribute (or ``topic``) is a
    kind of its own, among all items or those for which ``when`` holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: str = ""
    by: str = ""
    at_most: int | None = Field(default=None, ge=0)
    at_least: int | None = Field(default=None, ge=1)

    _parsed = field_validator("when")(lambda text: _checked(text) if text else text)

    @model_validator(mode="after")
    def _says_something(self) -> Quota:
        if not self.when and not self.by:
            raise ValueError("a quota needs when (a filter), by (an attribute or topic), or both")
        if self.at_most is None and self.at_least is None:
            raise ValueError("a quota needs at_most or at_least")
        if self.by and self.at_least is not None:
            raise ValueError("at_least takes when alone: not every value of an attribute can have its least number")
        if self.at_most is not None and self.at_least is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least} is more than at_most {self.at_most}")
        return self

    def __str__(self) -> str:
        kind = f"each {self.by}" + (f" where {self.when}" if self.when else "") if self.by else self.when
        limits = [("at most", self.at_most), ("at least", self.at_least)]
        return " and ".join(f"{word} {n}" for word, n in limits if n is not None) + f" of {kind}"


class BusinessRulesConfig(BaseModel):
    """Rules that stand for every request; a request may bring more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    filter: str = ""
    """Only items for which this filter holds may come."""
    exclude: dict[str, str] = {}
    """Items for which one of these filters holds may not come: the rule's name, as ``explain`` says it, and its filter."""
    boost: tuple[Boost, ...] = ()
    """``{ when = "filter", factor = 1.5 }``: these candidates' scores are multiplied."""
    pin: tuple[Pin, ...] = ()
    """``{ item_id = "x", position = 1 }``: this item stands there, whether a source proposes it or not."""
    quota: tuple[Quota, ...] = ()
    """``{ by = "department", at_most = 3 }``, ``{ when = "filter", at_least = 2 }``: how many of a kind."""

    _filter_parsed = field_validator("filter")(lambda text: _checked(text) if text else text)

    @field_validator("exclude")
    @classmethod
    def _exclusions_parsed(cls, exclude: dict[str, str]) -> dict[str, str]:
        for text in exclude.values():
            _checked(text)
        return exclude

    @model_validator(mode="after")
    def _pins_apart(self) -> BusinessRulesConfig:
        for what, given in (
            ("position", [str(pin.position) for pin in self.pin]),
            ("item", [pin.item_id for pin in self.pin]),
        ):
            twice = next((one for one in given if given.count(one) > 1), None)
            if twice is not None:
                raise ValueError(f"{what} {twice} is pinned twice")
        return self

    def and_of(self, request: BusinessRulesConfig) -> BusinessRulesConfig:
        """Return these rules with those of a request; of two pins of an item or to a position the request's holds."""
        both = [text for text in (self.filter, request.filter) if text]
        items = {pin.item_id for pin in request.pin}
        positions = {pin.position for pin in request.pin}
        kept = tuple(pin for pin in self.pin if pin.item_id not in items and pin.position not in positions)
        return BusinessRulesConfig(
            filter=" and ".join(f"({text})" for text in both) if len(both) == 2 else "".join(both),
            exclude={**self.exclude, **request.exclude},
            boost=self.boost + request.boost,
            pin=kept + request.pin,
            quota=self.quota + request.quota,
        )

    @property
    def empty(self) -> bool:
        """Return whether there are no rules."""
        return not (self.filter or self.exclude or self.boost or self.pin or self.quota)


NO_RULES = BusinessRulesConfig()


def request_rules(
    filter: str | None = None,
    boost: Mapping[str, float] | None = None,
    pin: Mapping[str, int] | None = None,
    quota: Sequence[Mapping[str, Any]] | None = None,
) -> BusinessRulesConfig:
    """Return the rules of one request; see ``Engine.recommend``.

    Raises:
        ConfigError: When something is wrong with one; it says with which.
    """
    if not (filter or boost or pin or quota):
        return NO_RULES
    given: dict[str, Any] = {
        "filter": filter or "",
        "boost": [{"when": when, "factor": factor} for when, factor in (boost or {}).items()],
        "pin": [{"item_id": item_id, "position": position} for item_id, position in (pin or {}).items()],
        "quota": [one if isinstance(one, Quota) else dict(one) for one in quota or ()],
    }
    try:
        return BusinessRulesConfig(**given)
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ")
        where = ".".join(str(part) for part in first["loc"]) or "rules"
        raise ConfigError(said if where == "filter" else f"{where}: {said}") from error


def _checked(text: str) -> str:
    parse(text)
    return text


@dataclass(frozen=True, slots=True)
class BoundQuota:
    """A quota over the items of a catalogue.

    Attributes:
        rule: The quota.
        start: The kinds of item ``i`` are ``kind[start[i]:start[i + 1]]``, shape ``(I + 1,)``.
        kind: Numbers of kinds, from 0.
    """

    rule: Quota
    start: IntArray
    kind: IntArray

    def kinds(self, item: int) -> list[int]:
        """Return the kinds that an item is of."""
        kinds: list[int] = self.kind[self.start[item] : self.start[item + 1]].tolist()
        return kinds


@dataclass(frozen=True, slots=True)
class Ruling:
    """The rules of one question, over the items of the catalogue.

    Attributes:
        out: Which items each rule keeps out, by its name, shape ``(I,)`` each.
        factor: What the score of each item is multiplied with, shape ``(I,)``; None for 1 everywhere.
        pins: Item number by place in the list, from 0.
        quotas: How many of a kind.
    """

    out: Mapping[str, BoolArray] = field(default_factory=dict)
    factor: FloatArray | None = None
    pins: Mapping[int, int] = field(default_factory=dict)
    quotas: tuple[BoundQuota, ...] = ()

    def keeps_out(self, item: int) -> str | None:
        """Return the name of the first rule that keeps an item out, None where none does."""
        return next((name for name, mask in self.out.items() if mask[item]), None)

    def not_pinned(self, item: Int32Array) -> Int32Array:
        """Return those of the items that are not pinned."""
        return item[~np.isin(item, list(self.pins.values()))] if self.pins else item


NO_RULING = Ruling()
