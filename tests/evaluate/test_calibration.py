"""Weekly questions: the right answers are known, so a model that states them is calibrated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.domain.activity import questions
from penchant.domain.batch import EventBatch
from penchant.domain.vocabulary import Vocabulary
from penchant.evaluate.calibration import (
    AHEAD_DAYS,
    MOST_TRIPLES,
    Outcomes,
    Weekly,
    ask_weekly,
    crossing_days,
    sample_users,
    score_activity,
    score_horizons,
)
from penchant.interest.baselines import LastK, Static
from penchant.interest.histogram import TOPIC_TYPES
from penchant.testing import as_rows

DAYS = 200
N_TOPICS = 3
END = DAYS * DAY_S


def flat(_at):
    return np.ones(N_TOPICS)


@pytest.fixture(scope="module")
def batch():
    """Thirty users; topic 0 comes at random every 5 days, topic 1 every 50, topic 2 never after the first day."""
    rng = np.random.default_rng(0)
    events = [{"user_id": f"u{user}", "topics": ["t2"], "at": 60.0 + user} for user in range(30)]
    for user in range(30):
        for topic, every in ((0, 5.0), (1, 50.0)):
            for at in rng.uniform(0, END, rng.poisson(DAYS / every)):
                events.append({"user_id": f"u{user}", "topics": [f"t{topic}"], "at": float(at)})
    events.sort(key=lambda event: event["at"])
    rows = as_rows({"event_id": str(i), "item_id": "x", "type": "purchase", **event} for i, event in enumerate(events))
    vocabulary = Vocabulary(f"t{topic}" for topic in range(N_TOPICS))
    return EventBatch.from_rows(rows, np.arange(1, len(rows) + 1), Vocabulary(), vocabulary)


@pytest.fixture(scope="module")
def asked(batch):
    return list(questions(batch, 50 * DAY_S, END, TOPIC_TYPES))


@pytest.fixture(scope="module")
def outcomes(asked):
    return Outcomes.of(asked, N_TOPICS, END)


def true_rates(factor=1.0):
    rate = np.array([1 / 5, 1 / 50, 0.0]) * factor
    return 1.0 - np.exp(-np.outer([1.0, 7.0, 30.0], rate))  # (3, T)


def test_outcomes_are_known_only_where_the_horizon_ends_within_the_data(asked, outcomes):
    n = sum(len(one) for _, one in asked)
    assert outcomes.active.shape == (n, 3, N_TOPICS)
    at = np.array([question.at for _, one in asked for question in one])
    assert outcomes.known[:, 2].tolist() == (at + 30 * DAY_S <= END).tolist()
    assert not outcomes.known[:, 2].all()
    assert (outcomes.weight[at + 90 * DAY_S > END, -1] == 0).all()
    assert (outcomes.active[:, 0] <= outcomes.active[:, 1]).all()
    assert not outcomes.active[:, :, 2].any()


def test_the_truth_is_calibrated_and_has_skill(outcomes):
    said = np.tile(true_rates(), (outcomes.user.size, 1, 1))
    scored, tables = score_activity(said, outcomes, np.random.default_rng(0))
    for horizon in ("1d", "7d", "30d"):
        assert scored[f"ece@{horizon}"].value < 0.02
        assert scored[f"brier_skill@{horizon}"].low > 0
        assert tables[horizon].count.sum() == outcomes.known[:, ("1d", "7d", "30d").index(horizon)].sum() * N_TOPICS
    wrong, _ = score_activity(np.tile(true_rates(3.0), (outcomes.user.size, 1, 1)), outcomes, np.random.default_rng(0))
    for name in ("ece@7d", "log_loss@7d"):
        assert wrong[name].value > scored[name].value
    assert wrong["ece@7d"].low > scored["ece@7d"].high
    by_hand = np.mean(
        [
            -np.log(p if came else 1 - p)
            for row in np.flatnonzero(outcomes.known[:, 1])
            for p, came in zip(true_rates()[1], outcomes.active[row, 1], strict=True)
        ]
    )
    assert scored["log_loss@7d"].value == pytest.approx(by_hand)


def test_a_constant_has_no_skill(outcomes):
    base = outcomes.active[outcomes.known[:, 1], 1].mean()
    said = np.full((outcomes.user.size, 3, N_TOPICS), base)
    scored, _ = score_activity(said, outcomes, np.random.default_rng(0))
    assert scored["brier_skill@7d"].value == pytest.approx(0.0)
    assert scored["ece@7d"].value == pytest.approx(0.0, abs=1e-12)


def test_models_are_asked_what_they_can_say(batch, asked):
    static = ask_weekly(Static(), batch, asked, flat)
    assert static.active is not None
    assert static.active.shape[1:] == (3, N_TOPICS)
    assert static.short is static.long is None
    assert ask_weekly(LastK(), batch, asked, flat) == Weekly(None, None, None)


def test_what_is_learned_between_questions_is_what_happened(batch, asked):
    model = Static()
    active = ask_weekly(model, batch, asked[:1], flat).active
    user_id, mine = asked[0]
    for row, question in enumerate(mine):
        before = batch.select(np.flatnonzero(batch.at < question.at))
        state = model.update({}, before)[user_id]
        assert active[row] == pytest.approx(model.active(state, question.at, flat(0)), rel=1e-6)


class Said(Static):
    """Short-term strengths know the first topic, long-term ones the second."""

    def strengths(self, state, at, population):
        return np.array([0.8, 0.1, 0.1]), np.array([0.1, 0.8, 0.1])


def test_strengths_are_scored_by_how_far_ahead(batch, asked, outcomes):
    weekly = ask_weekly(Said(), batch, asked, flat)
    scored, lines = score_horizons(weekly, outcomes, np.random.default_rng(0))
    # Of eleven pairs ten are topic 0: short is better everywhere by (10 - 1) / 11 ln 8.
    for first, last in AHEAD_DAYS:
        interval = scored[f"long_ahead@{first:g}-{last:g}d"]
        assert interval.value == pytest.approx(-9 / 11 * math.log(8), abs=0.2)
        assert interval.high < 0
    assert scored["crossing_days"].value == math.inf
    assert [x for x, _ in lines["short"]] == [x for x, _ in lines["long"]]
    assert len(lines["short"]) == len(AHEAD_DAYS)
    swapped, _ = score_horizons(Weekly(None, weekly.long, weekly.short), outcomes, np.random.default_rng(0))
    assert swapped["crossing_days"].value == 0.0


def test_the_crossing_lies_between_the_ranges():
    assert crossing_days([0.1] * 7) == 0.0
    assert crossing_days([-0.1] * 7) == math.inf
    assert math.isnan(crossing_days([math.nan] * 7))
    middle = crossing_days([-0.1, -0.1, -0.1, 0.1, 0.1, 0.1, math.nan])
    assert math.sqrt(3 * 7) < middle < math.sqrt(7 * 14)
    assert middle == pytest.approx(math.sqrt(math.sqrt(3 * 7) * math.sqrt(7 * 14)))


def test_fewer_users_are_asked_where_there_are_many_topics():
    users = np.arange(100)
    rng = np.random.default_rng(0)
    assert sample_users(users, 10, 10, rng).tolist() == users.tolist()
    few = sample_users(users, MOST_TRIPLES // 100, 10, rng)
    assert few.size == 10
    assert (np.diff(few) > 0).all()
