"""Who took an item lately, as a fold over the event log: from two such states follows how much two items have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.batch import EventBatch, Scope
from penchant.domain.event import EVENT_TYPES, EVIDENCE_WEIGHT
from penchant.domain.packing import pack, unpack
from penchant.errors import FormatError
from penchant.math.arrays import FloatArray, IntArray
from penchant.math.decay import half_life_weight

FORMAT = 1


@dataclass(frozen=True, slots=True)
class TakersState:
    """The newest users of one item.

    Attributes:
        user: Hashes of user ids, distinct, shape ``(m,)``.
        at: Time of each one's newest event on the item, seconds since 1970, shape ``(m,)``.
        last_at: Time of the newest event of all.
    """

    user: IntArray
    at: FloatArray
    last_at: float


class ItemTakers:
    """Remembers the newest users of every item; ``neighbours`` reads which items share them, faded by age.

    What two items have in common cannot be a state of one of them: a fold of an item sees the item's own events only. So
    the state is who took it, and pairs are counted on reading, with ages as of the question. ``item_knn_online`` does the
    same over all interactions. The states hold hashes of user ids under the keys of items, which ``forget`` does not
    reach: the learner is not among those that an engine folds.

    Cost: O(max_users) an event; ``16 max_users`` bytes an item.
    """

    name = "item_takers"
    scope: Scope = "item"
    types: frozenset[str] = frozenset(name for name in EVENT_TYPES if EVIDENCE_WEIGHT[name] > 0.0)

    def __init__(self, max_users: int = 60) -> None:
        self.max_users = max_users

    def start(self) -> TakersState:
        """Return the state of an item that nobody took."""
        return TakersState(np.empty(0, np.int64), np.empty(0), -math.inf)

    def update(self, states: Mapping[str, TakersState], batch: EventBatch) -> dict[str, TakersState]:
        """Return the states after the batch; see ``Learner.update``."""
        from penchant.interest.models.online_kernels import note_all

        hashes = np.array([user_hash(user_id) for user_id in batch.users] or [0], dtype=np.int64)
        user, somebody = hashes[np.maximum(batch.user, 0)], batch.user >= 0
        changed = {}
        for item_id, rows in batch.groups(self.scope, self.types):
            old = states.get(item_id) or self.start()
            keys, at = np.zeros(self.max_users, np.int64), np.full(self.max_users, -np.inf)
            keys[: old.user.size], at[: old.user.size] = old.user, old.at
            n = note_all(rows[somebody[rows]], user, batch.at, keys, at, old.user.size)
            last_at = max(old.last_at, float(batch.at[rows].max()))
            changed[item_id] = TakersState(keys[:n].copy(), at[:n].copy(), last_at)
        return changed

    def neighbours(
        self,
        states: Mapping[str, TakersState],
        item_id: str,
        at: float,
        n: int = 50,
        half_life_days: float = 30.0,
        shrinkage: float = 10.0,
    ) -> list[tuple[str, float]]:
        """Return the ``n`` items with the most in common and how much, best first, the lower id first among equals.

        ``sim = sum over users of both of the faded product / (norm_i norm_j + shrinkage)``; nothing in the states may be
        newer than ``at``.

        Args:
            states: Of all items that may be neighbours, and of the item itself.
            item_id: The item.
            at: Seconds since 1970, the moment at which ages are taken.
            n: At most this many.
            half_life_days: After so many days a user's event counts half.
            shrinkage: Added to the norm.
        """
        if item_id not in states:
            return []
        mine = dict(zip(states[item_id].user.tolist(), self._faded(states[item_id], at, half_life_days), strict=True))
        norm = math.sqrt(sum(value * value for value in mine.values()))
        found = []
        for other, state in states.items():
            value = self._faded(state, at, half_life_days)
            common = sum(mine.get(user, 0.0) * w for user, w in zip(state.user.tolist(), value, strict=True))
            if other != item_id and common > 0:
                found.append((other, float(common / (norm * math.sqrt(float(value @ value)) + shrinkage))))
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:n]

    def _faded(self, state: TakersState, at: float, half_life_days: float) -> FloatArray:
        return half_life_weight(np.maximum(0.0, at - state.at) / DAY_S, half_life_days)

    def encode(self, state: TakersState) -> bytes:
        """Return the state as bytes."""
        return pack(FORMAT, {name: getattr(state, name) for name in TakersState.__slots__})

    def decode(self, data: bytes) -> TakersState:
        """Return the state that ``encode`` wrote; ``FormatError`` when damaged."""
        fields = unpack(data, FORMAT)
        if set(fields) != set(TakersState.__slots__):
            raise FormatError("bytes of another learner; rebuild from the log")
        return TakersState(**fields)

    def last_at(self, state: TakersState) -> float:
        """Return the time of the newest event."""
        return state.last_at


def user_hash(user_id: str) -> int:
    """Return a whole number for a user id, the same in every process: 64 bits of BLAKE2b."""
    return int.from_bytes(blake2b(user_id.encode(), digest_size=8).digest(), "big", signed=True)
