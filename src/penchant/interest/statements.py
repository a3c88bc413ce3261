"""What users say outranks what is inferred: statements applied to a reading, fading with age."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.clock import DAY_S
from penchant.domain.interests import Reading
from penchant.domain.statements import Statements
from penchant.interest.hierarchy import branch
from penchant.math.arrays import BoolArray, FloatArray, Int32Array

LEAST = 1e-6
"""What a dislike leaves of a probability at least, so that there is always something to share out."""


class StatementsConfig(BaseModel):
    """How statements fade."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    always_half_life_days: float = Field(default=180.0, gt=0)
    """Half-life of a statement of scope ``always``."""
    now_half_life_days: float = Field(default=1.0, gt=0)
    """Half-life of a statement of scope ``now``."""
    now_expires_days: float = Field(default=7.0, gt=0)
    """When a statement of scope ``now`` expires that does not say so itself."""


def expiry(said: Statements, config: StatementsConfig) -> FloatArray:
    """Return when each statement expires, seconds since 1970, ``inf`` for never, shape ``(m,)``."""
    until = said.until.copy()
    passing = said.of_scope("now")
    silent = passing[np.isinf(until[passing])]
    until[silent] = said.at[silent] + config.now_expires_days * DAY_S
    return until


def force(said: Statements, at: float, config: StatementsConfig) -> FloatArray:
    """Return ``g * value`` of each statement at a moment, ``g = 2 ** (-age / half_life)``, shape ``(m,)``, in [-1, 1].

    It is 0 for what has expired or was said later, and for mutes, which do not speak of strength.
    """
    half_life = np.full(said.at.size, config.always_half_life_days * DAY_S)
    half_life[said.of_scope("now")] = config.now_half_life_days * DAY_S
    strength: FloatArray = said.value * np.exp2(-np.maximum(0.0, at - said.at) / half_life)
    strength[(said.at > at) | (at >= expiry(said, config))] = 0.0
    strength[said.of_scope("mute")] = 0.0
    return strength


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds of a user's statements at a moment.

    Attributes:
        stated: By topic ``(strength after fading, when it expires, log position)``; where both scopes speak, what is
            said for the moment.
        muted: By topic when it was muted; what lies under a muted topic is muted with it.
        topics: The topics that statements in force name, rising.
    """

    stated: dict[int, tuple[float, float, int]]
    muted: dict[int, float]
    topics: tuple[int, ...]


def standing(said: Statements, at: float, config: StatementsConfig, parents: Int32Array) -> Standing:
    """Return what holds at a moment; topics without a number below ``parents.size`` are passed over."""
    strength, until = force(said, at, config), expiry(said, config)
    stated: dict[int, tuple[float, float, int]] = {}
    for scope in ("always", "now"):
        for row in said.of_scope(scope).tolist():
            if strength[row] != 0.0 and said.topic[row] < parents.size:
                stated[int(said.topic[row])] = (float(strength[row]), float(until[row]), int(said.position[row]))
    muted: dict[int, float] = {}
    mutes = [(int(said.topic[row]), float(said.at[row])) for row in said.muted(at) if said.topic[row] < parents.size]
    for topic, since in mutes:
        muted |= dict.fromkeys(_members(topic, parents).tolist(), since)
    muted |= mutes  # a topic's own mute says more than that of the branch above
    return Standing(stated, muted, tuple(sorted({*stated, *(topic for topic, _ in mutes)})))


def apply_statements(
    reading: Reading,
    said: Statements,
    at: float,
    config: StatementsConfig | None = None,
    parents: Int32Array | None = None,
) -> Reading:
    """Return the reading as the user's own words change it.

    With ``g`` as in ``force``, a dislike (``v < 0``) multiplies the topic's probability by ``1 - g |v|``; afterwards a
    liking (``v > 0``) raises it to ``g v max_c p(c)`` at least; then all is made to sum to 1. So a fresh "I like X"
    stands as high as the strongest interest whatever the user does, and with age what is inferred takes over.

    Scope ``always`` acts on probability, long term and short term; ``now`` on probability and short term, where it also
    silences an ``always`` of the other sign on the same topic. A statement on a topic with others under it speaks of the
    whole branch: a dislike lowers all of it, a liking raises all of it by the factor that lifts its strongest topic to
    ``g v max_c p(c)``.

    Args:
        reading: What is inferred, over ``T`` topics.
        said: The user's statements.
        at: The moment asked about, seconds since 1970.
        config: How statements fade.
        parents: The topic above each, -1 for none, shape ``(T,)``; None where topics stand alone.
    """
    strength = force(said, at, config or StatementsConfig())
    spoken = (strength != 0.0) & (said.topic < reading.probability.size)
    if not spoken.any():
        return reading
    passing = np.zeros(spoken.size, dtype=np.bool_)
    passing[said.of_scope("now")] = True
    silenced = np.zeros(spoken.size, dtype=np.bool_)
    for row in np.flatnonzero(spoken & passing):
        silenced |= ~passing & (said.topic == said.topic[row]) & (strength * strength[row] < 0)
    alone = np.ones(spoken.size, dtype=np.bool_) if parents is None else ~np.isin(said.topic, parents)

    def changed(view: FloatArray, rows: BoolArray) -> FloatArray:
        lowered = view.copy()
        less, more = rows & (strength < 0), rows & (strength > 0)
        np.multiply.at(lowered, said.topic[less & alone], np.maximum(LEAST, 1.0 + strength[less & alone]))
        for row in np.flatnonzero(less & ~alone):
            lowered[_members(int(said.topic[row]), parents)] *= max(LEAST, 1.0 + strength[row])
        top, raised = lowered.max(), lowered.copy()
        np.maximum.at(raised, said.topic[more & alone], strength[more & alone] * top)
        for row in np.flatnonzero(more & ~alone):
            mine = _members(int(said.topic[row]), parents)
            strongest = lowered[mine].max()
            lifted = lowered[mine] / strongest if strongest > 0 else np.ones(mine.size)
            raised[mine] = np.maximum(raised[mine], strength[row] * top * lifted)
        raised /= raised.sum()
        return raised

    at_hand = spoken & ~silenced
    return replace(
        reading,
        probability=changed(reading.probability, at_hand),
        long_term=changed(reading.long_term, spoken & ~passing),
        short_term=changed(reading.short_term, at_hand),
    )


def _members(topic: int, parents: Int32Array | None) -> Int32Array:
    """Return the topic and everything under it."""
    if parents is None or not (parents == topic).any():
        return np.array([topic], dtype=np.int32)
    return np.flatnonzero(branch(parents, topic)).astype(np.int32)
