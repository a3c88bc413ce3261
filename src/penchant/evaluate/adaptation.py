"""How a topic model takes a change that is known: events to adapt, regret, what was forgotten, alarms.

It is asked along the streams of ``penchant.evaluate.splice``; every measure has its definition in
docs/reference/metrics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.batch import EventBatch
from penchant.evaluate.metrics.probability import LEAST_PROBABILITY
from penchant.evaluate.splice import FIRST, SECOND, Pair, Population, Spliced, Stream
from penchant.evaluate.statistics import Interval, bootstrap_mean, bootstrap_quantile, bootstrap_ratio
from penchant.evaluate.tracking import AMONG, check_distribution, is_among, long_term
from penchant.math.arrays import FloatArray, IntArray

LEAST_GAP = 0.05
"""Nats (or share) between where a model starts and where it should come; with less there is nothing to adapt."""
CURVE_EVENTS = 100
CURVE_STEP = 5
SOON = 30
"""Events after the return to the first user, or after a burst, in which forgetting hurts most."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What a model said along a stream.

    Attributes:
        p: P(next topic) before each moment, shape ``(M, T)``.
        alarms: Changes newly detected at each moment, shape ``(M,)``; None for a model that detects none.
        start: The state before the first moment.
        state: The state after the last one.
    """

    p: FloatArray
    alarms: IntArray | None
    start: Any
    state: Any


def trace(model: Any, stream: Stream, population: Population, state: Any = None) -> Trace:
    """Return what a model says before every moment of a stream; it learns each moment after it was asked."""
    user_id = stream.user_id

    def learn(state: Any, part: EventBatch) -> Any:
        return model.update({} if state is None else {user_id: state}, part).get(user_id, state)

    if len(stream.before):
        state = learn(state, stream.before)
    start = state
    said = []
    counts = [alarms_of(model, state)]
    for part, at in zip(stream.parts, stream.at.tolist(), strict=True):
        said.append(model.predict(state, at, population(at)))
        state = learn(state, part)
        counts.append(alarms_of(model, state))
    p = np.array(said) if said else np.empty((0, population(0.0).size))
    for row in p[:1]:
        check_distribution(row)
    alarms: IntArray | None = None
    if hasattr(model, "changes"):
        alarms = np.array([later - before for before, later in pairwise(counts)], dtype=np.int64)
    return Trace(p, alarms, start, state)


def alarms_of(model: Any, state: Any) -> int:
    """Return how many changes a model has detected; 0 for one that detects none."""
    if state is None or not hasattr(model, "changes"):
        return 0
    return int(model.n_changes(state)) if hasattr(model, "n_changes") else len(model.changes(state))


def events_to_adapt(distance: FloatArray, target: FloatArray, learned: IntArray, total: int, share: float) -> float:
    """Return how many events were learned when the distance had first come ``share`` of the way to its target.

    Args:
        distance: Distance from the reference before each moment, shape ``(M,)``.
        target: Distance of the same model on the un-spliced user at the same moments, shape ``(M,)``.
        learned: Events learned before each moment, shape ``(M,)``, rising from 0.
        total: Events in all; the answer where it never comes so far.
        share: How far, such as 0.5.

    Returns:
        Events; ``total + 1`` where it is not reached; NaN where there is next to nothing to adapt.

    >>> distance = np.array([4.0, 3.0, 2.0, 1.0])
    >>> events_to_adapt(distance, np.zeros(4), np.array([0, 10, 20, 30]), 40, 0.5)
    20.0
    """
    if not distance.size or distance[0] - target[0] < LEAST_GAP:
        return float("nan")
    near = np.flatnonzero(distance <= distance[0] - share * (distance[0] - target))
    return float(learned[near[0]]) if near.size else float(total + 1)


def kl_nats(reference: FloatArray, p: FloatArray) -> FloatArray:
    """Return ``KL(reference || p)`` of each row of ``p``, in nats, shape ``(M,)``."""
    divergence: FloatArray = reference @ np.log(reference) - np.log(np.maximum(p, LEAST_PROBABILITY)) @ reference
    return divergence


def total_variation(reference: FloatArray, p: FloatArray) -> FloatArray:
    """Return half the sum of ``|reference - p|`` of each row of ``p``, 0 to 1, shape ``(M,)``."""
    distance: FloatArray = np.abs(reference - p).sum(axis=1) / 2.0
    return distance


@dataclass
class Tally:
    """Values by measure, one row a pair: sums of a numerator and of a denominator."""

    rows: dict[str, list[tuple[int, float, float]]] = field(default_factory=dict)

    def add(self, name: str, pair: int, value: float, weight: float = 1.0) -> None:
        """Take one pair's value (a sum where weight is a count); NaN is left out."""
        if value == value:
            self.rows.setdefault(name, []).append((pair, value, weight))

    def ratio(self, name: str, rng: np.random.Generator, scale: float = 1.0) -> Interval:
        """Return sum over sum."""
        rows = self._of(name)
        return bootstrap_ratio(rows[:, 1] * scale, rows[:, 2], rows[:, 0].astype(np.int64), rng)

    def quantile(self, name: str, rng: np.random.Generator, q: float = 0.5) -> Interval:
        """Return a quantile over pairs."""
        return bootstrap_quantile(self._of(name)[:, 1], rng, q)

    def mean(self, name: str, rng: np.random.Generator) -> Interval:
        """Return the mean over pairs."""
        rows = self._of(name)
        return bootstrap_mean(rows[:, 1], rows[:, 0].astype(np.int64), rng)

    def _of(self, name: str) -> FloatArray:
        return np.array(self.rows.get(name, []), dtype=np.float64).reshape(-1, 3)


