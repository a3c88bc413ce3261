"""Facts about a user: the newest value of each, with its source and date."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from penchant.clock import from_s
from penchant.domain.batch import EventBatch, Scope
from penchant.domain.packing import pack, unpack
from penchant.domain.profile import Fact

FORMAT = 1
MAX_FACTS = 200


@dataclass(frozen=True, slots=True)
class FactsState:
    """Facts by name as ``(value, source, at in seconds)``."""

    facts: Mapping[str, tuple[Any, str, float]] = field(default_factory=dict)
    last_at: float = -math.inf


class Facts:
    """Keeps, for every fact named in a ``user`` event, the value of the newest event that speaks of it.

    A null value removes the fact. A late event never overwrites a newer one. At most 200 facts a user; more are ignored
    in the order in which they come.
    """

    name = "facts"
    scope: Scope = "user"
    types = frozenset({"user"})

    def start(self) -> FactsState:
        """Return no facts."""
        return FactsState()

    def update(self, states: Mapping[str, FactsState], batch: EventBatch) -> dict[str, FactsState]:
        """Return the states after the batch; see ``Learner.update``."""
        changed: dict[str, FactsState] = {}
        for user_id, rows in batch.groups(self.scope, self.types):
            old = states.get(user_id) or self.start()
            facts, last_at = dict(old.facts), old.last_at
            for row in rows.tolist():
                at = float(batch.at[row])
                last_at = max(last_at, at)
                payload = msgspec.json.decode(batch.payloads.get(row, "{}"))
                source = str(payload.get("context", {}).get("source", "user event"))
                for name, value in payload.get("facts", {}).items():
                    known = facts.get(name)
                    if (known is None and len(facts) < MAX_FACTS) or (known is not None and known[2] <= at):
                        facts[name] = (value, source, at)
            changed[user_id] = FactsState(facts, last_at)
        return changed

    def read(self, state: FactsState, at: float) -> dict[str, Fact]:
        """Return the facts that hold, by name; nothing in the state may be newer than ``at``."""
        return {
            name: Fact(value, source, from_s(since))
            for name, (value, source, since) in sorted(state.facts.items())
            if value is not None and since <= at
        }

    def encode(self, state: FactsState) -> bytes:
        """Return the state as bytes."""
        return pack(FORMAT, {"facts": {name: list(fact) for name, fact in state.facts.items()}, "at": state.last_at})

    def decode(self, data: bytes) -> FactsState:
        """Return the state that ``encode`` wrote; ``FormatError`` when damaged."""
        fields = unpack(data, FORMAT)
        return FactsState({name: (fact[0], fact[1], fact[2]) for name, fact in fields["facts"].items()}, fields["at"])

    def last_at(self, state: FactsState) -> float:
        """Return the time of the newest event, seconds since 1970."""
        return state.last_at
