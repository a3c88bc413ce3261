"""What should not be sent: each gets a problem document, nothing is lost, nothing leaks."""

from __future__ import annotations

import json
import logging
from urllib.parse import quote

import pytest

from penchant.errors import StorageError

LIKE = {"event_id": "e1", "type": "like", "user_id": "ann", "item_id": "t1", "topics": ["tea"], "at": "2026-03-01"}
JSON = {"content-type": "application/json"}
HOSTILE = [
    "'; DROP TABLE event; --",
    '" OR 1=1 --',
    "<script>alert(1)</script>",
    "{{7*7}}${7*7}",
    "%00%0d%0aX-Evil: 1",
    "../../etc/passwd",
    "a/b?c=d#e",
    "用户 🦆",
    "\u202egnp.exe",
]


def problem(response, status, name):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert set(told) >= {"type", "title", "status", "detail", "request_id"}
    assert (told["status"], told["type"]) == (status, f"urn:penchant:problem:{name}")
    assert "Traceback" not in response.text
    assert "site-packages" not in response.text
    return told["detail"]


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (b"", 400, "bad-request"),
        (b"{", 400, "bad-request"),
        (b"\xff\xfe{}", 400, "bad-request"),
        (b'{"type": "like", "user_id": "\\ud800"}', 400, "bad-request"),
        (b"NaN", 400, "bad-request"),
        (b"[" * 100_000, 400, "bad-request"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400, "bad-request"),
        (b"null", 422, "event-refused"),
        (b"7", 422, "event-refused"),
        (b'"like"', 422, "event-refused"),
        (b"{}", 422, "event-refused"),
        (b'{"type": 7}', 422, "event-refused"),
        (b'{"type": "like", "user_id": {"$ne": null}, "item_id": "t"}', 422, "event-refused"),
        (b'{"type": "like", "user_id": "a", "item_id": "t", "at": "yesterday"}', 422, "event-refused"),
        (b'{"type": "like", "user_id": "a", "item_id": "t", "at": 1e300}', 422, "event-refused"),
        (b'{"type": "like", "user_id": "a", "item_id": "t", "at": "9999-12-31"}', 422, "event-refused"),
        (b'{"type": "like", "user_id": "a", "item_id": "t", "value": 1e999}', 422, "bad-value"),
        (b'{"type": "like", "user_id": "a\\u0000b", "item_id": "t"}', 422, "event-refused"),
        (b'{"type": "like", "user_id": "a", "item_id": "t", "extra": 1}', 422, "event-refused"),
        (b'{"type": "like", "user_id": "' + b"a" * 257 + b'", "item_id": "t"}', 422, "event-refused"),
        (
            b'{"type": "like", "user_id": "a", "item_id": "t", "payload": ' + b"[" * 40 + b"]" * 40 + b"}",
            422,
            "event-refused",
        ),
        (
            b'{"type": "like", "user_id": "a", "item_id": "t", "payload": {"a": ' + b"[" * 40 + b"]" * 40 + b"}}",
            422,
            "event-refused",
        ),
    ],
)
def test_bodies_that_are_no_events(client, body, status, name):
    problem(client.post("/v1/events", content=body, headers=JSON), status, name)
    assert client.get("/v1/status").json()["events"] == 0


def test_oversized_bodies(serve):
    client = serve(max_body=2048, max_events=3)
    big = json.dumps({**LIKE, "text": "x" * 3000}).encode()
    assert "2,048" in problem(client.post("/v1/events", content=big, headers=JSON), 413, "body-too-large")
    pieces = (big[i : i + 100] for i in range(0, len(big), 100))  # sent in chunks, its length is not told
    problem(client.post("/v1/events", content=pieces, headers=JSON), 413, "body-too-large")
    problem(client.post("/v1/events", json=[{"type": "x"}] * 4), 413, "body-too-large")
    stream = {"content-type": "application/x-ndjson"}
    problem(client.post("/v1/events/stream", content=big, headers=stream), 413, "body-too-large")
    long = b"\n".join(json.dumps({**LIKE, "event_id": f"{i}"}).encode() for i in range(40))
    assert len(long) > 2048
    assert client.post("/v1/events/stream", content=long, headers=stream).json()["accepted"] == 40


