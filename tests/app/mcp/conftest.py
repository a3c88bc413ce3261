"""An agent that talks to a server in this process, with the official client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from mcp import Client

from penchant.app.mcp.server import create_server
from penchant.app.server.keys import EVERYBODY


class Agent:
    """Calls one tool, or reads one resource, at a time; each over a connection of its own."""

    def __init__(self, of: Any) -> None:
        self.of = of

    def do(self, what: Callable[[Client], Any]) -> Any:
        async def ask() -> Any:
            async with Client(self.of) as client:
                return await what(client)

        return asyncio.run(ask())

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Return the structured answer of a tool that must not refuse."""
        answer = self.do(lambda client: client.call_tool(tool, arguments))
        assert not answer.is_error, answer.content
        return answer.structured_content

    def refused(self, tool: str, **arguments: Any) -> str:
        """Return what a tool says when it refuses, which it must."""
        answer = self.do(lambda client: client.call_tool(tool, arguments))
        assert answer.is_error, answer.structured_content
        assert answer.structured_content is None
        (said,) = answer.content
        assert "Traceback" not in said.text
        assert "\n" not in said.text
        return said.text


@pytest.fixture
def agent_of():
    """Returns an agent in front of an engine."""
    return lambda engine, caller=EVERYBODY: Agent(create_server(engine, caller))


@pytest.fixture
def agent(toy_engine, agent_of):
    """An agent in front of the toy log."""
    return agent_of(toy_engine)
