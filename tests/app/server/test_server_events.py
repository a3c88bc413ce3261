"""Events go in over HTTP, one by one, in lists and as a stream, and are known to the next question."""

from __future__ import annotations

import json

import pytest

LIKE = {"event_id": "e1", "type": "like", "user_id": "ann", "item_id": "t1", "topics": ["tea"], "at": "2026-03-01"}
JSONL = {"content-type": "application/x-ndjson"}


def counts(response):
    assert response.status_code == 200, response.text
    receipt = response.json()
    return receipt["accepted"], receipt["duplicates"], receipt["refused"]


def test_one_event_is_taken_once(client):
    assert counts(client.post("/v1/events", json=LIKE)) == (1, 0, 0)
    assert counts(client.post("/v1/events", json=LIKE)) == (0, 1, 0)
    found = client.get("/v1/users/ann/interests").json()
    assert [one["topic"] for one in found["interests"]] == ["tea"]


def test_one_wrong_event_is_a_problem(client):
    refused = client.post("/v1/events", json={"type": "like", "user_id": "ann"})
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    problem = refused.json()
    assert problem["type"] == "urn:penchant:problem:event-refused"
    assert problem["detail"] == "no item_id, which like needs"
    assert problem["request_id"] == refused.headers["x-request-id"]


def test_of_a_list_the_good_ones_are_taken(client):
    receipt = client.post("/v1/events", json=[LIKE, {"type": "like"}, 7, LIKE])
    assert counts(receipt) == (1, 1, 2)
    assert [one["row"] for one in receipt.json()["refusals"]] == [1, 2]


def test_a_stream_tells_of_lines(client):
    lines = [json.dumps({**LIKE, "event_id": f"s{i}"}) for i in range(2500)]
    lines[3] = "{broken"
    lines[1500] = json.dumps({"type": "nothing"})
    lines[2000] = ""
    receipt = client.post("/v1/events/stream", content="\n".join(lines), headers=JSONL)
    assert counts(receipt) == (2497, 0, 2)
    assert [one["row"] for one in receipt.json()["refusals"]] == [3, 1500]
    assert counts(client.post("/v1/events/stream", content="\n".join(lines) + "\n", headers=JSONL)) == (0, 2497, 2)


def test_an_empty_stream_is_no_error(client):
    assert counts(client.post("/v1/events/stream", content="\n\n", headers=JSONL)) == (0, 0, 0)
    assert counts(client.post("/v1/events", json=[])) == (0, 0, 0)


def test_items_and_feedback(client):
    assert counts(client.post("/v1/items", json={"item_id": "t1", "title": "Tea", "topics": ["tea"]})) == (1, 0, 0)
    assert counts(client.post("/v1/items", json=[{"item_id": f"i{i}"} for i in range(4)])) == (4, 0, 0)
    assert client.get("/v1/items/t1").json()["title"] == "Tea"
    assert client.get("/v1/items/none").status_code == 404
    first = client.get("/v1/items", params={"n": 2}).json()
    rest = client.get("/v1/items", params={"n": 100, "cursor": first["cursor"]}).json()
    assert [one["item_id"] for one in first["items"] + rest["items"]] == ["t1", "i0", "i1", "i2", "i3"]
    assert rest["cursor"] is None
    given = client.get("/v1/users/ann/recommendations").json()
    feedback = {"recommendation_id": given["recommendation_id"], "user_id": "ann", "item_id": "t1", "type": "click"}
    assert counts(client.post("/v1/feedback", json=feedback)) == (1, 0, 0)
    kept = client.app.state.service.engine.ledger.events().filter(user_id="ann")
    assert kept["type"].to_list() == ["click"]
    assert json.loads(kept["payload"][0]) == {"recommendation_id": given["recommendation_id"]}


@pytest.mark.parametrize("cursor", ["x", "-1", "1e3", "９", "1" * 30])
def test_a_wrong_cursor_is_refused(client, cursor):
    assert client.get("/v1/items", params={"cursor": cursor}).status_code == 422
