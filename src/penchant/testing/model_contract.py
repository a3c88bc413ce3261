"""What every item model must do, as tests to inherit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from penchant.clock import DAY_S
from penchant.domain.interactions import Interactions
from penchant.domain.item_model import Histories, ItemModel, ItemTable, ItemTraining
from penchant.domain.packing import pack
from penchant.errors import FormatError
from penchant.math.arrays import Int32Array, IntArray

GROUPS, SIZE, USERS, LENGTH = 3, 20, 150, 13
BEGINS = 1_600_000_000.0
NEVER_SEEN = 5
"""Items that the catalogue knows and no training event names."""


@dataclass(frozen=True, slots=True)
class Planted:
    """Interactions with a known order: users walk through the items of their own group one after the other.

    Attributes:
        training: All but the last step of every user.
        questions: What each user did before the last step, asked just before it.
        taken: The item of the last step, one the user had not taken before, shape ``(USERS,)``.
    """

    training: ItemTraining
    questions: Histories
    taken: Int32Array


@lru_cache(maxsize=1)
def planted() -> Planted:
    """Return walks of 13 steps: 4 of 5 go to the next item of the group, the others to any item of all."""
    rng = np.random.default_rng(7)
    walks = np.empty((USERS, LENGTH), np.int32)
    for user in range(USERS):
        first, place = (user % GROUPS) * SIZE, int(rng.integers(SIZE))
        for step in range(LENGTH):
            strays = step < LENGTH - 1 and rng.random() < 0.2
            walks[user, step] = rng.integers(GROUPS * SIZE) if strays else first + place % SIZE
            place += 1
        for stray in np.flatnonzero(walks[user, :-1] == walks[user, -1]):
            walks[user, stray] = walks[user, 0] if walks[user, 0] != walks[user, -1] else walks[user, 1]
    at = BEGINS + np.arange(LENGTH) * DAY_S + rng.uniform(0, 3600, (USERS, 1))
    who = np.repeat(np.arange(USERS, dtype=np.int32), LENGTH - 1)
    interactions = Interactions(
        who, walks[:, :-1].ravel(), at[:, :-1].ravel(), np.ones(who.size), USERS, GROUPS * SIZE + NEVER_SEEN
    )
    questions = Histories.of(interactions, np.arange(USERS), at[:, -1] - 1.0)
    return Planted(ItemTraining(interactions, catalogue(interactions.n_items)), questions, walks[:, -1].copy())


def catalogue(n_items: int) -> ItemTable:
    """Return a table of items that says of each which group it is from, in a topic and in words."""
    group = (np.arange(n_items) // SIZE) % GROUPS
    topics = sparse.csr_array((np.ones(n_items), (np.arange(n_items), group)), shape=(n_items, GROUPS))
    words = ("green tea", "black coffee", "红茶 cup")
    return ItemTable(topics, tuple(f"{words[g]} no {i}" for i, g in enumerate(group)), np.full(n_items, BEGINS))


def trained_on(user: list[int], item: list[int], n_items: int) -> ItemTraining:
    """Return a training on a few events, a day between two."""
    at = BEGINS + DAY_S * np.arange(len(user), dtype=np.float64)
    n_users = max(user, default=-1) + 1
    interactions = Interactions(
        np.array(user, np.int32), np.array(item, np.int32), at, np.ones(len(user)), n_users, n_items
    )
    return ItemTraining(interactions, catalogue(n_items))


def asked(*rows: list[int], at: float = BEGINS + 30 * DAY_S) -> Histories:
    """Return one question for each list of items, an hour between two items."""
    sizes = [len(row) for row in rows]
    times = np.concatenate([np.empty(0), *(at - 3600.0 * np.arange(size, 0, -1) for size in sizes)])
    item = np.array([item for row in rows for item in row], np.int32)
    return Histories(
        np.array([0, *np.cumsum(sizes)], np.int64), item, times, np.ones(item.size), np.full(len(rows), at)
    )


def drawn() -> str:
    """Return the state of numpy's global source of chance."""
    return repr(np.random.get_state(legacy=False))  # noqa: NPY002


def hits(model: ItemModel, data: Planted, n: int) -> float:
    """Return how often the item of the last step is among the ``n`` best that the user had not taken before."""
    items = data.training.items
    scores = model.scores(data.questions, items).astype(np.float64)
    scores[data.questions.matrix(items.n_items).nonzero()] = -np.inf
    mine = scores[np.arange(len(data.taken)), data.taken]
    # Ties count half: a model that says the same of everything gains nothing by it.
    above = (scores > mine[:, None]).sum(axis=1) + ((scores == mine[:, None]).sum(axis=1) - 1) / 2
    return float(((above < n) & np.isfinite(mine)).mean())


