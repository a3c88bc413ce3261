"""Business rules at work: what they keep out, the scores they change, the places they fill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from scipy import sparse

from penchant.domain.query import Query
from penchant.domain.rules import NO_RULING, RULES, BoundQuota, BusinessRulesConfig, Quota, Ruling
from penchant.domain.slate import Candidates
from penchant.domain.vocabulary import Vocabulary
from penchant.errors import ConfigError
from penchant.math.arrays import BoolArray, FloatArray, Int32Array, IntArray
from penchant.recommend.catalog_index import CatalogIndex
from penchant.recommend.columns import Columns
from penchant.recommend.filtering import CatalogView


class RuleBook:
    """The standing rules of an engine over its catalogue, and what a request adds to them."""

    def __init__(self, rules: BusinessRulesConfig, index: CatalogIndex, items: Vocabulary, topics: Vocabulary) -> None:
        self.rules = rules
        self.columns = Columns(index.item, index.numbers)
        self._items = items
        self._topics = topics

    def watch(self, learner: str, changed: Iterable[str]) -> None:
        """Take note of what a learner has changed; ``""`` stands for everything."""
        if learner == "catalog":
            self.columns.changed(int(number) for number in self._items.numbers(list(changed)))
        elif not learner:
            self.columns.clear()

    def ruling(
        self,
        request: BusinessRulesConfig,
        item_topics: sparse.csr_array,
        parents: Int32Array,
        since: FloatArray,
        at: float,
    ) -> Ruling:
        """Return the rules of one question; see ``CatalogView`` for what they are asked about.

        Raises:
            ConfigError: When the request speaks of an attribute or an item that is not there.
        """
        if request.empty and self.rules.empty:
            return NO_RULING
        view = CatalogView(self.columns, self._items, self._topics, item_topics, parents, since, at)
        if request.empty:
            return bind(self.rules, view)
        check(request, view)
        return bind(self.rules.and_of(request), view)


def bind(rules: BusinessRulesConfig, view: CatalogView) -> Ruling:
    """Return rules over the items of a catalogue; pins of items that are not there fall away."""
    out: dict[str, BoolArray] = {}
    if rules.filter:
        out[f"only where {rules.filter}"] = ~view.holds(rules.filter)
    for name, text in rules.exclude.items():
        out[name] = view.holds(text)
    factor = None
    for boost in rules.boost:
        factor = np.ones(view.since.size) if factor is None else factor
        factor[view.holds(boost.when)] *= boost.factor
    pins = {}
    for pin in rules.pin:
        number = view.items.number(pin.item_id)
        if 0 <= number < view.since.size:
            pins[pin.position - 1] = number
    return Ruling(out, factor, pins, tuple(_bound(quota, view) for quota in rules.quota))


def check(rules: BusinessRulesConfig, view: CatalogView) -> None:
    """Refuse rules of a request that speak of what is not there: attributes, pinned items.

    Raises:
        ConfigError, UnknownNameError: They say what.
    """
    filters = [rules.filter, *(boost.when for boost in rules.boost), *(quota.when for quota in rules.quota)]
    for text in filters:
        if text:
            view.check(text)
    for quota in rules.quota:
        if quota.by:
            view.check_name(quota.by)
            if quota.by in ("item", "age_days"):
                raise ConfigError(f"a quota by {quota.by} means nothing; give an attribute or topic")
    for pin in rules.pin:
        number = view.items.number(pin.item_id)
        if not (0 <= number < view.since.size and view.since[number] <= view.at):
            raise ConfigError(f"pin: no event up to then has spoken of {pin.item_id!r}")


def _bound(quota: Quota, view: CatalogView) -> BoundQuota:
    size = view.since.size
    meant = view.holds(quota.when) if quota.when else np.ones(size, dtype=np.bool_)
    if quota.by == "topic":
        owner = np.repeat(np.arange(size), np.diff(view.item_topics.indptr))
        kind = view.item_topics.indices.astype(np.int64)
    elif quota.by:
        column = view.columns.column(quota.by)
        order = np.argsort(column.owner, kind="stable")
        owner, kind = column.owner[order], column.code[order]
    else:
        owner, kind = np.arange(size), np.zeros(size, dtype=np.int64)
    keep = (owner < size) & meant[np.minimum(owner, size - 1)] if size else np.zeros(owner.size, dtype=np.bool_)
    start = np.concatenate([[0], np.cumsum(np.bincount(owner[keep], minlength=size))])
    return BoundQuota(quota, start.astype(np.int64), kind[keep])


def boosted(
    query: Query, ranked: Candidates, parts: Mapping[str, dict[int, float]]
) -> tuple[Candidates, dict[str, dict[int, float]]]:
    """Return the list by scores times factors, and the parts with what the rules gave or took.

    Where scores lie below zero they are counted from the lowest, so that a factor above 1 is always a gain.
    """
    factor = query.ruling.factor
    if factor is None or ranked.item.size == 0 or (factor[ranked.item] == 1.0).all():
        return ranked, dict(parts)
    low = min(0.0, float(ranked.score.min()))
    score = (ranked.score - low) * factor[ranked.item] + low
    given = score - ranked.score
    order = np.argsort(-score, kind="stable")
    changed = {int(item): float(more) for item, more in zip(ranked.item, given, strict=True) if more}
    return Candidates(ranked.item[order], score[order]), {**parts, RULES: changed}


def arranged(query: Query, ranked: Candidates) -> Candidates:
    """Return the list with pinned items in their places and no more, or less, of a kind than the quotas say.

    The first ``n`` places are filled from the top: a pinned item where one belongs, otherwise the best item of which no
    kind is used up, pinned ones counted. Then the lowest free places go to the best items of kinds that lack some. When
    kinds are used up the list may stay shorter; what lies behind the first ``n`` follows only when it is full.
    """
    ruling = query.ruling
    pins = {place: item for place, item in ruling.pins.items() if query.allowed[item]}
    if not pins and not ruling.quotas:
        return ranked
    score = dict(zip(ranked.item.tolist(), ranked.score.tolist(), strict=True))
    rest = [item for item in ranked.item.tolist() if item not in set(pins.values())]
    room = _Room(ruling.quotas)
    for place, item in pins.items():
        if place < query.n:
            room.take(item)
    free = [place for place in range(query.n) if place not in pins]
    chosen: list[int] = []
    for item in rest:
        if len(chosen) == len(free):
            break
        if room.has(item):
            room.take(item)
            chosen.append(item)
    chosen = _with_least(chosen, [item for item in rest if item not in set(chosen)], len(free), room)
    head = list(chosen)
    for place in sorted(pins):
        head.insert(min(place, len(head)), pins[place])
    behind = [item for item in rest if item not in set(chosen)] if len(chosen) == len(free) else []
    order = np.array(head + behind, dtype=np.int64)
    return Candidates(order, np.array([score.get(item, 0.0) for item in order.tolist()]))


def _with_least(chosen: list[int], waiting: list[int], most: int, room: _Room) -> list[int]:
    """Return the chosen items with the best of those waiting put in where a kind lacks some, in the old order.

    For each the lowest item leaves that no kind needs.
    """
    order = {item: place for place, item in enumerate(chosen + waiting)}
    for item in waiting:
        if not room.lacks(item):
            continue
        leaving = None
        if len(chosen) >= most or not room.has(item):
            leaving = next((one for one in reversed(chosen) if room.spares(one, item)), None)
            if leaving is None:
                continue
            chosen.remove(leaving)
            room.give_back(leaving)
        chosen.append(item)
        room.take(item)
        chosen.sort(key=lambda one: order[one])
    return chosen


class _Room:
    """How many of each kind a list holds, against what its quotas say."""

    def __init__(self, quotas: tuple[BoundQuota, ...]) -> None:
        self._quotas = quotas
        self._used: Counter[tuple[int, int]] = Counter()

    def _kinds(self, item: int) -> list[tuple[int, int]]:
        return [(number, kind) for number, quota in enumerate(self._quotas) for kind in quota.kinds(item)]

    def take(self, item: int) -> None:
        self._used.update(self._kinds(item))

    def give_back(self, item: int) -> None:
        self._used.subtract(self._kinds(item))

    def has(self, item: int) -> bool:
        """Return whether no kind of the item is used up."""
        return all(self._used[key] < self._most(key) for key in self._kinds(item))

    def lacks(self, item: int) -> bool:
        """Return whether the list lacks some of a kind of the item."""
        return any(self._used[key] < self._least(key) for key in self._kinds(item))

    def spares(self, item: int, other: int) -> bool:
        """Return whether an item may leave for the other: no kind comes to lack some, and there is room then."""
        mine, wanted = self._kinds(item), self._kinds(other)
        if any(self._used[key] - 1 < self._least(key) for key in mine):
            return False
        return all(self._used[key] - (key in mine) < self._most(key) for key in wanted)

    def _most(self, key: tuple[int, int]) -> float:
        at_most = self._quotas[key[0]].rule.at_most
        return np.inf if at_most is None else at_most

    def _least(self, key: tuple[int, int]) -> int:
        return self._quotas[key[0]].rule.at_least or 0


def used_up(query: Query, item: int, listed: IntArray) -> str | None:
    """Return the quota, in words, of which an item's kind is used up by a list; None where there is none."""
    for quota in query.ruling.quotas:
        for kind in quota.kinds(item):
            held = sum(kind in quota.kinds(other) for other in listed[: query.n].tolist())
            if quota.rule.at_most is not None and held >= quota.rule.at_most:
                return str(quota.rule)
    return None
