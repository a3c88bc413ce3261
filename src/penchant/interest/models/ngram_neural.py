"""A neural n-gram: the last items as vectors, one hidden layer, a softmax over items; trained and asked with numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.domain.space import Between, Space
from penchant.interest.models.learned import KeepsLearned
from penchant.interest.models.ngram import sequences
from penchant.math.arrays import BoolArray, Float32Array, FloatArray, IntArray


class NeuralNGramConfig(BaseModel):
    """Configuration of the neural n-gram."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    context: int = Field(default=5, ge=1, le=50)
    """Items looked back on."""
    size: int = Field(default=32, ge=1)
    """Length of an item's vector."""
    hidden: int = Field(default=64, ge=1)
    """Units of the hidden layer."""
    epochs: int = Field(default=5, ge=1)
    """How many times the training data are gone through."""
    batch: int = Field(default=256, ge=1)
    """Examples a step."""
    negatives: int = Field(default=256, ge=1)
    """Items drawn by popularity for each step, against which the right ones must win."""
    learning_rate: float = Field(default=0.03, gt=0)
    """Of Adagrad."""
    max_examples: int = Field(default=300_000, ge=1)
    """Examples at most that are learned from, drawn at random."""


@dataclass(slots=True)
class Weights:
    """The network: ``logit(i) = out[i] . tanh(W [vectors of the context] + b) + bias[i]``; the last vector is "nothing".

    Attributes:
        vector: Of the items looked back on, shape ``(V + 1, size)``.
        hidden: W, shape ``(context * size, hidden)``.
        shift: b, shape ``(hidden,)``.
        out: Shape ``(V, hidden)``.
        bias: Shape ``(V,)``.
        seen: Which items training saw, shape ``(V,)``.
    """

    vector: Float32Array
    hidden: Float32Array
    shift: Float32Array
    out: Float32Array
    bias: Float32Array
    seen: BoolArray


class NeuralNGram(KeepsLearned[Weights]):
    """Score = logit of the item after the user's last ``context`` items; ``-inf`` for items that training never saw.

    Source:
        Bengio, Ducharme, Vincent & Jauvin, "A neural probabilistic language model", JMLR 2003, without the direct
        connections. The softmax is over the right items of a batch and some drawn by popularity, corrected for how
        often each is drawn: Bengio & Senécal, "Adaptive importance sampling", 2008. Adagrad has one rate a row.
    """

    name = "neural_ngram"
    Config = NeuralNGramConfig
    space: ClassVar[Space] = {
        "context": Between(2, 20, log=True),
        "size": Between(16, 64, log=True),
        "hidden": Between(32, 128, log=True),
        "epochs": Between(2, 10),
        "learning_rate": Between(0.005, 0.2, log=True),
    }
    _kind = Weights

    def __init__(self, config: NeuralNGramConfig | None = None) -> None:
        self.config = config or NeuralNGramConfig()
        self.losses: list[float] = []
        """Mean sampled log loss of each epoch of the last ``fit``, in nats."""

    def fit(self, training: ItemTraining) -> None:
        """Learn from every item and the items before it, in shuffled order."""
        config, n_items = self.config, training.items.n_items
        rng = np.random.default_rng([training.seed, 31])
        start, words = sequences(training.interactions)
        count = np.bincount(words, minlength=n_items).astype(np.float64)
        weights = _begin(config, n_items, count, rng)
        learner = _Adagrad(config.learning_rate)
        examples = rng.permutation(words.size)[: config.max_examples]
        owner = np.repeat(np.arange(start.size - 1), np.diff(start))
        back = np.arange(config.context, 0, -1)
        losses = []
        for epoch in range(config.epochs):
            training.progress("learn the neural n-gram", epoch, config.epochs)
            loss = 0.0
            order = rng.permutation(examples)
            for first in range(0, order.size, config.batch):
                place = order[first : first + config.batch]
                before = place[:, None] - back  # (B, context)
                context = np.where(before >= start[owner[place]][:, None], words[np.maximum(before, 0)], n_items)
                loss += _step(weights, learner, context, words[place], count, config.negatives, rng) * place.size
            losses.append(loss / max(1, order.size))
        self._learned, self.losses = weights, losses

    def _hidden(self, histories: Histories) -> Float32Array:
        weights = self.learned
        size = weights.hidden.shape[0] // weights.vector.shape[1]  # as it was learned, whatever is set now
        unknown = weights.out.shape[0]
        context = np.full((len(histories), size), unknown, dtype=np.int64)
        for b in range(len(histories)):
            last = histories.item[histories.row(b)][-size:]
            context[b, size - last.size :] = np.where(last < unknown, last, unknown)
        return _forward(weights, context)

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return the logit of every item."""
        weights = self.learned
        out = np.full((len(histories), items.n_items), -np.inf, np.float32)
        size = min(items.n_items, weights.out.shape[0])
        hidden = self._hidden(histories)
        for b in range(len(histories)):  # row by row: a row's sums must not depend on how many are asked at once
            logit = weights.out[:size] @ hidden[b] + weights.bias[:size]
            out[b, :size] = np.where(weights.seen[:size], logit, -np.inf)
        return out

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return the items looked back on without which the logit falls most."""
        weights = self.learned
        if item >= weights.out.shape[0]:
            return np.empty(0, np.int64)
        size = weights.hidden.shape[0] // weights.vector.shape[1]
        mine = histories.item[histories.row(0)][-size:].astype(np.int64)
        unknown = weights.out.shape[0]
        place = np.where(mine < unknown, mine, unknown)
        context = np.full((mine.size + 1, size), unknown, dtype=np.int64)
        context[:, size - mine.size :] = place
        context[np.arange(mine.size) + 1, size - mine.size + np.arange(mine.size)] = unknown
        logit = _forward(weights, context) @ weights.out[item]
        fall = logit[0] - logit[1:]
        best = [int(mine[i]) for i in np.argsort(-fall, kind="stable") if fall[i] > 0 and mine[i] < unknown]
        return np.array(list(dict.fromkeys(best))[:3], dtype=np.int64)


