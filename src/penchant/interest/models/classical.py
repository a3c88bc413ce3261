"""Support vector machine, decision tree, random forest, gradient boosting: will the user take the item?"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.interest.models.calibrated import Sigmoid, calibration_report
from penchant.interest.models.classical_data import (
    REPEATS_FROM,
    RULES,
    Asking,
    Examples,
    Plan,
    before,
    examples_at,
    fitted_rules,
)
from penchant.interest.models.features import FEATURES, CandidateSizes, ItemFacts
from penchant.interest.models.learned import KeepsLearned
from penchant.interest.models.rules import Rules, RulesLearned
from penchant.math.arrays import Float32Array, FloatArray, IntArray
from penchant.math.trees import Trees


class ClassicalConfig(BaseModel):
    """What the classical models have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    moments: int = Field(default=6, ge=1)
    """Moments in the past from which is learned."""
    users: int = Field(default=500, ge=1)
    """Users asked about at each of them, at most, drawn at random."""
    others: int = Field(default=50, ge=1)
    """Candidates not taken that are learned from, for each user and moment, at most."""
    horizon_days: float | None = Field(default=None, gt=0)
    """An item counts as taken when the user takes it within so many days; None: as many as the newest tenth of the
    interactions took."""
    own: int = Field(default=200, ge=0)
    """Candidates: the user's newest own items, where items are taken again at all."""
    follows: int = Field(default=100, ge=0)
    """Candidates: items that rules lead to from the user's items."""
    popular: int = Field(default=100, ge=1)
    """Candidates: the most popular items."""
    topics: int = Field(default=3, ge=0)
    """Candidates: this many of the user's topics, with their most popular items."""
    per_topic: int = Field(default=30, ge=1)
    """Candidates: items of each of them."""


