from __future__ import annotations

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.domain.activity import questions
from penchant.domain.batch import EventBatch
from penchant.domain.vocabulary import Vocabulary
from penchant.testing import as_rows

TYPES = frozenset({"purchase", "return"})


def batch_of(*events):
    rows = as_rows(
        {"event_id": str(i), "item_id": "x", "type": "purchase", "user_id": "ann", **e} for i, e in enumerate(events)
    )
    return EventBatch.from_rows(rows, np.arange(1, len(rows) + 1), Vocabulary(), Vocabulary("abc"))


def test_questions_are_at_midnights_a_week_apart_and_learn_what_came_before():
    batch = batch_of(
        {"topics": ["a"], "at": 0.5 * DAY_S},
        {"topics": ["b"], "at": 3 * DAY_S},
        {"topics": ["c"], "at": 9 * DAY_S},
    )
    [(user_id, asked)] = questions(batch, 1.5 * DAY_S, 20 * DAY_S, TYPES)
    assert user_id == "ann"
    assert [one.at / DAY_S for one in asked] == [2.0, 9.0, 16.0]
    assert [one.rows.tolist() for one in asked] == [[0], [1], [2]]  # an event at the very moment comes later


def test_a_user_is_asked_about_only_after_a_first_event():
    batch = batch_of(
        {"topics": ["a"], "at": 10 * DAY_S},
        {"topics": ["a"], "at": 99 * DAY_S, "user_id": "bob"},
    )
    [(user_id, asked)] = questions(batch, 0.0, 20 * DAY_S, TYPES)
    assert (user_id, [one.at / DAY_S for one in asked]) == ("ann", [14.0])
    assert list(questions(batch, 0.0, 20 * DAY_S, TYPES, {"bob"})) == []
    assert list(questions(batch, 30 * DAY_S, 20 * DAY_S, TYPES)) == []


def test_active_is_what_comes_before_the_horizon_ends():
    batch = batch_of(
        {"topics": ["c"], "at": 0.0},
        {"topics": ["a"], "at": 1.5 * DAY_S},
        {"topics": ["b", "a"], "at": 2.0 * DAY_S},
        {"topics": ["c"], "at": 8.0 * DAY_S},
    )
    [(_, [question])] = questions(batch, 1.0 * DAY_S, 2.0 * DAY_S, TYPES)
    assert question.active(1.0, 3).tolist() == [True, False, False]
    assert question.active(1.001, 3).tolist() == [True, True, False]
    assert question.active(30.0, 3).tolist() == [True, True, True]
    assert question.share.tolist() == [1.0, 0.5, 0.5, 1.0]


def test_what_speaks_against_a_topic_is_learned_but_does_not_count_as_coming():
    batch = batch_of(
        {"topics": ["a"], "at": 0.0},
        {"topics": ["a"], "at": 0.5 * DAY_S, "type": "return"},
        {"topics": ["b"], "at": 1.5 * DAY_S, "type": "return"},
    )
    [(_, [question])] = questions(batch, 1.0 * DAY_S, 2.0 * DAY_S, TYPES)
    assert question.rows.tolist() == [0, 1]
    assert not question.active(30.0, 3).any()


@pytest.mark.parametrize("every", [1.0, 3.5])
def test_every_event_before_the_last_question_is_learned_once(every):
    rng = np.random.default_rng(0)
    events = [{"topics": ["a"], "at": float(at)} for at in rng.uniform(0, 40 * DAY_S, 60)]
    batch = batch_of(*events)
    [(_, asked)] = questions(batch, 5 * DAY_S, 30 * DAY_S, TYPES, every_days=every)
    learned = np.concatenate([one.rows for one in asked])
    assert sorted(learned.tolist()) == np.flatnonzero(batch.at < asked[-1].at).tolist()
    for one in asked:
        assert (one.ahead_s >= 0).all()
        assert one.topic.size == np.count_nonzero(batch.at >= one.at)
