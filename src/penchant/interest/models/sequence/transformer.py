"""The plain Transformer over items (SASRec)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from penchant.interest.models.sequence.config import TransformerConfig
from penchant.interest.models.sequence.network import Residual, initialise


class Attention(nn.Module):
    """Softmax attention to the step itself and those before it."""

    def __init__(self, size: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads, self.drop = n_heads, dropout
        self.mixed = nn.Linear(size, 3 * size)
        self.out = nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        """Return what each step takes, shape of ``x``."""
        b, n, size = x.shape
        q, k, v = (part.view(b, n, self.n_heads, -1).transpose(1, 2) for part in self.mixed(x).chunk(3, dim=-1))
        taken = F.scaled_dot_product_attention(q, k, v, dropout_p=self.drop if self.training else 0.0, is_causal=True)
        result: Tensor = self.out(taken.transpose(1, 2).reshape(b, n, size))
        return result


class TransformerBody(nn.Module):
    """Learned positions, then blocks of attention and a feed-forward part of the same width.

    Source:
        Kang & McAuley, "Self-attentive sequential recommendation", ICDM 2018. Trained with softmax cross-entropy over
        all items instead of one negative each: Klenitskiy & Vasilev, "Turning dross into gold loss", RecSys 2023.
    """

    def __init__(self, config: TransformerConfig, timed: bool) -> None:
        super().__init__()
        size = config.embedding_size
        self.position = nn.Parameter(torch.randn(config.max_length + 1, size) * 0.1)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList()
        for _ in range(config.n_blocks):
            forward = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(size, size))
            attention = Attention(size, config.n_heads, config.dropout)
            self.blocks += [Residual(size, part, config.dropout, gated=False) for part in (attention, forward)]
        self.last = nn.LayerNorm(size)
        initialise(self)

    def forward(self, x: Tensor, days: Tensor) -> Tensor:
        """Return what comes next at each step, shape ``(B, L, d)``."""
        x = self.dropout(x + self.position[: x.shape[1]])
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.last(x)
        return result
