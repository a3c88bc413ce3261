"""The tracking benchmark as a whole: which tables there are, what is said where one cannot be made, the command."""

from __future__ import annotations

import json
import sys

import polars as pl
import pytest
from typer.testing import CliRunner

from penchant import Engine
from penchant.app.cli import app
from penchant.clock import fixed
from penchant.errors import UnknownNameError
from penchant.loop.evaluating import Evaluation
from penchant.process.split import time_quantiles
from penchant.testing import ToyLog, toy_log

SPLICED = {"change", "back", "burst", "gradual", "quiet"}


def evaluation_of(toy: ToyLog, **given) -> Evaluation:
    def make() -> Engine:
        return Engine.open(clock=fixed(toy.ends))

    with make() as engine:
        engine.ingest(toy.events)
        return Evaluation("toy", engine.ledger.events(), make, **given)


@pytest.fixture(scope="module")
def busy():
    return evaluation_of(toy_log(n_users=12, deeds_per_user=150))


def test_every_table_is_there_with_every_model_asked_for(busy):
    report = busy.tracking(models=["popularity"], pairs=4)
    assert {one.model for one in report.models} == {"static", "ema", "popularity"}
    assert {section.name for section in report.sections} == {"recall", "activity", *SPLICED}
    for section in report.sections:
        assert {one.model for one in section.models} == {"static", "ema", "popularity"}
    order = [one.model for one in report.models]
    assert [one.metrics["log_loss"].value for one in report.models] == sorted(
        one.metrics["log_loss"].value for one in report.models
    )
    assert all([one.model for one in section.models] == order for section in report.sections)


def test_the_same_seed_gives_the_same_numbers_and_another_other_pairs(busy):
    def numbers(evaluation):
        document = json.loads(evaluation.tracking(models=["static"], pairs=4).to_json())
        return [
            {**section, "models": [{**one, "fit_s": None} for one in section["models"]]}
            for section in document["sections"]
        ]

    assert numbers(busy) == numbers(busy)
    assert numbers(busy) != numbers(Evaluation(busy.data, busy.frame, busy.make, seed=1))


def test_tables_can_be_left_out(busy):
    report = busy.tracking(models=["static"], pairs=0, activity=False)
    assert [section.name for section in report.sections] == ["recall"]
    assert not any("spliced" in note for note in report.notes)


def test_a_note_says_that_users_are_too_few_to_splice():
    report = evaluation_of(toy_log(n_users=6, deeds_per_user=20)).tracking(models=["static"])
    assert not SPLICED & {section.name for section in report.sections}
    assert any("too few users" in note for note in report.notes)


def test_detectors_are_left_out_with_a_note_where_river_is_missing(busy, monkeypatch):
    monkeypatch.setitem(sys.modules, "river", None)
    report = busy.tracking(models=["adwin"], pairs=0, activity=False)
    assert {one.model for one in report.models} == {"static", "ema"}
    assert any(note.startswith("adwin is left out") and "penchant[drift]" in note for note in report.notes)


def test_an_unknown_model_is_named(busy):
    with pytest.raises(UnknownNameError, match="no_such"):
        busy.tracking(models=["no_such"], pairs=0, activity=False)


def test_what_comes_after_the_cut_tunes_nothing(busy):
    """Other topics after the cut leave every setting as it was."""
    _, cut = time_quantiles(busy.frame, 0.25, 0.25)
    changed = busy.frame.with_columns(
        pl.when(pl.col("at_us") >= cut).then(pl.lit('["topic-0"]')).otherwise(pl.col("topics")).alias("topics")
    )
    other = Evaluation("toy", changed, busy.make)
    names = ["last_k", "tracker", "page_hinkley"]
    settings = [
        {one.model: one.settings for one in each.tracking(models=names, pairs=0, activity=False).models}
        for each in (busy, other)
    ]
    assert settings[0] == settings[1]


def test_the_command_takes_its_options(tmp_path):
    toy = toy_log(n_users=12, deeds_per_user=150)
    (tmp_path / "events.jsonl").write_text("\n".join(json.dumps(event) for event in toy.events), encoding="utf-8")
    html = tmp_path / "report.html"
    words = ["evaluate", "tracking", "--data", str(tmp_path / "events.jsonl"), "--model", "static", "--pairs", "3"]
    ran = CliRunner().invoke(app, [*words, "--no-activity", "--json", "--html", str(html)])
    assert ran.exit_code == 0, ran.output
    document = json.loads(ran.stdout)
    assert {section["name"] for section in document["sections"]} == {"recall", *SPLICED}
    assert "Extra loss after the splice" in html.read_text(encoding="utf-8")
    bare = CliRunner().invoke(app, [*words, "--no-activity", "--no-splice", "--json"])
    assert [section["name"] for section in json.loads(bare.stdout)["sections"]] == ["recall"]
