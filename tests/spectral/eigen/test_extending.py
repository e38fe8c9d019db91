"""A basis of fewer vectors as the start of a larger one, and of one that was ended."""

from functools import partial

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import trimesh

from skginr.graphs import Graph, laplacian, laplacian_of
from skginr.spectral import eigen
from skginr.spectral.eigen import _connected, _davidson, _lanczos, shared_basis, solve


def adjacency_of(graph):
    return sp.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))


def icosphere(subdivisions):
    solid = trimesh.creation.icosphere(subdivisions=subdivisions)
    return Graph.from_mesh(np.asarray(solid.vertices), np.asarray(solid.faces))


def grids(*shapes):
    return adjacency_of(nx.disjoint_union_all([nx.grid_2d_graph(*shape) for shape in shapes]))


OPERATORS = {
    "ring": lambda: laplacian(adjacency_of(nx.cycle_graph(700))),
    "square": lambda: laplacian(grids((28, 28))),
    "equal components": lambda: laplacian(grids((26, 26), (26, 26), (26, 26), (3, 3), (1, 1))),
    "symmetric": lambda: laplacian(grids((28, 28)), "symmetric"),
    "random walk": lambda: laplacian(grids((28, 28), (25, 27)), "random_walk"),
    "icosphere": lambda: laplacian(icosphere(3).adjacency),
    "cotangent": lambda: laplacian_of(icosphere(3), "cotangent"),
    "dense": lambda: laplacian(grids((15, 15))),
    "hypercube": lambda: laplacian(adjacency_of(nx.hypercube_graph(10))),
}


@pytest.fixture
def steps(monkeypatch):
    """Count the applications of operators: a list that grows by each."""
    applied = []
    multiply, grow = _lanczos.KrylovSpace.multiply, _davidson.RitzSpace.grow

    def counted(space):
        applied.append(None)
        multiply(space)

    def counted_of_davidson(space, block):
        applied.append(None)
        grow(space, block)

    monkeypatch.setattr(_lanczos.KrylovSpace, "multiply", counted)
    monkeypatch.setattr(_davidson.RitzSpace, "grow", counted_of_davidson)
    return applied


@pytest.mark.parametrize("solver", ["shift_invert", "multigrid", "iterative"])
@pytest.mark.parametrize("name", OPERATORS)
def test_a_basis_that_is_extended_is_the_one_from_nothing(name, solver):
    operator = OPERATORS[name]()
    whole = solve(operator, 60, eigen_solver=solver)
    # To the last vector before a gap: the rest of an eigenspace could be any.
    n = int(np.flatnonzero(~whole.cuts_eigenspace[:-1]).max()) + 1
    # Cut at the end of an eigenspace, and within one.
    for n_known in (1, 2, 12, 13, 14, n - 1):
        known = solve(operator, n_known, eigen_solver=solver)
        found = solve(operator, 60, eigen_solver=solver, known=known)
        np.testing.assert_allclose(found.eigenvalues, whole.eigenvalues, rtol=1e-7)
        np.testing.assert_array_equal(found.cuts_eigenspace, whole.cuts_eigenspace)
        np.testing.assert_allclose(
            found.eigenvectors[:, :n], whole.eigenvectors[:, :n], atol=1e-5 * np.sqrt(1 / n)
        )
        gram = found.eigenvectors.T @ (operator.mass[:, None] * found.eigenvectors)
        np.testing.assert_allclose(gram, np.eye(60), atol=1e-9)
        assert eigen.doubt_of(operator, found, 1e-8) is None


def test_an_extension_takes_fewer_steps(steps):
    operator = laplacian(grids((40, 53)))
    whole = solve(operator, 100)
    from_nothing = len(steps)
    known = solve(operator, 60)
    steps.clear()
    found = solve(operator, 100, known=known)
    assert len(steps) <= from_nothing - 5
    np.testing.assert_allclose(found.eigenvalues, whole.eigenvalues, rtol=1e-10)


def test_what_is_no_basis_is_a_start_of_nothing():
    """Residuals are looked at in the end: it is solved as if nothing were known."""
    operator = laplacian(grids((28, 28)))
    whole = solve(operator, 30)
    wrong = np.linalg.qr(np.random.default_rng(0).standard_normal((784, 10)))[0]
    known = eigen.Basis(
        whole.eigenvalues[:10],
        wrong - wrong.mean(axis=0),
        whole.mass,
        whole.components,
        783,
        whole.cuts_eigenspace[:10],
    )
    found = solve(operator, 30, known=known)
    np.testing.assert_allclose(found.eigenvalues, whole.eigenvalues, rtol=1e-8)


