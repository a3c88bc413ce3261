"""Our own network: attention whose output is gated, with a bias that is a function of gaps in order and in time."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from penchant.interest.models.sequence.config import GatedConfig
from penchant.interest.models.sequence.gaps import SCALES_DAYS, between, gap_features
from penchant.interest.models.sequence.network import Residual, initialise


class GapBias(nn.Module):
    """What attention adds for how long ago an event was: one function of events between, one of time between.

    By order: linear between learned values at gaps 0, 1, 3, 7, 15, ... events. By time, in days ``g``:
    ``sum_k w_k exp(-g / s_k) + v log(1 + g)``, with scales ``s_k`` from ten minutes to a year; 7 numbers a head. Both
    are functions, not tables of positions: a gap that training never saw has a value.
    """

    scales: Tensor

    def __init__(self, n_heads: int, max_length: int, timed: bool) -> None:
        super().__init__()
        self.order = nn.Parameter(torch.zeros(n_heads, int(math.log2(max_length + 2)) + 2))
        self.time = nn.Parameter(torch.zeros(n_heads, len(SCALES_DAYS) + 1)) if timed else None
        self.register_buffer("scales", torch.tensor(SCALES_DAYS), persistent=False)

    def forward(self, days: Tensor) -> Tensor:
        """Return the bias of each step (rows) towards each earlier one, shape ``(1 or B, H, L, L)``."""
        length = days.shape[1]
        by_gap = between(self.order, torch.arange(length, device=days.device))  # (H, L)
        step = torch.arange(length, device=days.device)
        bias = by_gap[:, (step[:, None] - step).clamp(min=0)][None]  # (1, H, L, L)
        if self.time is None:
            return bias
        gap = (days[:, :, None] - days[:, None, :]).clamp(min=0)  # (B, L, L)
        return bias + F.linear(gap_features(gap, self.scales), self.time).permute(0, 3, 1, 2)


class GatedAttention(nn.Module):
    """``W (norm(A V) * silu(U))`` with ``Q, K, V, U`` from the input and ``A`` from ``Q K / sqrt(d) + bias``.

    Source:
        Zhai et al., "Actions speak louder than words" (HSTU), ICML 2024, section 3; ``pointwise`` is its
        ``silu(.) / n``, ``softmax`` the usual weights. The bias of functions is ours; HSTU has buckets.
    """

    def __init__(self, config: GatedConfig) -> None:
        super().__init__()
        size = config.embedding_size
        self.n_heads = config.n_heads
        self.pointwise = config.attention == "pointwise"
        self.mixed = nn.Linear(size, 4 * size, bias=False)
        self.norm = nn.LayerNorm(size)
        self.out = nn.Linear(size, size, bias=False)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, bias: Tensor, later: Tensor) -> Tensor:
        """Return what each step takes from those before it and itself, shape of ``x``."""
        b, n, size = x.shape
        gate, *qkv = self.mixed(x).chunk(4, dim=-1)
        q, k, v = (part.view(b, n, self.n_heads, -1).transpose(1, 2) for part in qkv)  # (B, H, L, d/H)
        weight = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + bias
        if self.pointwise:
            weight = F.silu(weight).masked_fill(later, 0.0) / (~later).sum(dim=-1, keepdim=True)
        else:
            weight = torch.softmax(weight.masked_fill(later, -1e9), dim=-1)
        taken = (self.dropout(weight) @ v).transpose(1, 2).reshape(b, n, size)
        result: Tensor = self.out(self.norm(taken) * F.silu(gate))
        return result


class FeedForward(nn.Module):
    """``W (silu(A x) * B x)``.

    Source:
        Shazeer, "GLU variants improve Transformer", 2020.
    """

    def __init__(self, size: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.both = nn.Linear(size, 2 * inner, bias=False)
        self.out = nn.Linear(inner, size, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return a function of each step by itself, shape of ``x``."""
        a, b = self.both(x).chunk(2, dim=-1)
        result: Tensor = self.out(self.dropout(F.silu(a) * b))
        return result


class GatedBody(nn.Module):
    """Blocks of gated attention and gated feed-forward parts over one bias of gaps.

    Where there are real times, each item also carries a linear function of the pause before it, of the same features.
    """

    def __init__(self, config: GatedConfig, timed: bool) -> None:
        super().__init__()
        size, inner = config.embedding_size, int(config.feed_forward * config.embedding_size)
        self.first = nn.LayerNorm(size)
        self.dropout = nn.Dropout(config.dropout)
        self.pause = nn.Linear(len(SCALES_DAYS) + 1, size) if timed else None
        self.bias = GapBias(config.n_heads, config.max_length, timed)
        self.attention = nn.ModuleList(
            Residual(size, GatedAttention(config), config.dropout, gated=False) for _ in range(config.n_blocks)
        )
        self.forwards = nn.ModuleList(
            Residual(size, FeedForward(size, inner, config.dropout), config.dropout, gated=True)
            for _ in range(config.n_blocks if inner else 0)
        )
        self.last = nn.LayerNorm(size)
        initialise(self)

    def forward(self, x: Tensor, days: Tensor) -> Tensor:
        """Return what comes next at each step, shape ``(B, L, d)``."""
        x = self.first(x)
        if self.pause is not None:  # how long before each event nothing happened
            gap = torch.diff(days, dim=1, prepend=days[:, :1]).clamp(min=0)
            x = x + self.pause(gap_features(gap, self.bias.scales))
        x = self.dropout(x)
        length = x.shape[1]
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        bias = self.bias(days)
        for number, attention in enumerate(self.attention):
            x = attention(x, bias, later)
            if len(self.forwards):
                x = self.forwards[number](x)
        result: Tensor = self.last(x)
        return result
