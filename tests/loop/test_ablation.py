from __future__ import annotations

import pytest

from penchant import Engine
from penchant.clock import fixed
from penchant.errors import ConfigError, UnknownNameError
from penchant.loop.ablation import AblationPlan, ablate
from penchant.loop.evaluating import Evaluation
from penchant.testing import toy_log

pytest.importorskip("lightgbm")


@pytest.fixture(scope="module")
def evaluation():
    log = toy_log(n_users=70, deeds_per_user=30)

    def make():
        return Engine.open(clock=fixed(log.ends), components={"pipeline": {"seen": "allow"}})

    with make() as engine:
        engine.ingest(log.events)
        return Evaluation("toy", engine.ledger.events(), make)


def test_each_source_has_its_worth(evaluation):
    report = ablate(evaluation, AblationPlan(("repeat", "popular", "rules"), test=0.2))
    assert {one.model for one in report.models} == {"stack", "blend", "vote", "repeat", "popular", "rules"}
    values = [one.metrics["ndcg@10"].value for one in report.models]
    assert values == sorted(values, reverse=True)
    fusion = next(one for one in report.models if one.model == "stack")
    assert fusion.metrics["stack_ahead_ndcg@10"].value == 0.0
    assert fusion.settings["questions"] >= 50
    left_out = report.sections[0].models
    assert {one.model for one in left_out} == {"without repeat", "without popular", "without rules"}
    for one in left_out:
        worth = fusion.metrics["ndcg@10"].value - one.metrics["ndcg@10"].value
        assert one.metrics["worth"].value == pytest.approx(worth)
    # Everybody takes items of the favourite topic again: what knows the user is worth more than what is popular.
    assert (
        fusion.metrics["ndcg@10"].value
        > next(one for one in report.models if one.model == "popular").metrics["ndcg@10"].value
    )
    assert report.protocol["answer_ms_p50"] <= report.protocol["answer_ms_p99"]


def test_what_cannot_be_taken_apart_is_refused(evaluation):
    with pytest.raises(ConfigError, match="give at least two"):
        ablate(evaluation, AblationPlan(("popular", "popular")))
    with pytest.raises(UnknownNameError):
        ablate(evaluation, AblationPlan(("popular", "nobody")))
    with pytest.raises(ConfigError, match="questions to learn from"):
        ablate(evaluation, AblationPlan(("popular", "new"), max_users=1))
