"""Score topic models: ask before every event, learn after it, on the last part of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from penchant.domain.batch import EventBatch
from penchant.domain.moment import Moment
from penchant.evaluate.metrics.probability import brier, ece, log_loss
from penchant.evaluate.statistics import Interval, bootstrap_ratio
from penchant.math.arrays import BoolArray, FloatArray, IntArray


class Predictor(Protocol):
    """The part of a topic model that the benchmark uses; see ``penchant.interest.contract.TopicModel``."""

    def update(self, states: Mapping[str, Any], batch: EventBatch) -> dict[str, Any]:
        """Return the users' states after the events."""
        ...

    def predict(self, state: Any | None, at: float, population: FloatArray) -> FloatArray:
        """Return P(topic of the next event), shape ``(T,)``."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What one model said before every (event, topic) pair.

    Attributes:
        p: Probability of the topic that came, shape ``(N,)``.
        p_squared: Sum of the squared probabilities of all topics, shape ``(N,)``.
        top: Probability of the topic held most likely, shape ``(N,)``.
        right: Whether that topic came, shape ``(N,)``.
        weight: Weight of the pair; an event's topics share 1, shape ``(N,)``.
        user: Row number of the user, shape ``(N,)``.
    """

    p: FloatArray
    p_squared: FloatArray
    top: FloatArray
    right: BoolArray
    weight: FloatArray
    user: IntArray


def ask(
    model: Predictor,
    batch: EventBatch,
    replay: Iterable[tuple[str, IntArray, list[Moment]]],
    population: Callable[[float], FloatArray],
) -> Asked:
    """Return what a model says before every moment of a replay; it learns each moment after it was asked.

    Args:
        model: A fitted model.
        batch: The events.
        replay: Users with the rows to learn silently and the moments to ask about (``domain.moment.moments``).
        population: Decayed topic counts as of a moment, shape ``(T,)``.

    Raises:
        ValueError: When the model's answer is no probability distribution.
    """
    p, squared, top, right, weight, users = [], [], [], [], [], []
    for user, (user_id, before, moments) in enumerate(replay):
        state = model.update({}, batch.select(before)).get(user_id) if before.size else None
        for moment in moments:
            if moment.topic.size:
                said = model.predict(state, moment.at, population(moment.at))
                _check(said)
                p.append(said[moment.topic])
                squared.append(np.full(moment.topic.size, float(said @ said)))
                best = int(np.argmax(said))
                top.append(np.full(moment.topic.size, said[best]))
                right.append(moment.topic == best)
                weight.append(moment.share)
                users.append(np.full(moment.topic.size, user))
            learned = model.update({} if state is None else {user_id: state}, batch.select(moment.rows))
            state = learned.get(user_id, state)
    empty = [np.empty(0)]
    return Asked(
        np.concatenate(p or empty),
        np.concatenate(squared or empty),
        np.concatenate(top or empty),
        np.concatenate(right or [np.empty(0, dtype=np.bool_)]),
        np.concatenate(weight or empty),
        np.concatenate(users or [np.empty(0, dtype=np.int64)]).astype(np.int64),
    )


def _check(said: FloatArray) -> None:
    if not np.isfinite(said).all() or said.min(initial=0.0) < 0 or abs(float(said.sum()) - 1.0) > 1e-6:
        raise ValueError(f"predict returned no distribution: sum {said.sum()!r}, least {said.min(initial=0.0)!r}")


def score(asked: Mapping[str, Asked], reference: str, rng: np.random.Generator) -> dict[str, dict[str, Interval]]:
    """Return ``{model: {"log_loss": …, "brier": …, "brier_skill": …, "log_loss_below_static": …, "ece": …}}``.

    Args:
        asked: What every model said to the same questions.
        reference: The model against which skill is measured.
        rng: Source of chance for the intervals, which resample users.
    """
    base = asked[reference]
    base_loss, base_brier = log_loss(base.p), brier(base.p, base.p_squared)
    scored: dict[str, dict[str, Interval]] = {}
    for name, one in asked.items():
        loss, square = log_loss(one.p), brier(one.p, one.p_squared)
        ratio = bootstrap_ratio(square * one.weight, base_brier * one.weight, one.user, rng)
        scored[name] = {
            "log_loss": bootstrap_ratio(loss * one.weight, one.weight, one.user, rng),
            f"log_loss_below_{reference}": bootstrap_ratio((base_loss - loss) * one.weight, one.weight, one.user, rng),
            "brier": bootstrap_ratio(square * one.weight, one.weight, one.user, rng),
            "brier_skill": ratio.transformed(lambda share: 1.0 - share),
            "top_1": bootstrap_ratio(one.right * one.weight, one.weight, one.user, rng),
            "ece": Interval.point(ece(one.top, one.right) if one.top.size else float("nan")),
        }
    return scored
