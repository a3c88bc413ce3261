"""Rules on the command line, as they are typed."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from penchant import Engine
from penchant.app.cli import app


@pytest.fixture
def asked(sqlite_url, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with Engine.open(sqlite_url) as engine:
        engine.ingest(
            {
                "type": "item",
                "item_id": f"i{i}",
                "topics": [f"t{i % 2}"],
                "attributes": {"price": i},
                "at": "2026-01-01",
            }
            for i in range(8)
        )

    def ask(*words):
        words = ["recommend", "list", "ann", "--at", "2026-01-02", "--db", sqlite_url, *words]
        return CliRunner().invoke(app, words, catch_exceptions=False)

    return ask


def ids(said):
    assert said.exit_code == 0, said.output
    return [one["item_id"] for one in json.loads(said.stdout)["recommendations"]]


def test_rules_reach_the_list(asked):
    assert ids(asked("--filter", "price < 2", "--json")) == ["i0", "i1"]
    assert ids(asked("--boost", "9.5 price = 5", "-n", "1", "--json")) == ["i5"]
    assert ids(asked("--pin", "2 i7", "--pin", "1 i6", "-n", "2", "--json")) == ["i6", "i7"]
    assert len(ids(asked("--at-most", "1 topic", "--json"))) == 2
    assert "i7" in ids(asked("--at-least", "1 price > 6", "-n", "2", "--json"))
    assert "Placed here by a rule" in asked("--pin", "1 i7").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--pin", "i7"), "'i7' does not begin with a number"),
        (("--boost", "much price > 1"), "does not begin with a number"),
        (("--at-most", "3"), "says nothing after the number"),
    ],
)
def test_an_option_of_the_wrong_form_is_wrong_usage(asked, words, said):
    answer = asked(*words)
    assert answer.exit_code == 2
    assert said in " ".join(answer.output.replace("│", " ").split())
