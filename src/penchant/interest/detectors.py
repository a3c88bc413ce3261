"""The best moving average under a detector of change from river: on an alarm the user's histogram starts anew."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.batch import EventBatch
from penchant.domain.stream import as_one_user, shuffled
from penchant.errors import NotInstalledError
from penchant.interest.baselines import Ema, share_of
from penchant.interest.histogram import TOPIC_TYPES, HistogramState
from penchant.interest.prequential import Training
from penchant.math.arrays import FloatArray, IntArray

FALSE_ALARMS = 1e-3
"""The most alarms for each event of users whose topics were shuffled over time."""
TUNING_EVENTS = 8000
LEAST_HISTORY = 30
"""Users with fewer events can hardly give an alarm; they would make every setting look quiet."""
LEAST_EVENTS = 1000
"""With fewer shuffled events a rate of one in a thousand cannot be told: the detector keeps its own defaults."""
KEPT = 1000
CHANGES_KEPT = 50


@dataclass(frozen=True, slots=True)
class Kept:
    """A past event: when it happened, its weight, its topics, and what it cost in nats."""

    at: float
    weight: float
    topic: tuple[int, ...]
    cost: float


@dataclass(frozen=True, slots=True)
class WatchedState:
    """A histogram, the detector that watches its losses, the events since the last alarm, and the alarms.

    Attributes:
        histogram: Evidence since the last alarm; its rate is of all time.
        detector: A river detector; never changed once it is here.
        kept: Events since the last alarm, oldest first, the newest 1,000.
        changes: Times of the newest 50 alarms, seconds since 1970.
        n_changes: Alarms in all.
    """

    histogram: HistogramState
    detector: Any = field(compare=False)
    kept: tuple[Kept, ...] = ()
    changes: tuple[float, ...] = ()
    n_changes: int = 0


class Watched:
    """The best ``ema`` plus a detector fed with the user's own loss at every event.

    An alarm counts when the loss rose. Then only the newest events stay: those in the detector's own window, where it
    has one, else the event that gave the alarm. The setting is the most sensitive of ``settings_tried`` with at most
    one alarm in a thousand events of shuffled training users, else the detector's default.
    """

    detector = ""
    settings_tried: tuple[dict[str, float], ...] = ()

    def __init__(self) -> None:
        try:
            from river import drift
        except ImportError as error:
            raise NotInstalledError("river, with its detectors of change,", "pip install 'penchant[drift]'") from error
        self._make = getattr(drift, self.detector)
        self.chosen: dict[str, float] = {}
        self.tuned = False
        self.false_alarms = float("nan")
        self.ema = Ema()
        self._population: Any = None

    def fit(self, training: Training) -> None:
        """Choose the moving average, then the detector's sensitivity."""
        self.ema.fit(training)
        self._population = training.population
        for number, chosen in enumerate(self.settings_tried):
            if number == 0:
                users, n_events = _shuffled_users(training)
                if n_events < LEAST_EVENTS:
                    return
            self.chosen = chosen
            alarms = sum(state.n_changes for user in users for state in self.update({}, user).values())
            self.false_alarms = alarms / n_events
            if self.false_alarms <= FALSE_ALARMS:
                self.tuned = True
                return
        self.chosen = {}

    def new_detector(self) -> Any:
        """Return a detector that has seen nothing."""
        return self._make(**self.chosen)

    def window(self, detector: Any) -> int:
        """Return how many of the newest events stay after an alarm."""
        return 1

    def update(self, states: Mapping[str, WatchedState], batch: EventBatch) -> dict[str, WatchedState]:
        """Return the users' states after the events."""
        prior = self._prior(batch)
        return {
            user_id: self._fold(states.get(user_id), batch, rows, prior)
            for user_id, rows in batch.groups("user", TOPIC_TYPES)
        }

    def _prior(self, batch: EventBatch) -> FloatArray:
        """Return the population's share of each entry of ``batch.topic`` on the day of its event."""
        prior = np.zeros(batch.topic.size)
        day = np.floor_divide(batch.at, DAY_S)[batch.topic_owner]
        for one in np.unique(day):
            here = day == one
            prior[here] = share_of(self._population(float(one * DAY_S)))[batch.topic[here]]
        return prior

    def _fold(self, old: WatchedState | None, batch: EventBatch, rows: IntArray, prior: FloatArray) -> WatchedState:
        histogram = self.ema.histogram
        if old is None:
            old = WatchedState(histogram.start(), self.new_detector())
        detector = copy.deepcopy(old.detector)
        state, kept, changes, n_changes = old.histogram, list(old.kept), list(old.changes), old.n_changes
        while rows.size:
            after, costs = histogram.fold(state, batch, rows, prior, self.ema.strength)
            done = rows.size
            for number, (row, cost) in enumerate(zip(rows.tolist(), costs.tolist(), strict=True)):
                if cost != cost:  # no topic, nothing to lose
                    continue
                topics = tuple(batch.topic[batch.topic_start[row] : batch.topic_start[row + 1]].tolist())
                kept.append(Kept(float(batch.at[row]), float(batch.weight[row]), topics, cost))
                del kept[:-KEPT]
                detector.update(cost)
                if detector.drift_detected and (stay := self._newest(kept, detector)):
                    done = number + 1
                    before = histogram.fold(state, batch, rows[:done])[0]
                    kept = kept[-stay:]
                    after = self._restarted(before, kept)
                    changes.append(before.last_at)
                    n_changes += 1
                    break
            state, rows = after, rows[done:]
        return WatchedState(state, detector, tuple(kept), tuple(changes[-CHANGES_KEPT:]), n_changes)

    def _newest(self, kept: list[Kept], detector: Any) -> int:
        """Return how many events stay after an alarm, 0 where the loss did not rise."""
        stay = min(self.window(detector), len(kept))
        costs = [one.cost for one in kept]
        if stay == len(kept) or sum(costs[-stay:]) / stay <= sum(costs[:-stay]) / (len(kept) - stay):
            return 0
        return stay

    def _restarted(self, state: HistogramState, kept: list[Kept]) -> HistogramState:
        """Return the histogram of the kept events alone, as of the state's ``last_at``."""
        half_life = self.ema.histogram.half_lives_s[0]
        total: dict[int, float] = {}
        for one in kept:
            share = max(0.0, one.weight) / len(one.topic) * 2.0 ** (-(state.last_at - one.at) / half_life)
            for topic in one.topic:
                total[topic] = total.get(topic, 0.0) + share
        positive = np.array(list(total.values()), dtype=np.float32)[:, None]
        return replace(
            state,
            topic=np.array(list(total), dtype=np.int32),
            positive=positive,
            negative=np.zeros(len(total), dtype=np.float32),
        )

    def predict(self, state: WatchedState | None, at: float, population: FloatArray) -> FloatArray:
        """Return P(next topic), shape ``(T,)``."""
        return self.ema.predict(None if state is None else state.histogram, at, population)

    def active(self, state: WatchedState | None, at: float, population: FloatArray) -> FloatArray:
        """Return P(active within 1, 7, 30 days), shape ``(3, T)``."""
        return self.ema.active(None if state is None else state.histogram, at, population)

    def changes(self, state: WatchedState) -> FloatArray:
        """Return the times of the newest alarms, rising."""
        return np.array(state.changes)

    def n_changes(self, state: WatchedState) -> int:
        """Return the number of alarms."""
        return state.n_changes

    @property
    def settings(self) -> dict[str, Any]:
        """Return what was chosen; no detector setting where it kept its defaults."""
        return {
            **self.ema.settings,
            "detector": self.chosen or "defaults",
            "tuned": self.tuned,
            "false_alarms_per_1000": round(1000 * self.false_alarms, 3),
        }


