"""What training makes small: surprise at the next item, at its topics, and the error of its evidence weight."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

from penchant.interest.models.sequence.config import SequenceConfig
from penchant.interest.models.sequence.network import Network

AT_ONCE = {"cpu": 2**23, "cuda": 2**27}
"""Scores computed together; more are computed in parts, and again for the gradient, so that memory stays bounded."""

FULL_SOFTMAX = {"cpu": 5_000, "cuda": 50_000}
"""Items up to which the softmax is over all of them, where the configuration does not say."""


class Losses:
    """The loss of a batch for one network.

    Full softmax: ``-log softmax(scores)[target]`` over all items. Sampled: ``Z = exp(s_target) + mean_j exp(s_j) / p_j``
    over items ``j`` drawn by popularity ``p`` other than the target, which is an unbiased estimate of the full sum.

    Source:
        Bengio & Senecal, "Adaptive importance sampling to accelerate training of a neural probabilistic language model",
        2008. The target itself is not sampled and gets no correction: Khrylchenko et al., RecSys 2025.
    """

    def __init__(
        self, network: Network, config: SequenceConfig, mask_seen: bool, topics: Tensor | None, device: str
    ) -> None:
        self.network = network
        self.config = config
        self.mask_seen = mask_seen
        self.topics = topics  # (n, T), dense
        self.sampled = network.ids.shape[0] > (config.full_softmax_items or FULL_SOFTMAX[device])
        self.at_once = AT_ONCE[device]

    def __call__(self, h: Tensor, batch: Any) -> Tensor:
        """Return the mean loss of all targets of a batch; ``h`` is what the network made of it, ``(B, L, d)``."""
        target = batch.target
        items = self.network.items()
        tasks: Tensor = self._tasks(h, items, batch)
        if not self.config.item_weight:
            return tasks
        n_targets = (target >= 0).sum().clamp(min=1)
        negatives = self._draw() if self.sampled else None
        width = target.shape[1] * (self.config.n_negatives if self.sampled else items.shape[0])
        rows = max(1, self.at_once // max(1, width))
        total: Tensor = h.new_zeros((), dtype=torch.float32)
        for first in range(0, h.shape[0], rows):
            part = slice(first, first + rows)
            given = (h[part], items, target[part], batch.items[part], negatives)
            if rows < h.shape[0]:
                total = total + checkpoint(self._part, *given, use_reentrant=False)
            else:
                total = total + self._part(*given)
        loss: Tensor = self.config.item_weight * total / n_targets + tasks
        return loss

    def _draw(self) -> Tensor:
        return torch.multinomial(self.network.log_prior.exp(), self.config.n_negatives, replacement=True)

    def _part(self, h: Tensor, items: Tensor, target: Tensor, seen: Tensor, negatives: Tensor | None) -> Tensor:
        there = target >= 0
        wanted = target[there]  # (N,)
        prior = self.network.log_prior
        if negatives is not None:
            mine = h[there]
            own = self.network.pairs(mine, items[wanted], prior[wanted])[:, None]
            other = self.network.scores(mine, items[negatives], prior[negatives])  # (N, K)
            other = other - prior[negatives] - math.log(negatives.numel())
            other = other.masked_fill(negatives == wanted[:, None], -1e9)
            scores = torch.cat([own, other], dim=1)
            wanted = torch.zeros_like(wanted)
        else:
            scores = self.network.scores(h[there], items, prior)  # (N, n)
            if self.mask_seen:
                scores = scores.masked_fill(
                    seen_before(seen, items.shape[0])[there].scatter(1, wanted[:, None], False), -1e9
                )
        smoothing = self.config.label_smoothing if not self.mask_seen else 0.0
        return F.cross_entropy(scores, wanted, reduction="sum", label_smoothing=smoothing)

    def _tasks(self, h: Tensor, items: Tensor, batch: Any) -> Tensor:
        there = batch.target >= 0
        wanted, mine = batch.target[there], h[there]
        total = h.new_zeros((), dtype=torch.float32)
        if self.network.topics is not None and self.topics is not None:
            about = self.topics[wanted]  # (N, T)
            surprise = -(about * torch.log_softmax(self.network.topics(mine).float(), dim=-1)).sum()
            total = total + self.config.topic_weight * surprise / about.sum().clamp(min=1.0)
        if self.network.evidence is not None:
            guess = self.network.weighed(mine, items[wanted])
            total = total + self.config.evidence_weight * F.mse_loss(guess, batch.weight[there])
        return total


def seen_before(items: Tensor, n_items: int) -> Tensor:
    """Return which items a window held before each of its steps, shape ``(B, L, n_items)``.

    >>> seen_before(torch.tensor([[2, 0, -1]]), 3)[0].int().tolist()
    [[0, 0, 0], [0, 0, 1], [1, 0, 1]]
    """
    b, n = items.shape
    step = torch.arange(n, device=items.device)
    earlier = (step < step[:, None]) & (items >= 0)[:, None, :]  # (B, L, L)
    index = torch.where(earlier, items[:, None, :], n_items)
    seen = torch.zeros(b, n, n_items + 1, dtype=torch.bool, device=items.device)
    return seen.scatter_(2, index, True)[..., :n_items]