@pytest.mark.parametrize("given", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_form_of_another_page_could_send(client, given):
    body = json.dumps(LIKE).encode()
    problem(client.post("/v1/events", content=body, headers={"content-type": given}), 415, "wrong-media-type")
    problem(client.post("/v1/events/stream", content=body, headers={"content-type": given}), 415, "wrong-media-type")


def test_pages_of_other_sites(serve):
    client = serve()
    problem(client.get("/v1/status", headers={"origin": "https://evil.example"}), 403, "not-allowed")
    problem(client.post("/v1/events", json=LIKE, headers={"origin": "null"}), 403, "not-allowed")
    assert client.get("/v1/status", headers={"origin": "http://127.0.0.1"}).status_code == 200
    problem(client.get("/v1/status", headers={"host": "evil.example"}), 403, "not-allowed")  # DNS rebinding
    problem(client.get("/v1/status", headers={"host": "127.0.0.1.evil.example"}), 403, "not-allowed")
    for host in ("localhost", "localhost:8000", "127.0.0.1:80", "[::1]:8000", "[::1]"):
        assert client.get("/v1/status", headers={"host": host}).status_code == 200
    allowed = serve(cors=("https://shop.example",))
    answered = allowed.get("/v1/status", headers={"origin": "https://shop.example"})
    assert answered.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-origin" not in client.get("/v1/status").headers


def test_floods_of_headers(client):
    many = {f"x-{i}": "a" * 100 for i in range(400)}
    problem(client.get("/v1/status", headers=many), 431, "headers-too-large")
    problem(client.get("/health/live", headers={"x-long": "a" * 40_000}), 431, "headers-too-large")


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/v1",
        "/v1/",
        "/v1/events/",
        "//v1/status",
        "/v1/users//profile",
        "/%2e%2e/%2e%2e/etc",
    ],
)
def test_path_tricks(client, path):
    problem(client.get(path), 404, "not-found")


def test_wrong_methods(client):
    for method, path in (
        ("PUT", "/v1/events"),
        ("DELETE", "/v1/status"),
        ("TRACE", "/v1/status"),
        ("FOO", "/v1/events"),
    ):
        told = client.request(method, path)
        problem(told, 405, "method-not-allowed")
        assert told.headers["allow"]


@pytest.mark.parametrize(
    "query",
    ["n=0", "n=1001", "n=x", "n=1e3", "n=-1", "at=yesterday", "at=" + "9" * 100, "level=-1", "at=99999-01-01"],
)
def test_wrong_parameters(client, query):
    problem(client.get(f"/v1/users/ann/interests?{query}"), 422, "bad-value")


def test_wrong_ids_in_paths(client):
    problem(client.get("/v1/users/a%00b/profile"), 422, "bad-value")
    problem(client.get(f"/v1/users/{'a' * 257}/profile"), 422, "bad-value")
    problem(client.get("/v1/items/%00"), 422, "bad-value")


def test_unknown_ids_are_answered_plainly(client):
    assert client.get("/v1/users/nobody/profile").json()["known"] is False
    assert client.get("/v1/users/nobody/interests").json() == {"user_id": "nobody", "interests": []}
    assert client.get("/v1/users/nobody/recommendations").json()["recommendations"] == []
    assert client.get("/v1/users/nobody/explanations/nothing").json()["verdict"] == "unknown_item"
    assert client.get("/v1/items/nothing/similar").json()["similar"] == []
    assert client.get("/v1/users/nobody/similar").json()["similar"] == []
    assert client.delete("/v1/users/nobody").json()["erased_events"] == 0
    problem(client.get("/v1/items/nothing"), 404, "not-found")
    problem(client.get("/v1/tasks/nothing"), 404, "not-found")
    known = problem(client.get("/v1/users/ann/recommendations?strategy=magic"), 422, "unknown-name")
    assert "popular" in known


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_every_field_comes_back_as_it_was(client, text):
    event = {
        "event_id": text,
        "type": "like",
        "user_id": text,
        "item_id": text,
        "session_id": text,
        "topics": [text],
        "text": text,
        "payload": {text: text},
        "at": "2026-03-01",
    }
    item = {"item_id": text, "title": text, "topics": [text], "attributes": {text: text}, "at": "2026-01-01"}
    assert client.post("/v1/items", json=item).json()["accepted"] == 1
    assert client.post("/v1/events", json=event).json()["accepted"] == 1
    assert client.post("/v1/events", json=event).json()["duplicates"] == 1
    user = f"/v1/users/{quote(text, safe='')}"
    shown = client.get(f"{user}/interests")
    assert shown.headers["content-type"] == "application/json"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert "x-evil" not in shown.headers
    assert shown.json()["user_id"] == text
    assert [one["topic"] for one in shown.json()["interests"]] == [text]
    assert client.get(f"/v1/items/{quote(text, safe='')}").json()["title"] == text
    kept = client.get(f"{user}/export").json()
    assert kept["events"][0]["payload"] == {text: text, "text": text}
    assert client.get("/v1/users").json()["user_ids"] == [text]
    assert client.get("/v1/status").json()["events"] == 2
    assert client.delete(user).json()["erased_events"] == 1


