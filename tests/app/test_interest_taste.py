"""``penchant interest taste``, as it is typed."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from penchant import Engine
from penchant.app.cli import app
from penchant.testing import toy_log


@pytest.fixture
def asked(sqlite_url, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    toy = toy_log()
    with Engine.open(sqlite_url) as engine:
        engine.ingest(toy.events)

    def ask(*words):
        return CliRunner().invoke(app, ["interest", *words, "--db", sqlite_url], catch_exceptions=False)

    return ask, toy.ends.isoformat()


def test_fitted_it_shows_the_items_in_the_middle(asked):
    ask, at = asked
    assert ask("fit", "taste").exit_code == 0
    said = ask("taste", "user-1", "--at", at, "--json")
    assert said.exit_code == 0
    found = json.loads(said.stdout)
    assert found["user_id"] == "user-1"
    assert sum(one["share"] for one in found["medoids"]) == pytest.approx(1.0)
    assert -1.0 <= found["agreement"] <= 1.0
    shown = ask("taste", "user-1", "--at", at).stdout
    for one in found["medoids"]:
        assert one["title"] in shown
        assert f"{one['share']:.0%}" in shown
    assert f"cosine {found['agreement']:.2f}" in shown


def test_where_nothing_is_known_it_says_what_to_do(asked):
    ask, at = asked
    said = ask("taste", "user-1", "--at", at)
    assert said.exit_code == 0
    assert "penchant interest fit taste" in said.stderr
    assert "cosine" not in said.stdout
    assert json.loads(ask("taste", "user-1", "--json").stdout)["agreement"] is None
