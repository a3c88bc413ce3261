"""Rules "who took this takes that next", with support, confidence and lift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemTable, ItemTraining
from penchant.domain.space import Between, Space
from penchant.interest.models.learned import KeepsLearned
from penchant.math.arrays import Float32Array, FloatArray, Int32Array, IntArray
from penchant.math.decay import half_life_weight


class RulesConfig(BaseModel):
    """Configuration of the rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: int = Field(default=10, ge=1)
    """A rule connects an item with the next so many of the same user."""
    min_support: float = Field(default=2.0, ge=0)
    """Pairs, each weighted by ``1 / distance``, that a rule must rest on."""
    min_lift: float = Field(default=1.0, ge=0)
    """A rule must make its item this many times likelier than it is for anybody."""
    n_rules: int = Field(default=50, ge=1)
    """Rules kept per item, those of the highest confidence."""
    half_life_items: float = Field(default=10.0, gt=0)
    """So many items further back, one of the user's items counts half."""
    half_life_days: float = Field(default=60.0, gt=0)
    """So many days later, one of the user's items counts half."""
    max_history: int = Field(default=50, ge=1)
    """The user's newest items that count."""
    damping: float = Field(default=10.0, ge=0)
    """Added to what an item's pairs weigh together, so that a rule of two pairs does not look certain."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: ``item`` comes after another.

    Attributes:
        item: What comes.
        support: Weight of the pairs it rests on.
        confidence: Share of what came after the first item, damped, 0..1.
        lift: Confidence over the item's share of everything that came after anything.
    """

    item: int
    support: float
    confidence: float
    lift: float


@dataclass(frozen=True, slots=True)
class RulesLearned:
    """The rules of item ``j`` are the entries ``start[j]:start[j + 1]``, the most confident first.

    Attributes:
        start: Shape ``(I + 1,)``.
        item: What comes, shape ``(m,)``.
        confidence: Shape ``(m,)``.
        support: Shape ``(m,)``.
        share: Of each item among everything that came after anything, shape ``(I,)``.
    """

    start: IntArray
    item: Int32Array
    confidence: Float32Array
    support: Float32Array
    share: Float32Array


