import sys
import warnings
from functools import partial

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from skginr import SpectralEmbedder
from skginr.graphs._graph import Graph
from skginr.graphs._laplacians import LAPLACIANS, laplacian
from skginr.spectral import eigen
from skginr.spectral.eigen import _basis, _cache, _connected, _iterative
from skginr.spectral.eigen._cache import shared_basis
from skginr.spectral.eigen._connected import SOLVERS
from skginr.spectral.eigen._operators import Accuracy, ConjugateGradientInverse, IndefiniteError
from skginr.spectral.eigen._solve import solve


def basis_of(graph, n_vectors, kind="combinatorial"):
    adjacency = sp.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))
    return solve(laplacian(adjacency, kind), n_vectors)


def problem_of(adjacency, k):
    n = adjacency.shape[0]
    accuracy = Accuracy(residual=1e-8, digits=1e-6, least=1e-12)
    return _connected.Problem(laplacian(adjacency).stiffness, np.full(n, n**-0.5), k, accuracy)


def path_spectrum(n):
    return 2 - 2 * np.cos(np.pi * np.arange(n) / n)


@pytest.mark.parametrize("n", [2, 50, 501, 2000])
def test_path(n):
    k = min(n - 1, 40)
    basis = basis_of(nx.path_graph(n), k)
    np.testing.assert_allclose(basis.eigenvalues, path_spectrum(n)[1 : k + 1], atol=1e-12)
    # The eigenvectors of a path are cosines.
    cosine = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    cosine /= np.linalg.norm(cosine)
    np.testing.assert_allclose(np.abs(basis.eigenvectors[:, 0] @ cosine), 1, rtol=1e-10)


def test_ring_grid_and_torus():
    ring = 2 - 2 * np.cos(2 * np.pi * np.arange(700) / 700)
    basis = basis_of(nx.cycle_graph(700), 30)
    np.testing.assert_allclose(basis.eigenvalues, np.sort(ring)[1:31], atol=1e-12)
    grid = np.add.outer(path_spectrum(31), path_spectrum(23)).ravel()
    basis = basis_of(nx.grid_2d_graph(31, 23), 50)
    np.testing.assert_allclose(basis.eigenvalues, np.sort(grid)[1:51], atol=1e-12)
    circle = 2 - 2 * np.cos(2 * np.pi * np.arange(26) / 26)
    torus = np.add.outer(circle, circle).ravel()
    basis = basis_of(nx.grid_2d_graph(26, 26, periodic=True), 60)
    np.testing.assert_allclose(basis.eigenvalues, np.sort(torus)[1:61], atol=1e-11)


def test_complete_and_star_have_huge_multiplicities():
    np.testing.assert_allclose(basis_of(nx.complete_graph(600), 40).eigenvalues, 600)
    np.testing.assert_allclose(basis_of(nx.star_graph(600), 40).eigenvalues, 1)


def test_a_missed_copy_of_an_eigenvalue_is_noticed():
    n = 24
    adjacency = sp.csr_array(nx.to_scipy_sparse_array(nx.grid_2d_graph(n, n), dtype=float))
    matrix = laplacian(adjacency).stiffness
    exact = np.linalg.eigvalsh(matrix.toarray())[1:20]
    assert _connected.is_complete(matrix, exact, np.full(19, 1e-9))
    # Eigenvalues of a square grid come in pairs: drop one of the first.
    assert exact[0] == pytest.approx(exact[1])
    assert not _connected.is_complete(matrix, exact[1:], np.full(18, 1e-9))
    assert not _connected.is_complete(matrix, np.delete(exact, 7), np.full(18, 1e-9))


def test_a_failed_iteration_is_solved_densely(monkeypatch):
    graph = nx.random_geometric_graph(600, 0.09, seed=2)
    expected = basis_of(graph, 10)
    monkeypatch.setattr(_connected, "_iterate", lambda *arguments: None)
    dense = basis_of(graph, 10)
    np.testing.assert_allclose(dense.eigenvalues, expected.eigenvalues, atol=1e-10)
    np.testing.assert_allclose(dense.eigenvectors, expected.eigenvectors, atol=1e-7)


