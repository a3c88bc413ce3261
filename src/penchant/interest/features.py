"""What the tracker's networks see of a user and a topic, one row a topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.packing import pack, unpack
from penchant.interest.companions import Companions
from penchant.interest.crowd import TREND_DAYS
from penchant.interest.layout import GAP, GAP_UNIT, N_DAYS, TODAY
from penchant.math.arrays import Float32Array, FloatArray, IntArray

if TYPE_CHECKING:
    from penchant.interest.tracker import TrackerState

FORMAT = 2
LONGEST_DAYS = 400.0
"""Times since something longer than this are all alike, as if it had never been."""
SHORTEST_DAYS = 0.05
SMOOTHING = 10.0
"""Events that the population counts for when the features compare a user with it."""
LEAST_SPOKEN, MOST_SPOKEN = -5.0, 10.0
"""What speaks for a change is told apart within these logarithms of odds."""
MOST_SURPRISE = 20.0
"""More nats than this say no more."""
TREND_SMOOTHING = 20.0
"""Events that the slow population counts for when a fast one is compared with it."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is known at a moment of a user, and of every topic that anybody has touched by then.

    Attributes:
        number: The topics, rising, shape ``(n,)``.
        prior: The population's distribution over them, shape ``(n,)``, sums to 1.
        own_prior: The same, pulled to where in the hierarchy of topics the user's evidence lies, shape ``(n,)``.
        trends: What the faster populations count, shape ``(2, n)``; None where nobody counts.
        place: Where the user's own topics stand among them, shape ``(m,)``.
        views: Evidence of the user's topics that the regimes in force account for, shape ``(m, K)``.
        full: All evidence of the user's topics, shape ``(m, K)``.
        days_since: Days since the newest event on each of the user's topics, shape ``(m,)``.
        state: The user's state.
        at: The moment, seconds since 1970.
        change: What speaks for a change of interests, logarithm of odds.
        returns: The same for a return to each earlier regime, shape ``(R,)``.
    """

    number: IntArray
    prior: FloatArray
    own_prior: FloatArray
    trends: FloatArray | None
    place: IntArray
    views: FloatArray
    full: FloatArray
    days_since: FloatArray
    state: TrackerState
    at: float
    change: float
    returns: FloatArray


@dataclass(frozen=True)
class TopicFacts:
    """What is known of topics as such, from many users.

    Attributes:
        values: For each topic the mean and the standard deviation of the logarithm of the days between touches, and the
            logarithm of the share of users who touch it more than once; shape ``(T, 3)``.
        default: The same for topics without a row, shape ``(3,)``.
        companions: How far interest in one topic speaks for another.
    """

    values: FloatArray
    default: FloatArray
    companions: Companions

    def of(self, number: IntArray) -> FloatArray:
        """Return the facts of topics, shape ``(n, 3)``."""
        if self.values.shape[0] == 0:
            return np.tile(self.default, (number.size, 1))
        known = number < self.values.shape[0]
        found: FloatArray = np.where(known[:, None], self.values[np.where(known, number, 0)], self.default)
        return found

    def encode(self) -> bytes:
        """Return the facts as bytes."""
        return pack(FORMAT, {"values": self.values, "default": self.default, "companions": self.companions.encode()})

    @classmethod
    def decode(cls, data: bytes) -> TopicFacts:
        """Return the facts that ``encode`` wrote; ``FormatError`` when damaged."""
        found = unpack(data, FORMAT)
        return cls(found["values"], found["default"], Companions.decode(found["companions"]))

    def renumbered(self, numbers: IntArray, n_topics: int) -> TopicFacts:
        """Return the facts with row ``t`` moved to ``numbers[t]``, of ``n_topics`` in all; -1 leaves a row out."""
        values = np.tile(self.default, (n_topics, 1))
        there = numbers >= 0
        values[numbers[there]] = self.values[there]
        return TopicFacts(values, self.default, self.companions.renumbered(numbers))


def topic_facts(states: list[TrackerState], n_topics: int, companions: Companions) -> TopicFacts:
    """Return what many users' states say of topics as such, shrunk to what holds for all topics.

    Args:
        states: Of the users to learn from.
        n_topics: How many topics there are.
        companions: How far interest in one topic speaks for another.
    """
    number = np.concatenate([state.topic for state in states] or [np.empty(0, np.int32)]).astype(np.int64)
    days = np.concatenate([np.empty(0, np.uint16), *(state.count[:, 0] for state in states)]).astype(np.float64)
    gap = np.concatenate([np.empty(0, np.int16), *(state.gap for state in states)]) * GAP_UNIT
    again = days >= 2
    number, gap = number[again], gap[again]
    # Every user has one say, so that those with many events do not speak for all; before any, three weeks.
    mean, spread = (float(gap.mean()), float(gap.std())) if gap.size else (3.0, 1.0)
    users = np.bincount(number, minlength=n_topics).astype(np.float64)
    of_topic = (np.bincount(number, gap, n_topics) + 5.0 * mean) / (users + 5.0)
    squared = np.bincount(number, (gap - of_topic[number]) ** 2, n_topics)
    spreads = np.sqrt((squared + 5.0 * spread**2) / (users + 5.0))
    reach = np.log((users + 0.5) / (len(states) + 1.0))
    values = np.stack([of_topic, spreads, reach], axis=1)
    default = np.array([mean, spread, float(np.log(0.5 / (len(states) + 1.0)))])
    return TopicFacts(values, default, companions)


def feature_matrix(seen: Gathered, mixture: FloatArray, facts: TopicFacts) -> Float32Array:
    """Return one row for each topic known at the moment, shape ``(n, F)``.

    Per view the logarithm of the user's smoothed share over the population's, and of the evidence; the mixture's and
    the population's log probability; time since the topic's last event, alone, against its usual gap with this user,
    with everybody, and against the user's gap between active days; the gaps themselves, on how many days the topic was
    touched; what is known of the topic as such; how much more often everybody turns to it of late; how far the user's
    other topics speak for it; its share in what challenges the regime in force and in the earlier regime that may have
    returned, over the population's; and of the user as such how much is known, how active it is, what speaks for a change
    and for a return, and how much better the population tells what the user did of late than the user's own past does.
    """
    state = seen.state
    n, n_views = seen.number.size, seen.views.shape[1]
    place = seen.place
    evidence = np.zeros((n, n_views + 1))
    evidence[place, :-1] = seen.views
    evidence[place, -1] = state.evidence[:, -1]
    known = evidence.sum(axis=0)
    prior = seen.prior[:, None]
    lift = np.log((evidence / prior + SMOOTHING) / (known + SMOOTHING))
    log_prior = np.log(seen.prior)
    of_topic = facts.of(seen.number)
    days = np.zeros(n)
    days[place] = state.count[:, 0]
    since = np.full(n, LONGEST_DAYS)
    since[place] = np.minimum(seen.days_since, LONGEST_DAYS)
    log_since = np.log(since + SHORTEST_DAYS)
    gap = of_topic[:, 0].copy()
    mine = np.maximum(0.0, days[place] - 1.0)
    gap[place] = (state.gap * GAP_UNIT * mine + 2.0 * gap[place]) / (mine + 2.0)
    user = state.user
    pause, visits = (float(user[GAP]), max(0.0, float(user[N_DAYS]) - 1.0)) if state.topic.size else (2.0, 0.0)
    pause = (pause * visits + 2.0 * 2.0) / (visits + 2.0)
    away = seen.at / DAY_S - user[TODAY] if np.isfinite(user[TODAY]) else LONGEST_DAYS
    log_away = np.log(min(max(away, 0.0), LONGEST_DAYS) + SHORTEST_DAYS)
    regimes, spoken = _regimes(seen)
    same = [log_away, pause, log_away - pause, np.log1p(visits), *np.log1p(known), *spoken, *_surprise(seen)]
    columns = np.concatenate(
        [
            lift,
            np.log1p(3.0 * evidence),
            np.stack(
                [
                    np.log(mixture),
                    log_prior,
                    log_since,
                    log_since - gap,
                    log_since - of_topic[:, 0],
                    log_since - pause,
                    gap,
                    np.log1p(days),
                ],
                axis=1,
            ),
            of_topic,
            _fashion(seen),
            regimes,
            facts.companions.lean(state.topic, seen.views[:, -1], seen.number)[:, None],
            np.tile(same, (n, 1)),
        ],
        axis=1,
    )
    return columns.astype(np.float32)


def _fashion(seen: Gathered) -> FloatArray:
    """Return the logarithm of each topic's share among everybody of late over its usual one, shape ``(n, 2)``."""
    if seen.trends is None:
        return np.zeros((seen.number.size, len(TREND_DAYS)))
    known = seen.trends.sum(axis=1, keepdims=True)
    share = (seen.trends + TREND_SMOOTHING * seen.prior) / (known + TREND_SMOOTHING)
    ratio: FloatArray = np.log(share / seen.prior).T
    return ratio


