"""Figures for Prometheus: requests by route, events by outcome, and what waits."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from penchant.domain.event import Receipt

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Meter:
    """Counts for one server; routes are named by their template, so no id of a user becomes a label."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "penchant_request_seconds",
            "Time to answer a request.",
            ["method", "route", "status"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._events = Counter("penchant_events", "Events by what became of them.", ["outcome"], registry=self.registry)
        self._cache = Counter(
            "penchant_kept_lists", "Lists by whether a kept one served.", ["hit"], registry=self.registry
        )
        self._of: dict[tuple[str, str, int], Histogram] = {}
        self._outcomes = {name: self._events.labels(name) for name in ("accepted", "duplicate", "refused", "late")}
        self._hits = {hit: self._cache.labels(str(hit).lower()) for hit in (True, False)}

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Show a value that is asked for when the figures are read."""
        Gauge(name, meaning, registry=self.registry).set_function(value)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        key = (method, route, status)
        known = self._of.get(key)
        if known is None:
            known = self._of[key] = self._requests.labels(method, route, str(status))
        known.observe(seconds)

    def receipt(self, receipt: Receipt) -> None:
        """Count events."""
        self._outcomes["accepted"].inc(receipt.accepted)
        self._outcomes["duplicate"].inc(receipt.duplicates)
        self._outcomes["refused"].inc(receipt.refused)
        self._outcomes["late"].inc(receipt.late)

    def outcomes(self) -> dict[str, int]:
        """Return how many events became what since the server began."""
        value = self.registry.get_sample_value
        return {name: int(value("penchant_events_total", {"outcome": name}) or 0) for name in self._outcomes}

    def kept(self, hit: bool) -> None:
        """Count a list that was, or was not, served from those kept."""
        self._hits[hit].inc()

    def text(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        return generate_latest(self.registry)
