from __future__ import annotations

import builtins

import numpy as np
import pytest
from pydantic import ValidationError

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTraining
from penchant.errors import NotInstalledError
from penchant.interest.models.calibrated import Sigmoid, calibration_report
from penchant.interest.models.classical import Judge
from penchant.interest.models.classical_data import Examples, Plan, examples_at, fitted_rules
from penchant.interest.models.features import FEATURES, CandidateSizes
from penchant.interest.models.trees import (
    SVM,
    Boosting,
    BoostingConfig,
    Forest,
    ForestConfig,
    SVMConfig,
    Tree,
    TreeConfig,
)
from penchant.testing.model_contract import BEGINS, ItemModelContract, catalogue, planted, trained_on

pytest.importorskip("sklearn")
pytest.importorskip("lightgbm")
FEW = {"moments": 2, "users": 50, "horizon_days": 2.0}
SIZES = CandidateSizes(20, 20, 20, 2, 20)


class TestBoosting(ItemModelContract):
    def make(self):
        return Boosting(BoostingConfig(n_trees=30, **FEW))


class TestForest(ItemModelContract):
    def make(self):
        return Forest(ForestConfig(n_trees=8, **FEW))


class TestTree(ItemModelContract):
    def make(self):
        return Tree(TreeConfig(**FEW))


class TestSVM(ItemModelContract):
    def make(self):
        return SVM(SVMConfig(**FEW))


@pytest.fixture(scope="module")
def taken():
    """Forty users who take one of their two own items of sixty every day, and rarely another."""
    rng = np.random.default_rng(3)
    user = np.repeat(np.arange(40, dtype=np.int32), 60)
    own = (user[:, None] * 2 + np.arange(2)) % 60
    item = np.where(rng.random(user.size) < 0.9, own[np.arange(user.size), rng.integers(0, 2, user.size)], 0)
    at = BEGINS + np.tile(np.arange(60), 40) * DAY_S + rng.uniform(0, DAY_S / 2, user.size)
    return Interactions(user, item.astype(np.int32), at, np.ones(user.size), 40, 60)


@pytest.mark.parametrize("kind", [Boosting, Forest, Tree, SVM])
def test_what_it_says_is_a_probability_that_holds_later(kind, taken):
    early = Interactions(
        *(getattr(taken, name)[taken.at < BEGINS + 55 * DAY_S] for name in ("user", "item", "at", "weight")), 40, 60
    )
    model = kind(kind.Config(users=40, moments=3, horizon_days=5.0))
    model.fit(ItemTraining(early, catalogue(60)))
    assert model.report["log_loss"] < 0.5 * model.report["log_loss_base"]
    questions = Histories.of(taken, np.arange(40), np.full(40, BEGINS + 55 * DAY_S))
    scores = model.scores(questions, catalogue(60))
    there = np.isfinite(scores)
    later = taken.at >= BEGINS + 55 * DAY_S
    came = np.zeros((40, 60), bool)
    came[taken.user[later], taken.item[later]] = True
    assert (scores[there] > 0).all()
    assert (scores[there] < 1).all()
    assert float(scores[there].mean()) == pytest.approx(float(came[there].mean()), abs=0.03)
    assert calibration_report(scores[there].astype(float), came[there])["ece"] < 0.05
    importance = model.importances()
    assert sum(importance.values()) == pytest.approx(1.0)
    assert set(importance) == set(FEATURES)
    told = ("count", "share", "days_since", "topic_count", "topic_share", "follows")
    assert sum(importance[name] for name in told) > 0.5


def test_questions_know_what_came_before_and_labels_what_came_within_the_horizon(taken):
    at = BEGINS + 30 * DAY_S
    changed = taken.item.copy()
    changed[taken.at >= BEGINS + 33 * DAY_S] = 59
    other = Interactions(taken.user, changed, taken.at, taken.weight, 40, 60)
    found = []
    for data in (taken, other):
        early = Interactions(*(getattr(data, name)[data.at < at] for name in ("user", "item", "at", "weight")), 40, 60)
        rules = fitted_rules(early, catalogue(60))
        rng = np.random.default_rng(0)
        found.append(examples_at(data, catalogue(60), rules, at, 3 * DAY_S, SIZES, 50, None, rng))
    assert np.array_equal(found[0].x, found[1].x)
    assert np.array_equal(found[0].taken, found[1].taken)
    assert found[0].teaches


