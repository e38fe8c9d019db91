"""The eigenproblem of an embedder as plain files, which many ranks read in shares."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skginr._core import whole_file, write_whole
from skginr.spectral import eigenproblem_of

if TYPE_CHECKING:
    from skginr.spectral import SpectralEmbedder

_VERSION = 1
# Every component has a null vector, which ranks hold in whole beside those that are wanted.
_MOST_COMPONENTS = 100
_ABOUT, _FOUND = "eigenproblem.json", ("eigenvectors.npy", "eigenvalues.npy")


def save_eigenproblem(embedder: SpectralEmbedder, folder: str | os.PathLike) -> Path:
    """Write what a fit of an embedder would solve, for SLEPc on many processes or machines.

    On a machine with MPI and slepc4py the program beside this function solves it and writes
    ``eigenvectors.npy`` into the folder, which :func:`add_basis` takes in::

        mpirun -n 8 python -m skginr.distributed.eigen FOLDER

    Parameters
    ----------
    embedder : SpectralEmbedder
        With ``graph``; fitted or not. How many eigenvectors are solved for follows from its
        ``n_components`` and ``max_components``, as in ``fit``: one more than the larger of them,
        and where ``max_components`` is not given at least 129, by default up to 1,001. How exact
        they are follows from ``eigen_tol``.
    folder : str or path
        Made where absent. It holds one problem: files of an earlier one are replaced, but its
        eigenvectors are not.

    Returns
    -------
    Path
        The folder. It holds the matrix that is solved, of every entry ``data`` and ``indices`` and
        of every row ``indptr``, with the eigenvalues of the operator divided by 2 to the power of
        ``exponent`` in ``eigenproblem.json``; its null vectors (``kernel``), one on each of
        ``components``; and ``root``, by which eigenvectors of the matrix are divided to be those
        of the operator. All are ``.npy`` files.

    Raises
    ------
    TypeError
        If ``embedder`` is not a SpectralEmbedder.
    ValueError
        If it has no graph or ``method="isomap"``, or the graph has more than 100 components.
    FileExistsError
        If the folder holds eigenvectors, or is a file.

    See Also
    --------
    add_basis : Takes in the eigenvectors that were solved for; it comes next.
    SpectralEmbedder : Its ``fit`` solves the same problem on one machine.
    shared_graphs : For a search on a cluster of dask, once the basis is there.

    Examples
    --------
    >>> import tempfile
    >>> import networkx as nx
    >>> from skginr import Graph, SpectralEmbedder, save_eigenproblem
    >>> embedder = SpectralEmbedder(2, graph=Graph.from_networkx(nx.path_graph(5)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(path.name for path in save_eigenproblem(embedder, folder).iterdir())
    ['components.npy', 'data.npy', 'eigenproblem.json', 'indices.npy', 'indptr.npy', 'kernel.npy',
     'root.npy']
    """
    problem = eigenproblem_of(embedder)
    ordinary, n_components = problem.ordinary, int(problem.ordinary.components.max()) + 1
    if n_components > _MOST_COMPONENTS:
        raise ValueError(
            f"embedder must have a graph of at most {_MOST_COMPONENTS} connected components: each "
            f"has a null vector, which is held in whole; got {n_components}. Keep the larger ones, "
            f"graph.subgraph(graph.labels[graph.components < {_MOST_COMPONENTS}]), or fit here, "
            f"where each is solved by itself."
        )
    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"folder must be a path; got {type(folder).__name__}.")
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"folder must not be a file; {path} is one. Name another.")
    path.mkdir(parents=True, exist_ok=True)
    for name in _FOUND:
        if os.path.lexists(path / name):
            raise FileExistsError(
                f"folder must not hold eigenvectors, which may be those of another problem; "
                f"{path / name} is there. Name another folder, or remove it."
            )
    # What says that all is there goes first and comes last.
    (path / _ABOUT).unlink(missing_ok=True)
    matrix = ordinary.matrix
    arrays = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
    arrays |= {name: getattr(ordinary, name) for name in ("kernel", "components", "root")}
    for name, array in arrays.items():
        with whole_file(path / f"{name}.npy") as file:
            np.save(file, array)
    about = {
        "version": _VERSION,
        "n_nodes": len(ordinary.root),
        "n_components": n_components,
        "n_vectors": problem.n_vectors,
        "eigen_tol": problem.eigen_tol,
        "exponent": ordinary.exponent,
        "shift": problem.shift,
        "accuracy": problem.accuracy._asdict(),
    }
    write_whole(json.dumps(about, indent=1).encode(), path / _ABOUT)
    return path
