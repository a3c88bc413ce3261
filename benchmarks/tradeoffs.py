"""What rerankers win and what they cost: ``python benchmarks/tradeoffs.py NAME=DATA ... [--json FILE] [--chart FILE]``.

One cut in time, as ``penchant evaluate ranking``: everything is learned before it, every drawn user is asked once at it,
what the user took afterwards is relevant, over the full catalogue. The ranker's list is worked out once a user and given
to every reranker at five strengths. ``fatigue`` is left out: none of the data sets says what was shown.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant import Engine
from penchant.clock import fixed, from_s
from penchant.collect.datasets import open_dataset
from penchant.collect.importer import collect
from penchant.collect.quarantine import Quarantine
from penchant.domain.batch import EventBatch
from penchant.domain.slate import Candidates
from penchant.evaluate.metrics.beyond import coverage, diversity, gini, long_tail, novelty
from penchant.evaluate.metrics.evidence import RankingEvidence
from penchant.evaluate.metrics.ranking import ndcg
from penchant.evaluate.plots import line_chart_svg
from penchant.evaluate.report import current_commit
from penchant.evaluate.statistics import bootstrap_mean
from penchant.math.arrays import FloatArray, IntArray
from penchant.process.split import time_quantiles
from penchant.recommend import RERANKERS
from penchant.recommend.calibrate import divergence

if TYPE_CHECKING:
    import polars as pl

N = 10
CHUNK = 200_000
STRENGTHS: dict[str, tuple[str, tuple[float, ...]]] = {
    "mmr": ("strength", (0.1, 0.2, 0.3, 0.5, 0.7)),
    "calibrate": ("strength", (0.1, 0.2, 0.3, 0.5, 0.7)),
    "novelty": ("strength", (0.1, 0.2, 0.3, 0.5, 0.7)),
    "fair": ("share", (0.2, 0.3, 0.4, 0.6, 0.8)),
    "fresh": ("strength", (0.1, 0.2, 0.3, 0.5, 0.7)),
    "spread": ("max_share", (0.5, 0.4, 0.3, 0.2, 0.1)),
}
SHOWN = ("ndcg", "diversity", "novelty", "long_tail", "calibration", "coverage", "gini")


def log_of(data: str) -> pl.DataFrame:
    """Return the events of a data set in the log's schema."""
    source = open_dataset(data, None, None)
    with Engine.open("memory") as engine, Quarantine() as kept:
        collect(source, engine, kept)
        return engine.ledger.events()


def kept(frame: pl.DataFrame, n: int | None, seed: int) -> pl.DataFrame:
    """Return the events of a random sample of users, and those of nobody."""
    import polars as pl

    users = frame["user_id"].drop_nulls().unique().sort()
    if n is None or n >= users.len():
        return frame
    drawn = users.gather(np.random.default_rng([seed, 1]).choice(users.len(), n, replace=False))
    return frame.filter(pl.col("user_id").is_null() | pl.col("user_id").is_in(drawn.implode()))


def measured(frame: pl.DataFrame, max_users: int, seed: int) -> dict[str, Any]:
    """Return every metric of the ranker's list, of popularity, and of every reranker at every strength."""
    import polars as pl

    _, cut_us = time_quantiles(frame, 0.0, 0.1)
    at = cut_us / 1e6 - 1e-6
    engine = Engine.open("memory", clock=fixed(from_s(at)), seed=seed)
    for chunk in frame.iter_slices(CHUNK):
        engine.replay(chunk.filter(pl.col("at_us") < cut_us))
    engine.fit()
    ledger, pipeline = engine.ledger, engine.recommender.pipeline
    known = len(ledger.items)
    late = EventBatch.from_frame(frame.filter(pl.col("at_us") >= cut_us), ledger.items, ledger.topics)
    groups = late.groups("user")
    rng = np.random.default_rng(seed)
    relevant: list[IntArray] = []
    wanted: list[FloatArray] = []
    lists: dict[str, list[IntArray]] = {}
    spent: dict[str, float] = {}
    made = {
        f"{name} {value:g}": RERANKERS[name](RERANKERS[name].Config(**{option: value}))
        for name, (option, values) in STRENGTHS.items()
        for value in values
    }
    for row in rng.permutation(len(groups)).tolist():
        if len(relevant) == max_users:
            break
        user_id, rows = groups[row]
        taken = np.unique(late.item[rows[(late.item[rows] >= 0) & (late.weight[rows] > 0)]]).astype(np.int64)
        query = engine.recommender.query(user_id, N, at, {})
        taken = taken[taken < known]
        taken = taken[query.allowed[taken]]
        if not taken.size:
            continue
        relevant.append(taken)
        wanted.append(query.reading.probability)
        ranked, _ = pipeline.ranker.rank(query, pipeline.proposals(query))
        _add(lists, "ranker", ranked)
        _add(lists, "popular", pipeline.source("popular").candidates(query, N))
        for name, reranker in made.items():
            began = time.perf_counter()
            answer = reranker.rerank(query, ranked)
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - began
            _add(lists, name, answer)
    counts = np.zeros(known)
    for state in ledger.states.every("item_population").values():
        counts[state.number] += state.count
    topics = engine.recommender.index.arrays()[0][:known]
    engine.close()
    table = {}
    for name, answers in lists.items():
        evidence = RankingEvidence.from_lists(answers, relevant, known, counts / counts.sum(), _binary(topics))
        table[name] = _row(evidence, answers, topics, wanted, rng)
        if name in spent:
            table[name]["ms"] = round(1000 * spent[name] / len(answers), 3)
    return {"users": len(relevant), "items": known, "rows": table}


