"""Eigenvectors by SLEPc on one rank and on two are those of a solve here."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from skginr import Graph, SpectralEmbedder, add_basis, save_eigenproblem
from skginr.distributed import eigen
from skginr.spectral.eigen import clear_cache, n_solves

K = 12


@functools.cache
def engine():
    """A Python that has slepc4py, the environment it needs, or why there is none."""
    if shutil.which("mpirun") is None:
        return None, {}, "mpirun is not installed"
    env = os.environ | {
        "OMP_NUM_THREADS": "1",
        # As root, and with more ranks than cores, OpenMPI starts only if it is told to.
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
    }
    for name, folder in (("PETSC_DIR", "petscdir/petsc*"), ("SLEPC_DIR", "slepcdir/slepc*")):
        found = sorted(Path("/usr/lib").glob(f"{folder}/*-real"))
        if found:
            env.setdefault(name, str(found[-1]))
    # Debian's Python has nothing of skginr, and must not find what this one has.
    env.pop("PYTHONPATH", None)
    code = f"import sys; sys.path.insert(0, {str(Path(eigen.__file__).parent)!r}); import eigen; "
    code += "eigen._engine(['folder'])"
    for python in (sys.executable, "/usr/bin/python3"):
        if Path(python).exists():
            run = subprocess.run([python, "-c", code], env=env, capture_output=True, check=False)
            if run.returncode == 0:
                return python, env, ""
    return None, {}, "no Python here has slepc4py of real numbers (apt: python3-slepc4py-real)"


def run(folder, *options, n_ranks=2):
    python, env, reason = engine()
    if python is None:
        pytest.skip(reason)
    command = ["mpirun", "-n", str(n_ranks), python, eigen.__file__, str(folder), *options]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, check=False, timeout=300
    )


def sphere():
    """A bumpy one of two shells, as a mesh with masses."""
    from scipy.spatial import ConvexHull

    x = np.random.default_rng(0).normal(size=(800, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    shells = [x * [1.0, 1.3, 0.8], x[:300] * 0.5]
    faces = [ConvexHull(x).simplices, 800 + ConvexHull(x[:300]).simplices]
    return Graph.from_mesh(np.vstack(shells), np.vstack(faces))


CASES = {
    "points": (lambda: Graph.from_points(np.random.default_rng(0).random((900, 2))), {}),
    # Equal eigenvalues by fours, eights and twelves, of which Krylov spaces leave some out.
    "torus": (lambda: Graph.from_networkx(nx.grid_2d_graph(14, 14, periodic=True)), {}),
    "several components": (
        lambda: Graph.from_networkx(
            nx.disjoint_union_all([nx.path_graph(1), nx.grid_2d_graph(20, 31), nx.path_graph(41)])
        ),
        {},
    ),
    "masses": (sphere, {"laplacian": "cotangent"}),
    "symmetric": (lambda: Graph.from_networkx(nx.barbell_graph(8, 60)), {"laplacian": "symmetric"}),
    "diffusion": (
        lambda: Graph.from_points(np.random.default_rng(1).random((400, 3))),
        {"method": "diffusion_map"},
    ),
    "lle": (
        lambda: Graph.from_points(np.random.default_rng(2).random((400, 3)), weighted=False),
        {"method": "lle"},
    ),
    "all there are": (lambda: Graph.from_networkx(nx.path_graph(K + 1)), {}),
}


@pytest.mark.parametrize("n_ranks", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_they_are_those_of_a_solve_here(case, n_ranks, tmp_path):
    make, given = CASES[case]
    graph = make()
    embedder = SpectralEmbedder(K, graph=graph, max_components=K, **given)
    nodes = graph.labels.to_frame()
    done = run(save_eigenproblem(embedder, tmp_path / "problem"), n_ranks=n_ranks)
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "problem" / "eigenvectors.npy", mmap_mode="r")
    # The torus cuts an eigenspace at 12, which is none to compare.
    k = 8 if case == "torus" else K
    local = SpectralEmbedder(k, graph=graph, max_components=K, **given).fit(nodes)
    clear_cache()
    assert add_basis(embedder.set_params(memory=tmp_path), found) == found.shape[1]
    # As any other process: from the folder.
    clear_cache()
    before = n_solves()
    embedder.set_params(n_components=k).fit(nodes)
    assert n_solves() == before
    np.testing.assert_allclose(embedder.eigenvalues_, local.eigenvalues_, rtol=1e-8)
    np.testing.assert_allclose(embedder.embedding_, local.embedding_, atol=1e-6)
    values = np.load(tmp_path / "problem" / "eigenvalues.npy")
    if "method" not in given:
        np.testing.assert_allclose(values[:k], local.eigenvalues_, rtol=1e-8)


def small_problem(folder):
    graph = Graph.from_networkx(nx.grid_2d_graph(9, 10))
    return save_eigenproblem(SpectralEmbedder(3, max_components=3, graph=graph), folder)


def test_multigrid_in_place_of_a_factor(tmp_path):
    folder = small_problem(tmp_path)
    options = ["-st_ksp_type", "cg", "-st_ksp_rtol", "1e-12", "-st_pc_type", "gamg"]
    done = run(folder, *options, "-st_ksp_rtl", "1")
    assert done.returncode == 0, done.stderr
    # A word that is misspelt changes nothing, and is named.
    assert "-st_ksp_rtl" in done.stdout
    expected = np.add.outer(*(2 - 2 * np.cos(np.pi * np.arange(n) / n) for n in (9, 10)))
    values = np.sort(expected.ravel())[1:5]
    np.testing.assert_allclose(np.load(folder / "eigenvalues.npy"), values, rtol=1e-10)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({}, ["-eps_max_it", "1", "-eps_ncv", "5"], "of 4 eigenvectors converged in 1 steps"),
        ({}, ["-st_ksp_type", "cg", "-st_ksp_rtol", ".1", "-st_pc_type", "none"], "eigen_tol"),
        ({"n_nodes": 1}, [], "its files do not fit each other: write it again"),
        ({"n_vectors": 90}, [], "write it again"),
        ({"version": 2}, [], "of version 2, and this file reads version 1"),
        ({"shift": "none"}, [], "failed"),
    ],
)
def test_where_it_fails_there_is_no_file(change, options, words, tmp_path):
    about = json.loads((small_problem(tmp_path) / "eigenproblem.json").read_text())
    (tmp_path / "eigenproblem.json").write_text(json.dumps(about | change))
    before = sorted(tmp_path.iterdir())
    done = run(tmp_path, *options)
    assert done.returncode != 0
    assert words in done.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_files_that_are_not_whole(tmp_path):
    folder = small_problem(tmp_path / "problem")
    np.save(folder / "data.npy", np.load(folder / "data.npy")[:-1])
    done = run(folder)
    assert done.returncode != 0
    assert "write it again" in done.stderr


def test_without_slepc4py_or_a_problem(tmp_path):
    module = [sys.executable, "-m", "skginr.distributed.eigen"]
    done = subprocess.run([*module, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "must be a folder that skginr.save_eigenproblem has written" in done.stderr
    try:
        import slepc4py  # noqa: F401
    except ImportError:
        env = {name: value for name, value in os.environ.items() if name != "SLEPC_DIR"}
        command = [*module, small_problem(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        assert done.returncode == 1
        assert "apt-get install python3-slepc4py-real" in done.stderr
    help_shown = subprocess.run([*module, "--help"], capture_output=True, text=True, check=True)
    assert "mpirun -n 2" in help_shown.stdout


def test_ranks_import_nothing_else():
    code = "import skginr.distributed.eigen, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"scipy", "pandas", "sklearn", "torch"} & set(done.stdout.split())


def test_what_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match="at most 100 connected components.*; got 120"):
        save_eigenproblem(SpectralEmbedder(graph=Graph.from_adjacency(np.eye(120) * 0)), tmp_path)
    graph = Graph.from_networkx(nx.path_graph(9))
    with pytest.raises(ValueError, match="graph=None"):
        save_eigenproblem(SpectralEmbedder(), tmp_path)
    assert not list(tmp_path.iterdir())
    save_eigenproblem(SpectralEmbedder(graph=graph), tmp_path)
    # Of another problem, in the same place.
    save_eigenproblem(SpectralEmbedder(2, max_components=2, graph=graph), tmp_path)
    assert json.loads((tmp_path / "eigenproblem.json").read_text())["n_vectors"] == 3
    (tmp_path / "eigenvectors.npy").touch()
    with pytest.raises(FileExistsError, match="folder must not hold eigenvectors"):
        save_eigenproblem(SpectralEmbedder(graph=graph), tmp_path)
