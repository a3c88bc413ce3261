"""Every registered topic model: states are values, answers are distributions, nothing after the moment is known."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
from test_baselines import N_TOPICS, flat, life

from penchant.clock import DAY_S
from penchant.interest import TOPIC_MODELS
from penchant.interest.prequential import Training

CUT = 160 * DAY_S
LATER = 300 * DAY_S


def able(method):
    """Names of the models that have a method of the optional protocols."""
    return pytest.mark.parametrize(
        "model", sorted(n for n in TOPIC_MODELS if hasattr(TOPIC_MODELS[n], method)), indirect=True
    )


@pytest.fixture(scope="module")
def whole():
    return life(20, users=8)


@pytest.fixture(scope="module")
def training(whole):
    past = whole.select(np.flatnonzero(whole.at < CUT))
    return Training(past, flat, 40 * DAY_S, frozenset(past.users), 0, N_TOPICS)


@pytest.fixture(scope="module", params=sorted(TOPIC_MODELS))
def model(request, training):
    one = TOPIC_MODELS[request.param]()
    one.fit(training)
    return one


def frozen(value):
    """Everything that a state holds, as a value to compare."""
    if is_dataclass(value):
        return tuple(frozen(getattr(value, field.name)) for field in fields(value) if field.compare)
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, list | tuple):
        return tuple(frozen(one) for one in value)
    return repr(value)


def said(model, state, at=LATER):
    return model.predict(state, at, np.ones(N_TOPICS)).tolist()


def test_answers_are_distributions_before_and_after_learning(model, whole):
    population = np.arange(float(N_TOPICS))
    for state in (None, model.update({}, whole)["u3"]):
        p = model.predict(state, LATER, population)
        assert p.shape == (N_TOPICS,)
        assert p.sum() == pytest.approx(1.0)
        assert (p > 0).all()
    assert population.tolist() == list(range(N_TOPICS))
    assert isinstance(model.settings, dict)


def test_a_stranger_is_like_everybody(model):
    population = np.arange(float(N_TOPICS))
    expected = (population + 1e-3) / (population + 1e-3).sum()
    assert model.predict(None, 0.0, population) == pytest.approx(expected, rel=0.05, abs=1e-4)


def test_a_batch_gives_the_states_of_its_events_one_by_one(model, whole):
    at_once = model.update({}, whole)
    states = {}
    for row in range(len(whole)):
        states |= model.update(states, whole.select(np.array([row])))
    for user_id in at_once:
        assert said(model, at_once[user_id]) == said(model, states[user_id])


def test_states_are_values(model, whole):
    rows = np.arange(len(whole))
    early, late = whole.select(rows[:600]), whole.select(rows[600:900])
    first = model.update({}, early)
    before = {user_id: frozen(state) for user_id, state in first.items()}
    one = model.update(first, late)
    assert {user_id: frozen(state) for user_id, state in first.items()} == before
    other = model.update(first, late)  # the same state a second time: a branch of the history
    for user_id in first:
        assert said(model, one[user_id]) == said(model, other[user_id])


def test_nothing_after_the_moment_is_known(model, whole):
    """What comes later, even of other users, changes no earlier answer."""
    early = whole.select(np.flatnonzero(whole.at < CUT))
    changed = replace(whole, topic=np.where(whole.at < CUT, whole.topic, 0).astype(np.int32), _groups={})
    assert said(model, model.update({}, early)["u1"], CUT) == said(
        model, model.update({}, changed.select(np.flatnonzero(changed.at < CUT)))["u1"], CUT
    )


@able("active")
def test_activity_is_a_probability_that_grows_with_the_horizon(model, whole):
    for state in (None, model.update({}, whole)["u2"]):
        active = model.active(state, 240 * DAY_S, np.ones(N_TOPICS))
        assert active.shape == (3, N_TOPICS)
        assert (active >= 0).all()
        assert (active <= 1).all()
        assert (np.diff(active, axis=0) >= 0).all()


@able("changes")
def test_changes_lie_in_the_past_and_rise(model, whole):
    for state in model.update({}, whole).values():
        changes = model.changes(state)
        assert (np.diff(changes) >= 0).all()
        assert model.n_changes(state) >= changes.size
        assert (changes <= whole.at.max()).all()


@able("strengths")
def test_strengths_are_distributions(model, whole):
    for state in (None, model.update({}, whole)["u2"]):
        for strength in model.strengths(state, LATER, np.ones(N_TOPICS)):
            assert strength.shape == (N_TOPICS,)
            assert strength.sum() == pytest.approx(1.0)
