"""A user's interest among item vectors: a fast and a slow direction, and the items in the middle of its groups."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from penchant.clock import DAY_S
from penchant.domain.profile import History
from penchant.domain.taste import ItemVectors, Medoid, TasteConfig, TasteReader, TasteReading
from penchant.math.arrays import Float32Array, FloatArray, IntArray
from penchant.math.decay import half_life_weight
from penchant.math.top import top_n


def read_taste(history: History, vectors: ItemVectors, at: float, config: TasteConfig) -> TasteReading:
    """Return where a user's interest lies among the items, at a moment.

    An item weighs ``log(1 + count) * 2**(-days since the last event on it / half-life)``. A direction is the weighted
    mean of the items' vectors, brought to length 1. The items that weigh most (``max_items``) are put into groups by
    Ward's method; in the middle of a group is the item with the least sum of squared distances to the others. It is a
    pure read: the vectors may be others than yesterday.

    Args:
        history: The user's items; nothing in it may be newer than ``at``.
        vectors: Where items lie.
        at: The moment, seconds since 1970.
        config: Half-lives and limits.

    Returns:
        Two directions and the evidence behind them, and the groups, heaviest first; all empty where nothing is known.

    Source:
        Pal et al., "PinnerSage: multi-modal user embedding framework for recommendations at Pinterest", KDD 2020,
        section 4: Ward's groups, medoids, decayed importance. The limit of groups and the two directions are ours.
    """
    place = vectors.places(history.item)
    usable = np.flatnonzero((place >= 0) & (history.count > 0))
    if not usable.size:
        nothing = np.zeros(vectors.vector.shape[1])
        return TasteReading(nothing, nothing, 0.0, 0.0, ())
    item, vector = history.item[usable], vectors.vector[place[usable]]  # (m,), (m, d)
    count = np.log1p(history.count[usable])
    age = np.maximum(0.0, at - history.last_at[usable]) / DAY_S

    def weigh(half_life: float) -> FloatArray:
        return count * half_life_weight(age, half_life)

    # The directions and shares do not depend on how long ago the newest item was: without it nothing underflows.
    since = age - age.min()
    relative = count * half_life_weight(since, config.medoid_days)
    chosen = top_n(relative, config.max_items)
    groups = _groups(vector[chosen], config)
    total = float(relative[chosen].sum())
    medoids = []
    for group in np.unique(groups):
        mine = chosen[groups == group]  # those that weigh most first
        middle = mine[_middle(vector[mine])]
        weight = relative[mine]
        direction = _direction(vector[mine], weight)
        medoids.append(Medoid(int(item[middle]), float(weight.sum()) / total, item[mine], direction))
    medoids.sort(key=lambda medoid: (-medoid.share, medoid.item))
    return TasteReading(
        _direction(vector, count * half_life_weight(since, config.fast_days)),
        _direction(vector, count * half_life_weight(since, config.slow_days)),
        float(weigh(config.fast_days).sum()),
        float(weigh(config.slow_days).sum()),
        tuple(medoids),
    )


def taste_reader(history: History, at: float) -> TasteReader:
    """Return ``read_taste`` for one user at one moment; the same vectors are read once."""

    @lru_cache(maxsize=1)
    def read(vectors: ItemVectors, config: TasteConfig) -> TasteReading:
        return read_taste(history, vectors, at, config)

    return read


def _direction(vector: Float32Array, weight: FloatArray) -> FloatArray:
    mean: FloatArray = weight @ vector
    length = float(np.sqrt(mean @ mean))
    # Opposite items of equal weight have no direction; rounding must not give them one.
    return mean / length if length > 1e-6 * weight.sum() else np.zeros_like(mean)


def _groups(vector: Float32Array, config: TasteConfig) -> IntArray:
    """Return a group number for every row: as many groups as are apart, and no more than allowed."""
    if vector.shape[0] == 1:
        return np.zeros(1, dtype=np.int64)
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist

    tree = linkage(pdist(vector.astype(np.float64)), method="ward")
    n_apart = 1 + int(np.count_nonzero(tree[:, 2] > config.apart))
    found: IntArray = fcluster(tree, min(n_apart, config.max_medoids), criterion="maxclust").astype(np.int64)
    return found


def _middle(vector: Float32Array) -> int:
    """Return the row with the least sum of squared distances to the others; of equals the first."""
    # For rows of length 1 that is the row with the largest scalar product with the sum of all.
    nearness = (vector @ vector.sum(axis=0)).astype(np.float64)
    return int(np.flatnonzero(nearness >= nearness.max() - 1e-6 * vector.shape[0])[0])
