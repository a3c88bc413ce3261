"""A learned order of the candidates of all sources: boosted trees that rank (LambdaRank)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from penchant.domain.packing import pack, unpack
from penchant.domain.query import Query
from penchant.domain.slate import Candidates
from penchant.errors import FormatError
from penchant.math.arrays import BoolArray, Float32Array, FloatArray, IntArray
from penchant.math.trees import Trees
from penchant.recommend.blend import Blend
from penchant.recommend.blending import blend
from penchant.recommend.contract import Asked
from penchant.recommend.stack_features import OF_SOURCE, names_of, stack_features

FORMAT = 1
N = 10
"""Length of the list whose NDCG is learned."""
FOLDS = 5
LEAST_TREES = 20
"""Trees of a bag at least: where fewer were best, chance had a part in it, and the mean of several bags is calmer."""
LEAST_USERS = 50
"""With fewer questions answered by somebody's deed nothing is learned, and the blend goes on ranking."""


class StackConfig(BaseModel):
    """Configuration of the learned order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_trees: int = Field(default=300, ge=1)
    """Trees at most; how many are used is chosen on users held out."""
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    """Of each tree's answer so much is added."""
    max_leaves: int = Field(default=7, ge=2)
    """Leaves of a tree at most."""
    min_leaf: int = Field(default=100, ge=1)
    """Candidates that a leaf must hold."""
    bags: int = Field(default=5, ge=1)
    """Forests of trees that are averaged; each drew other users and features while it learned."""
    threads: int = Field(default=1, ge=1)
    """Threads of the training; more give the same trees."""
    users: int = Field(default=2000, ge=1)
    """Users asked about, at most, when it is fitted."""


@dataclass(frozen=True, slots=True)
class Table:
    """Candidates of many questions, question by question.

    Attributes:
        x: Features, shape ``(n, F)``.
        taken: Whether the item was taken afterwards, shape ``(n,)``.
        size: Candidates of each question, shape ``(Q,)``.
        n_taken: Items taken after each question, candidates or not, shape ``(Q,)``.
    """

    x: Float32Array
    taken: BoolArray
    size: IntArray
    n_taken: IntArray

    @property
    def start(self) -> IntArray:
        """Return where the candidates of each question begin, shape ``(Q + 1,)``."""
        return np.concatenate([[0], np.cumsum(self.size)]).astype(np.int64)

    def only(self, questions: BoolArray) -> Table:
        """Return some of the questions."""
        rows = np.repeat(questions, self.size)
        return Table(self.x[rows], self.taken[rows], self.size[questions], self.n_taken[questions])

    def ndcg(self, score: FloatArray) -> FloatArray:
        """Return NDCG@10 of each question when its candidates are ordered by ``score``, shape ``(Q,)``."""
        discount = 1.0 / np.log2(np.arange(2, N + 2))
        start, found = self.start, np.zeros(self.size.size)
        for q in range(self.size.size):
            part = slice(int(start[q]), int(start[q + 1]))
            hit = self.taken[part][np.argsort(-score[part], kind="stable")[:N]]
            best = discount[: min(N, int(self.n_taken[q]))].sum()
            found[q] = float(discount[: hit.size] @ hit) / best if best else 0.0
        return found


