from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.domain.packing import pack, unpack
from penchant.errors import FormatError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
ARRAYS = [
    np.arange(6, dtype=np.int32).reshape(2, 3),
    np.array([], dtype=np.float64),
    np.zeros((0, 4), np.float32),
    np.array([[1.5, np.nan], [np.inf, -np.inf]]),
    np.array([-(2**63), 2**63 - 1]),
    np.array([True, False]),
    np.array([-128, 127], np.int8),
    np.arange(10.0)[::2],
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
]


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_plain_values_come_back_as_they_were(fields):
    assert unpack(pack(3, fields), 3) == fields


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_come_back_as_they_were(array):
    data = pack(1, {"a": array, "b": 1})
    again = unpack(data, 1)["a"]
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert np.array_equal(again, array, equal_nan=array.dtype.kind == "f")
    again[...] = 0  # a copy of one's own, which may be written to
    assert pack(1, unpack(data, 1)) == data


def test_no_plain_value_is_taken_for_an_array():
    for value in ({"": "f8", "s": [1], "b": b"12345678"}, {"": 1}, {"": {"": {}}}):
        assert unpack(pack(1, {"a": value}), 1) == {"a": value}


@pytest.mark.parametrize(
    "array", [np.array(["text"]), np.array([1 + 2j]), np.array([object()]), np.zeros(1, np.uint64)]
)
def test_other_arrays_are_refused(array):
    with pytest.raises(FormatError, match="cannot pack an array"):
        pack(1, {"a": array})


def test_another_format_is_refused_and_says_what_to_do():
    with pytest.raises(FormatError, match="format 2 given; this version reads format 1; rebuild from the log"):
        unpack(pack(2, {}), 1)


@given(st.data())
def test_any_change_of_any_byte_is_noticed(data):
    whole = pack(1, {"number": np.arange(9), "text": "words", "last_at": 1.5})
    place = data.draw(st.integers(0, len(whole) - 1))
    wrong = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    with pytest.raises(FormatError):
        unpack(wrong, 1)
    with pytest.raises(FormatError):
        unpack(whole[:place], 1)


@given(st.binary(max_size=60))
def test_nonsense_is_refused(data):
    with pytest.raises(FormatError):
        unpack(data, 1)
