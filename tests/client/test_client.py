"""The clients: the same answers as the engine itself, as the same types."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator

import httpx2
import pytest

from live_server import live
from penchant import Engine
from penchant.app.server.app import create_app
from penchant.app.server.config import ServerConfig
from penchant.client import AsyncClient, Client, ServerError, asks


@pytest.fixture
def address(toy_engine: Engine, tmp_path) -> Iterator[str]:
    """Address of a real server."""
    with live(create_app(toy_engine, ServerConfig(keys=tmp_path / "keys.json", warm_up=False))) as where:
        yield where


ASKED: dict[str, Callable] = {
    "profile": lambda one: one.profile("user-3", n=3),
    "interests": lambda one: one.interests("user-3", 4),
    "interests at": lambda one: one.interests("user-3", at="2026-02-01"),
    "recommend": lambda one: one.recommend("user-3", 5, exclude=["item-2"], context={"hour": 3}),
    "rules": lambda one: one.recommend("user-3", 5, filter='topic != "topic-1"', boost={'topic = "topic-2"': 2.0}),
    "one source": lambda one: one.recommend("nobody", strategy="popular"),
    "explain": lambda one: one.explain("user-3", "item-7"),
    "similar items": lambda one: one.similar_items("item-7"),
    "similar users": lambda one: one.similar_users("user-3"),
    "item": lambda one: one.item("item-7"),
    "export": lambda one: one.export("user-3"),
}


def test_the_answers_are_those_of_the_engine(address, toy_engine):
    with Client(address) as client:
        for name, ask in ASKED.items():
            assert ask(client) == ask(toy_engine), name
        assert [one["item_id"] for one in client.items(2)["items"]] == ["item-0", "item-1"]
        assert client.users(2)["user_ids"] == ["user-0", "user-1"]
        assert client.status()["items"] == 40


def test_awaited_they_are_the_same(address, toy_engine):
    async def ask_all():
        async with AsyncClient(address) as client:
            answers = await asyncio.gather(*(ask(client) for ask in ASKED.values()))
            taken = await client.ingest([{"type": "like", "user_id": "zoe", "item_id": "item-1"}])
            return answers, taken, await client.forget("zoe")

    answers, taken, erased = asyncio.run(ask_all())
    assert answers == [ask(toy_engine) for ask in ASKED.values()]
    assert (taken.accepted, erased) == (1, 1)


def test_both_clients_have_everything_that_can_be_asked():
    calls = {name for name, one in vars(asks).items() if getattr(one, "__module__", "") == asks.__name__}
    assert len(calls) >= 20
    for kind in (Client, AsyncClient):
        assert calls <= set(vars(kind)), calls - set(vars(kind))
    assert Client.recommend.__doc__ == asks.recommend.__doc__


def test_writing(address):
    with Client(address) as client:
        assert client.put_item("new", "New", ["topic-1"], {"colour": "red"}).accepted == 1
        assert client.item("new").attributes == {"colour": "red"}
        assert client.say("a/b", "topic-1", 0.5, until="2027-01-01").accepted == 1
        assert client.interests("a/b")[0].stated == pytest.approx(0.5)
        assert client.mute("a/b", "topic-1").accepted == 1
        assert client.interests("a/b")[0].muted
        assert client.unmute("a/b", "topic-1").accepted == 1
        assert not client.interests("a/b")[0].muted
        given = client.slate("a/b", 1)
        told = client.feedback(given["recommendation_id"], "a/b", given["recommendations"][0]["item_id"])
        assert told.accepted == 1
        assert client.consent("a/b", "research", False, version="1").accepted == 1
        assert [one.version for one in client.consents("a/b") if one.purpose == "research"] == ["1"]
        task = client.start_task("fit", what=["item_knn"])
        while (now := client.task(task["id"]))["state"] in ("waiting", "running"):
            time.sleep(0.05)
        assert now["state"] == "done", now
        assert now["result"]["item_knn"]["seconds"] > 0


def test_refusals_are_errors_with_a_name(address):
    with Client(address) as client:
        with pytest.raises(ServerError, match=r"no item_id, which like needs \(event-refused, status 422\)") as caught:
            client.ingest({"type": "like", "user_id": "ann"})
        assert (caught.value.name, caught.value.status) == ("event-refused", 422)
        assert len(caught.value.request_id) == 16
        with pytest.raises(ServerError, match="known: ") as caught:
            client.recommend("ann", strategy="magic")
        assert caught.value.name == "unknown-name"
        with pytest.raises(ServerError, match="greater than or equal to 1"):
            client.profile("ann", n=0)


def test_a_busy_server_is_asked_again_and_events_keep_their_ids():
    seen = []

    def answer(request):
        seen.append(request.content)
        if len(seen) < 3:
            return httpx2.Response(503, json={"type": "urn:penchant:problem:busy", "detail": "wait"})
        return httpx2.Response(200, json={"accepted": 1, "duplicates": 0, "refused": 0, "late": 0})

    with Client("http://x", retries=2, transport=httpx2.MockTransport(answer)) as client:
        assert client.ingest({"type": "like", "user_id": "ann", "item_id": "t"}).accepted == 1
    assert len(set(seen)) == 1
    assert b'"event_id":"' in seen[0]


def test_a_server_that_is_not_there(unused_port):
    with Client(f"http://127.0.0.1:{unused_port}", retries=1) as client, pytest.raises(ServerError) as caught:
        client.status()
    assert (caught.value.name, caught.value.status) == ("no-server", 0)


def test_something_else_that_answers():
    other = httpx2.MockTransport(lambda _: httpx2.Response(200, text="<html>"))
    with Client("http://x", transport=other) as client, pytest.raises(ServerError, match="not an answer of this API"):
        client.interests("ann")


@pytest.fixture
def unused_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