def _regimes(seen: Gathered) -> tuple[FloatArray, list[float]]:
    """Return shares in the challenger and in the likeliest earlier regime, and what speaks for them.

    The shares are logarithms over the population's, shape ``(n, 2)``, 0 where there is no such regime.
    """
    state, lifts = seen.state, np.zeros((seen.number.size, 2))
    back = int(np.argmax(seen.returns)) if seen.returns.size else -1
    parts = [state.count[:, 1].astype(np.float64)]
    if back >= 0:
        parts.append(state.regimes[:, 2 * back].astype(np.float64))
    for column, days in enumerate(parts):
        whole = SMOOTHING * seen.prior
        whole[seen.place] += days
        lifts[:, column] = np.log(whole / seen.prior / (days.sum() + SMOOTHING))
    spoken = float(seen.returns[back]) if back >= 0 else LEAST_SPOKEN
    return lifts, [
        float(np.clip(seen.change, LEAST_SPOKEN, MOST_SPOKEN)),
        float(np.clip(spoken, LEAST_SPOKEN, MOST_SPOKEN)),
        float(np.log1p(parts[0].sum())),
    ]


def _surprise(seen: Gathered) -> list[float]:
    """Return, for each view but the slowest, how much better the population tells it than the user's own past.

    Per view the sum of ``e(c) log q(c) / p(c)`` over topics, ``p`` being the user's older evidence shrunk to the
    population ``q``, and the same an event. A user who is the same is told better by the own past, one who has changed by
    the population: that shows many events before the new taste itself does.
    """
    told: list[float] = []
    prior, whole = seen.prior[seen.place], seen.full[:, -1]
    for view in range(seen.full.shape[1] - 1):
        late = seen.full[:, view]
        old = np.maximum(0.0, whole - late)
        p = (old + SMOOTHING * prior) / (old.sum() + SMOOTHING)
        gain, events = float(late @ np.log(prior / p)), float(late.sum())
        told += [float(np.clip(gain, -MOST_SURPRISE, MOST_SURPRISE)), gain / (events + 1.0)]
    return told
