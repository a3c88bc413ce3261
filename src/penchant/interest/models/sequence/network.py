"""What every sequence network shares: items in, a vector of what comes next out, scores from it. Needs torch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from penchant.interest.models.sequence.again import Again, bonus, gathered
from penchant.interest.models.sequence.config import SequenceConfig

SPECIAL = 3
"""Rows after the items: padding, the start, a hidden item; in the order of ``PAD, START, MASK`` = -1, -2, -3."""


class Network(nn.Module):
    """``score(i) = scale * cos(h, e_i) + factor * log p_i``, where ``h`` is what the body makes of the history.

    ``e_i`` is the item's content, fixed and of length ``sqrt(share)``, beside numbers that are learned. ``p_i`` is the
    item's share of all events. Where users come back to items, their own add to it (``Again``).
    """

    log_prior: Tensor
    content: Tensor

    def __init__(
        self,
        config: SequenceConfig,
        body: nn.Module,
        log_prior: Tensor,
        content: Tensor,
        n_topics: int,
        again: Again | None,
    ) -> None:
        super().__init__()
        n, fixed = content.shape
        size = config.embedding_size
        self.cosine = config.scoring == "cosine"
        self.body = body
        self.again = again
        self.register_buffer("log_prior", log_prior)  # (n,)
        self.register_buffer("content", content)  # (n, fixed)
        self.ids = nn.Parameter(torch.randn(n, size - fixed) / math.sqrt(size))
        self.special = nn.Parameter(torch.randn(SPECIAL, size) / math.sqrt(size))
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.scale)))
        self.factor = nn.Parameter(torch.tensor(1.0 if config.popularity else 0.0), requires_grad=config.popularity)
        self.topics = nn.Linear(size, n_topics) if config.topic_weight and n_topics else None
        self.evidence = nn.Linear(2 * size, 1) if config.evidence_weight else None

    def items(self) -> Tensor:
        """Return what describes each item, shape ``(n, d)``."""
        return torch.cat([self.content, self.ids], dim=1) if self.content.shape[1] else self.ids

    def forward(self, inputs: Tensor, days: Tensor) -> Tensor:
        """Return what comes next at each step, shape ``(B, L, d)``; negative inputs are the special ones."""
        table = torch.cat([self.items(), self.special])
        n = self.ids.shape[0]
        x = F.embedding(torch.where(inputs >= 0, inputs, n - 1 - inputs), table)
        result: Tensor = self.body(x * math.sqrt(x.shape[-1]), days)  # entries of about 1
        return result

    def scores(self, h: Tensor, items: Tensor, log_prior: Tensor) -> Tensor:
        """Return the score of ``items`` (rows, ``(m, d)``) for each ``h``, ``(N, d)``; shape ``(N, m)``."""
        return self.answer(h, self.ready(items), log_prior)

    def ready(self, items: Tensor) -> Tensor:
        """Return what ``answer`` takes of items, to be kept where the same ones are asked about many times."""
        return F.normalize(items.float(), dim=-1) if self.cosine else items

    def answer(self, h: Tensor, ready: Tensor, log_prior: Tensor) -> Tensor:
        """Return the scores of items made ready for each ``h``, shape ``(N, m)``."""
        return F.linear(self._scaled(h), ready).float() + self.factor * log_prior

    def pairs(self, h: Tensor, items: Tensor, log_prior: Tensor) -> Tensor:
        """Return the score of one item for each ``h``, both ``(N, d)``; shape ``(N,)``."""
        return (self._scaled(h) * self.ready(items)).sum(dim=-1).float() + self.factor * log_prior

    def _scaled(self, h: Tensor) -> Tensor:
        return F.normalize(h.float(), dim=-1) * self.log_scale.exp() if self.cosine else h

    def own(self, inputs: Tensor, days: Tensor, window: Tensor, step: Tensor) -> Tensor | float:
        """Return what having had it before adds to each item's score, shape ``(N, n)``; 0 where nobody comes back."""
        if self.again is None:
            return 0.0
        held, weight = self.again(inputs, days, window, step)
        return bonus(held, weight, self.ids.shape[0])

    def own_scores(self, h: Tensor, inputs: Tensor, days: Tensor, items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return each step's own items, their weights, and their scores, all of shape ``(B, L, L)``: steps, places.

        An item's score stands at its last place before the step; elsewhere it is -1e9.
        """
        if self.again is None:
            raise ValueError("this network raises no own items")
        b, length = inputs.shape
        window = torch.arange(b, device=h.device).repeat_interleave(length)
        step = torch.arange(length, device=h.device).repeat(b)
        held, weight = (values.view(b, length, length) for values in self.again(inputs, days, window, step))
        added, last = gathered(inputs, weight)
        row = inputs.clamp(min=0)
        mine = self.ready(items[row])
        scores = (self._scaled(h) @ mine.transpose(1, 2)).float() + self.factor * self.log_prior[row][:, None] + added
        return held, weight, scores.masked_fill(~last, -1e9)

    def weighed(self, h: Tensor, items: Tensor) -> Tensor:
        """Return the evidence weight expected of ``items`` after ``h``, both ``(N, d)``, standardised; shape ``(N,)``."""
        if self.evidence is None:
            raise ValueError("this network has no head for evidence weights")
        items = items * math.sqrt(items.shape[-1])  # entries of about 1
        result: Tensor = self.evidence(torch.cat([h * items, items], dim=-1)).float()[:, 0]
        return result


class Residual(nn.Module):
    """``x + sigmoid(W norm(x)) * dropout(part(norm(x)))``: the part decides what, the gate how much.

    Source:
        The gate on the residual: Borisyuk et al., "LiGR", 2025, section 3.
    """

    def __init__(self, size: int, part: nn.Module, dropout: float, gated: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.part = part
        self.gate = nn.Linear(size, size) if gated else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        """Return ``x`` and what the part adds."""
        normed = self.norm(x)
        added: Tensor = self.dropout(self.part(normed, *more))
        if self.gate is not None:
            added = torch.sigmoid(self.gate(normed)) * added
        return x + added


def arrays(module: nn.Module) -> dict[str, Tensor]:
    """Return all parameters and buffers on the CPU by name."""
    return {name: value.detach().cpu() for name, value in module.state_dict().items()}


def initialise(module: nn.Module) -> None:
    """Draw matrices with a standard deviation of ``1/sqrt(inputs)``, at most 0.1, and set biases to 0."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=min(0.1, 1.0 / math.sqrt(part.in_features)))
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def load(module: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Put saved values in place; names and shapes must be the module's own."""
    module.load_state_dict(dict(values), strict=True)
