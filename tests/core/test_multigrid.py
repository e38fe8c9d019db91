"""Multigrid: a symmetric, positive-definite operator near enough to an inverse."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import skginr.smoothing._penalty as penalty
import skginr.spectral.eigen._davidson as davidson
import skginr.spectral.eigen._operators as operators
from skginr import Graph, GraphSmoother
from skginr._core import Multigrid, conjugate_gradients
from skginr.graphs import laplacian
from skginr.spectral.eigen import solve

pytest.importorskip("pyamg")


def grid(n_rows=20, n_columns=30):
    return nx.to_scipy_sparse_array(nx.grid_2d_graph(n_rows, n_columns), format="csr")


def weighted_grid():
    adjacency = sp.coo_array(sp.triu(grid()))
    adjacency.data = 10 ** np.random.default_rng(0).uniform(-2, 2, adjacency.nnz)
    return sp.csr_array(adjacency + adjacency.T)


def in_parts():
    return sp.csr_array(sp.block_diag([grid(20, 15), grid(12, 25), np.zeros((3, 3))]))


GRAPHS = {"grid": grid, "weights": weighted_grid, "parts": in_parts}


def system(adjacency, kind, strength, share):
    """A Laplacian, its kernel, counts of observations, and the matrix of all."""
    operator = laplacian(sp.csr_array(adjacency, dtype=float), kind)
    n_nodes = adjacency.shape[0]
    counts = (np.random.default_rng(1).random(n_nodes) < share).astype(float)
    # None is without any.
    counts[[0, n_nodes // 2]] = counts[-4:] = 1
    return operator, counts, sp.csr_array(sp.diags_array(counts) + strength * operator.stiffness)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("kind", ["combinatorial", "symmetric"])
@pytest.mark.parametrize(("strength", "share"), [(0.1, 0.5), (1e4, 0.5), (10, 0.01)])
def test_cycle_is_near_the_inverse(name, kind, strength, share):
    operator, counts, matrix = system(GRAPHS[name](), kind, strength, share)
    cycle = Multigrid(operator.stiffness, operator.kernel).cycle(strength, counts)
    applied = cycle(np.eye(len(counts)))
    assert np.abs(applied - applied.T).max() <= 1e-10 * np.abs(applied).max()
    # Eigenvalues of cycle times matrix, by a symmetric problem: between 0 and 1 or a little more.
    root = np.linalg.cholesky(matrix.toarray())
    values = np.linalg.eigvalsh(root.T @ applied @ root)
    # Weights that differ ten-thousandfold, each from the next, are the hardest of all.
    assert values.min() > (0.005 if name == "weights" else 0.1)
    assert values.max() < 1.2


def test_hubs_make_coarser_matrices_dense(monkeypatch):
    hubs = nx.to_scipy_sparse_array(nx.barabasi_albert_graph(3000, 3, seed=0), format="csr")
    mesh, dense = (
        Multigrid(operator.stiffness, operator.kernel)
        for operator in (laplacian(sp.csr_array(a, dtype=float)) for a in (grid(), hubs))
    )
    assert mesh.complexity < 1.5
    assert dense.complexity > 2
    monkeypatch.setattr("skginr._core._multigrid._MOST_COMPLEXITY", 2.0)
    assert mesh.pays
    assert not dense.pays


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize(
    "parameters",
    [
        {"order": 1},
        {"order": 2},
        {"order": 1, "alpha": 1e5},
        {"order": 2, "kappa": 0.2, "laplacian": "random_walk"},
        {"order": 1, "laplacian": "symmetric", "alpha": 1e-3},
    ],
)
def test_smoother_is_the_same_with_and_without(name, parameters, monkeypatch):
    graph = Graph.from_adjacency(GRAPHS[name]())
    noise = np.random.default_rng(3).normal(scale=0.3, size=graph.n_nodes)
    y = np.sin(np.arange(graph.n_nodes) / 100) + noise
    table = pd.DataFrame({"node": graph.labels})
    smoother = GraphSmoother(graph=graph, **parameters)
    rows = np.flatnonzero(np.random.default_rng(2).random(graph.n_nodes) < 0.4)
    expected = smoother.fit(table.iloc[rows], y[rows])
    # However small; and not by a factor beforehand.
    monkeypatch.setattr(penalty, "_MULTIGRID_NODES", 0)
    monkeypatch.setattr("skginr.smoothing._penalised._NO_WORK", 0)
    monkeypatch.setattr("skginr.smoothing._penalised._DIAGONAL_BEFORE_MULTIGRID", 0)
    found = GraphSmoother(graph=graph, **parameters).fit(table.iloc[rows], y[rows])
    assert found.alpha_ == expected.alpha_
    np.testing.assert_allclose(found.signal_, expected.signal_, rtol=1e-6, atol=1e-7)
    assert found.noise_variance_ == pytest.approx(expected.noise_variance_, rel=1e-6)


def test_without_pyamg_there_is_a_factor(monkeypatch):
    graph = Graph.from_adjacency(grid())
    y = np.sin(np.arange(graph.n_nodes) / 7)
    monkeypatch.setattr(penalty, "_MULTIGRID_NODES", 0)
    monkeypatch.setattr(penalty, "has_multigrid", lambda: False)
    monkeypatch.setattr(penalty, "Multigrid", None)
    table = pd.DataFrame({"node": graph.labels})
    smoother = GraphSmoother(graph=graph, alpha=1e4).fit(table[::2], y[::2])
    assert np.isfinite(smoother.predict(table)).all()


@pytest.mark.parametrize("name", ["grid", "weights"])
@pytest.mark.parametrize("kind", ["combinatorial", "symmetric", "random_walk"])
def test_eigenvectors_are_those_of_lapack(name, kind):
    operator = laplacian(sp.csr_array(GRAPHS[name](), dtype=float), kind)
    expected = solve(operator, 12, eigen_solver="dense")
    found = solve(operator, 12, eigen_solver="multigrid")
    np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=1e-7)
    inside = found.eigenvectors.T @ (operator.mass[:, None] * expected.eigenvectors)
    assert np.linalg.svd(inside[:11, :11], compute_uv=False).min() > 1 - 1e-6


def test_inverse_solves():
    operator = laplacian(sp.csr_array(grid(), dtype=float))
    n_nodes = len(operator.kernel)
    kernel = operator.kernel / np.linalg.norm(operator.kernel)
    accuracy = operators.Accuracy(1e-8, 1e-6, 1e-12)
    inverse = operators.MultigridInverse(operator.stiffness, kernel, accuracy, shift=1e-8)
    block = np.random.default_rng(0).normal(size=(n_nodes, 3))
    block -= block.mean(axis=0)
    solved = inverse(block)
    left = operator.stiffness @ solved + 4e-8 * solved - block
    assert np.linalg.norm(left) <= 1e-7 * np.linalg.norm(block)
    np.testing.assert_allclose(solved.mean(axis=0), 0, atol=1e-10)


def steps_of_conjugate_gradients(size):
    """How many it takes to solve for a random right-hand side on a grid of so many rows."""
    operator = laplacian(sp.csr_array(grid(size, size), dtype=float))
    shift, taken = 1e-10, []
    cycle = Multigrid(operator.stiffness, operator.kernel).cycle(1.0, np.full(size**2, shift))
    right = np.random.default_rng(0).normal(size=(size**2, 1))

    def precondition(block):
        taken.append(None)
        conditioned = cycle(block)
        return conditioned - conditioned.mean(axis=0)

    _, converged = conjugate_gradients(
        lambda block: operator.stiffness @ block + shift * block,
        right - right.mean(),
        precondition,
        tolerance=1e-8,
        max_iterations=100,
        euclidean=True,
    )
    assert converged.all()
    return len(taken)


def test_more_levels_take_no_more_steps():
    # Of one coarser level and of three.
    assert steps_of_conjugate_gradients(240) <= steps_of_conjugate_gradients(40) + 1


def test_random_numbers_of_the_user_are_left_alone():
    operator = laplacian(sp.csr_array(grid(), dtype=float))
    before = np.random.get_state()[1:3]  # noqa: NPY002
    first = solve(operator, 5, eigen_solver="multigrid")
    for part, kept in zip(np.random.get_state()[1:3], before, strict=True):  # noqa: NPY002
        np.testing.assert_array_equal(part, kept)
    again = solve(operator, 5, eigen_solver="multigrid")
    np.testing.assert_array_equal(first.eigenvectors, again.eigenvectors)


@pytest.mark.parametrize(("order", "n_observed"), [(1, 5), (2, 5), (2, 60), (3, 5)])
def test_few_observations_and_much_smoothing(order, n_observed, monkeypatch):
    graph = Graph.from_adjacency(grid(40, 50))
    rows = np.random.default_rng(4).choice(graph.n_nodes, n_observed, replace=False)
    table, y = pd.DataFrame({"node": rows}), np.sin(rows / 100)
    expected = GraphSmoother(graph=graph, order=order, alpha=1e6).fit(table, y)
    monkeypatch.setattr(penalty, "_MULTIGRID_NODES", 0)
    monkeypatch.setattr("skginr.smoothing._penalised._NO_WORK", 0)
    found = GraphSmoother(graph=graph, order=order, alpha=1e6).fit(table, y)
    spread = np.ptp(expected.signal_)
    np.testing.assert_allclose(found.signal_, expected.signal_, atol=1e-5 * spread)


def test_davidson_gives_up_where_the_inverse_is_too_rough(monkeypatch):
    operator = laplacian(sp.csr_array(grid(350, 2), dtype=float))
    kernel = operator.kernel / np.linalg.norm(operator.kernel)
    accuracy = operators.Accuracy(1e-8, 1e-6, 1e-12)
    arguments = operator.stiffness, kernel, 4
    assert davidson.smallest_eigenvectors(*arguments, np.copy, accuracy, n_block=8) is None
    # Lanczos on an inverse follows.
    expected = solve(operator, 4, eigen_solver="shift_invert")
    monkeypatch.setattr(operators.MultigridCycle, "__call__", lambda cycle, block: block.copy())
    monkeypatch.setattr(operators, "_MAX_CYCLES", 2000)
    found = solve(operator, 4, eigen_solver="multigrid")
    np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=1e-8)


def test_davidson_finds_all_copies():
    # A hub with 40 equal legs has eigenvalues of multiplicity 39: more than a block has vectors.
    n_legs, length = 40, 25
    spider = nx.disjoint_union_all([nx.path_graph(length) for _ in range(n_legs)])
    spider.add_edges_from(("hub", leg * length) for leg in range(n_legs))
    operator = laplacian(sp.csr_array(nx.to_scipy_sparse_array(spider, dtype=float)))
    expected = solve(operator, 45, eigen_solver="dense")
    found = solve(operator, 45, eigen_solver="multigrid")
    np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=1e-8)
    np.testing.assert_array_equal(found.cuts_eigenspace, expected.cuts_eigenspace)
