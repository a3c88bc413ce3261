"""Every sequence model keeps the contract and learns an order of items."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from penchant.interest.models.sequence.models import Caser, Gated, Gru, Lstm, Transformer
from penchant.testing import ItemModelContract

SMALL = {
    "epochs": 12,
    "batch_size": 32,
    "max_length": 16,
    "embedding_size": 24,
    "dropout": 0.1,
    "learning_rate": 1e-2,
    "validation": "none",
    "threads": 1,
    "device": "cpu",
}


class SequenceContract(ItemModelContract):
    kind = Gated
    expected_hits = 0.75
    expected_next = 0.6

    def make(self):
        return self.kind(self.kind.Config(**SMALL))


class TestGated(SequenceContract):
    kind = Gated


class TestTransformer(SequenceContract):
    kind = Transformer


class TestGru(SequenceContract):
    kind = Gru


class TestLstm(SequenceContract):
    kind = Lstm


class TestCaser(SequenceContract):
    kind = Caser
