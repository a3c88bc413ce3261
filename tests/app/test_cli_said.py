"""The commands with which a user's words are taken, and where they are shown."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from penchant import Engine
from penchant.app.cli import app
from penchant.errors import EventError


@pytest.fixture
def penchant(sqlite_url):
    with Engine.open(sqlite_url) as engine:
        engine.ingest(
            [
                {"type": "topic", "topics": ["tea"], "parent": "drinks", "at": "2026-01-01"},
                {"type": "purchase", "user_id": "ann", "item_id": "t1", "topics": ["tea"], "at": "2026-01-02"},
            ]
        )

    def run(*words):
        result = CliRunner().invoke(app, [*words, "--db", sqlite_url], env={"COLUMNS": "200"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def interests(penchant, *words):
    shown = json.loads(penchant("interest", "show", "ann", "--json", *words).stdout)["interests"]
    return {one["topic"]: one for one in shown}


def test_say_and_unsay(penchant):
    result = penchant("profile", "say", "ann", "coffee", "--value", "0.5", "--at", "2026-01-03")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "ann says +0.5 of coffee, always\n"
    assert interests(penchant, "--at", "2026-01-03")["coffee"]["stated"] == 0.5
    assert penchant("profile", "say", "ann", "coffee", "--dislike", "--scope", "now", "--json").exit_code == 0
    assert interests(penchant)["coffee"]["stated"] == pytest.approx(-1, abs=0.01)
    taken = json.loads(penchant("profile", "unsay", "ann", "coffee", "--json").stdout)
    assert (taken["accepted"], taken["refused"]) == (2, 0)
    assert sorted(interests(penchant)) == ["tea"]


def test_mute_and_unmute(penchant):
    assert penchant("profile", "mute", "ann", "tea").stderr == "tea is not recommended to ann any more\n"
    assert interests(penchant)["tea"]["muted"] is True
    assert "muted" in penchant("profile", "show", "ann").stdout
    assert penchant("profile", "unmute", "ann", "tea").stderr == "tea may be recommended to ann again\n"
    assert interests(penchant)["tea"]["muted"] is False
    assert "muted" not in penchant("profile", "show", "ann").stdout


def test_marks_stand_in_the_table_only_where_there_are_some(penchant):
    assert " said " not in penchant("interest", "show", "ann", "--at", "2026-01-03").stdout
    penchant("profile", "say", "ann", "tea", "--dislike", "--until", "2026-01-05", "--at", "2026-01-03")
    shown = penchant("profile", "show", "ann", "--at", "2026-01-03").stdout
    assert " said " in shown
    assert "✗ 100%, until 2026-01-05" in shown


def test_levels(penchant):
    assert list(interests(penchant, "--level", "0")) == ["drinks"]
    shown = penchant("profile", "show", "ann", "--level", "0").stdout
    assert "drinks" in shown
    assert "tea" not in shown
    assert penchant("interest", "show", "ann", "--level", "-1").exit_code == 2


def test_what_is_wrong_is_said(penchant):
    with pytest.raises(EventError, match="until is not after at"):
        penchant("profile", "say", "ann", "tea", "--until", "2026-01-01", "--at", "2026-01-02")
    for words in (["--dislike", "--value", "1"], ["--value", "1.5"], ["--scope", "mute"]):
        assert penchant("profile", "say", "ann", "tea", *words).exit_code == 2