def ask(operator, n_vectors, folder=None, *, tol=1e-8, **options):
    return shared_basis(
        "extended",
        lambda n, known, keep: solve(operator, n, eigen_tol=tol, known=known, keep=keep, **options),
        n_vectors=n_vectors,
        tol=tol,
        memory=folder,
        doubt=partial(eigen.doubt_of, operator, eigen_tol=tol),
    )


@pytest.mark.parametrize("where", ["process", "file"])
def test_what_is_known_is_extended(where, tmp_path, steps):
    operator = laplacian(grids((40, 53)))
    folder = tmp_path if where == "file" else None
    eigen.clear_cache()
    whole = solve(operator, 100)
    from_nothing, before = len(steps), eigen.n_solves()
    ask(operator, 60, folder)
    if where == "file":
        eigen.clear_cache()
    steps.clear()
    found = ask(operator, 100, folder)
    assert len(steps) <= from_nothing - 5
    assert eigen.n_solves() == before + 2
    np.testing.assert_allclose(found.eigenvectors[:, :99], whole.eigenvectors[:, :99], atol=1e-5)
    # What is rougher than wanted is no start.
    steps.clear()
    assert ask(operator, 100, folder, tol=1e-10).tol == 1e-10
    assert len(steps) >= from_nothing


def test_a_file_of_fewer_vectors_is_believed_as_little_as_any(tmp_path):
    operator = laplacian(grids((28, 28)))
    eigen.clear_cache()
    ask(operator, 20, tmp_path)
    (file,) = tmp_path.rglob("*.npz")
    parts = dict(np.load(file))
    parts["eigenvectors"][3, 4] += 1e-3
    np.savez(file, **parts)
    eigen.clear_cache()
    with pytest.warns(UserWarning, match="memory has a file that was not believed"):
        found = ask(operator, 30, tmp_path)
    assert eigen.doubt_of(operator, found, 1e-8) is None
    assert eigen.read_basis(file).n_vectors == 30


class EndedError(Exception):
    """What a kill is to a process."""


class Ending:
    """A progress that ends the solve once a folder has a file."""

    def __init__(self, folder):
        self.folder = folder

    def expect(self, total):
        pass

    def note(self, word):
        pass

    def reach(self, count):
        if list(self.folder.rglob("*.npz")):
            raise EndedError


@pytest.mark.parametrize("solver", ["shift_invert", "multigrid", "iterative"])
@pytest.mark.parametrize("name", ["square", "equal components", "symmetric", "cotangent"])
def test_a_solve_that_was_ended_goes_on_from_what_was_kept(
    name, solver, tmp_path, steps, monkeypatch
):
    operator = OPERATORS[name]()
    monkeypatch.setattr(_connected, "_KEEP_EVERY", 0.0)
    monkeypatch.setattr(_connected, "_KEEP_SHARE", 0.0)
    # A look at every step: the first pairs and the last of so few converge one after the other.
    every = property(lambda schedule: 10, lambda schedule, step: None)
    monkeypatch.setattr(_lanczos.CheckSchedule, "next_check", every, raising=False)
    eigen.clear_cache()
    whole = solve(operator, 60, eigen_solver=solver)
    from_nothing = len(steps)
    with pytest.raises(EndedError):
        ask(operator, 60, tmp_path, eigen_solver=solver, progress=Ending(tmp_path))
    (file,) = tmp_path.rglob("*.npz")
    kept = eigen.read_basis(file)
    # Of equal components, the last has a third of all; and no eigenspace is cut.
    assert 8 <= kept.n_vectors <= 60
    assert eigen.doubt_of(operator, kept, 1e-8) is None
    np.testing.assert_allclose(kept.eigenvalues, whole.eigenvalues[: kept.n_vectors], rtol=1e-8)
    steps.clear()
    found = ask(operator, 60, tmp_path, eigen_solver=solver)
    assert len(steps) < from_nothing
    np.testing.assert_allclose(found.eigenvalues, whole.eigenvalues, rtol=1e-8)
    n = int(np.flatnonzero(~whole.cuts_eigenspace[:-1]).max()) + 1
    np.testing.assert_allclose(found.eigenvectors[:, :n], whole.eigenvectors[:, :n], atol=1e-5)
    assert eigen.read_basis(file).n_vectors == 60
