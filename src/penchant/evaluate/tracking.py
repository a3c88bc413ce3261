"""Score topic models: ask before every event, learn after it, on the last part of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.batch import EventBatch
from penchant.domain.moment import Moment
from penchant.evaluate.metrics.probability import brier, log_loss
from penchant.evaluate.statistics import Interval, bootstrap_ece, bootstrap_mean, bootstrap_ratio
from penchant.math.arrays import BoolArray, FloatArray, IntArray

AMONG = 10
"""Novelty and stability look at a user's ten strongest topics."""
SOON = 5
"""A new topic should be among them within five events after its first."""
NEW_TOPIC_DAYS = 3
"""A topic is worth finding when it comes on this many later days."""


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
        new: ``(user, found)`` for every topic new to a user that came back: whether it was soon among the strongest.
        kept: ``(user, kept)`` for every old and steady topic of a user: whether it still is among the strongest.
    """

    p: FloatArray
    p_squared: FloatArray
    top: FloatArray
    right: BoolArray
    weight: FloatArray
    user: IntArray
    new: list[tuple[int, bool]] = field(default_factory=list)
    kept: list[tuple[int, bool]] = field(default_factory=list)


def ask(
    model: Predictor,
    batch: EventBatch,
    replay: Iterable[tuple[str, IntArray, list[Moment]]],
    population: Callable[[float], FloatArray],
    cut_s: float = float("inf"),
) -> Asked:
    """Return what a model says before every moment of a replay; it learns each moment after it was asked.

    Args:
        model: A fitted model.
        batch: The events.
        replay: Users with the rows to learn silently and the moments to ask about (``domain.moment.moments``).
        population: Decayed topic counts as of a moment, shape ``(T,)``.
        cut_s: The end of the time in which a topic can have been steady, seconds since 1970.

    Raises:
        ValueError: When the model's answer is no probability distribution.
    """
    p, squared, top, right, weight, users = [], [], [], [], [], []
    new: list[tuple[int, bool]] = []
    kept: list[tuple[int, bool]] = []
    end = float(batch.at.max(initial=0.0))
    for user, (user_id, before, moments) in enumerate(replay):
        watched = _new_topics(batch, before, moments)
        found: dict[int, bool] = {}
        state = model.update({}, batch.select(before)).get(user_id) if before.size else None
        for number, moment in enumerate(moments):
            if moment.topic.size:
                said = model.predict(state, moment.at, population(moment.at))
                check_distribution(said)
                for topic in watched.get(number, ()):
                    found[topic] = found.get(topic, False) or is_among(said, topic)
                p.append(said[moment.topic])
                squared.append(np.full(moment.topic.size, float(said @ said)))
                best = int(np.argmax(said))
                top.append(np.full(moment.topic.size, said[best]))
                right.append(moment.topic == best)
                weight.append(moment.share)
                users.append(np.full(moment.topic.size, user))
            learned = model.update({} if state is None else {user_id: state}, batch.select(moment.rows))
            state = learned.get(user_id, state)
        new += [(user, hit) for hit in found.values()]
        steady = steady_topics(batch, before, cut_s)
        if steady:
            said = long_term(model, state, end, population(end))
            kept += [(user, is_among(said, topic)) for topic in steady]
    empty = [np.empty(0)]
    return Asked(
        np.concatenate(p or empty),
        np.concatenate(squared or empty),
        np.concatenate(top or empty),
        np.concatenate(right or [np.empty(0, dtype=np.bool_)]),
        np.concatenate(weight or empty),
        np.concatenate(users or [np.empty(0, dtype=np.int64)]).astype(np.int64),
        new,
        kept,
    )


def check_distribution(said: FloatArray) -> None:
    """Raise ``ValueError`` when the answer is no probability distribution."""
    if not np.isfinite(said).all() or said.min(initial=0.0) < 0 or abs(float(said.sum()) - 1.0) > 1e-6:
        raise ValueError(f"predict returned no distribution: sum {said.sum()!r}, least {said.min(initial=0.0)!r}")


def is_among(said: FloatArray, topic: int, n: int = AMONG) -> bool:
    """Return whether fewer than ``n`` topics are stronger, those that are as strong counted half."""
    equal = int(np.count_nonzero(said == said[topic])) - 1
    return int(np.count_nonzero(said > said[topic])) + equal / 2.0 < n


def long_term(model: Any, state: Any, at: float, population: FloatArray) -> FloatArray:
    """Return a model's long-term strengths, its P(next) where it does not tell them apart, shape ``(T,)``."""
    if hasattr(model, "strengths"):
        strong: FloatArray = model.strengths(state, at, population)[1]
        return strong
    p: FloatArray = model.predict(state, at, population)
    return p


