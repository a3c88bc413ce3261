"""Search for good settings: on a grid, at random, or where earlier trials say it pays; with Optuna."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from penchant.domain.space import Between, OneOf, Space
from penchant.errors import ConfigError, NotInstalledError
from penchant.math.arrays import FloatArray

Method: TypeAlias = Literal["grid", "random", "bayes"]
Report: TypeAlias = Callable[[int, float], None]
"""Told a value on the way: step, value. Raises when the trial is not worth going on with."""
Objective: TypeAlias = Callable[[Mapping[str, Any], Report], float]
"""Returns how good settings are, higher is better."""

GRID = 3
"""Values of each range on a grid."""
LEAST = 10
"""Trials that must have come to an end before it is said which settings matter."""
FIRST = 5
"""Trials that are never cut short: what they reach is the measure for later ones."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to search.

    Attributes:
        name: Of the study; one with the same name in the same file goes on.
        method: ``grid`` tries every combination of three values of each range, ``random`` draws, ``bayes`` draws where
            good trials were (tree-structured Parzen estimator).
        trials: In all, those of earlier runs included; a grid ends when it is through.
        file: SQLite file that keeps every trial; None keeps nothing.
        prune: Whether trials that lag behind the median of the others are cut short.
        seed: Seed of all chance.
    """

    name: str
    method: Method = "bayes"
    trials: int = 30
    file: Path | None = None
    prune: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: its number, settings, value (None when cut short or failed), state and seconds."""

    number: int
    settings: Mapping[str, Any]
    value: float | None
    state: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search found.

    Attributes:
        trials: All of them.
        best: The settings of the best.
        value: Its value.
        importance: How much of the difference between trials each setting alone makes (``explained``), sums to 1; empty
            below ten trials that ended.
    """

    trials: list[Trial]
    best: Mapping[str, Any]
    value: float
    importance: Mapping[str, float] = field(default_factory=dict)


def search(space: Space, objective: Objective, plan: Plan, start: Mapping[str, Any] | None = None) -> None:
    """Try settings until the study holds as many trials as planned; several processes may do so on one file.

    Args:
        space: What to draw from.
        objective: Tries settings.
        plan: How to search.
        start: Settings to try first, such as the defaults; those outside the space are left out.

    Raises:
        ConfigError: When there is nothing to draw from.
        NotInstalledError: When Optuna is not there.
    """
    if not space:
        raise ConfigError("there is no setting to search; give the model's class an attribute space")
    optuna = _optuna()
    study = _study(optuna, plan, space)

    def one(trial: Any) -> float:
        settings = {name: _draw(trial, name, values) for name, values in space.items()}

        def report(step: int, value: float) -> None:
            trial.report(value, step)
            if plan.prune and trial.should_prune():
                raise optuna.TrialPruned

        return objective(settings, report)

    if start and plan.method != "grid" and not study.trials:
        study.enqueue_trial({name: value for name, value in start.items() if _holds(space.get(name), value)})
    done = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    ended = len(study.get_trials(deepcopy=False, states=done))
    if ended < plan.trials:
        study.optimize(one, callbacks=[optuna.study.MaxTrialsCallback(plan.trials, states=done)])


def outcome(plan: Plan, space: Space) -> Outcome:
    """Return what a study has found so far.

    Raises:
        ConfigError: When no trial has come to an end.
    """
    optuna = _optuna()
    study = _study(optuna, plan, space)
    trials = [
        Trial(
            one.number,
            dict(one.params),
            one.value if one.state.name == "COMPLETE" else None,
            one.state.name.lower(),
            one.duration.total_seconds() if one.duration else 0.0,
        )
        for one in study.get_trials(deepcopy=False)
    ]
    ended = [one for one in trials if one.value is not None]
    if not ended:
        raise ConfigError("no trial came to an end; try more of them")
    best = max(ended, key=lambda one: (one.value or 0.0, -one.number))
    value = np.array([one.value for one in ended], dtype=np.float64)
    share = {name: explained([one.settings[name] for one in ended], value) for name in space}
    total = sum(share.values())
    enough = len(ended) >= LEAST and total > 0
    importance = {name: one / total for name, one in share.items()} if enough else {}
    return Outcome(trials, best.settings, float(best.value or 0.0), importance)


def explained(settings: Sequence[Any], value: FloatArray) -> float:
    """Return the share of the variance of ``value`` that groups of trials alike in a setting explain, 0..1.

    Numbers are divided into up to four groups of equal size, texts and switches group themselves. Corrected for what as
    many groups explain by chance: ``epsilon**2 = (SSB - (k - 1) MSW) / SST``, 0 where that is negative.

    Source:
        Kelley, "An unbiased correlation ratio measure", PNAS 1935.
    """
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in settings)
    if numbers:
        ordered = np.asarray(settings, dtype=np.float64)
        group = np.searchsorted(np.unique(np.quantile(ordered, [0.25, 0.5, 0.75])), ordered, "left")
    else:
        group = np.unique([repr(one) for one in settings], return_inverse=True)[1]
    group = np.unique(group, return_inverse=True)[1]
    k, n = int(group.max()) + 1, value.size
    total = float(((value - value.mean()) ** 2).sum())
    if k < 2 or n <= k or total <= 0:
        return 0.0
    mean = np.bincount(group, value) / np.bincount(group)
    within = float(((value - mean[group]) ** 2).sum()) / (n - k)
    return max(0.0, (total - within * (n - k) - (k - 1) * within) / total)


_KEPT: dict[str, Any] = {}
"""Studies of this process that no file keeps."""


def _study(optuna: Any, plan: Plan, space: Space) -> Any:
    if plan.method == "grid":
        choices = {name: values.grid(GRID) for name, values in space.items()}
        sampler = optuna.samplers.GridSampler(choices, seed=plan.seed)
    elif plan.method == "random":
        sampler = optuna.samplers.RandomSampler(seed=plan.seed)
    elif plan.method == "bayes":
        sampler = optuna.samplers.TPESampler(seed=plan.seed, n_startup_trials=FIRST)
    else:
        raise ConfigError(f"no way to search named {plan.method!r}; known: grid, random, bayes")
    pruner = optuna.pruners.MedianPruner(n_startup_trials=FIRST) if plan.prune else optuna.pruners.NopPruner()
    if plan.file is None:
        storage: Any = _KEPT.setdefault(plan.name, optuna.storages.InMemoryStorage())
    else:
        plan.file.parent.mkdir(parents=True, exist_ok=True)
        # Several processes write to one file: each waits for the other.
        storage = optuna.storages.RDBStorage(f"sqlite:///{plan.file}", engine_kwargs={"connect_args": {"timeout": 120}})
    return optuna.create_study(
        storage=storage,
        study_name=plan.name,
        load_if_exists=True,
        direction="maximize",
        sampler=sampler,
        pruner=pruner,
    )


def _draw(trial: Any, name: str, values: Between | OneOf) -> Any:
    if isinstance(values, OneOf):
        return trial.suggest_categorical(name, list(values.values))
    if values.whole:
        return trial.suggest_int(name, int(values.low), int(values.high), log=values.log)
    return trial.suggest_float(name, values.low, values.high, log=values.log)


def _holds(values: Between | OneOf | None, value: Any) -> bool:
    if isinstance(values, OneOf):
        return value in values.values
    return isinstance(values, Between) and isinstance(value, int | float) and values.low <= value <= values.high


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise NotInstalledError("Optuna", "pip install 'penchant[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
