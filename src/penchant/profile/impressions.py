"""Which items a user was shown lately, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from penchant.domain.batch import EventBatch, Scope
from penchant.domain.impressions import KEPT, Impressions
from penchant.domain.packing import pack, unpack
from penchant.math.arrays import FloatArray, Int32Array

FORMAT = 1
MAX_ITEMS = 500


@dataclass(frozen=True, slots=True)
class ImpressionsState:
    """``item``, ``at`` as in ``Impressions``, and the time of the newest impression."""

    item: Int32Array
    at: FloatArray
    last_at: float


class ImpressionsLearner:
    """Remembers of the last 500 items shown to a user the four newest times; beyond that the oldest are forgotten."""

    name = "impressions"
    scope: Scope = "user"
    types: frozenset[str] = frozenset({"impression"})

    def start(self) -> ImpressionsState:
        """Return that nothing was shown."""
        none = Impressions.none()
        return ImpressionsState(none.item, none.at, -math.inf)

    def update(self, states: Mapping[str, ImpressionsState], batch: EventBatch) -> dict[str, ImpressionsState]:
        """Return the states after the batch; see ``Learner.update``."""
        from penchant.profile.kernels import fold_newest

        changed: dict[str, ImpressionsState] = {}
        each = np.arange(len(batch) + 1, dtype=np.int64)  # an impression is of one item
        speaks = np.ones(len(batch))
        for user_id, rows in batch.groups(self.scope, self.types):
            old = states.get(user_id) or self.start()
            unused = np.zeros((old.item.size, KEPT))
            item, at, _, _ = fold_newest(
                old.item,
                old.at,
                unused.astype(np.float32),
                unused.astype(np.int64),
                rows,
                each,
                batch.item,
                batch.at,
                batch.position,
                speaks,
                MAX_ITEMS,
            )
            changed[user_id] = ImpressionsState(item, at, max(old.last_at, float(batch.at[rows].max())))
        return changed

    def read(self, state: ImpressionsState, at: float) -> Impressions:
        """Return what was shown; nothing in the state may be newer than ``at``."""
        return Impressions(state.item, state.at)

    def encode(self, state: ImpressionsState) -> bytes:
        """Return the state as bytes."""
        return pack(FORMAT, {name: getattr(state, name) for name in ImpressionsState.__slots__})

    def decode(self, data: bytes) -> ImpressionsState:
        """Return the state that ``encode`` wrote; ``FormatError`` when damaged."""
        return ImpressionsState(**unpack(data, FORMAT))

    def last_at(self, state: ImpressionsState) -> float:
        """Return the time of the newest impression, seconds since 1970."""
        return state.last_at
