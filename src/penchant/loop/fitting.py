"""Fit what can be fitted, on the log, with time in mind: what is learned from later is tried on later still."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from penchant.clock import Clock, to_us
from penchant.domain.batch import EventBatch
from penchant.domain.event import TYPE_CODE
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import ItemTraining
from penchant.domain.packing import pack
from penchant.domain.progress import Progress, silent
from penchant.errors import UnknownNameError
from penchant.interest.learning import Circumstance, fit_tracker
from penchant.interest.parameters import TrackerParameters
from penchant.loop.crowd import crowd_by_day
from penchant.loop.fold import Ledger
from penchant.loop.model_source import ModelSource
from penchant.loop.recalibrating import recalibrate
from penchant.loop.recommender import BLEND_FORMAT, Recommender
from penchant.loop.versions import TrackerVersions
from penchant.profile.facts import Facts
from penchant.profile.population import by_day
from penchant.recommend.blend import BlendConfig
from penchant.recommend.blending import learn_weights
from penchant.storage.shelf import ModelShelf

TRACKER_FROM = 0.5
"""Share of the log that is only learned from, not asked about, when the tracker is fitted."""
if TYPE_CHECKING:
    import polars as pl

MIN_SAID = 200
"""Events that must tell a circumstance before anything is learned from it."""
MAX_BLEND_USERS = 250
NEW_SOURCE_WEIGHT = 0.1
"""Weight with which a source from another package begins."""


@dataclass
class Fitting:
    """One run of fitting on everything in the log.

    What is being fitted is a new object, and takes the place of the old one when it is saved: whoever asks meanwhile is
    answered by the old one, and a fit that is broken off changes nothing.

    Attributes:
        ledger: The log and the states.
        recommender: Whose sources are fitted.
        shelf: Where models are kept.
        versions: The tracker, now and at earlier times.
        seed: Seed of all chance.
        clock: Says when a model was fitted.
        folder: Where models may keep unfinished training, None: nowhere.
        progress: Told how far a model is.
        early: Sources that have not seen the newest slice, by name; filled by who asks them first, emptied at the end.
    """

    ledger: Ledger
    recommender: Recommender
    shelf: ModelShelf
    versions: TrackerVersions
    seed: int
    clock: Clock
    folder: Path | None = None
    progress: Progress = silent
    early: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tracker = self.versions.current
        events = self.events = self.ledger.events()
        self.batch = EventBatch.from_frame(events, self.ledger.items, self.ledger.topics)
        self.circumstances = circumstances_of(events)
        self.position = int(self.batch.position[-1]) if len(self.batch) else 0
        self.interactions = interactions_of(self.batch)
        pipeline = self.recommender.pipeline
        declared = dict.fromkeys(pipeline.config.sources)
        self.declared = [name for name in declared if hasattr(pipeline.sources[name], "fit")]

    def run(self, names: Iterable[str] | None) -> dict[str, Any]:
        """Fit the tracker, then sources and item models, then the blend; return what was learned and the seconds.

        Args:
            names: Which of them; None for the tracker, what the pipeline declares, and the blend.

        Raises:
            UnknownNameError: When there is no such model.
        """
        ranker: Any = self.recommender.pipeline.ranker
        steps: dict[str, Callable[[], dict[str, Any]]] = {
            "tracker": self._tracker,
            "calibration": self._calibration,
            **{name: partial(self._source, name) for name in self._known()},
            "blend": self._blend,
            **({ranker.name: self._ranker} if hasattr(ranker, "fit") else {}),
        }
        chosen = (
            {"tracker", *self.declared, *list(steps)[list(steps).index("blend") :]} if names is None else set(names)
        )
        for name in sorted(chosen):
            if name not in steps:
                raise UnknownNameError("model to fit", name, steps)
            if name not in ("tracker", "calibration", "blend", getattr(ranker, "name", "blend")):
                self.recommender.pipeline.source(name)  # what is not installed is said before anything is fitted
        report: dict[str, Any] = {"events": len(self.batch)}
        for name in steps:
            if name in chosen:
                began = time.perf_counter()
                report[name] = steps[name]()
                report[name]["seconds"] = round(time.perf_counter() - began, 3)
        self.early.clear()
        return report

    def _ranker(self) -> dict[str, Any]:
        """Learn the order of the candidates; see ``penchant.loop.fusing``."""
        from penchant.loop.fusing import fit_ranker

        return fit_ranker(self)

    def _known(self) -> list[str]:
        """Return the names of all sources and item models that learn, the declared first."""
        pipeline = self.recommender.pipeline
        learn = [name for name in pipeline.names if hasattr(pipeline.sources.get(name, ModelSource), "fit")]
        return list(dict.fromkeys((*self.declared, *learn)))

    def save(self, name: str, data: bytes) -> None:
        """Keep what a model learned."""
        self.shelf.save(name, self.position, to_us(self.clock()), data)

    def _calibration(self) -> dict[str, Any]:
        """Calibrate P(active) anew on what happened lately; everything else stays."""
        newest = float(self.batch.at.max()) if len(self.batch) else 0.0
        parameters = recalibrate(self.ledger, self.versions.current, newest, self.seed)
        if parameters is not None:
            self._into_force(parameters)
        return {"activity": parameters is not None}

    def _into_force(self, parameters: TrackerParameters) -> None:
        began = int(self.events["arrived_us"].min()) if self.events.height else 0  # type: ignore[arg-type]
        self.versions.put(parameters, self.position, to_us(self.clock()), began)
        self.tracker = self.versions.current
        self.ledger.learners["tracker"] = self.tracker  # the blend is learned with what will then be asked

    def _tracker(self) -> dict[str, Any]:
        """Learn the tracker's parameters from the events after the first half of the log."""
        config = self.tracker.config
        days = {int(key): state for key, state in self.ledger.states.every("topic_population").items()}
        names = self.ledger.topics.ids
        population = by_day(days, config.population_half_life_days, len(names))
        from_s = float(np.quantile(self.batch.at, TRACKER_FROM)) if len(self.batch) else 0.0
        crowd = crowd_by_day(days, self.ledger.parents(np.inf, len(names)))
        parameters = fit_tracker(
            self.tracker, self.batch, population, from_s, names, self.seed, self.circumstances, crowd
        )
        self._into_force(parameters)
        return {
            "weights": parameters.weights.tolist(),
            "network": parameters.scorer is not None,
            "seasons": list(parameters.seasons.by_name) if parameters.seasons else [],
            "activity": parameters.activity is not None,
        }

    def _source(self, name: str) -> dict[str, Any]:
        pipeline = self.recommender.pipeline
        source: Any = pipeline.source(name)
        if not getattr(source, "given", False):  # what was brought from outside stays
            source = self.fitted(name, source, self.interactions)
        if self.interactions.user.size:
            self.save(name, source.encode())
            pipeline.sources[name] = source
        self._tidy(name)
        return {"interactions": int(self.interactions.user.size), "items": self.interactions.n_items}

    def fitted(self, name: str, source: Any, interactions: Interactions, folder: bool = True) -> Any:
        """Return a new source like ``source``, fitted."""
        if not isinstance(source, ModelSource):
            fresh: Any = type(source)(source.config)
            if interactions.user.size:
                fresh.fit(interactions)
            return fresh
        model, place = source.fresh(), None
        if folder and self.folder is not None:
            place = self.folder / name
            place.mkdir(parents=True, exist_ok=True)
        # The table may have grown since the events were read: the model learns from what both know.
        items = self.recommender.table().first(interactions.n_items)
        where = None if place is None else str(place)
        model.train(ItemTraining(interactions, items, self.seed, self.progress, where))
        return model

    def _tidy(self, name: str) -> None:
        """Remove what an interrupted training would have gone on from."""
        if self.folder is not None:
            shutil.rmtree(self.folder / name, ignore_errors=True)
            if self.folder.exists() and not any(self.folder.iterdir()):
                self.folder.rmdir()

    def _blend(self) -> dict[str, Any]:
        """Learn the weights on the last tenth of the log, with neighbours that have not seen it."""
        from penchant.loop.fusing import past_questions

        repeat_share = self.interactions.repeat_share()
        pipeline = self.recommender.pipeline
        known = BlendConfig().weights
        start = {name: known.get(name, NEW_SOURCE_WEIGHT) for name in pipeline.config.sources}
        self.recommender.use_blend(start, repeat_share)
        asked = [(one.proposals, one.taken) for one in past_questions(self, MAX_BLEND_USERS)]
        weights, after, before = start, 0.0, 0.0
        if len(asked) >= 20:
            weights, after, before = learn_weights(asked, start, 10, np.random.default_rng([self.seed, 3]))
        self.recommender.use_blend(weights, repeat_share)
        self.save("blend", pack(BLEND_FORMAT, {"weights": weights, "repeat_share": repeat_share}))
        return {
            "users": len(asked),
            "weights": weights,
            "ndcg@10": after,
            "ndcg@10_before": before,
            "repeat_share": repeat_share,
        }


