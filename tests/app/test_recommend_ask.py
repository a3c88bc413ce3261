"""``penchant recommend ask``, as it is typed."""

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
        words = ["recommend", "ask", *words, "--at", toy.ends.isoformat(), "--db", sqlite_url]
        return CliRunner().invoke(app, words, catch_exceptions=False)

    return ask, sqlite_url, toy.ends


def test_questions_answers_and_what_is_kept_of_them(asked):
    ask, url, at = asked
    first = json.loads(ask("-n", "2", "--json").stdout)["questions"]
    assert len(first) == 2
    assert first[0]["id"] in ask("-n", "1").stdout
    later = json.loads(ask("--yes", first[0]["id"], "--no", first[1]["id"], "--user", "ann", "--json").stdout)[
        "questions"
    ]
    assert not {one["id"] for one in first} & {one["id"] for one in later}
    with Engine.open(url) as engine:
        stated = {one.topic: one.stated for one in engine.interests("ann", at=at)}
    assert stated[first[0]["id"]] > 0 > stated[first[1]["id"]]
    assert "Item " in ask("--items", "-n", "1").stdout
