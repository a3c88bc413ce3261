"""The two tables: which list is best (ranking), which profile is right (tracking). Both keep to time."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.clock import from_us, isoformat, now
from penchant.domain.batch import EventBatch
from penchant.domain.vocabulary import Vocabulary
from penchant.errors import ConfigError
from penchant.evaluate.metrics.rating import absolute_error, squared_error
from penchant.evaluate.ranking import Answers, compare, score_lists
from penchant.evaluate.report import ModelResult, Report, Section, current_commit, peak_mb
from penchant.evaluate.statistics import bootstrap_mean
from penchant.loop.fitting import interactions_of
from penchant.math.arrays import BoolArray, Int32Array, IntArray
from penchant.process.split import time_quantiles
from penchant.recommend import RATINGS

if TYPE_CHECKING:
    import polars as pl

    from penchant.engine import Engine

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and of how much."""

CHUNK = 200_000
PIPELINE = "pipeline"
"""Name of the whole pipeline among the models."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of one data set.

    Attributes:
        data: Name of the data set.
        frame: Its events in the log's schema.
        make: Returns an empty engine in memory.
        seed: Seed of all chance.
        progress: Told how far it is.
    """

    data: str
    frame: pl.DataFrame
    make: Callable[[], Engine]
    seed: int = 0
    progress: Progress = lambda _what, _done, _all: None

    def ranking(
        self, protocol: str = "global_time", n: int = 10, test: float = 0.1, max_users: int | None = None
    ) -> Report:
        """Return the ranking table: every source alone, and the pipeline.

        Trained on what happened before a cut in time; asked about every user that took something after it. The catalogue
        is everything known at the cut, and nothing is sampled.

        Args:
            protocol: ``global_time`` asks once, at the cut, for what is taken until the end. ``replay`` asks before every
                moment (basket) after the cut and learns it afterwards.
            n: Length of the lists.
            test: Share of the events after the cut.
            max_users: Ask a random sample of users; None for all.

        Raises:
            ConfigError: When the protocol is unknown or nothing is left to train or test on.
        """
        if protocol not in ("global_time", "replay"):
            raise ConfigError(f"no protocol {protocol!r}; known: global_time, replay")
        import polars as pl

        _, cut_us = time_quantiles(self.frame, 0.0, test)
        later = self.frame.filter(pl.col("at_us") >= cut_us)
        engine = self.make()
        began = time.perf_counter()
        for chunk in self.frame.iter_slices(CHUNK):  # no second copy of the training events
            engine.replay(chunk.filter(pl.col("at_us") < cut_us))
        folded_s = time.perf_counter() - began
        self.progress("fit", 0, 1)
        fitted = engine.fit()
        ledger, recommender = engine.ledger, engine.recommender
        later_batch = EventBatch.from_frame(later, ledger.items, ledger.topics)
        taken = interactions_of(later_batch)
        if not taken.user.size:
            raise ConfigError("nobody took anything after the cut; give a larger share to test")
        seen = recommender.seen_allowed
        users = self.sample(np.unique(taken.user), max_users)
        if protocol == "global_time":
            answers = self._ask_once(engine, later_batch, users, cut_us / 1e6, n)
        else:
            answers = self._ask_always(engine, later, later_batch, users, n)
        n_items = len(ledger.items)
        counts = np.zeros(n_items)
        for state in ledger.states.every("item_population").values():
            counts[state.number] += state.count
        topics = recommender.index.arrays()[0]
        rng = np.random.default_rng([self.seed, 10])
        scored = score_lists(answers, n, n_items, counts / max(1.0, counts.sum()), topics, rng)
        behind = compare(answers, n, n_items, counts, PIPELINE, rng)
        fit_s = {name: float(fitted[name]["seconds"]) for name in fitted if isinstance(fitted[name], dict)}
        fit_s[PIPELINE] = sum(fit_s.values())
        results = [
            ModelResult(
                name,
                {**metrics, **({f"pipeline_ahead_ndcg@{n}": behind[name]} if name in behind else {})},
                fit_s.get(name, 0.0),
                peak_mb(),
                {"weights": fitted["blend"]["weights"]} if name == PIPELINE else {},
            )
            for name, metrics in sorted(scored.items(), key=lambda row: -row[1][f"ndcg@{n}"].value)
        ]
        engine.close()
        return self.report(
            results,
            {
                "kind": "ranking",
                "split": protocol,
                "leaks": False,
                "cut": isoformat(from_us(cut_us)),
                "catalogue": "full",
                "items": n_items,
                "n": n,
                "queries": len(answers.users),
                "users": len(set(answers.users)),
                "seen_items": "allowed" if seen else "excluded",
                "repeat_share": round(recommender.repeat_share, 4),
                "train_events": self.frame.height - later.height,
                "test_events": later.height,
                "interval": "95 %, bootstrap over users, 1000 resamples",
                "fold_s": round(folded_s, 3),
            },
            ["peak_mb is that of the whole process so far: models run in one process, one after the other"],
        )

    def _ask_once(self, engine: Engine, batch: EventBatch, users: set[int], at: float, n: int) -> Answers:
        answers, taken = Answers(), interactions_of(batch)
        at -= 1e-6  # just before the first event after the cut
        for done, (user_id, rows) in enumerate(_by_user(taken.user, batch.users, users)):
            self.progress("ask", done, len(users))
            lists, allowed = engine.recommender.rank_all(user_id, _depth(n), at)
            relevant = np.unique(taken.item[rows]).astype(np.int64)
            answers.add(done, lists, relevant[_may_come(relevant, allowed)])
        return answers

    def _ask_always(self, engine: Engine, later: pl.DataFrame, batch: EventBatch, users: set[int], n: int) -> Answers:
        """Ask before every moment of the chosen users; everybody's events are learned in the order of time."""
        answers = Answers()
        number = {user: place for place, user in enumerate(sorted(users))}
        order = np.lexsort((np.arange(len(batch)), batch.at))
        user, at = batch.user[order], batch.at[order]
        cuts = np.flatnonzero((np.diff(user) != 0) | (np.diff(at) != 0)) + 1
        taken = (batch.item >= 0) & (batch.weight > 0)
        pending: list[int] = []
        for done, rows in enumerate(np.split(order, cuts)):
            relevant = np.unique(batch.item[rows[taken[rows]]]).astype(np.int64)
            who = int(batch.user[rows[0]])
            if who in users and relevant.size:
                self.progress("ask", done, cuts.size + 1)
                engine.replay(later[pending])
                pending = []
                moment = float(batch.at[rows[0]]) - 1e-6
                lists, allowed = engine.recommender.rank_all(batch.users[who], _depth(n), moment)
                answers.add(number[who], lists, relevant[_may_come(relevant, allowed)])
            pending.extend(rows.tolist())
        return answers

    def tracking(
        self,
        test: float = 0.25,
        max_users: int | None = None,
        models: Sequence[str] = (),
        pairs: int = 150,
        activity: bool = True,
    ) -> Report:
        """Return the tracking tables: the tracker against plain models and detectors of change.

        Every model is tuned on what came before the cut only, asked before every event after it, and learns the event
        afterwards. Further tables ask about activity within days, about short-term and long-term interest, and about
        users that were spliced together from two.

        Args:
            test: Share of the events that are scored.
            max_users: Ask a random sample of users; None for all.
            models: Names of topic models; none for all. ``static`` and ``ema`` are always asked.
            pairs: Spliced pairs of users at most; 0 leaves those tables out.
            activity: Whether to ask every week which topics will be active.

        Raises:
            ConfigError: When no event has a topic.
            UnknownNameError: When there is no such model.
        """
        from penchant.loop.tracking import Plan, track

        return track(self, Plan(test, max_users, tuple(models), pairs, activity))

    def ratings(self, test: float = 0.1) -> Report:
        """Return the table of rating predictors: fitted on the ratings before a cut in time, asked about those after it.

        Args:
            test: Share of the events after the cut.

        Raises:
            ConfigError: When there are no ratings on both sides of the cut.
        """
        import polars as pl

        rated = self.frame.filter(pl.col("type") == "rating")
        if rated.height < 2:
            raise ConfigError(f"{self.data} holds {rated.height} ratings; nothing to predict")
        _, cut_us = time_quantiles(rated, 0.0, test)
        batch = EventBatch.from_frame(rated, Vocabulary(), Vocabulary())
        late = batch.at >= cut_us / 1e6
        if late.all() or not late.any():
            raise ConfigError("all ratings lie on one side of the cut; give another share to test")
        rng = np.random.default_rng([self.seed, 13])
        results = []
        for name in RATINGS:
            model = RATINGS[name]()
            began = time.perf_counter()
            model.fit(batch.user[~late], batch.item[~late], batch.value[~late])
            fit_s = time.perf_counter() - began
            said = model.predict(batch.user[late], batch.item[late])
            users = batch.user[late].astype(np.int64)
            metrics = {
                "mae": bootstrap_mean(absolute_error(batch.value[late], said), users, rng),
                "rmse": bootstrap_mean(squared_error(batch.value[late], said), users, rng).transformed(math.sqrt),
            }
            results.append(ModelResult(name, metrics, fit_s, peak_mb()))
        return self.report(
            sorted(results, key=lambda one: one.metrics["rmse"].value),
            {
                "kind": "ratings",
                "split": "global_time",
                "leaks": False,
                "cut": isoformat(from_us(cut_us)),
                "train_ratings": int((~late).sum()),
                "test_ratings": int(late.sum()),
                "interval": "95 %, bootstrap over users, 1000 resamples",
            },
            ["errors are on the data set's own scale"],
        )

    def sample(self, values: IntArray, n: int | None) -> set[int]:
        """Return ``n`` of the values at random, all of them where there are no more."""
        if n is None or values.size <= n:
            return set(values.tolist())
        return set(np.random.default_rng([self.seed, 12]).choice(values, n, replace=False).tolist())

    def report(
        self,
        results: list[ModelResult],
        protocol: dict[str, Any],
        notes: list[str],
        sections: Sequence[Section] = (),
    ) -> Report:
        """Return the document of what was measured, with seed, commit and hashes."""
        return Report(
            data=self.data,
            protocol=protocol,
            commit=current_commit(),
            seed=self.seed,
            config_hash=self.make().settings.digest(),
            data_hash=data_hash(self.frame),
            created_at=now(),
            models=results,
            notes=notes,
            sections=sections,
        )


