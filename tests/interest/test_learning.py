"""What the tracker learns from a log: rhythm, seasons, and probabilities that hold."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.interest.activity import Activity, Calibration, calibrate
from penchant.interest.learning import MIN_MOMENTS, fit_tracker
from penchant.interest.network import Network, softmax_loss, start, train
from penchant.interest.parameters import TrackerParameters
from penchant.interest.tracker import Tracker
from penchant.math.calendar import hour_of, weekday_of
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

NAMES = ["fortnightly", "daily", "noon", "midnight"]


def flat(_at):
    return np.array([1.0, 3.0, 2.0, 2.0])


@pytest.fixture(scope="module")
def fitted():
    """Thirty users: one topic every 14 days, one nearly daily, one at noon only, one at midnight only."""
    rng = np.random.default_rng(0)
    events = []
    for user in range(30):
        shift = int(rng.integers(14))
        for day in range(120):
            for name, hour, comes in (
                ("fortnightly", 9, (day + shift) % 14 == 0),
                ("daily", 9, rng.random() < 0.7),
                ("noon", 12, rng.random() < 0.4),
                ("midnight", 0, rng.random() < 0.4),
            ):
                if comes:
                    events.append((day * DAY_S + hour * 3600.0, f"u{user}", name))
    events.sort()
    rows = as_rows(
        [
            {"event_id": str(i), "type": "purchase", "user_id": user, "item_id": "x", "topics": [name], "at": at}
            for i, (at, user, name) in enumerate(events)
        ]
    )
    folding = Folding(Tracker())
    for name in NAMES:
        folding.topics.add(name)
    batch = folding.batch(rows)
    parameters = fit_tracker(Tracker(), batch, flat, 60 * DAY_S, NAMES, 0)
    return parameters, batch


def test_hours_matter_where_the_data_show_it(fitted):
    parameters, batch = fitted
    assert parameters.seasons is not None
    assert "hour" in parameters.seasons.by_name
    tracker = Tracker(parameters=parameters)
    state = tracker.update({}, batch)["u0"]
    noon, midnight = (tracker.read(state, 121 * DAY_S + hour * 3600, flat(0)).probability for hour in (12, 0))
    assert noon[2] > 2 * midnight[2]
    assert midnight[3] > 2 * noon[3]
    # What the caller says of the situation outranks the clock.
    said = tracker.read(state, 121 * DAY_S, flat(0), {"hour": 12}).probability
    assert said[2] > 2 * midnight[2]


def test_a_topic_bought_every_fortnight_is_due_on_day_fourteen(fitted):
    parameters, batch = fitted
    assert parameters.activity is not None
    tracker = Tracker(parameters=parameters)
    rows = next(rows for user_id, rows in batch.groups("user") if user_id == "u0")
    mine = [row for row in rows.tolist() if batch.topic[row] == 0]
    upto = rows[rows <= mine[-1]]
    state = tracker.update({}, batch.select(upto))["u0"]
    last = float(batch.at[mine[-1]])
    early, due = (tracker.active(state, last + days * DAY_S, flat(0))[0, 0] for days in (3, 13))
    assert due > 3 * early


def test_longer_horizons_are_likelier_and_parameters_survive_as_bytes(fitted):
    parameters, batch = fitted
    tracker = Tracker(parameters=parameters)
    again = Tracker(parameters=TrackerParameters.decode(parameters.encode()))
    state = tracker.update({}, batch)["u3"]
    p = tracker.active(state, 120 * DAY_S, flat(0))
    assert (np.diff(p, axis=0) >= 0).all()
    assert ((p > 0) & (p < 1)).all()
    assert again.active(state, 120 * DAY_S, flat(0)).tolist() == p.tolist()
    one, other = (t.read(state, 120 * DAY_S, flat(0)).probability for t in (tracker, again))
    assert one.tolist() == other.tolist()


def test_the_same_seed_learns_the_same(fitted):
    parameters, batch = fitted
    assert fit_tracker(Tracker(), batch, flat, 60 * DAY_S, NAMES, 0).encode() == parameters.encode()


def test_few_events_leave_the_mixture_alone(fitted):
    _, batch = fitted
    few = fit_tracker(Tracker(), batch.select(np.arange(MIN_MOMENTS // 2)), flat, 0.0, NAMES, 0)
    assert (few.scorer, few.seasons, few.activity) == (None, None, None)


def test_calibration_undoes_what_was_said_too_boldly():
    rng = np.random.default_rng(1)
    true = rng.normal(-2.0, 1.5, 60_000)
    happened = (rng.random(true.size) < 1 / (1 + np.exp(-true))).astype(np.float32)
    happened[::50] = np.nan  # not known yet
    learned = calibrate(2.0 * true, happened)
    fresh = np.array([-6.0, -4.0, -2.0, 0.0])
    assert learned(fresh) == pytest.approx(fresh / 2, abs=0.4)
    assert (np.diff(learned(np.linspace(-30, 30, 500))) >= 0).all()


def test_too_few_cases_are_no_calibration():
    assert calibrate(np.zeros(50), np.zeros(50, np.float32)).said.size == 0
    bare = Activity(
        start(np.ones((2, 3), np.float32), 2, 1, np.random.default_rng(0)), (Calibration(np.empty(0), np.empty(0)),)
    )
    assert bare(np.ones((2, 3), np.float32)).tolist() == [[0.5, 0.5]]


def test_the_network_learns_and_its_slopes_are_right():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(200, 4, 3)).astype(np.float32)
    came = np.zeros((200, 4), np.float32)
    came[np.arange(200), features[:, :, 0].argmax(axis=1)] = 1.0
    base = np.zeros((200, 4), np.float32)
    first = start(features.reshape(-1, 3), 8, 1, rng)

    def loss_of(network: Network) -> float:
        return softmax_loss(base, came)(network(features.reshape(-1, 3)))[0]

    assert loss_of(first) == pytest.approx(np.log(4.0), rel=1e-5)
    kept, after, before = train(
        first, lambda _rng: [(features.reshape(-1, 3), softmax_loss(base, came))] * 20, 20, loss_of, 10, rng
    )
    assert before == pytest.approx(np.log(4.0), rel=1e-5)
    assert after == pytest.approx(loss_of(kept))
    assert after < 0.5
    # Moving one output a little moves the loss as the slope says.
    output = kept(features.reshape(-1, 3))
    _, slope = softmax_loss(base, came)(output)
    moved = output.copy()
    moved[5] += 0.05
    change = softmax_loss(base, came)(moved)[0] - softmax_loss(base, came)(output)[0]
    assert change == pytest.approx(0.05 * float(slope[5, 0]), rel=0.2, abs=1e-6)


def test_hours_and_weekdays_are_those_of_the_calendar():
    assert (hour_of(0.0), weekday_of(0.0)) == (0, 3)  # 1970-01-01 was a Thursday
    assert (hour_of(4 * DAY_S + 13.5 * 3600), weekday_of(4 * DAY_S)) == (13, 0)
