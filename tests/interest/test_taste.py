from __future__ import annotations

import numpy as np
import pytest

from penchant.clock import DAY_S
from penchant.domain.profile import History
from penchant.domain.taste import ItemVectors, TasteConfig
from penchant.interest.taste import read_taste, taste_reader

NOW = 1000 * DAY_S


def history(items, days_ago, count=None):
    """A history with the last event on each item so many days ago."""
    items = np.array(items, np.int32)
    return History(
        items,
        np.ones(items.size) if count is None else np.array(count, float),
        NOW - np.array(days_ago, float) * DAY_S,
        np.arange(items.size),
    )


def around(n_groups, per_group, size=8, spread=0.05, seed=0):
    """Vectors in groups around the axes; item ``i`` belongs to group ``i mod n_groups``."""
    rng = np.random.default_rng(seed)
    rows = np.eye(size)[np.arange(n_groups * per_group) % n_groups]
    return ItemVectors.of(np.arange(n_groups * per_group), rows + rng.normal(0, spread, rows.shape))


def test_directions_and_evidence_by_hand():
    vectors = ItemVectors.of(np.arange(2), np.eye(2))
    config = TasteConfig(fast_days=7.0, slow_days=70.0)
    found = read_taste(history([0, 1], [70.0, 0.0], [3.0, 1.0]), vectors, NOW, config)
    old, new = np.log1p(3.0), np.log1p(1.0)
    slow, fast = np.array([old / 2, new]), np.array([old / 1024, new])
    assert found.slow == pytest.approx(slow / np.sqrt(slow @ slow))
    assert found.fast == pytest.approx(fast / np.sqrt(fast @ fast))
    assert found.slow_evidence == pytest.approx(slow.sum())
    assert found.fast_evidence == pytest.approx(fast.sum())
    assert found.agreement == pytest.approx(found.slow @ found.fast)


def test_waiting_fades_the_evidence_and_leaves_the_directions_and_shares():
    vectors, config = around(3, 10), TasteConfig()
    mine = history(range(30), np.arange(30.0))
    now, later = (read_taste(mine, vectors, at, config) for at in (NOW, NOW + 7 * DAY_S))
    assert later.fast_evidence == pytest.approx(now.fast_evidence / 2)
    assert later.slow_evidence == pytest.approx(now.slow_evidence * 2 ** (-7 / 180))
    assert later.fast == pytest.approx(now.fast)
    assert [m.item for m in later.medoids] == [m.item for m in now.medoids]
    assert [m.share for m in later.medoids] == pytest.approx([m.share for m in now.medoids])
    decades = read_taste(mine, vectors, NOW + 20_000 * DAY_S, config)
    assert decades.fast == pytest.approx(now.fast)  # nothing underflows
    assert decades.fast_evidence == 0.0


def test_groups_are_found_and_the_most_central_item_stands_for_each():
    vectors = around(4, 12)
    found = read_taste(history(range(48), np.zeros(48)), vectors, NOW, TasteConfig())
    assert len(found.medoids) == 4
    assert sum(medoid.share for medoid in found.medoids) == pytest.approx(1.0)
    for medoid in found.medoids:
        members = np.sort(medoid.members)
        assert np.unique(members % 4).size == 1
        assert members.size == 12
        rows = vectors.vector[members].astype(float)
        distances = ((rows[:, None] - rows[None]) ** 2).sum(axis=(1, 2))
        assert medoid.item == members[np.argmin(distances)]
        assert medoid.direction[medoid.item % 4] > 0.99


def test_no_more_groups_than_allowed_and_none_without_need():
    mine, vectors = history(range(60), np.zeros(60)), around(6, 10)
    assert len(read_taste(mine, vectors, NOW, TasteConfig(max_medoids=3)).medoids) == 3
    alike = around(1, 60)
    assert len(read_taste(mine, alike, NOW, TasteConfig(max_medoids=5)).medoids) == 1
    assert len(read_taste(mine, alike, NOW, TasteConfig(max_medoids=5, apart=1e-6)).medoids) == 5


