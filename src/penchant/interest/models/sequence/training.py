"""One training loop for all networks: batches, schedule, averaging, early stopping, and going on where it broke off."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from penchant.domain.progress import Progress
from penchant.interest.models.sequence.augment import augmented, like
from penchant.interest.models.sequence.batches import Batch, Sequences, batches, drawn_ahead, padded, windows
from penchant.interest.models.sequence.checkpoint import Checkpoint
from penchant.interest.models.sequence.config import SequenceConfig
from penchant.interest.models.sequence.losses import Losses, seen_before
from penchant.interest.models.sequence.network import Network, arrays, load
from penchant.math.arrays import IntArray

VALIDATED = 8192
"""Held-out events asked about at most; a sample of users when there are more."""
TOGETHER = 256
"""Windows that are read together at validation."""
N = 10
"""Length of the list whose NDCG decides when training stops."""


@dataclass
class State:
    """Where a training stands after an epoch.

    Attributes:
        epoch: Epochs done.
        best: The weights that answered best so far, by name; empty before the first validation.
        best_score: Their NDCG@10, -1 before the first.
        best_epoch: When they were reached; 0 = never.
        averaged: The moving average of the weights, by name; empty without one.
        step: Steps done.
    """

    epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    best_score: float = -1.0
    best_epoch: int = 0
    averaged: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0


@dataclass(frozen=True)
class Task:
    """What is trained on: the events, how many epochs at most, and what else the loss needs to know."""

    sequences: Sequences
    config: SequenceConfig
    seed: int
    device: str
    mask_seen: bool
    topics: Tensor | None
    epochs: int
    progress: Progress
    name: str


@contextmanager
def alone(seed: int, device: str, threads: int | None) -> Iterator[None]:
    """Draw torch's chance from ``seed`` and use ``threads`` threads, and leave both as they were."""
    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device == "cuda" else []):
        torch.manual_seed(seed)
        if threads is not None:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            if threads is not None:
                torch.set_num_threads(before)


