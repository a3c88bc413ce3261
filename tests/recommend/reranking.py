"""Made-up questions for tests of rerankers: items 0, 1, 2 ..., best first."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from scipy import sparse

from penchant.domain.impressions import Impressions
from penchant.domain.slate import Candidates
from penchant.domain.taste import ItemVectors

NOW = 100 * 86_400.0


def ranked(*scores):
    """Return items 0, 1, 2 ... with these scores."""
    return Candidates(np.arange(len(scores)), np.array(scores, dtype=float))


def asked(
    topics,
    n,
    interest=None,
    long_term=None,
    popularity=None,
    since=None,
    shown=Impressions.none,
    vectors=ItemVectors.none,
    took=None,
):
    """Return a query over items whose topics are given, as far as rerankers look at it."""
    width = max((max(mine, default=0) for mine in topics), default=0) + 1
    width = max(width, len(interest) if interest is not None else 0)
    table = np.zeros((len(topics), width))
    for item, mine in enumerate(topics):
        table[item, mine] = 1.0 / max(1, len(mine))
    even = np.full(width, 1.0 / width)
    took = took or {}
    return SimpleNamespace(
        n=n,
        at=NOW,
        item_topics=sparse.csr_array(table),
        reading=SimpleNamespace(
            probability=even if interest is None else np.array(interest),
            long_term=even if long_term is None else np.array(long_term),
        ),
        popularity=lambda _half_life: np.array(popularity if popularity is not None else np.ones(len(topics))),
        since=np.zeros(len(topics)) if since is None else np.array(since),
        shown=shown,
        vectors=vectors,
        history=SimpleNamespace(item=np.array(list(took), dtype=np.int32), last_at=np.array(list(took.values()))),
    )
