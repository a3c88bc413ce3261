"""Content and collaborative filtering together, with weights learned on the last slice of the training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemModel, ItemTable, ItemTraining
from penchant.domain.progress import silent
from penchant.errors import ConfigError, FormatError
from penchant.interest.models import MODELS
from penchant.interest.models.learned import KeepsLearned
from penchant.math.arrays import BoolArray, Float32Array, FloatArray, IntArray
from penchant.math.top import top_n


class HybridConfig(BaseModel):
    """Configuration of the hybrid."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: tuple[str, ...] = ("user_knn", "bm25", "most_popular", "repeat")
    """The models that are put together, by name; at least one."""
    holdout: float = Field(default=0.1, gt=0, lt=1)
    """Share of the training's events, the last in time, on which the weights are learned."""
    max_users: int = Field(default=1000, ge=1)
    """Users asked when the weights are learned, a random sample."""
    rounds: int = Field(default=3, ge=1)
    """Times that every weight is tried anew."""
    repeat: float = Field(default=0.2, ge=0, le=1)
    """Seen items may come in the slice where at least this share of all interactions is with an item taken before."""
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of the parts by name."""


@dataclass(frozen=True, slots=True)
class Together:
    """The parts and what each counts.

    Attributes:
        names: The models.
        weights: One for each part, >= 0, the largest 1, shape ``(n_parts,)``.
        parts: What each part learned, as its own bytes.
        ndcg: NDCG@10 in the held-out slice of each part alone, and at last of the hybrid; NaN without users to ask.
    """

    names: list[str]
    weights: FloatArray
    parts: list[bytes]
    ndcg: FloatArray


TRIED = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5)
"""Weights that are tried: few, so that a small slice cannot be fitted by chance."""
N = 10
"""Length of the list that the weights are to make good."""
POOL = 100
"""Best items of each part that are looked at when weights are learned."""
CHUNK = 64
"""Users asked at a time."""


class Hybrid(KeepsLearned[Together]):
    """Score = ``sum over parts of weight * share``, a part's scores as shares of its highest in the row.

    A part that has nothing to say of an item adds 0. The weights are learned without a look at what they will be asked
    about: parts are fitted on what came before the last tenth of the training by time, asked about users who took
    something new in it, and each weight in turn is set to what gives the best NDCG@10. Then the parts are fitted again on
    everything. An item that is new to all but the content is scored by the content.

    Source:
        Burke, "Hybrid recommender systems: survey and experiments", UMUAI 2002, section 3.1 (weighted). The learning is
        coordinate ascent: Metzler & Croft, "Linear feature-based models for information retrieval", IR 2007.
    """

    name = "hybrid"
    Config = HybridConfig
    _kind = Together

    def __init__(self, config: HybridConfig | None = None) -> None:
        self.config = config or HybridConfig()
        parts = self.config.parts
        if not parts or len(set(parts)) < len(parts) or self.name in parts:
            raise ConfigError(
                f"parts of a hybrid {list(parts)} given; allowed: one or more other models, each once; known: "
                f"{', '.join(name for name in MODELS if name != self.name)}"
            )
        if unused := set(self.config.options) - set(parts):
            raise ConfigError(f"options for {sorted(unused)} given, which are no parts; parts: {', '.join(parts)}")
        self._models = self._make()

    def _make(self) -> list[ItemModel]:
        """Return the parts, not yet fitted."""
        kinds: list[Any] = [MODELS[name] for name in self.config.parts]
        options = [self.config.options.get(name) for name in self.config.parts]
        return [
            kind() if given is None else kind(kind.Config(**given)) for kind, given in zip(kinds, options, strict=True)
        ]

    def fit(self, training: ItemTraining) -> None:
        """Learn the weights on the last slice, then fit the parts on everything."""
        weights, ndcg = self._learn(training)
        models = self._make()
        for done, model in enumerate(models):
            training.progress(f"fit {model.name}", done, len(models))
            model.fit(training)
        self._models = models
        self._learned = Together(list(self.config.parts), weights, [model.encode() for model in models], ndcg)

    def _learn(self, training: ItemTraining) -> tuple[FloatArray, FloatArray]:
        """Return a weight for each part, and the NDCG@10 of each and of all together in the slice."""
        even, unknown = np.ones(len(self.config.parts)), np.full(len(self.config.parts) + 1, np.nan)
        seen = training.interactions
        if not seen.at.size:
            return even, unknown
        cut = float(np.quantile(seen.at, 1 - self.config.holdout))
        early, late = _part(seen, seen.at < cut), _part(seen, seen.at >= cut)
        users: IntArray = np.intersect1d(early.user, late.user).astype(np.int64)
        if not users.size:
            return even, unknown
        if users.size > self.config.max_users:
            rng = np.random.default_rng([training.seed, 31])
            users = np.sort(rng.choice(users, self.config.max_users, replace=False))
        models = self._make()
        for done, model in enumerate(models):
            training.progress(f"try {model.name}", done, len(models))
            model.fit(replace(training, interactions=early, progress=silent, folder=None))
        again = seen.repeat_share() >= self.config.repeat
        asked = Histories.of(early, users, np.full(users.size, np.nextafter(cut, -np.inf)))
        cases = [case for case in _cases(models, asked, training.items, late, users, again) if case is not None]
        if not cases:
            return even, unknown
        weights = ascend(cases, len(models), self.config.rounds)
        alone = [_mean_ndcg(cases, row) for row in np.eye(len(models))]
        return weights, np.array([*alone, _mean_ndcg(cases, weights)])

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return the weighted sums; ``-inf`` where no part says anything."""
        total = np.zeros((len(histories), items.n_items), np.float32)
        said = np.zeros(total.shape, np.bool_)
        for weight, model in zip(self.learned.weights, self._models, strict=True):
            if weight > 0:
                scores = model.scores(histories, items)
                said |= np.isfinite(scores)
                total += np.float32(weight) * shares(scores)
        total[~said] = -np.inf
        return total

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return the reasons of the part with the largest weight that has any."""
        for place in np.argsort(-self.learned.weights, kind="stable"):
            if self.learned.weights[place] > 0:
                found: IntArray = self._models[place].because(histories, item)
                if found.size:
                    return found
        return np.empty(0, np.int64)

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` wrote; ``FormatError`` when damaged, or when the settings name other parts now."""
        before, models = self._learned, self._make()
        super().decode(data)
        found = self.learned
        try:
            _take(models, found)
        except FormatError:
            self._learned = before
            raise
        self._models = models


