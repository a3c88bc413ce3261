"""Tune an item model: settings are chosen on a slice of time before the test, and tested once."""

from __future__ import annotations

import hashlib
import multiprocessing
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from penchant.clock import from_us, isoformat
from penchant.domain.batch import EventBatch
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.domain.space import Space, space_of
from penchant.errors import ConfigError, UnknownNameError
from penchant.evaluate.metrics.evidence import RankingEvidence
from penchant.evaluate.metrics.ranking import ndcg
from penchant.evaluate.report import Chart, ModelResult, Report, Section
from penchant.evaluate.statistics import Interval, bootstrap_mean, paired_difference
from penchant.evaluate.tune import Method, Outcome, Plan, outcome, search
from penchant.evaluate.tune import Report as Tell
from penchant.interest.models import MODELS
from penchant.loop.fitting import interactions_of
from penchant.math.arrays import FloatArray, IntArray
from penchant.math.top import top_n
from penchant.process.split import time_quantiles

if TYPE_CHECKING:
    from penchant.loop.evaluating import Evaluation

RUNGS = (0.25, 0.5, 1.0)
"""Shares of the training users: a trial that lags on few of them is not tried on more."""
CHUNK = 64
REPEAT = 0.2
"""With at least this share of repeated interactions seen items may come again, as in the pipeline."""


@dataclass(frozen=True, slots=True)
class TuningPlan:
    """What to tune, and how.

    Attributes:
        model: Name of an item model.
        method: ``grid``, ``random`` or ``bayes``.
        trials: How many, those of earlier runs on the same file included.
        file: SQLite file that keeps the trials; an interrupted search goes on from there.
        jobs: Processes that search together.
        prune: Whether trials that lag behind are cut short.
        n: Length of the lists whose NDCG counts.
        validation: Share of the events on which is chosen.
        test: Share of the events after that, looked at once, at the end.
        max_users: Users asked about in each slice.
    """

    model: str
    method: Method = "bayes"
    trials: int = 30
    file: Path | None = None
    jobs: int = 1
    prune: bool = True
    n: int = 10
    validation: float = 0.1
    test: float = 0.1
    max_users: int = 500


@dataclass(frozen=True, slots=True)
class Slice:
    """One training and the questions after it.

    Attributes:
        training: What happened before the cut.
        items: What was known of the items then.
        users: Who is asked about, shape ``(Q,)``.
        relevant: What each of them took afterwards.
        at: The cut, seconds since 1970.
        seen: Whether items of the user's history may come again.
    """

    training: Interactions
    items: ItemTable
    users: IntArray
    relevant: list[IntArray]
    at: float
    seen: bool

    def score(self, model: str, settings: Mapping[str, Any], n: int, share: float, seed: int) -> FloatArray:
        """Return NDCG@n of each question, for a model that learned from a share of the users."""
        kind = MODELS[model]
        fitted = kind(kind.Config(**settings))
        fitted.fit(ItemTraining(_some(self.training, share, seed), self.items, seed))
        known = self.items.since < self.at
        lists: list[IntArray] = []
        for some in Histories.of(self.training, self.users, np.full(self.users.size, self.at - 1e-6)).chunks(CHUNK):
            scores = fitted.scores(some, self.items).astype(np.float64)
            scores[:, ~known] = -np.inf
            for b in range(len(some)):
                if not self.seen:
                    scores[b, some.item[some.row(b)]] = -np.inf
                lists.append(top_n(scores[b], n))
        flat = np.full(self.items.n_items, 1.0 / max(1, self.items.n_items))
        return ndcg(RankingEvidence.from_lists(lists, self.relevant, self.items.n_items, flat), n)


@dataclass(frozen=True, slots=True)
class Problem:
    """What a process needs to try settings."""

    model: str
    slice: Slice
    space: Space
    plan: Plan
    n: int
    seed: int

    def try_out(self, settings: Mapping[str, Any], tell: Tell) -> float:
        """Return the mean NDCG@n on the validation slice, told on the way with growing shares of the users."""
        value = 0.0
        for step, share in enumerate(RUNGS if self.plan.prune else RUNGS[-1:]):
            value = float(self.slice.score(self.model, settings, self.n, share, self.seed).mean())
            tell(step, value)
        return value


def work(problem: Problem) -> None:
    """Search until the study is full; what every process does."""
    defaults = MODELS[problem.model].Config().model_dump()
    search(problem.space, problem.try_out, problem.plan, defaults)


