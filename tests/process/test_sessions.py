from __future__ import annotations

from datetime import timedelta

import polars as pl

from penchant.domain.row import log_schema
from penchant.process.sessions import sessionise
from penchant.process.shards import shard

MINUTE = 60_000_000


def frame(lines):
    rows = [
        (i + 1, f"e{i}", "view", user, "tea", minute * MINUTE, 0, None, None, session, None, None)
        for i, (user, minute, session) in enumerate(lines)
    ]
    return pl.DataFrame(rows, schema=log_schema(), orient="row")


def sessions(lines, **options):
    cut = sessionise(frame(lines), **options)
    return dict(zip(cut["event_id"].to_list(), cut["session"].to_list(), strict=True))


def test_silence_ends_a_session():
    lines = [("ann", 0, None), ("ann", 30, None), ("ann", 61, None), ("ann", 62, None), ("ann", 200, None)]
    assert sessions(lines) == {"e0": 0, "e1": 0, "e2": 1, "e3": 1, "e4": 2}
    assert sessions(lines, gap=timedelta(hours=1)) == {"e0": 0, "e1": 0, "e2": 0, "e3": 0, "e4": 1}


def test_users_are_counted_apart_and_in_the_order_of_time():
    lines = [
        ("bob", 500, None),
        ("ann", 100, None),
        ("bob", 10, None),
        ("ann", 0, None),
        (None, 5, None),
        ("bob", 12, None),
    ]
    assert sessions(lines) == {"e3": 0, "e1": 1, "e2": 0, "e5": 0, "e0": 1}


def test_another_session_id_ends_a_session_too():
    lines = [
        ("ann", 0, "a"),
        ("ann", 1, "a"),
        ("ann", 2, "b"),
        ("ann", 3, None),
        ("ann", 4, "b"),
        ("ann", 5, "c"),
        ("ann", 99, "c"),
    ]
    assert sessions(lines) == {"e0": 0, "e1": 0, "e2": 1, "e3": 1, "e4": 1, "e5": 2, "e6": 3}


def test_shards_of_whole_users_give_the_same():
    lines = [(f"u{i % 7}", (i * 37) % 400, None) for i in range(200)]
    whole = sessionise(frame(lines)).sort("position")
    parts = pl.concat([sessionise(part) for part in shard(frame(lines), 3)]).sort("position")
    assert whole.equals(parts)


def test_no_events_have_no_sessions():
    assert sessionise(frame([])).height == 0
    assert sessionise(frame([(None, 1, None)])).height == 0
