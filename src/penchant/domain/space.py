"""Ranges of settings that are worth trying: what a search draws from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Between:
    """A number from ``low`` to ``high``, both included; whole when both are.

    Attributes:
        low: The smallest value.
        high: The largest.
        log: Whether ratios matter instead of differences: 1 to 10 is then as wide as 10 to 100.
    """

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        """Return whether it is a whole number."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def grid(self, n: int) -> list[Any]:
        """Return at most ``n`` values from end to end, evenly spread.

        >>> Between(1, 100, log=True).grid(3), Between(0.0, 1.0).grid(3)
        ([1, 10, 100], [0.0, 0.5, 1.0])
        """
        space = np.geomspace if self.log else np.linspace
        values = space(self.low, self.high, n).tolist() if n > 1 else [float(space(self.low, self.high, 3)[1])]
        return sorted({round(value) for value in values}) if self.whole else values


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few values: texts, numbers, truth values or None."""

    values: tuple[str | float | int | bool | None, ...]

    def grid(self, n: int) -> list[Any]:
        """Return all values, however many are asked for."""
        return list(self.values)


Space: TypeAlias = Mapping[str, "Between | OneOf"]
"""What to try of each setting, by the name of the field in a component's Config."""

WIDER = 8.0
"""A range that nobody gave goes from the default divided by this to the default times this."""


def space_of(component: Any) -> Space:
    """Return what is worth trying of a component's settings: its attribute ``space``, else ranges around its defaults.

    Those ranges span the default divided and multiplied by eight, within what the Config allows; settings that are not
    numbers above zero, and switches, are left as they are.
    """
    given: Space | None = getattr(component, "space", None)
    return given if given is not None else _around(component.Config)


def _around(config: type[BaseModel]) -> dict[str, Between | OneOf]:
    found: dict[str, Between | OneOf] = {}
    for name, field in config.model_fields.items():
        default = field.default
        if isinstance(default, bool) or not isinstance(default, int | float) or not default > 0:
            continue
        low, high = _limits(field.metadata, default)
        if isinstance(default, int):
            least, most = max(low, default // WIDER, 1), min(high, default * WIDER)
            if least < most:
                found[name] = Between(int(least), int(most), log=True)
        else:
            found[name] = Between(float(max(low, default / WIDER)), float(min(high, default * WIDER)), log=True)
    return found


def _limits(metadata: Sequence[Any], default: float) -> tuple[float, float]:
    """Return the smallest and the largest value allowed; a limit that is itself forbidden moves a little inwards."""
    low, high = -np.inf, np.inf
    for limit in metadata:
        if isinstance(limit, Ge | Gt):
            found = float(limit.ge if isinstance(limit, Ge) else limit.gt)  # type: ignore[arg-type]
            low = max(low, found if isinstance(limit, Ge) else _inwards(found, default))
        if isinstance(limit, Le | Lt):
            found = float(limit.le if isinstance(limit, Le) else limit.lt)  # type: ignore[arg-type]
            high = min(high, found if isinstance(limit, Le) else _inwards(found, default))
    return low, high


def _inwards(limit: float, default: float) -> float:
    if isinstance(default, int):
        return limit + (1.0 if default > limit else -1.0)
    return limit + 0.01 * (default - limit)
