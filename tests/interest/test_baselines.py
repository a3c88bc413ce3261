from __future__ import annotations

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.interest import TOPIC_MODELS
from penchant.interest.baselines import EVIDENCE_VIEWS_DAYS, FOREVER_DAYS, Ema, LastK, Popularity, Static, TrackerModel
from penchant.interest.mixture import best_strength
from penchant.interest.prequential import collect_evidence
from penchant.interest.tracker import Tracker, TrackerConfig
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

N_TOPICS = 8
WIDE = Tracker(TrackerConfig(half_lives_days=EVIDENCE_VIEWS_DAYS, short_view=0))


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
    folding = Folding(WIDE)
    for topic in range(N_TOPICS):
        folding.topics.add(f"t{topic}")
    return folding.batch(as_rows({**event, "event_id": str(i)} for i, event in enumerate(events)))


def flat(_at):
    return np.ones(N_TOPICS)


@pytest.fixture(scope="module")
def changing():
    return life(20)


@pytest.fixture(scope="module")
def evidence(changing):
    return collect_evidence(changing, WIDE, flat)


def test_as_many_models_as_there_are_were_found():
    assert sorted(TOPIC_MODELS) == ["ema", "last_k", "popularity", "static", "tracker"]


@pytest.mark.parametrize("name", sorted(TOPIC_MODELS))
def test_a_model_answers_with_a_distribution_before_and_after_learning(name, changing, evidence):
    model = TOPIC_MODELS[name]()
    model.fit(evidence)
    population = np.arange(float(N_TOPICS))
    for state in (None, model.update({}, changing)["u3"]):
        p = model.predict(state, 300 * DAY_S, population)
        assert p.shape == (N_TOPICS,)
        assert p.sum() == pytest.approx(1.0)
        assert (p > 0).all()
    assert population.tolist() == list(range(N_TOPICS))
    stranger = model.predict(None, 0.0, population)
    assert stranger == pytest.approx((population + 1e-3) / (population + 1e-3).sum())
    assert isinstance(model.settings, dict)


@pytest.mark.parametrize("name", sorted(TOPIC_MODELS))
def test_states_depend_on_nothing_but_the_events_in_order(name, changing, evidence):
    model = TOPIC_MODELS[name]()
    model.fit(evidence)
    whole = model.update({}, changing)
    rows = np.arange(len(changing))
    first = model.update({}, changing.select(rows[:1000]))
    kept = dict(first)
    second = first | model.update(first, changing.select(rows[1000:]))
    assert first == kept
    for user_id in whole:
        one, other = (model.predict(states[user_id], 300 * DAY_S, np.ones(N_TOPICS)) for states in (whole, second))
        assert one.tolist() == other.tolist()


def test_the_best_average_forgets_quickly_where_interest_changes_and_never_where_it_does_not(evidence):
    quick, slow = Ema(), Ema()
    quick.fit(evidence)
    slow.fit(collect_evidence(life(None), WIDE, flat))
    assert quick.tracker.config.half_lives_days[0] <= 7.0
    assert slow.tracker.config.half_lives_days[0] >= 60.0


def test_no_other_half_life_or_strength_would_have_been_better(evidence):
    model = Ema()
    model.fit(evidence)
    chosen = int(np.flatnonzero(evidence.half_lives_days == model.tracker.config.half_lives_days[0])[0])
    losses = [
        best_strength(evidence, k)[1] for k in range(len(EVIDENCE_VIEWS_DAYS)) if EVIDENCE_VIEWS_DAYS[k] < FOREVER_DAYS
    ]
    assert best_strength(evidence, chosen)[1] == min(losses)
    assert model.tracker.parameters.strength[0] == best_strength(evidence, chosen)[0]


def test_static_forgets_nothing(changing, evidence):
    model = Static()
    model.fit(evidence)
    assert model.tracker.config.half_lives_days == (FOREVER_DAYS,)
    state = model.update({}, changing)["u0"]
    assert state.positive.sum() == pytest.approx(240, rel=1e-3)
    strength = model.tracker.parameters.strength[0]
    counts = np.bincount(state.topic, weights=state.positive[:, 0], minlength=N_TOPICS)
    expected = (counts + strength / N_TOPICS) / (counts.sum() + strength)
    assert model.predict(state, 240 * DAY_S, np.ones(N_TOPICS)) == pytest.approx(expected, rel=1e-3)


def test_last_k_is_a_histogram_of_the_last_k(changing, evidence):
    model = LastK()
    model.k, model.strength = 3, 2.0
    batch = Folding(WIDE).batch(
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


def test_last_k_remembers_little_where_interest_changes_and_much_where_it_does_not(evidence):
    quick, slow = LastK(), LastK()
    quick.fit(evidence)
    slow.fit(collect_evidence(life(None), WIDE, flat))
    assert quick.k < slow.k == 50


def test_popularity_is_the_same_for_everybody(changing, evidence):
    model = Popularity()
    model.fit(evidence)
    states = model.update({}, changing)
    assert len({tuple(model.predict(state, 0.0, np.arange(8.0))) for state in states.values()}) == 1


def test_the_tracker_learns_to_trust_quick_views_where_interest_changes(changing, evidence):
    model, before = TrackerModel(), TrackerModel()
    model.fit(evidence)
    weights = model.tracker.learned.weights
    days = np.array(model.tracker.config.half_lives_days)
    assert (weights @ np.log2(days) < before.tracker.learned.weights @ np.log2(days)).all()

    def loss(one):
        p, n = 0.0, 0
        state = None
        for row in np.flatnonzero(changing.user == changing.users.index("u1")):
            topic = changing.topic[changing.topic_start[row]]
            p -= np.log(one.predict(state, changing.at[row], np.ones(N_TOPICS))[topic])
            state = one.update({} if state is None else {"u1": state}, changing.select(np.array([row])))["u1"]
            n += 1
        return p / n

    fitted, unfitted, popular = loss(model), loss(before), loss(Popularity())
    assert fitted < unfitted < popular == pytest.approx(np.log(N_TOPICS))