@dataclass(frozen=True, slots=True)
class Judge:
    """What gives each row of features a score, before calibration: trees, or a plane, never both.

    Attributes:
        trees: As ``Trees.encode`` gives them; without trees the plane counts.
        slope: Of each feature, shape ``(F,)``.
        offset: Added to it.
        odds: Whether the sum of the trees is a probability, of which the log odds are taken.
        importance: Share of each feature in what was learned, sums to 1, shape ``(F,)``.
    """

    trees: dict[str, Any]
    slope: FloatArray
    offset: float
    odds: bool
    importance: FloatArray

    @classmethod
    def of_trees(cls, trees: Trees, importance: Any, odds: bool) -> Judge:
        """Return the judge that trees make."""
        return cls(trees.encode(), np.zeros(len(FEATURES)), 0.0, odds, _shares(importance))

    @classmethod
    def of_plane(cls, slope: FloatArray, offset: float, importance: Any) -> Judge:
        """Return the judge that a plane makes."""
        return cls(Trees.none().encode(), slope, offset, False, _shares(importance))

    def margin(self, x: Float32Array) -> FloatArray:
        """Return a score for each row, higher where it is likelier to be taken."""
        trees = Trees(**self.trees)
        if not trees.root.size:
            return x.astype(np.float64) @ self.slope + self.offset
        found = trees.predict(x)
        if not self.odds:
            return found
        p = np.clip(found, 1e-4, 1.0 - 1e-4)
        odds: FloatArray = np.log(p / (1.0 - p))
        return odds

    def encode(self) -> dict[str, Any]:
        """Return everything as arrays and plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class ClassicalLearned:
    """What a classical model keeps.

    Attributes:
        judge: As ``Judge.encode`` gives it.
        sigmoid: Slope and offset of the calibration.
        own: Candidates from the user's own items; 0 where items are hardly taken twice.
        facts: Of the items at the end of the training, as ``ItemFacts.encode`` gives them.
        rules: What the rules learned.
        report: Of the calibration slice: how many were asked, how likely it was, how well it was said.
    """

    judge: dict[str, Any]
    sigmoid: tuple[float, float]
    own: int
    facts: dict[str, Any]
    rules: dict[str, Any]
    report: dict[str, float]


class Classical(KeepsLearned[ClassicalLearned]):
    """Score = P(the user takes the item within the horizon | the user comes back within it), ``-inf`` for no candidate.

    Candidates come from cheap counts: own items, rules, popularity, topics. Every example asks at a moment in the past
    with what was known then; its label is what happened within the horizon after it. The calibration is learned on the
    newest horizon, which no example has seen. Saved as arrays and scored without the library that trained it.

    Source:
        Calibration: Platt, "Probabilistic outputs for support vector machines", 1999, with his smoothed targets.
    """

    _kind = ClassicalLearned
    _ready: tuple[ClassicalLearned, ItemTable, Asking] | None = None
    config: ClassicalConfig

    @abstractmethod
    def _train(self, examples: Examples, seed: int) -> Judge:
        """Return what the examples teach; some were taken and some not."""

    def fit(self, training: ItemTraining) -> None:
        """Ask at moments of the past, learn, and calibrate on the newest horizon."""
        config, data, items = self.config, training.interactions, training.items
        own = config.own if data.repeat_share() >= REPEATS_FROM else 0
        plan = Plan.of(data, config.moments, config.horizon_days)
        rng = np.random.default_rng([training.seed, 41])
        parts: list[Examples] = []
        rules, since = Rules(RULES), -np.inf
        for number, at in enumerate(plan.moments.tolist()):
            training.progress(f"ask for the model {self.name}", number, plan.moments.size)
            last = number == plan.moments.size - 1
            # Rules are the dear part: those of the moment before serve one moment more, they are only a little older.
            if number % 2 == 0 or last or since == -np.inf:
                rules, since = fitted_rules(before(data, at), items), at
            others = None if last else config.others
            users = config.users * 2 if last else config.users
            parts.append(examples_at(data, items, rules, at, plan.horizon_s, self._sizes(own), users, others, rng))
        learn, check = Examples.joined(parts[:-1]), Examples.joined(parts[-1:])
        judge = (
            self._train(learn, training.seed)
            if learn.teaches
            else Judge.of_plane(*_popularity(), np.zeros(len(FEATURES)))
        )
        sigmoid = Sigmoid.fit(judge.margin(check.x), check.taken)
        end = float(data.at.max()) + 1e-6 if data.at.size else 0.0
        self._learned = ClassicalLearned(
            judge=judge.encode(),
            sigmoid=(sigmoid.slope, sigmoid.offset),
            own=own,
            facts=ItemFacts.of(data, items.n_items, end).encode(),
            rules=_encoded(fitted_rules(data, items)),
            report={
                "examples": float(learn.taken.size),
                "taken": float(learn.taken.sum()),
                "horizon_days": plan.horizon_s / 86_400.0,
                **calibration_report(sigmoid.probability(judge.margin(check.x)), check.taken),
            },
        )

    def _sizes(self, own: int) -> CandidateSizes:
        config = self.config
        return CandidateSizes(own, config.follows, config.popular, config.topics, config.per_topic)

    def _asking(self, items: ItemTable) -> Asking:
        """Return what asks about these items; made once for a catalogue, it is far dearer than an answer."""
        kept = self.learned
        if self._ready is None or self._ready[0] is not kept or self._ready[1] is not items:
            asking = Asking(ItemFacts(**kept.facts), self._rules(), items, self._sizes(kept.own))
            self._ready = (kept, items, asking)
        return self._ready[2]

    def _rules(self) -> Rules:
        rules = Rules(RULES)
        rules.take(RulesLearned(**self.learned.rules))
        return rules

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return the probability of each candidate."""
        kept = self.learned
        judge, sigmoid = Judge(**kept.judge), Sigmoid(*kept.sigmoid)
        out = np.full((len(histories), items.n_items), -np.inf, np.float32)
        for b, (candidates, x) in enumerate(self._asking(items).rows(histories)):
            out[b, candidates] = sigmoid.probability(judge.margin(x))
        return out

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return the item itself where the user had it before, then those whose rules lead to it."""
        mine = histories.item[histories.row(0)]
        itself = np.array([item], dtype=np.int64) if item in mine else np.empty(0, np.int64)
        rest = self._rules().because(histories, item)
        return np.concatenate([itself, rest[rest != item]])[:3]

    def importances(self) -> dict[str, float]:
        """Return how much each feature says, by name, most first; they sum to 1.

        Trees: share of the gain of all splits on it. Plane: size of its slope times the feature's standard deviation.
        """
        share = self.learned.judge["importance"]
        order = np.argsort(-share, kind="stable")
        names = list(FEATURES)
        return {names[i]: float(share[i]) for i in order}

    @property
    def report(self) -> dict[str, float]:
        """Return what the calibration slice showed; see ``calibration_report``."""
        return dict(self.learned.report)


def _encoded(rules: Rules) -> dict[str, Any]:
    learned = rules.learned
    return {name: getattr(learned, name) for name in RulesLearned.__slots__}


def _popularity() -> tuple[FloatArray, float]:
    """Return the plane that says popularity: for a past that teaches nothing."""
    slope = np.zeros(len(FEATURES))
    slope[list(FEATURES).index("popularity_30")] = 1.0
    return slope, 0.0


def _shares(importance: Any) -> FloatArray:
    found = np.asarray(importance, dtype=np.float64)
    return found / found.sum() if found.sum() > 0 else np.zeros(found.size)
