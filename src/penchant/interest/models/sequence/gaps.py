"""Functions of how long ago something was, in events and in days. Needs torch."""

from __future__ import annotations

import torch
from torch import Tensor

SCALES_DAYS = (1 / 144, 1 / 24, 1.0, 7.0, 30.0, 365.0)
"""Ten minutes, an hour, a day, a week, a month, a year."""


def between(values: Tensor, gap: Tensor) -> Tensor:
    """Return what lies linearly between ``values`` at gaps of 0, 1, 3, 7, 15, ... events, shape ``(H, *gap.shape)``.

    >>> between(torch.tensor([[0.0, 10.0, 20.0]]), torch.tensor([0, 1, 3, 100]))
    tensor([[ 0., 10., 20., 20.]])
    """
    place = torch.log2(1.0 + gap).clamp(max=values.shape[1] - 1)
    low = place.long().clamp(max=values.shape[1] - 2)
    part = place - low
    return values[:, low] * (1 - part) + values[:, low + 1] * part


def gap_features(gap: Tensor, scales: Tensor) -> Tensor:
    """Return ``exp(-g / s_k)`` and ``log(1 + g)`` of gaps in days, one more dimension of 7."""
    return torch.cat([torch.exp(-gap[..., None] / scales), torch.log1p(gap)[..., None]], dim=-1)