RANDOM_GRAPHS = {
    "geometric": lambda: nx.random_geometric_graph(700, 0.08, seed=1),
    "scale free": lambda: nx.barabasi_albert_graph(800, 3, seed=1),
    "dust": lambda: nx.fast_gnp_random_graph(900, 0.8 / 900, seed=1),
    "small": lambda: nx.fast_gnp_random_graph(60, 0.1, seed=1),
}


@pytest.mark.parametrize("kind", LAPLACIANS)
@pytest.mark.parametrize("name", RANDOM_GRAPHS)
def test_eigenpairs_match_the_dense_answer(name, kind):
    graph = RANDOM_GRAPHS[name]()
    rng = np.random.default_rng(0)
    for _, _, edge in graph.edges(data=True):
        # Weights over four orders of magnitude.
        edge["weight"] = 10 ** rng.uniform(-2, 2)
    adjacency = sp.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))
    operator = laplacian(adjacency, kind)
    basis = solve(operator, 25, eigen_tol=1e-11)
    scale = operator.mass**-0.5
    matrix = scale[:, None] * operator.stiffness.toarray() * scale
    largest = np.abs(matrix).sum(axis=1).max()
    exact = np.linalg.eigvalsh(matrix)
    n_kernel = nx.number_connected_components(graph)
    np.testing.assert_allclose(
        basis.eigenvalues, exact[n_kernel : n_kernel + 25], atol=1e-11 * largest
    )
    U = basis.eigenvectors
    residual = operator.stiffness @ U - operator.mass[:, None] * U * basis.eigenvalues
    assert np.linalg.norm(scale[:, None] * residual, axis=0).max() < 1e-11 * largest
    np.testing.assert_allclose(U.T @ (operator.mass[:, None] * U), np.eye(25), atol=1e-9)
    np.testing.assert_allclose(U.T @ (operator.mass * operator.kernel), 0, atol=1e-8)
    assert basis.n_available == graph.number_of_nodes() - n_kernel


def test_equal_components_all_keep_their_eigenvectors():
    # 60 equal eigenvalues: more than any block of a Lanczos iteration.
    graph = nx.disjoint_union_all([nx.path_graph(9)] * 60)
    basis = basis_of(graph, 120)
    expected = np.repeat(path_spectrum(9)[1:3], 60)
    np.testing.assert_allclose(basis.eigenvalues, expected, atol=1e-12)
    assert np.linalg.matrix_rank(basis.eigenvectors) == 120


@pytest.mark.parametrize("n", [60, 700])
def test_relabelling_permutes_the_rows(n):
    graph = nx.random_geometric_graph(n, 2.2 / np.sqrt(n), seed=4)
    adjacency = sp.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))
    order = np.random.default_rng(0).permutation(n)
    moved = sp.csr_array(adjacency[order][:, order])
    first, second = (solve(laplacian(A), 20) for A in (adjacency, moved))
    simple = np.diff(first.eigenvalues, append=np.inf) > 1e-6
    simple &= np.diff(first.eigenvalues, prepend=-np.inf) > 1e-6
    assert simple.sum() > 15
    np.testing.assert_allclose(
        second.eigenvectors[:, simple], first.eigenvectors[order][:, simple], atol=1e-7
    )


def test_relabelling_permutes_the_projector_of_an_eigenspace():
    adjacency = sp.csr_array(nx.to_scipy_sparse_array(nx.cycle_graph(600), dtype=float))
    order = np.random.default_rng(0).permutation(600)
    moved = sp.csr_array(adjacency[order][:, order])
    first, second = (solve(laplacian(A), 2).eigenvectors for A in (adjacency, moved))
    np.testing.assert_allclose(
        second @ second.T, (first @ first.T)[np.ix_(order, order)], atol=1e-9
    )


@pytest.mark.parametrize("n", [100, 800])
def test_two_solves_are_equal_to_the_bit(n):
    graph = nx.random_geometric_graph(n, 2.2 / np.sqrt(n), seed=4)
    first, second = basis_of(graph, 12), basis_of(graph, 12)
    np.testing.assert_array_equal(first.eigenvectors, second.eigenvectors)


@pytest.mark.parametrize("solver", ["shift_invert", "multigrid", "iterative"])
def test_a_basis_keeps_no_larger_array_in_memory(solver):
    adjacency = sp.csr_array(nx.to_scipy_sparse_array(nx.path_graph(700), dtype=float))
    vectors = solve(laplacian(adjacency), 10, eigen_solver=solver).eigenvectors
    assert vectors.base is None or vectors.base.nbytes == vectors.nbytes


