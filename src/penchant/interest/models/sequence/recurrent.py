"""Recurrent networks over items: GRU and LSTM."""

from __future__ import annotations

from torch import Tensor, nn

from penchant.interest.models.sequence.config import RecurrentConfig


class RecurrentBody(nn.Module):
    """One state that every item updates; what comes next is read from it.

    Source:
        Hidasi et al., "Session-based recommendations with recurrent neural networks", ICLR 2016; with softmax
        cross-entropy over all items in place of its ranking losses.
    """

    def __init__(self, config: RecurrentConfig, kind: type[nn.GRU] | type[nn.LSTM]) -> None:
        super().__init__()
        size = config.embedding_size
        self.first = nn.LayerNorm(size)
        self.dropout = nn.Dropout(config.dropout)
        self.cells = kind(size, size, config.n_layers, batch_first=True)
        self.out = nn.Linear(size, size)
        self.last = nn.LayerNorm(size)

    def forward(self, x: Tensor, days: Tensor) -> Tensor:
        """Return what comes next at each step, shape ``(B, L, d)``."""
        state, _ = self.cells(self.dropout(self.first(x)))
        result: Tensor = self.last(self.out(self.dropout(state)))
        return result