def tune(evaluation: Evaluation, plan: TuningPlan) -> Report:
    """Return the report of a search: the defaults and the best settings on the test slice, every trial, what matters.

    Raises:
        UnknownNameError: When there is no such model.
        ConfigError: When a slice is empty or there is nothing to search.
        NotInstalledError: When Optuna, or what the model needs, is not there.
    """
    if plan.model not in MODELS:
        raise UnknownNameError("item model", plan.model, MODELS)
    if plan.trials < 1 or plan.jobs < 1:
        raise ConfigError(f"{plan.trials} trials in {plan.jobs} processes; at least 1 of each")
    validation, test = slices(evaluation, plan)
    space = space_of(MODELS[plan.model])
    with tempfile.TemporaryDirectory() as folder:
        file = plan.file if plan.file is not None or plan.jobs == 1 else Path(folder) / "trials.db"
        study = Plan(_name(evaluation, plan, space), plan.method, plan.trials, file, plan.prune, evaluation.seed)
        evaluation.progress(f"tune {plan.model}", 0, plan.trials)
        _run(Problem(plan.model, validation, space, study, plan.n, evaluation.seed), plan.jobs)
        found = outcome(study, space)
    evaluation.progress(f"test {plan.model}", 0, 1)
    return _report(evaluation, plan, space, found, validation, test)


def _run(problem: Problem, jobs: int) -> None:
    """Search in this process, and in others beside it."""
    if jobs == 1:
        work(problem)
        return
    work(replace(problem, plan=replace(problem.plan, trials=1)))  # the file, its tables and the defaults, once
    context = multiprocessing.get_context("spawn")
    # Every process has chance of its own: the same would make the same trials.
    problems = [
        replace(problem, plan=replace(problem.plan, seed=problem.plan.seed + 1000 * number)) for number in range(jobs)
    ]
    others = [context.Process(target=work, args=(one,)) for one in problems[1:]]
    for other in others:
        other.start()
    try:
        work(problems[0])
    finally:
        for other in others:
            other.join()
    failed = [other.exitcode for other in others if other.exitcode]
    if failed:
        raise ConfigError(f"{len(failed)} of {jobs} processes failed; their messages stand above")


def slices(evaluation: Evaluation, plan: TuningPlan) -> tuple[Slice, Slice]:
    """Return the slice to choose on and the one to test on.

    Raises:
        ConfigError: When nobody who did something before a cut took anything in the slice after it.
    """
    import polars as pl

    engine = evaluation.make()
    frame = evaluation.frame
    first_us, second_us = time_quantiles(frame, plan.validation, plan.test)
    engine.replay(frame.filter(pl.col("type") == "item"))
    batch = EventBatch.from_frame(frame, engine.ledger.items, engine.ledger.topics)
    table = engine.recommender.table()
    engine.close()
    every = interactions_of(batch)
    end = float(every.at.max(initial=0.0)) + 1.0
    named = np.full(table.n_items, np.inf)
    np.minimum.at(named, every.item, every.at)
    items = replace(table, since=np.where(np.isfinite(table.since), table.since, named))
    found = []
    for name, at, until in (("validation", first_us / 1e6, second_us / 1e6), ("test", second_us / 1e6, end)):
        cut = _slice(every, items, at, until, plan.max_users, evaluation.seed)
        if not cut.users.size:
            raise ConfigError(f"nobody known before took anything in the {name} slice; give it a larger share")
        found.append(cut)
    return found[0], found[1]


def _slice(every: Interactions, items: ItemTable, at: float, until: float, most: int, seed: int) -> Slice:
    early, late = every.at < at, (every.at >= at) & (every.at < until)
    training = _where(every, early)
    seen = training.repeat_share() >= REPEAT
    both = np.intersect1d(every.user[early], every.user[late]).astype(np.int64)
    users, relevant = [], []
    for user in np.random.default_rng([seed, 47]).permutation(both).tolist():
        taken = np.unique(every.item[late & (every.user == user)]).astype(np.int64)
        taken = taken[items.since[taken] < at]
        if not seen:
            taken = np.setdiff1d(taken, training.item[training.user == user])
        if taken.size:
            users.append(user)
            relevant.append(taken)
        if len(users) == most:
            break
    return Slice(training, items, np.array(users, dtype=np.int64), relevant, at, seen)


