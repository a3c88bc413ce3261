from __future__ import annotations

import numpy as np
import pytest

from penchant.domain.taste import TasteConfig
from penchant.errors import ConfigError
from penchant.interest.taste import read_taste
from penchant.recommend.vectors import NearTaste
from penchant.testing import toy_log
from penchant.testing.source_contract import query_of

KINDS = ("tea", "coffee", "bread")


def shop(n_users=36, n_items=30):
    """Users who each keep to one kind of item; item ``i`` is of kind ``i mod 3``."""
    rng = np.random.default_rng(5)
    events = [
        {"type": "item", "item_id": f"i{i}", "title": f"{KINDS[i % 3]} {i}", "topics": [KINDS[i % 3]], "at": 0}
        for i in range(n_items)
    ]
    for user in range(n_users):
        own = np.arange(user % 3, n_items, 3)
        events += [
            {"type": "purchase", "user_id": f"u{user}", "item_id": f"i{i}", "at": int(86400 * (1 + place)) + user}
            for place, i in enumerate(rng.permutation(own)[:7].tolist())
        ]
    return events


@pytest.fixture
def engine(open_engine):
    engine = open_engine()
    engine.ingest(shop())
    return engine


AT = 86400 * 10


def kinds(recommendations):
    return {one.title.split()[0] for one in recommendations}


def test_before_fit_nothing_is_proposed_and_afterwards_what_lies_near(engine):
    assert engine.recommend("u0", at=AT, strategy="taste") == []
    assert engine.taste("u0", AT).medoids == ()
    report = engine.fit(["taste"])["taste"]
    assert report["interactions"] == 36 * 7
    found = engine.recommend("u0", n=3, at=AT, strategy="taste")
    assert len(found) == 3  # the other three of the ten teas
    assert kinds(found) == {"tea"}
    assert engine.recommend("a stranger", at=AT, strategy="taste") == []


def test_scores_by_brute_force(engine):
    engine.fit(["taste"])
    source = engine.recommender.near
    query = query_of(engine, "u1", AT)
    found = source.candidates(query, 100)
    config, vectors = TasteConfig(), source.vectors
    reading = read_taste(query.history, vectors, AT, config)
    rows = vectors.vector.astype(float)
    expected = config.fast_share * np.maximum(0, rows @ reading.fast) ** 2
    for medoid in reading.medoids:
        mean = np.average(rows[vectors.places(medoid.members)], axis=0, weights=weights(query, medoid.members))
        expected += medoid.share * np.maximum(0, rows @ mean / np.sqrt(mean @ mean)) ** 2
    assert found.score == pytest.approx(expected[vectors.places(found.item)], rel=1e-4)
    assert found.score[-1] >= np.sort(expected)[::-1][found.item.size - 1] - 1e-4


def weights(query, members):
    place = {int(item): i for i, item in enumerate(query.history.item)}
    mine = [place[int(item)] for item in members]
    age = (AT - query.history.last_at[mine]) / 86400
    return np.log1p(query.history.count[mine]) * 2 ** (-age / 60)


def test_the_reason_names_the_item_in_the_middle_and_the_evidence_is_the_event_on_it(engine):
    engine.fit(["taste"])
    one = engine.recommend("u2", n=1, at=AT, strategy="taste")[0]
    named = {medoid.title: medoid for medoid in engine.taste("u2", AT).medoids}
    medoid = named[one.reason.removeprefix("Close to ").partition(",")[0]]
    assert one.reason == f"Close to {medoid.title}, which you took on {medoid.last_at:%Y-%m-%d}"
    (event_id,) = one.evidence
    rows = engine.log.of_user("u2", AT * 10**6).rows(named=True)
    assert [row["item_id"] for row in rows if row["event_id"] == event_id] == [medoid.item_id]


def test_an_item_of_the_users_own_that_stands_for_the_others_says_so(open_engine):
    engine = open_engine(components={"pipeline": {"seen": "allow"}})
    engine.ingest(shop())
    engine.fit(["taste"])
    medoid = engine.taste("u2", AT).medoids[0]
    reasons = {one.item_id: one.reason for one in engine.recommend("u2", n=30, at=AT, strategy="taste")}
    assert reasons[medoid.item_id].startswith(f"In the middle of {medoid.n_items} items that you took, last ")


