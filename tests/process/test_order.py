from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penchant.process.order import late


def test_late_events_by_hand():
    user = np.array([0, 1, 0, 0, -1, 1, 0], dtype=np.int32)
    at = np.array([5.0, 1.0, 7.0, 6.0, 0.0, 1.0, 7.0])
    newest = np.array([-np.inf, 2.0])
    # User 1 was seen at 2; user 0's 6 comes after 7; an event at the same time is not late; nobody is never late.
    assert late(user, at, newest).tolist() == [False, True, False, True, False, True, False]


def test_no_events():
    assert late(np.zeros(0, np.int32), np.zeros(0), np.zeros(0)).size == 0


@given(
    st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 9)), max_size=30),
    st.lists(st.integers(0, 9), min_size=4, max_size=4),
)
def test_late_is_what_a_plain_loop_says(events, seen):
    newest = dict(enumerate(float(moment) for moment in seen))
    expected = []
    for user, at in events:
        expected.append(user >= 0 and at < newest[user])
        if user >= 0:
            newest[user] = max(newest[user], at)
    users = np.array([user for user, _ in events], dtype=np.int32)
    times = np.array([float(at) for _, at in events])
    assert late(users, times, np.array(seen, dtype=float)).tolist() == expected
