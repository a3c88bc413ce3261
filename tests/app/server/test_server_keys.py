"""Keys: who may do what, what is kept of them, and what the log tells."""

from __future__ import annotations

import json
import logging
import stat

import pytest
from typer.testing import CliRunner

from penchant.app.cli import app
from penchant.app.server.config import ServerConfig
from penchant.app.server.keys import ROLES, KeyStore
from penchant.app.server.logs import Lines
from penchant.app.server.run import run
from penchant.errors import ConfigError, FormatError, UnknownNameError

LIKE = {"type": "like", "user_id": "ann", "item_id": "t1", "topics": ["tea"], "at": "2026-03-01"}


@pytest.fixture
def store(tmp_path):
    return KeyStore(tmp_path / "keys.json")


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def test_only_hashes_are_kept_and_only_the_owner_reads_them(store):
    key, token = store.add(["read"], note="for tests")
    kept = store.path.read_text()
    assert token.rpartition("_")[2] not in kept
    assert "$argon2id$" in kept
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    caller = KeyStore(store.path).verify(token)
    assert (caller.id, caller.roles) == (key.id, {"read"})
    for wrong in (
        token[:-1],
        token + "x",
        token.replace(key.id, "0" * 8),
        "penchant__",
        "",
        "x",
        "penchant_" + "_" * 50,
    ):
        assert KeyStore(store.path).verify(wrong) is None


def test_wrong_roles_and_unknown_keys(store):
    with pytest.raises(ConfigError, match="no role 'god'"):
        store.add(["read", "god"])
    with pytest.raises(ConfigError, match="a key needs a role; known: ingest, read, recommend, admin"):
        store.add([])
    with pytest.raises(UnknownNameError, match="no key named 'x'"):
        store.revoke("x")


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 9, "keys": []}', "\x00"])
def test_a_damaged_file_opens_nothing(store, text):
    store.path.write_text(text)
    with pytest.raises(FormatError):
        store.every()


def test_without_a_key_this_machine_may_do_everything_until_the_first_key(serve, store):
    client = serve(keys=store.path)
    assert client.get("/v1/status").status_code == 200
    key, token = store.add(["read"])
    assert client.get("/v1/status").status_code == 401
    assert client.get("/v1/status", headers=bearer(token)).status_code == 200
    store.revoke(key.id)  # with the last key gone it does not open again
    assert client.get("/v1/status").status_code == 401
    assert client.get("/v1/status", headers=bearer(token)).status_code == 401
    for public in ("/health/live", "/health/ready", "/openapi.json"):
        assert client.get(public).status_code == 200


ROUTES = [
    ("POST", "/v1/events", "ingest", LIKE),
    ("POST", "/v1/items", "ingest", {"item_id": "t1"}),
    ("POST", "/v1/users/ann/statements", "ingest", {"topic": "tea"}),
    ("GET", "/v1/users/ann/profile", "read", None),
    ("GET", "/v1/users/ann/interests", "read", None),
    ("GET", "/v1/users/ann/export", "read", None),
    ("GET", "/v1/users", "read", None),
    ("GET", "/v1/items", "read", None),
    ("GET", "/metrics", "read", None),
    ("GET", "/v1/users/ann/recommendations", "recommend", None),
    ("GET", "/v1/users/ann/explanations/t1", "recommend", None),
    ("GET", "/v1/items/t1/similar", "recommend", None),
    ("GET", "/v1/tasks", "admin", None),
    ("DELETE", "/v1/users/zoe", "admin", None),
]


def test_each_role_opens_its_own_routes_and_admin_all(serve, store):
    tokens = {role: store.add([role])[1] for role in ROLES}
    client = serve(keys=store.path)
    for method, path, needed, body in ROUTES:
        for role, token in tokens.items():
            told = client.request(method, path, json=body, headers=bearer(token))
            assert told.status_code == (200 if role in (needed, "admin") else 403), (method, path, role, told.text)
        assert client.request(method, path, json=body).status_code == 401
        assert client.request(method, path, json=body, headers={"x-api-key": tokens["admin"]}).status_code == 200


def test_a_key_of_one_user_reaches_no_other(serve, store):
    token = store.add(["ingest", "read", "recommend"], "ann")[1]
    client = serve(keys=store.path)

    def ask(method, path, body=None):
        return client.request(method, path, json=body, headers=bearer(token)).status_code

    for path in ("profile", "interests", "recommendations", "export"):
        assert ask("GET", f"/v1/users/ann/{path}") == 200
        assert ask("GET", f"/v1/users/bob/{path}") == 403
        assert ask("GET", f"/v1/users/ann%2f..%2fbob/{path}") == 403
    assert ask("POST", "/v1/events", LIKE) == 200
    assert ask("POST", "/v1/events", {**LIKE, "user_id": "bob"}) == 403
    assert ask("POST", "/v1/events", [LIKE, {**LIKE, "user_id": "bob"}]) == 403
    assert ask("POST", "/v1/events", {"type": "item", "item_id": "t1", "title": "mine"}) == 403
    assert ask("POST", "/v1/events", [[]]) == 403
    assert ask("POST", "/v1/users", {"user_id": "bob", "facts": {}}) == 403
    assert ask("POST", "/v1/feedback", {"recommendation_id": "r", "user_id": "bob", "item_id": "t"}) == 403
    assert ask("POST", "/v1/users/bob/statements", {"topic": "tea"}) == 403
    for path in ("/v1/users", "/v1/items", "/metrics", "/v1/status", "/v1/users/ann/similar", "/v1/items/t/similar"):
        assert ask("GET", path) == 403, path
    assert client.app.state.service.engine.users() == ["ann"]


