from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.math.decay import half_life_weight
from penchant.math.top import top_n

SCORES = st.lists(st.sampled_from([0.0, 1.0, 2.0, -1.0, np.nan, np.inf, -np.inf]) | st.floats(), max_size=30)


@given(SCORES, st.integers(-1, 35))
def test_the_largest_are_what_sorting_says(scores, n):
    expected = sorted((i for i, s in enumerate(scores) if np.isfinite(s)), key=lambda i: (-scores[i], i))[: max(0, n)]
    found = top_n(np.array(scores, dtype=float), n)
    assert found.tolist() == expected
    assert found.dtype == np.int64


def test_a_half_life_halves():
    assert half_life_weight(np.array([0.0, 7.0, 14.0, 3.5]), 7.0) == pytest.approx([1.0, 0.5, 0.25, 2**-0.5])
    assert half_life_weight(np.array([]), 7.0).size == 0