def test_shares_are_of_the_decayed_weight():
    vectors = ItemVectors.of(np.arange(2), np.eye(2))
    found = read_taste(history([0, 1], [60.0, 0.0]), vectors, NOW, TasteConfig(medoid_days=60.0))
    assert [(m.item, m.share) for m in found.medoids] == [(1, pytest.approx(2 / 3)), (0, pytest.approx(1 / 3))]


def test_only_what_weighs_most_is_grouped():
    vectors = around(2, 30)
    found = read_taste(history(range(60), np.arange(60.0)[::-1]), vectors, NOW, TasteConfig(max_items=10))
    assert sorted(np.concatenate([m.members for m in found.medoids]).tolist()) == list(range(50, 60))
    for medoid in found.medoids:
        assert (np.diff(medoid.members) < 0).all()  # the newest, which weighs most, comes first


def test_what_has_no_vector_or_was_only_disliked_does_not_count():
    vectors = ItemVectors.of(np.array([0, 1]), np.eye(2))
    both = read_taste(history([0, 1, 2], [1.0, 0.0, 0.0], [1.0, 0.0, 9.0]), vectors, NOW, TasteConfig())
    alone = read_taste(history([0], [1.0]), vectors, NOW, TasteConfig())
    assert [m.item for m in both.medoids] == [0]
    assert both.slow_evidence == alone.slow_evidence


@pytest.mark.parametrize("vectors", [ItemVectors.none(), around(2, 3)], ids=["no vectors", "no items"])
def test_of_nothing_nothing_is_known(vectors):
    found = read_taste(history([], []), vectors, NOW, TasteConfig())
    assert (found.medoids, found.agreement, found.fast_evidence, found.slow_evidence) == ((), None, 0.0, 0.0)
    assert not found.fast.any()
    assert found.fast.shape == found.slow.shape == (vectors.vector.shape[1],)


def test_opposite_items_have_no_direction():
    vectors = ItemVectors.of(np.arange(2), np.array([[1.0, 0.3], [-1.0, -0.3]]))
    found = read_taste(history([0, 1], [0.0, 0.0]), vectors, NOW, TasteConfig())
    assert not found.slow.any()
    assert found.agreement == 0.0
    assert len(found.medoids) == 2


def test_a_change_of_taste_shows_in_the_agreement():
    vectors = around(2, 40)
    steady = read_taste(history(range(0, 80, 2), np.arange(40.0) * 5), vectors, NOW, TasteConfig())
    before, after = list(range(0, 70, 2)), list(range(1, 10, 2))
    moved = read_taste(
        history([*before, *after], [*np.linspace(30, 200, 35), *np.linspace(0, 5, 5)]), vectors, NOW, TasteConfig()
    )
    assert steady.agreement > 0.95
    assert moved.agreement < 0.5


def test_reading_is_pure_and_the_same_in_any_order_of_the_same_moment():
    vectors = around(3, 20, spread=0.3)
    mine = history(range(60), np.linspace(0, 90, 60))
    before = [array.copy() for array in (mine.item, mine.count, mine.last_at, vectors.vector)]
    one, other = (read_taste(mine, vectors, NOW, TasteConfig()) for _ in range(2))
    assert all(map(np.array_equal, before, (mine.item, mine.count, mine.last_at, vectors.vector)))
    assert [(m.item, m.share, m.members.tolist()) for m in one.medoids] == [
        (m.item, m.share, m.members.tolist()) for m in other.medoids
    ]
    assert np.array_equal(one.fast, other.fast)


def test_a_reader_reads_once_for_the_same_vectors_and_anew_for_others():
    mine, config = history(range(6), np.zeros(6)), TasteConfig()
    read = taste_reader(mine, NOW)
    one, other = around(2, 3), around(3, 2)
    assert read(one, config) is read(one, config)
    assert len(read(other, config).medoids) == 3
    assert len(read(one, config).medoids) == 2
