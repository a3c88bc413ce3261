"""Topics under topics: evidence flows up to the branches, the user's prior flows down to the leaves."""

from __future__ import annotations

import numpy as np

from penchant.math.arrays import BoolArray, FloatArray, Int32Array, IntArray


def roll_up(values: FloatArray, parents: Int32Array) -> FloatArray:
    """Return each topic's own value plus those of everything under it, shape ``(T,)``.

    Args:
        values: One a topic, shape ``(T,)``.
        parents: The topic above each, -1 for none, without cycles, shape ``(T,)``.

    >>> roll_up(np.array([1.0, 2.0, 4.0]), np.array([-1, 0, 1], dtype=np.int32))
    array([7., 6., 4.])
    """
    total = values.astype(np.float64)
    row = np.flatnonzero(parents >= 0)
    above = parents[row]
    while row.size:  # one turn a level: everybody's value is handed one step further up
        total += np.bincount(above, values[row], minlength=values.size)
        above = parents[above]
        row, above = row[above >= 0], above[above >= 0]
    return total


def prior_down(evidence: FloatArray, prior: FloatArray, parents: Int32Array, strength: float) -> FloatArray:
    """Return the user's own prior: the population's, pulled at every level towards where the user's evidence lies.

    With ``E`` and ``Q`` evidence and prior rolled up, a branch ``b`` under ``a`` takes from what ``a`` has the share
    ``(E(b) + s Q(b) / Q(a)) / (E(a) + s)``; at the top ``a`` is everything. A topic with others under it keeps the share
    ``(e(a) + s q(a) / Q(a)) / (E(a) + s)`` for itself, ``e`` and ``q`` being its own. A topic's prior is the product of
    the shares on the way down. Where the user is unknown, ``E(a) = 0``, the population's shares within the branch are
    left. It sums to 1; without evidence it is the prior itself; without parents ``(e(c) + s q(c)) / (sum e + s)``.
    Where the population knows nothing of a branch, ``Q(a) = 0``, the topic itself and those just under it have equal
    shares in its prior.

    Args:
        evidence: The user's decayed counts, >= 0, shape ``(T,)``.
        prior: The population's distribution or counts, >= 0, shape ``(T,)``, not all 0.
        parents: The topic above each, -1 for none, without cycles, shape ``(T,)``.
        strength: How many events the prior counts for within each branch, > 0.

    Source:
        Hierarchical Dirichlet shrinkage: MacKay & Peto, "A hierarchical Dirichlet language model", Natural Language
        Engineering 1995, section 3, with the tree of topics in place of the contexts, and one strength for all levels.
    """
    prior = prior / prior.sum()
    own, own_prior = roll_up(evidence, parents), roll_up(prior, parents)  # E, Q
    under = np.flatnonzero(parents >= 0)
    above = parents[under]
    # What a branch's evidence and prior are measured against: those of the branch above it.
    whole = np.full(parents.size, evidence.sum())
    whole[under] = own[above]
    share = own_prior.copy()
    inside = own_prior[above]
    with np.errstate(divide="ignore", invalid="ignore"):
        share[under] = own_prior[under] / inside
        kept = prior / own_prior
    if not (own_prior > 0).all():
        parts = 1.0 + np.bincount(above, minlength=parents.size)  # the topic itself and those just under it
        share[under] = np.where(inside > 0, share[under], 1.0 / parts[above])
        kept = np.where(own_prior > 0, kept, 1.0 / parts)
    down = (own + strength * share) / (whole + strength)
    mass = down * (evidence + strength * kept) / (own + strength)
    while under.size:  # one turn a level: multiply by the share of the branch above, and of the one above it
        mass[under] *= down[above]
        above = parents[above]
        under, above = under[above >= 0], above[above >= 0]
    return mass


def depths(parents: Int32Array) -> IntArray:
    """Return how many topics stand above each, shape ``(T,)``."""
    depth = np.zeros(parents.size, dtype=np.int64)
    row, above = np.flatnonzero(parents >= 0), parents[parents >= 0]
    while row.size:
        depth[row] += 1
        above = parents[above]
        row, above = row[above >= 0], above[above >= 0]
    return depth


def at_level(parents: Int32Array, level: int) -> IntArray:
    """Return for every topic the one at a level that stands for it: 0 = the top; a topic above the level is itself.

    >>> at_level(np.array([-1, 0, 1, -1], dtype=np.int32), 1)
    array([0, 1, 1, 3])
    """
    stands, too_deep = np.arange(parents.size), depths(parents) - level
    for steps in range(int(too_deep.max(initial=0)), 0, -1):
        climbs = too_deep >= steps
        stands[climbs] = parents[stands[climbs]]
    return stands


def branch(parents: Int32Array, topic: int) -> BoolArray:
    """Return which topics are the given one or under it, shape ``(T,)``."""
    inside = np.zeros(parents.size, dtype=np.bool_)
    inside[topic] = True
    fresh = np.array([topic])
    while fresh.size:
        fresh = np.flatnonzero(np.isin(parents, fresh) & ~inside)
        inside[fresh] = True
    return inside