class Stack:
    """Score = logistic of the sum of trees that learned which candidates are taken.

    They learn on a slice of time that the sources had not seen, from what every source says of a candidate and what is
    known of item, user and moment beside that (``penchant.recommend.stack_features``). How many trees is chosen on a
    fifth of the users. The blend ranks before anything was learned, where on that fifth the trees are not ahead of it,
    and after the pipeline's sources have changed. Answers are worked out without the library that trained the trees. A
    source's part of a score is its share of ``gain of its features / rank``.

    Source:
        Burges, "From RankNet to LambdaRank to LambdaMART: an overview", 2010, in LightGBM. Stacking: Wolpert, "Stacked
        generalization", Neural Networks 1992.
    """

    name = "stack"
    Config = StackConfig

    def __init__(self, config: StackConfig | None = None) -> None:
        self.config = config or StackConfig()
        self.blend = Blend()
        """Ranks where the trees may not."""
        self._trees = Trees.none()
        self._sources: list[str] = []
        self._gain: dict[str, float] = {}
        self._fitted = False
        self.report: dict[str, Any] = {}

    @property
    def fitted(self) -> bool:
        """Return whether ``fit`` or ``decode`` has happened."""
        return self._fitted

    def fit(self, asked: Iterable[Asked], sources: Sequence[str], seed: int) -> dict[str, Any]:
        """Learn from what was proposed and what was taken afterwards; return what came of it.

        Args:
            asked: Questions to which the sources answered without knowing what was taken.
            sources: Names of the sources, in the order of the columns.
            seed: Seed of all chance.

        Returns:
            Questions, NDCG@10 of the trees and of the blend on users held out, trees, and gain by feature.

        Raises:
            NotInstalledError: When LightGBM is not there.
        """
        table, blended = tabulate(asked, sources, self.blend)
        return self.learn(table, blended, sources, seed)

    def learn(self, table: Table, blended: FloatArray, sources: Sequence[str], seed: int) -> dict[str, Any]:
        """Learn from a table of candidates; ``blended`` is what the blend says of each."""
        from penchant.recommend.stack_training import train

        self._sources, self._trees, self._fitted = list(sources), Trees.none(), True
        names = names_of(sources)
        if table.size.size < LEAST_USERS or table.taken.all() or not table.taken.any():
            self._gain, self.report = {}, {"questions": int(table.size.size), "used": "blend", "trees": 0}
            return self.report
        held = np.random.default_rng([seed, 43]).permutation(table.size.size) % FOLDS == 0
        tuned = train(table.only(~held), table.only(held), self.config, self.config.n_trees, names, seed)
        check = table.only(held)
        ahead = check.ndcg(Trees.of_lightgbm(tuned.dump_model()).predict(check.x))
        behind = check.ndcg(blended[np.repeat(held, table.size)])
        self.report = {
            "questions": int(table.size.size),
            "ndcg@10": float(ahead.mean()),
            "ndcg@10_blend": float(behind.mean()),
            "trees": int(tuned.num_trees()),
        }
        if ahead.mean() <= behind.mean():
            self._gain = {}
            return self.report | {"used": "blend"}
        n_trees = max(LEAST_TREES, int(tuned.num_trees()))
        bags = [train(table, None, self.config, n_trees, names, seed + bag) for bag in range(self.config.bags)]
        gain = np.sum([bag.feature_importance("gain") for bag in bags], axis=0)
        self._trees = Trees.mean([Trees.of_lightgbm(bag.dump_model()) for bag in bags])
        share = gain / max(float(gain.sum()), 1e-300)
        self._gain = {name: float(value) for name, value in zip(names, share, strict=True)}
        first = dict(sorted(self._gain.items(), key=lambda one: -one[1])[:10])
        self.report |= {"used": "trees", "gain": {name: round(value, 4) for name, value in first.items()}}
        return self.report

    def importances(self) -> dict[str, float]:
        """Return the share of each feature in the gain of all splits, most first; empty where the blend ranks."""
        return dict(sorted(self._gain.items(), key=lambda one: -one[1]))

    def rank(self, query: Query, proposals: Mapping[str, Candidates]) -> tuple[Candidates, dict[str, dict[int, float]]]:
        """Return all candidates, best first, and each source's part of each score; ties go to the lower item number."""
        if not self._trees.root.size or set(proposals) != set(self._sources):
            return self.blend.rank(query, proposals)
        item, x = stack_features(query, proposals, self._sources)
        score = 1.0 / (1.0 + np.exp(-np.clip(self._trees.predict(x), -30.0, 30.0)))
        order = np.lexsort((item, -score))
        ranked = Candidates(item[order], score[order])
        return ranked, self._parts(item, x, score)

    def _parts(self, item: IntArray, x: Float32Array, score: FloatArray) -> dict[str, dict[int, float]]:
        of_source = len(OF_SOURCE)
        weight = np.array(
            [1e-6 + sum(self._gain.get(f"{name}:{feature}", 0.0) for feature in OF_SOURCE) for name in self._sources]
        )
        said = x[:, of_source - 1 : of_source * len(self._sources) : of_source] * weight  # 1 / rank, (n, sources)
        share = said / np.maximum(said.sum(axis=1, keepdims=True), 1e-300) * score[:, None]
        return {
            name: dict(zip(item[there].tolist(), share[there, number].tolist(), strict=True))
            for number, name in enumerate(self._sources)
            if (there := said[:, number] > 0).any()
        }

    def encode(self) -> bytes:
        """Return what was learned as bytes."""
        fields = {"trees": self._trees.encode(), "sources": self._sources, "gain": self._gain, "report": self.report}
        return pack(FORMAT, fields)

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` wrote; ``FormatError`` when damaged."""
        fields = unpack(data, FORMAT)
        try:
            trees, sources, gain = Trees(**fields["trees"]), list(fields["sources"]), dict(fields["gain"])
            report = dict(fields["report"])
        except (KeyError, TypeError) as error:
            raise FormatError(f"no learned order ({error}); fit it again") from error
        if trees.n_features > len(names_of(sources)):
            raise FormatError(
                f"trees that ask for {trees.n_features} columns of {len(names_of(sources))}; fit it again"
            )
        self._trees, self._sources, self._gain, self.report, self._fitted = trees, sources, gain, report, True


def tabulate(asked: Iterable[Asked], sources: Sequence[str], by: Blend) -> tuple[Table, FloatArray]:
    """Return the candidates of all questions as one table, and what the blend says of each of them."""
    parts: list[Float32Array] = []
    taken: list[BoolArray] = []
    said: list[FloatArray] = []
    n_taken: list[int] = []
    for one in asked:
        item, x = stack_features(one.query, one.proposals, sources)
        if not item.size:
            continue
        ranked, _ = blend(one.proposals, by.config.weights)
        score = np.zeros(item.size)
        place = np.searchsorted(item, ranked.item)
        score[place] = ranked.score
        parts.append(x)
        taken.append(np.isin(item, one.taken))
        said.append(score)
        n_taken.append(int(one.taken.size))
    if not parts:
        nothing = np.empty((0, len(names_of(sources))), np.float32)
        return Table(nothing, np.empty(0, np.bool_), np.empty(0, np.int64), np.empty(0, np.int64)), np.empty(0)
    size = np.array([one.size for one in taken], dtype=np.int64)
    table = Table(np.concatenate(parts), np.concatenate(taken), size, np.array(n_taken, dtype=np.int64))
    return table, np.concatenate(said)
