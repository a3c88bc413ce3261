"""Metrics beyond being right: coverage, Gini, long tail, novelty and diversity.

None looks at what is relevant: a random list scores well on all of them, so read them next to accuracy.
"""

import numpy as np

from penchant.evaluate.metrics.evidence import NOTHING, RankingEvidence
from penchant.math.arrays import FloatArray

HEAD_SHARE = 0.8
"""The most popular items that hold this share of the interactions are the head, the others the tail."""


def coverage(evidence: RankingEvidence, n: int) -> float:
    """Return the share of the catalogue that at least one list recommends, ``|union of lists| / I``.

    It grows with the number of queries: compare models on the same queries.

    Returns:
        A share in ``[0, 1]``.

    Source:
        Ge, Delgado-Battenfeld & Jannach, "Beyond accuracy: evaluating recommender systems by coverage and
        serendipity", RecSys 2010 (there "catalog coverage").

    >>> lists = [np.array([2, 0]), np.array([2, 1])]
    >>> answer = RankingEvidence.from_lists(lists, [np.array([0]), np.array([1])], 4, np.full(4, 0.25))
    >>> coverage(answer, 2)
    0.75
    """
    return float(np.count_nonzero(_times_recommended(evidence, n)) / evidence.n_items)


def gini(evidence: RankingEvidence, n: int) -> float:
    """Return how unequally items are recommended (lower is better): ``sum (2i - I - 1) c(i) / (I sum c)``.

    The count ``c(i)`` is how often the item at place i is recommended, places from 1 in growing order of c.

    Returns:
        0 where all items are recommended equally often, up to ``1 - 1/I`` where one item takes all; NaN
        without a list.

    Source:
        Fleder & Hosanagar, "Blockbuster culture's next rise or fall: the impact of recommender systems on
        sales diversity", Management Science 55(5), 2009.

    >>> lists = [np.array([2]), np.array([2])]
    >>> answer = RankingEvidence.from_lists(lists, [np.array([0]), np.array([1])], 4, np.full(4, 0.25))
    >>> gini(answer, 1)
    0.75
    """
    times = np.sort(_times_recommended(evidence, n))
    n_items = len(times)
    if times.sum() == 0:
        return float("nan")
    places = np.arange(1, n_items + 1)
    return float(np.dot(2 * places - n_items - 1, times) / (n_items * times.sum()))


def long_tail(evidence: RankingEvidence, n: int) -> FloatArray:
    """Return the share of the list outside the popular items that hold 80 % of the training interactions.

    Returns:
        Shares in ``[0, 1]``, shape ``(Q,)``; NaN for an empty list.

    Source:
        Abdollahpouri, Burke & Mobasher, "Managing popularity bias in recommender systems with personalized
        re-ranking", FLAIRS 2019 (there APLT).

    >>> popularity = np.array([0.5, 0.3, 0.15, 0.05])
    >>> answer = RankingEvidence.from_lists([np.array([0, 3])], [np.array([0])], 4, popularity)
    >>> long_tail(answer, 2)
    array([0.5])
    """
    order = np.argsort(-evidence.item_popularity, kind="stable")
    share_before = np.cumsum(evidence.item_popularity[order]) - evidence.item_popularity[order]
    in_tail = np.empty(evidence.n_items, dtype=np.float64)
    # A hair below the share, so that 0.5 + 0.3 closes the head at 0.8 whatever the last bit of the sum.
    in_tail[order] = share_before >= HEAD_SHARE - 1e-12
    return _mean_over_list(evidence, n, in_tail)


