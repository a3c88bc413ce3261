from __future__ import annotations

import pytest

from penchant import Engine
from penchant.clock import fixed
from penchant.errors import ConfigError, UnknownNameError
from penchant.evaluate.report import html_report
from penchant.loop.evaluating import Evaluation
from penchant.loop.tuning import TuningPlan, slices, tune
from penchant.testing import toy_log

pytest.importorskip("optuna")


@pytest.fixture(scope="module")
def log():
    return toy_log(n_users=30, deeds_per_user=40)


@pytest.fixture(scope="module")
def evaluation(log):
    def make():
        return Engine.open(clock=fixed(log.ends))

    with make() as engine:
        engine.ingest(log.events)
        frame = engine.ledger.events()
    return Evaluation("toy", frame, make)


def test_the_slices_keep_to_time(evaluation):
    validation, test = slices(evaluation, TuningPlan("repeat", validation=0.2, test=0.2))
    assert validation.at < test.at
    assert (validation.training.at < validation.at).all()
    assert (test.training.at < test.at).all()
    assert test.training.at.max() > validation.at
    assert validation.users.size == len(validation.relevant) > 10
    few, _ = slices(evaluation, TuningPlan("repeat", validation=0.2, test=0.2, max_users=4))
    assert few.users.size == 4


def test_a_search_reports_defaults_best_trials_and_importance(evaluation, tmp_path):
    plan = TuningPlan("repeat", "random", trials=12, file=tmp_path / "trials.db", validation=0.2, test=0.2)
    report = tune(evaluation, plan)
    assert [one.model for one in report.models] == ["repeat, defaults", "repeat, tuned"]
    assert report.protocol["trials"] == 12
    assert report.protocol["validation_from"] < report.protocol["cut"]
    assert 0 < report.models[1].metrics["ndcg@10"].value <= 1
    trials = report.sections[0]
    values = [one.metrics["ndcg@10"].value for one in trials.models]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(report.protocol["validation_ndcg@10"], abs=1e-5)
    assert "Best so far" in html_report(report)
    again = tune(evaluation, plan)  # nothing is left to try: the same comes out
    assert again.models[1].settings == report.models[1].settings
    assert again.protocol["trials"] == 12


def test_two_jobs_find_as_many_trials(evaluation):
    report = tune(evaluation, TuningPlan("most_popular", "random", trials=4, jobs=2, validation=0.2, test=0.2))
    assert 4 <= report.protocol["trials"] <= 6
    shown = report.sections[0].facts
    assert any("half_life_days = 14" in settings for settings in shown.values())  # the defaults are among them


def test_what_cannot_be_tuned_is_refused(evaluation):
    with pytest.raises(UnknownNameError, match="most_popular"):
        tune(evaluation, TuningPlan("nobody"))
    with pytest.raises(ConfigError, match="at least 1"):
        tune(evaluation, TuningPlan("repeat", trials=0))
    with pytest.raises(ConfigError):
        tune(evaluation, TuningPlan("repeat", validation=0.6, test=0.6))


def test_an_empty_slice_is_refused(log):
    def make():
        return Engine.open(clock=fixed(log.ends))

    items = [event for event in log.events if event["type"] == "item"]
    first, second = ([e for e in log.events if e.get("user_id") == user] for user in ("user-1", "user-2"))
    one = [*items, *first[:10], *second[-10:]]
    with make() as engine:
        engine.ingest(one)
        frame = engine.ledger.events()
    with pytest.raises(ConfigError, match="nobody known before took anything in the validation slice"):
        slices(Evaluation("few", frame, make), TuningPlan("repeat", validation=0.25, test=0.25))