def test_wrong_keys_are_slowed_down_and_right_ones_go_on(serve, store):
    token = store.add(["read"])[1]
    client = serve(keys=store.path)
    assert client.get("/v1/status", headers=bearer(token)).status_code == 200
    answers = [client.get("/v1/status", headers=bearer(f"penchant_0_{i}")).status_code for i in range(13)]
    assert answers[:10] == [401] * 10
    assert 429 in answers[10:]
    assert client.get("/v1/status", headers=bearer(token)).status_code == 200


def test_each_key_has_its_own_rate(serve, store):
    hasty, calm = store.add(["read"])[1], store.add(["read"])[1]
    client = serve(keys=store.path, rate_per_s=0.5)
    answers = [client.get("/v1/status", headers=bearer(hasty)) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 429, 429]
    assert 1 <= int(answers[1].headers["retry-after"]) <= 2
    assert client.get("/v1/status", headers=bearer(calm)).status_code == 200


def test_beyond_this_machine_a_key_is_needed(engine, store):
    config = ServerConfig(host="0.0.0.0", port=0, keys=store.path)  # noqa: S104 - it must be refused
    with pytest.raises(
        ConfigError, match=r"0\.0\.0\.0 can be reached from other machines, and .*penchant serve key add"
    ):
        run(engine, config)
    for host in ("::", "example.com", "10.0.0.1"):
        assert not ServerConfig(host=host).local
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        assert ServerConfig(host=host).local


def test_an_address_that_cannot_be_had(engine, tmp_path):
    KeyStore(tmp_path / "k").add(["admin"])
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:1"):
        run(engine, ServerConfig(host="192.0.2.1", port=1, keys=tmp_path / "k"))


def test_the_log_tells_of_no_key_and_no_user(serve, store, caplog):
    token = store.add(["admin"])[1]
    client = serve(keys=store.path, log="all")
    with caplog.at_level(logging.INFO, "penchant.server"):
        client.post("/v1/events", json={**LIKE, "user_id": "secret-user"}, headers=bearer(token))
        client.post("/v1/events", json={"type": "like", "user_id": "secret-user"}, headers=bearer(token))
        client.get("/v1/users/secret-user/profile?at=secret-moment", headers=bearer(token))
        client.get("/v1/users/secret-user/export", headers=bearer(token))
        client.delete("/v1/users/secret-user", headers=bearer(token))
        client.get("/v1/secret-path", headers=bearer(token))
        client.get("/v1/status", headers=bearer("penchant_0_wrong-secret"))
        figures = client.get("/metrics", headers=bearer(token)).text
    lines = [Lines().format(record) for record in caplog.records if record.name == "penchant.server"]
    assert len(lines) == 10
    assert "secret" not in "\n".join(lines)
    assert token not in "\n".join(lines)
    assert "secret" not in figures
    assert 'route="/v1/users/{user_id}/profile"' in figures
    said = [json.loads(line) for line in lines]
    assert [one["action"] for one in said if one["message"] == "audit"] == ["export", "forget"]
    assert {one["status"] for one in said if one["message"] == "request"} == {200, 422, 404, 401}


def test_an_error_in_the_log_is_told_by_its_place():
    try:
        int("ann lives in Kyoto")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "a request failed", None, (ValueError, error, None))
    line = json.loads(Lines().format(record))
    assert (line["level"], line["message"], line["error"]) == ("error", "a request failed", "ValueError")
    assert line["where"][-1].startswith(__file__)
    assert "Kyoto" not in json.dumps(line)


def test_keys_on_the_command_line(tmp_path):
    def ask(*words):
        done = CliRunner().invoke(app, ["serve", "key", *words, "--keys", str(tmp_path / "k.json")])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    made = ask("add", "--role", "read", "--role", "ingest", "--user", "ann", "--note", "phone")
    token = made.stdout.strip()
    assert token.startswith("penchant_")
    assert "keep it now" in made.stderr
    shown = json.loads(ask("list", "--json").stdout)["keys"]
    assert [(one["roles"], one["user_id"], one["note"]) for one in shown] == [(["read", "ingest"], "ann", "phone")]
    assert token.rpartition("_")[2] not in ask("list").stdout
    assert KeyStore(tmp_path / "k.json").verify(token).user_id == "ann"
    assert ask("revoke", shown[0]["id"]).exit_code == 0
    assert KeyStore(tmp_path / "k.json").verify(token) is None
    with pytest.raises(ConfigError, match="no role"):
        ask("add", "--role", "god")