def novelty(evidence: RankingEvidence, n: int) -> FloatArray:
    """Return the mean over the list of ``-log2(popularity)``: how surprising its items would be by chance.

    Popularity is the item's share of the training interactions. An item never seen there counts as the least
    popular item that was, as if it had been seen that often: its surprise is finite and no smaller than any
    other.

    Returns:
        Bits, >= 0, shape ``(Q,)``; NaN for an empty list.

    Source:
        Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 107(10),
        2010 (there "surprisal", with the share of users instead of the share of interactions).

    >>> popularity = np.array([0.5, 0.25, 0.25, 0.0])
    >>> answer = RankingEvidence.from_lists([np.array([0, 1, 3])], [np.array([0])], 4, popularity)
    >>> novelty(answer, 2), novelty(answer, 3).round(4)  # (1 + 2) / 2, then (1 + 2 + 2) / 3
    (array([1.5]), array([1.6667]))
    """
    popularity = evidence.item_popularity
    least = popularity.min(initial=1.0, where=popularity > 0)
    return _mean_over_list(evidence, n, -np.log2(np.maximum(popularity, least)))


def diversity(evidence: RankingEvidence, n: int) -> FloatArray:
    """Return the mean over pairs in the list of ``1 - cosine(topics of one, topics of the other)``.

    The cosine of two topic sets is ``|A and B| / sqrt(|A| |B|)``. Items without a topic are left out: how far
    they are from the others is unknown.

    Returns:
        Values in ``[0, 1]``, shape ``(Q,)``: 0 where all items have the same topics, 1 where no two share
        one; NaN where fewer than two items have topics.

    Source:
        Ziegler et al., "Improving recommendation lists through topic diversification", WWW 2005, section 3.3,
        whose intra-list similarity is a sum; here its mean, subtracted from 1.

    >>> from scipy.sparse import csr_array
    >>> topics = csr_array(np.array([[1, 0], [1, 0], [0, 1]]))
    >>> popularity = np.array([0.5, 0.25, 0.25])
    >>> answer = RankingEvidence.from_lists([np.array([0, 1, 2])], [np.array([0])], 3, popularity, topics)
    >>> diversity(answer, 3).round(4)  # pairs 0-1: 0, 0-2: 1, 1-2: 1
    array([0.6667])
    """
    from scipy.sparse import csr_array  # here, for the other metrics are quick to import without it

    items, _ = evidence.top(n)
    if evidence.item_topics is None:
        return np.full(len(items), np.nan)
    n_topics = np.asarray(evidence.item_topics.sum(axis=1), dtype=np.float64)  # (I,)
    length = np.sqrt(n_topics)
    unit = csr_array(evidence.item_topics.multiply(1.0 / np.maximum(length, 1.0)[:, None]))  # (I, T) rows of length 1
    rows, places = np.nonzero(items != NOTHING)
    listed = csr_array((np.ones(len(rows)), (rows, items[rows, places])), shape=(len(items), evidence.n_items))
    # The squared length of the sum of m unit vectors is m plus the cosines of all ordered pairs.
    total = listed @ unit  # (Q, T)
    squared = np.asarray(total.multiply(total).sum(axis=1), dtype=np.float64)
    m: FloatArray = listed @ (n_topics > 0).astype(np.float64)  # (Q,)
    pairs = m * (m - 1.0)
    similarity = np.divide(squared - m, pairs, out=np.full(len(m), np.nan), where=pairs > 0)
    # Rounding leaves a similarity of all-alike items a hair above 1.
    clipped: FloatArray = np.clip(1.0 - similarity, 0.0, 1.0)
    return clipped


def _times_recommended(evidence: RankingEvidence, n: int) -> FloatArray:
    items, _ = evidence.top(n)
    return np.bincount(items[items != NOTHING], minlength=evidence.n_items).astype(np.float64)


def _mean_over_list(evidence: RankingEvidence, n: int, item_value: FloatArray) -> FloatArray:
    items, _ = evidence.top(n)
    listed = items != NOTHING
    total = np.sum(item_value[items], axis=1, where=listed)  # the -1 of an empty place reads a value that is not summed
    length = np.count_nonzero(listed, axis=1)
    mean: FloatArray = np.divide(total, length, out=np.full(len(items), np.nan), where=length > 0)
    return mean
