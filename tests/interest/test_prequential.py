from __future__ import annotations

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.interest.parameters import TrackerConfig, TrackerParameters
from penchant.interest.prequential import RECENT, collect_evidence, moments
from penchant.interest.tracker import Tracker
from penchant.testing import as_rows, toy_log
from penchant.testing.learner_contract import Folding

CONFIG = TrackerConfig(half_lives_days=(1.0, 10.0), short_view=0)
TRACKER = Tracker(CONFIG)
VIEWS = CONFIG.half_lives_days


def batch_of(*events):
    events = [
        {"event_id": str(i), "item_id": "x", "type": "purchase", "user_id": "ann", **e} for i, e in enumerate(events)
    ]
    folding = Folding(TRACKER)
    for name in "abc":
        folding.topics.add(name)
    return folding.batch(as_rows(events))


def flat(_at):
    return np.ones(3)


def test_events_of_one_moment_are_asked_about_together():
    batch = batch_of(
        {"topics": ["a"], "at": 10},
        {"topics": ["b"], "at": 20},
        {"topics": ["a", "c"], "at": 20},
        {"topics": ["b"], "at": 5},
    )
    [(user_id, before, asked)] = moments(batch, 10.0, TRACKER.types)
    assert (user_id, before.tolist()) == ("ann", [3])
    assert [(one.at, one.rows.tolist(), one.topic.tolist(), one.share.tolist()) for one in asked] == [
        (10.0, [0], [0], [1.0]),
        (20.0, [1, 2], [1, 0, 2], [1.0, 0.5, 0.5]),
    ]


def test_users_and_types_can_be_chosen():
    batch = batch_of(
        {"at": 1, "topics": ["a"]},
        {"at": 2, "user_id": "bob", "topics": ["a"]},
        {"at": 3, "type": "impression", "topics": ["a"]},
    )
    assert [user_id for user_id, *_ in moments(batch, 0.0, TRACKER.types, {"bob"})] == ["bob"]
    assert [user_id for user_id, *_ in moments(batch, 1.5, TRACKER.types)] == ["bob"]
    assert [user_id for user_id, *_ in moments(batch, 2.5, TRACKER.types)] == []


def test_evidence_by_hand_is_what_was_known_before():
    batch = batch_of(
        {"topics": ["a"], "at": 0},
        {"topics": ["a"], "at": 10 * DAY_S},
        {"topics": ["b"], "at": 10 * DAY_S},
        {"topics": ["b"], "at": 20 * DAY_S},
    )
    evidence = collect_evidence(batch, VIEWS, flat)
    assert evidence.came.tolist() == [0, 0, 1, 1]
    assert evidence.topic[:, 1] == pytest.approx([0.0, 0.5, 0.0, 0.5])
    assert evidence.known[:, 1] == pytest.approx([0.0, 0.5, 0.5, 0.25 + 0.5 + 0.5])
    assert evidence.topic[:, 0] == pytest.approx([0.0, 0.5**10, 0.0, 0.5**10])
    assert evidence.prior == pytest.approx([1 / 3] * 4)
    assert evidence.weight.tolist() == [1.0] * 4
    assert [row[row >= 0].tolist() for row in evidence.recent] == [[], [0], [0], [1, 0, 0]]
    assert evidence.recent.shape == (4, RECENT)


def test_earlier_events_are_learned_without_being_asked_about():
    events = [{"topics": ["abc"[i % 3]], "at": i * DAY_S} for i in range(12)]
    whole = collect_evidence(batch_of(*events), VIEWS, flat)
    late = collect_evidence(batch_of(*events), VIEWS, flat, from_s=7 * DAY_S)
    for name in ("topic", "known", "prior", "weight", "recent", "came"):
        assert getattr(late, name) == pytest.approx(getattr(whole, name)[7:])


def test_nothing_to_ask_about():
    evidence = collect_evidence(batch_of({"at": 1}, {"at": 2, "type": "impression"}), VIEWS, flat)
    assert (evidence.topic.shape, evidence.recent.shape, evidence.weight.size) == ((0, 2), (0, RECENT), 0)


def test_some_views_alone():
    evidence = collect_evidence(batch_of({"topics": ["a"], "at": 0}, {"topics": ["a"], "at": DAY_S}), VIEWS, flat)
    one = evidence.only((10.0,))
    assert one.half_lives_days.tolist() == [10.0]
    assert one.topic[:, 0].tolist() == evidence.topic[:, 1].tolist()


def test_training_and_serving_see_the_same_numbers():
    """The probability from an evidence row is the one that the tracker would have answered just before the event."""
    toy = toy_log(n_users=3, days=60)
    topics = {event["item_id"]: event["topics"] for event in toy.events if event["type"] == "item"}
    rows = as_rows([{**event, "topics": topics[event["item_id"]]} for event in toy.events if event["type"] != "item"])
    parameters = TrackerParameters(
        np.array([1.0, 10.0]), np.array([[0.3, 0.7], [0.6, 0.4]]), np.array([3.0, 20.0]), np.array([4.0])
    )
    tracker = Tracker(CONFIG, parameters)
    batch = Folding(tracker).batch(rows)
    population = np.arange(1.0, 6.0)
    evidence = collect_evidence(batch, VIEWS, lambda _at: population)
    group = np.searchsorted(parameters.edges, evidence.known[:, -1], side="right")
    p = (evidence.topic + parameters.strength * evidence.prior[:, None]) / (evidence.known + parameters.strength)
    from_rows = (p * parameters.weights[group]).sum(axis=1)
    served = []
    for _user_id, _, asked in moments(batch, -np.inf, tracker.types):
        state = tracker.start()
        for moment in asked:
            served.extend(tracker.read(state, moment.at, population).probability[moment.topic])
            state = tracker.update({_user_id: state}, batch.select(moment.rows))[_user_id]
    assert len(served) == len(rows)
    assert from_rows == pytest.approx(np.array(served), rel=1e-6)