def test_sampled_rows_stand_for_all(taken):
    rules = fitted_rules(taken, catalogue(60))
    whole, some = (
        examples_at(taken, catalogue(60), rules, BEGINS + 30 * DAY_S, DAY_S, SIZES, 50, n, np.random.default_rng(0))
        for n in (None, 5)
    )
    assert some.taken.sum() == whole.taken.sum()
    assert some.weight.sum() == pytest.approx(whole.weight.sum())
    assert some.taken.size < whole.taken.size


def test_moments_do_not_share_what_they_look_at():
    data = trained_on([0] * 101, [0] * 101, 1).interactions
    plan = Plan.of(data, 4, None)
    ends = float(data.at.max())
    assert plan.moments[-1] + plan.horizon_s == pytest.approx(ends)
    assert (plan.moments[:-1] + plan.horizon_s <= plan.moments[-1] + 1e-6).all()
    assert (np.diff(plan.moments) > 0).all()
    assert Plan.of(trained_on([0], [0], 1).interactions, 4, None).moments.size == 0


def test_labels_that_are_all_equal_leave_popularity():
    training = trained_on([0, 1] * 30, [0] * 60, 3)
    for kind in (Boosting, SVM):
        model = kind(kind.Config(**FEW))
        model.fit(training)
        scores = model.scores(Histories.of(training.interactions, np.array([0]), np.array([1e10])), training.items)
        assert int(np.argmax(scores[0])) == 0


def test_a_sigmoid_finds_the_probabilities_behind_scores():
    rng = np.random.default_rng(0)
    score = rng.normal(3.0, 5.0, 20_000)
    truth = 1 / (1 + np.exp(-(0.4 * score - 2.0)))
    found = Sigmoid.fit(score, rng.random(score.size) < truth)
    assert found.slope == pytest.approx(0.4, abs=0.03)
    assert found.offset == pytest.approx(-2.0, abs=0.1)
    assert (np.diff(found.probability(np.sort(score))) >= 0).all()


@pytest.mark.parametrize("happened", [np.zeros(50, bool), np.ones(50, bool)])
def test_a_sigmoid_of_one_kind_only_is_not_certain(happened):
    p = Sigmoid.fit(np.linspace(0, 1, 50), happened).probability(np.array([0.5]))[0]
    assert 0.01 < p < 0.99


def test_a_sigmoid_never_turns_the_order_round():
    found = Sigmoid.fit(np.linspace(-1, 1, 100), np.linspace(-1, 1, 100) < 0)
    assert found.slope > 0
    assert Sigmoid.fit(np.empty(0), np.empty(0, bool)).probability(np.zeros(1))[0] == pytest.approx(0.01)


def test_the_report_of_a_calibration_by_hand():
    report = calibration_report(np.array([0.2, 0.2, 0.8, 0.8]), np.array([False, False, True, False]))
    assert report["base_rate"] == 0.25
    assert report["auc"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert report["log_loss"] == pytest.approx(-(2 * np.log(0.8) + np.log(0.8) + np.log(0.2)) / 4)


def test_numbers_of_features_that_are_missing_cannot_come_in():
    x = np.array([[np.nan, np.inf]], np.float32)
    judge = Judge.of_plane(np.ones(len(FEATURES)), 0.0, np.ones(len(FEATURES)))
    assert not np.isfinite(judge.margin(np.pad(x, ((0, 0), (0, len(FEATURES) - 2))))).all()  # so Sight never lets them


@pytest.mark.parametrize("kind", [Boosting, Forest])
def test_without_the_library_it_says_what_to_install_but_still_answers(kind, monkeypatch):
    data = planted()
    config = {"n_trees": 3, **FEW}
    model = kind(kind.Config(**config))
    model.fit(data.training)
    state = model.encode()
    original = builtins.__import__

    def without(name, *rest):
        if name.split(".")[0] in ("lightgbm", "sklearn"):
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr("importlib.import_module", without)
    again = kind(kind.Config(**config))
    again.decode(state)
    few = next(data.questions.chunks(3))
    assert np.array_equal(again.scores(few, data.training.items), model.scores(few, data.training.items))
    with pytest.raises(NotInstalledError, match="penchant\\[trees\\]"):
        kind(kind.Config(**config)).fit(data.training)


def test_rows_of_nothing_teach_nothing():
    assert not Examples.joined([]).teaches


@pytest.mark.parametrize("wrong", [{"n_trees": 0}, {"learning_rate": 2.0}, {"moments": 0}, {"trees": 3}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        BoostingConfig(**wrong)
