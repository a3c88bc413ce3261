"""A small network over rows of features, the same for every topic and user; trained with numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from penchant.domain.packing import pack, unpack
from penchant.math.arrays import Float32Array

FORMAT = 1
AT_ONCE = 65_536
"""Rows worked on together: what is between the layers takes several times the memory of the rows."""
NAMES = ("w1", "b1", "w2", "b2", "w3", "b3")


@dataclass(frozen=True)
class Network:
    """Two hidden layers with SiLU over standardised features: ``(N, F) -> (N, O)``.

    Attributes:
        mean: Of each feature, shape ``(F,)``.
        scale: One over the standard deviation of each, shape ``(F,)``.
        weights: ``w1 (F, H), b1 (H,), w2 (H, H), b2 (H,), w3 (H, O), b3 (O,)``.
    """

    mean: Float32Array
    scale: Float32Array
    weights: tuple[Float32Array, ...]

    def __call__(self, features: Float32Array) -> Float32Array:
        """Return the outputs, shape ``(N, O)``."""
        if features.shape[0] > AT_ONCE:
            return np.concatenate([self(part) for part in np.array_split(features, features.shape[0] // AT_ONCE + 1)])
        w1, b1, w2, b2, w3, b3 = self.weights
        hidden = _silu(self.standardised(features) @ w1 + b1)
        answer: Float32Array = _silu(hidden @ w2 + b2) @ w3 + b3
        return answer

    def standardised(self, features: Float32Array) -> Float32Array:
        """Return features with mean 0 and variance 1, none further than 6 from 0."""
        scaled: Float32Array = np.clip((features - self.mean) * self.scale, -6.0, 6.0)
        return scaled

    def encode(self) -> bytes:
        """Return the network as bytes."""
        named = dict(zip(NAMES, self.weights, strict=True))
        return pack(FORMAT, {"mean": self.mean, "scale": self.scale, **named})

    @classmethod
    def decode(cls, data: bytes) -> Network:
        """Return the network that ``encode`` wrote; ``FormatError`` when damaged."""
        found = unpack(data, FORMAT)
        return cls(found["mean"], found["scale"], tuple(found[name] for name in NAMES))


def sigmoid(x: Any) -> Any:
    """Return ``1 / (1 + exp(-x))`` of an array in its own precision, however far ``x`` is from 0."""
    from scipy.special import expit  # a tenth of a second that nobody waits for who has fitted nothing

    return expit(x)


def _silu(x: Float32Array) -> Float32Array:
    answer: Float32Array = x * sigmoid(x)
    return answer


def start(features: Float32Array, n_hidden: int, n_outputs: int, rng: np.random.Generator) -> Network:
    """Return a network whose output is zero everywhere, with the features' mean and scale.

    Args:
        features: A sample of rows, shape ``(N, F)``.
        n_hidden: Width of both hidden layers.
        n_outputs: Number of outputs.
        rng: Draws the first weights.
    """
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    # In parts: the deviations of all rows at once would take twice the memory of the rows.
    parts = np.array_split(features, max(1, features.shape[0] // AT_ONCE))
    squares = sum(np.square(part - mean, dtype=np.float64).sum(axis=0) for part in parts)
    scale = (1.0 / (np.sqrt(squares / features.shape[0]) + 1e-3)).astype(np.float32)
    n = features.shape[1]
    shapes = ((n, n_hidden), (n_hidden,), (n_hidden, n_hidden), (n_hidden,), (n_hidden, n_outputs), (n_outputs,))
    weights = []
    for number, shape in enumerate(shapes):
        drawn = rng.normal(0.0, 1.0 / np.sqrt(shape[0]), shape) if number in (0, 2) else np.zeros(shape)
        weights.append(drawn.astype(np.float32))
    return Network(mean, scale, tuple(weights))


Batch = tuple[Float32Array, Callable[[Float32Array], tuple[float, Float32Array]]]
"""Features of one training step, shape ``(N, F)``, and a function from the outputs ``(N, O)`` to the loss and its
gradient by output, ``(N, O)``."""


def train(
    network: Network,
    batches: Callable[[np.random.Generator], Iterable[Batch]],
    n_batches: int,
    validate: Callable[[Network], float],
    epochs: int,
    rng: np.random.Generator,
    peak: float = 6e-3,
    decay: float = 1e-4,
) -> tuple[Network, float, float]:
    """Return the best network seen on validation, its loss, and the loss before training.

    AdamW with a learning rate that rises for the first third of the steps and falls to zero as a cosine.

    Args:
        network: Where to start.
        batches: Called once an epoch; yields its steps, so that one of them is in memory at a time.
        n_batches: How many it yields.
        validate: Returns the loss on data not trained on; the first call is made before training.
        epochs: How often all data are seen.
        rng: Orders the data.
        peak: Highest learning rate.
        decay: Weight decay.

    Source:
        Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2. SiLU: Elfwing, Uchibe &
        Doya, Neural Networks 2018.
    """
    weights = [weight.copy() for weight in network.weights]
    first = [np.zeros_like(weight) for weight in weights]
    second = [np.zeros_like(weight) for weight in weights]
    before = best = validate(network)
    kept = network
    step, steps = 0, epochs * n_batches
    for epoch in range(epochs):
        for features, loss in batches(rng):
            step += 1
            progress = step / steps
            rate = peak * (progress / 0.3 if progress < 0.3 else 0.5 * (1.0 + np.cos(np.pi * (progress - 0.3) / 0.7)))
            for number, slope in enumerate(
                _gradient(Network(network.mean, network.scale, tuple(weights)), features, loss)
            ):
                first[number] += np.float32(0.1) * (slope - first[number])
                second[number] += np.float32(0.001) * (slope * slope - second[number])
                unbiased = first[number] / np.float32(1.0 - 0.9**step)
                spread = np.sqrt(second[number] / np.float32(1.0 - 0.999**step)) + np.float32(1e-8)
                weights[number] -= np.float32(rate) * (unbiased / spread + np.float32(decay) * weights[number])
        # Early epochs move too much to be worth a look.
        if epoch >= epochs // 2:
            now = Network(network.mean, network.scale, tuple(weight.copy() for weight in weights))
            found = validate(now)
            if found < best:
                best, kept = found, now
    return kept, best, before


def _gradient(
    network: Network, features: Float32Array, loss: Callable[[Float32Array], tuple[float, Float32Array]]
) -> list[Float32Array]:
    w1, b1, w2, b2, w3, b3 = network.weights
    x = network.standardised(features)
    a1 = x @ w1 + b1
    s1 = sigmoid(a1)
    h1 = a1 * s1
    a2 = h1 @ w2 + b2
    s2 = sigmoid(a2)
    h2 = a2 * s2
    _, d3 = loss(h2 @ w3 + b3)
    d2 = (d3 @ w3.T) * (s2 + h2 * (np.float32(1.0) - s2))
    d1 = (d2 @ w2.T) * (s1 + h1 * (np.float32(1.0) - s1))
    return [x.T @ d1, d1.sum(axis=0), h1.T @ d2, d2.sum(axis=0), h2.T @ d3, d3.sum(axis=0)]


def softmax_loss(base: Float32Array, came: Float32Array) -> Callable[[Float32Array], tuple[float, Float32Array]]:
    """Return the loss of questions about which topic comes next: mean cross-entropy per event.

    Args:
        base: Log probabilities that the network's output is added to, ``-inf`` where there is no topic, ``(M, T)``.
        came: Weight of each topic that came, shape ``(M, T)``.
    """
    total = came.sum()

    def of(output: Float32Array) -> tuple[float, Float32Array]:
        logits = base + output.reshape(base.shape)
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        whole = p.sum(axis=1, keepdims=True)
        p /= whole
        there = came > 0
        loss = float((came[there] * (np.log(whole) * np.ones_like(base) - logits)[there]).sum() / total)
        slope = (p * came.sum(axis=1, keepdims=True) - came) / total
        return loss, slope.reshape(-1, 1)

    return of


def logistic_loss(happened: Float32Array) -> Callable[[Float32Array], tuple[float, Float32Array]]:
    """Return the mean logistic loss of yes-no questions.

    Args:
        happened: 1 for yes and 0 for no, NaN where it is not known, shape ``(N, O)``.
    """
    known = ~np.isnan(happened)
    answer = np.where(known, happened, np.float32(0.0))
    total = max(1, int(known.sum()))

    def of(output: Float32Array) -> tuple[float, Float32Array]:
        p = sigmoid(output)
        loss = np.logaddexp(np.float32(0.0), output) - answer * output
        return float(loss[known].sum() / total), ((p - answer) * known / np.float32(total)).astype(np.float32)

    return of