def test_replayed_and_reordered_events_count_once(client):
    events = [{**LIKE, "event_id": f"e{i}", "at": f"2026-03-{i + 1:02}"} for i in range(20)]
    assert client.post("/v1/events", json=events).json()["accepted"] == 20
    before = client.get("/v1/users/ann/profile", params={"at": "2026-04-01"}).json()
    replayed = client.post("/v1/events", json=events[::-1]).json()
    assert (replayed["accepted"], replayed["duplicates"]) == (0, 20)
    assert client.get("/v1/users/ann/profile", params={"at": "2026-04-01"}).json() == before


def test_a_log_that_cannot_be_written_is_told_and_comes_back(client, monkeypatch):
    engine = client.app.state.service.engine

    def full(_rows):
        raise StorageError("cannot write at sqlite:////secret/path.db: database or disk is full")

    monkeypatch.setattr(engine.log, "append", full)
    monkeypatch.setattr(engine.log, "tail", lambda: full(()))
    refused = client.post("/v1/events", json=LIKE)
    problem(refused, 503, "storage")
    assert "secret" not in refused.text
    assert refused.headers["retry-after"] == "1"
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200
    monkeypatch.undo()
    assert client.post("/v1/events", json=LIKE).json()["accepted"] == 1
    assert client.get("/health/ready").json() == {"ready": True, "reason": None}


def test_a_mistake_of_ours_tells_the_caller_nothing(client, monkeypatch, caplog):
    def broken(*_args, **_more):
        raise RuntimeError("ann lives in Kyoto")

    monkeypatch.setattr(client.app.state.service.engine, "interests", broken)
    with caplog.at_level(logging.ERROR, "penchant.server"):
        told = client.get("/v1/users/ann/interests", headers={"x-request-id": "mine-1"})
    problem(told, 500, "internal")
    assert "Kyoto" not in told.text
    assert told.json()["request_id"] == told.headers["x-request-id"] == "mine-1"
    assert caplog.records[0].request_id == "mine-1"


def test_one_bad_request_among_many_that_wait_harms_no_other(client, monkeypatch):
    engine = client.app.state.service.engine
    real = engine.ingest_each

    def fragile(groups):
        if any(event.get("text") == "break" for group in groups for event in group):
            raise RuntimeError("a bug")
        return real(groups)

    monkeypatch.setattr(engine, "ingest_each", fragile)
    problem(client.post("/v1/events", json={**LIKE, "text": "break"}), 500, "internal")
    assert client.post("/v1/events", json=LIKE).json()["accepted"] == 1


def test_too_much_that_waits_is_refused(client, monkeypatch):
    client.app.state.service.writer.waiting = 100_000
    refused = client.post("/v1/events", json=LIKE)
    problem(refused, 503, "busy")
    assert refused.headers["retry-after"] == "1"
    assert client.get("/health/ready").status_code == 503
    client.app.state.service.writer.waiting = 0
    assert client.post("/v1/events", json=LIKE).status_code == 200


def test_request_ids_that_are_no_ids_are_replaced(client):
    for given in ("a b", "x" * 65, "<script>", ""):
        told = client.get("/health/live", headers={"x-request-id": given}).headers["x-request-id"]
        assert told != given
        assert len(told) == 16
