"""The ranking table: every source, every item model and the pipeline, on the same questions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from penchant.domain.batch import EventBatch
from penchant.domain.item_model import ItemTraining
from penchant.errors import ConfigError, NotInstalledError, UnknownNameError
from penchant.evaluate.peak import PeakMemory
from penchant.evaluate.ranking import Asked, Lists, ahead, gains, of_rows, score_lists
from penchant.evaluate.report import ModelResult, Report, Section
from penchant.evaluate.statistics import Interval
from penchant.evaluate.strata import by_length, by_popularity
from penchant.interest.models import MODELS
from penchant.loop.asking import PIPELINE, Answers, Rules, ask_engine, ask_model, merged, time_model
from penchant.loop.model_source import model_source
from penchant.loop.questions import Questions, Split, first_named, questions, split
from penchant.math.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from penchant.engine import Engine
    from penchant.loop.evaluating import Evaluation

CHUNK = 200_000
BASELINES = ("popular", "most_popular", "recent", "repeat", "most_recent", "new")
"""What needs no model: the best of them is what every model has to beat."""
Seen = Literal["auto", "allow", "exclude", "both"]
SEEN: dict[str, str] = {
    "auto": "as the pipeline decides: allowed where people repeat",
    "allow": "items that the user dealt with may come again",
    "exclude": "they may not",
    "both": "one table as the pipeline decides, one the other way",
}


@dataclass(frozen=True)
class RankingPlan:
    """What is asked.

    Attributes:
        protocol: ``global_time``, ``replay`` or ``leave_one_out``; see ``penchant.loop.questions.split``.
        n: Length of the lists.
        test: Share of the events after the cut.
        max_users: Ask a random sample of users; None for all.
        models: Names of the item models; None for all that are registered.
        seen: Whether items that the user dealt with may come again; see ``SEEN``.
    """

    protocol: str = "global_time"
    n: int = 10
    test: float = 0.1
    max_users: int | None = None
    models: Sequence[str] | None = None
    seen: str = "auto"

    def names(self) -> list[str]:
        """Return the item models that are asked, each once.

        Raises:
            UnknownNameError: When there is no such model.
        """
        chosen = list(MODELS) if self.models is None else list(dict.fromkeys(self.models))
        for name in chosen:
            if name not in MODELS:
                raise UnknownNameError("item model", name, MODELS)
        return chosen


@dataclass
class Trained:
    """What fitting cost, by model, and which models could not take part."""

    fit_s: dict[str, float] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


def compare(evaluation: Evaluation, plan: RankingPlan) -> Report:
    """Return the ranking report; see ``Evaluation.ranking``."""
    names = plan.names()
    if plan.seen not in SEEN:
        raise ConfigError(f"seen is {plan.seen!r}; known: {', '.join(SEEN)}")
    parted = split(evaluation.frame, plan.protocol, plan.test)
    with evaluation.make() as engine:
        return _compare(evaluation, plan, parted, engine, names)


def _compare(evaluation: Evaluation, plan: RankingPlan, parted: Split, engine: Engine, names: list[str]) -> Report:
    began = time.perf_counter()
    for start in range(0, evaluation.frame.height, CHUNK):  # no second copy of the training events
        early = ~parted.late[start : start + CHUNK]
        engine.replay(evaluation.frame.slice(start, CHUNK).filter(early))
    folded_s = time.perf_counter() - began
    evaluation.progress("fit the pipeline", 0, 1)
    trained = Trained()
    with PeakMemory() as peak:
        fitted = engine.fit()
    trained.fit_s = {name: float(one["seconds"]) for name, one in fitted.items() if isinstance(one, dict)}
    trained.fit_s[PIPELINE] = sum(trained.fit_s.values())
    trained.peak_mb[PIPELINE] = peak.mb
    at_the_cut = engine.recommender.table()
    batch = EventBatch.from_frame(evaluation.frame, engine.ledger.items, engine.ledger.topics)
    asked = _questions(evaluation, plan, parted, batch)
    rules = Rules(_rules(plan.seen, engine.recommender.seen_allowed))
    later = parted.part(True).sort("at_us", maintain_order=True) if plan.protocol == "replay" else None
    depth = max(plan.n, 100)  # so that AUC sees more than the list shown
    at = parted.at + 1.0 if parted.leaks else None
    answers = ask_engine(engine, asked, later, rules, plan.n, depth, evaluation.progress, at)
    items, named_at = engine.recommender.table(), _known_at(engine, batch, parted.leaks)
    training = ItemTraining(asked.known, at_the_cut.padded(items.n_items), evaluation.seed, evaluation.progress)
    for number, name in enumerate(names):
        evaluation.progress("models", number, len(names))
        try:
            model = model_source(name, engine.settings.components).model
            began = time.perf_counter()
            with PeakMemory() as peak:
                model.fit(training)
                trained.fit_s[name] = time.perf_counter() - began
                lists = ask_model(model, asked, items, named_at, rules, depth, evaluation.progress)
        except NotInstalledError as error:
            trained.missing[name] = str(error)
            continue
        trained.peak_mb[name] = peak.mb
        merged(answers, lists, name, time_model(model, asked, items, plan.n))
    trained.settings[PIPELINE] = {"weights": fitted["blend"]["weights"]}
    return _report(evaluation, plan, engine, asked, answers, trained, rules, folded_s, parted)


def _questions(evaluation: Evaluation, plan: RankingPlan, parted: Split, batch: EventBatch) -> Questions:
    taken = parted.late & (batch.user >= 0) & (batch.item >= 0) & (batch.weight > 0)
    users = evaluation.sample(np.unique(batch.user[taken]), plan.max_users)
    if not users:
        hint = "no user took two things" if parted.leaks else "nobody took anything after the cut"
        raise ConfigError(f"{hint}; {'use global_time' if parted.leaks else 'give a larger share to test'}")
    return questions(parted, batch, users)


def _rules(seen: str, auto: bool) -> list[bool]:
    return {"auto": [auto], "allow": [True], "exclude": [False], "both": [auto, not auto]}[seen]


def _known_at(engine: Engine, batch: EventBatch, leaks: bool) -> FloatArray:
    """Return when each item could first be recommended; with leave-one-out every item of the log can."""
    since = engine.recommender.index.arrays()[2]
    named = first_named(batch, since.size)
    return np.where(np.isfinite(named), -np.inf, np.inf) if leaks else np.maximum(named, since)


def _report(
    evaluation: Evaluation,
    plan: RankingPlan,
    engine: Engine,
    asked: Questions,
    answers: Answers,
    trained: Trained,
    rules: Rules,
    folded_s: float,
    parted: Split,
) -> Report:
    rng = np.random.default_rng([evaluation.seed, 10])
    whole = Asked(
        asked.relevant,
        asked.users,
        len(engine.ledger.items),
        np.bincount(asked.known.item, minlength=len(engine.ledger.items)).astype(np.float64),
        engine.recommender.index.arrays()[0],
    )
    tables = [_Table(plan.n, rule, asked, whole, answers.lists[rule]) for rule in rules.seen]
    main = tables[0]
    results = main.results(rng, answers, trained)
    sections = [section for table in tables[1:] for section in [table.other(rng)]]
    sections += [main.popularity(rng), main.history(rng)]
    notes = [
        "peak_mb is the most memory that fitting and asking took beyond what the process held before (Linux); "
        "p50_ms and p99_ms are of one list for one user, for the pipeline with all of its sources and what they ask for",
        *(f"{name} is left out: {why}" for name, why in sorted(trained.missing.items())),
    ]
    if parted.leaks:
        notes.insert(0, "leave_one_out LEAKS: models learned from what others did later. Compare with published "
                        "figures of the same protocol only; sources are asked at the end of the log")  # fmt: skip
    return evaluation.report(
        results,
        {
            "kind": "ranking",
            "split": plan.protocol,
            "leaks": parted.leaks,
            "cut": parted.cut,
            "catalogue": "full",
            "items": whole.n_items,
            "n": plan.n,
            "queries": int(main.asked.users.size),
            "users": int(np.unique(main.asked.users).size),
            "seen_items": main.word,
            "repeat_share": round(engine.recommender.repeat_share, 4),
            "train_events": int((~parted.late).sum()),
            "test_events": int(parted.late.sum()),
            "interval": "95 %, bootstrap over users, 1000 resamples",
            "fold_s": round(folded_s, 3),
        },
        notes,
        [section for section in sections if section.models],
    )


class _Table:
    """One rule's lists with the queries that can be scored under it."""

    def __init__(self, n: int, seen: bool, questions: Questions, whole: Asked, lists: Lists) -> None:
        relevant = list(questions.relevant) if seen else questions.unseen()
        keep = np.array([items.size > 0 for items in relevant], dtype=np.bool_)
        if not keep.any():
            raise ConfigError("nobody took anything that could be recommended; allow seen items (--seen allow)")
        self.n, self.word = n, "allowed" if seen else "excluded"
        self.asked = whole.only(keep, relevant)
        self.lists = of_rows(lists, keep)
        self.n_events: IntArray = np.diff(questions.histories.start)[keep]
        self.values = gains(self.lists, self.asked, n)

    def ordered(self) -> list[str]:
        """Return the models, the best NDCG first."""
        return sorted(self.values, key=lambda name: (-float(self.values[name].mean()), name))

    def baseline(self) -> str | None:
        """Return the best of what needs no model."""
        there = [name for name in self.ordered() if name in BASELINES]
        return there[0] if there else None

    def differences(self, rng: np.random.Generator) -> dict[str, dict[str, Interval]]:
        """Return by model how far it is above the best baseline, and how far the pipeline is ahead of it."""
        found: dict[str, dict[str, Interval]] = {name: {} for name in self.values}
        if PIPELINE in self.values:
            for name, one in ahead(self.values, PIPELINE, self.asked.users, rng).items():
                found[name][f"pipeline_ahead_ndcg@{self.n}"] = Interval(-one.value, -one.high, -one.low)
        best = self.baseline()
        if best is not None:
            for name, one in ahead(self.values, best, self.asked.users, rng).items():
                found[name][f"above_{best}_ndcg@{self.n}"] = one
        return found

    def results(self, rng: np.random.Generator, answers: Answers, trained: Trained) -> list[ModelResult]:
        """Return the lines of the main table."""
        scored, differences = score_lists(self.lists, self.asked, self.n, rng), self.differences(rng)
        return [
            ModelResult(
                name,
                {
                    **scored[name],
                    **differences[name],
                    **{
                        f"p{q}_ms": Interval.point(answers.quantile_ms(name, q / 100))
                        for q in (50, 99)
                        if name in answers.seconds
                    },
                },
                trained.fit_s.get(name, 0.0),
                trained.peak_mb.get(name, float("nan")),
                trained.settings.get(name, {}),
            )
            for name in self.ordered()
        ]

    def other(self, rng: np.random.Generator) -> Section:
        """Return the table of the other rule."""
        scored = score_lists(self.lists, self.asked, self.n, rng, ("ndcg", "hit_rate", "recall", "mrr", "coverage"))
        differences = self.differences(rng)
        rows = {name: {**scored[name], **differences[name]} for name in self.ordered()}
        title = f"Items that the user dealt with before: {self.word}"
        return _section(f"seen_{self.word}", title, rows, {"queries": int(self.asked.users.size)})

    def popularity(self, rng: np.random.Generator) -> Section:
        """Return the table by popularity of what was taken."""
        counts, scored = by_popularity(self.lists, self.asked, self.n, rng)
        rows = {name: scored[name] for name in self.ordered()}
        note = (
            "head, middle and tail are the items that hold the first, second and last third of the training "
            "interactions, new those without any; only what was taken of the stratum counts as relevant"
        )
        return _section("popularity", "How popular was what was taken?", rows, {"queries": dict(counts)}, [note])

    def history(self, rng: np.random.Generator) -> Section:
        """Return the table by length of the user's history."""
        counts, scored = by_length(self.lists, self.asked, self.n_events, self.n, rng)
        rows = {name: scored[name] for name in self.ordered()}
        return _section("history", "How much was known of the user, in events?", rows, {"queries": dict(counts)})


def _section(
    name: str, title: str, rows: dict[str, dict[str, Interval]], facts: dict[str, Any], notes: Sequence[str] = ()
) -> Section:
    nan = float("nan")
    return Section(name, title, [ModelResult(model, row, nan, nan) for model, row in rows.items()], facts, notes)
