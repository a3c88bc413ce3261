"""Every strength names the events that carry it: without them it falls, and by the share that they were said to have."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from penchant import Engine
from penchant.clock import fixed, from_s
from penchant.collect.datasets import open_dataset
from penchant.collect.importer import collect
from penchant.collect.quarantine import Quarantine
from penchant.testing import toy_log

TOY = toy_log(n_users=30, days=120, deeds_per_user=60, seed=3)
HOUSEHOLDS = 4
TOPICS = 12


def toy():
    engine = Engine.open("memory", clock=fixed(TOY.ends))
    engine.ingest(TOY.events)
    return engine


def groceries():
    """Some households of completejourney, with the whole catalogue."""
    whole = Engine.open("memory")
    with Quarantine() as kept:
        collect(open_dataset("completejourney"), whole, kept)
    frame = whole.ledger.events()
    users = frame["user_id"].drop_nulls().unique().sort().gather_every(200)[:HOUSEHOLDS]
    engine = Engine.open("memory")
    engine.replay(frame.filter(pl.col("user_id").is_null() | pl.col("user_id").is_in(users.implode())))
    return engine


@pytest.fixture(scope="module", params=[toy, groceries])
def engine(request):
    return request.param()


def read(engine, user_id, at, without=()):
    """Return the long-term strengths, and the long-term evidence in events, as if some events had never happened."""
    ledger, tracker = engine.ledger, engine.tracker
    batch = ledger.of_user(user_id, at)
    kept = batch.select(np.flatnonzero(~np.isin(batch.position, list(without))))
    state = tracker.update({}, kept).get(user_id, tracker.start())
    population = ledger.population("topic_population", at, tracker.config.population_half_life_days)
    reading = tracker.read(state, at, population)
    return reading.long_term, reading.evidence


def test_without_its_evidence_a_strength_falls_by_the_share_it_carried(engine):
    users = engine.ledger.states.keys("tracker", "", 30)[:HOUSEHOLDS]
    newest = engine.ledger.events()["at_us"].max() / 1e6
    checked = 0
    for user_id in users:
        strength, evidence = read(engine, user_id, newest)
        batch = engine.ledger.of_user(user_id, newest)
        position = {row.event_id: where for where, row in engine.ledger.log.at_positions(batch.position.tolist())}
        for interest in engine.interests(user_id, n=500, at=from_s(newest))[::-1][:TOPICS]:
            topic = engine.ledger.topics.number(interest.topic)
            assert interest.evidence, interest.topic
            assert interest.long_term == pytest.approx(float(strength[topic]))
            left, still = read(engine, user_id, newest, {position[one.event_id] for one in interest.evidence})
            assert left[topic] < strength[topic]
            carried = sum(one.share for one in interest.evidence)
            assert float(evidence[topic] - still[topic]) / evidence[topic] == pytest.approx(carried, abs=1e-4)
            checked += 1
    assert checked >= 4 * HOUSEHOLDS
