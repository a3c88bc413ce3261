"""Cold start: users of whom little is known, items that nobody has taken yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.domain.batch import EventBatch
from penchant.domain.item_model import Histories
from penchant.errors import ConfigError
from penchant.evaluate.metrics.evidence import NOTHING
from penchant.evaluate.ranking import Asked, Lists, ahead, gains, of_rows, score_lists
from penchant.evaluate.report import Chart, ModelResult, Report, Section
from penchant.evaluate.statistics import Interval, bootstrap_mean
from penchant.loop.asking import Answers, Rules, ask_engine
from penchant.loop.bench import Bench, best_baseline, item_models
from penchant.loop.questions import Questions, Split, questions, split
from penchant.math.arrays import BoolArray, FloatArray, Int32Array, IntArray

if TYPE_CHECKING:
    import polars as pl

    from penchant.engine import Engine
    from penchant.loop.evaluating import Evaluation

NAN = float("nan")
RANDOM = "random order"


@dataclass(frozen=True)
class ColdPlan:
    """What is asked.

    Attributes:
        n: Length of the lists.
        test: Share of the events after the cut.
        max_users: New users at most; never more than half of those that there are.
        models: Names of the item models; None for all.
        known: How many events of a new user are known, growing.
    """

    n: int = 10
    test: float = 0.1
    max_users: int = 300
    models: Sequence[str] | None = None
    known: Sequence[int] = (0, 1, 3, 5)


def cold_start(evaluation: Evaluation, plan: ColdPlan) -> Report:
    """Return the tables of new users and new items; see ``Evaluation.cold``."""
    names = item_models(plan.models)
    if not plan.known or list(plan.known) != sorted(set(plan.known)) or plan.known[0] < 0:
        raise ConfigError(f"known is {list(plan.known)}; give growing numbers of events, none below 0")
    parted = split(evaluation.frame, "global_time", plan.test)
    with evaluation.make() as engine:
        return _Cold(evaluation, plan, parted, engine).run(names)


class _Cold:
    """One run: users held out of the training, then both kinds of questions to the same fitted models."""

    def __init__(self, evaluation: Evaluation, plan: ColdPlan, parted: Split, engine: Engine) -> None:
        self.evaluation, self.plan, self.parted, self.engine = evaluation, plan, parted, engine
        self.rng = np.random.default_rng([evaluation.seed, 14])

    def run(self, names: list[str]) -> Report:
        """Return the report."""
        evaluation, plan = self.evaluation, self.plan
        newcomers = self._newcomers()
        hidden = evaluation.frame["user_id"].is_in(newcomers).fill_null(value=False).to_numpy()
        bench = Bench(
            evaluation, self.engine, Split(evaluation.frame, self.parted.late | hidden, "global_time", self.parted.at)
        )
        bench.learn()
        asked = self._of_new_users(bench.batch, newcomers, self.engine.recommender.seen_allowed)
        self._teach(bench.batch, newcomers)
        fresh = self._new_items(bench)
        about = self._of_new_items(bench.batch, set(newcomers), fresh)
        rules = Rules([self.engine.recommender.seen_allowed])
        only = Rules([True], fresh)
        depth = max(plan.n, 100)
        users = ask_engine(self.engine, asked, None, rules, plan.n, depth, evaluation.progress)
        items = ask_engine(self.engine, about, None, only, plan.n, depth, evaluation.progress)
        for model in bench.models(names):
            bench.ask(model, asked, rules, depth, users, plan.n)
            bench.ask(model, about, only, depth, items, plan.n)
        whole = bench.asked(asked)
        section, lines = self._users_table(asked, whole, users.lists[rules.seen[0]])
        results = [replace(one, fit_s=bench.fit_s.get(one.model, 0.0)) for one in section]
        return evaluation.report(
            results,
            {
                "kind": "cold start",
                "split": "global_time",
                "leaks": False,
                "cut": self.parted.cut,
                "catalogue": "full",
                "items": whole.n_items,
                "n": plan.n,
                "new_users": len(newcomers),
                "queries": len(asked),
                "events_known": list(plan.known),
                "seen_items": "allowed" if rules.seen[0] else "excluded",
                "train_events": int((~bench.parted.late).sum()),
                "interval": "95 %, bootstrap over users, 1000 resamples",
            },
            [
                "new users were held out of the training; of each the last 0, 1, … events before the cut are shown, and "
                "what the user took after it is looked for: the same for every number",
                *bench.notes(),
            ],
            [lines, *self._items_tables(about, bench.asked(about), items, fresh)],
        )

    def _newcomers(self) -> list[str]:
        """Return users who took enough before the cut and something after it, at random, at most half of them."""
        frame, least = self.evaluation.frame, max(1, self.plan.known[-1])
        batch = _batch(frame)
        taken = (batch.user >= 0) & (batch.item >= 0) & (batch.weight > 0)
        before = np.bincount(batch.user[taken & ~self.parted.late], minlength=len(batch.users))
        after = np.bincount(batch.user[taken & self.parted.late], minlength=len(batch.users))
        there = np.flatnonzero((before >= least) & (after > 0))
        n = min(self.plan.max_users, there.size // 2)
        if n < 1:
            raise ConfigError(
                f"{there.size} users took {least} things before the cut and something after it; at least 2 are needed"
            )
        return [batch.users[user] for user in sorted(self.evaluation.sample(there, n))]

    def _of_new_users(self, batch: EventBatch, newcomers: list[str], seen: bool) -> Questions:
        """Return a question for each new user and number of known events."""
        number = {name: row for row, name in enumerate(batch.users)}
        users = np.array([number[name] for name in newcomers], dtype=np.int64)
        full = questions(self.parted, batch, set(users.tolist()))
        parts: list[IntArray] = []
        for q in range(len(full)):
            events = np.arange(full.histories.start[q], full.histories.start[q + 1])
            parts += [events[events.size - k :] for k in self.plan.known]
        times = len(self.plan.known)
        start = np.concatenate([[0], np.cumsum([part.size for part in parts])]).astype(np.int64)
        rows = np.concatenate(parts)
        last = self.plan.known[-1]
        relevant = []
        for q, items in enumerate(full.relevant):
            mine = full.histories.item[full.histories.start[q + 1] - last : full.histories.start[q + 1]]
            relevant.append(items if seen else np.setdiff1d(items, mine, assume_unique=False))
        asked_at = np.repeat(full.asked_at, times)
        histories = Histories(
            start, full.histories.item[rows], full.histories.at[rows], full.histories.weight[rows], asked_at
        )
        return Questions(
            np.repeat(full.users, times),
            [_alias(name, k) for name in full.user_ids for k in self.plan.known],
            asked_at,
            [items for items in relevant for _ in range(times)],
            np.zeros(asked_at.size, np.int64),
            histories,
            full.known,
        )

    def _teach(self, batch: EventBatch, newcomers: list[str]) -> None:
        """Let the engine fold the known events of each new user, once for every number of events, under its own name."""
        import polars as pl

        number = {name: row for row, name in enumerate(batch.users)}
        taken = (batch.item >= 0) & (batch.weight > 0) & ~self.parted.late
        for name in newcomers:
            rows = np.flatnonzero(taken & (batch.user == number[name]))
            rows = rows[np.lexsort((rows, batch.at[rows]))]
            for k in self.plan.known:
                mine = self.evaluation.frame[rows[rows.size - k :].tolist()]
                renamed = (pl.col("event_id") + _alias("", k), pl.lit(_alias(name, k)).alias("user_id"))
                if mine.height:
                    self.engine.replay(mine.with_columns(*renamed))

    def _new_items(self, bench: Bench) -> BoolArray:
        """Return the items that the catalogue knew at the cut and nobody had taken, shape ``(I,)``."""
        since = self.engine.recommender.index.arrays()[2]
        batch = bench.batch
        early = (batch.item >= 0) & (batch.user >= 0) & ~self.parted.late
        taken = np.bincount(batch.item[early], minlength=since.size) > 0
        return np.isfinite(since) & (since < self.parted.at) & ~taken

    def _of_new_items(self, batch: EventBatch, newcomers: set[str], fresh: BoolArray) -> Questions:
        """Return a question for each other user who took one of the new items after the cut."""
        took = np.zeros(len(batch), dtype=np.bool_)
        named = (batch.item >= 0) & (batch.user >= 0) & self.parted.late & (batch.weight > 0)
        took[named] = fresh[batch.item[named]]
        users = {user for user in np.unique(batch.user[took]).tolist() if batch.users[user] not in newcomers}
        sample = self.evaluation.sample(np.array(sorted(users), dtype=np.int64), self.plan.max_users)
        asked = questions(self.parted, batch, sample)
        return replace(asked, relevant=[items[fresh[items]] for items in asked.relevant])

    def _users_table(self, asked: Questions, whole: Asked, lists: Lists) -> tuple[list[ModelResult], Section]:
        """Return a line a model with NDCG by number of known events, and the same as a chart."""
        n, known = self.plan.n, self.plan.known
        place = np.arange(len(asked)) % len(known)
        columns: dict[str, dict[str, Interval]] = {name: {} for name in lists}
        by_k: list[dict[str, FloatArray]] = []
        for number, k in enumerate(known):
            keep = (place == number) & whole.answerable
            part = whole.only(keep)
            values = gains(of_rows(lists, keep), part, n)
            by_k.append(values)
            for name, value in values.items():
                columns[name][f"ndcg@{n} {k}"] = bootstrap_mean(value, part.users, self.rng)
        users = whole.only((place == 0) & whole.answerable).users
        for name in lists:
            gained = bootstrap_mean(by_k[-1][name] - by_k[0][name], users, self.rng)
            columns[name][f"gained_ndcg@{n}"] = gained
        best = best_baseline(by_k[-1])
        if best is not None:
            for name, one in ahead(by_k[-1], best, users, self.rng).items():
                columns[name][f"above_{best}_ndcg@{n}"] = one
        order = sorted(lists, key=lambda name: (-float(by_k[-1][name].mean()), name))
        lines = {name: [(float(k), columns[name][f"ndcg@{n} {k}"].value) for k in known] for name in order[:8]}
        chart = Chart(
            "What each known event is worth", "events known of the user", f"NDCG@{n}", lines,
            caption="The eight models that are best with the most events.",
        )  # fmt: skip
        results = [ModelResult(name, columns[name], 0.0, NAN) for name in order]
        return results, Section("new_users", "New users", [], charts=[chart])

    def _items_tables(self, asked: Questions, whole: Asked, answers: Answers, fresh: BoolArray) -> list[Section]:
        """Return how well each model orders the new items alone; nothing where nobody took one."""
        keep = whole.answerable
        if not keep.any():
            return []
        n, part, lists = self.plan.n, whole.only(keep), of_rows(answers.lists[True], keep)
        scored = score_lists(lists, part, n, self.rng, ("ndcg", "recall", "coverage"))
        rows = sorted(scored, key=lambda name: -scored[name][f"ndcg@{n}"].value)
        models = [
            ModelResult(name, {**scored[name], "answered": Interval.point(_answered(lists[name]))}, NAN, NAN)
            for name in rows
        ]
        chance = {f"ndcg@{n}": Interval.point(_by_chance(part.relevant, int(fresh.sum()), n))}
        facts: dict[str, Any] = {"new_items": int(fresh.sum()), "queries": len(part.relevant)}
        note = (
            "only items that the catalogue knew at the cut and nobody had taken compete; answered is the share of "
            "questions to which the model named any of them"
        )
        models.append(ModelResult(RANDOM, chance, NAN, NAN))
        return [Section("new_items", "New items", models, facts, [note])]


def _batch(frame: pl.DataFrame) -> EventBatch:
    from penchant.domain.vocabulary import Vocabulary

    return EventBatch.from_frame(frame, Vocabulary(), Vocabulary())


def _alias(name: str, known: int) -> str:
    return f"{name}~{known} known"


def _answered(lists: Int32Array) -> float:
    return float((lists[:, 0] != NOTHING).mean()) if lists.shape[1] else 0.0


def _by_chance(relevant: Sequence[IntArray], n_items: int, n: int) -> float:
    """Return the expected NDCG@n of a random order of ``n_items`` items."""
    discount = 1.0 / np.log2(np.arange(2, n + 2))
    expected = [
        items.size / n_items * discount[: min(n, n_items)].sum() / discount[: min(n, items.size)].sum()
        for items in relevant
    ]
    return float(np.mean(expected))
