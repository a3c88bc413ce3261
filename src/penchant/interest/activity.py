"""How likely a user turns to a topic within a day, a week, a month: a network, and its calibration on later data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from penchant.domain.packing import pack, unpack
from penchant.interest.network import Network, sigmoid
from penchant.math.arrays import Float32Array, FloatArray

FORMAT = 1
BINS = 30
MIN_HAPPENED = 20.0
"""A bin of the calibration with fewer cases would follow chance."""


@dataclass(frozen=True)
class Calibration:
    """A rising map from log odds as the network says them to log odds as they turned out, for one horizon.

    Attributes:
        said: Log odds at the knots, rising, shape ``(B,)``.
        true: What they stand for, not falling, shape ``(B,)``.
    """

    said: FloatArray
    true: FloatArray

    def __call__(self, log_odds: FloatArray) -> FloatArray:
        """Return calibrated log odds; beyond the outermost knots they move along with what is said."""
        if not self.said.size:
            return log_odds
        inside = np.clip(log_odds, self.said[0], self.said[-1])
        mapped: FloatArray = np.interp(inside, self.said, self.true) + (log_odds - inside)
        return mapped


@dataclass(frozen=True)
class Activity:
    """P(at least one event on a topic within each horizon)."""

    network: Network
    calibration: tuple[Calibration, ...]

    def log_odds(self, features: Float32Array) -> FloatArray:
        """Return log odds before calibration, shape ``(H, n)``."""
        said: FloatArray = self.network(features).T.astype(np.float64)
        return said

    def __call__(self, features: Float32Array) -> FloatArray:
        """Return probabilities, shape ``(H, n)``; a longer horizon is never less likely."""
        odds = np.stack([fix(row) for fix, row in zip(self.calibration, self.log_odds(features), strict=True)])
        p: FloatArray = np.maximum.accumulate(sigmoid(odds), axis=0)
        return p

    def recalibrated(self, features: Float32Array, happened: Float32Array) -> Activity:
        """Return the same network with its calibration learned anew, horizon by horizon, where enough happened.

        Args:
            features: Of questions that the network was not trained on, shape ``(N, F)``.
            happened: What came of them within each horizon, NaN where it is not known yet, shape ``(N, H)``.
        """
        said = self.log_odds(features)
        found = [calibrate(row, happened[:, h]) for h, row in enumerate(said)]
        return Activity(
            self.network, tuple(new if new.said.size else old for new, old in zip(found, self.calibration, strict=True))
        )

    def encode(self) -> bytes:
        """Return everything as bytes."""
        return pack(
            FORMAT,
            {
                "network": self.network.encode(),
                "said": [one.said for one in self.calibration],
                "true": [one.true for one in self.calibration],
            },
        )

    @classmethod
    def decode(cls, data: bytes) -> Activity:
        """Return what ``encode`` wrote; ``FormatError`` when damaged."""
        found = unpack(data, FORMAT)
        pairs = zip(found["said"], found["true"], strict=True)
        return cls(Network.decode(found["network"]), tuple(Calibration(said, true) for said, true in pairs))


def calibrate(log_odds: FloatArray, happened: Float32Array) -> Calibration:
    """Return the calibration that fits what happened: isotonic regression over bins of equal expected cases.

    Args:
        log_odds: As said, shape ``(N,)``.
        happened: 1, 0, or NaN where it is not known, shape ``(N,)``.

    Source:
        Zadrozny & Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002,
        section 3.1 (pool adjacent violators); bins instead of single cases, and linear between them.
    """
    known = ~np.isnan(happened)
    order = np.argsort(log_odds[known], kind="stable")
    said, came = log_odds[known][order], happened[known][order].astype(np.float64)
    if came.sum() < MIN_HAPPENED:
        return Calibration(np.empty(0), np.empty(0))
    expected = np.cumsum(sigmoid(said))
    edges = np.searchsorted(expected, np.linspace(0.0, expected[-1], BINS + 1)[1:-1])
    bounds = np.unique(np.concatenate([[0], edges, [said.size]]))
    parts = [(said[a:b].mean(), came[a:b].sum(), float(b - a)) for a, b in pairwise(bounds.tolist())]
    pooled: list[tuple[float, float, float]] = []
    for part in parts:
        pooled.append(part)
        # What falls, or holds too few cases, is one bin with the one before it.
        while len(pooled) > 1 and (
            pooled[-1][1] / pooled[-1][2] <= pooled[-2][1] / pooled[-2][2] or pooled[-2][1] < MIN_HAPPENED
        ):
            (x2, s2, n2), (x1, s1, n1) = pooled.pop(), pooled.pop()
            pooled.append(((x1 * n1 + x2 * n2) / (n1 + n2), s1 + s2, n1 + n2))
    share = np.array([(s + 0.5) / (n + 1.0) for _, s, n in pooled])
    return Calibration(np.array([x for x, _, _ in pooled]), np.log(share / (1.0 - share)))
