"""The eigenvectors of a graph by SLEPc, on as many processes and machines as MPI starts.

    mpirun -n 2 python -m skginr.distributed.eigen FOLDER [options of PETSc and SLEPc]

FOLDER is what ``skginr.save_eigenproblem`` has written. Every rank reads its share of the rows;
``eigenvectors.npy``, shape (n_nodes, n_vectors), and ``eigenvalues.npy`` appear in FOLDER when all
has been found to the tolerance, and nothing otherwise. ``skginr.add_basis`` takes them from there.

By default the problem is solved by Krylov-Schur on the inverse, factored by MUMPS. Options change
that: ``-st_ksp_type cg -st_ksp_rtol 1e-10 -st_pc_type gamg`` for multigrid in place of the
factor, ``-eps_ncv``, ``-mat_mumps_icntl_14`` and all others of PETSc.

This file needs NumPy, petsc4py and slepc4py, and nothing of skginr: another Python that has them
runs it by its path. Where they are not on the path of Python, they are looked for in the folders
that the environment variables PETSC_DIR and SLEPC_DIR name.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

_MISSING = """\
it needs slepc4py, which this Python, {python}, cannot import: {error}. On Debian and Ubuntu:
    apt-get install python3-slepc4py-real python3-petsc4py-real mpi-default-bin
    export PETSC_DIR=$(echo /usr/lib/petscdir/petsc*/*-real)
    export SLEPC_DIR=$(echo /usr/lib/slepcdir/slepc*/*-real)
and run this file by its path with /usr/bin/python3; or conda install -c conda-forge slepc4py."""
# Estimates of an iteration are of its inverse: this share of what is wanted of the matrix itself,
# and where residuals turn out to be larger, so much less again, so many times in all.
_SHARE, _STRICTER, _ATTEMPTS = 1e-1, 1e-2, 3
# An eigenvalue that turns up below the last by less than this share of it is equal to it. To see
# that, few digits of its vector do.
_EQUAL, _GLANCE = 1e-6, 1e-4
# That a rank which has nothing to say waits for the one that has.
_SECONDS = 2.0
_VARIABLES = {"petsc4py": "PETSC_DIR", "slepc4py": "SLEPC_DIR"}
_WHERE = ("lib/python3/dist-packages", "lib", "")


class _RefusedError(Exception):
    """What cannot be done, and what to do about it."""


class _Problem(NamedTuple):
    """The share of a rank in what ``skginr.save_eigenproblem`` has written."""

    folder: Path
    about: dict[str, Any]
    first: int
    last: int

    def array(self, name: str) -> Any:
        """Return an array of the folder, which is read where it is used."""
        return np.load(self.folder / f"{name}.npy", mmap_mode="r")

    def rows(self, name: str) -> Any:
        """Return the share of an array of one entry a node."""
        return np.array(self.array(name)[self.first : self.last])


def main(arguments: list[str]) -> int:
    """Solve the eigenproblem of a folder; return what the shell is told."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    rank = _started()[0]
    try:
        about = _about(Path(arguments[0]))
        engine = _engine(arguments)
        rank = engine.PETSc.COMM_WORLD.getRank()
        _solve(engine, Path(arguments[0]), about)
    except _RefusedError as error:
        # All ranks have come to the same, and one says so.
        _end(f"skginr.distributed.eigen: {error}\n" if rank == 0 else "")
    except BaseException:
        _end(f"skginr.distributed.eigen: rank {rank} failed.\n{traceback.format_exc()}")
    return 0


def _end(message: str) -> NoReturn:
    """End this rank, and by MPI's rule all others, which may wait for it."""
    sys.stdout.flush()
    sys.stderr.write(message)
    sys.stderr.flush()
    if not message:
        # The launcher ends all when the first ends: not before it has spoken.
        time.sleep(_SECONDS)
    os._exit(1)


def _started() -> tuple[int, int]:
    """Return the rank that the launcher says this process has, and of how many."""
    for rank, size in (
        ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
        ("PMI_RANK", "PMI_SIZE"),
    ):
        if rank in os.environ and size in os.environ:
            return int(os.environ[rank]), int(os.environ[size])
    return 0, 1


