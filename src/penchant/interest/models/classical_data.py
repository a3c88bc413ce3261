"""Examples for the classical models, honest in time: features at a moment, labels from what happened after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.interest.models.evidence import newest_items
from penchant.interest.models.features import FEATURES, CandidateSizes, ItemFacts, Mine, Sight, distinct
from penchant.interest.models.rules import Rules, RulesConfig
from penchant.math.arrays import BoolArray, Float32Array, FloatArray, IntArray

REPEATS_FROM = 0.05
"""With at least this share of repeated interactions a user's own items are candidates."""
RULES = RulesConfig(window=5, max_history=50)
CHUNK = 32
"""Questions whose rules are worked out together: one row over the catalogue each."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows (question, candidate).

    Attributes:
        x: Features, shape ``(n, F)``.
        taken: Whether the user took the item within the horizon, shape ``(n,)``.
        weight: How many rows this one stands for, shape ``(n,)``: rows not taken are sampled.
    """

    x: Float32Array
    taken: BoolArray
    weight: FloatArray

    @classmethod
    def joined(cls, parts: list[Examples]) -> Examples:
        """Return all rows of several."""
        if not parts:
            return cls(np.empty((0, len(FEATURES)), np.float32), np.empty(0, np.bool_), np.empty(0))
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "taken", "weight")))

    @property
    def teaches(self) -> bool:
        """Return whether some were taken and some not."""
        return bool(self.taken.any() and not self.taken.all())


@dataclass(frozen=True, slots=True)
class Plan:
    """When questions are asked.

    Attributes:
        moments: Seconds since 1970, rising; the last one is for calibration.
        horizon_s: How long after its moment a question looks for what was taken.
    """

    moments: FloatArray
    horizon_s: float

    @classmethod
    def of(cls, interactions: Interactions, n: int, horizon_days: float | None) -> Plan:
        """Return ``n`` moments to learn from and one to calibrate on, so that no two kinds see the same events.

        The horizon is, unless given, as long as the newest tenth of the interactions took.
        """
        if interactions.at.size < 2:
            return cls(np.empty(0), 0.0)
        first, tenth, end = np.quantile(interactions.at, [0.3, 0.9, 1.0]).tolist()
        horizon = max(1.0, end - tenth) if horizon_days is None else horizon_days * 86_400.0
        last = end - horizon
        until = max(first, last - horizon)
        return cls(np.append(np.linspace(first, until, n), last), horizon)


class Asking:
    """Puts questions about users at a moment: what is known then, which items are looked at, their features."""

    def __init__(self, facts: ItemFacts, rules: Rules, items: ItemTable, sizes: CandidateSizes) -> None:
        self._sight = Sight(facts, items)
        self._rules = rules
        self._items = items
        self._sizes = sizes

    def rows(self, histories: Histories) -> Iterator[tuple[IntArray, Float32Array]]:
        """Return, question by question, the candidates and their features."""
        for some in histories.chunks(CHUNK):
            follows = np.maximum(0.0, self._rules.scores(some, self._items))
            mine = newest_items(some, self._items.n_items)
            for b, at in enumerate(some.asked_at.tolist()):
                part = slice(int(mine.start[b]), int(mine.start[b + 1]))
                one = Mine(mine.item[part], mine.age_days[part], mine.weight[part])
                liked = self._sight.look(one)
                candidates = self._sight.candidates(one, liked, follows[b], at, self._sizes)
                yield candidates, self._sight.features(one, liked, follows[b], candidates, at)


def before(interactions: Interactions, at: float) -> Interactions:
    """Return what happened before a moment."""
    keep = interactions.at < at
    taken = {name: getattr(interactions, name)[keep] for name in ("user", "item", "at", "weight")}
    return replace(interactions, **taken)


def fitted_rules(interactions: Interactions, items: ItemTable) -> Rules:
    """Return the rules of what happened so far."""
    rules = Rules(RULES)
    rules.fit(ItemTraining(interactions, items))
    return rules


def examples_at(
    interactions: Interactions,
    items: ItemTable,
    rules: Rules,
    at: float,
    horizon_s: float,
    sizes: CandidateSizes,
    users: int,
    others: int | None,
    rng: np.random.Generator,
) -> Examples:
    """Return the examples of one moment: users who did something before it and within the horizon after it.

    Args:
        interactions: All that may be learned from; what came later than the horizon is not looked at.
        items: The catalogue.
        rules: Fitted on what came before the moment.
        at: The moment.
        horizon_s: Seconds within which an item must be taken.
        sizes: Of the candidates.
        users: At most so many, drawn at random.
        others: Candidates that were not taken, drawn at random for each user; None for all.
        rng: Source of chance.
    """
    past = before(interactions, at)
    after = (interactions.at >= at) & (interactions.at <= at + horizon_s)
    asked = np.intersect1d(past.user, interactions.user[after]).astype(np.int64)
    if asked.size > users:
        asked = np.sort(rng.choice(asked, users, replace=False))
    if not asked.size:
        return Examples.joined([])
    key = distinct(interactions.user[after].astype(np.int64) * items.n_items + interactions.item[after])
    asking = Asking(ItemFacts.of(past, items.n_items, at), rules, items, sizes)
    parts = []
    questions = Histories.of(past, asked, np.full(asked.size, at - 1e-6))
    for user, (candidates, x) in zip(asked.tolist(), asking.rows(questions), strict=True):
        wanted = user * items.n_items + candidates
        taken = key[np.searchsorted(key, wanted).clip(max=key.size - 1)] == wanted
        keep, weight = np.arange(candidates.size), np.ones(candidates.size)
        rest = np.flatnonzero(~taken)
        if others is not None and rest.size > others:
            keep = np.concatenate([np.flatnonzero(taken), rng.choice(rest, others, replace=False)])
            weight[rest] = rest.size / others
        parts.append(Examples(x[keep], taken[keep], weight[keep]))
    return Examples.joined(parts)
