"""Plain topic models that the tracker must beat, each tuned on what came before the cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.batch import EventBatch
from penchant.interest.histogram import NEGATIVE_HALF_LIFE_DAYS, TOPIC_TYPES, Histogram, HistogramState
from penchant.interest.prequential import FOREVER_DAYS, TopicEvidence, Training
from penchant.interest.rates import Rates, fit_rates
from penchant.math.arrays import FloatArray, IntArray

STRENGTHS = np.array([1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0])
"""Prior strengths to choose from, in events."""


def share_of(population: FloatArray) -> FloatArray:
    """Return the population's distribution; a topic that nobody ever touched is unlikely, not impossible."""
    counts = population + 1e-3
    share: FloatArray = counts / counts.sum()
    return share


def loss_of(evidence: TopicEvidence, view: int, strength: float) -> float:
    """Return the mean log loss in nats of one half-life alone under one prior strength; 0 without evidence."""
    if not evidence.weight.size:
        return 0.0
    p = (evidence.topic[:, view] + strength * evidence.prior) / (evidence.known[:, view] + strength)
    return float(np.average(-np.log(p), weights=evidence.weight))


class Ema:
    """The single best exponential moving average: one half-life and one prior strength, chosen together.

    ``p(c) = (e(c) + s q(c)) / (E + s)``, evidence against a topic divides it by ``1 + negative``.

    Source:
        Shrinkage: Dirichlet smoothing, Zhai & Lafferty, SIGIR 2001, section 4.
    """

    forgets = True
    strengths_tried = STRENGTHS

    def __init__(self) -> None:
        self.histogram = Histogram((30.0 if self.forgets else FOREVER_DAYS,))
        self.strength = 10.0
        self.rates = Rates()

    def fit(self, training: Training) -> None:
        """Choose the half-life and the prior strength with the least log loss, then the rates of activity."""
        evidence = training.evidence
        days = evidence.half_lives_days
        tried = [
            (loss_of(evidence, view, strength), float(days[view]), float(strength))
            for view in range(days.size)
            for strength in self.strengths_tried
            if (days[view] < FOREVER_DAYS) == self.forgets
        ]
        _, half_life, self.strength = min(tried, key=lambda one: one[0])
        self.histogram = Histogram((half_life,))
        self.rates = fit_rates(training, self.histogram, self.predict)

    def update(self, states: Mapping[str, HistogramState], batch: EventBatch) -> dict[str, HistogramState]:
        """Return the users' states after the events."""
        return self.histogram.update(states, batch)

    def predict(self, state: HistogramState | None, at: float, population: FloatArray) -> FloatArray:
        """Return P(next topic), shape ``(T,)``."""
        p = share_of(population)
        if state is None:
            return p
        evidence = self.histogram.views(state, at)[:, 0]
        scale = 1.0 / (float(evidence.sum()) + self.strength)
        p *= self.strength * scale
        p[state.topic] += evidence * scale
        if state.negative.any():
            fade = 2.0 ** (-max(0.0, at - state.last_at) / (NEGATIVE_HALF_LIFE_DAYS * DAY_S))
            p[state.topic] /= 1.0 + state.negative * fade
            p /= p.sum()
        return p

    def active(self, state: HistogramState | None, at: float, population: FloatArray) -> FloatArray:
        """Return P(active within 1, 7, 30 days), shape ``(3, T)``."""
        return self.rates.active(self.predict(state, at, population), state, at)

    @property
    def settings(self) -> dict[str, Any]:
        """Return half-life, prior strength and rates."""
        return {
            "half_life_days": self.histogram.half_lives_days[0],
            "strength": self.strength,
            "pairs_a_day": round(self.rates.base, 4),
            "rate_factor": self.rates.factor.round(3).tolist(),
        }


class Static(Ema):
    """The user's histogram of all time, smoothed by the population: nothing is ever forgotten."""

    forgets = False


class Ema20(Ema):
    """The same with a prior of 20 events, as much published work fixes it; the half-life is still chosen."""

    strengths_tried = np.array([20.0])


class Static20(Static):
    """The histogram of all time with a prior of 20 events, as much published work fixes it."""

    strengths_tried = np.array([20.0])


class Popularity:
    """The population's decayed distribution, the same for everybody; only the rate of activity is the user's own."""

    def __init__(self) -> None:
        self.histogram = Histogram((30.0,))
        self.rates = Rates()

    def fit(self, training: Training) -> None:
        """Learn the rates of activity, nothing else."""
        self.rates = fit_rates(training, self.histogram, self.predict)

    def update(self, states: Mapping[str, HistogramState], batch: EventBatch) -> dict[str, HistogramState]:
        """Return the users' states after the events."""
        return self.histogram.update(states, batch)

    def predict(self, state: HistogramState | None, at: float, population: FloatArray) -> FloatArray:
        """Return the population's distribution, shape ``(T,)``."""
        return share_of(population)

    def active(self, state: HistogramState | None, at: float, population: FloatArray) -> FloatArray:
        """Return P(active within 1, 7, 30 days), shape ``(3, T)``."""
        return self.rates.active(share_of(population), state, at)

    @property
    def settings(self) -> dict[str, Any]:
        """Return the rates: the half-life of the population is the protocol's."""
        return {"pairs_a_day": round(self.rates.base, 4), "rate_factor": self.rates.factor.round(3).tolist()}


class LastK:
    """The histogram of the user's last ``k`` topics, smoothed by the population; ``k`` and smoothing chosen."""

    def __init__(self) -> None:
        self.k = 20
        self.strength = 10.0

    def fit(self, training: Training) -> None:
        """Choose ``k`` and the prior strength with the least log loss."""
        evidence = training.evidence
        if not evidence.weight.size:
            return
        hit = evidence.recent == evidence.came[:, None]  # (N, 50)
        there = evidence.recent >= 0
        best = np.inf
        for k in (1, 2, 5, 10, 20, 50):
            mine, known = hit[:, :k].sum(axis=1), there[:, :k].sum(axis=1)
            for strength in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0):
                p = (mine + strength * evidence.prior) / (known + strength)
                loss = float(np.average(-np.log(p), weights=evidence.weight))
                if loss < best:
                    best, self.k, self.strength = loss, k, strength

    def update(self, states: Mapping[str, IntArray], batch: EventBatch) -> dict[str, IntArray]:
        """Return the users' last topics after the events, newest last."""
        changed = {}
        for user_id, rows in batch.groups("user", TOPIC_TYPES):
            came = [batch.topic[batch.topic_start[row] : batch.topic_start[row + 1]] for row in rows]
            old = states.get(user_id)
            changed[user_id] = np.concatenate([*([] if old is None else [old]), *came]).astype(np.int64)[-self.k :]
        return changed

    def predict(self, state: IntArray | None, at: float, population: FloatArray) -> FloatArray:
        """Return P(next topic), shape ``(T,)``."""
        p = self.strength * share_of(population)
        known = 0
        if state is not None:
            np.add.at(p, state, 1.0)
            known = state.size
        scaled: FloatArray = p / (known + self.strength)
        return scaled

    @property
    def settings(self) -> dict[str, Any]:
        """Return ``k`` and the prior strength."""
        return {"k": self.k, "strength": self.strength}