class Trainer:
    """Trains one network on one task."""

    def __init__(self, network: Network, task: Task) -> None:
        self.network = network.to(task.device)
        self.task = task
        config = task.config
        decayed = [p for p in network.parameters() if p.requires_grad and p.dim() > 1]
        others = [p for p in network.parameters() if p.requires_grad and p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(
            [g for g in groups if g["params"]], lr=config.learning_rate, betas=(0.9, 0.98), fused=task.device == "cuda"
        )
        self.losses = Losses(network, config, task.mask_seen, task.topics, task.device)
        self.run: Any = torch.compile(network, dynamic=True) if config.compile else network
        substitutes = "substitute" in config.augment
        self.alike = like(task.sequences, network.ids.shape[0]) if substitutes else np.zeros((0, 0), np.int64)
        self.asked = _held_out(task.sequences, config.max_length, task.seed)
        self.state = State()
        self.seconds: list[float] = []

    def fit(self, checkpoint: Checkpoint | None = None) -> State:
        """Train to the end, from where the checkpoint stands if it is of this very training; return how it went.

        The network is left with its best weights: those of the best validation, else the last (averaged) ones.
        """
        task, state = self.task, self.state
        if checkpoint is not None:
            checkpoint.read(self)
        while state.epoch < task.epochs and not self._done():
            began = time.perf_counter()
            with alone(_mixed(task.seed, state.epoch), task.device, task.config.threads):
                finite = self._epoch()
            if not finite:
                break
            state.epoch += 1
            self.seconds.append(time.perf_counter() - began)
            self._validate()
            if checkpoint is not None:
                checkpoint.write(self)
            task.progress(f"training {task.name}", state.epoch, task.epochs)
        load(self.network, {**arrays(self.network), **(state.best or state.averaged)})
        self.network.eval()
        return state

    def _done(self) -> bool:
        state = self.state
        return bool(self.asked.size) and state.epoch - state.best_epoch >= self.task.config.patience and state.epoch > 0

    def _epoch(self) -> bool:
        """Train on every window once; return whether the loss stayed finite."""
        task, config = self.task, self.task.config
        rng = np.random.default_rng([task.seed, self.state.epoch, 31])
        chosen = windows(task.sequences, config.max_length, config.windows, rng)
        n_batches = math.ceil(chosen.shape[0] / config.batch_size)
        self.network.train()
        losses = torch.zeros((), device=task.device)
        for number, batch in enumerate(batches(task.sequences, chosen, config.batch_size, rng)):
            self._rate((self.state.epoch + number / n_batches) / config.epochs)
            changed = augmented(batch, config.augment, config.augment_share, self.alike, rng)
            losses += self._step(drawn_ahead(changed, config.next_n, rng))
        return bool(torch.isfinite(losses))

    def _rate(self, done: float) -> None:
        config = self.task.config
        if done < config.warmup:
            factor = (done + 1e-3) / config.warmup
        else:
            factor = 0.1 + 0.45 * (1.0 + math.cos(math.pi * (done - config.warmup) / (1.0 - config.warmup + 1e-9)))
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * min(1.0, factor)

    def _step(self, batch: Batch) -> Tensor:
        on = _Tensors(batch, self.task.device)
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=self.task.device == "cuda"):
            loss = self.losses(self.run(on.inputs, on.at), on)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.task.config.clip)
        self.optimizer.step()
        self.state.step += 1
        self._average()
        return loss.detach()

    @torch.no_grad()
    def _average(self) -> None:
        decay, step, averaged = self.task.config.averaging, self.state.step, self.state.averaged
        if not decay:
            return
        decay = min(decay, (1 + step) / (10 + step))
        for name, value in self.network.named_parameters():
            if name in averaged:
                averaged[name].lerp_(value.detach(), 1 - decay)
            else:
                averaged[name] = value.detach().clone()

    def _validate(self) -> None:
        if not self.asked.size:
            return
        state, kept = self.state, {}
        if state.averaged:
            kept = {name: value.clone() for name, value in self.network.state_dict().items()}
            load(self.network, {**kept, **state.averaged})
        score = self.ndcg()
        if score > state.best_score:
            state.best_score, state.best_epoch = score, state.epoch
            state.best = {name: value.clone() for name, value in self.network.state_dict().items()}
        if kept:
            load(self.network, kept)

    @torch.no_grad()
    def ndcg(self) -> float:
        """Return the mean of ``1 / log2(1 + rank)`` over held-out events, 0 where the rank is above 10."""
        self.network.eval()
        items, n, total, count = self.network.items(), self.network.ids.shape[0], 0.0, 0
        for first in range(0, self.asked.shape[0], TOGETHER):
            events = self.asked[first : first + TOGETHER]
            on = _Tensors(padded(self.task.sequences, events[:, :2]), self.task.device)
            wanted = torch.from_numpy(events[:, 2:]).to(self.task.device)  # from which step on events are held out
            there = (on.target >= 0) & (torch.arange(on.target.shape[1], device=wanted.device) >= wanted)
            h, target = self.network(on.inputs, on.at)[there], on.target[there][:, None]
            steps, size = there.nonzero(), max(1, self.losses.at_once // n)
            for few in torch.split(torch.arange(h.shape[0], device=h.device), size):
                window, step = steps[few].unbind(1)
                scores = self.network.scores(h[few], items, self.network.log_prior)
                scores = scores + self.network.own(on.inputs, on.at, window, step)
                if self.task.mask_seen:
                    seen = seen_before(on.items, window, step, n).scatter_(1, target[few], False)
                    scores = scores.masked_fill(seen, -torch.inf)
                rank = (scores > scores.gather(1, target[few])).sum(dim=1)
                total += float(torch.where(rank < N, 1.0 / torch.log2(rank + 2.0), 0.0).sum())
                count += rank.numel()
        return total / max(1, count)


class _Tensors:
    """A batch on the device."""

    def __init__(self, batch: Batch, device: str) -> None:
        self.inputs, self.target, self.items, self.at, self.weight = (
            torch.from_numpy(values).to(device, non_blocking=True)
            for values in (batch.inputs, batch.target, batch.items, batch.at, batch.weight)
        )


def _held_out(sequences: Sequences, max_length: int, seed: int) -> IntArray:
    """Return windows that end in held-out events: first and end event, and the first step asked, shape ``(V, 3)``."""
    size, kept = np.diff(sequences.start), sequences.kept()
    users = np.flatnonzero(size > kept)
    held = size[users] - kept[users]
    if held.sum() > VALIDATED:
        order = np.random.default_rng([seed, 32]).permutation(users.size)
        users = np.sort(users[order[: int(np.searchsorted(np.cumsum(held[order]), VALIDATED)) + 1]])
    asked_at = sequences.start[users] + kept[users]
    end = np.minimum(sequences.start[users + 1], asked_at + max(1, max_length // 2))
    first = np.maximum(sequences.start[users], end - max_length - 1)
    return np.stack([first, end, asked_at - first], axis=1)


def _mixed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch, 33]).generate_state(1)[0])
