"""The two tables: which list is best (ranking), which profile is right (tracking). Both keep to time."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.clock import from_us, isoformat, now
from penchant.domain.batch import EventBatch
from penchant.domain.vocabulary import Vocabulary
from penchant.errors import ConfigError
from penchant.evaluate.metrics.rating import absolute_error, squared_error
from penchant.evaluate.report import ModelResult, Report, Section, current_commit, peak_mb
from penchant.evaluate.statistics import bootstrap_mean
from penchant.math.arrays import IntArray
from penchant.process.split import time_quantiles
from penchant.recommend import RATINGS

if TYPE_CHECKING:
    import polars as pl

    from penchant.engine import Engine

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and of how much."""


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
        self,
        protocol: str = "global_time",
        n: int = 10,
        test: float = 0.1,
        max_users: int | None = None,
        models: Sequence[str] | None = None,
        seen: str = "auto",
    ) -> Report:
        """Return the ranking table: every source, every item model and the pipeline, on the same questions.

        Trained on what happened before a cut in time; asked about every user that took something after it. The catalogue
        is everything known by then, and nothing is sampled.

        Args:
            protocol: ``global_time`` asks once, at the cut, for what is taken until the end. ``replay`` asks before every
                moment (basket) after the cut; histories grow, what was fitted stays. ``leave_one_out`` asks for the last
                thing that each user took, with all else learned: it leaks the future of others.
            n: Length of the lists.
            test: Share of the events after the cut.
            max_users: Ask a random sample of users; None for all.
            models: Names of the item models; None for every registered one, empty for the sources and the pipeline only.
            seen: May items come that the user dealt with: ``auto`` (as the pipeline decides), ``allow``, ``exclude``, or
                ``both`` for a second table.

        Raises:
            ConfigError: When the protocol or the rule is unknown or nothing is left to train or test on.
            UnknownNameError: When there is no such model.
        """
        from penchant.loop.comparing import RankingPlan, compare

        return compare(self, RankingPlan(protocol, n, test, max_users, models, seen))

    def cold(
        self,
        n: int = 10,
        test: float = 0.1,
        max_users: int = 300,
        models: Sequence[str] | None = None,
        known: Sequence[int] = (0, 1, 3, 5),
    ) -> Report:
        """Return the tables of cold start: new users by what is known of them, and items that nobody has taken.

        Some users are held out of the training; of each the last 0, 1, 3, 5 events before the cut are shown, and what the
        user took after it is looked for, the same each time. New items are those that the catalogue knew at the cut and
        nobody had taken; only they compete, for the other users.

        Args:
            n: Length of the lists.
            test: Share of the events after the cut.
            max_users: New users at most; never more than half of those that there are.
            models: Names of the item models; None for every registered one, empty for the sources and the pipeline only.
            known: How many events of a new user are known, growing.

        Raises:
            ConfigError: When there are too few users, or ``known`` does not grow.
            UnknownNameError: When there is no such model.
        """
        from penchant.loop.cold import ColdPlan, cold_start

        return cold_start(self, ColdPlan(n, test, max_users, models, known))

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

    def of_users(self, n: int | None) -> Evaluation:
        """Return the evaluation of ``n`` users at random and of everything that belongs to no user; None for all."""
        import polars as pl

        if n is None:
            return self
        users = self.frame["user_id"].drop_nulls().unique().sort()
        chosen = users.gather(sorted(self.sample(np.arange(users.len()), n)))
        kept = self.frame.filter(pl.col("user_id").is_null() | pl.col("user_id").is_in(chosen.to_list()))
        return replace(self, frame=kept, data=f"{self.data}, {chosen.len()} users")

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