def _take(models: Sequence[ItemModel], found: Together) -> None:
    """Let the parts take what was learned; ``FormatError`` when they are others."""
    names = [model.name for model in models]
    if found.names != names:
        raise FormatError(
            f"a hybrid of {', '.join(found.names)} given; the settings say {', '.join(names)}; fit it again"
        )
    for model, kept in zip(models, found.parts, strict=True):
        model.decode(kept)


def shares(scores: Float32Array) -> Float32Array:
    """Return every row's scores as shares of its highest, 0 where there is none; those not all above 0 from the lowest.

    >>> shares(np.array([[4, 2, -np.inf], [1, -3, -np.inf]], np.float32)).tolist()
    [[1.0, 0.5, 0.0], [1.0, 0.0, 0.0]]
    """
    there = np.isfinite(scores)
    low = np.where(there, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(there, scores, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    low = np.where(low > 0, np.float32(0), low)
    width = np.where(high > low, high - low, np.float32(1))
    found: Float32Array = np.where(there, (scores - np.where(np.isfinite(low), low, 0)) / width, 0).astype(np.float32)
    return found


@dataclass(frozen=True, slots=True)
class Case:
    """What the parts proposed to one user, and what the user took: shares ``(c, n_parts)``, ``taken`` ``(c,)``."""

    share: Float32Array
    taken: BoolArray
    ideal: float


def _part(seen: Interactions, keep: BoolArray) -> Interactions:
    return Interactions(seen.user[keep], seen.item[keep], seen.at[keep], seen.weight[keep], seen.n_users, seen.n_items)


def _cases(
    models: Sequence[ItemModel], asked: Histories, items: ItemTable, late: Interactions, users: IntArray, again: bool
) -> Iterator[Case | None]:
    """Return a case for every user, None for those who took nothing that may come.

    Args:
        models: The parts, fitted on what came before.
        asked: A question for each user.
        items: The catalogue.
        late: What came after.
        users: The users, rising.
        again: Whether items that the user took before may come.
    """
    order = np.lexsort((late.item, late.user))
    user, item = late.user[order], late.item[order]
    first, end = np.searchsorted(user, users, "left"), np.searchsorted(user, users, "right")
    place = 0
    for questions in asked.chunks(CHUNK):
        tables = [shares(model.scores(questions, items)) for model in models]  # each (CHUNK, n_items)
        for b in range(len(questions)):
            allowed = items.since <= questions.asked_at[b]
            if not again:
                allowed[questions.item[questions.row(b)]] = False
            taken = np.unique(item[first[place] : end[place]])
            taken = taken[allowed[taken]]
            place += 1
            if not taken.size:
                yield None
                continue
            rows = np.stack([table[b] for table in tables], axis=1)  # (n_items, n_parts)
            rows[~allowed] = 0.0
            best = [top_n(np.where(row > 0, row, -np.inf).astype(np.float64), POOL) for row in rows.T]
            pool = np.unique(np.concatenate(best))
            ideal = float((1 / np.log2(np.arange(2, min(N, taken.size) + 2))).sum())
            yield Case(rows[pool], np.isin(pool, taken), ideal)


def _mean_ndcg(cases: Sequence[Case], weights: FloatArray) -> float:
    return float(np.mean([_ndcg(case, weights) for case in cases]))


def _ndcg(case: Case, weights: FloatArray) -> float:
    score = case.share @ weights
    best = top_n(np.where(score > 0, score, -np.inf), N)
    return float(case.taken[best] @ (1 / np.log2(np.arange(2, best.size + 2)))) / case.ideal


def ascend(cases: Sequence[Case], n_parts: int, rounds: int) -> FloatArray:
    """Return the weights of the best mean NDCG@10 that changing one at a time finds, the largest 1.

    Begins with the best part alone and with all alike, whichever is better: the answer is no worse than any part there.
    """
    starts = [np.ones(n_parts), *np.eye(n_parts)]
    found = [_mean_ndcg(cases, start) for start in starts]
    weights: FloatArray = starts[int(np.argmax(found))]
    best = max(found)
    for _ in range(rounds):
        before = best
        for part in range(n_parts):
            for value in TRIED:
                tried = weights.copy()
                tried[part] = value
                if (ndcg := _mean_ndcg(cases, tried) if tried.any() else 0.0) > best + 1e-9:
                    weights, best = tried, ndcg
        weights = weights / weights.max()
        if best == before:
            break
    return weights
