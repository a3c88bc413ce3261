"""Over HTTP: keys and their roles hold for every tool and resource, and pages of other sites get nothing."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from live_server import live
from penchant.app.mcp.http import create_app
from penchant.app.server.config import ServerConfig
from penchant.app.server.keys import KeyStore

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.fixture
def keys(tmp_path):
    return KeyStore(tmp_path / "keys.json")


@pytest.fixture
def address(toy_engine, keys):
    """Where a server in front of the toy log answers."""
    with live(create_app(toy_engine, ServerConfig(keys=keys.path, log="none"))) as found:
        yield found + "/mcp"


def asked(address, token, what):
    """Return what a question gives that is asked with a key."""

    async def ask():
        headers = {"authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            return await what(client)

    return asyncio.run(ask())


def test_a_key_may_do_what_its_roles_say_to_its_user(address, keys):
    _, token = keys.add(["read"], "user-1")

    async def talk(client):
        own = await client.call_tool("interests", {"user_id": "user-1"})
        assert own.structured_content["interests"]
        for tool, arguments, said in (
            ("interests", {"user_id": "user-2"}, "another user"),
            ("recommend", {"user_id": "user-1"}, "'recommend'"),
            ("forget", {"user_id": "user-1", "confirm": True}, "'admin'"),
        ):
            answer = await client.call_tool(tool, arguments)
            assert answer.is_error
            assert said in answer.content[0].text
        with pytest.raises(MCPError, match="another user"):
            await client.read_resource("penchant://users/user-2/interests")
        return (await client.read_resource("penchant://users/user-1/interests")).contents

    assert asked(address, token, talk)
    _, admin = keys.add(["admin"])
    forget = asked(address, admin, lambda client: client.call_tool("forget", {"user_id": "user-1", "confirm": True}))
    assert forget.structured_content["erased"] == 40


def test_once_there_is_a_key_nothing_is_told_without_one(address, keys):
    with httpx2.Client(headers=ACCEPT) as http:
        assert http.post(address, json=LIST).status_code != 401
        keys.add(["read"])
        assert http.post(address, json=LIST).status_code == 401
        wrong = http.post(address, json=LIST, headers={"authorization": "Bearer penchant_0_0"})
        assert wrong.status_code == 401
        assert "result" not in wrong.json()


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"host": "evil.example"}], ids=["origin", "host"]
)
def test_pages_of_other_sites_get_nothing(address, headers):
    with httpx2.Client(headers=ACCEPT) as http:
        answer = http.post(address, json=LIST, headers=headers)
    assert answer.status_code == 403
    assert "result" not in answer.json()


def test_there_is_one_path(address):
    with httpx2.Client(headers=ACCEPT) as http:
        assert http.post(address.replace("/mcp", "/v1/events"), json={}).status_code == 404
        assert http.post(address, content=b"{", headers={"content-type": "application/json"}).status_code == 400
        assert http.get(address).status_code == 405
