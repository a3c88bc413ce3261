"""The past reads as it was served: through fits, calibrations that happen by themselves, and restarts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from penchant import Engine
from penchant.clock import DAY_S, parse_moment
from penchant.interest.parameters import TrackerConfig, TrackerParameters
from penchant.loop.versions import TrackerVersions
from penchant.storage.database import Database
from penchant.storage.shelf import ModelShelf
from penchant.testing import toy_log
from penchant.testing.clock import SettableClock

TOY = toy_log(n_users=40, days=150, deeds_per_user=60, seed=5)
USERS = ["user-0", "user-7", "user-31"]
DEEDS = [event for event in TOY.events if event["type"] != "item"]
ITEMS = [event for event in TOY.events if event["type"] == "item"]


def upto(begin, end):
    return [event for event in DEEDS if begin <= (parse_moment(event["at"]) - TOY.begins).days < end]


def said(engine, at):
    return {user: repr(engine.interests(user, at=at)) for user in USERS}


def live(url):
    """A shop that opens on day 0, is fitted on days 100 and 130, and asked now and then."""
    clock = SettableClock(TOY.begins)
    engine = Engine.open(url, clock=clock)
    engine.ingest(ITEMS)
    served, tables = {}, []
    for begin, end, fits in ((0, 40, False), (40, 100, True), (100, 120, False), (120, 130, True), (130, 150, False)):
        for day in range(begin, end):
            clock.set(TOY.begins + timedelta(days=day + 1))
            engine.ingest(upto(day, day + 1))
        if fits:
            engine.fit(["tracker"])
        served[clock()] = said(engine, clock())
        tables.append(engine.tracker.learned.calibrated_at)
    return engine, served, tables


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('served')}/log.db"
    engine, served, calibrated = live(url)
    yield url, engine, served, calibrated
    engine.close()


def test_what_was_served_is_what_the_past_says_whatever_was_fitted_since(shop):
    url, engine, served, _ = shop
    assert len(set(map(str, served.values()))) == len(served)
    assert {at: said(engine, at) for at in served} == served
    # From before the first event arrived there is nothing to be true to: what is known now answers.
    assert engine._trackers.at((TOY.begins - timedelta(days=1)).timestamp()) is engine.tracker
    engine.checkpoint()
    with Engine.open(url, clock=SettableClock(TOY.ends)) as again:
        assert {at: said(again, at) for at in served} == served


def test_activity_is_calibrated_anew_every_week_by_itself(shop):
    calibrated, begun = shop[3], TOY.begins.timestamp()
    assert calibrated[0] == -np.inf
    first, passed, fitted, last = ((at - begun) / DAY_S for at in calibrated[1:])
    assert 99 <= first <= 100
    assert passed >= 113  # twice by itself after the fit on day 100
    assert 129 <= fitted <= 130
    assert last >= 143


def test_calibration_can_be_switched_off_and_asked_for():
    settings = {"components": {"tracker": {"recalibrate_days": 0}}}
    clock = SettableClock(TOY.ends)
    with Engine.open("memory", clock=clock, **settings) as engine:
        engine.ingest([*ITEMS, *upto(0, 110)])
        assert not engine.recalibrate()  # nothing was fitted
        engine.fit(["tracker"])
        before = engine.tracker
        engine.ingest(upto(110, 150))
        assert engine.tracker is before
        assert engine.recalibrate()
        assert engine.tracker.learned.calibrated_at > before.learned.calibrated_at
        assert engine.tracker.learned.scorer is before.learned.scorer
        report = engine.fit(["calibration"])
        assert report["calibration"]["activity"] is True


@pytest.mark.parametrize("kind", ["memory", "parquet", "sqlite"])
def test_versions_by_time_wherever_models_are_kept(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("penchant.loop.versions.KEPT", 4)
    database = Database(f"sqlite:///{tmp_path}/log.db") if kind == "sqlite" else None
    shelf = ModelShelf(database, tmp_path if kind == "parquet" else None)
    config = TrackerConfig()
    unfitted = TrackerParameters.default(np.array(config.half_lives_days))
    versions = TrackerVersions(shelf, config, tuple)
    now = versions.current
    assert versions.at(-np.inf) is versions.at(5.0) is versions.at(np.inf) is now

    def strength(at, versions=versions):
        return float(versions.at(at).learned.strength[0])

    for number, at_s in enumerate((100, 200), 1):
        fitted = replace(unfitted, strength=np.full(4, float(number)))
        versions.put(fitted, number, at_s * 1_000_000, 50_000_000)
    for one in (versions, TrackerVersions(shelf, config, tuple)):  # and after a restart
        assert [strength(at, one) for at in (49, 50, 99, 100, 199, 200, 1e12)] == [2, 10, 10, 1, 1, 2, 2]
    for at_s in (300, 400):
        versions.put(replace(unfitted, strength=np.full(4, at_s / 100)), 3, at_s * 1_000_000, 50_000_000)
    assert len(shelf.names("tracker@")) == 4
    # The oldest one kept answers for what was before it.
    assert [strength(at) for at in (49, 50, 150, 250, 300, 400)] == [1, 1, 1, 2, 3, 4]
