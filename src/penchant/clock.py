"""The only place that reads the wall clock, and the conversions between the three forms of a moment.

Outside, a moment is an aware ``datetime`` in UTC. The log keeps whole microseconds since 1970 (exact, sortable);
arithmetic uses float seconds since 1970.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Returns the present moment, aware, in UTC."""

Moment: TypeAlias = datetime | str | int | float
"""What callers may give as a moment: a datetime (naive means UTC), ISO 8601 text, or seconds since 1970."""

DAY_S = 86_400.0
HOUR_S = 3_600.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


def fixed(at: Moment) -> Clock:
    """Return a clock that always says ``at``; for tests and replays."""
    moment = parse_moment(at)
    return lambda: moment


def parse_moment(value: Moment) -> datetime:
    """Return ``value`` as an aware UTC datetime.

    Raises:
        ValueError: When the text is not ISO 8601, the number is not finite, or the year is outside 1..9999.

    >>> parse_moment("2017-03-01")
    datetime.datetime(2017, 3, 1, 0, 0, tzinfo=datetime.timezone.utc)
    >>> parse_moment(86400)
    datetime.datetime(1970, 1, 2, 0, 0, tzinfo=datetime.timezone.utc)
    """
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"not an ISO 8601 time: {value[:40]!r}") from None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"not a time: {type(value).__name__}; give a datetime, ISO 8601 text or seconds since 1970")
    else:
        try:
            if not math.isfinite(value):
                raise ValueError(f"not a time: {value!r}")
            return _EPOCH + timedelta(seconds=value)
        except OverflowError:
            raise ValueError("outside the years 1..9999, in seconds since 1970") from None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"outside the years 1..9999: {value!r}") from None


def to_us(moment: datetime) -> int:
    """Return whole microseconds since 1970 of an aware datetime."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(at_us: int) -> datetime:
    """Return the UTC datetime of whole microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at_us)


def to_s(moment: datetime) -> float:
    """Return seconds since 1970 of an aware datetime."""
    return to_us(moment) / 1e6


def from_s(at_s: float) -> datetime:
    """Return the UTC datetime of seconds since 1970, to the microsecond."""
    return from_us(round(at_s * 1e6))


def day_of(at_s: float) -> int:
    """Return the number of the UTC day since 1970-01-01."""
    return math.floor(at_s / DAY_S)


def isoformat(moment: datetime) -> str:
    """Return ISO 8601 text in UTC with a ``Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