def _about(folder: Path) -> dict[str, Any]:
    """Return what the folder says of its problem."""
    try:
        about = json.loads((folder / "eigenproblem.json").read_text())
    except (OSError, ValueError) as error:
        raise _RefusedError(
            f"{str(folder)!r} must be a folder that skginr.save_eigenproblem has written; {error}."
        ) from error
    if about.get("version") != 1:
        raise _RefusedError(
            f"{str(folder)!r} is of version {about.get('version')!r}, and this file reads version "
            f"1: write it again by the skginr that this file is of."
        )
    _check(folder, about)
    return about


def _check(folder: Path, about: dict[str, Any]) -> None:
    """Raise unless the files of a folder are whole, and of one problem."""
    try:
        lengths = {
            name: len(np.load(folder / f"{name}.npy", mmap_mode="r"))
            for name in ("data", "indices", "indptr", "kernel", "components", "root")
        }
        n_nodes, n_wanted = int(about["n_nodes"]), about["n_vectors"]
        n_entries = int(np.load(folder / "indptr.npy", mmap_mode="r")[-1])
        expected = {"data": n_entries, "indices": n_entries, "indptr": n_nodes + 1}
        expected |= dict.fromkeys(("kernel", "components", "root"), n_nodes)
        most = n_nodes - int(about["n_components"])
        is_whole = lengths == expected and isinstance(n_wanted, int) and 1 <= n_wanted <= most
        reason = "its files do not fit each other"
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        is_whole, reason = False, str(error)
    if not is_whole:
        raise _RefusedError(
            f"{str(folder)!r} is not what skginr.save_eigenproblem has written, {reason}: write it "
            f"again."
        )


class _Engine(NamedTuple):
    PETSc: Any
    SLEPc: Any


def _engine(arguments: list[str]) -> _Engine:
    """Return PETSc and SLEPc, started with the options of the command line."""
    for module, variable in _VARIABLES.items():
        found = [Path(os.environ[variable]) / part for part in _WHERE if variable in os.environ]
        sys.path += [str(path) for path in found if (path / module).is_dir()]
    try:
        import slepc4py

        # At the end PETSc names those that nothing has asked for: they may be misspelt.
        slepc4py.init(["eigen", *arguments[1:], *["-options_left"][: len(arguments) - 1]])
        from petsc4py import PETSc
        from slepc4py import SLEPc
    # NumPy of another version than theirs is a ValueError.
    except (ImportError, ValueError, AttributeError) as error:
        raise _RefusedError(_MISSING.format(python=sys.executable, error=error)) from error
    if np.dtype(PETSc.ScalarType).kind != "f":
        raise _RefusedError(
            "it needs PETSc of real numbers; this one has complex ones. Name another by PETSC_DIR "
            "and SLEPC_DIR (python3-slepc4py-real of Debian)."
        )
    size = PETSc.COMM_WORLD.getSize()
    if size == 1 < _started()[1]:
        raise _RefusedError(
            f"mpirun has started {_started()[1]} processes, and each believes to be alone: it is "
            f"of another MPI than slepc4py. Use the mpirun that was installed with slepc4py."
        )
    return _Engine(PETSc, SLEPc)