@dataclass
class Measured:
    """What one model showed on all pairs."""

    tally: Tally
    detects: bool
    curve: FloatArray
    """Sum of the extra loss by event after the splice, shape ``(CURVE_EVENTS,)``."""
    curve_count: FloatArray


Losses = Mapping[str, FloatArray]
"""Loss of each event of every un-spliced user, by user."""


def own_lives(
    model: Any, spliced: Spliced, population: Population, told: Callable[[], None] = lambda: None
) -> dict[str, Trace]:
    """Return what a model says along every un-spliced user."""
    lives = {}
    for user_id, stream in spliced.own.items():
        lives[user_id] = trace(model, stream, population)
        told()
    return lives


def measure(
    model: Any,
    spliced: Spliced,
    population: Population,
    own: Mapping[str, Trace],
    oracle: Losses,
    shuffled_loss: Sequence[float] | None = None,
    told: Callable[[], None] = lambda: None,
) -> Measured:
    """Return what a model shows on every pair.

    Args:
        model: A fitted model.
        spliced: The pairs.
        population: Decayed topic counts as of a moment, shape ``(T,)``.
        own: The model along the un-spliced users.
        oracle: Losses of the tuned static model along the un-spliced users: it knows the splice.
        shuffled_loss: The static model's summed loss on each pair's shuffled user; None for the static model itself.
        told: Called after each pair.
    """
    out = Measured(Tally(), hasattr(model, "changes"), np.zeros(CURVE_EVENTS), np.zeros(CURVE_EVENTS))
    loss = {user_id: spliced.own[user_id].event_loss(life.p) for user_id, life in own.items()}
    for number, pair in enumerate(spliced.pairs):
        state = own[pair.first].start
        middle = _advance(model, spliced.own[pair.first], state, spliced.times.middle)
        _swap(out, number, pair, spliced, _from(model, pair.swap, population, middle), own, oracle)
        if pair.back is not None:
            _back(out, number, pair.back, pair, spliced, _from(model, pair.back, population, state), own, loss)
        _burst(out, number, pair, spliced, model, population, middle, loss)
        _gradual(out, number, pair, spliced, _from(model, pair.gradual, population, middle), own, oracle)
        _shuffle(out, number, pair, model, trace(model, pair.shuffle, population), shuffled_loss)
        told()
    for number, (user_id, life) in enumerate(own.items()):
        if life.alarms is not None:
            out.tally.add("own_alarms", number, float(life.alarms.sum()), float(spliced.own[user_id].n_events.sum()))
    return out


