"""The ranking table: every source, every item model and the pipeline, on the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.errors import ConfigError
from penchant.evaluate.ranking import Asked, Lists, ahead, gains, of_rows, score_lists
from penchant.evaluate.report import ModelResult, Report, Section
from penchant.evaluate.statistics import Interval
from penchant.evaluate.strata import by_length, by_popularity
from penchant.loop.asking import PIPELINE, Answers, Rules, ask_engine
from penchant.loop.bench import Bench, best_baseline, item_models
from penchant.loop.questions import Questions, questions, split
from penchant.math.arrays import IntArray

if TYPE_CHECKING:
    from penchant.loop.evaluating import Evaluation

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


def compare(evaluation: Evaluation, plan: RankingPlan) -> Report:
    """Return the ranking report; see ``Evaluation.ranking``."""
    names = item_models(plan.models)
    if plan.seen not in SEEN:
        raise ConfigError(f"seen is {plan.seen!r}; known: {', '.join(SEEN)}")
    parted = split(evaluation.frame, plan.protocol, plan.test)
    with evaluation.make() as engine:
        bench = Bench(evaluation, engine, parted)
        bench.learn()
        asked = _questions(bench, plan)
        del bench.batch
        auto = engine.recommender.seen_allowed
        rules = Rules({"auto": [auto], "allow": [True], "exclude": [False], "both": [auto, not auto]}[plan.seen])
        later = parted.part(True).sort("at_us", maintain_order=True) if plan.protocol == "replay" else None
        depth = max(plan.n, 100)  # so that AUC sees more than the list shown
        at = parted.at + 1.0 if parted.leaks else None
        answers = ask_engine(engine, asked, later, rules, plan.n, depth, evaluation.progress, at)
        for model in bench.models(names):
            bench.ask(model, asked, rules, depth, answers, plan.n)
        return _report(bench, plan, asked, answers, rules)


def _questions(bench: Bench, plan: RankingPlan) -> Questions:
    parted, batch = bench.parted, bench.batch
    taken = parted.late & (batch.user >= 0) & (batch.item >= 0) & (batch.weight > 0)
    users = bench.evaluation.sample(np.unique(batch.user[taken]), plan.max_users)
    if not users:
        hint = "no user took two things" if parted.leaks else "nobody took anything after the cut"
        raise ConfigError(f"{hint}; {'use global_time' if parted.leaks else 'give a larger share to test'}")
    return questions(parted, batch, users)


def _report(bench: Bench, plan: RankingPlan, asked: Questions, answers: Answers, rules: Rules) -> Report:
    evaluation, parted = bench.evaluation, bench.parted
    rng = np.random.default_rng([evaluation.seed, 10])
    whole = bench.asked(asked)
    tables = [_Table(plan.n, rule, asked, whole, answers.lists[rule]) for rule in rules.seen]
    main = tables[0]
    results = main.results(rng, answers, bench)
    sections = [section for table in tables[1:] for section in [table.other(rng)]]
    sections += [main.popularity(rng), main.history(rng)]
    notes = [
        "peak_mb is the most memory that fitting and asking took beyond what the process held before (Linux); "
        "p50_ms and p99_ms are of one list for one user, for the pipeline with all of its sources and what they ask for",
        *bench.notes(),
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
            "repeat_share": round(bench.engine.recommender.repeat_share, 4),
            "train_events": int((~parted.late).sum()),
            "test_events": int(parted.late.sum()),
            "interval": "95 %, bootstrap over users, 1000 resamples",
            "fold_s": round(bench.folded_s, 3),
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
        return best_baseline(self.values)

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

    def results(self, rng: np.random.Generator, answers: Answers, bench: Bench) -> list[ModelResult]:
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
                bench.fit_s.get(name, 0.0),
                bench.peak_mb.get(name, float("nan")),
                bench.settings.get(name, {}),
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