def _add(lists: dict[str, list[IntArray]], name: str, answer: Candidates) -> None:
    lists.setdefault(name, []).append(answer.item[:N].astype(np.int64))


def _binary(topics: Any) -> Any:
    copy = topics.copy()
    copy.data[:] = 1.0
    return copy


def _row(
    evidence: RankingEvidence, answers: list[IntArray], topics: Any, wanted: list[FloatArray], rng: np.random.Generator
) -> dict[str, Any]:
    """Return the metrics of one list, each with its interval where it has one."""
    users = np.arange(len(answers))
    far = np.array([_distance(topics, answer, mine) for answer, mine in zip(answers, wanted, strict=True)])
    by_user = {
        "ndcg": ndcg(evidence, N),
        "diversity": diversity(evidence, N),
        "novelty": novelty(evidence, N),
        "long_tail": long_tail(evidence, N),
        "calibration": far,
    }
    row: dict[str, Any] = {}
    for name, values in by_user.items():
        one = bootstrap_mean(np.asarray(values, dtype=np.float64), users, rng)
        row[name] = {"value": round(one.value, 4), "interval": [round(one.low, 4), round(one.high, 4)]}
    row["coverage"] = {"value": round(float(coverage(evidence, N)), 5)}
    row["gini"] = {"value": round(float(gini(evidence, N)), 4)}
    return row


def _distance(topics: Any, answer: IntArray, wanted: FloatArray) -> float:
    """Return how far the topics of a list are from the user's interests, in nats; NaN for a list without topics."""
    listed = topics[answer]
    labelled = int((np.diff(listed.indptr) > 0).sum())
    if not labelled:
        return float("nan")
    return divergence(wanted, np.asarray(listed.sum(axis=0)).ravel()[: wanted.size] / labelled)


def chart(results: dict[str, Any], metric: str) -> str:
    """Return a chart: share of the ranker's NDCG that is kept against the metric, one line a reranker and data set."""
    series: dict[str, list[tuple[float, float]]] = {}
    for data, result in results.items():
        rows = result["rows"]
        base = rows["ranker"]["ndcg"]["value"]
        for name, (_, values) in STRENGTHS.items():
            if name in ("mmr", "calibrate", "novelty", "fair"):
                points = [
                    (rows[key]["ndcg"]["value"], rows[key][metric]["value"])
                    for key in (f"{name} {v:g}" for v in values)
                ]
                points.append((base, rows["ranker"][metric]["value"]))
                series[f"{data}: {name}"] = sorted((100.0 * x / base, y) for x, y in points)
    return line_chart_svg(series, f"{metric} against NDCG@10", metric, x_label="NDCG@10 kept, % of the ranker's")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", help="NAME=a built-in data set or a folder")
    parser.add_argument("--users", type=int, default=600, help="users asked")
    parser.add_argument("--keep-users", type=int, help="learn from a random sample of users only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--chart", type=Path, help="an SVG file")
    parser.add_argument("--metric", default="diversity", choices=SHOWN)
    given = parser.parse_args()
    results: dict[str, Any] = {}
    for one in given.data:
        name, _, where = one.partition("=")
        results[name] = measured(kept(log_of(where or name), given.keep_users, given.seed), given.users, given.seed)
        print(f"{name}: {results[name]['users']} users, {results[name]['items']:,} items")
        print(" " * 16 + "".join(f"{metric:>13}" for metric in SHOWN))
        for row, metrics in results[name]["rows"].items():
            print(f"{row:16}" + "".join(f"{metrics[metric]['value']:13.4f}" for metric in SHOWN))
    if given.json is not None:
        document = {"commit": current_commit(), "seed": given.seed, "n": N, "data": results}
        given.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if given.chart is not None:
        given.chart.write_text(chart(results, given.metric) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
