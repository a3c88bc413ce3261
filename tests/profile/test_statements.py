from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.clock import DAY_S
from penchant.domain.statements import SCOPES
from penchant.profile.statements import MAX_STATEMENTS, StatementsLearner
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

LEARNER = StatementsLearner()


def said(*events):
    """Return ``{(topic, scope): (value, at, until)}`` of what one user said, in the order of time."""
    given = [{"type": "statement", "user_id": "ann", **event} for event in events]
    rows = as_rows([{"event_id": str(i), **event} for i, event in enumerate(given)])
    folding = Folding(LEARNER).fold(rows, [1])
    read = LEARNER.read(LEARNER.decode(LEARNER.encode(folding.states["ann"])), math.inf)
    topics = [folding.topics.ids[topic] for topic in read.topic]
    scopes = [SCOPES[code] for code in read.scope]
    values = zip(read.value.tolist(), read.at.tolist(), read.until.tolist(), strict=True)
    return dict(zip(zip(topics, scopes, strict=True), values, strict=True))


def test_the_newest_word_on_a_topic_and_scope_counts():
    assert said(
        {"topics": ["tea"], "value": 1.0, "at": 10},
        {"topics": ["tea", "milk"], "value": -0.5, "at": 20},
        {"topics": ["tea"], "scope": "now", "until": "1970-01-02T00:00:00Z", "at": 5},
        {"topics": ["tea"], "scope": "mute", "at": 6},
    ) == {
        ("tea", "now"): (1.0, 5.0, DAY_S),
        ("tea", "mute"): (1.0, 6.0, math.inf),
        ("tea", "always"): (-0.5, 20.0, math.inf),
        ("milk", "always"): (-0.5, 20.0, math.inf),
    }


def test_a_late_word_changes_nothing_that_a_newer_one_said():
    late = {"topics": ["tea"], "value": 1.0, "at": 10}
    assert said({"topics": ["tea"], "value": 0.0, "at": 20}, late) == {("tea", "always"): (0.0, 20.0, math.inf)}


def test_of_two_words_at_once_the_later_in_the_log_counts():
    words = [{"topics": ["tea"], "value": value, "at": 10} for value in (0.3, -0.2)]
    assert [value for value, *_ in said(*words).values()] == [-0.2]
    assert [value for value, *_ in said(*words[::-1]).values()] == [0.3]


EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(SCOPES), st.sampled_from([-1.0, 0.0, 1.0])),
    min_size=1,
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(events, chance):
    made = [
        {"topics": [topic], "scope": scope, "value": abs(value) if scope == "mute" else value, "at": 100 + at}
        for at, (topic, scope, value) in enumerate(events)
    ]
    in_order = said(*made)
    chance.shuffle(made)
    assert said(*made) == in_order


@pytest.mark.parametrize("backwards", [False, True])
def test_of_too_many_the_oldest_are_forgotten(backwards):
    made = [{"topics": [f"t{at:04}"], "at": at} for at in range(MAX_STATEMENTS + 100)]
    kept = [topic for topic, _ in said(*(made[::-1] if backwards else made))]
    assert kept == [f"t{at:04}" for at in range(100, MAX_STATEMENTS + 100)]


def test_what_an_older_version_let_pass_does_no_harm():
    rows = as_rows([{"event_id": "1", "type": "statement", "user_id": "ann", "topics": ["tea"], "at": 1}])
    for payload in ('{"scope": ["now"], "until": 3}', '{"scope": "ever", "until": "soon"}', '{"until": "9999"}'):
        state = Folding(LEARNER).fold([rows[0]._replace(payload=payload, value=7.0)], [1]).states["ann"]
        read = LEARNER.read(state, 1.0)
        assert (read.scope.tolist(), read.value.tolist()) == ([0], [1.0])
        assert read.until.tolist() == [math.inf] or payload == '{"until": "9999"}'


def test_mutes_at_a_moment():
    rows = as_rows(
        [
            {"event_id": "1", "type": "statement", "user_id": "ann", "topics": ["a"], "scope": "mute", "at": 10},
            {
                "event_id": "2",
                "type": "statement",
                "user_id": "ann",
                "topics": ["b"],
                "scope": "mute",
                "until": "1970-01-01T00:00:30Z",
                "at": 20,
            },
            {"event_id": "3", "type": "statement", "user_id": "ann", "topics": ["c"], "value": 1, "at": 10},
        ]
    )
    read = LEARNER.read(Folding(LEARNER).fold(rows, [3]).states["ann"], 0.0)
    muted = [sorted(read.topic[read.muted(at)].tolist()) for at in (9.9, 10, 25, 30)]
    assert muted == [[], [0], [0, 1], [0]]
    assert read.topic.dtype == np.int32
