from __future__ import annotations

import numpy as np
import pytest

from penchant.errors import FormatError
from penchant.recommend.like_minded import LikeMinded, LikeMindedConfig

OPTIONS = {"min_events": 4, "noise": 0.2, "popularity": 0.0}


@pytest.fixture
def shop(open_engine):
    """An engine where two people take teas and a mug, one coffees and a mug; topics tea, coffee, kitchen."""
    engine = open_engine(components={"like_minded": OPTIONS})
    about = {"t1": "tea", "t2": "tea", "c1": "coffee", "c2": "coffee", "mug": "kitchen"}
    events = [{"type": "item", "item_id": i, "topics": [t], "at": "2026-01-01"} for i, t in about.items()]
    baskets = {"ann": ["t1", "t2", "t1", "mug"], "eve": ["t1", "t2", "t2", "mug"], "bob": ["c1", "c2", "c2", "mug"]}
    for user, basket in baskets.items():
        for hour, item in enumerate(basket):
            at = f"2026-02-01T{hour:02}:00:00Z"
            events.append({"type": "purchase", "user_id": user, "item_id": item, "at": at})
    events.append({"type": "view", "user_id": "too few", "item_id": "c1", "at": "2026-02-01"})
    assert not engine.ingest(events).refused
    engine.fit(["like_minded"])
    return engine


def asked(engine, user_id):
    return {one.item_id: one.score for one in engine.recommend(user_id, 5, "2026-02-03", strategy="like_minded")}


def test_by_hand(shop):
    # Without a word all three count alike.
    assert asked(shop, "new") == pytest.approx({"mug": 1.0, "t1": 2 / 3, "t2": 2 / 3, "c1": 1 / 3, "c2": 1 / 3})
    # Who likes coffee agrees with bob (0.8) and not with the others (0.2 each): weights 2/3, 1/6, 1/6.
    shop.ingest({"type": "statement", "user_id": "new", "topics": ["coffee"], "value": 0.1, "at": "2026-02-03"})
    assert asked(shop, "new") == pytest.approx({"mug": 1.0, "t1": 1 / 3, "t2": 1 / 3, "c1": 2 / 3, "c2": 2 / 3})
    # Who also dislikes tea: 0.64 against 0.04 each.
    shop.ingest({"type": "statement", "user_id": "new", "topics": ["tea"], "value": -1.0, "at": "2026-02-03"})
    assert asked(shop, "new")["c1"] == pytest.approx(0.64 / 0.72)


def test_what_was_said_fades(shop):
    # After a half-life each statement counts to the power of 1/2: 0.894 against 0.447 each.
    shop.ingest({"type": "statement", "user_id": "new", "topics": ["coffee"], "value": 1.0, "at": "2025-08-07"})
    assert asked(shop, "new")["c1"] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(
    "said",
    [
        {"scope": "mute", "value": 1.0, "topics": ["t"]},
        {"value": 0.0, "topics": ["coffee"]},
        {"value": 1.0, "topics": ["coffee"], "until": "2026-02-02T12:00:00Z"},
        {"value": 1.0, "topics": ["never heard of"]},
    ],
)
def test_mutes_withdrawals_and_what_is_over_say_nothing(shop, said):
    shop.ingest({"type": "statement", "user_id": "new", "at": "2026-02-02", **said})
    assert asked(shop, "new")["t1"] == pytest.approx(2 / 3)


def test_the_reason(shop):
    assert shop.recommend("new", 1, strategy="like_minded")[0].reason == "Taken by many people"
    shop.answer("new", {"coffee": True})
    assert shop.recommend("new", 1, strategy="like_minded")[0].reason == "Taken by people who would say what you said"


def test_popularity_is_mixed_in(shop):
    half = LikeMinded(LikeMindedConfig(**{**OPTIONS, "popularity": 0.5}))
    half.decode(shop.recommender.pipeline.sources["like_minded"].encode())
    shop.ingest({"type": "statement", "user_id": "new", "topics": ["coffee"], "value": 1.0, "at": "2026-02-03"})
    query = shop.recommender.query("new", 5, 1_770_076_800.0, {})
    score = dict(zip(query.items.numbers(["c1"]), [0.5 * 2 / 3 + 0.5 / 3], strict=True))
    found = half.candidates(query, 5)
    assert found.score[found.item == next(iter(score))][0] == pytest.approx(next(iter(score.values())))


def test_it_survives_as_bytes(shop):
    source = shop.recommender.pipeline.sources["like_minded"]
    again = LikeMinded(LikeMindedConfig(**OPTIONS))
    assert not again.fitted
    again.decode(source.encode())
    query = shop.recommender.query("new", 5, shop.now(), {})
    assert np.array_equal(again.candidates(query, 5).score, source.candidates(query, 5).score)
    with pytest.raises(FormatError):
        again.decode(source.encode()[:-1])


def test_new_topics_and_items_after_fitting(shop):
    shop.ingest({"type": "item", "item_id": "new", "topics": ["new topic"], "at": "2026-02-02"})
    shop.answer("somebody", {"new topic": True, "coffee": True}, at="2026-02-02")
    assert "new" not in asked(shop, "somebody")
    assert asked(shop, "somebody")["c1"] == pytest.approx(
        2 / 3, abs=0.005
    )  # nobody cares for the new one: it says nothing
