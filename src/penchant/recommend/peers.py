"""What people like the user take: popularity within groups of the same facts, for users of whom nothing else is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from penchant.domain.interactions import Interactions
from penchant.domain.packing import pack, unpack
from penchant.domain.query import Query
from penchant.domain.slate import Because, Candidates
from penchant.math.arrays import FloatArray, IntArray
from penchant.recommend.popular import choose

FORMAT = 1


class PeersConfig(BaseModel):
    """Configuration of popularity among people of the same facts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    facts: tuple[str, ...] = ()
    """Names of the facts that make groups; none for all that fit."""
    half_life_days: float = Field(default=14.0, gt=0)
    """Half-life of everybody's popularity, which the groups bend."""
    strength: float = Field(default=1.0, ge=0)
    """How far they bend it; 0 is plain popularity."""
    shrinkage: float = Field(default=10.0, gt=0)
    """Users of a group added to both sides of the comparison, so that few of them do not look like a trend."""
    min_users: int = Field(default=10, ge=1)
    """A group of fewer users is none."""
    max_groups: int = Field(default=50, ge=2)
    """A fact with more different values makes no groups."""


class Peers:
    """Score = ``popularity(i) * (product over the user's facts of lift)**(strength / number of them)``.

    ``lift(group, i) = (c + k) / (e + k)``: ``c`` users of the group took the item, ``e`` would have if the group were like
    everybody whose fact is known, ``k`` is the shrinkage. A fact whose group is unknown is left out; without facts it is
    plain popularity. Groups are learned by ``fit``, popularity is of the moment. Memory: 8 bytes for each item that a
    group took.

    Source:
        The ratio with a gamma prior is that of DuMouchel, "Bayesian data mining in large frequency tables", The American
        Statistician 53(3), 1999, with one prior of mean 1; bending popularity with it is ours.
    """

    name = "peers"
    Config = PeersConfig

    def __init__(self, config: PeersConfig | None = None) -> None:
        self.config = config or PeersConfig()
        self.fitted = False
        self._groups: dict[tuple[str, str], int] = {}  # (fact, value) -> row
        self._fact: list[str] = []  # of each row
        self._size: FloatArray = np.empty(0)  # users of each row
        self._taken = sparse.csr_array((0, 0))  # how many of them took each item

    def fit(self, interactions: Interactions) -> None:
        """Count who took what in every group of users with the same fact."""
        self.fitted = True
        members: dict[tuple[str, str], list[int]] = {}
        active = set(np.unique(interactions.user).tolist())
        for user, facts in interactions.facts.items():
            if user in active:
                for name, value in facts.items():
                    if not self.config.facts or name in self.config.facts:
                        members.setdefault((name, str(value)), []).append(user)
        values: dict[str, int] = {}
        for name, _ in members:
            values[name] = values.get(name, 0) + 1
        kept = {
            group: users
            for group, users in sorted(members.items())
            if len(users) >= self.config.min_users and values[group[0]] <= self.config.max_groups
        }
        self._groups = {group: row for row, group in enumerate(kept)}
        self._fact = [name for name, _ in kept]
        self._size = np.array([len(users) for users in kept.values()], dtype=np.float64)
        row = np.repeat(np.arange(len(kept)), self._size.astype(np.int64))
        member = np.array([user for users in kept.values() for user in users], dtype=np.int64)
        who = sparse.csr_array((np.ones(member.size), (row, member)), shape=(len(kept), interactions.n_users))
        self._taken = sparse.csr_array(who @ interactions.matrix()) if kept else sparse.csr_array((0, 0))

    def _lifts(self, query: Query) -> dict[str, FloatArray]:
        """Return the lift of every item within each of the user's groups, ``{fact: (I,)}``."""
        lifts: dict[str, FloatArray] = {}
        for name, value in query.facts().items():
            row = self._groups.get((name, str(value)))
            if row is None:
                continue
            rows = np.array([i for i, fact in enumerate(self._fact) if fact == name])
            everybody = np.asarray(self._taken[rows].sum(axis=0)).ravel()
            expected = everybody * self._size[row] / self._size[rows].sum()
            mine = self._row(row)
            lift = (mine + self.config.shrinkage) / (expected + self.config.shrinkage)
            whole = np.ones(query.allowed.size)  # an item that came after fitting is for everybody
            known = min(whole.size, lift.size)
            whole[:known] = lift[:known]
            lifts[name] = whole
        return lifts

    def _row(self, row: int) -> FloatArray:
        dense = np.zeros(self._taken.shape[1])
        begin, end = self._taken.indptr[row], self._taken.indptr[row + 1]
        dense[self._taken.indices[begin:end]] = self._taken.data[begin:end]
        return dense

    def candidates(self, query: Query, n: int) -> Candidates:
        """Return the allowed items most popular with everybody, as the user's groups bend it; none before ``fit``."""
        if not self.fitted:
            return Candidates(np.empty(0, np.int64), np.empty(0))
        score = query.popularity(self.config.half_life_days)
        lifts = self._lifts(query) if self._groups else {}
        if lifts:
            bent = np.sum([np.log(lift) for lift in lifts.values()], axis=0) * self.config.strength / len(lifts)
            score = score * np.exp(bent)
        return choose(query, score, n)

    def because(self, query: Query, item: int) -> Because:
        """Return the fact whose group takes the item most beyond what everybody does."""
        lifts = {name: lift[item] for name, lift in self._lifts(query).items()} if self._groups else {}
        best = max(lifts, key=lambda name: lifts[name], default=None)
        if best is None or lifts[best] <= 1.0:
            return Because("Popular with everybody lately")
        return Because(f"Popular with people of the same {best} ({query.facts()[best]})")

    def encode(self) -> bytes:
        """Return the groups as bytes."""
        fields: Mapping[str, Any] = {
            "groups": [list(group) for group in self._groups],
            "size": self._size,
            "data": self._taken.data,
            "indices": self._taken.indices.astype(np.int64),
            "indptr": self._taken.indptr.astype(np.int64),
            "n_items": int(self._taken.shape[1]),
        }
        return pack(FORMAT, fields)

    def decode(self, data: bytes) -> None:
        """Take what ``encode`` wrote; ``FormatError`` when damaged."""
        fields = unpack(data, FORMAT)
        self.fitted = True
        self._groups = {(name, value): row for row, (name, value) in enumerate(fields["groups"])}
        self._fact = [name for name, _ in fields["groups"]]
        self._size = fields["size"]
        parts: tuple[FloatArray, IntArray, IntArray] = (fields["data"], fields["indices"], fields["indptr"])
        self._taken = sparse.csr_array(parts, shape=(len(self._groups), fields["n_items"]))