def circumstances_of(events: pl.DataFrame) -> dict[str, Circumstance]:
    """Return what callers said of the situation of each event (``context``), by name; rare names are left out.

    Args:
        events: Rows in the log's schema.
    """
    import polars as pl

    told = events.select(pl.int_range(pl.len()).alias("row"), "payload").filter(
        pl.col("payload").str.contains('"context"', literal=True)
    )
    values: dict[str, dict[int, str]] = {}
    for row, payload in told.iter_rows():
        context = msgspec.json.decode(payload).get("context")
        for name, value in context.items() if isinstance(context, dict) else ():
            if isinstance(value, str | int | bool):
                values.setdefault(name, {})[row] = str(value)
    found = {}
    for name, said in values.items():
        if len(said) >= MIN_SAID:
            known = sorted(set(said.values()))
            code = np.full(events.height, -1, dtype=np.int64)
            place = {value: number for number, value in enumerate(known)}
            code[list(said)] = [place[value] for value in said.values()]
            found[name] = Circumstance(tuple(known), code)
    return found


def interactions_of(batch: EventBatch, upto: float = np.inf) -> Interactions:
    """Return the events of users with items that speak for interest, up to a moment."""
    keep = (batch.user >= 0) & (batch.item >= 0) & (batch.weight > 0) & (batch.at <= upto)
    return Interactions(
        batch.user[keep],
        batch.item[keep],
        batch.at[keep],
        batch.weight[keep],
        len(batch.users),
        len(batch.items),
        facts_of(batch, upto),
    )


def facts_of(batch: EventBatch, upto: float = np.inf) -> dict[int, dict[str, Any]]:
    """Return what is known of users beside events as of a moment, value by name, by row number of the user."""
    learner = Facts()
    said = np.flatnonzero((batch.type == TYPE_CODE["user"]) & (batch.at <= upto))
    states = learner.update({}, batch.select(said)) if said.size else {}
    known = {user_id: learner.read(state, upto) for user_id, state in states.items()}
    number = {user_id: row for row, user_id in enumerate(batch.users)} if known else {}
    return {number[user_id]: {name: fact.value for name, fact in facts.items()} for user_id, facts in known.items()}
