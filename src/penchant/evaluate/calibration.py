"""Questions asked every week: will the user turn to the topic in time, and how far ahead does which interest hold?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.activity import HORIZONS_DAYS, Question
from penchant.domain.batch import EventBatch
from penchant.evaluate.metrics.probability import (
    LEAST_PROBABILITY,
    Reliability,
    binary_brier,
    binary_log_loss,
    reliability,
)
from penchant.evaluate.statistics import Interval, bootstrap_ece, bootstrap_ratio
from penchant.math.arrays import BoolArray, FloatArray, IntArray

N_BINS = 20
AHEAD_DAYS = ((0.0, 1.0), (1.0, 3.0), (3.0, 7.0), (7.0, 14.0), (14.0, 30.0), (30.0, 60.0), (60.0, 90.0))
"""How far ahead short-term and long-term interest are compared, in days from and to."""
MOST_TRIPLES = 3_000_000
"""(User, topic, time) triples that are asked about at most; fewer users are asked beyond it."""

Asked = Sequence[tuple[str, Sequence[Question]]]
Population = Callable[[float], FloatArray]


@dataclass(frozen=True, slots=True)
class Weekly:
    """What one model said at the questions, all users in a row.

    Attributes:
        active: P(active within each horizon), shape ``(Q, 3, T)``; None for a model that does not say.
        short: Summed loss of the short-term strengths on what came in each range ahead, shape ``(Q, R)``; None likewise.
        long: The same of the long-term strengths.
    """

    active: FloatArray | None
    short: FloatArray | None
    long: FloatArray | None


def sample_users(users: IntArray, n_topics: int, n_times: int, rng: np.random.Generator) -> IntArray:
    """Return so many of the users that the triples stay within bounds, in the order given."""
    most = max(2, MOST_TRIPLES // max(1, n_topics * n_times))
    if users.size <= most:
        return users
    return np.sort(rng.choice(users, most, replace=False))


def ask_weekly(model: Any, batch: EventBatch, asked: Asked, population: Population) -> Weekly:
    """Return what a model says at every question; it learns what happened between them.

    Args:
        model: A fitted model.
        batch: The events.
        asked: Users with their questions.
        population: Decayed topic counts as of a moment, shape ``(T,)``.
    """
    says_active, says_strengths = hasattr(model, "active"), hasattr(model, "strengths")
    active: list[FloatArray] = []
    short: list[FloatArray] = []
    long: list[FloatArray] = []
    if not (says_active or says_strengths):
        return Weekly(None, None, None)
    for user_id, user_asked in asked:
        state: Any = None
        for question in user_asked:
            if question.rows.size:
                known: dict[str, Any] = {} if state is None else {user_id: state}
                state = model.update(known, batch.select(question.rows)).get(user_id, state)
            counts = population(question.at)
            if says_active:
                active.append(model.active(state, question.at, counts))
            if says_strengths:
                fast, slow = model.strengths(state, question.at, counts)
                short.append(_loss_ahead(question, fast))
                long.append(_loss_ahead(question, slow))
    return Weekly(
        np.array(active) if says_active else None,
        np.array(short).reshape(-1, len(AHEAD_DAYS)) if says_strengths else None,
        np.array(long).reshape(-1, len(AHEAD_DAYS)) if says_strengths else None,
    )


def _range_of(question: Question, days: tuple[float, float]) -> slice:
    return slice(*np.searchsorted(question.ahead_s, [days[0] * DAY_S, days[1] * DAY_S], side="left").tolist())


def _loss_ahead(question: Question, strength: FloatArray) -> FloatArray:
    """Return the summed weighted ``-ln`` of the strengths of what came in each range, shape ``(R,)``."""
    loss = -np.log(np.clip(strength[question.topic], LEAST_PROBABILITY, 1.0)) * question.share
    return np.array([loss[_range_of(question, days)].sum() for days in AHEAD_DAYS])


@dataclass(frozen=True)
class Outcomes:
    """What came after the questions.

    Attributes:
        user: Number of the user of each question, shape ``(Q,)``.
        active: Which topics came within each horizon, shape ``(Q, 3, T)``.
        known: Whether the horizon ends before the data do, shape ``(Q, 3)``.
        weight: Weight of what came in each range ahead, shape ``(Q, R)``; 0 where the range ends after the data.
    """

    user: IntArray
    active: BoolArray
    known: BoolArray
    weight: FloatArray

    @classmethod
    def of(cls, asked: Asked, n_topics: int, end_s: float) -> Outcomes:
        """Return what came after each question, as far as the data reach."""
        flat = [(user, question) for user, (_, user_asked) in enumerate(asked) for question in user_asked]
        at = np.array([question.at for _, question in flat])
        active = np.zeros((len(flat), len(HORIZONS_DAYS), n_topics), dtype=np.bool_)
        weight = np.zeros((len(flat), len(AHEAD_DAYS)))
        for row, (_, question) in enumerate(flat):
            for number, horizon in enumerate(HORIZONS_DAYS):
                active[row, number] = question.active(horizon, n_topics)
            for number, days in enumerate(AHEAD_DAYS):
                if question.at + days[1] * DAY_S <= end_s:
                    weight[row, number] = float(question.share[_range_of(question, days)].sum())
        return cls(
            np.array([user for user, _ in flat], dtype=np.int64),
            active,
            at[:, None] + np.array(HORIZONS_DAYS) * DAY_S <= end_s,
            weight,
        )


def score_activity(
    said: FloatArray, outcomes: Outcomes, rng: np.random.Generator
) -> tuple[dict[str, Interval], dict[str, Reliability]]:
    """Return the measures ``ece@7d``, ``brier_skill@7d``, ``log_loss@7d`` …, and the reliability by horizon.

    Args:
        said: P(active within each horizon), shape ``(Q, 3, T)``.
        outcomes: What came.
        rng: Source of chance for the intervals, which resample users.
    """
    scored: dict[str, dict[str, Interval]] = {"ece": {}, "brier_skill": {}, "log_loss": {}}
    tables: dict[str, Reliability] = {}
    for number, horizon in enumerate(HORIZONS_DAYS):
        rows = np.flatnonzero(outcomes.known[:, number])
        name = f"{horizon:g}d"
        if not rows.size:
            continue
        p, came, user = said[rows, number], outcomes.active[rows, number], outcomes.user[rows]  # (Q, T)
        flat_p, flat_came = p.ravel(), came.ravel()
        everybody = np.repeat(user, p.shape[1])
        base = float(flat_came.mean())
        square = binary_brier(flat_p, flat_came).reshape(p.shape).sum(axis=1)
        constant = binary_brier(np.full(p.size, base), flat_came).reshape(p.shape).sum(axis=1)
        loss = binary_log_loss(flat_p, flat_came).reshape(p.shape).sum(axis=1)
        skill = bootstrap_ratio(square, constant, user, rng).transformed(lambda ratio: 1.0 - ratio)
        scored["ece"][f"ece@{name}"] = bootstrap_ece(flat_p, flat_came, everybody, rng, N_BINS)
        scored["brier_skill"][f"brier_skill@{name}"] = skill
        n_asked = np.full(rows.size, float(p.shape[1]))
        scored["log_loss"][f"log_loss@{name}"] = bootstrap_ratio(loss, n_asked, user, rng)
        tables[name] = reliability(flat_p, flat_came, N_BINS)
    return {name: one for group in scored.values() for name, one in group.items()}, tables


def score_horizons(
    weekly: Weekly, outcomes: Outcomes, rng: np.random.Generator
) -> tuple[dict[str, Interval], dict[str, list[tuple[float, float]]]]:
    """Return by how much the long-term strengths beat the short-term ones in each range ahead, and where they begin to.

    Args:
        weekly: What a model said that has strengths.
        outcomes: What came.
        rng: Source of chance for the intervals, which resample users.

    Returns:
        ``long_ahead@0-1d`` … in nats and ``crossing_days``; and the lines ``short`` and ``long``: (days, nats).
    """
    assert weekly.short is not None  # noqa: S101 - the caller asks models with strengths only
    assert weekly.long is not None  # noqa: S101
    inside = outcomes.weight > 0
    short, long = np.where(inside, weekly.short, 0.0), np.where(inside, weekly.long, 0.0)
    scored: dict[str, Interval] = {}
    lines: dict[str, list[tuple[float, float]]] = {"short": [], "long": []}
    for number, (first, last) in enumerate(AHEAD_DAYS):
        weight = outcomes.weight[:, number]
        name = f"long_ahead@{first:g}-{last:g}d"
        scored[name] = bootstrap_ratio(short[:, number] - long[:, number], weight, outcomes.user, rng)
        if weight.sum() > 0:
            middle = _middle((first, last))
            lines["short"].append((middle, float(short[:, number].sum() / weight.sum())))
            lines["long"].append((middle, float(long[:, number].sum() / weight.sum())))
    scored["crossing_days"] = _crossing_interval(short - long, outcomes, rng)
    return scored, lines


def _middle(days: tuple[float, float]) -> float:
    """Return the middle of a range on a logarithmic axis; half the first range."""
    return math.sqrt(days[0] * days[1]) if days[0] > 0 else days[1] / 2.0


def crossing_days(ahead: Sequence[float]) -> float:
    """Return from how many days ahead on the long-term strengths are better, by interpolation between ranges.

    Args:
        ahead: Loss of short less loss of long by range, in nats; NaN where nothing came.

    Returns:
        Days; 0 where they are better from the first range on; ``inf`` where they never are.

    >>> round(crossing_days([-0.2, -0.1, 0.1, 0.2, 0.3, 0.3, 0.3]), 2)
    2.82
    """
    known = [
        (math.log(_middle(days)), value) for days, value in zip(AHEAD_DAYS, ahead, strict=True) if math.isfinite(value)
    ]
    if not known:
        return float("nan")
    if known[0][1] > 0:
        return 0.0
    for (x, before), (further, after) in pairwise(known):
        if after > 0:
            return math.exp(x + (further - x) * -before / (after - before))
    return float("inf")


def _crossing_interval(ahead: FloatArray, outcomes: Outcomes, rng: np.random.Generator) -> Interval:
    users, row = np.unique(outcomes.user, return_inverse=True)
    top = np.zeros((users.size, len(AHEAD_DAYS)))
    bottom = np.zeros_like(top)
    np.add.at(top, row, ahead)
    np.add.at(bottom, row, outcomes.weight)

    def of(times: FloatArray) -> float:
        total, weight = times @ top, times @ bottom
        return crossing_days(np.divide(total, weight, out=np.full(weight.size, np.nan), where=weight > 0).tolist())

    value = of(np.ones(users.size))
    if users.size < 2:
        return Interval.point(value)
    drawn = rng.multinomial(users.size, np.full(users.size, 1.0 / users.size), size=1000).astype(np.float64)
    low, high = np.nanquantile([of(times) for times in drawn], [0.025, 0.975], method="nearest")
    return Interval(value, float(low), float(high))
