"""Gorse's own Python client, unmodified, against ``--compat gorse``: every method of it, sync and async."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import gorse
import pytest
import requests

from live_server import live
from penchant import Engine
from penchant.app.server.app import create_app
from penchant.app.server.config import ServerConfig
from penchant.app.server.gorse.objects import delay
from penchant.app.server.keys import KeyStore
from penchant.testing import SettableClock

NOW = "2026-06-01"


@pytest.fixture
def served(tmp_path):
    keys = KeyStore(tmp_path / "keys.json")
    _, token = keys.add(["admin"])
    clock = SettableClock(NOW)
    with Engine.open(f"sqlite:///{tmp_path / 'log.db'}", clock=clock) as engine:
        config = ServerConfig(
            keys=keys.path, compat=("gorse",), gorse_types={"gold": "like"}, warm_up=False, rate_per_s=0
        )
        with live(create_app(engine, config)) as address:
            yield address, token, engine, clock


@pytest.fixture
def client(served):
    return gorse.Gorse(served[0], served[1])


def star(user, item, value=0.0, day=1, **more):
    at = f"2026-05-{day:02}T00:00:00Z"
    return {"FeedbackType": "star", "UserId": user, "ItemId": item, "Value": value, "Timestamp": at, **more}


def fill(client, n=8):
    for i in range(n):
        kind = "tea" if i % 2 else "coffee"
        at = f"2026-04-{i + 1:02}T00:00:00Z"
        assert client.insert_item(
            {"ItemId": f"i{i}", "Categories": [kind], "Timestamp": at, "Comment": f"Item {i}"}
        ) == {"RowAffected": 1}


def test_users(client):
    assert client.insert_user({"UserId": "ann", "Labels": {"city": "Kyoto", "tags": ["a", "b"]}}) == {"RowAffected": 1}
    assert client.insert_users([{"UserId": "bob", "Labels": [1, 2], "Comment": "b"}, {"UserId": "cid"}]) == {
        "RowAffected": 2
    }
    assert client.get_user("ann") == {"UserId": "ann", "Labels": {"city": "Kyoto", "tags": ["a", "b"]}, "Comment": ""}
    assert client.get_user("bob")["Comment"] == "b"
    first, cursor = client.get_users(2)
    rest, end = client.get_users(2, cursor)
    assert [one["UserId"] for one in first + rest] == ["ann", "bob", "cid"]
    assert (cursor, end) == ("bob", "")
    assert client.delete_user("bob") == {"RowAffected": 1}
    with pytest.raises(gorse.GorseException) as caught:
        client.get_user("bob")
    assert (caught.value.status_code, caught.value.message) == (404, "user not found")
    assert client.delete_user("bob") == {"RowAffected": 0}


def test_items(client):
    item = {
        "ItemId": "t1",
        "IsHidden": False,
        "Categories": ["tea"],
        "Timestamp": "2026-01-01T00:00:00Z",
        "Labels": {"brand": "Acme"},
        "Comment": "Green tea",
    }
    assert client.insert_item(item) == {"RowAffected": 1}
    assert client.get_item("t1") == item
    assert client.update_item("t1", comment="Greener", labels=["x"]) == {"RowAffected": 1}
    assert client.get_item("t1") == {**item, "Comment": "Greener", "Labels": ["x"]}
    fill(client, 3)
    first, cursor = client.get_items(3)
    rest, end = client.get_items(3, cursor)
    assert [one["ItemId"] for one in first + rest] == ["t1", "i0", "i1", "i2"]
    assert end == ""
    assert [one["ItemId"] for one in client.search_items("item 1")] == ["i1"]
    assert client.delete_item("i1") == {"RowAffected": 1}
    assert client.delete_item("i1") == {"RowAffected": 0}
    with pytest.raises(gorse.GorseException) as caught:
        client.get_item("i1")
    assert caught.value.status_code == 404
    assert client.insert_item({"ItemId": "i1"}) == {"RowAffected": 1}  # it may come back
    assert client.get_item("i1")["ItemId"] == "i1"


def test_feedback_is_added_up_by_post_and_overwritten_by_put(client, served):
    assert client.insert_feedbacks([star("ann", "i1", 1.0), star("ann", "i2", 2.0)]) == {"RowAffected": 2}
    assert client.insert_feedback("star", "ann", "i1", "2026-05-02T00:00:00Z", 2.5) == {"RowAffected": 1}
    found = {one["ItemId"]: one for one in client.list_feedbacks("star", "ann")}
    assert found["i1"]["Value"] == 3.5
    assert found["i1"]["Timestamp"] == "2026-05-02T00:00:00Z"
    put = requests.put(
        f"{served[0]}/api/feedback",
        json=[star("ann", "i1", 7.0, 3, Comment="again")],
        headers={"X-API-Key": served[1]},
        timeout=10,
    )
    assert put.json() == {"RowAffected": 1}
    found = {one["ItemId"]: one for one in client.list_feedbacks("star", "ann")}
    assert (found["i1"]["Value"], found["i1"]["Comment"]) == (7.0, "again")
    assert client.list_feedbacks("read", "ann") == []
    # In our log all four are there, in order, and count as likes.
    assert served[2].profile("ann").behaviour.n_by_type == {"like": 4}


def test_all_feedback_page_by_page_and_by_item(client, served):
    given = [star(user, f"i{i}", day=i + 1) for user in ("ann", "bob", "cid") for i in range(3)]
    client.insert_feedbacks(given)
    client.insert_feedback("read", "bob", "i9", "")
    walked, cursor = [], ""
    while True:
        page, cursor = client.get_feedbacks(4, cursor)
        walked += page
        if not cursor:
            break
    assert [(one["UserId"], one["ItemId"]) for one in walked] == [
        *[("ann", f"i{i}") for i in range(3)],
        *[("bob", f"i{i}") for i in (0, 1, 2, 9)],
        *[("cid", f"i{i}") for i in range(3)],
    ]
    address, token, *_ = served

    def get(path):
        return requests.get(f"{address}/api/{path}", headers={"X-API-Key": token}, timeout=10).json()

    assert [one["UserId"] for one in get("item/i1/feedback/")] == ["ann", "bob", "cid"]
    assert [one["UserId"] for one in get("item/i9/feedback/read")] == ["bob"]
    assert [one["ItemId"] for one in get("feedback/read?n=10")["Feedback"]] == ["i9"]
    assert get("feedback/star/ann/i2")["ItemId"] == "i2"
    assert get("feedback/read/ann/i2") == {}
    assert client.delete_feedback("ann", "i2") == {"RowAffected": 1}
    assert client.delete_feedback("ann", "i2") == {"RowAffected": 0}
    assert get("feedback/star/ann/i2") == {}
    assert len(get("user/ann/feedback")) == 2


def test_recommendations(client, served):
    fill(client)
    client.insert_feedbacks([star("ann", "i1"), star("ann", "i3"), star("bob", "i1"), star("bob", "i5")])
    found = client.get_recommend("ann", n=10)
    assert {one.id for one in found} == {"i0", "i2", "i4", "i5", "i6", "i7"}  # not what she has dealt with
    assert found[0].id in ("i5", "i7")  # she likes tea
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert [one.id for one in client.get_recommend("ann", n=2, offset=1)] == [one.id for one in found[1:3]]
    assert {one.id for one in client.get_recommend("ann", "tea")} == {"i5", "i7"}
    assert client.get_recommend("ann", 'no "such\\ kind') == []
    client.update_item("i5", is_hidden=True)
    assert "i5" not in {one.id for one in client.get_recommend("ann")}
    client.update_item("i5", is_hidden=False)
    assert "i5" in {one.id for one in client.get_recommend("ann")}
    client.delete_item("i7")
    assert "i7" not in {one.id for one in client.get_recommend("ann")}
    plain = requests.get(f"{served[0]}/api/recommend/ann?n=3", headers={"X-API-Key": served[1]}, timeout=10).json()
    assert len(plain) == 3
    assert all(isinstance(one, str) for one in plain)


def test_write_back_marks_what_was_shown_as_read_later(client, served):
    fill(client)
    first = client.get_recommend("ann", n=2, write_back_type="read", write_back_delay="1h")
    assert {one.id for one in client.get_recommend("ann", n=8)} >= {one.id for one in first}
    served[3].forward(timedelta(hours=2))
    assert not {one.id for one in client.get_recommend("ann", n=8)} & {one.id for one in first}
    assert {one["ItemId"] for one in client.list_feedbacks("read", "ann")} == {one.id for one in first}


def test_neighbours_sessions_and_lists_for_everybody(client, served):
    fill(client)
    client.insert_feedbacks([star("ann", "i1"), star("bob", "i1"), star("cid", "i2"), star("ann", "i2")])
    assert {one["Id"] for one in client.get_neighbors("i1")} == {"i3", "i5", "i7"}
    assert len(client.get_neighbors("i1", n=1, offset=1)) == 1
    session = client.session_recommend([star("nobody", "i1"), star("nobody", "i3")], n=5)
    assert {one["Id"] for one in session} == {"i5", "i7"}
    address, token, *_ = served

    def ids(path):
        found = requests.get(f"{address}/api/{path}", headers={"X-API-Key": token}, timeout=10)
        assert found.status_code == 200, found.text
        return [one["Id"] for one in found.json()]

    assert ids("latest?n=3") == ["i7", "i6", "i5"]
    assert ids("latest/tea?n=2") == ["i7", "i5"]
    assert ids("popular?n=1&user-id=ann&category=coffee") != ["i2"]
    assert set(ids("non-personalized/popular?n=2")) == {"i1", "i2"}
    assert ids("item-to-item/any/i1?category=coffee") == []
    for path in ("user-to-user/any/ann", "user/ann/neighbors/", "user/ann/neighbors"):
        assert sorted(ids(path)) == ["bob", "cid"]
    assert ids("collaborative-filtering/ann/tea") == [one.id for one in client.get_recommend("ann", "tea")]
    none = requests.get(f"{address}/api/non-personalized/magic", headers={"X-API-Key": token}, timeout=10)
    assert none.status_code == 404


def test_what_is_wrong_is_plain_text(client, served):
    address, token, *_ = served
    stranger = gorse.Gorse(address, "wrong")
    with pytest.raises(gorse.GorseException) as caught:
        stranger.get_user("ann")
    assert caught.value.status_code == 401
    for wrong in (
        {"ItemId": "x", "Labels": ["price", 1]},
        {"ItemId": "x", "Labels": {"a": True}},
        {"ItemId": "a/b"},
        {"ItemId": ""},
        {"ItemId": "x", "Timestamp": "yesterday"},
        {},
        {"ItemId": 7},
    ):
        with pytest.raises(gorse.GorseException) as caught:
            client.insert_item(wrong)
        assert caught.value.status_code == 400, wrong
        assert not caught.value.message.startswith("{")
    for query in ("n=x", "n=0", "offset=-1", "cursor=zzz", "cursor=bnVsbA=="):
        told = requests.get(f"{address}/api/feedback?{query}", headers={"X-API-Key": token}, timeout=10)
        assert told.status_code == 400, query
    assert requests.get(f"{address}/api/health/ready", timeout=10).json()["Ready"] is True
    ours = requests.get(f"{address}/v1/status", timeout=10)
    assert ours.headers["content-type"] == "application/problem+json"


def test_the_async_client(served):
    async def walk():
        client = gorse.AsyncGorse(served[0], served[1])
        await client.insert_item({"ItemId": "i1", "Categories": ["tea"]})
        await client.insert_user({"UserId": "ann"})
        await client.insert_feedback("gold", "ann", "i1", "2026-05-01")
        await client.insert_item({"ItemId": "i2", "Categories": ["tea"]})
        return await client.get_recommend("ann"), await client.list_feedbacks("gold", "ann")

    found, kept = asyncio.run(walk())
    assert [one.id for one in found] == ["i2"]
    assert kept[0]["Timestamp"] == "2026-05-01T00:00:00Z"
    assert served[2].profile("ann").behaviour.n_by_type == {"like": 1}


def test_durations_as_go_writes_them():
    assert delay("1h30m") == timedelta(minutes=90)
    assert delay("1.5s") == timedelta(seconds=1.5)
    assert delay("") == delay("0") == timedelta(0)
    for wrong in ("10", "m", "1d", "-1h", "1h 2m"):
        with pytest.raises(Exception, match="not a duration"):
            delay(wrong)


def test_without_compat_there_are_no_such_paths(serve):
    assert serve().get("/api/users").status_code == 404
