"""What each source adds to the fusion: the learned order with all sources, and learned anew without each of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.clock import from_us, isoformat
from penchant.domain.batch import EventBatch
from penchant.domain.slate import Candidates
from penchant.errors import ConfigError
from penchant.evaluate.metrics.evidence import RankingEvidence
from penchant.evaluate.metrics.ranking import ndcg
from penchant.evaluate.report import ModelResult, Report, Section
from penchant.evaluate.statistics import bootstrap_mean, paired_difference
from penchant.loop.fitting import interactions_of
from penchant.math.arrays import FloatArray
from penchant.process.split import time_quantiles
from penchant.recommend.blend import Blend
from penchant.recommend.contract import Asked, Ranker
from penchant.recommend.stack import Stack, StackConfig
from penchant.recommend.voting import Vote

if TYPE_CHECKING:
    from penchant.loop.evaluating import Evaluation
    from penchant.loop.recommender import Recommender

CHUNK = 200_000
N = 10
FUSION = "stack"
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class AblationPlan:
    """What to compare.

    Attributes:
        sources: Candidate sources and item models, at least two; empty for those of the settings.
        test: Share of the events after the cut.
        max_users: Users asked about after the cut, and in the slice before it that the order is learned on.
    """

    sources: tuple[str, ...] = ()
    test: float = 0.1
    max_users: int = 1000


class Recorder(Stack):
    """Stands in the pipeline while it is fitted, and keeps the questions that a ranker would learn from."""

    def __init__(self, config: StackConfig) -> None:
        super().__init__(config)
        self.asked: list[Asked] = []

    def fit(self, asked: Iterable[Asked], sources: Sequence[str], seed: int) -> dict[str, Any]:
        """Keep the questions."""
        self.asked = list(asked)
        return {"questions": len(self.asked)}


@dataclass(frozen=True, slots=True)
class Trained:
    """Questions on both sides of the cut, with what the sources answered, and the blend that was learned."""

    past: Sequence[Asked]
    later: Sequence[Asked]
    blend: Blend
    took_ms: FloatArray
    n_items: int
    seed: int

    def without(self, source: str | None) -> tuple[FloatArray, dict[str, Any]]:
        """Return NDCG@10 of each later question when a source is missing, None for all of them, and what was learned."""
        names = [name for name in self.past[0].proposals if name != source]
        stack = Stack(StackConfig(users=len(self.past)))
        stack.blend = self.blend
        report = stack.fit([_less(one, source) for one in self.past], names, self.seed)
        return self.of(stack, source), report

    def of(self, ranker: Ranker, source: str | None = None) -> FloatArray:
        """Return NDCG@10 of each later question for a ranker."""
        return self._ndcg([ranker.rank(one.query, _less(one, source).proposals)[0].item for one in self.later])

    def alone(self, source: str) -> FloatArray:
        """Return NDCG@10 of each later question for one source alone."""
        return self._ndcg([one.proposals[source].item for one in self.later])

    def _ndcg(self, lists: list[Any]) -> FloatArray:
        flat = np.full(self.n_items, 1.0 / max(1, self.n_items))
        taken = [one.taken for one in self.later]
        return ndcg(RankingEvidence.from_lists([one[:N] for one in lists], taken, self.n_items, flat), N)


def ablate(evaluation: Evaluation, plan: AblationPlan) -> Report:
    """Return the report: fusion, blend, vote and every source alone; then the fusion without each source.

    Raises:
        ConfigError: When there are fewer than two sources, or too few questions.
        NotInstalledError: When LightGBM, or what a source needs, is not there.
    """
    import polars as pl

    engine = evaluation.make()
    pipeline = dict(engine.settings.components.get("pipeline", {}))
    if plan.sources:
        pipeline["sources"] = plan.sources
    components = {**engine.settings.components, "pipeline": {**pipeline, "ranker": FUSION}}
    engine.close()
    engine = engine.open(settings=engine.settings.model_copy(update={"components": components}))
    names = list(dict.fromkeys(engine.recommender.pipeline.config.sources))
    if len(names) < 2:
        raise ConfigError(f"{len(names)} source to fuse ({', '.join(names)}); give at least two")
    _, cut_us = time_quantiles(evaluation.frame, 0.0, plan.test)
    for chunk in evaluation.frame.iter_slices(CHUNK):
        engine.replay(chunk.filter(pl.col("at_us") < cut_us))
    evaluation.progress("fit the sources", 0, 1)
    recorder = Recorder(StackConfig(users=plan.max_users))
    engine.recommender.pipeline.ranker = recorder
    learn = [name for name in names if hasattr(engine.recommender.pipeline.sources[name], "fit")]
    engine.fit(["tracker", *learn, "blend", FUSION])
    later = evaluation.frame.filter(pl.col("at_us") >= cut_us)
    evaluation.progress("ask", 0, 1)
    trained = _ask(evaluation, engine, later, cut_us / 1e6 - 1e-6, recorder, plan)
    engine.close()
    return _report(evaluation, plan, names, trained, cut_us)


def _ask(evaluation: Evaluation, engine: Any, later: Any, at: float, recorder: Recorder, plan: AblationPlan) -> Trained:
    past, blend = recorder.asked, recorder.blend
    batch = EventBatch.from_frame(later, engine.ledger.items, engine.ledger.topics)
    taken = interactions_of(batch)
    users = sorted(evaluation.sample(np.unique(taken.user), plan.max_users))
    asked, took = [], []
    recommender: Recommender = engine.recommender
    for user in users:
        began = time.perf_counter()
        query = recommender.query(batch.users[user], N, at, {})
        proposals = recommender.pipeline.proposals(query)
        blend.rank(query, proposals)
        took.append(1000.0 * (time.perf_counter() - began))
        items = np.unique(taken.item[taken.user == user]).astype(np.int64)
        items = items[items < query.allowed.size]
        items = items[query.allowed[items]]
        if items.size:
            asked.append(Asked(query, proposals, items))
    if len(past) < 2 or len(asked) < 2:
        raise ConfigError(f"{len(past)} questions to learn from, {len(asked)} to test on; give more events or users")
    return Trained(past, asked, blend, np.array(took), len(engine.ledger.items), evaluation.seed)


def _less(one: Asked, source: str | None) -> Asked:
    """Return a question without what one source answered."""
    if source is None:
        return one
    left: Mapping[str, Candidates] = {name: found for name, found in one.proposals.items() if name != source}
    return Asked(one.query, left, one.taken)


def _report(evaluation: Evaluation, plan: AblationPlan, names: list[str], trained: Trained, cut_us: int) -> Report:
    rng = np.random.default_rng([evaluation.seed, 61])
    users = np.arange(len(trained.later))
    fusion, learned = trained.without(None)
    values = {FUSION: fusion, "blend": trained.of(trained.blend), "vote": trained.of(Vote())}
    values |= {name: trained.alone(name) for name in names}
    results = [
        ModelResult(
            name,
            {
                f"ndcg@{N}": bootstrap_mean(value, users, rng),
                f"{FUSION}_ahead_ndcg@{N}": paired_difference(fusion, value, users, rng),
            },
            NAN,
            NAN,
            learned if name == FUSION else {},
        )
        for name, value in sorted(values.items(), key=lambda one: -one[1].mean())
    ]
    rows = []
    for done, name in enumerate(names):
        evaluation.progress("leave one out", done, len(names))
        value, _ = trained.without(name)
        worth = paired_difference(fusion, value, users, rng)
        rows.append(
            ModelResult(f"without {name}", {f"ndcg@{N}": bootstrap_mean(value, users, rng), "worth": worth}, NAN, NAN)
        )
    rows.sort(key=lambda one: -one.metrics["worth"].value)
    section = Section(
        "ablation",
        "What each source adds to the fusion",
        rows,
        {"sources": len(names)},
        [
            "worth: NDCG of the fusion of all sources less that of a fusion learned without this one; its candidates go too"
        ],
    )
    return evaluation.report(
        results,
        {
            "kind": "ablation",
            "split": "global_time",
            "leaks": False,
            "cut": isoformat(from_us(cut_us)),
            "catalogue": "full",
            "sources": names,
            "learned_from": len(trained.past),
            "queries": len(trained.later),
            "answer_ms_p50": round(float(np.quantile(trained.took_ms, 0.5)), 2),
            "answer_ms_p99": round(float(np.quantile(trained.took_ms, 0.99)), 2),
            "interval": "95 %, bootstrap over users, 1000 resamples",
        },
        ["answer_ms: from the user's states to the blended candidates of all sources, one question at a time"],
        [section],
    )