def _from(model: Any, stream: Stream, population: Population, state: Any) -> Trace:
    """Return the trace of a stream whose ``before`` is known already: the state is given."""
    return trace(model, replace(stream, before=stream.before.select(np.empty(0, dtype=np.int64))), population, state)


def _advance(model: Any, own: Stream, state: Any, until: float) -> Any:
    """Return the state of an un-spliced user at a later moment."""
    for part, at in zip(own.parts, own.at.tolist(), strict=True):
        if at >= until:
            break
        state = model.update({} if state is None else {own.user_id: state}, part).get(own.user_id, state)
    return state


def _match(stream: Stream, moments: IntArray, own: Stream) -> IntArray:
    """Return which moments of the un-spliced user these moments are."""
    return np.searchsorted(own.at, stream.at[moments], side="left")


def _losses_at(own: Stream, losses: FloatArray, moments: IntArray) -> FloatArray:
    """Return the losses of the events of these moments, in order."""
    return losses[np.isin(own.event_moment, moments)]


def _adapt(
    out: Measured,
    prefix: str,
    number: int,
    stream: Stream,
    moments: IntArray,
    said: Trace,
    user_id: str,
    spliced: Spliced,
    own: Mapping[str, Trace],
) -> None:
    """Take the events that a model needs to come half-way, and four fifths of the way, to a user's reference."""
    reference = spliced.reference[user_id]
    now = said.p[moments]
    target = own[user_id].p[_match(stream, moments, spliced.own[user_id])]
    count = stream.n_events[moments]
    learned = np.cumsum(count) - count
    total = int(count.sum())
    for name, distance, share in (
        ("adapt_50", kl_nats, 0.5),
        ("adapt_80", kl_nats, 0.8),
        ("adapt_tv_50", total_variation, 0.5),
    ):
        n = events_to_adapt(distance(reference, now), distance(reference, target), learned, total, share)
        out.tally.add(prefix + name, number, n)
        if n == n:
            out.tally.add(f"{prefix}never_{name}", number, float(n > total))


def _swap(
    out: Measured,
    number: int,
    pair: Pair,
    spliced: Spliced,
    said: Trace,
    own: Mapping[str, Trace],
    oracle: Losses,
) -> None:
    stream, b = pair.swap, spliced.own[pair.second]
    moments = np.arange(stream.at.size)
    _adapt(out, "", number, stream, moments, said, pair.second, spliced, own)
    extra = stream.event_loss(said.p) - _losses_at(b, oracle[pair.second], _match(stream, moments, b))
    for n in (50, 100):
        out.tally.add(f"regret@{n}", number, float(extra[:n].sum()), float(extra[:n].size))
    n = min(CURVE_EVENTS, extra.size)
    out.curve[:n] += extra[:n]
    out.curve_count[:n] += 1
    if said.alarms is not None:
        alarm = np.flatnonzero(said.alarms)
        delay = float(stream.n_events[: alarm[0] + 1].sum()) if alarm.size else float("inf")
        for n in (50, 100):
            out.tally.add(f"found@{n}", number, float(delay <= n))
        if alarm.size:
            out.tally.add("delay_events", number, delay)
            out.tally.add("delay_days", number, float(stream.at[alarm[0]] - spliced.times.middle) / DAY_S)


def _back(
    out: Measured,
    number: int,
    stream: Stream,
    pair: Pair,
    spliced: Spliced,
    said: Trace,
    own: Mapping[str, Trace],
    loss: Losses,
) -> None:
    away = np.flatnonzero(stream.owner == SECOND)
    home = np.flatnonzero((stream.owner == FIRST) & (stream.at >= spliced.times.second))
    if not away.size or not home.size:
        return
    _adapt(out, "away_", number, stream, away, said, pair.second, spliced, own)
    _adapt(out, "return_", number, stream, home, said, pair.first, spliced, own)
    _return(out, number, stream, (away, home), said, pair, spliced, own)
    a = spliced.own[pair.first]
    mine = stream.event_loss(said.p)[np.isin(stream.event_moment, home)]
    extra = mine - _losses_at(a, loss[pair.first], _match(stream, home, a))
    out.tally.add(f"forgetting@{SOON}", number, float(extra[:SOON].sum()), float(extra[:SOON].size))
    out.tally.add("forgetting", number, float(extra.sum()), float(extra.size))


