"""The weighted sum of candidate lists, and learning its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from penchant.domain.slate import Candidates
from penchant.math.arrays import BoolArray, FloatArray, IntArray
from penchant.math.top import top_n


def blend(
    proposals: Mapping[str, Candidates], weights: Mapping[str, float]
) -> tuple[Candidates, dict[str, dict[int, float]]]:
    """Return all candidates by ``sum of weight * share of the source's score`` (see ``shares``), and the parts.

    Ties go to the lower item number.
    """
    parts: dict[str, dict[int, float]] = {}
    total: dict[int, float] = {}
    for source, candidates in proposals.items():
        weight = weights.get(source, 0.0)
        if weight <= 0 or candidates.item.size == 0:
            continue
        share = weight * shares(candidates.score)
        parts[source] = dict(zip(candidates.item.tolist(), share.tolist(), strict=True))
        for item, score in parts[source].items():
            total[item] = total.get(item, 0.0) + score
    order = sorted(total, key=lambda item: (-total[item], item))
    return Candidates(np.array(order, dtype=np.int64), np.array([total[item] for item in order])), parts


def shares(score: FloatArray) -> FloatArray:
    """Return scores of one source, best first, as numbers from 0 to 1, the best 1.

    Scores that are all above zero are divided by the highest. Others, such as logarithms of probabilities, have no zero
    of their own: then the lowest is 0.

    >>> shares(np.array([4.0, 2.0])), shares(np.array([1.0, 0.0, -3.0])), shares(np.array([-2.0]))
    (array([1. , 0.5]), array([1.  , 0.75, 0.  ]), array([1.]))
    """
    low, high = (0.0, score[0]) if score[-1] > 0 else (score[-1], score[0])
    return (score - low) / (high - low) if high > low else np.ones(score.size)


def learn_weights(
    asked: Sequence[tuple[Mapping[str, Candidates], IntArray]],
    start: Mapping[str, float],
    n: int,
    rng: np.random.Generator,
    trials: int = 150,
) -> tuple[dict[str, float], float, float]:
    """Return the weights with the highest mean NDCG@n found by random search around the best so far.

    Args:
        asked: For every query its proposals and the items that were then taken.
        start: Weights to begin with.
        n: Length of the list.
        rng: Source of chance.
        trials: Weights tried.

    Returns:
        The weights, their NDCG, and the NDCG of ``start``.
    """
    names = list(start)
    tables = [_table(proposals, taken, names) for proposals, taken in asked]
    best = np.array([start[name] for name in names])
    first = top = _mean_ndcg(tables, best, n)
    for trial in range(trials):
        width = 1.5 * (1.0 - trial / trials) + 0.1
        tried = best * np.exp(rng.normal(0.0, width, size=best.size))
        if rng.random() < 0.3:
            tried[rng.integers(best.size)] = 0.0
        if not tried.any():
            continue
        score = _mean_ndcg(tables, tried, n)
        if score > top:
            best, top = tried, score
    # A weight of zero could never grow again by multiplication, and its source would be dead for new users: keep a trace.
    learned = np.maximum(1e-4, best / best.sum())
    return dict(zip(names, learned.tolist(), strict=True)), top, first


def _table(
    proposals: Mapping[str, Candidates], taken: IntArray, names: Sequence[str]
) -> tuple[FloatArray, BoolArray, int]:
    """Return scaled scores by item and source, shape ``(m, sources)``, which items were taken, and how many were."""
    items = np.unique(np.concatenate([candidates.item for candidates in proposals.values()]))
    scores = np.zeros((items.size, len(names)))
    for column, name in enumerate(names):
        candidates = proposals.get(name)
        if candidates is not None and candidates.item.size:
            scores[np.searchsorted(items, candidates.item), column] = shares(candidates.score)
    return scores, np.isin(items, taken), taken.size


def _mean_ndcg(tables: Sequence[tuple[FloatArray, BoolArray, int]], weights: FloatArray, n: int) -> float:
    discount = 1.0 / np.log2(np.arange(2, n + 2))
    gains = []
    for scores, taken, n_taken in tables:
        hit = taken[top_n(scores @ weights, n)]
        gains.append(float(discount[: hit.size] @ hit) / float(discount[: min(n, n_taken)].sum()))
    return float(np.mean(gains)) if gains else 0.0
