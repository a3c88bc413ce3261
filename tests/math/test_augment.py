from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.math.augment import crop, insert, mask, reorder, similar_rows, substitute

SIMILAR = np.array([[1, 2], [0, -1], [-1, -1], [4, -1], [3, -1]], dtype=np.int32)


def rng(seed=0):
    return np.random.default_rng(seed)


def of(*items):
    return np.array(items, dtype=np.int32)


sequences = st.lists(st.integers(0, 4), max_size=20).map(lambda items: np.array(items, dtype=np.int32))
shares = st.sampled_from([0.1, 0.34, 0.5, 0.99, 1.0])


def runs(sequence, length):
    return [sequence[i : i + length].tolist() for i in range(sequence.size - length + 1)]


@given(sequences, shares, st.integers(0, 5))
def test_a_crop_is_a_run_of_the_sequence(sequence, share, seed):
    kept = crop(sequence, share, rng(seed))
    assert kept.size == min(sequence.size, max(1, int(share * sequence.size)))
    assert kept.tolist() in runs(sequence, kept.size)


def test_a_crop_begins_everywhere():
    assert {int(crop(np.arange(10, dtype=np.int32), 0.5, rng(seed))[0]) for seed in range(60)} == set(range(6))


@given(sequences, shares, st.integers(0, 5))
def test_a_mask_hides_as_many_as_asked_and_leaves_the_rest(sequence, share, seed):
    hidden = mask(sequence, share, 99, rng(seed))
    assert (hidden == 99).sum() == int(share * sequence.size)
    assert (hidden[hidden != 99] == sequence[hidden != 99]).all()


@given(sequences, shares, st.integers(0, 5))
def test_reordering_keeps_the_items_and_all_outside_one_run(sequence, share, seed):
    shuffled = reorder(sequence, share, rng(seed))
    assert sorted(shuffled.tolist()) == sorted(sequence.tolist())
    moved = np.flatnonzero(shuffled != sequence)
    assert not moved.size or moved[-1] - moved[0] < int(share * sequence.size)


def test_reordering_does_reorder():
    assert reorder(np.arange(10, dtype=np.int32), 1.0, rng()).tolist() != list(range(10))


@given(sequences, shares, st.integers(0, 5))
def test_items_are_replaced_by_similar_ones_only(sequence, share, seed):
    changed = substitute(sequence, share, SIMILAR, rng(seed))
    assert (changed != sequence).sum() <= int(share * sequence.size)
    for old, new in zip(sequence.tolist(), changed.tolist(), strict=True):
        assert new == old or new in SIMILAR[old]


def test_what_has_no_similar_item_or_no_row_stays():
    assert substitute(of(2, 2, 7, -1), 1.0, SIMILAR, rng()).tolist() == [2, 2, 7, -1]
    assert substitute(of(1, 3, 4), 1.0, SIMILAR, rng()).tolist() == [0, 4, 3]


def test_similar_items_are_put_before_what_they_are_similar_to():
    assert insert(of(1, 3, 2), 1.0, SIMILAR, rng()).tolist() == [0, 1, 4, 3, 2]
    assert insert(of(), 1.0, SIMILAR, rng()).tolist() == []


@pytest.mark.parametrize("change", [lambda s, r: mask(s, 0.5, 9, r), lambda s, r: substitute(s, 0.5, SIMILAR, r)])
def test_the_sequence_given_stays_and_chance_decides(change):
    sequence = np.tile(of(0, 1, 3, 4), 5)
    before = sequence.copy()
    once, again, other = (change(sequence, rng(seed)) for seed in (1, 1, 2))
    assert (sequence == before).all()
    assert (once == again).all()
    assert (once != other).any()


def test_the_rows_nearest_by_cosine():
    vectors = np.array([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.0, 0.0]])
    assert similar_rows(vectors, 2).tolist() == [[1, 2], [0, 2], [1, 0], [-1, -1]]


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        mask(of(1, 2), share, 9, rng())
    with pytest.raises(ValueError, match="above 0"):
        crop(of(1, 2), share, rng())
