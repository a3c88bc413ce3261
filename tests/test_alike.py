"""Items like an item, users like a user, and what is kept of one user."""

from __future__ import annotations

import pytest

from penchant.clock import from_us
from penchant.testing import SettableClock


def test_items_about_the_same_topics_come_before_fit(toy_engine):
    found = toy_engine.similar_items("item-7", 5)
    assert len(found) == 5
    assert {one.source for one in found} == {"interest"}
    assert all(toy_engine.item(one.item_id).topics == ("topic-2",) for one in found)
    assert "item-7" not in {one.item_id for one in found}
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_items_taken_together_come_first_after_fit(toy_engine):
    toy_engine.fit(["item_knn"])
    found = toy_engine.similar_items("item-0", 30)
    sources = [one.source for one in found]
    assert sources[0] == "item_knn"
    assert sources == sorted(sources, key=["item_knn", "taste", "interest"].index)
    assert len({one.item_id for one in found}) == len(found)
    assert found[0].title == f"Item {found[0].item_id.removeprefix('item-')}"


def test_of_unknown_items_nothing_is_like(toy_engine, toy):
    assert toy_engine.similar_items("nothing") == []
    assert toy_engine.similar_items("item-7", at="2025-12-31") == []  # before the catalogue
    toy_engine.ingest({"type": "view", "user_id": "ann", "item_id": "named-only", "at": toy.begins})
    assert toy_engine.similar_items("named-only") == []


def test_users_with_the_same_interests_are_alike(engine):
    def takes(user_id, **topics):
        for topic, times in topics.items():
            for i in range(times):
                engine.ingest(
                    {"type": "like", "user_id": user_id, "item_id": f"{topic}{i}", "topics": [topic], "at": 1e9}
                )

    takes("ann", tea=4, art=2)
    takes("bob", tea=2, art=1)
    takes("cid", tea=1, war=3)
    takes("dan", war=1)
    found = engine.similar_users("ann")
    assert [one.user_id for one in found] == ["bob", "cid"]
    assert found[0].similarity == pytest.approx(1)
    # cos = 4 * 1 / (sqrt(4**2 + 2**2) * sqrt(1 + 3**2))
    assert found[1].similarity == pytest.approx(4 / 200**0.5, rel=1e-5)
    assert found[0].topics == ("tea", "art")
    assert engine.similar_users("nobody") == []
    takes("dan", tea=40)  # what changes is read again
    assert [one.user_id for one in engine.similar_users("ann")] == ["bob", "dan", "cid"]
    engine.forget("bob")
    assert [one.user_id for one in engine.similar_users("ann")] == ["dan", "cid"]
    engine.rebuild()
    assert [one.user_id for one in engine.similar_users("ann", 1)] == ["dan"]


def test_everything_of_a_user_is_exported(toy_engine, toy):
    toy_engine.ingest({"type": "user", "user_id": "user-3", "facts": {"city": "Kyoto"}, "at": toy.begins})
    kept = toy_engine.export("user-3")
    given = [one["event_id"] for one in toy.events if one.get("user_id") == "user-3"]
    assert [one.event_id for one in kept.events][:-1] == given
    assert kept.events[-1].payload == {"facts": {"city": "Kyoto"}}
    assert kept.profile == toy_engine.profile("user-3", n=1000)
    assert toy_engine.export("nobody").events == ()


def test_pages_of_items_and_users(open_engine, toy, sqlite_url):
    with_some_kept = open_engine(sqlite_url)
    with_some_kept.ingest(toy.events)
    with_some_kept.checkpoint()
    with_some_kept.close()
    engine = open_engine(sqlite_url, clock=SettableClock(toy.ends))  # states come in from the file when asked for
    engine.ingest({"type": "user", "user_id": "user-10a", "facts": {"a": 1}, "at": from_us(0)})
    walked, after = [], None
    while page := engine.users(5, after):
        walked += page
        after = page[-1]
    assert walked == sorted([f"user-{i}" for i in range(12)] + ["user-10a"])
    items, after = [], 0
    while after is not None:
        page, after = engine.items(7, after)
        items += [one.item_id for one in page]
    assert items == [f"item-{i}" for i in range(40)]