def test_scaling_weights_scales_eigenvalues_only():
    graph = nx.random_geometric_graph(700, 0.09, seed=2)
    adjacency = sp.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))
    first, second = (solve(laplacian(A), 10) for A in (adjacency, 1e4 * adjacency))
    np.testing.assert_allclose(second.eigenvalues, 1e4 * first.eigenvalues, rtol=1e-6)
    np.testing.assert_allclose(second.eigenvectors, first.eigenvectors, atol=1e-6)


def test_cut_eigenspaces_are_seen():
    basis = basis_of(nx.cycle_graph(40), 7)
    np.testing.assert_array_equal(basis.cuts_eigenspace, [True, False] * 3 + [False])


def doubt_in(operator, tol=1e-8):
    return partial(eigen.doubt_of, operator, eigen_tol=tol)


def kept_basis(operator, n_vectors, folder):
    """The basis as a new process would find it."""
    eigen.clear_cache()
    return shared_basis(
        "key",
        lambda n, known, keep: solve(operator, n, known=known, keep=keep),
        n_vectors=n_vectors,
        tol=1e-8,
        memory=folder,
        doubt=doubt_in(operator),
    )


def test_the_cache_slices_and_extends(monkeypatch):
    graph = Graph.from_networkx(nx.random_geometric_graph(300, 0.15, seed=0))
    eigen.clear_cache()

    def ask(n_vectors):
        operator = laplacian(graph.adjacency)
        return shared_basis(
            graph.digest,
            lambda n, known, keep: solve(operator, n, known=known, keep=keep),
            n_vectors=n_vectors,
            doubt=doubt_in(operator),
        )

    before = eigen.n_solves()
    twenty = ask(20)
    assert ask(5) is twenty
    assert eigen.n_solves() == before + 1
    thirty = ask(30)
    assert eigen.n_solves() == before + 2
    np.testing.assert_allclose(thirty.eigenvectors[:, :20], twenty.eigenvectors, atol=1e-9)
    assert ask(10_000).n_vectors == graph.n_nodes - graph.n_components


def test_the_cache_forgets_the_least_recently_used():
    cache = _cache._BasisCache(max_bytes=2 * 8 * 10 * 3)
    bases = [basis_of(nx.path_graph(10), 3) for _ in range(3)]
    cache.put("a", bases[0])
    cache.put("b", bases[1])
    assert cache.get("a") is bases[0]
    cache.put("c", bases[2])
    assert cache.get("b") is None
    assert cache.get("a") is bases[0]
    assert cache.get("c") is bases[2]


def test_memory_keeps_a_basis_on_disk(tmp_path):
    graph = Graph.from_networkx(nx.path_graph(30))

    def ask():
        eigen.clear_cache()
        operator = laplacian(graph.adjacency, "symmetric")
        return kept_basis(operator, 5, tmp_path)

    first = ask()
    before = eigen.n_solves()
    second = ask()
    assert eigen.n_solves() == before
    np.testing.assert_array_equal(first.eigenvectors, second.eigenvectors)


def test_a_failure_too_large_for_the_dense_solver_is_an_error(monkeypatch):
    monkeypatch.setattr(_connected, "_iterate", lambda *arguments: None)
    monkeypatch.setattr(_connected, "_MAX_DENSE_NODES", 550)
    with pytest.raises(RuntimeError, match="first 10 eigenvectors of a component of 600 nodes"):
        basis_of(nx.path_graph(600), 10)


MULTIPLE = {
    # Graph and the dense spectrum of each Laplacian: (eigenvalue, copies), without 0.
    "star": (
        lambda: nx.star_graph(700),
        {"combinatorial": [(1, 699), (701, 1)], "symmetric": [(1, 699), (2, 1)]},
    ),
    "hypercube": (
        lambda: nx.hypercube_graph(10),
        {
            "combinatorial": [(2, 10), (4, 45), (6, 120)],
            "symmetric": [(0.2, 10), (0.4, 45), (0.6, 120)],
        },
    ),
    "bipartite": (
        lambda: nx.complete_bipartite_graph(200, 500),
        {"combinatorial": [(200, 499), (500, 199)], "symmetric": [(1, 698), (2, 1)]},
    ),
}


