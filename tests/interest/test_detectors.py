from __future__ import annotations

import sys

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.errors import NotInstalledError
from penchant.interest.detectors import KEPT, Adwin, Kswin, PageHinkley
from penchant.interest.prequential import Training
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

N_TOPICS = 10


def flat(_at):
    return np.ones(N_TOPICS)


def life_of(users, days=300, seed=0, turn=None):
    """Users with an event a day on a topic of their own, nine times in ten; from ``turn`` on on another one."""
    rng = np.random.default_rng(seed)
    events = []
    for day in range(days):
        for user in range(users):
            mine = (user + (turn is not None and day >= turn) * 5) % N_TOPICS
            topic = mine if rng.random() < 0.9 else int(rng.integers(N_TOPICS))
            at = day * DAY_S + user
            events.append({"user_id": f"u{user}", "topics": [f"t{topic}"], "at": at})
    folding = Folding(Adwin())
    for topic in range(N_TOPICS):
        folding.topics.add(f"t{topic}")
    return folding.batch(
        as_rows({"event_id": str(i), "item_id": "x", "type": "purchase", **event} for i, event in enumerate(events))
    )


def training_of(batch):
    return Training(batch, flat, 60 * DAY_S, frozenset(batch.users), 0, N_TOPICS)


@pytest.fixture(scope="module")
def training():
    return training_of(life_of(12))


@pytest.fixture(scope="module", params=[Adwin, Kswin, PageHinkley])
def model(request, training):
    one = request.param()
    one.fit(training)
    return one


def test_false_alarms_on_shuffled_training_users_are_within_bounds(model):
    assert model.tuned
    assert 0.0 <= model.false_alarms <= 1e-3
    assert model.settings["detector"] in model.settings_tried


def test_a_change_is_noticed_and_the_histogram_starts_anew(model):
    batch = life_of(12, days=400, seed=1, turn=300)
    found = [model.changes(state) for state in model.update({}, batch).values()]
    after = [changes[changes >= 300 * DAY_S] for changes in found]
    early = sum(changes.size for changes in found) - sum(changes.size for changes in after)
    assert sum(changes.size > 0 for changes in after) >= 9
    assert early <= 8  # of 3,600 events, though these users are not shuffled
    delays = [changes[0] / DAY_S - 300 for changes in after if changes.size]
    assert np.median(delays) <= (95 if isinstance(model, Kswin) else 40)
    for user_id, state in model.update({}, batch).items():
        assert (np.diff(model.changes(state)) > 0).all()
        if (model.changes(state) >= 300 * DAY_S).any():
            assert len(state.kept) < 200  # of 400
            mine = (int(user_id[1:]) + 5) % N_TOPICS
            assert int(np.argmax(model.predict(state, 400 * DAY_S, np.ones(N_TOPICS)))) == mine


def test_learning_a_user_is_no_change(model):
    """The loss of a new user falls: that is no reason to forget."""
    states = model.update({}, life_of(12, days=120, seed=2))
    assert sum(model.n_changes(state) for state in states.values()) <= 4  # of 1,440 events


def test_the_state_stays_bounded(model):
    states = model.update({}, life_of(1, days=KEPT + 50, seed=3))
    assert len(states["u0"].kept) <= KEPT


def test_too_few_events_leave_the_defaults():
    model = PageHinkley()
    model.fit(training_of(life_of(3, days=50)))
    assert not model.tuned
    assert model.settings["detector"] == "defaults"


def test_a_missing_river_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "river", None)
    with pytest.raises(NotInstalledError, match=r"penchant\[drift\]"):
        Adwin()