def _return(
    out: Measured,
    number: int,
    stream: Stream,
    phases: tuple[IntArray, IntArray],
    said: Trace,
    pair: Pair,
    spliced: Spliced,
    own: Mapping[str, Trace],
) -> None:
    """Take the events until a returned user is as near as half-way was at the first change; 0 for who remembers."""
    gap = []
    for moments, user_id in zip(phases, (pair.second, pair.first), strict=True):
        target = own[user_id].p[_match(stream, moments, spliced.own[user_id])]
        reference = spliced.reference[user_id]
        gap.append(kl_nats(reference, said.p[moments]) - kl_nats(reference, target))
    first, second = gap
    if first[0] < LEAST_GAP:
        return
    count = stream.n_events[phases[1]]
    near = np.flatnonzero(second <= 0.5 * first[0])
    learned = np.cumsum(count) - count
    out.tally.add("return_level_50", number, float(learned[near[0]]) if near.size else float(count.sum() + 1))


def _burst(
    out: Measured,
    number: int,
    pair: Pair,
    spliced: Spliced,
    model: Any,
    population: Population,
    state: Any,
    loss: Losses,
) -> None:
    stream = pair.burst
    last = int(np.flatnonzero(stream.owner == SECOND)[-1]) if (stream.owner == SECOND).any() else -1
    said = _from(model, stream, population, state)
    later = np.flatnonzero((stream.owner == FIRST) & (np.arange(stream.at.size) > last))
    if not later.size:
        return
    a = spliced.own[pair.first]
    mine = stream.event_loss(said.p)[np.isin(stream.event_moment, later)]
    extra = mine - _losses_at(a, loss[pair.first], _match(stream, later, a))
    out.tally.add(f"burst_error@{SOON}", number, float(extra[:SOON].sum()), float(extra[:SOON].size))
    out.tally.add("burst_error", number, float(extra.sum()), float(extra.size))
    if said.alarms is not None:
        learned = np.cumsum(stream.n_events[later])
        soon = later[learned - stream.n_events[later] < SOON]
        until = int(soon[-1]) + 1
        out.tally.add("burst_alarms", number, float(said.alarms[:until].any()))
    if pair.steady:
        at = float(stream.at[last])
        after = state
        for part in stream.parts[: last + 1]:
            after = model.update({} if after is None else {stream.user_id: after}, part).get(stream.user_id, after)
        strong = long_term(model, after, at, population(at))
        kept = sum(is_among(strong, topic) for topic in pair.steady)
        out.tally.add("stability", number, float(kept), float(len(pair.steady)))


def _gradual(
    out: Measured,
    number: int,
    pair: Pair,
    spliced: Spliced,
    said: Trace,
    own: Mapping[str, Trace],
    oracle: Losses,
) -> None:
    stream = pair.gradual
    come = np.flatnonzero(stream.owner == SECOND)
    if come.size:
        _adapt(out, "gradual_", number, stream, come, said, pair.second, spliced, own)
    mine = stream.event_loss(said.p)
    total, n = 0.0, 0
    for owner, user_id in ((FIRST, pair.first), (SECOND, pair.second)):
        moments = np.flatnonzero(stream.owner == owner)
        life = spliced.own[user_id]
        best = _losses_at(life, oracle[user_id], _match(stream, moments, life))
        total += float(mine[np.isin(stream.event_moment, moments)].sum() - best.sum())
        n += best.size
    if n:
        out.tally.add("gradual_regret", number, total, float(n))