@pytest.mark.parametrize("solver", ["shift_invert", "multigrid", "iterative"])
@pytest.mark.parametrize("name", MULTIPLE)
def test_multiplicities_larger_than_a_block_are_whole(name, solver):
    build, spectra = MULTIPLE[name]
    adjacency = sp.csr_array(nx.to_scipy_sparse_array(build(), dtype=float))
    for kind, spectrum in spectra.items():
        expected = np.repeat([value for value, _ in spectrum], [copies for _, copies in spectrum])[
            :60
        ]
        operator = laplacian(adjacency, kind)
        basis = solve(operator, 60, eigen_solver=solver)
        bound = abs(operator.stiffness).sum(axis=1).max()
        np.testing.assert_allclose(basis.eigenvalues, expected, atol=1e-8 * bound)
        U = basis.eigenvectors
        np.testing.assert_allclose(U.T @ U, np.eye(60), atol=1e-9)
        residual = operator.stiffness @ U - U * basis.eigenvalues
        assert np.linalg.norm(residual, axis=0).max() <= 1e-8 * bound


def test_solvers_agree_on_hubs_and_expanders():
    for graph in (nx.barabasi_albert_graph(1500, 4, seed=0), nx.random_regular_graph(5, 1500, 0)):
        for kind in LAPLACIANS:
            operator = laplacian(nx.to_scipy_sparse_array(graph, dtype=float, format="csr"), kind)
            dense, *others = (
                solve(operator, 20, eigen_solver=name)
                for name in ("dense", "shift_invert", "multigrid", "iterative")
            )
            for basis in others:
                np.testing.assert_allclose(basis.eigenvalues, dense.eigenvalues, rtol=1e-7)
                np.testing.assert_allclose(basis.eigenvectors, dense.eigenvectors, atol=1e-4)


def test_auto_factors_trees_and_iterates_where_a_factor_would_fill_in():
    chosen = {}
    for name, graph in {
        "tree": nx.barabasi_albert_graph(20_000, 1, seed=0),
        "star": nx.star_graph(20_000),
        "path": nx.path_graph(20_000),
        "mesh": nx.grid_2d_graph(120, 120),
        "scale free": nx.barabasi_albert_graph(20_000, 5, seed=0),
        "expander": nx.random_regular_graph(8, 4_000, seed=0),
    }.items():
        adjacency = nx.to_scipy_sparse_array(graph, dtype=float, format="csr")
        chosen[name] = _connected.choose_solver(problem_of(adjacency, 10), "auto")
    assert chosen == {
        "tree": "shift_invert",
        "star": "shift_invert",
        "path": "shift_invert",
        "mesh": "shift_invert",
        "scale free": "iterative",
        "expander": "iterative",
    }


def test_superlu_takes_over_where_cholespy_is_absent(monkeypatch):
    graph = nx.random_geometric_graph(900, 0.08, seed=3)
    with_cholespy = basis_of(graph, 15)
    monkeypatch.setitem(sys.modules, "cholespy", None)
    without = basis_of(graph, 15)
    np.testing.assert_allclose(without.eigenvalues, with_cholespy.eigenvalues, atol=1e-9)
    np.testing.assert_allclose(without.eigenvectors, with_cholespy.eigenvectors, atol=1e-6)


@pytest.fixture
def no_dense(monkeypatch):
    """Make any fall-back on the dense solver an error."""
    monkeypatch.setattr(_connected, "_CHEAP_DENSE_NODES", 0)
    monkeypatch.setattr(_connected, "_MAX_DENSE_NODES", 0)


@pytest.mark.parametrize("solver", ["shift_invert", "multigrid", "iterative"])
@pytest.mark.parametrize("k", [20, 60])
def test_larger_blocks_find_what_one_block_cannot(no_dense, solver, k):
    cube = sp.csr_array(nx.to_scipy_sparse_array(nx.hypercube_graph(10), dtype=float))
    basis = solve(laplacian(cube), k, eigen_solver=solver)
    expected = np.repeat([2.0, 4.0, 6.0], [10, 45, 120])[:k]
    np.testing.assert_allclose(basis.eigenvalues, expected, atol=1e-7)