def _solve(engine: _Engine, folder: Path, about: dict[str, Any]) -> None:
    """Find the eigenpairs, and write them."""
    comm, start = engine.PETSc.COMM_WORLD, time.perf_counter()
    n_nodes, n_ranks = about["n_nodes"], comm.getSize()
    if n_nodes < n_ranks:
        raise _RefusedError(f"{n_nodes} nodes are too few for {n_ranks} ranks: start fewer.")
    edges = [n_nodes * rank // n_ranks for rank in range(n_ranks + 1)]
    rank = comm.getRank()
    problem = _Problem(folder, about, edges[rank], edges[rank + 1])

    def say(text: str) -> None:
        if rank == 0:
            print(f"{time.perf_counter() - start:8.1f} s  {text}", flush=True)

    matrix = _matrix(engine, problem)
    plural = "" if n_ranks == 1 else "s"
    say(f"{n_nodes:,} nodes read on {n_ranks} rank{plural}")
    values, vectors = _eigenpairs(engine, problem, matrix, say)
    _write(engine, problem, values, vectors)
    largest = _largest(engine, _peak_memory())
    say(f"written to {folder}; at most {largest:,.0f} MB a rank")


def _peak_memory() -> float:
    """Return the largest memory that this process has had, in MB."""
    import resource

    # In bytes on macOS alone.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _matrix(engine: _Engine, problem: _Problem) -> Any:
    """Return the matrix, of which every rank has read its rows."""
    PETSc = engine.PETSc
    starts = np.array(problem.array("indptr")[problem.first : problem.last + 1], dtype=np.int64)
    entries = slice(int(starts[0]), int(starts[-1]))
    n_nodes = problem.about["n_nodes"]
    most = np.iinfo(PETSc.IntType).max
    if _largest(engine, max(entries.stop - entries.start, n_nodes)) > most:
        raise _RefusedError(
            "a rank has more entries than 32 bits count: start more ranks, or name a PETSc with "
            "indices of 64 bits (python3-slepc4py-64-real of Debian) by PETSC_DIR and SLEPC_DIR."
        )
    matrix = PETSc.Mat().createAIJ(
        size=[(problem.last - problem.first, n_nodes)] * 2,
        csr=(
            (starts - starts[0]).astype(PETSc.IntType),
            problem.array("indices")[entries].astype(PETSc.IntType),
            problem.array("data")[entries].astype(PETSc.ScalarType),
        ),
        comm=PETSc.COMM_WORLD,
    )
    matrix.setOption(PETSc.Mat.Option.SYMMETRIC, True)
    return matrix


def _kernel(problem: _Problem, matrix: Any) -> list[Any]:
    """Return the null vectors, one of each connected component."""
    own, components = problem.rows("kernel"), problem.rows("components")
    vectors = []
    for component in range(problem.about["n_components"]):
        vector = matrix.createVecLeft()
        vector.setArray(np.where(components == component, own, 0.0))
        vectors.append(vector)
    return vectors


def _eigenpairs(
    engine: _Engine, problem: _Problem, matrix: Any, say: Any
) -> tuple[list[float], list[Any]]:
    """Return the first eigenpairs outside the kernel, none left out, accurate enough."""
    SLEPc, about = engine.SLEPc, problem.about
    eps = SLEPc.EPS().create(comm=engine.PETSc.COMM_WORLD)
    eps.setOperators(matrix)
    eps.setProblemType(SLEPc.EPS.ProblemType.HEP)
    eps.setWhichEigenpairs(SLEPc.EPS.Which.TARGET_MAGNITUDE)
    # Below the kernel, so that the matrix has an inverse.
    eps.setTarget(-about["shift"])
    transform = eps.getST()
    transform.setType(SLEPc.ST.Type.SINVERT)
    solver = transform.getKSP()
    solver.setType("preonly")
    solver.getPC().setType("cholesky")
    solver.getPC().setFactorSolverType("mumps")
    kernel, tol = _kernel(problem, matrix), _SHARE * about["eigen_tol"]
    for _ in range(_ATTEMPTS):
        eps.setMonitor(lambda _, step, n_converged, *__: say(f"step {step}: {n_converged} found"))
        pairs = _converged(eps, about["n_vectors"], kernel, tol)
        eps.cancelMonitor()
        pairs = _complete(pairs, eps, kernel, tol, say)
        residuals = np.array([_residual(matrix, *pair) for pair in pairs])
        worst = (residuals / [_allowed(about["accuracy"], value) for value, _ in pairs]).max()
        say(f"largest residual {residuals.max():.2e}, {worst:.2g} of what is allowed")
        if worst <= 1:
            scale = 2.0 ** about["exponent"]
            return [scale * value for value, _ in pairs], [vector for _, vector in pairs]
        tol *= _STRICTER
    raise _RefusedError(
        "the residuals are larger than eigen_tol allows. If -eps_tol or a solver without a factor "
        "was named, lower -eps_tol or -st_ksp_rtol; else write the problem again, in case its "
        "files were changed, or with a larger eigen_tol."
    )


def _converged(eps: Any, n_wanted: int, beside: list[Any], tol: float) -> list[tuple[float, Any]]:
    """Return the wanted pairs, ascending, that are orthogonal to what is known ``beside``."""
    eps.setTolerances(tol=tol)
    eps.setDimensions(nev=n_wanted)
    # After these, which put what options say back to what is usual.
    eps.setFromOptions()
    eps.setDeflationSpace(beside)
    eps.solve()
    n_converged = eps.getConverged()
    if n_converged < n_wanted:
        raise _RefusedError(
            f"{n_converged} of {n_wanted} eigenvectors converged in {eps.getIterationNumber()} "
            f"steps. Allow more steps by -eps_max_it, or ask for fewer vectors."
        )
    pairs = []
    for i in range(n_wanted):
        vector = beside[0].duplicate()
        pairs.append((float(np.real(eps.getEigenpair(i, vector))), vector))
    return sorted(pairs, key=lambda pair: pair[0])


def _complete(
    pairs: list[tuple[float, Any]], eps: Any, kernel: list[Any], tol: float, say: Any
) -> list[tuple[float, Any]]:
    """Return the first pairs when those of equal eigenvalues are in that an iteration left out.

    A Krylov space has one vector of an eigenspace, and others by rounding alone. So it is looked
    at what is smallest beside all that was found.
    """
    if len(kernel) + len(pairs) == kernel[0].getSize():
        return pairs
    while True:
        beside = [*kernel, *(vector for _, vector in pairs)]
        further = _converged(eps, 1, beside, _GLANCE)[0]
        if further[0] >= pairs[-1][0] * (1 - _EQUAL):
            say("looked again: none was left out")
            return pairs
        further = _converged(eps, 1, beside, tol)[0]
        say(f"looked again: one more, {further[0] / pairs[0][0]:.6g} times the first")
        pairs = sorted([*pairs, further], key=lambda pair: pair[0])[:-1]


def _residual(matrix: Any, value: float, vector: Any) -> float:
    """Return the norm of ``matrix @ vector - value * vector``."""
    image = vector.duplicate()
    matrix.mult(vector, image)
    image.axpy(-value, vector)
    return float(image.norm())


def _allowed(accuracy: dict[str, float], value: float) -> float:
    share = max(accuracy["digits"] * abs(value), accuracy["least"])
    return min(accuracy["residual"], share)


def _largest(engine: _Engine, value: float) -> float:
    """Return the largest of a number that every rank has."""
    PETSc = engine.PETSc
    each = PETSc.Vec().createMPI((1, PETSc.DECIDE), comm=PETSc.COMM_WORLD)
    each.setArray([value])
    return float(each.max()[1])


def _write(engine: _Engine, problem: _Problem, values: list[float], vectors: list[Any]) -> None:
    """Write every rank's rows into one file, which has its name when all are in."""
    comm, folder = engine.PETSc.COMM_WORLD, problem.folder
    n_nodes, n_vectors = problem.about["n_nodes"], len(vectors)
    part = folder / ".eigenvectors.npy.part"
    if comm.getRank() == 0:
        with part.open("wb") as file:
            header = {"descr": "<f8", "fortran_order": True, "shape": (n_nodes, n_vectors)}
            np.lib.format.write_array_header_1_0(file, header)
            file.truncate(file.tell() + 8 * n_nodes * n_vectors)
    comm.barrier()
    with part.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        start = file.tell()
    root = problem.rows("root")
    # Not a map: on a network's disk two machines would write the same page.
    with part.open("r+b") as file:
        for column, vector in enumerate(vectors):
            file.seek(start + 8 * (column * n_nodes + problem.first))
            # Back to the unknowns of the operator.
            file.write((vector.getArray(readonly=True) / root).astype("<f8").tobytes())
        file.flush()
        os.fsync(file.fileno())
    comm.barrier()
    if comm.getRank() == 0:
        beside = folder / ".eigenvalues.npy.part"
        with beside.open("wb") as file:
            np.save(file, np.array(values))
        beside.replace(folder / "eigenvalues.npy")
        part.replace(folder / "eigenvectors.npy")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
