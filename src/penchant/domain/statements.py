"""What users say of their own interests: the newest word on each topic, within each scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from penchant.math.arrays import BoolArray, FloatArray, Int8Array, Int32Array, IntArray

StatementScope: TypeAlias = Literal[
    "always",  # an interest that lasts: "I like tea"
    "now",  # a passing one: "today I look for tea"
    "mute",  # value 1: stop showing it; 0: show it again
]

SCOPES: tuple[StatementScope, ...] = get_args(StatementScope)
"""Every scope; the index in this tuple is the code in arrays, so new scopes go to the end."""

SCOPE_CODE: dict[str, int] = {name: code for code, name in enumerate(SCOPES)}


@dataclass(frozen=True, slots=True)
class Statements:
    """A user's statements in the order of their times, one for each topic and scope.

    Attributes:
        topic: Topic number, shape ``(m,)``.
        scope: Index into ``SCOPES``, shape ``(m,)``.
        value: Strength, -1..1; 0 withdraws what was said before, shape ``(m,)``.
        at: When it was said, seconds since 1970, shape ``(m,)``.
        until: When it expires, seconds since 1970, ``inf`` where nothing was said of it, shape ``(m,)``.
        position: Log position of the event, shape ``(m,)``.
    """

    topic: Int32Array
    scope: Int8Array
    value: FloatArray
    at: FloatArray
    until: FloatArray
    position: IntArray

    @classmethod
    def none(cls) -> Statements:
        """Return that nothing was said."""
        nothing = np.empty(0)
        return cls(np.empty(0, np.int32), np.empty(0, np.int8), nothing, nothing, nothing, np.empty(0, np.int64))

    def of_scope(self, scope: StatementScope) -> IntArray:
        """Return the rows of a scope."""
        return np.flatnonzero(self.scope == SCOPE_CODE[scope])

    def muted(self, at: float) -> IntArray:
        """Return the rows that mute a topic at a moment."""
        mutes: BoolArray = (self.scope == SCOPE_CODE["mute"]) & (self.value > 0)
        return np.flatnonzero(mutes & (self.at <= at) & (at < self.until))
