"""Who gets in: the page, the files of the page and the socket follow one rule."""

from __future__ import annotations

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


def test_with_keys_only_an_admin_gets_in_until_the_key_is_revoked(served):
    server, (reader, admin) = served("read", "admin")
    with httpx2.Client(base_url=server.address) as client:
        page = client.get("/dashboard/")
        assert (page.status_code, 'name="key"' in page.text) == (401, True)
        assert client.get("/dashboard/_nicegui/x/static/nicegui.css").status_code == 401
        assert "unknown or was revoked" in client.post("/dashboard/login", data={"key": "penchant_x_y"}).text
        assert "does not have the role admin" in client.post("/dashboard/login", data={"key": reader}).text
        with pytest.raises(InvalidStatus):
            _connect(_socket(server))
        entered = client.post("/dashboard/login", data={"key": admin})
        assert entered.status_code == 303
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert admin not in cookie
        inside = client.get("/dashboard/")
        assert inside.status_code == 200
        assert inside.headers["x-frame-options"] == "DENY"
        sent = {"Cookie": cookie.partition(";")[0]}
        _connect(_socket(server), additional_headers=sent)
        with pytest.raises(InvalidStatus):
            _connect(_socket(server), additional_headers=sent, origin="https://elsewhere.example")
        assert client.get("/v1/users", headers=sent).status_code == 401  # the cookie opens the dashboard alone
        server.keys.revoke(server.keys.every()[1].id)
        assert client.get("/dashboard/").status_code == 401
        with pytest.raises(InvalidStatus):
            _connect(_socket(server), additional_headers=sent)


def test_without_keys_only_this_machine_by_its_own_name(served):
    server, _ = served()
    assert httpx2.get(f"{server.address}/dashboard/").status_code == 200
    foreign = {"Host": "rebound.example"}
    assert httpx2.get(f"{server.address}/dashboard/", headers=foreign).status_code == 403
    assert httpx2.get(f"{server.address}/dashboard/", headers={"Origin": "https://a.example"}).status_code == 403
    with pytest.raises(InvalidStatus):
        _connect(_socket(server), origin="https://a.example")
    assert server.stop() == 0


def _connect(address, **more):
    with connect(address, **more) as socket:
        assert str(socket.recv(timeout=10)).startswith("0")  # the socket's own greeting


def _socket(server):
    return f"{server.address.replace('http', 'ws')}/dashboard/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
