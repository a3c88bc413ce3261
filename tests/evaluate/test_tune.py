from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from pydantic import BaseModel, Field

from penchant.domain.space import Between, OneOf, space_of
from penchant.errors import ConfigError
from penchant.evaluate.tune import Plan, explained, outcome, search
from penchant.interest.models import MODELS

pytest.importorskip("optuna")
SPACE = {"x": Between(0.0, 1.0), "k": Between(1, 9), "kind": OneOf(("good", "bad"))}


def hill(settings, tell):
    """Best at x = 0.3 and "good"; k does not matter."""
    return 1.0 - (settings["x"] - 0.3) ** 2 - 0.5 * (settings["kind"] == "bad")


def test_grids_of_ranges():
    assert Between(0.0, 1.0).grid(3) == [0.0, 0.5, 1.0]
    assert Between(1, 3).grid(9) == [1, 2, 3]
    assert Between(1, 100, log=True).grid(3) == [1, 10, 100]
    assert Between(0.0, 1.0).grid(1) == [0.5]
    assert OneOf((None, 2)).grid(1) == [None, 2]


class Config(BaseModel):
    share: float = Field(default=0.4, gt=0, le=1)
    n: int = Field(default=50, ge=20)
    switch: bool = True
    none: float | None = None
    zero: float = 0.0


class Plain:
    Config = Config


class Told(Plain):
    space: ClassVar = {"share": Between(0.1, 0.2)}


def test_a_space_that_nobody_gave_lies_around_the_defaults_within_the_limits():
    assert space_of(Told) == {"share": Between(0.1, 0.2)}
    found = space_of(Plain)
    assert found == {"share": Between(0.05, 1.0, log=True), "n": Between(20, 400, log=True)}
    assert found["n"].whole
    for values in ({"share": 0.05, "n": 20}, {"share": 1.0, "n": 400}):
        Config(**values)


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_it_finds_the_hill_and_what_matters(method):
    plan = Plan(f"hill {method}", method, 40, prune=False)
    search(SPACE, hill, plan)
    found = outcome(plan, SPACE)
    assert len(found.trials) == 40
    assert found.best["kind"] == "good"
    assert found.best["x"] == pytest.approx(0.3, abs=0.1)
    assert found.value == pytest.approx(hill(found.best, None))
    assert sum(found.importance.values()) == pytest.approx(1.0)
    assert max(found.importance, key=found.importance.get) == "kind"


def test_a_grid_tries_every_combination_once():
    plan = Plan("grid", "grid", 100, prune=False)
    search(SPACE, hill, plan)
    found = outcome(plan, SPACE)
    assert len(found.trials) == 3 * 3 * 2
    assert len({tuple(sorted(one.settings.items())) for one in found.trials}) == 18
    assert found.best["x"] == 0.5


def test_the_defaults_are_tried_first():
    plan = Plan("start", "random", 3)
    search(SPACE, hill, plan, {"x": 0.3, "k": 2, "kind": "good", "other": 1})
    assert outcome(plan, SPACE).trials[0].settings == {"x": 0.3, "k": 2, "kind": "good"}


def test_trials_that_lag_behind_are_cut_short():
    seen = []

    def slow(settings, tell):
        for step in range(3):
            tell(step, settings["x"])
            seen.append(step)
        return settings["x"]

    plan = Plan("prune", "random", 30)
    search({"x": Between(0.0, 1.0)}, slow, plan)
    found = outcome(plan, {"x": Between(0.0, 1.0)})
    cut = [one for one in found.trials if one.state == "pruned"]
    assert 5 <= len(cut) < 30
    assert all(one.value is None for one in cut)
    assert len(seen) < 90
    assert found.best["x"] > 0.9


def test_an_interrupted_search_goes_on_from_its_file(tmp_path):
    file = tmp_path / "deep" / "trials.db"
    plan = Plan("resume", "bayes", 12, file)
    count = []

    def breaks(settings, tell):
        count.append(settings)
        if len(count) == 5:
            raise KeyboardInterrupt
        return hill(settings, tell)

    with pytest.raises(KeyboardInterrupt):
        search(SPACE, breaks, plan)
    assert len(outcome(plan, SPACE).trials) == 5
    search(SPACE, hill, plan)
    found = outcome(plan, SPACE)
    assert sum(one.state == "complete" for one in found.trials) == 12
    search(SPACE, breaks, plan)  # full: nothing is tried any more
    assert len(count) == 5


def test_what_a_setting_explains_by_hand():
    value = np.array([1.0, 1.0, 3.0, 3.0, 1.0, 3.0])
    assert explained(["a", "a", "b", "b", "a", "b"], value) == pytest.approx(1.0)
    assert explained(["a", "b", "a", "b", "b", "a"], value) == 0.0
    assert explained([True, True, False, False, True, False], value) == pytest.approx(1.0)
    assert explained([1.0] * 6, value) == 0.0
    assert explained(list(range(6)), np.zeros(6)) == 0.0
    # Two groups of mean 1 and 2 with one off by 1 on each side: SSB 1.5, MSW 4 / 4, SST 5.5.
    assert explained(list("aaabbb"), np.array([0.0, 1.0, 2.0, 1.0, 2.0, 3.0])) == pytest.approx((1.5 - 1.0) / 5.5)


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(ConfigError, match="no setting to search"):
        search({}, hill, Plan("empty"))
    with pytest.raises(ConfigError, match="no trial came to an end"):
        outcome(Plan("nothing"), SPACE)
    with pytest.raises(ConfigError, match="known: grid, random, bayes"):
        search(SPACE, hill, Plan("luck", "luck"))


def test_the_same_seed_tries_the_same():
    tried = []
    for name in ("one", "two"):
        plan = Plan(f"same {name}", "bayes", 9, seed=4)
        search(SPACE, hill, plan)
        tried.append([one.settings for one in outcome(plan, SPACE).trials])
    assert tried[0] == tried[1]
    assert not np.isnan(outcome(Plan("same one", "bayes", 9, seed=4), SPACE).value)


@pytest.mark.parametrize("name", ["rules", "ngram", "neural_ngram", "svm", "tree", "forest", "boosting", "ease"])
def test_both_ends_of_every_given_range_are_allowed(name):
    kind = MODELS[name]
    for end in (0, -1):
        settings = {setting: values.grid(2)[end] for setting, values in kind.space.items()}
        assert kind.Config(**settings).model_dump().items() >= settings.items()


def test_every_model_has_something_to_tune():
    for name in MODELS:
        for end in (0, -1):
            space = space_of(MODELS[name])
            MODELS[name].Config(**{setting: values.grid(2)[end] for setting, values in space.items()})
