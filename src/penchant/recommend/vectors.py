"""Items near the user's taste: those whose vectors lie in the direction of the user's groups of items."""

from __future__ import annotations

import numpy as np

from penchant.clock import from_s
from penchant.domain.interactions import Interactions
from penchant.domain.query import Query
from penchant.domain.slate import Because, Candidates
from penchant.domain.taste import ItemVectors, TasteConfig, TasteReading
from penchant.math.arrays import Float32Array, FloatArray, IntArray
from penchant.math.factor import column_vectors
from penchant.math.top import top_n


class NearTaste:
    """Score = ``sum over the groups g of share_g * cos(i, g)**2 + fast_share * cos(i, fast)**2``; cosines below 0 are 0.

    The groups and the fast direction are read from the user's history (``penchant.interest.taste``) in vectors that
    ``fit`` learns from who took what, or that were brought from outside. Every item with a vector is looked at: exact,
    ``k * d`` multiplications a group. Memory: ``4 * d`` bytes an item.

    Source:
        Pal et al., "PinnerSage: multi-modal user embedding framework for recommendations at Pinterest", KDD 2020,
        section 4. There the medoid of a group is looked up; here the mean of the group, which found as much or more
        (docs/experiments/LOG.md).
    """

    name = "taste"
    Config = TasteConfig

    def __init__(self, config: TasteConfig | None = None) -> None:
        self.config = config or TasteConfig()
        self.vectors = ItemVectors.none()

    @property
    def fitted(self) -> bool:
        """Return whether there are vectors."""
        return len(self.vectors) > 0

    @property
    def given(self) -> bool:
        """Return whether the vectors were brought from outside: ``fit`` keeps them then."""
        return self.vectors.given

    def fit(self, interactions: Interactions) -> None:
        """Learn the vectors of the items that enough users took, unless others were given."""
        if self.given:
            return
        taken = interactions.matrix()
        item = np.flatnonzero(np.bincount(taken.indices, minlength=interactions.n_items) >= self.config.min_users)
        rows = column_vectors(taken[:, item], self.config.size, self.config.popularity)
        self.vectors = ItemVectors.of(item, rows)

    def _parts(self, query: Query, vector: Float32Array) -> tuple[TasteReading, Float32Array]:
        """Return the taste, and the part of each direction in the scores of vectors, groups first, shape (groups + 1, n)."""
        reading = query.taste(self.vectors, self.config)
        directions = [medoid.direction for medoid in reading.medoids] + [reading.fast]
        weight = np.array([medoid.share for medoid in reading.medoids] + [self.config.fast_share], np.float32)
        nearness = np.array(directions, np.float32) @ vector.T  # (groups + 1, n)
        np.maximum(nearness, 0.0, out=nearness)
        nearness *= nearness
        return reading, weight[:, None] * nearness

    def candidates(self, query: Query, n: int) -> Candidates:
        """Return the allowed items that lie nearest to the user's taste."""
        nothing = Candidates(np.empty(0, np.int64), np.empty(0))
        vectors, size = self.vectors, query.allowed.size
        if not len(vectors) or not query.taste(vectors, self.config).medoids:
            return nothing
        known = int(np.searchsorted(vectors.item, size))  # asked with a catalogue from before the fit
        item: IntArray = vectors.item[:known].astype(np.int64)
        score: FloatArray = self._parts(query, vectors.vector[:known])[1].sum(axis=0).astype(np.float64)
        best = top_n(np.where(query.allowed[item] & (score > 0), score, -np.inf), n)
        return Candidates(item[best], score[best])

    def because(self, query: Query, item: int) -> Because:
        """Return the item in the middle of the user's group that lies nearest, by its share."""
        place = int(self.vectors.places(np.array([item]))[0])
        reading, parts = self._parts(query, self.vectors.vector[[place]])
        medoid = reading.medoids[int(np.argmax(parts[:-1, 0]))]
        when = from_s(float(query.history.last_at[query.history.item == medoid.item][0]))
        if medoid.item == item:
            return Because(f"In the middle of {medoid.members.size} items that you took, last {when:%Y-%m-%d}", (item,))
        return Because(f"Close to {query.name(medoid.item)}, which you took on {when:%Y-%m-%d}", (medoid.item,))

    def encode(self) -> bytes:
        """Return the vectors as bytes."""
        return self.vectors.encode()

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` wrote; ``FormatError`` when damaged."""
        self.vectors = ItemVectors.decode(data)
