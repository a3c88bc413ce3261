"""How often somebody may ask: a bucket of tokens for each caller, filled again at a steady rate."""

from __future__ import annotations

import time
from collections import OrderedDict

CALLERS = 10_000
"""Callers remembered; the one not heard of for longest is forgotten, which only gives it a full bucket."""


class RateLimit:
    """Lets ``rate_per_s`` requests a second pass, and bursts of ``burst``; 0 lets everything pass."""

    def __init__(self, rate_per_s: float, burst: float | None = None) -> None:
        self.rate_per_s = rate_per_s
        self.burst = max(1.0, 2 * rate_per_s if burst is None else burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # caller -> (tokens, seconds)

    def wait_s(self, caller: str, cost: float = 1.0) -> float:
        """Take a token; return 0, or after how many seconds there will be one."""
        if not self.rate_per_s:
            return 0.0
        tokens, now = self._level(caller)
        wait = 0.0 if tokens >= cost else (cost - tokens) / self.rate_per_s
        self._buckets[caller] = (tokens if wait else tokens - cost, now)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > CALLERS:
            self._buckets.popitem(last=False)
        return wait

    def empty(self, caller: str) -> bool:
        """Return whether a caller has no token left, without taking one."""
        return bool(self.rate_per_s) and self._level(caller)[0] < 1.0

    def _level(self, caller: str) -> tuple[float, float]:
        now = time.monotonic()
        tokens, since = self._buckets.get(caller, (self.burst, now))
        return min(self.burst, tokens + (now - since) * self.rate_per_s), now
