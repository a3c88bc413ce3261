"""What users say of their interests, kept apart from what they do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from penchant.clock import parse_moment, to_s
from penchant.domain.batch import EventBatch, Scope
from penchant.domain.packing import pack, unpack
from penchant.domain.statements import SCOPE_CODE, Statements

FORMAT = 1
MAX_STATEMENTS = 512


@dataclass(frozen=True, slots=True)
class Said:
    """One statement; of two on the same topic and scope the larger counts: the later one, then the later in the log."""

    at: float
    position: int
    value: float
    until: float


@dataclass(frozen=True, slots=True)
class StatementsState:
    """The newest statements of one user.

    Attributes:
        said: By (topic number, scope code), the newest last.
        last_at: Time of the newest event, seconds since 1970.
    """

    said: Mapping[tuple[int, int], Said] = field(default_factory=dict)
    last_at: float = -math.inf


class StatementsLearner:
    """Keeps the newest statement on each topic and scope, 512 at most; beyond that the oldest are forgotten.

    Newest means by event time, so that late statements change what they would have changed in time; of statements at
    the same moment the later one in the log holds. Withdrawals (value 0) are kept too: they outdo late ones. O(topics)
    an event, 41 bytes a statement.
    """

    name = "statements"
    scope: Scope = "user"
    types = frozenset({"statement"})

    def start(self) -> StatementsState:
        """Return nothing said."""
        return StatementsState()

    def update(self, states: Mapping[str, StatementsState], batch: EventBatch) -> dict[str, StatementsState]:
        """Return the states after the batch; see ``Learner.update``."""
        changed: dict[str, StatementsState] = {}
        for user_id, rows in batch.groups(self.scope, self.types):
            old = states.get(user_id) or self.start()
            said, last_at = dict(old.said), old.last_at
            for row in rows.tolist():
                scope, until = _terms(batch.payloads.get(row))
                at, value = float(batch.at[row]), float(batch.value[row])
                value = 1.0 if math.isnan(value) else min(1.0, max(-1.0, value))
                new = (at, int(batch.position[row]), value, until)
                last_at = max(last_at, at)
                for topic in batch.topic[batch.topic_start[row] : batch.topic_start[row + 1]].tolist():
                    known = said.get((topic, scope))
                    if known is None or (known.at, known.position) < new[:2]:
                        said[topic, scope] = Said(*new)
            newest = sorted(said.items(), key=lambda pair: (pair[1].at, pair[1].position, pair[0]))
            changed[user_id] = StatementsState(dict(newest[-MAX_STATEMENTS:]), last_at)
        return changed

    def read(self, state: StatementsState, at: float) -> Statements:
        """Return the statements in the order of their times; nothing in the state may be newer than ``at``."""
        return Statements(**_columns(state))

    def encode(self, state: StatementsState) -> bytes:
        """Return the state as bytes."""
        return pack(FORMAT, {**_columns(state), "last_at": state.last_at})

    def decode(self, data: bytes) -> StatementsState:
        """Return the state that ``encode`` wrote; ``FormatError`` when damaged."""
        fields = unpack(data, FORMAT)
        keys = zip(fields["topic"].tolist(), fields["scope"].tolist(), strict=True)
        values = zip(*(fields[name].tolist() for name in ("at", "position", "value", "until")), strict=True)
        return StatementsState({key: Said(*value) for key, value in zip(keys, values, strict=True)}, fields["last_at"])

    def last_at(self, state: StatementsState) -> float:
        """Return the time of the newest event, seconds since 1970."""
        return state.last_at


def _columns(state: StatementsState) -> dict[str, Any]:
    """Return the statements as arrays by name."""
    said = state.said.values()
    keys = np.array(list(state.said), dtype=np.int32).reshape(-1, 2)
    return {
        "topic": keys[:, 0].copy(),
        "scope": keys[:, 1].astype(np.int8),
        "value": np.array([one.value for one in said], dtype=np.float64),
        "at": np.array([one.at for one in said], dtype=np.float64),
        "until": np.array([one.until for one in said], dtype=np.float64),
        "position": np.array([one.position for one in said], dtype=np.int64),
    }


def _terms(payload: str | None) -> tuple[int, float]:
    """Return the scope code and the expiry of a statement; a log of an earlier version may hold anything there."""
    said = msgspec.json.decode(payload) if payload else {}
    scope, until = said.get("scope"), said.get("until")
    code = SCOPE_CODE.get(scope, 0) if isinstance(scope, str) else 0
    try:
        return code, to_s(parse_moment(until)) if isinstance(until, str) else math.inf
    except ValueError:
        return code, math.inf
