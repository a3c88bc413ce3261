"""The smallest item model that keeps every promise: items that the same users took."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import sparse

from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.domain.packing import pack, unpack
from penchant.errors import FormatError
from penchant.math.arrays import Float32Array, IntArray


class CompanionsConfig(BaseModel):
    """Configuration of companions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lift: float = 0.0
    """Added to every score."""


class Companions:
    """Score = logarithm of how many users took both, summed over the user's items, plus ``lift``."""

    name = "companions"
    Config = CompanionsConfig

    def __init__(self, config: CompanionsConfig | None = None) -> None:
        self.config = config or CompanionsConfig()
        self._both: sparse.csr_array | None = None

    @property
    def fitted(self) -> bool:
        return self._both is not None

    def fit(self, training: ItemTraining) -> None:
        taken = training.interactions.matrix()
        self._both = (taken.T @ taken).tocsr()

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        both = self._both
        assert both is not None
        found = np.full((len(histories), items.n_items), -np.inf, np.float32)
        n = min(both.shape[0], items.n_items)
        together = (histories.matrix(both.shape[0]) @ both).toarray()[:, :n]
        with np.errstate(divide="ignore"):
            found[:, :n] = np.log(together / 1000) + self.config.lift
        return found

    def because(self, histories: Histories, item: int) -> IntArray:
        both = self._both
        assert both is not None
        mine = np.unique(histories.item[histories.item < both.shape[0]]).astype(np.int64)
        if item >= both.shape[0] or not mine.size:
            return np.empty(0, np.int64)
        together = both[[item]].toarray()[0][mine]
        order = np.argsort(-together, kind="stable")[:3]
        return mine[order[together[order] > 0]]

    def encode(self) -> bytes:
        both = self._both
        assert both is not None
        both.sort_indices()
        parts = {"data": both.data, "indices": both.indices.astype(np.int32), "indptr": both.indptr.astype(np.int64)}
        return pack(1, {**parts, "n": both.shape[0]})

    def decode(self, data: bytes) -> None:
        fields = unpack(data, 1)
        if set(fields) != {"data", "indices", "indptr", "n"}:
            raise FormatError(f"not companions: {sorted(fields)}")
        shape = (fields["n"], fields["n"])
        self._both = sparse.csr_array((fields["data"], fields["indices"], fields["indptr"]), shape=shape)
