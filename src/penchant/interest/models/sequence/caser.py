"""Convolutions over the newest items (Caser)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from penchant.interest.models.sequence.config import CaserConfig


class CaserBody(nn.Module):
    """Horizontal filters find patterns of several items, vertical ones are weighted sums of the newest items.

    Source:
        Tang & Wang, "Personalized top-N sequential recommendation via convolutional sequence embedding", WSDM 2018.
        Ours answers at every step from the window before it, and has no vector of the user.
    """

    def __init__(self, config: CaserConfig, timed: bool) -> None:
        super().__init__()
        size, self.window = config.embedding_size, config.window
        self.first = nn.LayerNorm(size)
        self.dropout = nn.Dropout(config.dropout)
        self.horizontal = nn.ModuleList(
            nn.Conv1d(size, config.n_horizontal, height) for height in range(1, config.window + 1)
        )
        self.vertical = nn.Parameter(torch.randn(config.n_vertical, config.window) / config.window)
        wide = config.n_horizontal * config.window + config.n_vertical * size
        self.mix = nn.Linear(wide, size)
        self.out = nn.Linear(2 * size, size)
        self.last = nn.LayerNorm(size)

    def forward(self, x: Tensor, days: Tensor) -> Tensor:
        """Return what comes next at each step, shape ``(B, L, d)``."""
        x = self.dropout(self.first(x))
        padded = F.pad(x.transpose(1, 2), (self.window - 1, 0))  # (B, d, window - 1 + L)
        found = []
        for height, filters in enumerate(self.horizontal, 1):
            seen = F.relu(filters(padded))  # (B, f, window - height + L)
            found.append(F.max_pool1d(seen, self.window - height + 1, stride=1))  # (B, f, L)
        views = padded.unfold(2, self.window, 1)  # (B, d, L, window)
        sums = torch.einsum("bdlw,vw->bvdl", views, self.vertical).flatten(1, 2)
        mixed = F.relu(self.mix(self.dropout(torch.cat([*found, sums], dim=1).transpose(1, 2))))
        result: Tensor = self.last(self.out(torch.cat([mixed, x], dim=-1)))
        return result
