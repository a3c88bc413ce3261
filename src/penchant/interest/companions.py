"""Which topics go together: how far interest in some of them speaks for another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penchant.domain.batch import EventBatch
from penchant.domain.packing import pack, unpack
from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray

FORMAT = 1
MAX_TOPICS = 1_000
"""Topics among which companions are looked for, the most touched ones; the work grows with the cube."""
MAX_USERS = 20_000
LEAST_USERS = 5
"""A topic of fewer users says nothing of what goes with it."""
RIDGE = 30.0
"""Weight of the prior that nothing goes with anything, in users."""


@dataclass(frozen=True)
class Companions:
    """Weights by which a user's other topics speak for a topic.

    Attributes:
        topic: The topics that have companions, rising, shape ``(C,)``.
        weight: How much interest in the first speaks for the second, zero on the diagonal, shape ``(C, C)``.
    """

    topic: IntArray
    weight: Float32Array

    @classmethod
    def none(cls) -> Companions:
        """Return that nothing is known to go together."""
        return cls(np.empty(0, np.int64), np.empty((0, 0), np.float32))

    def lean(self, topic: Int32Array, evidence: FloatArray, number: IntArray) -> FloatArray:
        """Return how far the user's other topics speak for each of ``number``, shape ``(n,)``; 0 where nothing is known.

        Args:
            topic: The user's topics, shape ``(m,)``.
            evidence: Of each of them, shape ``(m,)``.
            number: Topics asked about, shape ``(n,)``.
        """
        answer = np.zeros(number.size)
        if not self.topic.size:
            return answer
        mine, known = self._places(topic)
        given = np.zeros(self.topic.size)
        given[mine[known]] = np.log1p(np.maximum(0.0, evidence[known]))
        length = float(np.sqrt(given @ given))
        if length > 0:
            asked, there = self._places(number)
            answer[there] = ((given / length).astype(np.float32) @ self.weight)[asked[there]]
        return answer

    def _places(self, topic: IntArray | Int32Array) -> tuple[IntArray, IntArray]:
        place = np.minimum(np.searchsorted(self.topic, topic), self.topic.size - 1)
        return place, np.flatnonzero(self.topic[place] == topic)

    def renumbered(self, numbers: IntArray) -> Companions:
        """Return the same with topic ``t`` called ``numbers[t]``; one that becomes -1 is left out."""
        new = numbers[self.topic]
        order = np.argsort(new, kind="stable")
        order = order[new[order] >= 0]
        return Companions(new[order], self.weight[np.ix_(order, order)])

    def encode(self) -> bytes:
        """Return the weights as bytes."""
        return pack(FORMAT, {"topic": self.topic, "weight": self.weight})

    @classmethod
    def decode(cls, data: bytes) -> Companions:
        """Return what ``encode`` wrote; ``FormatError`` when damaged."""
        found = unpack(data, FORMAT)
        return cls(found["topic"], found["weight"])


def find_companions(batch: EventBatch, before_s: float, n_topics: int, rng: np.random.Generator) -> Companions:
    """Return which topics go together, from what users did before a moment.

    Every user is a row of log-dampened counts of length 1; each topic is predicted from a user's other topics by ridge
    regression, all of them in closed form from the inverse of one Gram matrix.

    Args:
        batch: Events of many users.
        before_s: Seconds since 1970; later events are not looked at.
        n_topics: How many topics there are.
        rng: Draws users where there are more than 20,000.

    Source:
        Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019, equation 8, on topics in place of items.
    """
    from scipy import sparse

    owner = batch.topic_owner
    use = (batch.at[owner] < before_s) & (batch.weight[owner] > 0) & (batch.user[owner] >= 0)
    share = (batch.weight[owner] / np.diff(batch.topic_start)[owner])[use]
    counts = sparse.csr_array((share, (batch.user[owner][use], batch.topic[use])), shape=(len(batch.users), n_topics))
    counts.sum_duplicates()
    rows = np.flatnonzero(np.diff(counts.indptr) > 1)  # a single topic goes with nothing
    if rows.size > MAX_USERS:
        rows = np.sort(rng.choice(rows, MAX_USERS, replace=False))
    counts = counts[rows]
    users = np.bincount(counts.indices, minlength=n_topics)
    chosen = np.sort(np.argsort(-users, kind="stable")[:MAX_TOPICS])
    chosen = chosen[users[chosen] >= LEAST_USERS]
    if chosen.size < 2:
        return Companions.none()
    counts.data = np.log1p(counts.data)
    length = np.sqrt(counts.multiply(counts).sum(axis=1))
    counts = (sparse.diags_array(1.0 / np.maximum(length, 1e-12)) @ counts).tocsc()[:, chosen]
    gram = (counts.T @ counts).toarray()
    gram[np.diag_indices_from(gram)] += RIDGE
    inverse = np.linalg.inv(gram)
    weight = -inverse / np.diag(inverse)
    np.fill_diagonal(weight, 0.0)
    return Companions(chosen.astype(np.int64), weight.astype(np.float32))
