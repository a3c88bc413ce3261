"""Spliced users: one real user's events up to a moment, another's from then on.

The moment of change is known, both lives are real. ``penchant.evaluate.adaptation`` measures what models make of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.batch import EventBatch
from penchant.domain.stream import as_one_user, shuffled
from penchant.evaluate.metrics.probability import LEAST_PROBABILITY
from penchant.evaluate.tracking import steady_topics
from penchant.math.arrays import BoolArray, FloatArray, IntArray

Population = Callable[[float], FloatArray]
FIRST, SECOND = 0, 1
"""Whose event it is: the user who was there before, or the one who came in."""
ENOUGH = (100, 50, 20, 10)
"""Events that a spliced user must have on both sides of the splice: as many as the data allow."""
SMOOTHING = 10.0
"""Events of the population in a reference distribution."""
MOST_BURST = 30


@dataclass(frozen=True)
class Stream:
    """Moments of one made user that are asked about, with what is to be learned before.

    Attributes:
        user_id: Whose state the events change.
        before: Events learned silently, on top of the state that is given.
        parts: The events of each moment, in the order of time.
        at: When, seconds since 1970, shape ``(M,)``.
        owner: Whose they are, ``FIRST`` or ``SECOND``, shape ``(M,)``.
    """

    user_id: str
    before: EventBatch
    parts: Sequence[EventBatch]
    at: FloatArray
    owner: IntArray

    @cached_property
    def n_events(self) -> IntArray:
        """Return the events of each moment, shape ``(M,)``."""
        return np.array([len(part) for part in self.parts], dtype=np.int64)

    @cached_property
    def event_moment(self) -> IntArray:
        """Return the moment of each event, shape ``(E,)``."""
        return np.repeat(np.arange(len(self.parts)), self.n_events)

    @cached_property
    def _pairs(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Return event, topic and share of each (event, topic) pair."""
        first = np.cumsum(self.n_events) - self.n_events
        event = [part.topic_owner + start for part, start in zip(self.parts, first.tolist(), strict=True)]
        count = [np.diff(part.topic_start)[part.topic_owner] for part in self.parts]
        topic = [part.topic for part in self.parts]
        none = [np.empty(0, dtype=np.int64)]
        return (
            np.concatenate(event or none).astype(np.int64),
            np.concatenate(topic or none).astype(np.int64),
            1.0 / np.concatenate(count or none),
        )

    def event_loss(self, p: FloatArray) -> FloatArray:
        """Return the mean of ``-ln p`` over each event's topics, shape ``(E,)``, from P(next) of shape ``(M, T)``."""
        event, topic, share = self._pairs
        stated = np.clip(p[self.event_moment[event], topic], LEAST_PROBABILITY, 1.0)
        loss = np.bincount(event, weights=-np.log(stated) * share, minlength=self.event_moment.size)
        return loss.astype(np.float64)


def make_stream(batch: EventBatch, from_s: float, owner: IntArray | None = None) -> Stream:
    """Return the stream of one user's events, in the order of time; those before ``from_s`` are learned silently."""
    owner = np.zeros(len(batch), dtype=np.int64) if owner is None else owner
    cut = int(np.searchsorted(batch.at, from_s, side="left"))
    rows = np.arange(cut, len(batch))
    change = (np.diff(batch.at[cut:]) != 0) | (np.diff(owner[cut:]) != 0)
    groups = np.split(rows, np.flatnonzero(change) + 1) if rows.size else []
    return Stream(
        batch.users[0],
        batch.select(np.arange(cut)),
        [batch.select(group) for group in groups],
        np.array([batch.at[group[0]] for group in groups]),
        np.array([owner[group[0]] for group in groups], dtype=np.int64),
    )


