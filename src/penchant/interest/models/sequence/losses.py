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

NEVER = -1e9
"""The score of what cannot be next."""
FULL_SOFTMAX = {"cpu": 5_000, "cuda": 50_000}
"""Items up to which the softmax is over all of them, where the configuration does not say."""


class Losses:
    """The loss of a batch for one network.

    Full softmax: ``-log softmax(scores)[target]`` over all items. Sampled: ``Z = exp(s_target) + mean_j exp(s_j) / p_j``
    over items ``j`` drawn by popularity ``p`` other than the target, which is an unbiased estimate of the full sum. Where
    users come back to items, their own are in the sum as they are, not sampled.

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
        length = target.shape[1]
        width = length * (self.config.n_negatives + length if self.sampled else items.shape[0])
        rows = max(1, self.at_once // max(1, width))
        total: Tensor = h.new_zeros((), dtype=torch.float32)
        for first in range(0, h.shape[0], rows):
            part = slice(first, first + rows)
            windows = [values[part] for values in (h, target, batch.items, batch.inputs, batch.at)]
            if rows < h.shape[0]:
                total = total + checkpoint(self._part, items, negatives, *windows, use_reentrant=False)
            else:
                total = total + self._part(items, negatives, *windows)
        loss: Tensor = self.config.item_weight * total / n_targets + tasks
        return loss

    def _draw(self) -> Tensor:
        return torch.multinomial(self.network.log_prior.exp(), self.config.n_negatives, replacement=True)

    def _part(
        self,
        items: Tensor,
        negatives: Tensor | None,
        h: Tensor,
        target: Tensor,
        held: Tensor,
        inputs: Tensor,
        days: Tensor,
    ) -> Tensor:
        there = target >= 0
        wanted = target[there]  # (N,)
        window, step = there.nonzero(as_tuple=True)
        if negatives is not None:
            other = self._sampled(h[there], items, wanted, negatives)
            scores = self.network.pairs(h[there], items[wanted], self.network.log_prior[wanted])[:, None]
            if self.network.again is not None:
                own, weight, mine = (values[there] for values in self.network.own_scores(h, inputs, days, items))
                is_target = own == wanted[:, None]
                scores = scores + torch.log1p((weight * is_target).sum(dim=1, keepdim=True))
                scores = torch.cat([scores, mine.masked_fill(is_target, NEVER)], dim=1)
                other = self._unseen(other, negatives, own)
            elif self.mask_seen:
                other = self._unseen(other, negatives, seen_items(held, window, step))
            scores = torch.cat([scores, other], dim=1)
            wanted = torch.zeros_like(wanted)
        else:
            scores = self.network.scores(h[there], items, self.network.log_prior)  # (N, n)
            scores = scores + self.network.own(inputs, days, window, step)
            if self.mask_seen:
                taken = seen_before(held, window, step, items.shape[0]).scatter_(1, wanted[:, None], False)
                scores = scores.masked_fill(taken, NEVER)
        smoothing = self.config.label_smoothing if not (self.mask_seen or self.sampled) else 0.0
        return F.cross_entropy(scores, wanted, reduction="sum", label_smoothing=smoothing)

    def _sampled(self, h: Tensor, items: Tensor, wanted: Tensor, drawn: Tensor) -> Tensor:
        """Return the scores of drawn items less the log of how often each is drawn, the target's out of the running."""
        prior = self.network.log_prior[drawn]
        scores = self.network.scores(h, items[drawn], prior) - prior - math.log(drawn.numel())  # (N, K)
        return scores.masked_fill(drawn == wanted[:, None], NEVER)

    def _unseen(self, scores: Tensor, drawn: Tensor, seen: Tensor) -> Tensor:
        """Return the scores of drawn items with those of ``seen`` items, ``(N, L)``, out of the running."""
        hit = torch.zeros(scores.shape[0], self.network.ids.shape[0] + 1, dtype=torch.bool, device=drawn.device)
        hit.scatter_(1, torch.where(seen >= 0, seen, hit.shape[1] - 1), True)
        return scores.masked_fill(hit[:, drawn], NEVER)

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


def seen_items(items: Tensor, window: Tensor, step: Tensor) -> Tensor:
    """Return the items of each step's window before it, -1 elsewhere, shape ``(N, L)``."""
    held = items[window]
    return torch.where(torch.arange(items.shape[1], device=items.device) < step[:, None], held, -1)


def seen_before(items: Tensor, window: Tensor, step: Tensor, n_items: int) -> Tensor:
    """Return which items ``N`` steps' windows held before them, shape ``(N, n_items)``.

    >>> seen_before(torch.tensor([[2, 0, -1]]), torch.zeros(3, dtype=torch.long), torch.arange(3), 3).int().tolist()
    [[0, 0, 0], [0, 0, 1], [1, 0, 1]]
    """
    held = seen_items(items, window, step)
    seen = torch.zeros(held.shape[0], n_items + 1, dtype=torch.bool, device=items.device)
    return seen.scatter_(1, torch.where(held >= 0, held, n_items), True)[:, :n_items]
