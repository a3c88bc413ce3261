from __future__ import annotations

import math

import pytest

from penchant.clock import parse_moment, to_s
from penchant.profile.behaviour import BehaviourLearner
from penchant.testing import as_rows
from penchant.testing.learner_contract import Folding

LEARNER = BehaviourLearner()


def state_of(*events):
    events = [{"event_id": str(i), "user_id": "ann", "item_id": "tea", **event} for i, event in enumerate(events)]
    return Folding(LEARNER).fold(as_rows(events), [len(events)]).states.get("ann", LEARNER.start())


def test_a_user_without_events():
    read = LEARNER.read(LEARNER.start(), 0.0)
    assert (read.n_events, read.n_by_type, read.first_at, read.last_at, read.recency_days) == (0, {}, None, None, None)
    assert (read.n_sessions, read.frequency_days, read.spend, read.spend_per_session) == (0, None, 0.0, None)
    assert sum(read.by_hour) == sum(read.by_weekday) == 0.0


def test_three_visits_by_hand():
    state = state_of(
        {"type": "view", "at": "2026-03-02T10:00:00Z"},  # a Monday
        {"type": "purchase", "at": "2026-03-02T10:30:00Z", "amount": 12.34},  # 30 minutes: the same visit
        {"type": "view", "at": "2026-03-02T11:00:01Z"},  # one second more: a new one
        {"type": "return", "at": "2026-03-08T23:59:59Z", "amount": 2.3},  # Sunday
        {"type": "impression", "at": "2026-03-09T00:00:00Z"},  # not the user's deed
        {"type": "consent", "purpose": "share", "value": 1, "at": "2026-03-09T00:00:00Z"},
    )
    read = LEARNER.read(state, to_s(parse_moment("2026-03-10T11:59:59Z")))
    assert read.n_events == 4
    assert read.n_by_type == {"view": 2, "purchase": 1, "return": 1}
    assert read.first_at == parse_moment("2026-03-02T10:00:00Z")
    assert read.last_at == parse_moment("2026-03-08T23:59:59Z")
    assert read.recency_days == pytest.approx(1.5)
    assert read.n_sessions == 3
    days = (to_s(read.last_at) - to_s(read.first_at)) / 86_400
    assert read.frequency_days == pytest.approx(days / 2)
    assert read.spend == 10.04
    assert read.spend_per_session == pytest.approx(10.04 / 3)
    assert [(hour, share) for hour, share in enumerate(read.by_hour) if share] == [(10, 0.5), (11, 0.25), (23, 0.25)]
    assert [(day, share) for day, share in enumerate(read.by_weekday) if share] == [(0, 0.75), (6, 0.25)]


def test_money_is_counted_in_cents_so_that_order_does_not_matter():
    amounts = [0.1, 0.2, 0.3, 1e9, 0.07, 1e12] * 3
    events = [{"type": "purchase", "at": i, "amount": amount} for i, amount in enumerate(amounts)]
    forward = state_of(*events)
    backward = state_of(*[{**event, "at": 1000 - i} for i, event in enumerate(reversed(events))])
    assert forward.spend_cents == backward.spend_cents == 3 * (10 + 20 + 30 + 10**11 + 7 + 10**14)


def test_other_types_cost_nothing_and_a_missing_amount_neither():
    state = state_of({"type": "cart", "at": 1, "amount": 5.0}, {"type": "purchase", "at": 2})
    assert state.spend_cents == 0


def test_a_late_event_counts_everywhere_but_in_the_visits():
    early, late = {"type": "view", "at": "2026-01-01"}, {"type": "view", "at": "2026-02-01"}
    in_order, out_of_order = state_of(early, late), state_of(late, early)
    assert (in_order.n_sessions, out_of_order.n_sessions) == (2, 1)
    assert out_of_order.first_at == in_order.first_at
    assert out_of_order.last_at == in_order.last_at
    assert (out_of_order.by_weekday == in_order.by_weekday).all()


def test_before_1970_the_clock_goes_on():
    state = state_of({"type": "view", "at": "1969-12-31T23:30:00Z"})  # a Wednesday
    read = LEARNER.read(state, 0.0)
    assert read.by_hour[23] == 1.0
    assert read.by_weekday[2] == 1.0
    assert not math.isinf(state.first_at)
