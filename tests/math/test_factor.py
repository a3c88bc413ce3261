from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from penchant.math.factor import column_vectors


def taken(n_rows, n_columns, density, seed):
    """Return a matrix of ones without an empty column."""
    matrix = np.random.default_rng(seed).random((n_rows, n_columns)) < density
    matrix[0] = True
    return sparse.csr_array(matrix.astype(float))


@pytest.mark.parametrize(("shape", "size"), [((80, 50), 7), ((50, 80), 7), ((9, 40), 20), ((40, 9), 20)])
def test_products_are_the_best_of_that_rank(shape, size):
    matrix = taken(*shape, 0.2, 1)
    vectors = column_vectors(matrix, size)
    # The cosines of the columns' sets of rows, and the square root of the best approximation of that rank.
    dense = matrix.toarray()
    columns = dense / np.sqrt(dense.sum(axis=0))
    cosine = columns.T @ columns
    value, vector = np.linalg.eigh(cosine)
    keep = np.argsort(-value)[:size]
    expected = (vector[:, keep] * np.sqrt(np.maximum(value[keep], 0.0))) @ vector[:, keep].T
    assert vectors.shape == (shape[1], min(size, *shape))
    assert vectors @ vectors.T == pytest.approx(expected, abs=1e-7)


def test_the_same_matrix_gives_the_same_vectors():
    matrix = taken(300, 120, 0.05, 2)
    assert np.array_equal(column_vectors(matrix, 16), column_vectors(matrix, 16))


def test_columns_of_separate_rows_are_at_right_angles():
    matrix = sparse.csr_array(np.kron(np.eye(2), np.ones((6, 4))))
    vectors = column_vectors(matrix, 2)
    length = np.sqrt((vectors**2).sum(axis=1))
    cosine = (vectors @ vectors.T) / np.outer(length, length)
    assert cosine == pytest.approx(np.kron(np.eye(2), np.ones((4, 4))), abs=1e-9)


def test_popularity_is_divided_out_as_far_as_asked():
    # One direction: what is left of a column's length is its number of entries to the power of 1/2 - popularity.
    matrix = sparse.csr_array(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    for popularity, expected in ((0.0, 4**0.5), (0.5, 1.0), (1.0, 4**-0.5)):
        scaled = column_vectors(matrix, 5, popularity)
        # V S**0.5 of orthogonal columns has the square root of the column's length.
        assert np.sqrt((scaled**2).sum(axis=1)) ** 2 == pytest.approx([expected, 1.0])


def test_an_empty_matrix_gives_no_vectors():
    assert column_vectors(sparse.csr_array((0, 0)), 8).shape == (0, 0)
    assert column_vectors(sparse.csr_array((5, 0)), 8).shape == (0, 0)
