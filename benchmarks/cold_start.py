"""What helps a user of whom nothing is known: ``python benchmarks/cold_start.py DATA [--json FILE]``.

Peers: everybody with facts is left out of the log once, in folds, facts kept, and asked about at the cut.
Questions: users are left out of the log; what they did in the first half of their events answers the questions, what
they took in the second half is what a list should hold.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant import Engine
from penchant.clock import fixed, from_s
from penchant.collect.datasets import open_dataset
from penchant.collect.importer import collect
from penchant.collect.quarantine import Quarantine
from penchant.config import Settings
from penchant.domain.batch import EventBatch
from penchant.domain.vocabulary import Vocabulary
from penchant.evaluate.report import current_commit
from penchant.evaluate.statistics import Interval, bootstrap_mean
from penchant.loop.fitting import facts_of, interactions_of
from penchant.loop.onboarding import Onboarding
from penchant.math.arrays import FloatArray, IntArray
from penchant.recommend.calibrate import Calibrate
from penchant.recommend.peers import Peers, PeersConfig

if TYPE_CHECKING:
    import polars as pl

N = 10
CHUNK = 200_000


def log_of(data: str) -> pl.DataFrame:
    """Return the events of a data set in the log's schema."""
    source = open_dataset(data, None, None)
    with Engine.open("memory") as engine, Quarantine() as kept:
        collect(source, engine, kept)
        return engine.ledger.events()


def ndcg(listed: Sequence[int], taken: IntArray) -> float:
    """Return NDCG@10 of a list of item numbers."""
    discount = 1.0 / np.log2(np.arange(2, N + 2))
    hit = np.isin(np.array(listed[:N], dtype=np.int64), taken)
    return float(discount[: hit.size] @ hit / discount[: min(N, taken.size)].sum())


def shown(value: Interval) -> dict[str, Any]:
    """Return a mean and its interval as plain values."""
    return {"value": round(value.value, 4), "interval": [round(value.low, 4), round(value.high, 4)]}


def filled(frame: pl.DataFrame, at: float, **components: Any) -> Engine:
    """Return an engine that knows these events."""
    engine = Engine.open("memory", clock=fixed(from_s(at)), components=components)
    for chunk in frame.iter_slices(CHUNK):
        engine.replay(chunk)
    return engine


# -- People of the same facts ------------------------------------------------------------------------------------------

VARIANTS: dict[str, dict[str, Any]] = {
    "peers": {},
    "peers, strength 0.5": {"strength": 0.5},
    "peers, strength 2": {"strength": 2.0},
    "peers, shrinkage 2": {"shrinkage": 2.0},
    "peers, shrinkage 50": {"shrinkage": 50.0},
}


def peers(frame: pl.DataFrame, folds: int, days: float, seed: int) -> dict[str, Any]:
    """Return NDCG@10 of popularity and of peers for users without a history, each left out once."""
    import polars as pl

    cut_us = int(frame.filter(pl.col("user_id").is_not_null())["at_us"].quantile(0.75))
    batch = EventBatch.from_frame(frame, Vocabulary(), Vocabulary())
    known = sorted(batch.users[row] for row in facts_of(batch, cut_us / 1e6))
    fold_of = dict(zip(known, np.random.default_rng(seed).permutation(len(known)) % folds, strict=True))
    scores: dict[str, list[float]] = {name: [] for name in ("popular", *VARIANTS)}
    for fold in range(folds):
        out = [user for user in known if fold_of[user] == fold]
        mine = pl.col("user_id").is_in(out) & (pl.col("type") != "user")
        early = frame.filter(~mine.fill_null(False) & (pl.col("at_us") < cut_us))
        late = frame.filter(mine & (pl.col("at_us") >= cut_us) & (pl.col("at_us") < cut_us + int(days * 86_400e6)))
        at = cut_us / 1e6 - 1e-6
        engine = filled(early, at)
        interactions = interactions_of(EventBatch.from_frame(early, engine.ledger.items, engine.ledger.topics))
        models = {name: Peers(PeersConfig(**options)) for name, options in VARIANTS.items()}
        for model in models.values():
            model.fit(interactions)
        later = EventBatch.from_frame(late, engine.ledger.items, engine.ledger.topics)
        for user_id, rows in later.groups("user"):
            taken = np.unique(later.item[rows[(later.item[rows] >= 0) & (later.weight[rows] > 0)]]).astype(np.int64)
            if not taken.size:
                continue
            query = engine.recommender.query(user_id, N, at, {})
            popular = engine.recommender.pipeline.source("popular").candidates(query, N)
            scores["popular"].append(ndcg(popular.item.tolist(), taken))
            for name, model in models.items():
                scores[name].append(ndcg(model.candidates(query, N).item.tolist(), taken))
        engine.close()
    rng = np.random.default_rng(seed + 1)
    users = np.arange(len(scores["popular"]))
    table = {name: shown(bootstrap_mean(np.array(values), users, rng)) for name, values in scores.items()}
    ahead = {
        name: shown(bootstrap_mean(np.array(values) - np.array(scores["popular"]), users, rng))
        for name, values in scores.items()
        if name != "popular"
    }
    return {"ndcg@10": table, "ahead_of_popular": ahead, "folds": folds, "days": days}


