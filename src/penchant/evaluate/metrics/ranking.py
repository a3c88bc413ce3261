"""Metrics of the order: NDCG, reciprocal rank, average precision and AUC.

In all of them ``rel(r)`` is 1 where the item at rank r (from 1) is relevant, else 0; R is the number of
relevant items in the catalogue and I the size of the catalogue.
"""

import numpy as np

from penchant.evaluate.metrics.evidence import NOTHING, RankingEvidence
from penchant.math.arrays import FloatArray


def ndcg(evidence: RankingEvidence, n: int) -> FloatArray:
    """Return ``DCG / IDCG`` with ``DCG = sum over r <= n of rel(r) / log2(r + 1)``.

    IDCG is the DCG of the best possible list: ``min(n, R)`` hits from rank 1 on. Libraries that let IDCG run
    over all R relevant items give lower values where ``R > n``.

    Returns:
        Values in ``[0, 1]``, shape ``(Q,)``.

    Source:
        Järvelin & Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002; with
        the discount ``log2(r + 1)``, which also discounts rank 2.

    >>> answer = RankingEvidence.from_lists([np.array([2, 0, 3])], [np.array([0])], 4, np.full(4, 0.25))
    >>> ndcg(answer, 3).round(4)  # the one hit is at rank 2: (1 / log2(3)) / (1 / log2(2))
    array([0.6309])
    """
    _, hits = evidence.top(n)
    discount = 1.0 / np.log2(np.arange(2, n + 2))  # (n,)
    ideal = np.cumsum(discount)[np.minimum(evidence.n_relevant, n) - 1]  # (Q,)
    dcg: FloatArray = hits @ discount[: hits.shape[1]]  # (Q, N) @ (N,) -> (Q,)
    gain: FloatArray = dcg / ideal
    return gain


def mrr(evidence: RankingEvidence, n: int) -> FloatArray:
    """Return ``1 / rank`` of the first relevant item, 0 where none is among the first n.

    Returns:
        Values in ``[0, 1]``, shape ``(Q,)``; their mean is the mean reciprocal rank.

    Source:
        Voorhees, "The TREC-8 question answering track report", TREC-8, 1999.

    >>> answer = RankingEvidence.from_lists([np.array([2, 0, 3])], [np.array([0, 3])], 4, np.full(4, 0.25))
    >>> mrr(answer, 3)
    array([0.5])
    """
    _, hits = evidence.top(n)
    if hits.shape[1] == 0:
        return np.zeros(len(hits))
    return np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1), 0.0)


def map(evidence: RankingEvidence, n: int) -> FloatArray:
    """Return average precision: ``sum over r <= n of rel(r) * precision(r) / min(n, R)``.

    The divisor is where published libraries part. ``min(n, R)``, used here, lets a perfect list score 1.
    Dividing by R (trec_eval, ranx) punishes a query for having more relevant items than the list has places;
    dividing by the number of hits found rewards a list that stops early. On the same lists the results were
    seen to differ by up to 66 %, so a MAP without its divisor cannot be compared.

    Returns:
        Values in ``[0, 1]``, shape ``(Q,)``; their mean is the mean average precision.

    Source:
        Manning, Raghavan & Schütze, "Introduction to Information Retrieval", 2008, section 8.4, for the whole
        ranking.

    >>> answer = RankingEvidence.from_lists([np.array([0, 2, 3])], [np.array([0, 3])], 4, np.full(4, 0.25))
    >>> map(answer, 3).round(4)  # hits at ranks 1 and 3: (1/1 + 2/3) / 2
    array([0.8333])
    """
    _, hits = evidence.top(n)
    ranks = np.arange(1, hits.shape[1] + 1)
    precision_at = np.cumsum(hits, axis=1) / ranks  # (Q, N)
    total: FloatArray = np.sum(precision_at, axis=1, where=hits)
    return total / np.minimum(evidence.n_relevant, n)


def auc(evidence: RankingEvidence, n: int) -> FloatArray:
    """Return ``P(a relevant item ranks above another) + P(they tie) / 2`` over the whole catalogue.

    The ``n`` is not used: AUC looks at every list as long as it is, and all items outside the list tie below
    its last item. It is exact for a list of the whole catalogue. With short lists most pairs tie and the
    value stays near 0.5, so compare models by it only on lists of one length.

    Returns:
        Values in ``[0, 1]``, shape ``(Q,)``, 0.5 by chance; NaN where the whole catalogue is relevant.

    Source:
        Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27(8), 2006, section 7.

    >>> answer = RankingEvidence.from_lists([np.array([2, 0])], [np.array([0])], 4, np.full(4, 0.25))
    >>> auc(answer, 10).round(4)  # item 0 is below item 2 and above items 1 and 3
    array([0.6667])
    """
    hits, misses = evidence.hits, (evidence.items != NOTHING) & ~evidence.hits
    n_misses = evidence.n_items - evidence.n_relevant  # (Q,) in the catalogue
    below = n_misses[:, None] - np.cumsum(misses, axis=1)  # (Q, N) misses ranked below each rank
    unlisted_hits = evidence.n_relevant - np.count_nonzero(hits, axis=1)
    unlisted_misses = n_misses - np.count_nonzero(misses, axis=1)
    won = np.sum(below, axis=1, where=hits) + unlisted_hits * unlisted_misses / 2.0
    pairs = evidence.n_relevant * n_misses
    area: FloatArray = np.divide(won, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return area
