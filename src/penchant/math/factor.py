"""The strongest directions of a sparse matrix: vectors for its columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from penchant.math.arrays import FloatArray

NOTHING = 1e-6
"""A singular value below this share of the largest one is rounding."""


def column_vectors(matrix: sparse.csr_array, size: int, popularity: float = 0.5) -> FloatArray:
    """Return ``V S**0.5`` of the truncated singular value decomposition ``M = U S V'`` of a scaled matrix.

    Each column of the matrix is first divided by its number of entries to the power of ``popularity``; 0.5 makes the
    scalar product of two columns the cosine of their sets of rows. Columns that share rows come out near each other.
    The same matrix gives the same vectors.

    Args:
        matrix: Which row has which column, ones, shape ``(n, m)``, no column empty.
        size: Length of the vectors, at least 1; less where the matrix has fewer directions.
        popularity: 0..1.

    Returns:
        Shape ``(m, min(size, n, m))``.

    Source:
        Nikolakopoulos, Kalantzis, Gallopoulos & Garofalakis, "EigenRec: generalizing PureSVD for effective and
        efficient top-N recommendations", KAIS 2019, section 3, with the cosine of columns. The square root of the
        singular values: Levy & Goldberg, "Neural word embedding as implicit matrix factorization", NIPS 2014, section
        4.2.
    """
    n_rows, n_columns = matrix.shape
    smaller = min(n_rows, n_columns)
    if smaller == 0:
        return np.zeros((n_columns, 0))
    popular = np.bincount(matrix.indices, minlength=n_columns)
    scaled: Any = matrix @ sparse.diags_array(popular.astype(np.float64) ** -popularity)
    if smaller <= size + 1:  # Lanczos iteration cannot give all directions
        _, strength, direction = np.linalg.svd(scaled.toarray(), full_matrices=False)
        strength, direction = strength[:size], direction[:size]
    else:
        from scipy.sparse.linalg import svds

        _, strength, direction = svds(scaled, k=size, v0=np.ones(smaller), return_singular_vectors="vh")
    strength = np.where(strength > NOTHING * strength.max(), strength, 0.0)
    vectors: FloatArray = direction.T * np.sqrt(strength)
    return vectors