def _where(interactions: Interactions, keep: Any) -> Interactions:
    taken = {name: getattr(interactions, name)[keep] for name in ("user", "item", "at", "weight")}
    return replace(interactions, **taken)


def _some(interactions: Interactions, share: float, seed: int) -> Interactions:
    """Return what a share of the users did; the same users for the same seed, few of them among many."""
    if share >= 1.0:
        return interactions
    draw = np.random.default_rng([seed, 53]).random(interactions.n_users)
    return _where(interactions, draw[interactions.user] < share)


def _name(evaluation: Evaluation, plan: TuningPlan, space: Space) -> str:
    """Return a name that is the same only where trials can be compared: model, data, slices, space, measure."""
    from penchant.loop.evaluating import data_hash

    what = [plan.n, plan.validation, plan.test, plan.max_users, evaluation.seed, repr(sorted(space.items()))]
    digest = hashlib.blake2b(msgspec.json.encode([data_hash(evaluation.frame), *what]), digest_size=6).hexdigest()
    return f"{plan.model}-{digest}"


def _report(
    evaluation: Evaluation, plan: TuningPlan, space: Space, found: Outcome, validation: Slice, test: Slice
) -> Report:
    rng = np.random.default_rng([evaluation.seed, 59])
    measure, defaults = f"ndcg@{plan.n}", MODELS[plan.model].Config().model_dump(mode="json")
    values = {
        name: test.score(plan.model, settings, plan.n, 1.0, evaluation.seed)
        for name, settings in (("defaults", {}), ("tuned", found.best))
    }
    results = [
        ModelResult(
            f"{plan.model}, {name}",
            {
                measure: bootstrap_mean(value, test.users, rng),
                f"ahead_of_defaults_{measure}": paired_difference(value, values["defaults"], test.users, rng)
                if name == "tuned"
                else Interval.point(0.0),
            },
            float("nan"),
            float("nan"),
            {**{key: defaults[key] for key in space}, **(found.best if name == "tuned" else {})},
        )
        for name, value in values.items()
    ]
    ended = sum(one.value is not None for one in found.trials)
    return evaluation.report(
        results,
        {
            "kind": "tune",
            "model": plan.model,
            "method": plan.method,
            "trials": len(found.trials),
            "cut_short": sum(one.state == "pruned" for one in found.trials),
            "ended": ended,
            "validation_from": isoformat(from_us(round(validation.at * 1e6))),
            "cut": isoformat(from_us(round(test.at * 1e6))),
            "split": "global_time",
            "leaks": False,
            "catalogue": "full",
            "seen_items": "allowed" if test.seen else "excluded",
            "validation_users": int(validation.users.size),
            "test_users": int(test.users.size),
            f"validation_{measure}": round(found.value, 5),
            "interval": "95 %, bootstrap over users, 1000 resamples",
        },
        ["the settings were chosen on the validation slice alone; both rows learn from everything before the test cut"],
        _sections(found, measure),
    )


def _sections(found: Outcome, measure: str) -> list[Section]:
    nan = float("nan")
    ranked = sorted((one for one in found.trials if one.value is not None), key=lambda one: -(one.value or 0.0))
    best, so_far = -np.inf, []
    for one in found.trials:
        if one.value is not None:
            best = max(best, one.value)
            so_far.append((float(one.number), best))
    trials = Section(
        "trials",
        "The ten best trials on the validation slice",
        [
            ModelResult(
                f"trial {one.number}", {measure: Interval.point(one.value or 0.0)}, nan, nan, dict(one.settings)
            )
            for one in ranked[:10]
        ],
        {f"trial {one.number}": _shown(one.settings) for one in ranked[:10]},
        charts=[Chart("Best so far", "trial", f"{measure} on the validation slice", {"best": so_far})]
        if len(so_far) > 1
        else [],
    )
    matter = Section(
        "importance",
        "Which settings matter",
        [
            ModelResult(name, {"importance": Interval.point(value)}, nan, nan)
            for name, value in sorted(found.importance.items(), key=lambda one: -one[1])
        ],
        notes=[
            "share of each setting in the differences between trials, each setting by itself; interplay is not in it"
        ],
    )
    return [trials, matter] if found.importance else [trials]


def _shown(settings: Mapping[str, Any]) -> str:
    """Return settings as text, numbers to four digits."""
    short = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in settings.items()}
    return ", ".join(f"{name} = {value}" for name, value in short.items())
