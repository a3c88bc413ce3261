from __future__ import annotations

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.interest import TOPIC_MODELS
from penchant.interest.baselines import STRENGTHS, Ema, LastK, Popularity, Static, Static20, loss_of
from penchant.interest.prequential import EVIDENCE_VIEWS_DAYS, FOREVER_DAYS, Training
from penchant.interest.tracker_model import TrackerModel
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

N_TOPICS = 8


def life(period_days, seed=0, users=12, days=240):
    """Users who care for one topic at a time and change it every so many days; None means never."""
    rng = np.random.default_rng(seed)
    events = []
    for user in range(users):
        favourite = int(rng.integers(N_TOPICS))
        for day in range(days):
            if period_days and day % period_days == user % period_days:
                favourite = int(rng.integers(N_TOPICS))
            topic = favourite if rng.random() < 0.9 else int(rng.integers(N_TOPICS))
            at = day * DAY_S + user
            events.append(
                {"type": "purchase", "user_id": f"u{user}", "item_id": "x", "topics": [f"t{topic}"], "at": at}
            )
    events.sort(key=lambda event: event["at"])
    folding = Folding(Static())
    for topic in range(N_TOPICS):
        folding.topics.add(f"t{topic}")
    return folding.batch(as_rows({**event, "event_id": str(i)} for i, event in enumerate(events)))


def flat(_at):
    return np.ones(N_TOPICS)


def training_of(batch, from_s=-np.inf):
    return Training(batch, flat, max(from_s, 0.0), frozenset(batch.users), 0, N_TOPICS)


@pytest.fixture(scope="module")
def changing():
    return life(20)


@pytest.fixture(scope="module")
def training(changing):
    return training_of(changing)


@pytest.fixture(scope="module")
def steady():
    return training_of(life(None))


def fitted(model, training):
    model.fit(training)
    return model


def test_as_many_models_as_there_are_were_found():
    assert {"ema", "ema_20", "last_k", "popularity", "static", "static_20", "tracker"} <= set(TOPIC_MODELS)


def test_the_best_average_forgets_quickly_where_interest_changes_and_never_where_it_does_not(training, steady):
    assert fitted(Ema(), training).histogram.half_lives_days[0] <= 7.0
    assert fitted(Ema(), steady).histogram.half_lives_days[0] >= 60.0


def test_no_other_half_life_or_strength_would_have_been_better(training):
    model = fitted(Ema(), training)
    evidence = training.evidence
    chosen = int(np.flatnonzero(evidence.half_lives_days == model.histogram.half_lives_days[0])[0])
    every = [
        loss_of(evidence, view, strength)
        for view, days in enumerate(EVIDENCE_VIEWS_DAYS)
        if days < FOREVER_DAYS
        for strength in STRENGTHS
    ]
    assert loss_of(evidence, chosen, model.strength) == min(every)


def test_static_forgets_nothing(changing, training):
    model = fitted(Static(), training)
    assert model.histogram.half_lives_days == (FOREVER_DAYS,)
    state = model.update({}, changing)["u0"]
    assert state.positive.sum() == pytest.approx(240, rel=1e-3)
    counts = np.bincount(state.topic, weights=state.positive[:, 0], minlength=N_TOPICS)
    expected = (counts + model.strength / N_TOPICS) / (counts.sum() + model.strength)
    assert model.predict(state, 240 * DAY_S, np.ones(N_TOPICS)) == pytest.approx(expected, rel=1e-3)


def test_the_fixed_prior_is_twenty_events(training):
    model = fitted(Static20(), training)
    assert model.strength == 20.0
    assert model.settings["half_life_days"] == FOREVER_DAYS


def test_returned_goods_divide_the_probability():
    model = Static20()
    model.strength = 20.0
    events = [("purchase", "a"), ("purchase", "b"), ("return", "b")]
    batch = Folding(model).batch(
        as_rows(
            {"event_id": str(i), "user_id": "ann", "item_id": "x", "type": kind, "topics": [topic], "at": i}
            for i, (kind, topic) in enumerate(events)
        )
    )
    p = model.predict(model.update({}, batch)["ann"], 2.0, np.ones(2))
    assert p == pytest.approx([2 / 3, 1 / 3], rel=1e-4)


def test_last_k_is_a_histogram_of_the_last_k():
    model = LastK()
    model.k, model.strength = 3, 2.0
    batch = Folding(model).batch(
        as_rows(
            [
                {"event_id": str(i), "user_id": "ann", "item_id": "x", "type": "view", "topics": topics, "at": i}
                for i, topics in enumerate([["a"], ["b"], ["c", "a"], ["b"]])
            ]
        )
    )
    state = model.update({}, batch)["ann"]
    assert state.tolist() == [2, 0, 1]
    q = np.array([1.001, 2.001, 0.001]) / 3.003
    assert model.predict(state, 9.0, np.array([1.0, 2.0, 0.0])) == pytest.approx(
        (np.array([1.0, 1.0, 1.0]) + 2 * q) / 5
    )


def test_last_k_remembers_little_where_interest_changes_and_much_where_it_does_not(training, steady):
    assert fitted(LastK(), training).k < fitted(LastK(), steady).k == 50


def test_popularity_is_the_same_for_everybody(changing, training):
    model = fitted(Popularity(), training)
    states = model.update({}, changing)
    assert len({tuple(model.predict(state, 0.0, np.arange(8.0))) for state in states.values()}) == 1


def test_the_tracker_is_better_fitted_than_not_and_better_than_popularity(changing, training):
    def loss(one):
        p, n = 0.0, 0
        state = None
        for row in np.flatnonzero(changing.user == changing.users.index("u1")):
            topic = changing.topic[changing.topic_start[row]]
            p -= np.log(one.predict(state, changing.at[row], np.ones(N_TOPICS))[topic])
            state = one.update({} if state is None else {"u1": state}, changing.select(np.array([row])))["u1"]
            n += 1
        return p / n

    assert loss(fitted(TrackerModel(), training)) < loss(TrackerModel()) < loss(Popularity())
    assert loss(Popularity()) == pytest.approx(np.log(N_TOPICS))
