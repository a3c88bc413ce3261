"""A server in this process, with the toy log behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from penchant import Engine
from penchant.app.server.app import create_app
from penchant.app.server.config import ServerConfig

HERE = "http://127.0.0.1"


@pytest.fixture
def serve(engine: Engine, tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    """Start servers in front of an engine, the empty one in memory unless another is given."""
    started: list[TestClient] = []

    def start(of: Engine | None = None, **settings: Any) -> TestClient:
        config = ServerConfig(**{"keys": tmp_path / "keys.json", "warm_up": False, **settings})
        client = TestClient(create_app(of or engine, config), base_url=HERE, raise_server_exceptions=False)
        started.append(client)
        return client.__enter__()

    yield start
    for client in started:
        client.__exit__(None, None, None)


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    """A server without anything in it."""
    return serve()


@pytest.fixture
def toy_client(serve: Callable[..., TestClient], toy_engine: Engine) -> TestClient:
    """A server with the toy log."""
    return serve(toy_engine)
