"""A clock that stands still until it is told otherwise."""

from __future__ import annotations

from datetime import datetime, timedelta

from penchant.clock import Moment, parse_moment


class SettableClock:
    """Says the moment that it was set to; give it to ``Engine.open(clock=...)``.

    >>> clock = SettableClock("2026-01-01")
    >>> clock.forward(timedelta(days=1))
    >>> clock().isoformat()
    '2026-01-02T00:00:00+00:00'
    """

    def __init__(self, at: Moment) -> None:
        self._at = parse_moment(at)

    def __call__(self) -> datetime:
        """Return the moment."""
        return self._at

    def set(self, at: Moment) -> None:
        """Move to a moment, forward or back."""
        self._at = parse_moment(at)

    def forward(self, step: timedelta) -> None:
        """Move on by ``step``."""
        self._at += step
