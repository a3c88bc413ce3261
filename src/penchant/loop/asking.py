"""Put the questions of an evaluation to the engine's sources and pipeline one by one, to item models in batches."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.domain.item_model import Histories, ItemModel, ItemTable
from penchant.domain.progress import Progress
from penchant.domain.query import Query
from penchant.domain.slate import Candidates
from penchant.evaluate.metrics.evidence import NOTHING
from penchant.evaluate.ranking import padded, top_lists
from penchant.loop.model_source import ModelSource
from penchant.loop.questions import Questions
from penchant.math.arrays import BoolArray, FloatArray, Int32Array
from penchant.math.top import top_n
from penchant.recommend.rules import arranged, boosted

if TYPE_CHECKING:
    import polars as pl

    from penchant.engine import Engine

PIPELINE = "pipeline"
"""Name of the whole pipeline among the models."""
CHUNK_CELLS = 16_000_000
"""Scores that are looked at together: 64 MB."""
MAX_ROWS = 256
TIMED = 200
"""Questions at most that a model is timed on, one after the other."""
TIMED_S = 10.0
"""Seconds at most that this may take."""


@dataclass
class Answers:
    """Lists of every model under every rule, and how long one list took.

    Attributes:
        lists: By whether seen items may come, then by model: item rows, shape ``(Q, depth)``, short lists end in -1.
        seconds: Of single lists, by model.
    """

    lists: dict[bool, dict[str, Int32Array]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def put(self, rule: bool, model: str, q: int, found: Int32Array, n_questions: int) -> None:
        """Take one list."""
        by_model = self.lists.setdefault(rule, {})
        if model not in by_model:
            by_model[model] = np.full((n_questions, found.size), NOTHING, np.int32)
        by_model[model][q] = found

    def quantile_ms(self, model: str, q: float) -> float:
        """Return a quantile of the time for one list, in milliseconds; NaN where nothing was timed."""
        took = self.seconds.get(model)
        return float(np.quantile(took, q)) * 1000 if took else float("nan")


@dataclass(frozen=True)
class Rules:
    """Which rules lists are made by: may items that the user dealt with come again? And what else may not come.

    Attributes:
        seen: Each rule that is tried: True where they may.
        only: Items that may come at all, shape ``(I,)``; None for all.
    """

    seen: Sequence[bool]
    only: BoolArray | None = None


def ask_engine(
    engine: Engine,
    asked: Questions,
    later: pl.DataFrame | None,
    rules: Rules,
    n: int,
    depth: int,
    progress: Progress,
    at: float | None = None,
) -> Answers:
    """Return the lists of every source that is no item model, of the ranker, and of the whole pipeline.

    Args:
        engine: Knows what happened before the first question.
        asked: The questions.
        later: Events that it learns between the questions, in the order of time; None where it learns none.
        rules: What may come.
        n: Length of the lists that are asked for.
        depth: Length of the lists that are kept.
        progress: Told how far it is.
        at: The moment that all are asked at; None for the moment of each question.
    """
    answers, done = Answers(), 0
    for q, user_id in enumerate(asked.user_ids):
        progress("ask sources", q, len(asked))
        if later is not None and asked.before[q] > done:
            engine.replay(later[done : int(asked.before[q])])
            done = int(asked.before[q])
        began = time.perf_counter()
        query = engine.recommender.query(user_id, n, float(asked.asked_at[q]) if at is None else at, {})
        gathered_s = time.perf_counter() - began
        for number, rule in enumerate(rules.seen):
            lists, seconds = _strategies(engine, _by_rule(engine, query, rule, rules.only), depth)
            for name, found in lists.items():
                answers.put(rule, name, q, padded(found.item, depth), len(asked))
            if number == 0:
                for name, took in seconds.items():
                    answers.seconds.setdefault(name, []).append(took + (gathered_s if name == PIPELINE else 0.0))
    if later is not None and done < later.height:
        engine.replay(later[done:])
    return answers


def _by_rule(engine: Engine, query: Query, seen: bool, only: BoolArray | None) -> Query:
    allowed = query.allowed.copy()
    mine = query.history.item
    allowed[mine] = (query.since[mine] <= query.at) & (allowed[mine] if engine.recommender.seen_allowed else True)
    if not seen:
        allowed[mine] = False
    if only is not None:
        allowed &= only[: allowed.size]
    return replace(query, allowed=allowed)


def _strategies(engine: Engine, query: Query, depth: int) -> tuple[dict[str, Candidates], dict[str, float]]:
    """Return each source's candidates, the ranker's order and the pipeline's list, and the seconds that each took."""
    pipeline = engine.recommender.pipeline
    found: dict[str, Candidates] = {}
    seconds: dict[str, float] = {}
    for name, source in pipeline.sources.items():
        if isinstance(source, ModelSource) and name not in pipeline.config.sources:
            continue
        began = time.perf_counter()
        found[name] = source.candidates(query, max(depth, pipeline.config.pool))
        seconds[name] = time.perf_counter() - began
    declared = {name: found[name] for name in pipeline.config.sources}
    began = time.perf_counter()
    ranked, parts = pipeline.ranker.rank(query, declared)
    found[pipeline.config.ranker] = ranked
    ranked, _ = boosted(query, ranked, parts)
    for reranker in pipeline.rerankers:
        ranked = reranker.rerank(query, ranked)
    ranked = arranged(query, ranked)
    seconds[PIPELINE] = time.perf_counter() - began + sum(seconds[name] for name in declared)
    found[PIPELINE] = ranked
    models = {name for name, source in pipeline.sources.items() if isinstance(source, ModelSource)}
    return {name: one for name, one in found.items() if name not in models}, seconds