class Adwin(Watched):
    """Adaptive windowing: after an alarm the window that the detector kept stays.

    Source:
        Bifet & Gavaldà, "Learning from time-changing data with adaptive windowing", SDM 2007.
    """

    detector = "ADWIN"
    settings_tried = tuple(
        {"delta": delta, "clock": 1} for delta in (0.9, 0.6, 0.3, 0.1, 0.05, 0.02, 0.01, 0.002, 5e-4, 1e-4, 1e-5, 1e-7)
    )

    def window(self, detector: Any) -> int:
        """Return the width of the detector's window."""
        return max(1, int(detector.width))


class Kswin(Watched):
    """Two-sample Kolmogorov-Smirnov test on a sliding window: after an alarm its newest 30 events stay.

    Source:
        Raab, Heusinger & Schleif, "Reactive soft prototype computing for concept drift streams", Neurocomputing 2020.
    """

    detector = "KSWIN"
    settings_tried = tuple(
        {"alpha": alpha, "seed": 0} for alpha in (0.05, 0.02, 5e-3, 1e-3, 2e-4, 3e-5, 1e-6, 1e-8, 1e-11)
    )

    def window(self, detector: Any) -> int:
        """Return the size of the newest part that is compared with the rest."""
        return int(detector.stat_size)


class PageHinkley(Watched):
    """Page's cumulative sum test of a rising mean: after an alarm only the newest event stays.

    Source:
        Page, "Continuous inspection schemes", Biometrika 1954; Hinkley, "Inference about the change-point from
        cumulative sum tests", Biometrika 1971.
    """

    detector = "PageHinkley"
    settings_tried = tuple(
        {"threshold": threshold, "delta": 0.05}
        for threshold in (3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 80.0, 120.0)
    )

    def new_detector(self) -> Any:
        """Return a detector that looks for rising losses only."""
        return self._make(mode="up", **self.chosen)


def _shuffled_users(training: Training) -> tuple[list[EventBatch], int]:
    """Return tuning users with their topics shuffled over time, up to a number of events, and that number."""
    rng = np.random.default_rng([training.seed, 22])
    groups = {
        user_id: rows
        for user_id, rows in training.batch.groups("user", TOPIC_TYPES)
        if user_id in training.users and rows.size >= LEAST_HISTORY
    }
    users, total = [], 0
    for user_id in rng.permutation(sorted(groups)).tolist():
        if total >= TUNING_EVENTS:
            break
        users.append(shuffled(as_one_user(training.batch, groups[user_id], user_id), rng))
        total += groups[user_id].size
    return users, total
