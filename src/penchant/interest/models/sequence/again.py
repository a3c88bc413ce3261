"""Items that users come back to: what a user's own earlier events add to the scores of those items. Needs torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from penchant.interest.models.sequence.gaps import SCALES_DAYS, between, gap_features

STEEP = 10.0
"""What is learned is multiplied by this: odds may have to rise a hundredfold, and a step of Adam is small."""
MOST = 15.0
"""Highest log of a weight."""


class Again(nn.Module):
    """Odds of an item are ``1 + sum_j w_j`` times as high for the user's earlier events ``j`` with it.

    ``w_j = exp(10 (a(events since j) + b(days since j)))``: ``a`` is linear between learned values at 0, 1, 3, 7, ...
    events, ``b`` a sum of exponentials and a logarithm where there are real times.

    Source:
        The idea of copying from the history: Ren et al., "RepeatNet", AAAI 2019. The form is ours.
    """

    scales: Tensor

    def __init__(self, max_length: int, timed: bool) -> None:
        super().__init__()
        self.order = nn.Parameter(torch.full((1, int(math.log2(max_length + 2)) + 2), -0.1))
        self.time = nn.Linear(len(SCALES_DAYS) + 1, 1, bias=False) if timed else None
        if self.time is not None:
            nn.init.zeros_(self.time.weight)
        self.register_buffer("scales", torch.tensor(SCALES_DAYS), persistent=False)

    def forward(self, inputs: Tensor, days: Tensor, window: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Return the items each of ``N`` steps has behind it and their weights.

        Args:
            inputs: Rows of items, negative where there is none, shape ``(B, L)``.
            days: When, shape ``(B, L)``.
            window: Which row of ``inputs`` each step is in, shape ``(N,)``.
            step: Which column, shape ``(N,)``.

        Returns:
            Items, -1 = none, and weights, 0 where there is none; both of shape ``(N, L)``.
        """
        held, place = inputs[window], torch.arange(inputs.shape[1], device=inputs.device)
        behind = (place <= step[:, None]) & (held >= 0)
        value = between(self.order, (step[:, None] - place).clamp(min=0))[0]  # (N, L)
        if self.time is not None:
            gap = (days[window, step][:, None] - days[window]).clamp(min=0)
            value = value + self.time(gap_features(gap, self.scales))[..., 0]
        weight = torch.exp((STEEP * value.float()).clamp(max=MOST)) * behind
        return torch.where(behind, held, -1), weight


def bonus(held: Tensor, weight: Tensor, n_items: int) -> Tensor:
    """Return ``log(1 + sum of weights)`` of every item, shape ``(N, n_items)``.

    >>> bonus(torch.tensor([[1, -1, 1]]), torch.tensor([[1.0, 0.0, 2.0]]), 2).exp()
    tensor([[1., 4.]])
    """
    total = weight.new_zeros(held.shape[0], n_items + 1)
    return torch.log1p(total.scatter_add(1, torch.where(held >= 0, held, n_items), weight)[:, :n_items])


def gathered(inputs: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return what each place's item has in all up to each step, and whether the place is the item's last by then.

    Args:
        inputs: Items, negative = none, shape ``(B, L)``.
        weight: Of each step (rows) for each place, 0 for places after it and for none, shape ``(B, L, L)``.

    Returns:
        ``log(1 + sum of weights)`` and flags, both of shape ``(B, L, L)``: steps, places.

    >>> weight = torch.ones(3, 3).tril()[None]
    >>> gathered(torch.tensor([[1, 0, 1]]), weight)[0].exp()[0].int().tolist()[2]
    [3, 2, 3]
    >>> gathered(torch.tensor([[1, 0, 1]]), weight)[1][0].int().tolist()
    [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """
    length = inputs.shape[1]
    same = inputs[:, :, None] == inputs[:, None, :]
    place = torch.arange(length, device=inputs.device)
    later = same & (place > place[:, None])
    again_at = torch.where(later, place, length).amin(dim=-1)  # (B, L)
    last = (place <= place[:, None]) & (place[:, None] < again_at[:, None, :]) & (inputs >= 0)[:, None, :]
    return torch.log1p(weight @ same.to(weight.dtype)), last
