from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_baselines import N_TOPICS, flat, life

from penchant.clock import DAY_S
from penchant.interest.ngram_topics import NGramTopics
from penchant.interest.prequential import Training


@pytest.fixture(scope="module")
def cycle():
    """Everybody's topics follow each other in a circle."""
    whole = life(20, users=6)
    topic = whole.topic.copy()
    for rows in (np.flatnonzero(whole.user == user) for user in range(6)):
        places = whole.topic_start[rows]
        topic[places] = np.arange(places.size) % N_TOPICS
    return replace(whole, topic=topic, _groups={})


def training(batch):
    return Training(batch, flat, 0.0, frozenset(batch.users), 0, N_TOPICS)


def test_it_learns_which_topic_follows(cycle):
    model = NGramTopics()
    model.fit(training(cycle))
    assert model.settings["order"] >= 2
    for last in range(N_TOPICS):
        p = model.predict(np.array([(last - 1) % N_TOPICS, last]), 0.0, np.ones(N_TOPICS))
        assert int(np.argmax(p)) == (last + 1) % N_TOPICS
        assert p.sum() == pytest.approx(1.0)


def test_the_state_is_the_last_two_topics(cycle):
    model = NGramTopics()
    states = model.update({}, cycle)
    for state in states.values():
        assert state.size == 2
        assert (state[1] - state[0]) % N_TOPICS == 1


def test_a_topic_that_came_after_the_fit(cycle):
    model = NGramTopics()
    model.fit(training(cycle))
    p = model.predict(np.array([0, N_TOPICS + 1]), 0.0, np.ones(N_TOPICS + 2))
    assert p.shape == (N_TOPICS + 2,)
    assert p.sum() == pytest.approx(1.0)


def test_nothing_to_learn_from():
    model = NGramTopics()
    whole = life(20, users=2)
    model.fit(training(whole.select(np.flatnonzero(whole.at < 0))))
    assert model.predict(np.array([1]), 5 * DAY_S, np.ones(N_TOPICS)) == pytest.approx(1 / N_TOPICS)
    assert model.settings["order"] == 0
