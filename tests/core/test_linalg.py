import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_info, threadpool_limits

from skginr._core import _linalg
from skginr._core._linalg import (
    count_eigenvalues_below,
    deflate,
    factor_positive_definite,
    one_blas_thread,
    solve_refined,
    subtract_product,
)


def spread(n, seed):
    """A sparse symmetric matrix."""
    rng = np.random.default_rng(seed)
    upper = rng.random((n, n)) * (rng.random((n, n)) < 0.05)
    return sp.csc_array(upper + upper.T)


def test_the_factor_solves():
    matrix = spread(80, 0) + 20 * sp.eye_array(80)
    b = np.arange(80.0)
    np.testing.assert_allclose(matrix @ factor_positive_definite(matrix).solve(b), b, atol=1e-10)


def test_eigenvalues_are_counted_exactly():
    for seed in range(5):
        # Dominant diagonals of both signs keep the pivots on the diagonal.
        matrix = spread(60, seed) + sp.diags_array(np.linspace(-30, 30, 60))
        exact = np.linalg.eigvalsh(matrix.toarray())
        for bound in (-20.3, -0.77, 11.1):
            assert count_eigenvalues_below(matrix, bound) in (None, (exact < bound).sum())
        assert count_eigenvalues_below(matrix, 100.0) == 60
        assert count_eigenvalues_below(matrix, -100.0) == 0


def test_a_bound_on_an_eigenvalue_is_not_answered():
    assert count_eigenvalues_below(sp.csc_array(np.diag([1.0, 2.0])), 2.0) is None


def test_divide_and_conquer_takes_over_where_lapack_gives_up(monkeypatch):
    matrix = np.diag([3.0, 1.0, 1.0, 2.0])
    expected = _linalg.eigh_subset(matrix, 1, 2)
    used = []

    def eigh(matrix, driver=None, subset_by_index=None):
        if driver is None:
            raise np.linalg.LinAlgError("Internal Error.")
        used.append(driver)
        return np.linalg.eigh(matrix)

    monkeypatch.setattr(_linalg, "eigh", eigh)
    values, vectors = _linalg.eigh_subset(matrix, 1, 2)
    assert used == ["evd"]
    np.testing.assert_allclose(values, expected[0])
    np.testing.assert_allclose(values, [1, 2])
    np.testing.assert_allclose(matrix @ vectors, vectors * values)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n_inner", [0, 1, 3])
def test_a_product_is_subtracted_in_place(order, n_inner):
    rng = np.random.default_rng(0)
    target = np.array(rng.random((50, 4)), order=order)
    # Columns from the middle of a larger array, as those of a basis are.
    left, right = (
        np.asfortranarray(rng.random((50, 9)))[:, 2 : 2 + n_inner],
        rng.random((n_inner, 4)),
    )
    expected = target - left @ right
    subtract_product(target, left, right)
    np.testing.assert_allclose(target, expected, atol=1e-14)


@pytest.mark.parametrize("order", ["C", "F"])
def test_deflated_columns_are_orthogonal(order):
    rng = np.random.default_rng(0)
    vector = rng.standard_normal(50)
    vector /= np.linalg.norm(vector)
    block = np.array(rng.random((50, 4)), order=order)
    expected = block - np.outer(vector, vector @ block)
    deflate(block, vector)
    np.testing.assert_allclose(vector @ block, 0, atol=1e-14)
    np.testing.assert_allclose(block, expected, atol=1e-14)


def test_one_thread_is_a_limit_for_a_while():
    def n_threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    def fail():
        with one_blas_thread():
            assert n_threads() == {1}
            raise KeyError

    with threadpool_limits(2, user_api="blas"):
        before = n_threads()
        with pytest.raises(KeyError):
            fail()
        assert n_threads() == before


def test_a_solution_is_refined_to_the_digits_of_its_matrix():
    hilbert = 1 / (np.arange(10)[:, None] + np.arange(10) + np.longdouble(1))
    truth = np.arange(1.0, 11)
    x, change = solve_refined(sp.csc_array(hilbert), (hilbert @ truth[:, None]))
    wide = np.finfo(np.longdouble).eps < 1e-18
    np.testing.assert_allclose(x[:, 0].astype(float), truth, rtol=1e-5 if wide else 1e-2)
    assert (np.abs(x[:, 0] - truth) <= 10 * change.max() + 1e-6 * truth).all()


def test_what_has_no_factor_is_not_solved():
    x, change = solve_refined(sp.csc_array(np.diag([1.0, 0.0])), np.ones((2, 1)))
    assert (change == np.inf).all()
    assert (x == 0).all()
