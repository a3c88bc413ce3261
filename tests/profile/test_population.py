from __future__ import annotations

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.profile.population import UNIT, DayState, DecayedCounts, ItemPopulation, TopicPopulation, by_day
from penchant.testing import as_rows, toy_log
from penchant.testing.learner_contract import Folding, a_bit_of_everything

LEARNERS = [ItemPopulation(), TopicPopulation()]


def counts_of(learner, *events):
    events = [{"event_id": str(i), "user_id": f"u{i}", "item_id": "x", **event} for i, event in enumerate(events)]
    folding = Folding(learner).fold(as_rows(events), [len(events)])
    names = folding.items.ids if learner.name == "item_population" else folding.topics.ids
    return {
        day: {names[n]: count / UNIT for n, count in zip(state.number.tolist(), state.count.tolist(), strict=True)}
        for day, state in folding.states.items()
    }


def test_items_by_day():
    assert counts_of(
        ItemPopulation(),
        {"type": "view", "item_id": "tea", "at": 0},
        {"type": "purchase", "item_id": "tea", "at": DAY_S - 1},
        {"type": "purchase", "item_id": "milk", "at": DAY_S},
        {"type": "dislike", "item_id": "milk", "at": DAY_S},
        {"type": "impression", "item_id": "milk", "at": 3 * DAY_S},
        {"type": "view", "item_id": "old", "at": -1},
    ) == {"0": {"tea": 1.25}, "1": {"milk": 1.0}, "-1": {"old": 0.25}}


def test_topics_share_an_event():
    assert counts_of(
        TopicPopulation(),
        {"type": "purchase", "topics": ["a", "b", "c"], "at": 10},
        {"type": "view", "topics": ["a"], "at": 20},
        {"type": "statement", "topics": ["d"], "value": 0.5, "at": 30},
        {"type": "view", "at": 40},
    ) == {"0": {"a": 7 / 12, "b": 1 / 3, "c": 1 / 3}}


def test_who_speaks_against_a_topic_does_not_make_it_popular():
    assert counts_of(TopicPopulation(), {"type": "dislike", "topics": ["d"], "at": 0}) == {}


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: learner.name)
@pytest.mark.parametrize("seed", range(3))
def test_taking_a_user_away_is_as_if_the_user_had_never_come(learner, seed):
    rows = a_bit_of_everything(n=600, seed=seed)
    folding = Folding(learner)
    batch = folding.batch(rows)
    states = learner.update({}, batch)
    gone = np.flatnonzero(batch.user == batch.users.index("user-2"))
    others = np.flatnonzero(batch.user != batch.users.index("user-2"))
    after = states | learner.retract(states, batch.select(gone))
    never = learner.update({}, batch.select(others))
    for key, state in after.items():
        expected = never.get(key, learner.start())
        assert state.number.tolist() == expected.number.tolist()
        assert state.count.tolist() == expected.count.tolist()
    # And the other way round: taking everybody away leaves nothing.
    nothing = learner.retract(states, batch)
    assert sum(state.count.size for state in nothing.values()) == 0


def test_decayed_counts_by_hand():
    counts = DecayedCounts()
    counts.put(10, DayState(np.array([0, 2], np.int32), np.array([UNIT, 3 * UNIT]), 10 * DAY_S))
    counts.put(12, DayState(np.array([1], np.int32), np.array([UNIT]), 12 * DAY_S))
    assert counts.at(12, counts.days[12], 2.0, 3).tolist() == [0.5, 1.0, 1.5]
    assert counts.at(12, None, 2.0, 3).tolist() == [0.5, 0.0, 1.5]
    assert counts.at(14, None, 2.0, 4).tolist() == [0.25, 0.5, 0.75, 0.0]
    assert counts.at(10, None, 2.0, 3).tolist() == [0.0, 0.0, 0.0]
    # A day that changes afterwards is seen.
    counts.put(10, DayState(np.array([0], np.int32), np.array([2 * UNIT]), 10 * DAY_S))
    assert counts.at(12, None, 2.0, 3).tolist() == [1.0, 0.0, 0.0]
    assert counts.at(12, None, 1.0, 3).tolist() == [0.5, 0.0, 0.0]
    counts.clear()
    assert counts.at(12, None, 2.0, 2).tolist() == [0.0, 0.0]


def test_asking_again_is_pure():
    counts = DecayedCounts()
    counts.put(1, DayState(np.array([0], np.int32), np.array([UNIT]), DAY_S))
    today = DayState(np.array([0], np.int32), np.array([UNIT]), 2 * DAY_S)
    first = counts.at(2, today, 1.0, 1)
    first += 100
    assert counts.at(2, today, 1.0, 1).tolist() == [1.5]


def test_a_table_of_all_days_says_the_same():
    toy = toy_log(n_users=3, days=40)
    folding = Folding(TopicPopulation()).fold(as_rows(e | {"topics": ["a"]} for e in toy.events[40:]), [50])
    days = {int(key): state for key, state in folding.states.items()}
    counts = DecayedCounts()
    for day, state in days.items():
        counts.put(day, state)
    before = by_day(days, 5.0, 1)
    for day in range(min(days) - 2, max(days) + 2):
        assert before(day * DAY_S + 5.0) == pytest.approx(counts.at(day, None, 5.0, 1), rel=1e-12)
    assert by_day({}, 5.0, 2)(123.0).tolist() == [0.0, 0.0]