class Rules(KeepsLearned[RulesLearned]):
    """Score = sum over the user's items ``j`` of ``decay(j) * confidence(j -> i)``.

    ``support(j -> i) = sum over pairs of 1 / distance``, ``confidence = support / (sum of j's supports + damping)``,
    ``lift = confidence / share of i``. Items of one moment have no order and count in both directions. An item is no rule
    of itself.

    Source:
        Agrawal, Imieliński & Swami, "Mining association rules between sets of items in large databases", SIGMOD 1993
        (support, confidence); Brin, Motwani, Ullman & Tsur, SIGMOD 1997 (lift, there "interest"); sequential rules
        weighted by distance: Ludewig & Jannach, "Evaluation of session-based recommendation algorithms", UMUAI 2018.
    """

    name = "rules"
    Config = RulesConfig
    space: ClassVar[Space] = {
        "window": Between(2, 30, log=True),
        "min_support": Between(0.5, 10.0, log=True),
        "half_life_items": Between(2.0, 200.0, log=True),
        "half_life_days": Between(3.0, 365.0, log=True),
        "damping": Between(0.5, 50.0, log=True),
        "n_rules": Between(20, 300, log=True),
    }
    _kind = RulesLearned

    def __init__(self, config: RulesConfig | None = None) -> None:
        self.config = config or RulesConfig()

    def fit(self, training: ItemTraining) -> None:
        """Count pairs and keep every item's best rules."""
        config, n = self.config, training.items.n_items
        pairs = following(training.interactions, n, config.window)
        total = np.asarray(pairs.sum(axis=1)).ravel()
        came = np.asarray(pairs.sum(axis=0)).ravel()
        share = came / max(came.sum(), 1e-300)
        first = np.repeat(np.arange(n), np.diff(pairs.indptr))
        second, support = pairs.indices, pairs.data
        confidence = support / (total[first] + config.damping)
        with np.errstate(divide="ignore", invalid="ignore"):
            lift = confidence / share[second]
        good = (support >= config.min_support) & (lift >= config.min_lift) & (first != second)
        first, second, support, confidence = first[good], second[good], support[good], confidence[good]
        order = np.lexsort((second, -confidence, first))
        start = np.searchsorted(first, np.arange(n + 1))
        place = np.arange(first.size) - start[first]  # how many rules of the same item are better
        order = order[place < config.n_rules]
        first, second = first[order], second[order]
        self._learned = RulesLearned(
            np.searchsorted(first, np.arange(n + 1)).astype(np.int64),
            second.astype(np.int32),
            confidence[order].astype(np.float32),
            support[order].astype(np.float32),
            share.astype(np.float32),
        )

    def take(self, learned: RulesLearned) -> None:
        """Take rules learned before."""
        self._learned = learned

    def of(self, item: int) -> list[Rule]:
        """Return the rules that start from an item, the most confident first."""
        kept = self.learned
        if item >= kept.share.size:
            return []
        return [
            Rule(
                int(kept.item[k]),
                float(kept.support[k]),
                float(kept.confidence[k]),
                float(kept.confidence[k] / kept.share[kept.item[k]]),
            )
            for k in range(int(kept.start[item]), int(kept.start[item + 1]))
        ]

    def _weights(self, histories: Histories, b: int) -> tuple[Int32Array, FloatArray]:
        part = histories.row(b)
        item = histories.item[part][-self.config.max_history :]
        at = histories.at[part][-self.config.max_history :]
        back = np.arange(item.size)[::-1].astype(np.float64)
        days = np.maximum(0.0, histories.asked_at[b] - at) / DAY_S
        weight = half_life_weight(back, self.config.half_life_items) * half_life_weight(
            days, self.config.half_life_days
        )
        known = item < self.learned.share.size
        return item[known], weight[known]

    def scores(self, histories: Histories, items: ItemTable) -> Float32Array:
        """Return the decayed sum of confidences; ``-inf`` where no rule leads."""
        kept = self.learned
        out = np.full((len(histories), items.n_items), -np.inf, np.float32)
        size = min(items.n_items, kept.share.size)
        for b in range(len(histories)):
            item, weight = self._weights(histories, b)
            if item.size:
                row = np.zeros(kept.share.size)
                for one, factor in zip(item.tolist(), weight.tolist(), strict=True):
                    part = slice(int(kept.start[one]), int(kept.start[one + 1]))
                    row[kept.item[part]] += factor * kept.confidence[part]
                out[b, :size] = np.where(row[:size] > 0, row[:size], -np.inf)
        return out

    def because(self, histories: Histories, item: int) -> IntArray:
        """Return the items whose rules say most for ``item``."""
        mine, weight = self._weights(histories, 0)
        said = [
            factor * next((rule.confidence for rule in self.of(one) if rule.item == item), 0.0)
            for one, factor in zip(mine.tolist(), weight.tolist(), strict=True)
        ]
        best = [int(mine[i]) for i in np.argsort(-np.array(said), kind="stable") if said[i] > 0]
        return np.array(list(dict.fromkeys(best))[:3], dtype=np.int64)


def following(interactions: Interactions, n_items: int, window: int) -> sparse.csr_array:
    """Return the weight of every pair (item, item after it) with the same user, CSR of shape ``(n_items, n_items)``.

    A pair weighs ``1 / distance`` in items; pairs of one moment count in both directions.
    """
    order = np.lexsort((np.arange(interactions.user.size), interactions.at, interactions.user))
    user, item, at = interactions.user[order], interactions.item[order], interactions.at[order]
    pairs = sparse.csr_array((n_items, n_items))
    for distance in range(1, window + 1):
        same = np.flatnonzero(user[distance:] == user[:-distance])
        first, second = item[same], item[same + distance]
        together = at[same] == at[same + distance]
        rows, columns = np.concatenate([first, second[together]]), np.concatenate([second, first[together]])
        value = np.full(rows.size, 1.0 / distance)
        pairs = pairs + sparse.csr_array((value, (rows, columns)), shape=(n_items, n_items))
    pairs.sum_duplicates()
    return sparse.csr_array(pairs)
