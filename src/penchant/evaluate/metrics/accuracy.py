"""Metrics of the recommended set: precision, recall, F1, hit rate and accuracy; the order inside it is free.

In all of them ``hits`` is the number of relevant items among the first n, R the number of relevant items in
the catalogue and I the size of the catalogue. A list shorter than n counts as filled up with misses.
"""

import numpy as np

from penchant.evaluate.metrics.evidence import RankingEvidence
from penchant.math.arrays import FloatArray


def precision(evidence: RankingEvidence, n: int) -> FloatArray:
    """Return ``hits / n``.

    Returns:
        Shares in ``[0, 1]``, shape ``(Q,)``; at most ``R / n`` where fewer than n items are relevant.

    Source:
        Manning, Raghavan & Schütze, "Introduction to Information Retrieval", 2008, section 8.3; cut at n,
        section 8.4.

    >>> answer = RankingEvidence.from_lists([np.array([2, 0, 3])], [np.array([0, 1])], 4, np.full(4, 0.25))
    >>> precision(answer, 2)
    array([0.5])
    """
    return evidence.n_hits(n) / n


def recall(evidence: RankingEvidence, n: int) -> FloatArray:
    """Return ``hits / R``.

    Some libraries divide by ``min(n, R)`` instead, so that a full list of hits always scores 1; this one does
    not.

    Returns:
        Shares in ``[0, 1]``, shape ``(Q,)``; at most ``n / R`` where more than n items are relevant.

    Source:
        Manning, Raghavan & Schütze, "Introduction to Information Retrieval", 2008, section 8.3.

    >>> answer = RankingEvidence.from_lists([np.array([2, 0, 3])], [np.array([0, 1])], 4, np.full(4, 0.25))
    >>> recall(answer, 3)
    array([0.5])
    """
    return evidence.n_hits(n) / evidence.n_relevant


def f1(evidence: RankingEvidence, n: int) -> FloatArray:
    """Return ``2 hits / (n + R)``, the harmonic mean of precision and recall.

    This is F1 of each query; the F1 of mean precision and mean recall is another number.

    Returns:
        Values in ``[0, 1]``, shape ``(Q,)``.

    Source:
        Manning, Raghavan & Schütze, "Introduction to Information Retrieval", 2008, section 8.3.

    >>> answer = RankingEvidence.from_lists([np.array([2, 0, 3])], [np.array([0, 1])], 4, np.full(4, 0.25))
    >>> f1(answer, 2)
    array([0.5])
    """
    return 2.0 * evidence.n_hits(n) / (n + evidence.n_relevant)


def hit_rate(evidence: RankingEvidence, n: int) -> FloatArray:
    """Return 1 where at least one of the first n items is relevant, else 0.

    Its mean over leave-one-out queries is also published as HR@n and equals recall there.

    Returns:
        0 or 1, shape ``(Q,)``.

    Source:
        Deshpande & Karypis, "Item-based top-N recommendation algorithms", ACM TOIS 22(1), 2004.

    >>> answer = RankingEvidence.from_lists([np.array([2, 0, 3])], [np.array([0, 1])], 4, np.full(4, 0.25))
    >>> hit_rate(answer, 1), hit_rate(answer, 2)
    (array([0.]), array([1.]))
    """
    return (evidence.n_hits(n) > 0).astype(np.float64)


def accuracy(evidence: RankingEvidence, n: int) -> FloatArray:
    """Return ``(TP + TN) / I``: the share of the catalogue that is rightly listed or rightly left out.

    Here a short list is not filled up: what it leaves out counts as left out. Nearly everything in a large
    catalogue is rightly left out, so the value is close to 1 for every model and a list of nothing scores
    well.

    Returns:
        Shares in ``[0, 1]``, shape ``(Q,)``.

    Source:
        Manning, Raghavan & Schütze, "Introduction to Information Retrieval", 2008, section 8.3, which advises
        against it for the reason above.

    >>> answer = RankingEvidence.from_lists([np.array([2, 0, 3])], [np.array([0, 1])], 4, np.full(4, 0.25))
    >>> accuracy(answer, 2)
    array([0.5])
    """
    n_wrong = evidence.n_listed(n) + evidence.n_relevant - 2 * evidence.n_hits(n)
    return 1.0 - n_wrong / evidence.n_items