# -- Questions ---------------------------------------------------------------------------------------------------------

ASKED = (0, 1, 3, 5, 10)
CRITERIA = ("entropy", "popular")
POLICIES = (*CRITERIA, "random")
LISTS = ("pipeline", "calibrated", "interest", "like_minded")


def questions(frame: pl.DataFrame, kind: str, max_users: int, seed: int) -> dict[str, Any]:
    """Return NDCG@10 of new users after so many answered questions, by how the questions were chosen.

    New users are drawn from those with at least 10 events before the cut and 3 items after it; nothing of them is in
    the log. What they did before the cut says yes (the topic is more of theirs than of everybody's, or the item is theirs)
    or no; what they took after it is what a list should hold. Lists: the
    pipeline, the pipeline with the reranker ``calibrate``, and the sources ``interest`` and ``like_minded`` alone.
    """
    import polars as pl

    deeds = frame.filter(pl.col("user_id").is_not_null() & pl.col("item_id").is_not_null())
    cut_us = int(deeds["at_us"].quantile(0.75))
    at = cut_us / 1e6 - 1.0
    before = deeds.filter(pl.col("at_us") < cut_us).group_by("user_id").len().filter(pl.col("len") >= 10)
    after = deeds.filter(pl.col("at_us") >= cut_us).group_by("user_id").len().filter(pl.col("len") >= 3)
    able = sorted(set(before["user_id"]) & set(after["user_id"]))
    rng = np.random.default_rng(seed)
    drawn = [able[i] for i in rng.permutation(len(able))[: min(max_users, len(able) // 3)]]
    mine = pl.col("user_id").is_in(drawn).fill_null(False)
    engine = filled(frame.filter(~mine & (pl.col("at_us") < cut_us)), at)
    engine.fit(["item_knn", "taste", "like_minded", "blend"])
    ledger = engine.ledger
    own = EventBatch.from_frame(frame.filter(mine), ledger.items, ledger.topics)
    everybody = ledger.population("topic_population", at, 1e6)
    chosen_by = {
        one: Onboarding(ledger, engine.recommender.index, Settings(components={"onboarding": {"criterion": one}}))
        for one in CRITERIA
    }
    asking = [question.id for question in engine.onboarding(100, kind=kind)]  # type: ignore[arg-type]
    names = ledger.topics if kind == "topic" else ledger.items
    scores: dict[str, list[list[list[float]]]] = {policy: [] for policy in POLICIES}
    said_yes: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    for user_id, rows in own.groups("user"):
        rows = rows[(own.item[rows] >= 0) & (own.weight[rows] > 0)]
        early, late = rows[own.at[rows] < cut_us / 1e6], rows[own.at[rows] >= cut_us / 1e6]
        taken = np.unique(own.item[late]).astype(np.int64)
        yes = _yes(own, early, everybody, kind)
        for policy in POLICIES:
            order = [str(one) for one in rng.permutation(asking)]
            stages: list[list[float]] = []
            answers: dict[str, bool] = {}
            stranger = f"new/{user_id}/{policy}"
            for k in range(max(ASKED) + 1):
                if k in ASKED:
                    stages.append(_lists(engine, stranger, at, taken))
                if k == max(ASKED):
                    break
                if len(answers) == len(asking):
                    continue  # all that there is to ask has been asked
                asker = chosen_by.get(policy)
                question = order[k] if asker is None else asker.questions(1, kind, answers, at, live=True)[0].id  # type: ignore[arg-type]
                answers[question] = names.number(question) in yes
                engine.answer(stranger, {question: answers[question]}, kind)  # type: ignore[arg-type]
            scores[policy].append(stages)
            said_yes[policy].append(sum(answers.values()) / len(answers))
            if kind == "item":
                engine.forget(stranger)  # nobody else's list may know of a made-up liking
    engine.close()
    users, draw = np.arange(len(scores["random"])), np.random.default_rng(seed + 1)
    values = {policy: np.array(rows) for policy, rows in scores.items()}  # (users, stages, lists)

    def measured(one: FloatArray) -> dict[str, Any]:
        return shown(bootstrap_mean(one, users, draw))

    table = {
        name: {
            policy: {str(k): measured(rows[:, stage, column]) for stage, k in enumerate(ASKED)}
            for policy, rows in values.items()
        }
        for column, name in enumerate(LISTS)
    }
    five = ASKED.index(5)
    ahead = {
        f"{name}: {policy}": {
            "of no answers": measured(values[policy][:, five, column] - values[policy][:, 0, column]),
            "of random questions": measured(values[policy][:, five, column] - values["random"][:, five, column]),
        }
        for column, name in enumerate(LISTS)
        for policy in POLICIES
    }
    yes_share = {policy: round(float(np.mean(shares)), 3) for policy, shares in said_yes.items()}
    return {"ndcg@10": table, "five answers ahead": ahead, "yes": yes_share, "users": len(users)}


def _lists(engine: Engine, user_id: str, at: float, taken: IntArray) -> list[float]:
    """Return NDCG@10 of each of ``LISTS`` for a user."""
    pipeline = engine.recommender.pipeline
    query = engine.recommender.query(user_id, N, at, {})
    proposals = pipeline.proposals(query)
    ranked, _ = pipeline.ranker.rank(query, proposals)
    for reranker in pipeline.rerankers:
        ranked = reranker.rerank(query, ranked)
    lists = (
        ranked,
        Calibrate().rerank(query, ranked),
        proposals["interest"],
        pipeline.source("like_minded").candidates(query, N),
    )
    return [ndcg(one.item.tolist(), taken) for one in lists]


def _yes(batch: EventBatch, rows: IntArray, everybody: Any, kind: str) -> set[int]:
    """Return the topics, or items, to which a user says yes."""
    if kind == "item":
        return set(batch.item[rows].tolist())
    mine = batch.select(rows)
    share = 1.0 / np.maximum(1, np.diff(mine.topic_start))[mine.topic_owner]
    counts = np.bincount(mine.topic, share, minlength=len(batch.topics))
    counts = np.pad(counts, (0, max(0, everybody.size - counts.size)))[: everybody.size]
    more = counts / max(counts.sum(), 1e-9) > everybody / everybody.sum()
    return set(np.flatnonzero(more & (counts >= 1)).tolist())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="a built-in data set or a folder")
    parser.add_argument("--users", type=int, default=150, help="new users that are asked")
    parser.add_argument("--kinds", default="topic", help="topic, item, or both with a comma between")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    frame = log_of(given.data)
    began = time.perf_counter()
    figures: dict[str, Any] = {"data": given.data, "commit": current_commit(), "seed": given.seed}
    if (frame["type"] == "user").any():
        figures["peers"] = peers(frame, 5, 28.0, given.seed)
    for kind in given.kinds.split(","):
        figures[f"questions about {kind}s"] = questions(frame, kind, given.users, given.seed)
    figures["seconds"] = round(time.perf_counter() - began, 1)
    text = json.dumps(figures, indent=2)
    print(text)
    if given.json is not None:
        given.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
