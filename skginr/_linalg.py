"""Sparse linear algebra that SciPy has no short name for."""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import SuperLU, splu


def factor_positive_definite(matrix: sp.sparray) -> SuperLU:
    """Return a factorisation of a symmetric positive-definite matrix; ``.solve`` uses it.

    SuperLU in its symmetric mode: an ordering of A + A' and pivots on the diagonal
    fill in far less than its defaults, which are for general matrices.
    """
    return splu(
        sp.csc_array(matrix),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )


def count_eigenvalues_below(matrix: sp.sparray, bound: float) -> int | None:
    """Return how many eigenvalues of a symmetric matrix are below ``bound``, exactly.

    By Sylvester's law of inertia: as many as the factor of ``matrix - bound I`` has
    negative pivots. None if the factorisation had to leave the diagonal, where its
    pivots say nothing.
    """
    shifted = matrix - bound * sp.eye_array(matrix.shape[0])
    try:
        factor = factor_positive_definite(shifted)
    except RuntimeError:  # exactly singular: bound is an eigenvalue
        return None
    if not np.array_equal(factor.perm_r, factor.perm_c):
        return None
    return int((factor.U.diagonal() < 0).sum())
