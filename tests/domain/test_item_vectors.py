from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from penchant.domain.packing import pack
from penchant.domain.taste import FORMAT, ItemVectors, TasteConfig
from penchant.errors import ConfigError, FormatError


def test_rows_become_vectors_of_length_one_in_the_order_of_items():
    vectors = ItemVectors.of(np.array([7, 2, 5]), np.array([[3.0, 4.0], [0.0, 0.5], [0.0, 0.0]]))
    assert vectors.item.tolist() == [2, 7]  # item 5 has none
    assert vectors.vector == pytest.approx(np.array([[0.0, 1.0], [0.6, 0.8]]))
    assert (vectors.item.dtype, vectors.vector.dtype, len(vectors), vectors.given) == (np.int32, np.float32, 2, False)
    assert vectors.places(np.array([1, 2, 5, 7, 9])).tolist() == [-1, 0, -1, 1, -1]


def test_what_rounding_leaves_of_nothing_is_no_vector():
    assert ItemVectors.of(np.array([0, 1]), np.array([[1.0, 0.0], [1e-9, 1e-9]])).item.tolist() == [0]


def test_no_vectors_have_no_places():
    assert ItemVectors.none().places(np.array([0, 3])).tolist() == [-1, -1]
    assert len(ItemVectors.of(np.empty(0, np.int32), np.empty((0, 3)))) == 0


@pytest.mark.parametrize(
    ("item", "rows", "said"),
    [
        ([0, 1], [[1.0, 2.0]], r"2 items and vectors of shape \(1, 2\)"),
        ([0], [1.0], "one row of numbers for each item"),
        ([0, 1], [[1.0, 2.0], [np.nan, 1.0]], "no finite number"),
        ([3, 3], [[1.0, 2.0], [1.0, 2.0]], "two vectors"),
    ],
)
def test_rows_that_do_not_fit_are_refused(item, rows, said):
    with pytest.raises(ConfigError, match=said):
        ItemVectors.of(np.array(item), np.array(rows))


def test_they_survive_as_bytes():
    vectors = ItemVectors.of(np.array([4, 1]), np.array([[1.0, 1.0], [2.0, 0.0]]), given=True)
    data = vectors.encode()
    again = ItemVectors.decode(data)
    assert np.array_equal(again.item, vectors.item)
    assert np.array_equal(again.vector, vectors.vector)
    assert again.given
    assert again.encode() == data
    one_short = pack(FORMAT, {"item": vectors.item[:1], "vector": vectors.vector, "given": False})
    for wrong in (data[:-1], b"nonsense", one_short):
        with pytest.raises(FormatError):
            ItemVectors.decode(wrong)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"fast_days": 0}, {"max_medoids": 0}, {"apart": 0}, {"medoids": 3}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        TasteConfig(**wrong)