@pytest.mark.parametrize("kind", LAPLACIANS)
def test_hubs_are_solved_by_conjugate_gradients(no_dense, kind):
    adjacency = sp.csr_array(nx.to_scipy_sparse_array(nx.barabasi_albert_graph(3000, 2, seed=0)))
    operator = laplacian(sp.csr_array(adjacency, dtype=float), kind)
    degrees = adjacency.sum(axis=1)
    # Only the combinatorial Laplacian has hubs on its diagonal.
    assert degrees.max() > _iterative._HUBS * degrees.mean()
    basis, exact = (solve(operator, 20, eigen_solver=name) for name in ("iterative", "dense"))
    np.testing.assert_allclose(basis.eigenvalues, exact.eigenvalues, rtol=1e-8)
    np.testing.assert_allclose(basis.eigenvectors, exact.eigenvectors, atol=1e-4)


def test_a_shift_beyond_the_first_eigenvalue_is_noticed():
    stiffness = laplacian(sp.csr_array(nx.to_scipy_sparse_array(nx.path_graph(50)))).stiffness
    kernel, first = np.full(50, 50**-0.5), 2 - 2 * np.cos(np.pi / 50)
    slowest = np.cos(np.pi * (np.arange(50) + 0.5) / 50)[:, None]
    below, beyond = (
        ConjugateGradientInverse(
            stiffness, kernel, Accuracy(1e-8, 1e-6, 1e-12), shift=share * first, inner=1e-9
        )
        for share in (0.9, 1.1)
    )
    np.testing.assert_allclose(below(slowest), slowest / (0.1 * first), rtol=1e-6)
    with pytest.raises(IndefiniteError):
        beyond(slowest)


def test_drifted_vectors_are_orthonormal_again():
    grid = sp.csr_array(nx.to_scipy_sparse_array(nx.grid_2d_graph(40, 33), dtype=float))
    operator = laplacian(grid)
    exact = solve(operator, 20, eigen_solver="dense")
    rng = np.random.default_rng(0)
    vectors = np.asfortranarray(exact.eigenvectors + 1e-6 * rng.standard_normal((1320, 20)))
    assert np.abs(vectors.T @ vectors - np.eye(20)).max() > 1e-7
    values = _connected.rayleigh_ritz(operator.stiffness, vectors)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(20), atol=1e-13)
    np.testing.assert_allclose(values, exact.eigenvalues, atol=1e-8)
    # However loose the tolerance.
    rough = solve(operator, 20, eigen_solver="shift_invert", eigen_tol=1e-3).eigenvectors
    np.testing.assert_allclose(rough.T @ rough, np.eye(20), atol=1e-13)


def test_the_slowest_modes_of_long_graphs_have_their_digits():
    # Their eigenvalues are below what eigen_tol asks for.
    n = 20_000
    basis = basis_of(nx.path_graph(n), 8)
    np.testing.assert_allclose(basis.eigenvalues, path_spectrum(n)[1:9], rtol=1e-5)
    ring = basis_of(nx.cycle_graph(n), 5)
    np.testing.assert_array_equal(ring.cuts_eigenspace, [True, False, True, False, False])


def test_equal_eigenvalues_are_those_within_their_error():
    values = np.array([1.0, 1.0 + 1e-7, 1.0 + 3e-7, 2.0, 2.0 + 1e-3])
    for residual, expected in (
        (0.0, [0, 0, 0, 0, 0]),
        (2e-7, [1, 0, 0, 0, 0]),
        (1e-6, [1, 1, 0, 0, 0]),
        # Rough as they are, these agree to too few digits.
        (1e-1, [1, 1, 0, 0, 0]),
    ):
        errors = _basis.errors_of(values, rounding=1e-11, residual=residual)
        found = _basis.equal_to_next(values, errors)
        np.testing.assert_array_equal(found, np.array(expected, dtype=bool))
    found = _basis.equal_to_next(values, np.full(5, 1e-6))
    np.testing.assert_array_equal(found, [True, True, False, False, False])


