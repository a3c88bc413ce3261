"""The detector of changes: it sees them, forgets none that return, and is not fooled by a binge or by chance."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.interest.layout import N_CHANGES
from penchant.interest.parameters import TrackerConfig
from penchant.interest.tracker import Tracker
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

N_TOPICS = 40
TASTE_A = np.arange(0, 10)
TASTE_B = np.arange(20, 30)


def life(*parts, seed=0, per_day=3):
    """Return events of one user: each part is ``(days, topics)``, topics drawn evenly, three different ones a day."""
    rng = np.random.default_rng(seed)
    events, day = [], 0
    for days, topics in parts:
        for _ in range(days):
            events += [
                {
                    "event_id": f"{day}-{topic}",
                    "type": "purchase",
                    "user_id": "ann",
                    "item_id": "x",
                    "at": day * DAY_S + 36_000,
                }
                | {"topics": [f"t{topic}"]}
                for topic in rng.choice(topics, min(per_day, len(topics)), replace=False)
            ]
            day += 1
    return events


class Walk:
    """Folds events day by day and remembers how likely the topics of B were held after each day."""

    def __init__(self, events, tracker=None):
        self.tracker = tracker or Tracker()
        folding = Folding(self.tracker)
        for topic in range(N_TOPICS):
            folding.topics.add(f"t{topic}")
        days = sorted({event["at"] for event in events})
        self.changes, self.share_of_b = [], []
        for at in days:
            rows = as_rows([event for event in events if event["at"] == at])
            state = folding.fold(rows, [len(rows)]).states["ann"]
            self.changes.append(int(state.user[N_CHANGES]))
            p = self.tracker.read(state, at + 3600, np.ones(N_TOPICS)).probability
            self.share_of_b.append(float(p[TASTE_B].sum()))
        self.state = state


def test_a_change_is_seen_within_days_and_dated():
    walk = Walk(life((100, TASTE_A), (30, TASTE_B)))
    assert walk.changes[99] == 0
    seen = walk.changes.index(1)
    assert 100 < seen <= 106
    assert walk.tracker.changes(walk.state)[0] / DAY_S == pytest.approx(100, abs=2)
    # The short-term view takes over: the hundred days of A no longer outweigh the few of B.
    alone = Walk(life((100, TASTE_A), (30, TASTE_B)), Tracker(TrackerConfig(false_alarm_days=1e30, change_odds=1e-30)))
    assert walk.share_of_b[seen + 3] > 2 * alone.share_of_b[seen + 3]


def test_a_return_is_recognised_sooner_than_the_first_change():
    walk = Walk(life((100, TASTE_A), (60, TASTE_B), (20, TASTE_A)))
    share = np.array(walk.share_of_b)
    start, end = share[99], share[159]
    half = (start + end) / 2
    there = int(np.argmax(share[100:160] > half)) + 1
    back = int(np.argmax(share[160:] < half)) + 1
    assert back * 2 <= there
    assert walk.changes[-1] == 2


def test_a_binge_of_one_day_changes_nothing():
    binge = [
        {"event_id": f"binge-{i}", "type": "purchase", "user_id": "ann", "item_id": "x", "at": 60 * DAY_S + 40_000 + i}
        | {"topics": [f"t{20 + i % 10}"]}
        for i in range(60)
    ]
    events = sorted(life((100, TASTE_A)) + binge, key=lambda event: event["at"])
    folding = Folding(Tracker())
    state = folding.fold(as_rows(events), [len(events)]).states["ann"]
    assert state.user[N_CHANGES] == 0


def test_false_alarms_keep_to_the_chosen_rate():
    """Topics drawn from one distribution for ever: at most one alarm in ``false_alarm_days`` active days, on average."""
    tracker = Tracker(TrackerConfig(false_alarm_days=200.0))
    rng = np.random.default_rng(3)
    taste = rng.dirichlet(np.full(N_TOPICS, 0.3))
    days, alarms = 0, 0
    for user in range(40):
        folding = Folding(tracker)
        events = [
            {"event_id": f"{user}-{day}-{i}", "type": "purchase", "user_id": "ann", "item_id": "x", "at": day * DAY_S}
            | {"topics": [f"t{topic}"]}
            for day in range(200)
            for i, topic in enumerate(rng.choice(N_TOPICS, 3, p=taste))
        ]
        state = folding.fold(as_rows(events), [len(events)]).states["ann"]
        days, alarms = days + 200, alarms + int(state.user[N_CHANGES])
    assert alarms <= days / 200


def test_a_batch_with_changes_equals_its_events_one_by_one():
    events = life((40, TASTE_A), (20, TASTE_B), (20, TASTE_A), (20, TASTE_B), (20, np.arange(30, 40)), (20, TASTE_A))
    tracker = Tracker(TrackerConfig(false_alarm_days=20.0))
    whole = Folding(tracker).fold(as_rows(events), [len(events)])
    single = Folding(tracker).fold(as_rows(events), [1])
    assert whole.as_bytes() == single.as_bytes()
    assert whole.states["ann"].user[N_CHANGES] >= 3
    assert tracker.encode(tracker.decode(tracker.encode(whole.states["ann"]))) == tracker.encode(whole.states["ann"])
