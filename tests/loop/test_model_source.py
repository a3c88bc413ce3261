from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import companions
from companions import Companions, CompanionsConfig
from penchant import Engine
from penchant.clock import fixed
from penchant.errors import ConfigError, NotFittedError, NotInstalledError, UnknownNameError
from penchant.interest.models import MODELS
from penchant.loop.model_source import ModelSource, model_source
from penchant.recommend.catalog_index import words
from penchant.testing import SourceContract


class Needy(Companions):
    """Needs a package that is not there."""

    name = "needy"

    def __init__(self, config=None):
        raise NotInstalledError("needle", "pip install 'penchant[needle]'")


class Slow(Companions):
    """Writes down how it is trained, and may be broken off."""

    name = "slow"
    folders: ClassVar[list[str | None]] = []
    breaks = False

    def fit(self, training):
        Slow.folders.append(training.folder)
        training.progress("fit", 1, 2)
        if training.folder is not None:
            (Path(training.folder) / "half").write_text("half")
        super().fit(training)
        if Slow.breaks:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The models of this file, as if they were ours."""
    for kind in (Companions, Needy, Slow):
        monkeypatch.setitem(MODELS._table, kind.name, f"{kind.__module__}:{kind.__name__}")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    Slow.folders, Slow.breaks = [], False


class TestModelSource(SourceContract):
    @pytest.fixture
    def make(self):
        return lambda: ModelSource(Companions())


def ids(slate):
    return [one.item_id for one in slate]


def open_toy(open_engine, toy, url=None, **components):
    engine = open_engine(url, components={"pipeline": {"seen": "allow"}, **components})
    engine.ingest(toy.events)
    return engine


def test_a_model_is_fitted_and_asked_by_name(open_engine, toy):
    engine = open_toy(open_engine, toy)
    report = engine.fit(["companions"])
    assert report["companions"]["items"] == 40
    assert report["companions"]["seconds"] >= 0
    slate = engine.recommend("user-2", 5, strategy="companions")
    assert len(slate) == 5
    assert {one.source for one in slate} == {"companions"}
    scores = [one.score for one in slate]
    assert scores == sorted(scores, reverse=True)
    assert all(one.score < 0 for one in slate)  # the model's own: logarithms
    assert "Goes with what you took: Item" in slate[0].reason
    mine = {event["event_id"] for event in toy.events if event.get("user_id") == "user-2"}
    assert slate[0].evidence
    assert set(slate[0].evidence) <= mine
    assert engine.recommend("a stranger", strategy="companions") == []


def test_what_may_not_come_does_not_come(open_engine, toy):
    engine = open_engine(components={"pipeline": {"seen": "exclude"}})
    engine.ingest(toy.events)
    engine.fit(["companions"])
    seen = {event["item_id"] for event in toy.events if event.get("user_id") == "user-2"}
    first = ids(engine.recommend("user-2", 40, strategy="companions"))
    assert first
    assert not seen & set(first)
    assert first[0] not in ids(engine.recommend("user-2", 40, strategy="companions", exclude=[first[0]]))


def test_an_unfitted_model_says_what_to_do(open_engine, toy):
    engine = open_toy(open_engine, toy)
    with pytest.raises(NotFittedError, match=r"'companions' has not been fitted; call engine.fit\(\['companions'\]\)"):
        engine.recommend("user-2", strategy="companions")


def test_a_model_that_lacks_a_package_troubles_nobody_else(open_engine, toy):
    engine = open_toy(open_engine, toy)
    engine.fit()
    assert engine.recommend("user-2")
    assert engine.fit(["companions"])["companions"]
    for ask in (lambda: engine.fit(["needy"]), lambda: engine.recommend("user-2", strategy="needy")):
        with pytest.raises(NotInstalledError, match=r"pip install 'penchant\[needle\]'"):
            ask()


def test_nothing_is_fitted_when_one_of_the_names_cannot_be(open_engine, toy):
    engine = open_toy(open_engine, toy)
    with pytest.raises(NotInstalledError):
        engine.fit(["companions", "needy"])
    with pytest.raises(UnknownNameError, match=r"no model to fit named 'magic'; known: .*companions.*item_knn"):
        engine.fit(["companions", "magic"])
    with pytest.raises(NotFittedError):
        engine.recommend("user-2", strategy="companions")


def test_only_what_the_pipeline_declares_is_fitted(open_engine, toy):
    engine = open_toy(open_engine, toy)
    assert set(engine.fit()) == {"events", "tracker", "item_knn", "taste", "blend"}
    declared = {"pipeline": {"sources": ["popular", "companions"]}, "blend": {"weights": {"companions": 1.0}}}
    engine = open_engine(components=declared)
    engine.ingest(toy.events)
    assert set(engine.fit()) == {"events", "tracker", "companions", "blend"}
    assert {one.source for one in engine.recommend("user-2")} == {"companions"}


def test_the_pipeline_learns_how_much_a_model_weighs(open_engine, toy):
    engine = open_engine(components={"pipeline": {"sources": ["popular", "companions"], "seen": "allow"}})
    engine.ingest(toy.events)
    assert any("companions" in one.parts for one in engine.recommend("user-2")) is False
    weights = engine.fit()["blend"]["weights"]
    assert set(weights) == {"popular", "companions"}
    slate = engine.recommend("user-2", 10)
    assert any("companions" in one.parts for one in slate)
    assert all(one.score == pytest.approx(sum(one.parts.values())) for one in slate)


def test_a_fitted_model_is_there_after_a_restart(open_engine, toy, sqlite_url):
    engine = open_toy(open_engine, toy, sqlite_url)
    engine.fit(["companions"])
    slate = engine.recommend("user-2", strategy="companions")
    engine.close()
    again = open_engine(sqlite_url, components={"pipeline": {"seen": "allow"}})
    assert again.recommend("user-2", strategy="companions") == slate


def test_a_damaged_model_is_reported_and_can_be_fitted_again(open_engine, toy):
    engine = open_toy(open_engine, toy)
    engine._shelf.save("companions", 0, 0, b"damaged")
    with (
        pytest.warns(UserWarning, match="saved model 'companions' cannot be read"),
        pytest.raises(NotFittedError),
    ):
        engine.recommend("user-2", strategy="companions")
    engine.fit(["companions"])
    assert engine.recommend("user-2", strategy="companions")


def test_a_fit_that_is_broken_off_changes_nothing_and_can_go_on(open_engine, toy, sqlite_url, tmp_path):
    engine = open_toy(open_engine, toy, sqlite_url)
    engine.fit(["slow"])
    before = engine.recommend("user-2", strategy="slow")
    assert not list(tmp_path.glob("*.training"))  # nothing is left of a training that came to its end
    engine.ingest({"type": "purchase", "user_id": "user-2", "item_id": "item-39", "at": toy.ends})
    asked = engine.recommend("user-2", strategy="slow")
    Slow.breaks = True
    with pytest.raises(KeyboardInterrupt):
        engine.fit(["slow"])
    assert engine.recommend("user-2", strategy="slow") == asked
    assert asked != before
    assert [path.name for path in tmp_path.glob("log.db.training/slow/*")] == ["half"]
    Slow.breaks = False
    engine.fit(["slow"])
    assert Slow.folders == [str(tmp_path / "log.db.training" / "slow")] * 3
    assert not list(tmp_path.glob("*.training"))


def test_without_a_file_there_is_no_folder(open_engine, toy):
    open_toy(open_engine, toy).fit(["slow"])
    assert Slow.folders == [None]


def test_parquet_keeps_unfinished_training_in_its_folder(open_engine, toy, tmp_path):
    engine = open_toy(open_engine, toy, f"parquet:///{tmp_path / 'log'}")
    engine.fit(["slow"])
    assert Slow.folders == [str(tmp_path / "log" / "training" / "slow")]
    engine.close()
    assert open_engine(f"parquet:///{tmp_path / 'log'}").recommend("user-2", strategy="slow")


def test_an_empty_log_is_no_error(open_engine):
    engine = open_engine()
    assert engine.fit(["companions"])["companions"] == {
        "interactions": 0,
        "items": 0,
        "seconds": pytest.approx(0, abs=5),
    }


def test_options_reach_the_model(open_engine, toy):
    engine = open_toy(open_engine, toy, companions={"lift": 100.0})
    engine.fit(["companions"])
    assert all(one.score > 90 for one in engine.recommend("user-2", strategy="companions"))
    with pytest.raises(ConfigError, match=r"components.companions.lift.*known: lift"):
        model_source("companions", {"companions": {"lift": "much"}})
    with pytest.raises(UnknownNameError, match="no item model named 'magic'"):
        model_source("magic", {})


def test_the_model_is_told_of_the_items(open_engine):
    told = []

    class Curious(Companions):
        name = "companions"

        def fit(self, training):
            told.append(training.items)
            super().fit(training)

        def scores(self, histories, items):
            told.append(items)
            return super().scores(histories, items)

    engine = open_engine(components={"pipeline": {"seen": "allow"}})
    attributes = {"brand": "Acme", "price": 3, "tags": ["loose", "leaf"]}
    engine.ingest(
        [
            {"type": "item", "item_id": "t", "title": "Tea", "topics": ["tea", "hot"], "attributes": attributes,
             "at": "2025-01-01"},
            {"type": "view", "user_id": "ann", "item_id": "t", "at": "2025-01-02"},
            {"type": "view", "user_id": "ann", "item_id": "unknown", "at": "2025-01-02"},
        ]
    )  # fmt: skip
    source = ModelSource(Curious(CompanionsConfig()))
    engine.recommender.pipeline.sources["companions"] = source
    query = engine.recommender.query("ann", 10, engine.now(), {})
    source.train(training(engine))
    source.candidates(query, 10)
    for table in told:
        assert list(table.text) == ["Tea Acme loose leaf", ""]
        assert table.topics.toarray().tolist() == [[0.5, 0.5], [0.0, 0.0]]
        assert np.isfinite(table.since).tolist() == [True, False]
    assert told[0] is told[1]  # made once as long as nothing changes
    engine.ingest({"type": "item", "item_id": "unknown", "title": "Salt", "at": "2025-01-03"})
    assert list(engine.recommender.table().text) == ["Tea Acme loose leaf", "Salt"]
    engine.ingest({"type": "view", "user_id": "ann", "item_id": "third", "at": "2025-01-03"})
    assert list(engine.recommender.table().text) == ["Tea Acme loose leaf", "Salt", ""]
    assert engine.recommender.table().topics.shape == (3, 2)
    assert list(told[0].text) == ["Tea Acme loose leaf", ""]


def training(engine):
    from penchant.domain.batch import EventBatch
    from penchant.domain.item_model import ItemTraining
    from penchant.loop.fitting import interactions_of

    ledger = engine.ledger
    batch = EventBatch.from_frame(ledger.events(), ledger.items, ledger.topics)
    return ItemTraining(interactions_of(batch), engine.recommender.table())


def test_an_item_without_title_has_words_all_the_same():
    from penchant.domain.item import Item

    assert words(Item("i")) == ""
    assert words(Item("i", attributes={"kind": "книга", "n": 1, "parts": ("a", 2, "b")})) == "книга a b"


def test_loading_the_engine_loads_no_model():
    assert companions.__name__ in sys.modules
    with Engine.open(clock=fixed("2026-01-01")) as engine:
        made = engine.recommender.pipeline.sources
        declared = {name for name, source in made.items() if isinstance(source, ModelSource)}
        assert declared == {"item_knn"}
        assert "companions" in engine.recommender.pipeline.names