def test_nearly_all_vectors_of_a_large_component_are_refused(monkeypatch):
    monkeypatch.setattr(_connected, "_MAX_DENSE_NODES", 550)
    problem = problem_of(sp.csr_array(nx.to_scipy_sparse_array(nx.path_graph(600))), 590)
    with pytest.raises(RuntimeError, match="590 eigenvectors of a component of 600 nodes are near"):
        _connected.choose_solver(problem, "auto")
    assert _connected.choose_solver(problem, "dense") == "dense"
    many = problem_of(sp.csr_array(nx.to_scipy_sparse_array(nx.path_graph(600))), 300)
    assert _connected.choose_solver(many, "auto") == "shift_invert"


def test_lapack_is_not_believed_when_it_returns_too_few():
    # Its fastest driver does, on many equal eigenvalues, and says nothing.
    for parts in ((5, 501), (2, 700)):
        basis = basis_of(nx.complete_bipartite_graph(*parts), 3, "symmetric")
        np.testing.assert_allclose(basis.eigenvalues, 1, atol=1e-8)
        assert basis.eigenvectors.shape == (sum(parts), 3)


def test_the_operator_may_still_be_written_to():
    operator = laplacian(sp.csr_array(nx.to_scipy_sparse_array(nx.path_graph(5))), "random_walk")
    solve(operator, 2)
    operator.mass[0] = 2.0


def test_a_stricter_tolerance_keeps_what_was_known():
    operator = laplacian(sp.csr_array(nx.to_scipy_sparse_array(nx.path_graph(700))))

    def ask(n_vectors, tol):
        return shared_basis(
            "kept",
            lambda n, known, keep: solve(operator, n, eigen_tol=tol, known=known, keep=keep),
            n_vectors=n_vectors,
            tol=tol,
            doubt=doubt_in(operator, tol),
        )

    eigen.clear_cache()
    ask(30, 1e-6)
    strict = ask(10, 1e-10)
    assert (strict.tol, strict.n_vectors) == (1e-10, 30)


@pytest.mark.parametrize("content", [b"", b"damaged", b"PK\x03\x04cut"])
def test_a_damaged_file_is_solved_again(tmp_path, content):
    operator = laplacian(sp.csr_array(nx.to_scipy_sparse_array(nx.path_graph(30))))

    def ask():
        eigen.clear_cache()
        return kept_basis(operator, 5, tmp_path)

    first = ask()
    (file,) = tmp_path.rglob("*.npz")
    file.write_bytes(content)
    with pytest.warns(UserWarning, match="memory has a file that was not believed, .*key.npz"):
        found = ask()
    np.testing.assert_array_equal(found.eigenvectors, first.eigenvectors)
    assert eigen.read_basis(file).n_vectors == 5
    assert [path.suffix for path in tmp_path.rglob("*.*")] == [".npz"]


def test_memory_that_is_no_folder_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", "no\0path"):
        with pytest.raises(ValueError, match="memory must be a folder that can be written to"):
            shared_basis(
                "key",
                lambda *asked: pytest.fail("solved"),
                n_vectors=5,
                memory=wrong,
                doubt=lambda basis, **_: pytest.fail("looked at"),
            )


def weakly_joined(parts, weight):
    """The graphs one after another, the last node of each joined to the first of the next."""
    blocks = [nx.to_scipy_sparse_array(part, dtype=float) for part in parts]
    adjacency = sp.lil_array(sp.block_diag(blocks))
    for start in np.cumsum([block.shape[0] for block in blocks])[:-1]:
        adjacency[start - 1, start] = adjacency[start, start - 1] = weight
    return sp.csr_array(adjacency)


@pytest.mark.parametrize("solver", ["dense", "shift_invert", "multigrid", "iterative"])
@pytest.mark.parametrize("tol", [1e-8, 1e-13])
def test_chains_of_close_eigenvalues_keep_to_the_tolerance(solver, tol):
    # A hundred eigenvalues near 0, each near the next, and the wanted reach the top.
    operator = laplacian(weakly_joined([nx.complete_graph(10)] * 100, 1e-7))
    basis = solve(operator, 105, eigen_solver=solver, eigen_tol=tol)
    residual = operator.stiffness @ basis.eigenvectors - basis.eigenvectors * basis.eigenvalues
    bound = abs(operator.stiffness).sum(axis=1).max()
    assert np.linalg.norm(residual, axis=0).max() <= tol * bound
    exact = np.linalg.eigvalsh(operator.stiffness.toarray())[1:106]
    np.testing.assert_allclose(basis.eigenvalues, exact, atol=1e-12)