@dataclass(frozen=True, slots=True)
class Times:
    """Moments of the splices, at UTC midnights, seconds since 1970."""

    cut: float
    first: float
    middle: float
    second: float
    end: float

    @classmethod
    def within(cls, cut: float, end: float) -> Times:
        """Return a third, the middle, and two thirds of the time from the cut to the end."""
        first, middle, second = (DAY_S * ((cut + (end - cut) * share) // DAY_S) for share in (1 / 3, 1 / 2, 2 / 3))
        return cls(cut, first, middle, second, end)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two users, and what is made of them; None where one of them has too few events for it."""

    first: str
    second: str
    divergence: float
    swap: Stream
    back: Stream | None
    burst: Stream
    gradual: Stream
    shuffle: Stream
    steady: list[int]


@dataclass(frozen=True)
class Spliced:
    """The pairs, and each user's own life to compare with.

    Attributes:
        times: When the splices are.
        pairs: What was made of each pair.
        own: The un-spliced users, from a third of the test span on.
        reference: Each user's own smoothed histogram over all events, shape ``(T,)``.
        apart: Whether the users are others than those that the models were tuned on.
        least: Events that each has at least before and after the middle.
    """

    times: Times
    pairs: Sequence[Pair]
    own: Mapping[str, Stream]
    reference: Mapping[str, FloatArray]
    apart: bool
    least: int

    def facts(self) -> dict[str, Any]:
        """Return how the pairs were made, for the report."""
        divergence = np.array([pair.divergence for pair in self.pairs])
        quartiles = np.quantile(divergence, [0.25, 0.5, 0.75]).round(3).tolist() if self.pairs else []
        return {
            "pairs": len(self.pairs),
            "pairs_there_and_back": sum(pair.back is not None for pair in self.pairs),
            "js_divergence_bits": quartiles,
            "users_apart_from_tuning": self.apart,
            "least_events": self.least,
            "events_after_splice": float(np.median([pair.swap.n_events.sum() for pair in self.pairs])),
            "interval": "95 %, bootstrap over pairs, 1000 resamples",
        }


def divergence_bits(p: FloatArray, q: FloatArray) -> FloatArray:
    """Return the Jensen-Shannon divergence of distributions along the last axis, in bits, 0 to 1.

    Source:
        Lin, "Divergence measures based on the Shannon entropy", IEEE Transactions on Information Theory 37(1), 1991.

    >>> divergence_bits(np.array([1.0, 0.0]), np.array([0.0, 1.0])).round(6)
    np.float64(1.0)
    """
    middle = (p + q) / 2.0

    def kl(a: FloatArray) -> FloatArray:
        ratio = np.log2(np.divide(a, middle, out=np.ones_like(middle), where=a > 0))
        total: FloatArray = np.sum(a * ratio, axis=-1)
        return total

    half: FloatArray = (kl(p) + kl(q)) / 2.0
    return half


def make_pairs(
    batch: EventBatch,
    population: Population,
    times: Times,
    types: frozenset[str],
    n_pairs: int,
    tuned_on: frozenset[str],
    seed: int,
) -> Spliced:
    """Return at most ``n_pairs`` spliced pairs of users with enough events on both sides of the middle.

    Enough is the most of ``ENOUGH`` of which there are as many users as pairs wanted, else the least of it. Nobody is
    twice the first or twice the second of a pair. The second is the most different of three drawn at random.
    Users that the models were tuned on are avoided where enough others are left.

    Args:
        batch: All events.
        population: Decayed topic counts as of a moment, shape ``(T,)``.
        times: When the splices are.
        types: Event types that count.
        n_pairs: How many.
        tuned_on: The users of the tuning sample.
        seed: Of all chance.
    """
    rng = np.random.default_rng([seed, 31])
    told = np.diff(batch.topic_start) > 0
    rows_of: dict[str, IntArray] = {}
    has: dict[str, int] = {}
    for user_id, rows in batch.groups("user", types):
        rows = rows[told[rows]]
        rows = rows[np.argsort(batch.at[rows], kind="stable")]
        before = int(np.searchsorted(batch.at[rows], times.middle))
        has[user_id] = min(before, rows.size - before)
        if has[user_id] >= ENOUGH[-1]:
            rows_of[user_id] = rows
    least = next((n for n in ENOUGH if sum(count >= n for count in has.values()) >= n_pairs), ENOUGH[-1])
    rows_of = {user_id: rows for user_id, rows in rows_of.items() if has[user_id] >= least}
    others = [user_id for user_id in rows_of if user_id not in tuned_on]
    apart = len(others) >= min(n_pairs, len(rows_of) // 2) and len(others) >= 2
    users = sorted(others if apart else rows_of)
    prior = population(times.end) + 1e-3
    prior = prior / prior.sum()
    reference = {user_id: _reference(batch, rows_of[user_id], prior) for user_id in users}
    pairs: list[Pair] = []
    free = set(users)
    for number, first in enumerate(rng.permutation(users).tolist()):
        candidates = sorted(free - {first})
        if len(pairs) == n_pairs or not candidates:
            break
        drawn = [candidates[i] for i in rng.integers(len(candidates), size=3)]
        apart_by = [float(divergence_bits(reference[first], reference[one])) for one in drawn]
        best = int(np.argmax(apart_by))
        free.discard(drawn[best])
        chance = np.random.default_rng([seed, 32, number])
        pairs.append(_pair(batch, rows_of, first, drawn[best], apart_by[best], times, chance))
    needed = {one for pair in pairs for one in (pair.first, pair.second)}
    own = {user_id: make_stream(as_one_user(batch, rows_of[user_id], user_id), times.first) for user_id in needed}
    return Spliced(times, pairs, own, {user_id: reference[user_id] for user_id in needed}, apart, least)


def _reference(batch: EventBatch, rows: IntArray, prior: FloatArray) -> FloatArray:
    mine = batch.select(rows)
    share = 1.0 / np.diff(mine.topic_start)[mine.topic_owner]
    counts = np.bincount(mine.topic, weights=share, minlength=prior.size)
    smooth: FloatArray = (counts + SMOOTHING * prior) / (counts.sum() + SMOOTHING)
    return smooth


def _pair(
    batch: EventBatch,
    rows_of: Mapping[str, IntArray],
    first: str,
    second: str,
    divergence: float,
    times: Times,
    rng: np.random.Generator,
) -> Pair:
    a, b = rows_of[first], rows_of[second]
    at_a, at_b = batch.at[a], batch.at[b]

    def mixed(keep_a: BoolArray, rows_b: IntArray, from_s: float, at: FloatArray | None = None) -> Stream:
        rows = np.concatenate([a[keep_a], rows_b])
        owner = np.concatenate([np.full(int(keep_a.sum()), FIRST), np.full(rows_b.size, SECOND)])
        when = np.concatenate([at_a[keep_a], batch.at[rows_b] if at is None else at])
        order = np.lexsort((owner, when))
        return make_stream(as_one_user(batch, rows[order], first, when[order]), from_s, owner[order])

    during = (at_b >= times.first) & (at_b < times.second)
    after = at_a >= times.second
    back = None
    if np.count_nonzero(during) >= 10 and np.count_nonzero(after) >= 10:
        back = mixed((at_a < times.first) | after, b[during], times.first)
    day, count = np.unique(at_b // DAY_S, return_counts=True)
    busiest = b[at_b // DAY_S == day[int(np.argmax(count))]][:MOST_BURST]
    moved = times.middle + batch.at[busiest] % DAY_S
    # From the splice to two thirds of the way to the end a moment comes ever more likely from the second user.
    length = max(2.0 / 3.0 * (times.end - times.middle), DAY_S)
    share_a, share_b = (np.clip((when - times.middle) / length, 0.0, 1.0) for when in (at_a, at_b))
    stay_a = _by_moment(at_a, rng) >= share_a
    come_b = _by_moment(at_b, rng) < share_b
    whole = as_one_user(batch, a, first)
    return Pair(
        first,
        second,
        divergence,
        mixed(at_a < times.middle, b[at_b >= times.middle], times.middle),
        back,
        mixed(np.ones(a.size, dtype=np.bool_), busiest, times.middle, moved),
        mixed(stay_a, b[come_b], times.middle),
        make_stream(shuffled(whole, rng), times.cut),
        steady_topics(batch, a[at_a < times.cut], times.cut),
    )


def _by_moment(at: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return a number in ``[0, 1)`` for each event, the same for events of one moment."""
    _, moment = np.unique(at, return_inverse=True)
    drawn: FloatArray = rng.random(int(moment.max(initial=0)) + 1)[moment]
    return drawn


# -- measures ----------------------------------------------------------------------------------------------------------
