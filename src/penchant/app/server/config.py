"""Settings of the HTTP server."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.event import EventType

Compat = Literal["gorse"]
"""Whose public paths can be answered beside ours."""


class ServerConfig(BaseModel):
    """Configuration of the HTTP server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """Address to listen on; beyond loopback at least one key is needed."""
    port: int = Field(default=8000, ge=0, le=65_535)
    """Port to listen on; 0 takes any that is free."""
    keys: Path = Path("penchant-keys.json")
    """The file of hashed keys; without it, or with no key in it, everybody on this machine may do everything."""
    compat: tuple[Compat, ...] = ()
    """Whose paths are answered beside ours."""
    dashboard: bool = False
    """Whether ``/dashboard`` shows the six rooms in a browser; it needs the extra ``dashboard``."""
    gorse_types: dict[str, EventType] = {}
    """What feedback of Gorse's clients counts as among our event types, beside what is known: ``{"star": "like"}``."""
    cors: tuple[str, ...] = ()
    """Origins whose pages may call from a browser, such as ``https://shop.example``; none by default."""
    rate_per_s: float = Field(default=1000.0, ge=0)
    """Requests per second that each key may make, with bursts of twice as many; 0 for no limit."""
    max_body: int = Field(default=10 * 2**20, ge=1024)
    """Bytes of a request's body; a stream of events may be longer, each line of it not."""
    max_events: int = Field(default=10_000, ge=1)
    """Events in one request; a stream may hold any number."""
    queue_events: int = Field(default=100_000, ge=1)
    """Events that may wait for the log; beyond them requests are answered with 503."""
    body_timeout_s: float = Field(default=30.0, gt=0)
    """Seconds that a client may take between two pieces of a body."""
    threads: int = Field(default=4, ge=1)
    """Threads that answer questions."""
    cache_users: int = Field(default=10_000, ge=0)
    """Users whose newest lists are kept; 0 keeps none."""
    cache_s: float = Field(default=10.0, ge=0)
    """Seconds for which a kept list may be given again while nothing happens to its user or the catalogue."""
    warm_up: bool = True
    """Load and compile what the first request would have to wait for, before anybody is answered."""
    log: Literal["all", "errors", "none"] = "errors"
    """Which requests get a line in the log."""

    @property
    def local(self) -> bool:
        """Return whether only this machine can reach the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