def _begin(config: NeuralNGramConfig, n_items: int, count: FloatArray, rng: np.random.Generator) -> Weights:
    def draw(*shape: int) -> Float32Array:
        drawn: Float32Array = rng.normal(0.0, 1.0 / np.sqrt(max(1, shape[-1])), shape).astype(np.float32)
        return drawn

    wide = config.context * config.size
    hidden = (rng.normal(0.0, 1.0 / np.sqrt(wide), (wide, config.hidden))).astype(np.float32)
    # The bias begins at the log of the item's share: before it learns anything the network says "what is popular".
    bias = np.log((count + 0.5) / (count.sum() + 0.5 * max(1, n_items))).astype(np.float32)
    return Weights(
        vector=draw(n_items + 1, config.size),
        hidden=hidden,
        shift=np.zeros(config.hidden, np.float32),
        out=0.1 * draw(n_items, config.hidden),
        bias=bias,
        seen=count > 0,
    )


def _forward(weights: Weights, context: IntArray) -> Float32Array:
    flat = weights.vector[context].reshape(context.shape[0], weights.hidden.shape[0])
    hidden: Float32Array = np.tanh(flat @ weights.hidden + weights.shift)
    return hidden


def _step(
    weights: Weights,
    learner: _Adagrad,
    context: IntArray,
    target: IntArray,
    count: FloatArray,
    negatives: int,
    rng: np.random.Generator,
) -> float:
    """Learn one batch; return its mean loss."""
    n = target.size
    share = count / count.sum()
    drawn = np.searchsorted(np.cumsum(share), rng.random(negatives)).clip(max=count.size - 1)
    against = np.concatenate([np.unique(target), np.setdiff1d(drawn, target)])
    # How often an item is expected among those of a step: sampled ones are many, so popular items come nearly always.
    often = -np.expm1((negatives + n) * np.log1p(-np.minimum(share[against], 1.0 - 1e-9)))
    flat = weights.vector[context].reshape(n, -1)
    hidden = np.tanh(flat @ weights.hidden + weights.shift)
    out = weights.out[against]
    logit = hidden @ out.T + weights.bias[against] - np.log(np.maximum(often, 1e-12)).astype(np.float32)
    logit -= logit.max(axis=1, keepdims=True)
    p = np.exp(logit)
    p /= p.sum(axis=1, keepdims=True)
    right = np.searchsorted(against[: np.unique(target).size], target)
    loss = float(-np.log(np.maximum(p[np.arange(n), right], 1e-30)).mean())
    p[np.arange(n), right] -= 1.0
    p /= n
    back = (p @ out) * (1.0 - hidden**2)
    to_vector = (back @ weights.hidden.T).reshape(n * context.shape[1], -1)
    learner.rows("out", weights.out, against, p.T @ hidden)
    learner.rows("bias", weights.bias[:, None], against, p.sum(axis=0)[:, None])
    learner.rows("hidden", weights.hidden, np.arange(weights.hidden.shape[0]), flat.T @ back)
    learner.rows("shift", weights.shift[:, None], np.arange(weights.shift.size), back.sum(axis=0)[:, None])
    touched, place = np.unique(context.ravel(), return_inverse=True)
    gradient = np.zeros((touched.size, weights.vector.shape[1]), np.float32)
    np.add.at(gradient, place.ravel(), to_vector)
    learner.rows("vector", weights.vector, touched, gradient)
    return loss


class _Adagrad:
    """Steps by row: ``w -= rate * g / sqrt(sum of past mean squares of the row)``.

    Source:
        Duchi, Hazan & Singer, "Adaptive subgradient methods", JMLR 2011; one accumulator a row instead of one a weight.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._past: dict[str, Float32Array] = {}

    def rows(self, name: str, weights: Float32Array, rows: IntArray, gradient: Float32Array) -> None:
        """Change some rows of a matrix in place."""
        past = self._past.setdefault(name, np.full(weights.shape[0], 1e-8, np.float32))
        past[rows] += np.mean(gradient.astype(np.float32) ** 2, axis=1)
        weights[rows] -= (self._rate / np.sqrt(past[rows]))[:, None] * gradient