def ask_model(
    model: ItemModel,
    asked: Questions,
    items: ItemTable,
    named_at: FloatArray,
    rules: Rules,
    depth: int,
    progress: Progress,
) -> dict[bool, Int32Array]:
    """Return a model's lists by rule, shape ``(Q, depth)``.

    Args:
        model: Fitted.
        asked: The questions.
        items: All items.
        named_at: When each item became known; before that it is in no list, shape ``(I,)``.
        rules: What may come.
        depth: Length of the lists.
        progress: Told how far it is.
    """
    size = max(1, min(MAX_ROWS, CHUNK_CELLS // max(1, items.n_items)))
    parts: dict[bool, list[Int32Array]] = {rule: [np.empty((0, depth), np.int32)] for rule in rules.seen}
    for number, chunk in enumerate(asked.histories.chunks(size)):
        progress(f"ask {model.name}", min(len(asked), number * size), len(asked))
        scores = np.array(model.scores(chunk, items), dtype=np.float32)  # a copy: the model keeps its own
        _mask(scores, chunk, named_at, rules.only)
        for rule in sorted(rules.seen, reverse=True):
            if not rule:
                scores[chunk.rows(), chunk.item] = -np.inf
            parts[rule].append(top_lists(scores, depth))
    return {rule: np.concatenate(found) for rule, found in parts.items()}


def _mask(scores: Any, chunk: Histories, named_at: FloatArray, only: BoolArray | None) -> None:
    late = np.flatnonzero(named_at > chunk.asked_at.min(initial=np.inf))
    scores[:, late] = np.where(named_at[late] > chunk.asked_at[:, None], -np.inf, scores[:, late])
    if only is not None:
        scores[:, ~only] = -np.inf


def time_model(model: ItemModel, asked: Questions, items: ItemTable, n: int) -> list[float]:
    """Return how long single lists took, in seconds, history at hand: scores of all items, and the best of them."""
    took: list[float] = []
    rows = np.unique(np.linspace(0, len(asked) - 1, min(TIMED, len(asked))).astype(np.int64))
    for row in rows.tolist():
        one = _row(asked.histories, row)
        began = time.perf_counter()
        top_n(model.scores(one, items)[0].astype(np.float64), n)
        took.append(time.perf_counter() - began)
        if sum(took) > TIMED_S:
            break
    return took[1:] or took  # the first one pays for what is compiled or loaded


def _row(histories: Histories, b: int) -> Histories:
    events = histories.row(b)
    start = np.array([0, events.stop - events.start], dtype=np.int64)
    parts = (histories.item[events], histories.at[events], histories.weight[events])
    return Histories(start, *parts, histories.asked_at[b : b + 1])


def merged(answers: Answers, lists: Mapping[bool, Int32Array], model: str, seconds: list[float]) -> None:
    """Put a model's lists beside those of the others."""
    for rule, rows in lists.items():
        answers.lists.setdefault(rule, {})[model] = rows
    answers.seconds[model] = seconds
