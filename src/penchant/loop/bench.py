"""Everything that is compared, fitted on the same events: the engine with its sources and pipeline, and item models."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.domain.batch import EventBatch
from penchant.domain.item_model import ItemModel, ItemTraining
from penchant.errors import NotInstalledError, UnknownNameError
from penchant.evaluate.peak import PeakMemory
from penchant.evaluate.ranking import Asked
from penchant.interest.models import MODELS
from penchant.loop.asking import PIPELINE, Answers, Rules, ask_model, merged, time_model
from penchant.loop.model_source import model_source
from penchant.loop.questions import Questions, Split, first_named, known_of
from penchant.math.arrays import FloatArray

if TYPE_CHECKING:
    from penchant.engine import Engine
    from penchant.loop.evaluating import Evaluation

CHUNK = 200_000
BASELINES = ("popular", "most_popular", "recent", "repeat", "most_recent", "new")
"""What needs no model: the best of them is what every model has to beat."""


def item_models(names: Sequence[str] | None) -> list[str]:
    """Return names of item models, each once; None means all that are registered.

    Raises:
        UnknownNameError: When there is no such model.
    """
    chosen = list(MODELS) if names is None else list(dict.fromkeys(names))
    for name in chosen:
        if name not in MODELS:
            raise UnknownNameError("item model", name, MODELS)
    return chosen


class Bench:
    """One training, and what it cost each model.

    Attributes:
        fit_s: Seconds of fitting, by model.
        peak_mb: The most memory that fitting and asking took, by model, megabytes of 10^6 bytes.
        settings: What was learned, by model.
        missing: Why a model could not take part, by name.
        folded_s: Seconds that the engine took to fold the training events.
        batch: All events as arrays, row by row of ``parted.frame``; there after ``learn``. Who has put the questions
            together may delete it: a log of a million events is a tenth of a gigabyte.
    """

    batch: EventBatch

    def __init__(self, evaluation: Evaluation, engine: Engine, parted: Split) -> None:
        self.evaluation, self.engine, self.parted = evaluation, engine, parted
        self.fit_s: dict[str, float] = {}
        self.peak_mb: dict[str, float] = {}
        self.settings: dict[str, dict[str, Any]] = {}
        self.missing: dict[str, str] = {}
        self.folded_s = 0.0

    def learn(self) -> None:
        """Let the engine fold what may be learned from, and fit its pipeline."""
        began = time.perf_counter()
        frame = self.parted.frame
        for start in range(0, frame.height, CHUNK):  # no second copy of the training events
            self.engine.replay(frame.slice(start, CHUNK).filter(~self.parted.late[start : start + CHUNK]))
        self.folded_s = time.perf_counter() - began
        self.evaluation.progress("fit the pipeline", 0, 1)
        with PeakMemory() as peak:
            # Sources that learn are fitted even where the pipeline leaves them out: they are asked alone.
            pipeline = self.engine.recommender.pipeline
            learn = {name for name, source in pipeline.sources.items() if hasattr(source, "fit")}
            fitted = self.engine.fit()
            apart = self.engine.fit(sorted(learn - set(fitted))) if learn - set(fitted) else {}
        self.fit_s = {name: float(one["seconds"]) for name, one in fitted.items() if isinstance(one, dict)}
        self.fit_s[PIPELINE] = sum(self.fit_s.values())
        self.fit_s |= {name: float(one["seconds"]) for name, one in apart.items() if isinstance(one, dict)}
        self.peak_mb[PIPELINE] = peak.mb
        self.settings[PIPELINE] = {"weights": fitted["blend"]["weights"]}
        self._table = self.engine.recommender.table()
        self.batch = EventBatch.from_frame(frame, self.engine.ledger.items, self.engine.ledger.topics)
        self.known = known_of(self.batch, self.parted)
        self._named = first_named(self.batch, len(self.engine.ledger.items))

    @property
    def known_at(self) -> FloatArray:
        """Return when each item could first be recommended, seconds since 1970; with leave-one-out always."""
        since = self.engine.recommender.index.arrays()[2]
        named = np.full(since.size, np.inf)
        named[: self._named.size] = self._named
        return np.where(np.isfinite(named), -np.inf, np.inf) if self.parted.leaks else np.maximum(named, since)

    def models(self, names: Sequence[str]) -> Iterator[ItemModel]:
        """Yield each item model, fitted; one that is not installed is noted in ``missing`` and passed over."""
        # The catalogue as it was at the cut; items that only later events name are there without a word.
        table = self._table.padded(self.known.n_items)
        progress = self.evaluation.progress
        training = ItemTraining(self.known, table, self.evaluation.seed, progress)
        for number, name in enumerate(names):
            progress("models", number, len(names))
            with PeakMemory() as peak:  # until the next model is wanted: asking counts
                try:
                    model = model_source(name, self.engine.settings.components).model
                    began = time.perf_counter()
                    model.fit(training)
                except NotInstalledError as error:
                    self.missing[name] = str(error)
                    continue
                self.fit_s[name] = time.perf_counter() - began
                yield model
            self.peak_mb[name] = peak.mb

    def ask(self, model: ItemModel, asked: Questions, rules: Rules, depth: int, answers: Answers, n: int) -> None:
        """Put questions to a fitted model, and its lists and its time for one list beside those of the others."""
        items = self.engine.recommender.table()
        lists = ask_model(model, asked, items, self.known_at, rules, depth, self.evaluation.progress)
        merged(answers, lists, model.name, time_model(model, asked, items, n))

    def asked(self, asked: Questions) -> Asked:
        """Return the questions as the metrics want them."""
        n_items = len(self.engine.ledger.items)
        count = np.bincount(self.known.item, minlength=n_items).astype(np.float64)
        return Asked(asked.relevant, asked.users, n_items, count, self.engine.recommender.index.arrays()[0])

    def notes(self) -> list[str]:
        """Return which models could not take part, and why."""
        return [f"{name} is left out: {why}" for name, why in sorted(self.missing.items())]


def best_baseline(values: dict[str, FloatArray]) -> str | None:
    """Return the best of what needs no model; None where none was asked."""
    there = [name for name in values if name in BASELINES]
    return max(there, key=lambda name: (float(values[name].mean()), name)) if there else None
