from __future__ import annotations

import json
import math

import pytest

from companions import Companions
from penchant import Engine
from penchant.clock import fixed
from penchant.errors import ConfigError, NotInstalledError, UnknownNameError
from penchant.evaluate.report import Report, html_report
from penchant.interest.models import MODELS
from penchant.loop.evaluating import Evaluation
from penchant.recommend import SOURCES
from penchant.testing import toy_log


class Needy(Companions):
    """Needs a package that is not there."""

    name = "needy"

    def fit(self, training):
        raise NotInstalledError("needle", "pip install 'penchant[needle]'")


class Oracle(Companions):
    """Knows what nobody may know: whether a later event lies in what it is given."""

    name = "oracle"
    newest = -math.inf
    known = -math.inf

    def fit(self, training):
        Oracle.newest = float(training.interactions.at.max())
        super().fit(training)

    def scores(self, histories, items):
        Oracle.known = max(Oracle.known, float((histories.at - histories.asked_at[histories.rows()]).max(initial=-1.0)))
        return super().scores(histories, items)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    for kind in (Companions, Needy, Oracle):
        monkeypatch.setitem(MODELS._table, kind.name, f"{kind.__module__}:{kind.__name__}")
    Oracle.newest = Oracle.known = -math.inf


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    toy = toy_log(n_users=30, n_items=30, deeds_per_user=25)
    clock = fixed(toy.ends)
    with Engine.open(clock=clock) as engine:
        engine.ingest(toy.events)
        frame = engine.ledger.events()
    return Evaluation("toy", frame, lambda: Engine.open(clock=clock))


STRATEGIES = {*SOURCES, "blend", "pipeline"}


def rows(report):
    return {one.model: one for one in report.models}


def test_sources_models_and_pipeline_stand_on_one_table(evaluation):
    report = evaluation.ranking(models=["companions", "needy", "companions"], seen="both")
    table = rows(report)
    assert set(table) == STRATEGIES | {"companions"}
    values = [one.metrics["ndcg@10"].value for one in report.models]
    assert values == sorted(values, reverse=True)
    one = table["companions"]
    assert 0 < one.metrics["ndcg@10"].value < 1
    assert one.fit_s > 0
    assert one.metrics["p50_ms"].value <= one.metrics["p99_ms"].value
    assert table["pipeline"].settings["weights"]
    assert "needy is left out: needle is not installed; install it with: pip install 'penchant[needle]'" in report.notes
    baselines = [name for name in table if name in ("popular", "recent", "new")]
    best = max(baselines, key=lambda name: table[name].metrics["ndcg@10"].value)
    above = table["companions"].metrics[f"above_{best}_ndcg@10"]
    assert above.value == pytest.approx(one.metrics["ndcg@10"].value - table[best].metrics["ndcg@10"].value)
    assert above.low <= above.value <= above.high
    behind = one.metrics["pipeline_ahead_ndcg@10"]
    assert behind.value == pytest.approx(table["pipeline"].metrics["ndcg@10"].value - one.metrics["ndcg@10"].value)
    assert {section.name for section in report.sections} >= {"popularity", "history"}
    assert sum(section.name.startswith("seen_") for section in report.sections) == 1
    assert all({one.model for one in section.models} == set(table) for section in report.sections)
    assert json.loads(report.to_json())["protocol"]["leaks"] is False
    again = Report.from_json(report.to_json())
    assert again.to_json() == report.to_json()
    assert "companions" in html_report(report)


def test_the_same_evaluation_twice_gives_the_same_figures(evaluation):
    one, other = (evaluation.ranking(models=["companions"], max_users=10) for _ in range(2))
    timed = {"p50_ms", "p99_ms"}
    for model, row in rows(one).items():
        kept = {name: value.as_dict() for name, value in row.metrics.items() if name not in timed}
        assert str(kept) == str({name: rows(other)[model].metrics[name].as_dict() for name in kept})
    assert one.protocol["users"] == 10


@pytest.mark.parametrize("protocol", ["global_time", "replay", "leave_one_out"])
def test_no_protocol_shows_a_model_what_comes_later(evaluation, protocol):
    report = evaluation.ranking(protocol, models=["oracle"], test=0.2, max_users=6, seen="exclude")
    assert report.protocol["seen_items"] == "excluded"
    assert report.protocol["leaks"] == (protocol == "leave_one_out")
    assert any("LEAKS" in note for note in report.notes) == (protocol == "leave_one_out")
    assert Oracle.known <= 0.0  # no history goes beyond the moment that is asked about
    if protocol != "leave_one_out":
        assert Oracle.newest < evaluation.frame["at_us"].max() / 1e6
        assert report.protocol["cut"] is not None
    assert set(rows(report)) == STRATEGIES | {"oracle"}


def test_who_may_not_come_again_is_not_in_the_lists(evaluation):
    report = evaluation.ranking(models=(), seen="both")
    other = report.sections[0]
    tables = {report.protocol["seen_items"]: report.models, other.name.removeprefix("seen_"): other.models}
    recent = {word: next(one for one in table if one.model == "recent") for word, table in tables.items()}
    assert recent["allowed"].metrics["ndcg@10"].value > 0
    assert recent["excluded"].metrics["ndcg@10"].value == 0


def test_only_some_users(evaluation):
    few = evaluation.of_users(7)
    assert few.frame["user_id"].drop_nulls().n_unique() == 7
    assert few.frame.filter(few.frame["user_id"].is_null()).height == 30  # the catalogue stays
    assert few.data == "toy, 7 users"
    assert evaluation.of_users(None) is evaluation
    assert few.frame.equals(evaluation.of_users(7).frame)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"models": ["magic"]}, UnknownNameError, "no item model named 'magic'"),
        ({"seen": "sometimes"}, ConfigError, "seen is 'sometimes'; known: auto, allow, exclude, both"),
        ({"protocol": "random"}, ConfigError, "no protocol 'random'"),
    ],
)
def test_a_wrong_question_is_said_before_anything_is_done(evaluation, asked, error, words):
    with pytest.raises(error, match=words):
        evaluation.ranking(**asked)


def test_one_event_each_leaves_nothing_to_ask():
    with Engine.open() as engine:
        for user in ("ann", "ben"):
            engine.ingest({"type": "view", "user_id": user, "item_id": "tea", "at": "2025-01-01"})
        evaluation = Evaluation("tiny", engine.ledger.events(), Engine.open)
    with pytest.raises(ConfigError, match="no user took two things; use global_time"):
        evaluation.ranking("leave_one_out", models=())
