from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.clock import day_of, fixed, from_s, from_us, isoformat, now, parse_moment, to_s, to_us
from penchant.testing import SettableClock

AWARE = st.datetimes(timezones=st.just(UTC))


@given(AWARE)
def test_microseconds_are_exact_both_ways(moment):
    assert from_us(to_us(moment)) == moment
    assert parse_moment(isoformat(moment)) == moment
    assert parse_moment(moment.isoformat()) == moment


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_seconds_are_exact_to_the_microsecond(moment):
    assert from_s(to_s(moment)) == moment


@given(AWARE, AWARE)
def test_microseconds_keep_the_order(one, other):
    assert (one < other) == (to_us(one) < to_us(other))


def test_days_begin_at_midnight_utc_also_before_1970():
    assert [day_of(at) for at in (0.0, 86_399.999, 86_400.0, -0.001, -86_400.0)] == [0, 0, 1, -1, -1]


def test_a_moment_is_always_aware_and_in_utc():
    plus_two = timezone(timedelta(hours=2))
    for given_moment in (
        datetime(2026, 1, 1, 10),  # noqa: DTZ001
        datetime(2026, 1, 1, 12, tzinfo=plus_two),
        "2026-01-01T10:00",
        "2026-01-01T12:00:00+02:00",
        1_767_261_600,
        1_767_261_600.0,
    ):
        moment = parse_moment(given_moment)
        assert moment == datetime(2026, 1, 1, 10, tzinfo=UTC)
        assert moment.tzinfo is UTC
    assert isoformat(datetime(2026, 1, 1, 12, tzinfo=plus_two)) == "2026-01-01T10:00:00Z"


@pytest.mark.parametrize(
    "wrong", ["", "now", "2026-13-01", float("nan"), float("inf"), 1e300, 10**400, True, None, [], b"2026"]
)
def test_what_is_no_moment_is_a_value_error(wrong):
    with pytest.raises(ValueError, match=r"not a|outside"):
        parse_moment(wrong)


def test_clocks():
    assert fixed("2026-01-01")() == fixed("2026-01-01")() == datetime(2026, 1, 1, tzinfo=UTC)
    assert abs(now() - datetime.now(UTC)) < timedelta(seconds=5)
    clock = SettableClock("2026-01-01")
    assert clock() == clock() == datetime(2026, 1, 1, tzinfo=UTC)
    clock.forward(timedelta(hours=1))
    assert clock() == datetime(2026, 1, 1, 1, tzinfo=UTC)
    clock.set(0)
    assert clock() == datetime(1970, 1, 1, tzinfo=UTC)