@pytest.mark.parametrize("solver", ["shift_invert", "multigrid", "iterative"])
def test_weakly_joined_expanders_are_solved_without_the_dense_solver(no_dense, solver):
    # The square of an inverse loses the others in the rounding of the first.
    parts = [nx.random_regular_graph(8, 300, seed=seed) for seed in range(3)]
    operator = laplacian(weakly_joined(parts, 1e-8), "random_walk")
    basis = solve(operator, 12, eigen_solver=solver, eigen_tol=1e-10)
    exact = np.linalg.eigvalsh(operator.stiffness.toarray() / 8)[1:13]
    np.testing.assert_allclose(basis.eigenvalues, exact, atol=1e-8)
    assert (basis.eigenvalues[:2] < 1e-9).all()
    assert basis.eigenvalues[2] > 0.1


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_weights_of_any_size(solver, scale):
    adjacency = sp.csr_array(nx.to_scipy_sparse_array(nx.barabasi_albert_graph(700, 3, seed=1)))
    found, expected = (
        solve(laplacian(sp.csr_array(A, dtype=float)), 10, eigen_solver=solver)
        for A in (scale * adjacency, adjacency)
    )
    np.testing.assert_allclose(found.eigenvalues, scale * expected.eigenvalues, rtol=1e-9)
    np.testing.assert_allclose(found.eigenvectors, expected.eigenvectors, atol=1e-5)


def quotients(operator, vectors):
    """Rayleigh quotients, from the differences along edges alone."""
    edges = sp.coo_array(sp.triu(operator.stiffness, k=1))
    squares = (vectors[edges.row] - vectors[edges.col]) ** 2
    return -(edges.data @ squares) / (operator.mass @ vectors**2)


AWKWARD = {
    "small": lambda: nx.grid_2d_graph(15, 17),
    "mesh": lambda: nx.grid_2d_graph(30, 37),
    "hubs": lambda: nx.barabasi_albert_graph(1600, 3, seed=1),
    "expander": lambda: nx.random_regular_graph(8, 1600, seed=1),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", AWKWARD)
def test_one_edge_of_huge_weight_changes_nothing_else(name, solver):
    # Two nodes that are as one: the same as the graph in which they are one, of mass 2.
    adjacency = sp.lil_array(nx.to_scipy_sparse_array(AWKWARD[name](), dtype=float))
    n, a = adjacency.shape[0], 100
    b = int(adjacency.tocsr()[[a]].indices[0])
    adjacency[a, b] = adjacency[b, a] = 1e9
    operator = laplacian(sp.csr_array(adjacency))
    merged_into = np.where(np.arange(n) == b, a, np.arange(n))
    _, merged_into = np.unique(merged_into, return_inverse=True)
    merge = sp.csr_array((np.ones(n), (merged_into, np.arange(n))))
    merged = sp.lil_array(merge @ sp.csr_array(adjacency) @ merge.T)
    merged.setdiag(0.0)
    exact = laplacian(sp.csr_array(merged))._replace(mass=np.asarray(merge.sum(axis=1)).ravel())
    basis = solve(operator, 20, eigen_solver=solver)
    expected = solve(exact, 20, eigen_solver="dense").eigenvalues
    np.testing.assert_allclose(basis.eigenvalues, expected, rtol=1e-6)
    np.testing.assert_allclose(quotients(operator, basis.eigenvectors), expected, rtol=1e-6)
    assert not basis.cuts_eigenspace.any()


# Multigrid has to give up first, which takes long: LAPACK or a factor is next.
@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "multigrid"])
@pytest.mark.parametrize("shape", [(12, 17), (30, 37)])
def test_a_node_of_next_to_no_mass_changes_nothing_else(shape, solver):
    grid = nx.grid_2d_graph(*shape)
    operator = laplacian(sp.csr_array(nx.to_scipy_sparse_array(grid, dtype=float)))
    light = [0, 100, 101]
    operator.mass[light] = 1e-12, 1e-9, 1e-9
    basis = solve(operator, 40, eigen_solver=solver)
    # Without any mass they are where their neighbours hold them.
    stiffness = operator.stiffness.toarray()
    heavy = np.setdiff1d(np.arange(len(stiffness)), light)
    held = np.linalg.solve(stiffness[np.ix_(light, light)], stiffness[np.ix_(light, heavy)])
    reduced = stiffness[np.ix_(heavy, heavy)] - stiffness[np.ix_(heavy, light)] @ held
    expected = np.linalg.eigvalsh(reduced)[1:41]
    np.testing.assert_allclose(basis.eigenvalues, expected, rtol=1e-6)
    np.testing.assert_allclose(quotients(operator, basis.eigenvectors), expected, rtol=1e-6)
    gram = basis.eigenvectors.T @ (operator.mass[:, None] * basis.eigenvectors)
    np.testing.assert_allclose(gram, np.eye(40), atol=1e-9)


