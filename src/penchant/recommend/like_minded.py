"""What people take who would say of themselves what the user has said: for users who answered questions and did little."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.packing import pack, unpack
from penchant.domain.query import Query
from penchant.domain.slate import Because, Candidates
from penchant.domain.statements import SCOPE_CODE
from penchant.math.arrays import BoolArray, FloatArray, IntArray
from penchant.math.decay import half_life_weight
from penchant.recommend.onboarding import likes
from penchant.recommend.popular import choose

FORMAT = 1


class LikeMindedConfig(BaseModel):
    """Configuration of what like-minded people take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    people: int = Field(default=2000, ge=10)
    """People kept, drawn at random."""
    min_events: int = Field(default=10, ge=1)
    """Fewer say too little of what somebody cares for."""
    noise: float = Field(default=0.1, gt=0, lt=0.5)
    """Chance that somebody says otherwise than what they did says."""
    half_life_days: float = Field(default=180.0, gt=0)
    """After so many days what the user said counts half."""
    popularity: float = Field(default=0.5, ge=0, le=1)
    """How far everybody's popularity is mixed in, so that few people do not decide alone."""


class LikeMinded:
    """Score = ``(1 - popularity) * sum over people of w_u [u took i] + popularity * share of people who took i``.

    ``w_u`` is the chance that the user is like person ``u``, given what the user said: the product over statements of
    0.9 where the person cares for a topic that the user likes, or does not for one that the user dislikes, and 0.1
    otherwise, to the power of what is left of the statement. Who cares for which topic is as for the questions to new
    users. Without statements all people count alike. Memory: 8 bytes for each item that a person took.
    """

    name = "like_minded"
    Config = LikeMindedConfig

    def __init__(self, config: LikeMindedConfig | None = None) -> None:
        self.config = config or LikeMindedConfig()
        self.fitted = False
        self._taken = sparse.csr_array((0, 0))  # events of each person with each item, (U, I)
        self._took = self._taken  # the same with ones
        self._cares: tuple[Any, BoolArray] | None = None

    def fit(self, interactions: Interactions) -> None:
        """Draw people and keep what they took."""
        self.fitted = True
        times = np.bincount(interactions.user, minlength=interactions.n_users)
        able = np.flatnonzero(times >= self.config.min_events)
        if able.size > self.config.people:
            able = np.sort(np.random.default_rng(22).choice(able, self.config.people, replace=False))
        row = np.full(interactions.n_users, -1)
        row[able] = np.arange(able.size)
        mine = row[interactions.user] >= 0
        where = (row[interactions.user[mine]], interactions.item[mine].astype(np.int64))
        taken = sparse.csr_array((interactions.weight[mine], where), shape=(able.size, interactions.n_items))
        taken.sum_duplicates()
        self._take(taken)

    def _take(self, taken: sparse.csr_array) -> None:
        self._taken, self._cares = taken, None
        self._took = sparse.csr_array((np.ones(taken.nnz), taken.indices, taken.indptr), shape=taken.shape)

    def _people(self, query: Query) -> BoolArray:
        """Return who cares for which topic, shape ``(U, T)``; worked out once for each state of the catalogue."""
        if self._cares is None or self._cares[0] is not query.item_topics:
            known = min(self._taken.shape[1], query.item_topics.shape[0])
            counts = (self._taken[:, :known] @ query.item_topics[:known]).toarray()
            self._cares = (query.item_topics, likes(counts))
        return self._cares[1]

    def _weights(self, query: Query) -> FloatArray:
        """Return how likely the user is like each person, shape ``(U,)``, sum 1."""
        said, cares = query.said(), self._people(query)
        log_weight = np.zeros(cares.shape[0])
        holds = (said.scope != SCOPE_CODE["mute"]) & (said.value != 0) & (said.at <= query.at) & (query.at < said.until)
        for row in np.flatnonzero(holds & (said.topic < cares.shape[1])):
            agrees = cares[:, said.topic[row]] == (said.value[row] > 0)
            left = half_life_weight(np.array((query.at - said.at[row]) / DAY_S), self.config.half_life_days)
            log_weight += left * np.log(np.where(agrees, 1.0 - self.config.noise, self.config.noise))
        weight: FloatArray = np.exp(log_weight - (log_weight.max() if log_weight.size else 0.0))
        return weight / max(float(weight.sum()), 1e-300)

    def candidates(self, query: Query, n: int) -> Candidates:
        """Return the allowed items that like-minded people take; none before ``fit``."""
        if not self._taken.shape[0]:
            return Candidates(np.empty(0, np.int64), np.empty(0))
        share = self.config.popularity
        weight = (1.0 - share) * self._weights(query) + share / self._taken.shape[0]
        score = np.zeros(query.allowed.size)
        found = weight @ self._took
        known = min(score.size, found.size)
        score[:known] = found[:known]
        return choose(query, score, n)

    def because(self, query: Query, item: int) -> Because:
        """Return that like-minded people take it, where the user said anything."""
        if query.said().topic.size:
            return Because("Taken by people who would say what you said")
        return Because("Taken by many people")

    def encode(self) -> bytes:
        """Return the people as bytes; they have no names."""
        taken = self._taken
        parts = {"data": taken.data, "indices": taken.indices.astype(np.int64), "indptr": taken.indptr.astype(np.int64)}
        return pack(FORMAT, {**parts, "n_people": int(taken.shape[0]), "n_items": int(taken.shape[1])})

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` wrote; ``FormatError`` when damaged."""
        fields = unpack(data, FORMAT)
        parts: tuple[FloatArray, IntArray, IntArray] = (fields["data"], fields["indices"], fields["indptr"])
        self._take(sparse.csr_array(parts, shape=(fields["n_people"], fields["n_items"])))
        self.fitted = True