def data_hash(frame: pl.DataFrame) -> str:
    """Return a hash of which events happened when, to whom, with what: 12 hexadecimal digits, in any order of rows."""
    content = frame.select("event_id", "type", "user_id", "item_id", "at_us").sort("event_id")
    digest = hashlib.blake2b(content["at_us"].to_numpy().tobytes(), digest_size=6)
    for name in ("event_id", "type", "user_id", "item_id"):
        digest.update("\n".join(value or "" for value in content[name].to_list()).encode())
    return digest.hexdigest()


def _depth(n: int) -> int:
    """Return how many items are asked for, so that AUC sees more than the list shown."""
    return max(n, 100)


def _may_come(items: IntArray, allowed: BoolArray) -> BoolArray:
    """Return which items could have been recommended: all but those that a rule keeps out."""
    inside = items < allowed.size
    may = np.ones(items.size, dtype=np.bool_)
    may[inside] = allowed[items[inside]]
    return may


def _by_user(user: Int32Array, names: Sequence[str], chosen: set[int]) -> Iterator[tuple[str, IntArray]]:
    order = np.argsort(user, kind="stable")
    cuts = np.flatnonzero(np.diff(user[order])) + 1
    for rows in np.split(order, cuts):
        if rows.size and int(user[rows[0]]) in chosen:
            yield names[int(user[rows[0]])], rows