def _shuffle(out: Measured, number: int, pair: Pair, model: Any, said: Trace, static: Sequence[float] | None) -> None:
    mine = float(pair.shuffle.event_loss(said.p).sum())
    n_events = float(pair.shuffle.n_events.sum())
    if not n_events:
        return
    out.tally.add("shuffled_loss", number, mine, n_events)
    out.tally.add("nervousness", number, mine - (mine if static is None else static[number]), n_events)
    if said.alarms is not None:
        everything = n_events + len(pair.shuffle.before)
        out.tally.add("false_alarms", number, float(alarms_of(model, said.state)), everything)


def scores(one: Measured, rng: np.random.Generator) -> dict[str, dict[str, Interval]]:
    """Return a model's measures with their intervals over pairs, by table: change, back, burst, gradual, detection."""
    tally = one.tally
    ratio = _return_ratio(tally, rng)
    tables = {
        "change": {
            "adapt_50": tally.quantile("adapt_50", rng),
            "adapt_50_q1": tally.quantile("adapt_50", rng, 0.25),
            "adapt_50_q3": tally.quantile("adapt_50", rng, 0.75),
            "adapt_80": tally.quantile("adapt_80", rng),
            "adapt_tv_50": tally.quantile("adapt_tv_50", rng),
            "never_50": tally.mean("never_adapt_50", rng),
            "never_80": tally.mean("never_adapt_80", rng),
            "regret@50": tally.ratio("regret@50", rng),
            "regret@100": tally.ratio("regret@100", rng),
        },
        "back": {
            f"forgetting@{SOON}": tally.ratio(f"forgetting@{SOON}", rng),
            "forgetting": tally.ratio("forgetting", rng),
            "away_50": tally.quantile("away_adapt_50", rng),
            "return_50": tally.quantile("return_adapt_50", rng),
            "return_ratio": ratio,
            "return_level_50": tally.quantile("return_level_50", rng),
        },
        "burst": {
            f"burst_error@{SOON}": tally.ratio(f"burst_error@{SOON}", rng),
            "burst_error": tally.ratio("burst_error", rng),
            f"stability_after_burst@{AMONG}": tally.ratio("stability", rng),
        },
        "gradual": {
            "gradual_50": tally.quantile("gradual_adapt_50", rng),
            "gradual_never_50": tally.mean("gradual_never_adapt_50", rng),
            "gradual_regret": tally.ratio("gradual_regret", rng),
        },
        "quiet": {
            "log_loss_shuffled": tally.ratio("shuffled_loss", rng),
            "nervousness": tally.ratio("nervousness", rng),
        },
    }
    if one.detects:
        tables["detection"] = {
            "found@50": tally.mean("found@50", rng),
            "found@100": tally.mean("found@100", rng),
            "delay_events": tally.quantile("delay_events", rng),
            "delay_days": tally.quantile("delay_days", rng),
            "false_alarms_shuffled": tally.ratio("false_alarms", rng, 1000.0),
            "alarms_unspliced": tally.ratio("own_alarms", rng, 1000.0),
            "burst_alarms": tally.mean("burst_alarms", rng),
        }
    return tables


def _return_ratio(tally: Tally, rng: np.random.Generator) -> Interval:
    """Return events to adapt back, over events to adapt away, summed over the pairs that have both."""
    away = {int(pair): value for pair, value, _ in tally.rows.get("away_adapt_50", [])}
    both = [(pair, value, away[pair]) for pair, value, _ in tally.rows.get("return_adapt_50", []) if pair in away]
    rows = np.array(both, dtype=np.float64).reshape(-1, 3)
    return bootstrap_ratio(rows[:, 1], rows[:, 2], rows[:, 0].astype(np.int64), rng)


def curve(one: Measured) -> list[tuple[float, float]]:
    """Return ``(events after the splice, mean extra loss in nats)``, one point for every five events."""
    points = []
    for start in range(0, CURVE_EVENTS, CURVE_STEP):
        here = slice(start, start + CURVE_STEP)
        if one.curve_count[here].sum() > 0:
            mean = float(one.curve[here].sum() / one.curve_count[here].sum())
            points.append((start + (CURVE_STEP + 1) / 2.0, mean))
    return points
