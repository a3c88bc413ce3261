from __future__ import annotations

from functools import partial

import pytest

from penchant import Engine
from penchant.clock import fixed
from penchant.errors import ConfigError
from penchant.evaluate.statistics import Interval
from penchant.loop.comparing import RankingPlan
from penchant.loop.evaluating import Evaluation
from penchant.loop.generalising import _rows, generalise
from penchant.testing import toy_log


def make(name: str, seed: int) -> Evaluation:
    toy = toy_log(n_users=12, n_items=20, deeds_per_user=15, seed=seed)
    clock = fixed(toy.ends)
    with Engine.open(clock=clock) as engine:
        engine.ingest(toy.events)
        return Evaluation(name, engine.ledger.events(), lambda: Engine.open(clock=clock))


def test_one_table_of_several_data_sets():
    report = generalise([partial(make, "one", 0), partial(make, "two", 1)], RankingPlan(models=("repeat",), test=0.2))
    assert report.data == "one, two"
    assert [section.title for section in report.sections] == ["one", "two"]
    rows = {one.model: one.metrics for one in report.models}
    assert {"repeat", "pipeline", "popular"} <= set(rows)
    shares = [one.metrics["of_best_mean"].value for one in report.models]
    assert shares == sorted(shares, reverse=True)
    for place, section in enumerate(report.sections):
        for one in section.models:
            name = ("one", "two")[place]
            assert rows[one.model][f"ndcg@10 {name}"] == one.metrics["ndcg@10"]


def test_the_share_of_the_best_by_hand():
    point = Interval.point
    rows = _rows(
        {"x": {"a": point(0.4), "b": point(0.2)}, "y": {"a": point(0.1), "b": point(0.2), "c": point(0.1)}}, 10
    )
    assert list(rows) == ["a", "b", "c"]
    assert rows["a"]["of_best_mean"].value == pytest.approx((1 + 0.5) / 2)
    assert rows["a"]["of_best_least"].value == pytest.approx(0.5)
    assert rows["b"]["of_best_mean"].value == pytest.approx((0.5 + 1) / 2)
    assert set(rows["c"]) == {"ndcg@10 y"}  # not on x: no share


@pytest.mark.parametrize(("names", "words"), [(["one"], "1 data sets given"), (["one", "one"], "'one' is given twice")])
def test_a_wrong_choice_is_said(names, words):
    with pytest.raises(ConfigError, match=words):
        generalise([partial(make, name, 0) for name in names], RankingPlan(models=()))
