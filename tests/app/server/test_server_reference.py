"""Every route, problem and figure has its place in the reference."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi.testclient import TestClient

from penchant.app.server.problems import TITLES

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "http.md"


def test_every_route_stands_in_the_reference_with_its_role(client: TestClient) -> None:
    told = dict(re.findall(r"^\| `((?:GET|POST|DELETE) /[^`]*)` \| (\w+) \|", PAGE.read_text(encoding="utf-8"), re.M))
    described = client.get("/openapi.json").json()["paths"]
    there = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    assert there == set(told)
    assert set(told.values()) <= {"ingest", "read", "recommend", "admin", "none"}


def test_every_problem_stands_there_with_its_status() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", PAGE.read_text(encoding="utf-8"), re.M))
    assert rows == {name: str(status) for name, (status, _) in TITLES.items()}


def test_every_figure_stands_there(client: TestClient) -> None:
    client.post("/v1/events", json={"type": "like", "user_id": "ann", "item_id": "t"})
    names = set(re.findall(r"^# TYPE (\w+) (?:counter|gauge|histogram)", client.get("/metrics").text, re.M))
    page = PAGE.read_text(encoding="utf-8")
    assert len(names) >= 5
    for name in names:
        if not name.endswith("_created"):
            assert f"`{name}`" in page, name


def test_every_operation_has_an_example_where_it_has_a_body(client: TestClient) -> None:
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], (method, path)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                assert "example" in content, (method, path)
