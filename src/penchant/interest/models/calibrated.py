"""Scores to probabilities: a sigmoid fitted on a slice of its own, and how good what it says is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penchant.math.arrays import BoolArray, FloatArray

STEPS = 100
BINS = 10


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """``P = 1 / (1 + exp(-(slope * score + offset)))``; the slope is never negative, so the order stays."""

    slope: float
    offset: float

    @classmethod
    def fit(cls, score: FloatArray, happened: BoolArray) -> Sigmoid:
        """Return the sigmoid of least log loss, by Newton's method with halved steps.

        The targets are ``(n1 + 1) / (n1 + 2)`` and ``1 / (n0 + 2)`` instead of 1 and 0, so that few examples do not give
        certainty. Without examples it says one in a hundred, whatever the score.

        Source:
            Platt, "Probabilistic outputs for support vector machines", 1999; Lin, Lin & Weng, "A note on Platt's
            probabilistic outputs", Machine Learning 2007.
        """
        if not score.size:
            return cls(1e-3, float(np.log(0.01 / 0.99)))
        n_yes = float(np.count_nonzero(happened))
        n_no = happened.size - n_yes
        target = np.where(happened, (n_yes + 1.0) / (n_yes + 2.0), 1.0 / (n_no + 2.0))
        centre, spread = float(score.mean()), float(score.std()) or 1.0
        x = (score - centre) / spread
        a, b = 0.0, float(np.log((n_yes + 1.0) / (n_no + 1.0)))
        loss = _loss(a * x + b, target)
        for _ in range(STEPS):
            p = _logistic(a * x + b)
            w = p * (1.0 - p)
            g = np.array([float((p - target) @ x), float((p - target).sum())])
            h = np.array([[float(w @ x**2) + 1e-9, float(w @ x)], [float(w @ x), float(w.sum()) + 1e-9]])
            step = np.linalg.solve(h, g)
            size = 1.0
            while size > 1e-10:  # a whole Newton step may overshoot
                tried = a - size * float(step[0]), b - size * float(step[1])
                found = _loss(tried[0] * x + tried[1], target)
                if found <= loss - 1e-4 * size * float(g @ step):
                    break
                size /= 2.0
            else:
                break
            (a, b), gained, loss = tried, loss - found, found
            if gained < 1e-10 * max(1.0, loss):
                break
        a = max(a, 1e-3)  # scores that mislead on the slice keep their order, but say hardly anything
        return cls(a / spread, b - a * centre / spread)

    def probability(self, score: FloatArray) -> FloatArray:
        """Return the probability of each score, strictly between 0 and 1."""
        return _logistic(self.slope * score + self.offset)


def _logistic(z: FloatArray) -> FloatArray:
    p: FloatArray = 1.0 / (1.0 + np.exp(-np.clip(z, -30.0, 30.0)))
    return p


def _loss(z: FloatArray, target: FloatArray) -> float:
    """Return the log loss of log odds in nats, summed."""
    return float(np.sum(np.logaddexp(0.0, z) - target * z))


def calibration_report(p: FloatArray, happened: BoolArray) -> dict[str, float]:
    """Return how good probabilities were on the slice that calibrated them.

    ``checked`` examples, ``base_rate`` of them happened, ``log_loss`` in nats, ``log_loss_base`` of always saying the base
    rate, ``ece`` the mean distance between what was said and what happened over ten bins of equal size, ``auc``.
    """
    if not p.size:
        return {"checked": 0.0}
    rate = float(happened.mean())
    entropy = -sum(q * np.log(q) for q in (rate, 1.0 - rate) if q > 0)
    order = np.argsort(p, kind="stable")
    bins = np.array_split(order, min(BINS, p.size))
    ece = sum(part.size * abs(float(p[part].mean()) - float(happened[part].mean())) for part in bins) / p.size
    n_yes, n_no = int(happened.sum()), int((~happened).sum())
    _, rank, count = np.unique(p, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count - 1) / 2.0  # mean rank of equal scores
    above = float(middle[rank][happened].sum()) - n_yes * (n_yes + 1) / 2.0
    return {
        "checked": float(p.size),
        "base_rate": rate,
        "log_loss": float(-np.mean(np.where(happened, np.log(p), np.log1p(-p)))),
        "log_loss_base": float(entropy),
        "ece": float(ece),
        "auc": above / (n_yes * n_no) if n_yes and n_no else float("nan"),
    }
