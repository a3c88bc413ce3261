from __future__ import annotations

import pytest

from penchant.clock import parse_moment
from penchant.errors import EventError
from penchant.testing import as_rows, toy_log


def test_the_same_arguments_give_the_same_log():
    assert toy_log() == toy_log()
    assert toy_log().events != toy_log(seed=1).events


def test_more_users_leave_the_others_as_they_are():
    few, many = toy_log(n_users=3), toy_log(n_users=9)
    assert [e for e in few.events if "user_id" in e] == [e for e in many.events if e.get("user_id") in few.before]


def test_what_is_said_of_the_log_is_true():
    toy = toy_log(n_users=30, loyalty=0.9)
    ids = [event["event_id"] for event in toy.events]
    assert len(ids) == len(set(ids)) == 40 + 30 * 40
    times = [event["at"] for event in toy.events]
    assert times == sorted(times)
    assert all(toy.begins <= parse_moment(at) < toy.ends for at in times)
    loyal = {"before": [], "after": []}
    for event in toy.events[40:]:
        user, topic = event["user_id"], f"topic-{int(event['item_id'][5:]) % 5}"
        if parse_moment(event["at"]) < toy.changes[user]:
            loyal["before"].append(topic == toy.before[user])
        else:
            loyal["after"].append(topic == toy.after[user])
    for said in loyal.values():
        assert sum(said) / len(said) == pytest.approx(0.9 + 0.1 / 5, abs=0.04)
    assert all(toy.before[user] != toy.after[user] for user in toy.before)


def test_late_events_are_the_same_events_later():
    punctual, late = toy_log(), toy_log(late_share=0.3)
    assert late.events != punctual.events
    assert {e["event_id"] for e in late.events} == {e["event_id"] for e in punctual.events}


def test_rows_are_refused_like_events():
    with pytest.raises(EventError, match="no user_id"):
        as_rows([{"type": "view", "item_id": "tea"}])
    assert [row.event_id for row in as_rows(toy_log(n_users=1).events)][:2] == ["item-0", "item-1"]
