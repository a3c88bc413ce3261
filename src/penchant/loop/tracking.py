"""The tracking benchmark: which model knows a user's interests, says what it does not know, and notices a change."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.clock import DAY_S, from_s, from_us, isoformat
from penchant.domain.activity import EVERY_DAYS, HORIZONS_DAYS, Question, questions
from penchant.domain.batch import EventBatch
from penchant.domain.moment import Moment, moments
from penchant.domain.vocabulary import Vocabulary
from penchant.errors import ConfigError, NotInstalledError
from penchant.evaluate.adaptation import Losses, Measured, curve, measure, own_lives, scores
from penchant.evaluate.calibration import Outcomes, ask_weekly, sample_users, score_activity, score_horizons
from penchant.evaluate.metrics.probability import Reliability
from penchant.evaluate.report import Chart, ModelResult, Report, Section, peak_mb
from penchant.evaluate.splice import Spliced, Times, make_pairs
from penchant.evaluate.statistics import Interval
from penchant.evaluate.tracking import Asked, ask, recalls, score
from penchant.interest import TOPIC_MODELS
from penchant.interest.contract import Refreshes
from penchant.interest.histogram import TOPIC_TYPES
from penchant.interest.prequential import Training
from penchant.loop.crowd import crowd_by_day, parents_in
from penchant.math.arrays import IntArray
from penchant.process.split import time_quantiles
from penchant.profile.population import TopicPopulation, by_day

if TYPE_CHECKING:
    from penchant.loop.evaluating import Evaluation

REFERENCES = ("static", "ema")
"""Always on the table: skill is against the first, and the best moving average is what a tracker has to beat."""
TUNING_USERS = 400
WEEKLY_USERS = 300
PAIRS = 150
LEAST_PAIRS = 2
Metrics = dict[str, Interval]


@dataclass(frozen=True)
class Plan:
    """What is asked.

    Attributes:
        test: Share of the events that are scored.
        max_users: Ask a random sample of users; None for all.
        models: Names of the topic models; none for all. ``static`` and ``ema`` are always among them.
        pairs: Spliced pairs of users at most; 0 leaves the tables of spliced users out.
        activity: Whether to ask the weekly questions.
    """

    test: float = 0.25
    max_users: int | None = None
    models: Sequence[str] = ()
    pairs: int = PAIRS
    activity: bool = True

    def names(self) -> list[str]:
        """Return the models in the order in which they are asked: the references first."""
        given = self.models or list(TOPIC_MODELS)
        return list(dict.fromkeys([*REFERENCES, *given]))


@dataclass(frozen=True)
class Questions:
    """The same questions for every model."""

    batch: EventBatch
    training: Training
    tune_us: int
    cut_us: int
    half_life_days: float
    replay: list[tuple[str, IntArray, list[Moment]]]
    weekly: list[tuple[str, list[Question]]]
    spliced: Spliced | None

    @property
    def end(self) -> float:
        """Return the time of the last event, seconds since 1970."""
        return float(self.batch.at.max())


@dataclass
class Answers:
    """What the models said, by name."""

    asked: dict[str, Asked] = field(default_factory=dict)
    fit_s: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    activity: dict[str, Metrics] = field(default_factory=dict)
    reliability: dict[str, dict[str, Reliability]] = field(default_factory=dict)
    horizons: dict[str, Metrics] = field(default_factory=dict)
    horizon_lines: dict[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    measured: dict[str, Measured] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def track(evaluation: Evaluation, plan: Plan) -> Report:
    """Return the tracking report; see ``Evaluation.tracking``."""
    asked = _questions(evaluation, plan)
    answers = Answers()
    outcomes = Outcomes.of(asked.weekly, asked.training.n_topics, asked.end) if asked.weekly else None
    began = time.perf_counter()
    _ = asked.training.evidence  # shared by all models
    shared_s = time.perf_counter() - began
    oracle: Losses = {}
    static_shuffled: Sequence[float] | None = None
    names = plan.names()
    for number, name in enumerate(names):
        evaluation.progress("ask", number, len(names))
        began = time.perf_counter()
        try:
            model = TOPIC_MODELS[name]()
        except NotInstalledError as error:
            answers.missing.append(f"{name} is left out: {error}")
            continue
        model.fit(asked.training)
        answers.fit_s[name] = shared_s + time.perf_counter() - began
        answers.settings[name] = model.settings
        answers.asked[name] = ask(model, asked.batch, asked.replay, asked.training.population, asked.cut_us / 1e6)
        if outcomes is not None:
            _ask_weekly(name, model, asked, outcomes, answers, evaluation.seed)
        if asked.spliced is not None:
            spliced, population = asked.spliced, asked.training.population
            own = own_lives(model, spliced, population)
            if name == REFERENCES[0]:
                oracle = {user_id: spliced.own[user_id].event_loss(life.p) for user_id, life in own.items()}
            done = _Counter(evaluation, f"spliced users, {name}", len(spliced.pairs))
            answers.measured[name] = measure(model, spliced, population, own, oracle, static_shuffled, done)
            if name == REFERENCES[0]:
                static_shuffled = _shuffled_losses(answers.measured[name], len(spliced.pairs))
    return _report(evaluation, plan, asked, answers)


@dataclass
class _Counter:
    """Tells the progress of one model, one call a pair."""

    evaluation: Evaluation
    what: str
    total: int
    done: int = 0

    def __call__(self) -> None:
        self.done += 1
        self.evaluation.progress(self.what, self.done, self.total)


def _shuffled_losses(static: Measured, n_pairs: int) -> list[float]:
    losses = [0.0] * n_pairs
    for pair, value, _ in static.tally.rows.get("shuffled_loss", []):
        losses[pair] = value
    return losses


def _questions(evaluation: Evaluation, plan: Plan) -> Questions:
    """Return the questions of a plan.

    Raises:
        ConfigError: When no event has a topic.
    """
    tune_us, cut_us = time_quantiles(evaluation.frame, plan.test, plan.test)
    topics = Vocabulary()
    batch = EventBatch.from_frame(evaluation.frame, Vocabulary(), topics)
    if not len(topics):
        raise ConfigError("no event has a topic; label the items first")
    half_life = evaluation.make().tracker.config.population_half_life_days
    days = {int(key): state for key, state in TopicPopulation().update({}, batch).items()}
    population = by_day(days, half_life, len(topics))
    cut_s = cut_us / 1e6
    crowd = crowd_by_day(days, parents_in(batch, cut_s))
    past = batch.select(np.flatnonzero(batch.at < cut_s))
    active = [user_id for user_id, rows in past.groups("user", TOPIC_TYPES) if rows.size > 1]
    tuners = frozenset(active[i] for i in evaluation.sample(np.arange(len(active)), TUNING_USERS))
    training = Training(past, population, tune_us / 1e6, tuners, evaluation.seed, len(topics), crowd)
    evaluation.progress("tune", 0, 1)
    later = [user_id for user_id, *_ in moments(batch, cut_s, TOPIC_TYPES)]
    chosen = {later[i] for i in evaluation.sample(np.arange(len(later)), plan.max_users)}
    end = float(batch.at.max())
    weekly: list[tuple[str, list[Question]]] = []
    if plan.activity:
        known = np.array([user_id for user_id, rows in batch.groups("user", TOPIC_TYPES) if batch.at[rows].min() < end])
        rng = np.random.default_rng([evaluation.seed, 14])
        n_times = max(1, math.ceil((end - cut_s) / DAY_S / EVERY_DAYS))
        some = min(WEEKLY_USERS, plan.max_users or WEEKLY_USERS, known.size)
        numbers = np.sort(rng.choice(known.size, some, replace=False))
        numbers = sample_users(numbers, len(topics), n_times, rng)
        weekly = list(questions(batch, cut_s, end, TOPIC_TYPES, set(known[numbers].tolist())))
    spliced = None
    if plan.pairs:
        times = Times.within(cut_s, end)
        spliced = make_pairs(batch, population, times, TOPIC_TYPES, plan.pairs, tuners, evaluation.seed)
        if len(spliced.pairs) < LEAST_PAIRS:
            spliced = None
    return Questions(
        batch,
        training,
        tune_us,
        cut_us,
        half_life,
        list(moments(batch, cut_s, TOPIC_TYPES, chosen)),
        weekly,
        spliced,
    )


def _ask_weekly(name: str, model: Any, asked: Questions, outcomes: Outcomes, answers: Answers, seed: int) -> None:
    if isinstance(model, Refreshes):
        for moment in sorted({question.at for _, mine in asked.weekly for question in mine}):
            model.refresh(asked.batch.select(np.flatnonzero(asked.batch.at < moment)), moment)
    said = ask_weekly(model, asked.batch, asked.weekly, asked.training.population)
    rng = np.random.default_rng([seed, 15])
    if said.active is not None:
        answers.activity[name], answers.reliability[name] = score_activity(said.active, outcomes, rng)
    if said.short is not None:
        answers.horizons[name], lines = score_horizons(said, outcomes, rng)
        answers.horizon_lines |= {f"{name}, {which}": line for which, line in lines.items()}


# -- the report --------------------------------------------------------------------------------------------------------


def _rows(measures: Mapping[str, Metrics], order: Sequence[str]) -> list[ModelResult]:
    return [ModelResult(name, measures[name], math.nan, math.nan) for name in order if name in measures]


def _report(evaluation: Evaluation, plan: Plan, asked: Questions, answers: Answers) -> Report:
    scored = score(answers.asked, REFERENCES, np.random.default_rng([evaluation.seed, 11]))
    order = sorted(scored, key=lambda name: scored[name]["log_loss"].value)
    sections = [
        Section(
            "recall",
            "New and steady topics",
            _rows(recalls(answers.asked, np.random.default_rng([evaluation.seed, 16])), order),
            {
                "new_topics": len(answers.asked["static"].new),
                "steady_topics": len(answers.asked["static"].kept),
            },
            [
                "novelty: new to the user after the cut and back on at least 3 later days; among the ten strongest "
                "within 5 events after the first",
                "stability: came in each third of the user's time before the cut; among the ten strongest at the end",
            ],
        )
    ]
    if asked.weekly:
        sections += _weekly_sections(asked, answers, order)
    if asked.spliced is not None:
        sections += _spliced_sections(asked.spliced, answers, order, evaluation.seed)
    notes = [
        "log_loss is in nats for each (event, topic) pair, an event's topics sharing weight 1",
        "the population is that of the days before the day of the question",
        *answers.missing,
    ]
    if plan.pairs and asked.spliced is None:
        notes.append("no table of spliced users: too few users have 10 events on both sides of the splice")
    return evaluation.report(
        [ModelResult(name, scored[name], answers.fit_s[name], peak_mb(), answers.settings[name]) for name in order],
        {
            "kind": "tracking",
            "split": "global_time",
            "leaks": False,
            "tuned_from": isoformat(from_us(asked.tune_us)),
            "cut": isoformat(from_us(asked.cut_us)),
            "topics": asked.training.n_topics,
            "asked": int(answers.asked["static"].p.size),
            "users": len(asked.replay),
            "population_half_life_days": asked.half_life_days,
            "interval": "95 %, bootstrap over users, 1000 resamples",
        },
        notes,
        sections,
    )


def _weekly_sections(asked: Questions, answers: Answers, order: Sequence[str]) -> list[Section]:
    n_questions = sum(len(user_asked) for _, user_asked in asked.weekly)
    facts: dict[str, Any] = {
        "users": len(asked.weekly),
        "questions": n_questions,
        "topics": asked.training.n_topics,
        "every_days": EVERY_DAYS,
    }
    charts = []
    for horizon in (f"{days:g}d" for days in HORIZONS_DAYS):
        tables = {name: answers.reliability[name].get(horizon) for name in order if name in answers.reliability}
        lines = {
            name: list(zip(table.stated.tolist(), table.happened.tolist(), strict=True))
            for name, table in tables.items()
            if table is not None
        }
        counts = [int(np.median(table.count)) for table in tables.values() if table is not None]
        if lines:
            ends = [value for line in lines.values() for value, _ in line if value > 0]
            lines["perfect"] = [(min(ends), min(ends)), (max(ends), max(ends))] if ends else []
            charts.append(
                Chart(
                    f"Reliability within {horizon}",
                    "stated probability",
                    "share that happened",
                    lines,
                    True,
                    True,
                    f"At most 20 points of equally many (user, topic, time) triples each, at the median "
                    f"{min(counts):,} to {max(counts):,}. Points in which nothing happened cannot be drawn.",
                )
            )
    sections = [
        Section(
            "activity",
            "Will the user turn to the topic within 1, 7, 30 days?",
            _rows(answers.activity, order),
            facts,
            [
                "every topic is asked about at every question; a horizon that ends after the data is left out",
                "brier_skill is against the share that happened, the same for all",
            ],
            charts,
        )
    ]
    if answers.horizons:
        chart = Chart(
            "Loss of short-term and long-term interest by how far ahead",
            "days ahead",
            "log loss, nats",
            answers.horizon_lines,
            x_log=True,
        )
        sections.append(
            Section(
                "horizons",
                "How far ahead does which interest hold?",
                _rows(answers.horizons, order),
                facts,
                [
                    "long_ahead: log loss of the short-term strengths less that of the long-term ones, in nats; "
                    "above 0 the long-term ones are better",
                    "crossing_days: from where on they are",
                ],
                [chart],
            )
        )
    return sections


_SPLICED = {
    "change": ("One user, then another: how soon is it noticed?", ""),
    "back": ("Away and back again: what was forgotten?", ""),
    "burst": ("One day of another user's events: what does it upset?", ""),
    "gradual": ("Ever more of another user's events", ""),
    "detection": ("Detected changes", "models without a detector are not in this table"),
    "quiet": ("Nothing changes: topics shuffled over time", "nervousness: log loss less that of static"),
}


def _spliced_sections(spliced: Spliced, answers: Answers, order: Sequence[str], seed: int) -> list[Section]:
    facts: dict[str, Any] = {
        **spliced.facts(),
        "splice": isoformat(from_s(spliced.times.middle)),
        "away": isoformat(from_s(spliced.times.first)),
        "back": isoformat(from_s(spliced.times.second)),
    }
    tables: dict[str, dict[str, Metrics]] = {name: {} for name in _SPLICED}
    for model in order:
        if model in answers.measured:
            for table, metrics in scores(answers.measured[model], np.random.default_rng([seed, 17])).items():
                tables[table][model] = metrics
    curves = {model: curve(answers.measured[model]) for model in order if model in answers.measured}
    chart = Chart(
        "Extra loss after the splice",
        "events after the splice",
        "nats above the static model on the un-spliced user",
        curves,
        caption="Means over pairs, five events a point.",
    )
    sections = []
    for name, (title, note) in _SPLICED.items():
        rows = _rows(tables[name], order)
        if rows:
            charts = [chart] if name == "change" else []
            sections.append(
                Section(name, title, rows, facts if name == "change" else {}, [note] if note else [], charts)
            )
    return sections