def steady_topics(batch: EventBatch, rows: IntArray, cut_s: float) -> list[int]:
    """Return the user's (at most ten most frequent) topics that came in each third of the time up to the cut."""
    if rows.size < 3:
        return []
    first = float(batch.at[rows[0]])
    count = batch.topic_start[rows + 1] - batch.topic_start[rows]
    flat = np.arange(count.sum()) + np.repeat(batch.topic_start[rows] - (np.cumsum(count) - count), count)
    topic = batch.topic[flat]
    length = max(min(cut_s, float(batch.at.max())) - first, 1.0)
    third = np.minimum(np.repeat((batch.at[rows] - first) / length * 3.0, count).astype(np.int64), 2)
    every = set.intersection(*(set(topic[third == part].tolist()) for part in range(3)))
    often = np.bincount(topic)
    return sorted(every, key=lambda one: (-often[one], one))[:AMONG]


def _new_topics(batch: EventBatch, before: IntArray, moments: list[Moment]) -> dict[int, list[int]]:
    """Return, by number of the moment, which new topics are looked for there."""
    past = batch.select(before).topic
    known = set(past.tolist())
    first: dict[int, int] = {}
    days: dict[int, set[float]] = {}
    for number, moment in enumerate(moments):
        for topic in set(moment.topic.tolist()) - known:
            first.setdefault(topic, number)
            days.setdefault(topic, set()).add(moment.at // DAY_S)
    watched: dict[int, list[int]] = {}
    for topic, start in first.items():
        if len(days[topic]) <= NEW_TOPIC_DAYS:
            continue
        learned = 0
        for number in range(start + 1, len(moments)):
            watched.setdefault(number, []).append(topic)
            learned += moments[number].rows.size
            if learned > SOON:
                break
    return watched


def score(
    asked: Mapping[str, Asked], references: tuple[str, ...], rng: np.random.Generator
) -> dict[str, dict[str, Interval]]:
    """Return ``{model: {"log_loss": …, "brier": …, "brier_skill": …, "log_loss_below_static": …, "ece": …}}``.

    Args:
        asked: What every model said to the same questions.
        references: The models that others are compared with; Brier skill is against the first.
        rng: Source of chance for the intervals, which resample users.
    """
    base = asked[references[0]]
    base_brier = brier(base.p, base.p_squared)
    scored: dict[str, dict[str, Interval]] = {}
    for name, one in asked.items():
        loss, square = log_loss(one.p), brier(one.p, one.p_squared)
        ratio = bootstrap_ratio(square * one.weight, base_brier * one.weight, one.user, rng)
        scored[name] = {
            "log_loss": bootstrap_ratio(loss * one.weight, one.weight, one.user, rng),
            **{
                f"log_loss_below_{other}": bootstrap_ratio(
                    (log_loss(asked[other].p) - loss) * one.weight, one.weight, one.user, rng
                )
                for other in references
            },
            "brier": bootstrap_ratio(square * one.weight, one.weight, one.user, rng),
            "brier_skill": ratio.transformed(lambda share: 1.0 - share),
            "top_1": bootstrap_ratio(one.right * one.weight, one.weight, one.user, rng),
            "ece": bootstrap_ece(one.top, one.right, one.user, rng, 15),
        }
    return scored


def recalls(asked: Mapping[str, Asked], rng: np.random.Generator) -> dict[str, dict[str, Interval]]:
    """Return ``{model: {"novelty_recall@10": …, "stability_recall@10": …}}``.

    Args:
        asked: What every model said to the same questions.
        rng: Source of chance for the intervals, which resample users.
    """
    return {
        name: {
            f"novelty_recall@{AMONG}": _share(one.new, rng),
            f"stability_recall@{AMONG}": _share(one.kept, rng),
        }
        for name, one in asked.items()
    }


def _share(hits: list[tuple[int, bool]], rng: np.random.Generator) -> Interval:
    rows = np.array(hits, dtype=np.float64).reshape(-1, 2)
    return bootstrap_mean(rows[:, 1], rows[:, 0].astype(np.int64), rng)
