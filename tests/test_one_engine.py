"""One file of events, every way in: the states are the same bits and the answers are equal."""

from __future__ import annotations

import json

import polars as pl
import pytest

from penchant import Engine
from penchant.clock import fixed
from penchant.testing import toy_log

TOY = toy_log(n_users=20, late_share=0.1, seed=11)
REVISED = {"event_id": "r", "type": "item", "at": "2026-02-07", "item_id": "item-3", "topics": ["topic-3", "topic-4"]}
EXTRA = [
    {"type": "user", "user_id": "user-1", "at": "2026-01-05", "facts": {"city": "Łódź", "n": 3}},
    {"type": "statement", "user_id": "user-1", "at": "2026-02-05", "topics": ["topic-2", "new 😀"], "value": -0.5},
    {"type": "rating", "user_id": "user-2", "at": "2026-02-05", "item_id": "item-3", "value": 4.5},
    {"type": "return", "user_id": "user-2", "at": "2026-02-06", "item_id": "item-3", "amount": 7.25},
    {"type": "view", "user_id": "user-2", "at": "2026-02-08", "item_id": "item-3"},
    {"type": "search", "user_id": "user-2", "at": "2026-02-08T01:00:00.123456Z", "text": "green 'tea'\n"},
    {"type": "view", "user_id": "user-2", "at": "2026-02-09", "item_id": "nobody described this"},
]
USERS = ["user-0", "user-1", "user-2", "user-9", "a stranger"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """One JSON object a line; a few lines come twice."""
    # All of the catalogue first: within a batch it goes first anyway, and batches are of any size here.
    events = [*TOY.events[:40], REVISED, *TOY.events[40:], *({**e, "event_id": f"x{i}"} for i, e in enumerate(EXTRA))]
    path = tmp_path_factory.mktemp("one") / "events.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events + events[50:60]), encoding="utf-8")
    return path


def events_of(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def opened(url="memory", **settings):
    return Engine.open(url, clock=fixed(TOY.ends), **settings)


def answers(engine):
    said = {}
    for user_id in USERS:
        for at in (TOY.ends, "2026-02-06T12:00:00Z"):
            said[user_id, str(at)] = (
                engine.profile(user_id, at=at),
                engine.recommend(user_id, 10, at=at),
                engine.recommend(user_id, 5, at=at, strategy="interest"),
                engine.explain(user_id, "item-3", at=at),
            )
    return said


def one_by_one(file, tmp_path):
    engine = opened()
    for event in events_of(file):
        engine.ingest(event)
    return engine


def in_batches(file, tmp_path):
    engine, events = opened(), events_of(file)
    for begin in range(0, len(events), 37):
        engine.ingest(events[begin : begin + 37])
    return engine


def as_a_frame(file, tmp_path):
    engine = opened()
    engine.ingest(pl.read_ndjson(file, infer_schema_length=None))
    return engine


def through_parquet(file, tmp_path):
    engine = opened(f"parquet:///{tmp_path / 'log'}")
    engine.ingest(events_of(file)[:200])
    engine.close()
    engine = opened(f"parquet:///{tmp_path / 'log'}")
    for begin in range(200, len(events_of(file)), 90):
        engine.ingest(events_of(file)[begin : begin + 90])
    engine.close()
    return opened(f"parquet:///{tmp_path / 'log'}")


def through_sqlite(file, tmp_path):
    engine = opened(f"sqlite:///{tmp_path / 'log.db'}", checkpoint_events=100)
    for event in events_of(file):
        engine.ingest(event)
    return engine


def after_restarts(file, tmp_path):
    url, events = f"sqlite:///{tmp_path / 'log.db'}", events_of(file)
    for begin in range(0, len(events), 111):
        engine = opened(url, checkpoint_events=50)
        for event in events[begin : begin + 111]:
            engine.ingest(event)
        if begin % 2:
            engine.close()
        else:
            engine.log.close()  # as if it had been killed
    return opened(url)


def after_a_rebuild(file, tmp_path):
    engine = through_sqlite(file, tmp_path)
    engine.rebuild()
    return engine


def from_another_log(file, tmp_path):
    engine = opened()
    engine.replay(through_sqlite(file, tmp_path).ledger.events())
    return engine


@pytest.fixture(scope="module")
def expected(file):
    engine = one_by_one(file, None)
    return engine.ledger.states.as_bytes(), answers(engine), engine.log.count()


WAYS = [
    one_by_one,
    in_batches,
    as_a_frame,
    through_parquet,
    through_sqlite,
    after_restarts,
    after_a_rebuild,
    from_another_log,
]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_ends_in_the_same_states_and_answers(way, file, tmp_path, expected):
    engine = way(file, tmp_path)
    states, said, count = expected
    assert engine.log.count() == count == len(TOY.events) + len(EXTRA) + 1
    assert engine.ledger.states.as_bytes() == states
    assert answers(engine) == said
    engine.close()


@pytest.mark.postgres
def test_postgresql_too(file, tmp_path, expected, postgres_url):
    states, said, _ = expected
    engine, events = opened(postgres_url, checkpoint_events=50), events_of(file)
    for begin in range(0, len(events), 53):
        engine.ingest(events[begin : begin + 53])
    assert engine.ledger.states.as_bytes() == states
    engine.log.close()
    engine = opened(postgres_url)
    assert engine.ledger.states.as_bytes() == states
    assert answers(engine) == said
    engine.rebuild()
    assert engine.ledger.states.as_bytes() == states
    engine.close()


def test_fitted_models_agree_too(file, tmp_path):
    said = []
    for way in (in_batches, through_sqlite, through_parquet):
        (tmp_path / way.__name__).mkdir()
        engine = way(file, tmp_path / way.__name__)
        engine.fit()
        said.append((answers(engine), engine.tracker.learned.encode()))
        engine.close()
    assert said[0][1] != opened().tracker.learned.encode()
    assert said[0] == said[1] == said[2]
