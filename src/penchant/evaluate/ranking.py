"""Score ranked lists: the same queries for every model, over the full catalogue, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from penchant.evaluate import METRICS
from penchant.evaluate.metrics.evidence import RankingEvidence
from penchant.evaluate.statistics import Interval, bootstrap_mean, paired_difference
from penchant.math.arrays import FloatArray, IntArray


@dataclass
class Answers:
    """What every model answered to the same queries.

    Attributes:
        lists: Item rows, best first, one list a query, by model.
        relevant: Item rows that were taken afterwards, one set a query.
        users: User of each query.
    """

    lists: dict[str, list[IntArray]] = field(default_factory=dict)
    relevant: list[IntArray] = field(default_factory=list)
    users: list[int] = field(default_factory=list)

    def add(self, user: int, lists: Mapping[str, IntArray], relevant: IntArray) -> None:
        """Take the answers to one query; a query after which nothing was taken cannot be scored and is left out."""
        if relevant.size == 0:
            return
        self.users.append(user)
        self.relevant.append(relevant)
        for model, items in lists.items():
            self.lists.setdefault(model, []).append(items)


def score_lists(
    answers: Answers,
    n: int,
    n_items: int,
    item_popularity: FloatArray,
    item_topics: sparse.csr_array | None,
    rng: np.random.Generator,
    metrics: Sequence[str] | None = None,
) -> dict[str, dict[str, Interval]]:
    """Return ``{model: {"ndcg@10": interval, …}}`` for every registered metric, or the named ones.

    Args:
        answers: Lists and what was taken.
        n: Where lists are cut.
        n_items: Size of the catalogue.
        item_popularity: Share of the training interactions of each item, shape ``(n_items,)``.
        item_topics: Which topics each item has, shape ``(n_items, T)``.
        rng: Source of chance for the intervals.
        metrics: Names of metrics.
    """
    users = np.array(answers.users, dtype=np.int64)
    scored: dict[str, dict[str, Interval]] = {}
    for model, lists in answers.lists.items():
        evidence = RankingEvidence.from_lists(lists, answers.relevant, n_items, item_popularity, item_topics)
        row: dict[str, Interval] = {}
        for name in metrics or METRICS:
            value = METRICS[name](evidence, n)
            row[f"{name}@{n}"] = (
                Interval.point(value) if isinstance(value, float) else bootstrap_mean(value, users, rng)
            )
        scored[model] = row
    return scored


def compare(
    answers: Answers, n: int, n_items: int, item_popularity: FloatArray, best: str, rng: np.random.Generator
) -> dict[str, Interval]:
    """Return, by model, NDCG of ``best`` less that of the model on the same queries, with its interval."""
    users = np.array(answers.users, dtype=np.int64)
    values = {
        model: METRICS["ndcg"](RankingEvidence.from_lists(lists, answers.relevant, n_items, item_popularity), n)
        for model, lists in answers.lists.items()
    }
    return {
        model: paired_difference(values[best], value, users, rng) for model, value in values.items() if model != best
    }
