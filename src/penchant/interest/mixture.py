"""Learn how much each half-life counts, and how strong the population prior is, from what came next."""

from __future__ import annotations

import numpy as np

from penchant.interest.parameters import TrackerParameters
from penchant.interest.prequential import TopicEvidence
from penchant.math.arrays import FloatArray

STRENGTHS = np.array([1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0])
EDGES = np.array([10.0, 40.0, 120.0, 300.0])
MIN_ROWS = 200
"""A row of weights learned from fewer events would follow chance: it takes the weights of everybody."""


def view_probability(evidence: TopicEvidence, view: int, strength: float) -> FloatArray:
    """Return P of the topic that came under one half-life alone, shape ``(N,)``."""
    p: FloatArray = (evidence.topic[:, view] + strength * evidence.prior) / (evidence.known[:, view] + strength)
    return p


def best_strength(evidence: TopicEvidence, view: int) -> tuple[float, float]:
    """Return ``(strength, mean log loss in nats)`` of the best prior strength for one half-life alone."""
    losses = [
        float(np.average(-np.log(view_probability(evidence, view, s)), weights=evidence.weight)) for s in STRENGTHS
    ]
    best = int(np.argmin(losses))
    return float(STRENGTHS[best]), losses[best]


def fit_mixture(evidence: TopicEvidence, iterations: int = 60) -> TrackerParameters:
    """Return mixture weights (expectation-maximisation) and prior strengths (each half-life by itself).

    Maximises the prequential likelihood of the topics that came. Users are grouped by how much is known of them; a group
    with too few events takes the weights of all.

    Source:
        Dempster, Laird & Rubin, 1977; Jelinek & Mercer, "Interpolated estimation of Markov source parameters", 1980.
    """
    n_views = evidence.half_lives_days.size
    if evidence.weight.size < MIN_ROWS:
        return TrackerParameters.default(evidence.half_lives_days)
    strength = np.array([best_strength(evidence, view)[0] for view in range(n_views)])
    p = (evidence.topic + strength * evidence.prior[:, None]) / (evidence.known + strength)  # (N, K)
    everybody = _expectation_maximisation(p, evidence.weight, np.full(n_views, 1 / n_views), iterations)
    group = np.searchsorted(EDGES, evidence.known[:, -1], side="right")
    rows = [
        _expectation_maximisation(p[group == g], evidence.weight[group == g], everybody, iterations)
        if np.count_nonzero(group == g) >= MIN_ROWS
        else everybody
        for g in range(EDGES.size + 1)
    ]
    return TrackerParameters(evidence.half_lives_days, np.array(rows), strength, EDGES.copy())


def _expectation_maximisation(p: FloatArray, weight: FloatArray, start: FloatArray, iterations: int) -> FloatArray:
    mix = start
    for _ in range(iterations):
        joint = p * mix  # (N, K)
        mix = (joint / joint.sum(axis=1, keepdims=True) * weight[:, None]).sum(axis=0)
        mix = mix / mix.sum()
    return mix
