"""Lists over HTTP: kept for a moment, made anew as soon as anything happens to their user or to the catalogue."""

from __future__ import annotations

import pytest

from penchant.app.server.kept import KeptLists


def items(response):
    assert response.status_code == 200, response.text
    return [one["item_id"] for one in response.json()["recommendations"]]


def test_the_same_list_with_another_id(toy_client):
    first = toy_client.get("/v1/users/user-3/recommendations?n=4")
    again = toy_client.get("/v1/users/user-3/recommendations?n=4")
    assert first.json()["recommendation_id"] != again.json()["recommendation_id"]
    assert first.json()["recommendations"] == again.json()["recommendations"]
    figures = toy_client.get("/metrics").text
    assert 'penchant_kept_lists_total{hit="true"} 1.0' in figures
    assert 'penchant_kept_lists_total{hit="false"} 1.0' in figures


def test_an_event_changes_the_next_list(toy_client, toy):
    path = "/v1/users/user-3/recommendations?n=40"
    first = items(toy_client.get(path))[0]
    taken = {"type": "purchase", "user_id": "user-3", "item_id": first, "at": toy.ends.isoformat()}
    assert toy_client.post("/v1/events", json=taken).json()["accepted"] == 1
    assert first not in items(toy_client.get(path))  # nobody here takes things twice


def test_a_new_item_comes_into_the_next_list(toy_client):
    path = "/v1/users/user-3/recommendations?n=5&strategy=new"
    assert "brand-new" not in items(toy_client.get(path))
    assert toy_client.post("/v1/items", json={"item_id": "brand-new", "topics": ["topic-1"]}).status_code == 200
    assert items(toy_client.get(path))[0] == "brand-new"


def test_a_statement_a_mute_and_forgetting_change_the_next_list(toy_client):
    path = "/v1/users/user-3/recommendations?n=40"
    first = items(toy_client.get(path))
    muted = {f"item-{i}" for i in range(0, 40, 5)}
    assert muted & set(first)
    assert toy_client.post("/v1/users/user-3/mutes", json={"topic": "topic-0"}).status_code == 200
    assert not muted & set(items(toy_client.get(path)))
    assert toy_client.delete("/v1/users/user-3/mutes?topic=topic-0").status_code == 200
    assert muted & set(items(toy_client.get(path)))
    said = {"topic": "topic-2", "value": 1.0}
    assert toy_client.post("/v1/users/user-3/statements", json=said).status_code == 200
    shown = toy_client.get("/v1/users/user-3/interests").json()["interests"][0]
    assert (shown["topic"], shown["stated"]) == ("topic-2", 1.0)
    assert toy_client.delete("/v1/users/user-3/statements?topic=topic-2").status_code == 200
    assert all(one["stated"] is None for one in toy_client.get("/v1/users/user-3/interests").json()["interests"])
    assert toy_client.delete("/v1/users/user-3").json()["erased_events"] > 40
    after = toy_client.get(path).json()["recommendations"]
    assert all(one["evidence"] == [] for one in after)
    assert "user-3" not in toy_client.get("/v1/users?n=1000").json()["user_ids"]


def test_whoever_refuses_is_answered_like_a_stranger_at_once(toy_client):
    path = "/v1/users/user-3/recommendations?n=40"
    assert any(one["evidence"] for one in toy_client.get(path).json()["recommendations"])
    assert (
        toy_client.post("/v1/users/user-3/consents", json={"purpose": "personalise", "given": False}).status_code == 200
    )
    assert not any(one["evidence"] for one in toy_client.get(path).json()["recommendations"])
    assert toy_client.get("/v1/users/user-3/similar").json()["similar"] == []
    others = toy_client.get("/v1/users/user-1/similar?n=50").json()["similar"]
    assert others
    assert "user-3" not in {one["user_id"] for one in others}
    words = {one["purpose"]: one for one in toy_client.get("/v1/users/user-3/consents").json()["consents"]}
    assert (words["personalise"]["given"], words["personalise"]["default"]) == (False, False)
    assert toy_client.post("/v1/users/user-3/consents", json={"purpose": "collect", "given": False}).status_code == 200
    like = {"type": "like", "user_id": "user-3", "item_id": "item-1"}
    refused = toy_client.post("/v1/events", json=like)
    assert (refused.status_code, refused.json()["detail"]) == (422, "the user does not agree to collect")
    assert toy_client.post("/v1/users/user-3/consents", json={"purpose": "fun", "given": True}).status_code == 422


def test_rules_context_and_reasons(toy_client):
    asked = {
        "n": 5,
        "exclude": ["item-0"],
        "filter": 'topic = "topic-0"',
        "pin": {"item-15": 1},
        "context": {"hour": 3},
    }
    found = toy_client.post("/v1/users/user-3/recommendations", json=asked)
    assert items(found)[0] == "item-15"
    assert set(items(found)[1:]) <= {f"item-{i}" for i in range(5, 40, 5)}
    assert items(toy_client.get('/v1/users/user-3/recommendations?filter=topic = "topic-1"'))[0] in {
        f"item-{i}" for i in range(1, 40, 5)
    }
    wrong = toy_client.get("/v1/users/user-3/recommendations?filter=price <")
    assert (wrong.status_code, wrong.json()["type"]) == (422, "urn:penchant:problem:bad-value")
    bare = toy_client.get("/v1/users/user-3/recommendations?why=false").json()["recommendations"][0]
    assert (bare["reason"], bare["evidence"], bare["parts"]) == ("", [], {})
    before = toy_client.get("/v1/users/user-3/recommendations?at=2025-01-01").json()
    assert before["recommendations"] == []  # nothing was known then


@pytest.fixture
def kept():
    moment = [0.0]
    lists = KeptLists(2, 10.0, frozenset({"history"}), lambda: moment[0])

    def forward(seconds):
        moment[0] += seconds

    return lists, forward


def test_what_is_kept_ages_and_is_bounded(kept):
    lists, forward = kept
    for user in ("ann", "bob", "cid"):
        lists.put(user, "q", user.encode(), lists.begin(user))
    assert lists.get("ann", "q") is None  # two users are kept
    assert lists.get("bob", "q") == b"bob"
    assert lists.get("bob", "other") is None
    forward(10.1)
    assert lists.get("bob", "q") is None


def test_an_answer_that_was_overtaken_is_not_kept(kept):
    lists, _ = kept
    for happens in (
        lambda: lists.watch("history", {"ann": None}),
        lambda: lists.watch("catalog", {"t": None}),
        lambda: lists.watch("", {}),
        lists.clear,
        lambda: lists.drop("ann"),
    ):
        begun = lists.begin("ann")
        happens()
        lists.put("ann", "q", b"old", begun)
        assert lists.get("ann", "q") is None
    lists.put("ann", "q", b"x", lists.begin("ann"))
    lists.watch("history", {"bob": None})
    lists.watch("item_population", {"3": None})
    assert lists.get("ann", "q") == b"x"