class ItemModelContract:
    """Inherit, write ``make``, and every promise of ``ItemModel`` is tested.

    ``expected_hits``, ``expected_next`` are how often the item of a planted walk's last step must be among the ten best,
    and the very best: by chance 0.2 and 0.02. Who knows the groups gets 0.6 and more of the former; who knows the order
    gets 0.6 of the latter. A model of something else, such as popularity, asks for less.
    """

    expected_hits: float = 0.6
    expected_next: float = 0.0

    def make(self) -> ItemModel:
        """Return the model under test, not yet fitted; small enough for a few seconds on one core."""
        raise NotImplementedError("write a method make")

    @pytest.fixture
    def data(self) -> Planted:
        """Return the walks."""
        return planted()

    @pytest.fixture
    def fitted(self) -> ItemModel:
        """Return the model fitted on the walks, once for all tests: none may change it."""
        return fitted_by(type(self))

    @pytest.fixture
    def some(self) -> Histories:
        """Return questions of every kind: usual, empty, unseen items only, one item many times, items newer than all."""
        n = GROUPS * SIZE
        return asked([0, 1, 2, 3], [], [n, n + 1], [5] * 40, [45, n + NEVER_SEEN + 2, 46], [59])

    def test_it_has_a_name_and_a_config(self, fitted: ItemModel) -> None:
        assert isinstance(fitted.name, str)
        assert fitted.name
        kind = type(fitted).Config  # type: ignore[attr-defined]
        assert isinstance(fitted.config, kind)
        assert fitted.config.model_config.get("frozen")
        assert fitted.config.model_config.get("extra") == "forbid"
        again = type(fitted)(fitted.config)  # type: ignore[call-arg]
        assert again.config == fitted.config

    def test_it_is_fitted_after_fit(self, fitted: ItemModel) -> None:
        assert fitted.fitted
        assert not self.make().fitted

    def test_it_learned_what_was_planted(self, fitted: ItemModel, data: Planted) -> None:
        assert hits(fitted, data, 10) >= self.expected_hits
        assert hits(fitted, data, 1) >= self.expected_next

    def test_a_score_for_every_item(self, fitted: ItemModel, some: Histories) -> None:
        for n_items in (GROUPS * SIZE + NEVER_SEEN, GROUPS * SIZE + NEVER_SEEN + 4):
            scores = fitted.scores(some, catalogue(n_items))
            assert scores.shape == (len(some), n_items)
            assert scores.dtype == np.float32
            assert not np.isnan(scores).any()
            assert not np.isposinf(scores).any()

    def test_no_question_no_row(self, fitted: ItemModel, data: Planted) -> None:
        assert fitted.scores(asked(), data.training.items).shape == (0, data.training.items.n_items)

    def test_rows_of_a_batch_are_those_of_each_alone(self, fitted: ItemModel, data: Planted, some: Histories) -> None:
        items = catalogue(GROUPS * SIZE + NEVER_SEEN + 4)
        for questions in (some, next(data.questions.chunks(20))):
            together = fitted.scores(questions, items)
            alone = np.concatenate([fitted.scores(one, items) for one in questions.chunks(1)])
            assert np.array_equal(np.isfinite(together), np.isfinite(alone))
            there = np.isfinite(alone)
            assert together[there] == pytest.approx(alone[there], rel=1e-3, abs=1e-4)

    def test_asking_changes_nothing(self, fitted: ItemModel, data: Planted, some: Histories) -> None:
        arrays: tuple[Any, ...] = (
            some.start,
            some.item,
            some.at,
            some.weight,
            some.asked_at,
            data.training.items.since,
        )
        before, state = [array.copy() for array in arrays], fitted.encode()
        first = fitted.scores(some, data.training.items)
        fitted.because(next(some.chunks(1)), 4)
        fitted.scores(data.questions, data.training.items)
        assert all(np.array_equal(array, old) for array, old in zip(arrays, before, strict=True))
        assert fitted.encode() == state
        assert np.array_equal(fitted.scores(some, data.training.items), first)

    def test_the_same_training_gives_the_same_model(self, fitted: ItemModel, data: Planted) -> None:
        again = self.make()
        again.fit(trained_on([0, 0, 1, 1], [0, 1, 1, 2], 9))  # fit learns from scratch
        chance, interactions = drawn(), data.training.interactions
        arrays: tuple[Any, ...] = (interactions.user, interactions.item, interactions.at, interactions.weight)
        before = [array.copy() for array in arrays]
        again.fit(data.training)
        assert drawn() == chance  # chance comes from the seed of the training alone
        assert all(np.array_equal(array, old) for array, old in zip(arrays, before, strict=True))
        assert np.array_equal(
            again.scores(data.questions, data.training.items), fitted.scores(data.questions, data.training.items)
        )

    def test_what_becomes_known_later_does_not_matter(self, fitted: ItemModel, data: Planted) -> None:
        few = next(data.questions.chunks(20))
        old = fitted.scores(few, data.training.items)
        n = data.training.items.n_items
        more = catalogue(n + 6)
        more = replace(more, since=np.append(more.since[:n], np.full(6, float(few.asked_at.max()) + DAY_S)))
        new = fitted.scores(few, more)[:, :n]
        assert np.array_equal(np.isfinite(new), np.isfinite(old))
        assert new[np.isfinite(old)] == pytest.approx(old[np.isfinite(old)], rel=1e-3, abs=1e-4)

    def test_reasons_are_the_users_own_items(self, fitted: ItemModel, data: Planted, some: Histories) -> None:
        for questions in (some, next(data.questions.chunks(6))):
            scores = fitted.scores(questions, data.training.items)
            for one, row in zip(questions.chunks(1), scores, strict=True):
                for item in (int(np.argmax(row)), GROUPS * SIZE):
                    because: IntArray = np.asarray(fitted.because(one, item))
                    assert because.size <= 3
                    assert np.unique(because).size == because.size
                    assert set(because.tolist()) <= set(one.item.tolist())

    def test_what_was_learned_survives_as_bytes(self, fitted: ItemModel, data: Planted, some: Histories) -> None:
        state, other = fitted.encode(), self.make()
        assert isinstance(state, bytes)
        other.decode(state)
        assert other.fitted
        assert np.array_equal(other.scores(some, data.training.items), fitted.scores(some, data.training.items))
        one = next(data.questions.chunks(1))
        assert np.array_equal(other.because(one, 4), fitted.because(one, 4))
        assert other.encode() == state

    def test_damaged_bytes_change_nothing(self, fitted: ItemModel, data: Planted) -> None:
        state, other = fitted.encode(), self.make()
        other.decode(state)
        few = next(data.questions.chunks(5))
        before = other.scores(few, data.training.items)
        half = len(state) // 2
        flipped = state[:half] + bytes([state[half] ^ 255]) + state[half + 1 :]
        strangers = [pack(number, {"of another": np.arange(3)}) for number in (1, 2, 999)]
        for wrong in (b"", b"nonsense", state[:-1], state[:half], flipped, *strangers):
            with pytest.raises(FormatError):
                other.decode(wrong)
            with pytest.raises(FormatError):
                self.make().decode(wrong)
        assert np.array_equal(other.scores(few, data.training.items), before)

    @pytest.mark.parametrize(
        ("user", "item", "n_items"),
        [([], [], 0), ([], [], 4), ([0], [0], 1), ([0] * 5, [0, 1, 2, 3, 2], 5), ([0, 1, 2], [2, 2, 2], 4)],
        ids=["an empty catalogue", "no interactions", "one event", "one user", "one item"],
    )
    def test_little_to_learn_from_is_no_error(self, user: list[int], item: list[int], n_items: int) -> None:
        model = self.make()
        model.fit(trained_on(user, item, n_items))
        assert model.fitted
        again = self.make()
        again.decode(model.encode())
        for known in (n_items, n_items + 2):
            questions = asked([], item[:3], [known - 1] if known else [])
            scores = model.scores(questions, catalogue(known))
            assert scores.shape == (3, known)
            assert not np.isnan(scores).any()
            assert not np.isposinf(scores).any()
            assert np.array_equal(again.scores(questions, catalogue(known)), scores)
            if known:
                for one in questions.chunks(1):
                    assert set(np.asarray(model.because(one, known - 1)).tolist()) <= set(one.item.tolist())

    def test_a_user_of_thousands_of_events_is_no_trouble(self, fitted: ItemModel, data: Planted) -> None:
        item = (np.arange(5000) % (GROUPS * SIZE)).tolist()
        scores = fitted.scores(asked(item, [1], at=BEGINS + 400 * DAY_S), data.training.items)
        assert not np.isnan(scores).any()
        alone = fitted.scores(asked([1], at=BEGINS + 400 * DAY_S), data.training.items)[0]
        there = np.isfinite(alone)
        assert scores[1][there] == pytest.approx(alone[there], rel=1e-3, abs=1e-4)


_FITTED: dict[type[Any], ItemModel] = {}
"""The last contract's model: tests of one contract come one after the other."""


def fitted_by(contract: type[ItemModelContract]) -> ItemModel:
    """Return the model of a contract, fitted on the walks."""
    if contract not in _FITTED:
        model = contract().make()
        model.fit(planted().training)
        _FITTED.clear()
        _FITTED[contract] = model
    return _FITTED[contract]
