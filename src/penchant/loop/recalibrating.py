"""Keep P(active) calibrated as the log moves on: look at what came of the questions of the last weeks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.batch import EventBatch
from penchant.interest.activity_learning import Around, recalibrated
from penchant.interest.parameters import TrackerParameters
from penchant.interest.tracker import Tracker
from penchant.loop.crowd import crowd_by_day
from penchant.loop.fold import Ledger
from penchant.profile.population import by_day

MAX_USERS = 400
MAX_KEYS = 1_000_000
"""Users drawn from: the first so many in the order of their ids."""


def recalibrate(ledger: Ledger, tracker: Tracker, upto: float, seed: int) -> TrackerParameters | None:
    """Return the tracker's parameters with P(active) calibrated on what happened up to a moment; None before ``fit``.

    Looks at the events of 400 users at most, drawn anew for every day.
    """
    if tracker.learned.activity is None:
        return None
    n_topics = len(ledger.topics)
    days = {int(key): state for key, state in ledger.states.every("topic_population").items()}
    population = by_day(days, tracker.config.population_half_life_days, n_topics)
    around = Around(population, crowd_by_day(days, ledger.parents(upto, n_topics)))
    rng = np.random.default_rng([seed, 22, int(upto // DAY_S)])
    activity = recalibrated(tracker, _lives(ledger, tracker, upto, rng), around, upto, rng)
    return tracker.learned.recalibrated(activity, upto)


def _lives(ledger: Ledger, tracker: Tracker, upto: float, rng: np.random.Generator) -> Iterator[tuple[str, EventBatch]]:
    users = ledger.states.keys("tracker", "", MAX_KEYS)
    for i in rng.permutation(len(users))[:MAX_USERS].tolist():
        batch = ledger.of_user(users[i], upto)
        for user_id, rows in batch.groups("user", tracker.types):
            yield user_id, batch.select(rows[np.argsort(batch.at[rows], kind="stable")])
