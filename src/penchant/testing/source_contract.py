"""What every candidate source must do, as tests to inherit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from penchant.clock import fixed, parse_moment, to_s
from penchant.domain.batch import EventBatch
from penchant.domain.query import Query
from penchant.domain.slate import Candidates
from penchant.engine import Engine
from penchant.errors import FormatError
from penchant.loop.fitting import interactions_of
from penchant.recommend.contract import CandidateSource
from penchant.testing.toy import ToyLog, toy_log

N = 1000
"""More than there are items."""


def query_of(engine: Engine, user_id: str, at: float, n: int = N) -> Query:
    """Return what a source would be asked; everything is allowed that was there at the moment."""
    query = engine.recommender.query(user_id, n, at, {})
    return replace(query, allowed=query.since <= at)


def same(one: Candidates, other: Candidates) -> bool:
    """Return whether two lists are the same, scores included."""
    return np.array_equal(one.item, other.item) and np.array_equal(one.score, other.score)


class SourceContract:
    """Inherit, give the fixture ``make``, and every promise of ``CandidateSource`` is tested.

    A source with ``fit`` is fitted on the toy log first.
    """

    @pytest.fixture
    def make(self) -> Callable[[], CandidateSource]:
        """Return a function that makes the source under test, not yet fitted."""
        raise NotImplementedError("give a fixture make")

    @pytest.fixture
    def toy(self) -> ToyLog:
        """Return the log that the source is asked about."""
        return toy_log(n_users=8, n_items=30, deeds_per_user=25)

    @pytest.fixture
    def engine(self, toy: ToyLog) -> Engine:
        """Return an engine that knows the whole log."""
        engine = Engine.open(clock=fixed(toy.ends))
        engine.ingest(toy.events)
        return engine

    @pytest.fixture
    def source(self, make: Callable[[], CandidateSource], engine: Engine) -> CandidateSource:
        """Return the source, fitted where it can be."""
        return self.fitted(make(), engine)

    @pytest.fixture
    def query(self, engine: Engine) -> Query:
        """Return a question about a user with a history."""
        return query_of(engine, "user-3", engine.now())

    @staticmethod
    def fitted(source: CandidateSource, engine: Engine) -> CandidateSource:
        """Return the source after ``fit`` on everything in the engine's log, where it has one."""
        ledger = engine.ledger
        batch = EventBatch.from_frame(ledger.events(), ledger.items, ledger.topics)
        if hasattr(source, "fit"):
            source.fit(interactions_of(batch))
        return source

    def test_it_has_a_name(self, source: CandidateSource) -> None:
        assert isinstance(source.name, str)
        assert source.name

    @pytest.mark.parametrize("user_id", ["user-0", "user-3", "a stranger", "", "日本 😀"])
    @pytest.mark.parametrize("n", [1, 3, N])
    def test_items_are_distinct_allowed_and_best_first(
        self, source: CandidateSource, engine: Engine, user_id: str, n: int
    ) -> None:
        query = query_of(engine, user_id, engine.now())
        for allowed in (query.allowed, query.allowed & (np.arange(query.allowed.size) % 2 == 0)):
            found = source.candidates(replace(query, allowed=allowed), n)
            assert found.item.shape == found.score.shape
            assert found.item.size <= n
            assert np.unique(found.item).size == found.item.size
            assert allowed[found.item].all()
            assert np.isfinite(found.score).all()
            assert (np.diff(found.score) <= 0).all()

    def test_it_proposes_something_to_a_known_user(self, source: CandidateSource, query: Query) -> None:
        assert source.candidates(query, 5).item.size > 0

    def test_nothing_allowed_gives_nothing(self, source: CandidateSource, query: Query) -> None:
        nothing = replace(query, allowed=np.zeros_like(query.allowed))
        assert source.candidates(nothing, 5).item.size == 0

    def test_a_shorter_list_is_the_head_of_a_longer_one(self, source: CandidateSource, query: Query) -> None:
        whole = source.candidates(query, N)
        for n in range(1, whole.item.size + 1):
            assert same(source.candidates(query, n), Candidates(whole.item[:n], whole.score[:n]))

    def test_an_empty_catalogue_gives_an_empty_list(self, make: Callable[[], CandidateSource], toy: ToyLog) -> None:
        engine = Engine.open(clock=fixed(toy.ends))
        for source in (make(), self.fitted(make(), engine)):
            found = source.candidates(query_of(engine, "user-0", engine.now()), 10)
            assert (found.item.size, found.score.size) == (0, 0)

    def test_items_that_nobody_described_are_no_trouble(self, make: Callable[[], CandidateSource], toy: ToyLog) -> None:
        engine = Engine.open(clock=fixed(toy.ends))
        engine.ingest(event for event in toy.events if event["type"] != "item")
        source = self.fitted(make(), engine)
        query = query_of(engine, "user-3", engine.now())
        for item in source.candidates(query, 10).item.tolist():
            assert source.because(query, item).text

    def test_items_that_came_after_fitting_are_no_trouble(
        self, make: Callable[[], CandidateSource], toy: ToyLog
    ) -> None:
        engine = Engine.open(clock=fixed(toy.ends))
        engine.ingest(toy.events[:200])
        source = self.fitted(make(), engine)
        new = {"type": "item", "item_id": "new", "topics": ["topic-0"], "at": toy.begins}
        engine.ingest([new, {"type": "purchase", "user_id": "user-3", "item_id": "new", "at": toy.begins}])
        query = query_of(engine, "user-3", engine.now())
        found = source.candidates(query, N)
        assert found.item.size > 0
        assert all(source.because(query, item).text for item in found.item.tolist())

    def test_the_same_question_has_the_same_answer(
        self, make: Callable[[], CandidateSource], source: CandidateSource, engine: Engine, query: Query
    ) -> None:
        first = source.candidates(query, 20)
        source.candidates(query_of(engine, "user-5", engine.now()), 20)
        assert same(source.candidates(query, 20), first)
        assert same(self.fitted(make(), engine).candidates(query, 20), first)

    def test_asking_changes_nothing_in_the_question(self, source: CandidateSource, query: Query) -> None:
        arrays = {
            "allowed": query.allowed,
            "since": query.since,
            "probability": query.reading.probability,
            "item": query.history.item,
            "count": query.history.count,
            "last_at": query.history.last_at,
            "topics": query.item_topics.data,
        }
        before = {name: array.copy() for name, array in arrays.items()}
        found = source.candidates(query, N)
        for item in found.item.tolist():
            source.because(query, item)
        assert all(np.array_equal(arrays[name], before[name]) for name in arrays)

    def test_every_item_has_a_reason(self, source: CandidateSource, query: Query) -> None:
        mine = set(query.history.item.tolist())
        for item in source.candidates(query, N).item.tolist():
            because = source.because(query, item)
            assert because.text
            assert set(because.items) <= mine
            assert because.topic is None or query.reading.evidence[because.topic] > 0

    def test_nothing_after_the_moment_matters(
        self, make: Callable[[], CandidateSource], engine: Engine, toy: ToyLog
    ) -> None:
        at = toy.begins + timedelta(days=77, hours=5)
        stopped = Engine.open(clock=fixed(at))
        stopped.ingest(event for event in toy.events if parse_moment(event["at"]) <= at)
        assert 0 < stopped.log.count() < engine.log.count()
        source = self.fitted(make(), stopped)
        for user_id in ("user-0", "user-3", "a stranger"):
            then = source.candidates(query_of(stopped, user_id, to_s(at)), 20)
            assert same(source.candidates(query_of(engine, user_id, to_s(at)), 20), then)

    def test_what_was_fitted_survives_as_bytes(
        self, make: Callable[[], CandidateSource], source: CandidateSource, query: Query
    ) -> None:
        fresh = make()
        if not hasattr(source, "fit"):
            assert not hasattr(fresh, "decode")
            return
        assert not fresh.fitted  # type: ignore[attr-defined]
        assert fresh.candidates(query, 10).item.size == 0
        data: bytes = source.encode()  # type: ignore[attr-defined]
        fresh.decode(data)  # type: ignore[attr-defined]
        assert fresh.fitted  # type: ignore[attr-defined]
        assert same(fresh.candidates(query, N), source.candidates(query, N))
        assert fresh.encode() == data  # type: ignore[attr-defined]
        for wrong in (b"", b"nonsense", data[:-1], data[: len(data) // 2], data[:9] + b"\xff" + data[10:]):
            with pytest.raises(FormatError):
                make().decode(wrong)  # type: ignore[attr-defined]
        assert same(fresh.candidates(query, N), source.candidates(query, N))