def test_nearly_all_vectors_beside_a_node_of_next_to_no_mass():
    operator = laplacian(sp.csr_array(nx.to_scipy_sparse_array(nx.path_graph(60), dtype=float)))
    operator.mass[30] = 1e-10
    basis = solve(operator, 59)
    # The last moves the light node alone, held by two edges.
    assert basis.eigenvalues[-1] == pytest.approx(2 / 1e-10, rel=1e-6)
    np.testing.assert_allclose(
        quotients(operator, basis.eigenvectors), basis.eigenvalues, rtol=1e-6
    )
    # A path of 59, one of whose edges is two in a row.
    weights = np.ones(58)
    weights[29] = 0.5
    shorter = laplacian(sp.csr_array(np.diag(weights, 1) + np.diag(weights, -1)))
    expected = np.linalg.eigvalsh(shorter.stiffness.toarray())[1:]
    np.testing.assert_allclose(basis.eigenvalues[:-1], expected, rtol=1e-6)


@pytest.mark.parametrize("weight", [1e13, 1e15])
def test_eigenvalues_that_rounding_decides_are_warned_of(weight):
    adjacency = sp.lil_array(nx.to_scipy_sparse_array(nx.path_graph(300), dtype=float))
    adjacency[100, 101] = adjacency[101, 100] = weight
    with pytest.warns(UserWarning, match=r"eigenvalues have no two digits.*cap the weights"):
        solve(laplacian(sp.csr_array(adjacency)), 5)
    # The advice.
    capped = sp.csr_array(adjacency)
    capped.data = np.minimum(capped.data, 1e6)
    solve(laplacian(capped), 5)


def test_edges_that_are_next_to_nothing_are_warned_of():
    adjacency = weakly_joined([nx.complete_graph(10)] * 3, 1e-17)
    with pytest.warns(UserWarning, match="2 of 5 eigenvalues have no two digits.*Leave out edges"):
        solve(laplacian(adjacency), 5)
    adjacency.data[adjacency.data < 1e-10] = 0
    adjacency.eliminate_zeros()
    np.testing.assert_allclose(solve(laplacian(adjacency), 5).eigenvalues, 10)


@pytest.mark.parametrize("weight", [1e101, 1e150, 1e300])
@pytest.mark.parametrize("laplacian", ["combinatorial", "symmetric", "random_walk"])
def test_weights_beyond_the_squares_of_numbers(weight, laplacian):
    """By the iterative solver too, which met infinities: an answer, or a word about rounding."""
    adjacency = sp.lil_array(nx.to_scipy_sparse_array(nx.grid_2d_graph(12, 12), dtype=float))
    adjacency[0, 1] = adjacency[1, 0] = weight
    graph = Graph.from_adjacency(sp.csr_array(adjacency))
    fitted = {}
    for solver in ("iterative", "dense"):
        embedder = SpectralEmbedder(3, graph=graph, laplacian=laplacian, eigen_solver=solver)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            embedder.fit(np.arange(144)[:, None])
        doubted = [w for w in caught if "rounding decides" in str(w.message)]
        others = [
            w for w in caught if w not in doubted and "cuts an eigenspace" not in str(w.message)
        ]
        assert not others
        if not doubted:
            fitted[solver] = np.asarray(embedder.eigenvalues_[:3])
    if len(fitted) == 2:
        np.testing.assert_allclose(fitted["iterative"], fitted["dense"], rtol=1e-3)
