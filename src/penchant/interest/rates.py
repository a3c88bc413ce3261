"""From "which topic is next" to "will it come within days": the user's rate of events, spread over the topics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.activity import HORIZONS_DAYS, questions
from penchant.domain.batch import EventBatch
from penchant.interest.histogram import RATE_HALF_LIFE_DAYS, TOPIC_TYPES, Histogram, HistogramState
from penchant.interest.prequential import Training
from penchant.math.arrays import FloatArray

PRIOR_DAYS = 10.0
"""Days of the population's rate that a user's own rate is shrunk by."""
FACTORS = np.geomspace(0.1, 5.0, 40)
MAX_USERS = 100


@dataclass(frozen=True)
class Rates:
    """A Poisson process for each topic, with one correction for each horizon.

    ``P(active within H) = 1 - exp(-f_H * P(next) * r_u * H)`` with the user's rate
    ``r_u = (n_u + a r_0) / (d_u + a)``: ``n_u`` pairs decayed with a half-life of 30 days, ``d_u`` the decayed days
    since the first event, ``a`` = 10 days, ``r_0`` the population's rate.

    Attributes:
        base: (Event, topic) pairs that an average user brings a day.
        factor: ``f_H`` by horizon, shape ``(3,)``.
    """

    base: float = 1.0 / 7.0
    factor: FloatArray = field(default_factory=lambda: np.ones(len(HORIZONS_DAYS)))

    def per_day(self, state: HistogramState | None, at: float) -> float:
        """Return the user's rate in pairs a day."""
        if state is None or not math.isfinite(state.first_at):
            return self.base
        half_life = RATE_HALF_LIFE_DAYS * DAY_S
        came = state.pairs * math.exp2(-max(0.0, at - state.last_at) / half_life)
        seen = 1.0 - math.exp2(-max(0.0, at - state.first_at) / half_life)
        days = RATE_HALF_LIFE_DAYS / math.log(2.0) * seen
        return (came + PRIOR_DAYS * self.base) / (days + PRIOR_DAYS)

    def active(self, p: FloatArray, state: HistogramState | None, at: float) -> FloatArray:
        """Return P(active within each horizon), shape ``(3, T)``, from P(next) of shape ``(T,)``."""
        days = self.factor * np.array(HORIZONS_DAYS)
        said: FloatArray = -np.expm1(-np.outer(days, p) * self.per_day(state, at))
        return said


Predict = Callable[[HistogramState | None, float, FloatArray], FloatArray]


def base_rate(batch: EventBatch) -> float:
    """Return pairs that speak for interest, for each user and day since the user's first event until the last of all."""
    pairs, days = 0.0, 0.0
    for _, rows in batch.groups("user", TOPIC_TYPES):
        counted = rows[batch.weight[rows] > 0]
        pairs += float((batch.topic_start[counted + 1] - batch.topic_start[counted]).sum())
        days += (float(batch.at.max()) - float(batch.at[rows].min())) / DAY_S
    return pairs / max(days, 1.0) if pairs else 1.0 / 7.0


def fit_rates(training: Training, histogram: Histogram, predict: Predict) -> Rates:
    """Return rates whose factor has, for each horizon, the greatest likelihood on weekly questions before the cut.

    Args:
        training: What may be learned from.
        histogram: Folds the states that ``predict`` takes.
        predict: P(next topic) of the fitted model.
    """
    plain = Rates(base_rate(training.batch))
    if not len(training.batch):
        return plain
    users = sorted(training.users)
    rng = np.random.default_rng([training.seed, 21])
    chosen = {users[i] for i in rng.choice(len(users), min(MAX_USERS, len(users)), replace=False)}
    end = float(training.batch.at.max())
    loss = np.zeros((len(HORIZONS_DAYS), FACTORS.size))
    for _, asked in questions(training.batch, training.from_s, end, TOPIC_TYPES, chosen):
        state = histogram.start()
        for question in asked:
            state, _ = histogram.fold(state, training.batch, question.rows)
            said = predict(state, question.at, training.population(question.at)) * plain.per_day(state, question.at)
            for number, horizon in enumerate(HORIZONS_DAYS):
                if question.at + horizon * DAY_S <= end:
                    came = question.active(horizon, training.n_topics)
                    # ln(1 - p) is linear in the factor, and few topics come.
                    expected = np.outer(FACTORS, said[came]) * horizon
                    loss[number] += FACTORS * float(said[~came].sum()) * horizon
                    loss[number] -= np.log(-np.expm1(-np.maximum(expected, 1e-12))).sum(axis=1)
    best = [float(FACTORS[int(np.argmin(row))]) if row.any() else 1.0 for row in loss]
    return Rates(plain.base, np.array(best))
