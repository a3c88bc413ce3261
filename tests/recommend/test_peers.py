from __future__ import annotations

import numpy as np
import pytest

from penchant.errors import FormatError
from penchant.recommend.peers import Peers, PeersConfig


@pytest.fixture
def shop(open_engine):
    """An engine with 20 old users who take tea and cake, 20 young ones who take cola and cake, and what they are."""
    engine = open_engine(components={"peers": {"shrinkage": 5.0, "half_life_days": 30.0}})
    events = [{"type": "item", "item_id": name, "at": "2026-01-01"} for name in ("tea", "cola", "cake", "new")]
    for u in range(40):
        age, name = ("60+", "tea") if u < 20 else ("18-25", "cola")
        facts = {"age": age, "shoe": u, "city": None}
        events.append({"type": "user", "user_id": f"u{u}", "facts": facts, "at": "2026-01-01"})
        for item in ("cake", name):
            events.append({"type": "purchase", "user_id": f"u{u}", "item_id": item, "at": "2026-02-01"})
    events.append({"type": "user", "user_id": "ann", "facts": {"age": "60+"}, "at": "2026-02-02"})
    events.append({"type": "user", "user_id": "bob", "facts": {"age": "18-25", "shoe": 3}, "at": "2026-02-02"})
    assert not engine.ingest(events).refused
    engine.fit(["peers"])
    return engine


def asked(engine, user_id, **options):
    return [
        (one.item_id, round(one.score, 4))
        for one in engine.recommend(user_id, 3, "2026-02-02", strategy="peers", **options)
    ]


def test_by_hand(shop):
    # One day after: 40 cakes, 20 teas, 20 colas, each times 2**(-1/30). Of 20 old users 20 took tea, 10 would have:
    # lift (20 + 5) / (10 + 5) = 1.667; cola (0 + 5) / (10 + 5) = 0.333; cake (20 + 5) / (20 + 5) = 1.
    decay = 2 ** (-1 / 30)
    assert asked(shop, "ann") == [
        ("cake", round(40 * decay, 4)),
        ("tea", round(20 * decay * 5 / 3, 4)),
        ("cola", round(20 * decay / 3, 4)),
    ]
    assert [item for item, _ in asked(shop, "bob")] == ["cake", "cola", "tea"]


def test_the_reason_names_the_fact(shop):
    reasons = {one.item_id: one.reason for one in shop.recommend("ann", 3, "2026-02-02", strategy="peers")}
    assert reasons["tea"] == "Popular with people of the same age (60+)"
    assert reasons["cola"] == "Popular with everybody lately"


def test_without_facts_it_is_plain_popularity(shop):
    plain = shop.recommend("a stranger", 3, "2026-02-02", strategy="popular")
    assert {one.item_id for one in shop.recommend("a stranger", 3, "2026-02-02", strategy="peers")} == {
        one.item_id for one in plain
    }
    assert asked(shop, "a stranger")[1][1] == asked(shop, "a stranger")[2][1]  # tea and cola alike


def test_what_has_too_many_values_or_too_few_users_makes_no_group(shop):
    peers = shop.recommender.pipeline.sources["peers"]
    assert set(peers._groups) == {("age", "60+"), ("age", "18-25")}


def test_a_fact_that_changed_counts_as_it_is(shop):
    shop.ingest({"type": "user", "user_id": "ann", "facts": {"age": "18-25"}, "at": "2026-02-01T12:00:00Z"})
    assert [item for item, _ in asked(shop, "ann")] == ["cake", "tea", "cola"]  # the newer word holds
    shop.ingest({"type": "user", "user_id": "ann", "facts": {"age": "18-25"}, "at": "2026-02-03"})
    assert [item for item, _ in asked(shop, "ann")] == ["cake", "tea", "cola"]  # not known yet on the second


def test_items_that_came_after_fitting_are_for_everybody(shop):
    shop.ingest({"type": "purchase", "user_id": f"u{u}", "item_id": "later", "at": "2026-02-01"} for u in range(5))
    assert dict(asked(shop, "ann") + asked(shop, "ann", exclude=["cake", "tea"]))["later"] == pytest.approx(
        4.886, abs=1e-3
    )


def test_it_survives_as_bytes(shop):
    peers = shop.recommender.pipeline.sources["peers"]
    again = Peers(PeersConfig(shrinkage=5.0, half_life_days=30.0))
    assert not again.fitted
    again.decode(peers.encode())
    query = shop.recommender.query("ann", 3, shop.now(), {})
    assert np.array_equal(again.candidates(query, 3).score, peers.candidates(query, 3).score)
    assert again.encode() == peers.encode()
    with pytest.raises(FormatError):
        again.decode(peers.encode()[:-1])


def test_only_the_named_facts(open_engine, shop):
    engine = open_engine(components={"peers": {"facts": ["city"]}})
    engine.replay(shop.ledger.events().drop("position"))
    engine.fit(["peers"])
    assert engine.recommender.pipeline.sources["peers"]._groups == {}
    assert len(engine.recommend("ann", 3, strategy="peers")) == 3