def test_vectors_are_there_after_a_restart_and_new_items_wait_for_the_next_fit(open_engine, sqlite_url):
    engine = open_engine(sqlite_url)
    engine.ingest(shop())
    engine.fit(["taste"])
    said = [(one.item_id, one.score) for one in engine.recommend("u0", at=AT, strategy="taste")]
    taste = engine.taste("u0", AT)
    engine.close()
    again = open_engine(sqlite_url)
    assert [(one.item_id, one.score) for one in again.recommend("u0", at=AT, strategy="taste")] == said
    assert again.taste("u0", AT) == taste
    again.ingest({"type": "item", "item_id": "new", "topics": ["tea"], "at": 86400 * 9})
    again.ingest(
        {"type": "purchase", "user_id": f"u{u}", "item_id": "new", "at": 86400 * 9 + u} for u in range(3, 24, 3)
    )
    assert "new" not in [one.item_id for one in again.recommend("u0", n=50, at=AT, strategy="taste")]
    again.fit(["taste"])
    assert "new" in [one.item_id for one in again.recommend("u0", n=50, at=AT, strategy="taste")]


def test_the_taste_is_that_of_the_moment(engine):
    engine.fit(["taste"])
    early, late = engine.taste("u0", 86400 * 3 - 1), engine.taste("u0", AT)
    assert sum(one.n_items for one in early.medoids) == 2
    assert sum(one.n_items for one in late.medoids) == 7
    assert all(one.last_at <= early.at for one in early.medoids)
    assert late.agreement == pytest.approx(1.0, abs=0.3)
    stranger = engine.taste("a stranger", AT)
    assert (stranger.medoids, stranger.agreement, stranger.slow_evidence) == ((), None, 0.0)


def test_rare_items_get_no_vector(engine):
    engine.ingest({"type": "purchase", "user_id": f"u{u}", "item_id": "rare", "at": 86400} for u in range(4))
    engine.fit(["taste"])
    assert engine.ledger.items.number("rare") not in engine.recommender.near.vectors.item
    engine.ingest({"type": "purchase", "user_id": "u9", "item_id": "rare", "at": 86400})
    engine.fit(["taste"])
    assert engine.ledger.items.number("rare") in engine.recommender.near.vectors.item


def test_vectors_from_outside_take_the_place_of_learned_ones(open_engine, sqlite_url):
    engine = open_engine(sqlite_url)
    engine.ingest(shop())
    ids = [f"i{i}" for i in range(30)] + ["never heard of"]
    # Other neighbours than those of the log: neighbours in the order of numbers.
    angle = np.arange(31) * np.pi / 40
    assert engine.use_item_vectors(ids, np.stack([np.cos(angle), np.sin(angle)], axis=1)) == 30
    engine.ingest({"type": "view", "user_id": "new", "item_id": "i3", "at": 86400})
    assert {one.item_id for one in engine.recommend("new", n=2, at=AT, strategy="taste")} == {"i2", "i4"}
    said = engine.taste("u0", AT)
    engine.fit()  # keeps them
    assert engine.taste("u0", AT) == said
    engine.close()
    again = open_engine(sqlite_url)
    assert again.taste("u0", AT) == said
    assert again.use_item_vectors([], []) == 0
    assert again.taste("u0", AT).medoids == ()
    again.fit(["taste"])
    assert kinds(again.recommend("u0", n=3, at=AT, strategy="taste")) == {"tea"}


@pytest.mark.parametrize(
    ("ids", "rows", "said"),
    [
        (["i0"], [[1.0], [2.0]], r"1 items and vectors of shape \(2, 1\)"),
        (["i0", "i1"], [1.0, 2.0], "one row of numbers for each item"),
        (["i0", "i0"], [[1.0], [2.0]], "two vectors"),
        (["i0"], [[np.inf]], "finite"),
    ],
)
def test_vectors_that_do_not_fit_are_refused_and_change_nothing(engine, ids, rows, said):
    engine.fit(["taste"])
    before = engine.taste("u0", AT)
    with pytest.raises(ConfigError, match=said):
        engine.use_item_vectors(ids, rows)
    assert engine.taste("u0", AT) == before


def test_in_the_pipeline_the_blend_gives_it_a_weight(open_engine):
    engine = open_engine()
    engine.ingest(toy_log(n_users=40, deeds_per_user=60).events)
    report = engine.fit()
    assert report["blend"]["weights"]["taste"] > 0
    assert "taste" in {source for one in engine.recommend("user-1", n=10) for source in one.parts}


def test_fitting_is_the_same_for_the_same_interactions(engine):
    from penchant.domain.batch import EventBatch
    from penchant.loop.fitting import interactions_of

    ledger = engine.ledger
    given = interactions_of(EventBatch.from_frame(ledger.events(), ledger.items, ledger.topics))
    one, other = NearTaste(), NearTaste(TasteConfig(size=64))
    one.fit(given)
    other.fit(given)
    assert one.fitted
    assert one.encode() == other.encode()
