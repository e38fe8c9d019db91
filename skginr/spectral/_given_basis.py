"""Eigenvectors from elsewhere: what an embedder asks for, and the way in for what was found."""

import os
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from skginr._core import check_numeric, warn
from skginr.graphs import Graph, laplacian_of
from skginr.spectral._embedder import SpectralEmbedder
from skginr.spectral._embedding import Kernel
from skginr.spectral._methods import DiffusionMap, LaplacianEigenmap, LocallyLinearEmbedding
from skginr.spectral._parameters import check_parameters, method_of
from skginr.spectral._size import Size
from skginr.spectral.eigen import (
    Basis,
    Eigenproblem,
    GivenError,
    basis_of_given,
    eigenproblem,
    misfit,
    remember_basis,
    shared_basis,
)

_Solved = LaplacianEigenmap | DiffusionMap | LocallyLinearEmbedding
# How exact eigenvectors of another Laplacian are, and how much more so than of the one named.
_FITS, _BETTER = 1e-3, 1e-2


def add_basis(embedder: SpectralEmbedder, eigenvectors: ArrayLike | pd.DataFrame) -> int:
    """Take in eigenvectors that were computed elsewhere, so that no fit computes them.

    They may be of SLEPc (see :func:`save_eigenproblem`), PRIMME, MATLAB or a colleague: in any
    order, sign and scale, turned within equal eigenvalues or mixing connected components, with the
    kernel or without, in single or double precision. Eigenvalues are computed from them. They are
    brought into the form that a solve gives. If they are not exact, up to three steps of inverse
    iteration make them so; then they are checked, as what is read from ``memory=`` is. From then on
    every fit with this graph and operator uses them: in this process, and with ``memory=`` in all
    others.

    Parameters
    ----------
    embedder : SpectralEmbedder
        With ``graph``; fitted or not. Its ``method`` and ``laplacian`` say what they are
        eigenvectors of, ``eigen_tol`` how exact, and ``memory`` where to keep them:

        - ``laplacian="combinatorial"``: L u = lambda u with L = D - A;
        - "symmetric": D^-1/2 L D^-1/2 u = lambda u;
        - "random_walk": (I - D^-1 A) u = lambda u, which is L u = lambda D u;
        - "cotangent": K u = lambda M u, of the stiffness and the mass of the mesh;
        - ``method="diffusion_map"``: those of "random_walk", of the weights divided by degrees
          to the power of ``alpha``; not times eigenvalues.

        "lle" goes by :func:`save_eigenproblem`, which writes its operator.
    eigenvectors : array-like or DataFrame of shape (n_nodes, n_vectors)
        The first eigenvectors as columns, one row a node in the order of ``graph.labels``; the
        rows of a DataFrame are put in order by its index. A memory map is read once. A fit with k
        coordinates needs k + 1 beside the kernel, to see whether the last cuts an eigenspace.

    Returns
    -------
    int
        How many are kept: those outside the kernel.

    Raises
    ------
    TypeError
        If ``embedder`` is not a SpectralEmbedder, or numbers are not real.
    ValueError
        If it has no graph or ``method="isomap"``, whose coordinates are no eigenvectors of a sparse
        operator; or if ``eigenvectors`` have another number of rows, labels that are not the
        graph's, NaN or dependent columns, are those of another graph or Laplacian, are not exact
        to ``eigen_tol``, or some are left out.

    Warns
    -----
    UserWarning
        If they are fewer than a fit of ``embedder`` asks for.

    See Also
    --------
    save_eigenproblem : Writes the operator for SLEPc, or for any other solver; it comes before.
    SpectralEmbedder : Its ``fit`` uses what was taken in, and else computes eigenvectors itself.

    Examples
    --------
    >>> import numpy as np
    >>> from skginr import Graph, SpectralEmbedder, add_basis
    >>> A = np.diag(np.ones(9), 1) + np.diag(np.ones(9), -1)
    >>> _, vectors = np.linalg.eigh(np.diag(A.sum(axis=1)) - A)
    >>> embedder = SpectralEmbedder(3, max_components=3, graph=Graph.from_adjacency(A))
    >>> add_basis(embedder, vectors[:, :5])
    4
    >>> embedder.fit_transform([[0], [9]]).shape
    (2, 3)
    """
    graph, method, size = _asked(embedder)
    vectors = _columns(graph, eigenvectors)
    try:
        basis = basis_of_given(method.operator(graph), vectors, method.tol)
    except GivenError as error:
        del vectors
        hint = _whose(embedder, method, graph, eigenvectors) if error.are_others else ""
        raise ValueError(f"eigenvectors {error}{hint}") from None
    _keep(embedder, method.key(graph), basis)
    _warn_few(basis, size)
    return basis.n_vectors


def eigenproblem_of(embedder: SpectralEmbedder) -> Eigenproblem:
    """Return what a fit of an embedder of a graph would solve."""
    graph, method, size = _asked(embedder)
    return eigenproblem(method.operator(graph), _wanted(size), method.tol)


def _asked(embedder: SpectralEmbedder) -> tuple[Graph, _Solved, Size]:
    """Return the graph of an embedder, its method, and how many coordinates it asks for."""
    if not isinstance(embedder, SpectralEmbedder):
        raise TypeError(f"embedder must be a SpectralEmbedder; got {type(embedder).__name__}.")
    check_parameters(embedder)
    graph = embedder.graph
    if graph is None:
        raise ValueError(
            "embedder must hold the graph that eigenvectors are of; it has graph=None. Build it, "
            "for instance by Graph.from_points(X), and name it: SpectralEmbedder(graph=...)."
        )
    method = method_of(embedder, Kernel())
    if not isinstance(method, _Solved):
        raise ValueError(
            f"embedder must have a method that solves for eigenvectors of a sparse operator; got "
            f"method={embedder.method!r}, which scales distances. Choose 'laplacian' or "
            f"'diffusion_map'."
        )
    size = Size(graph, embedder.n_components, embedder.max_components, embedder._fades)
    size.check()
    return graph, method, size


def _wanted(size: Size) -> int:
    """Return how many eigenvectors a fit asks for."""
    available = size.graph.n_nodes - size.graph.n_components
    return min(size.n_solved + 1, available)


def _columns(graph: Graph, eigenvectors: Any) -> NDArray[np.float64]:
    """Return a copy of eigenvectors by column, the rows in the order of the graph's nodes."""
    if isinstance(eigenvectors, str | os.PathLike):
        raise TypeError(
            "eigenvectors must be an array; got the name of a file. Give np.load(..., "
            "mmap_mode='r') of it."
        )
    if isinstance(eigenvectors, tuple):
        raise TypeError(
            f"eigenvectors must be an array; got a tuple of {len(eigenvectors)}. Solvers return "
            f"eigenvalues too: give the vectors alone, which are mostly eigenvectors[1]."
        )
    if sp.issparse(eigenvectors):
        raise TypeError("eigenvectors must be a dense array. Give eigenvectors.toarray().")
    vectors = np.asfortranarray(check_numeric("eigenvectors", eigenvectors))
    n_nodes = graph.n_nodes
    if vectors.ndim != 2 or len(vectors) != n_nodes or vectors.shape[1] == 0:
        turned = vectors.ndim == 2 and vectors.shape[1] == n_nodes
        raise ValueError(
            f"eigenvectors must have shape (n_nodes, n_vectors), one row for each of the "
            f"{n_nodes} nodes of the graph; got shape {vectors.shape}."
            + (" Give eigenvectors.T." if turned else "")
        )
    if vectors.shape[1] > n_nodes:
        raise ValueError(
            f"eigenvectors must be no more columns than the graph has nodes, {n_nodes}; got "
            f"{vectors.shape[1]}."
        )
    bad = ~np.isfinite(vectors).all(axis=0)
    if bad.any():
        raise ValueError(
            f"eigenvectors must be finite; {bad.sum()} columns hold NaN or infinity, the first is "
            f"column {int(bad.argmax())}. Leave out what your solver has not found."
        )
    if not isinstance(eigenvectors, pd.DataFrame):
        return vectors
    advice = "Give eigenvectors.to_numpy() if rows are in the order of graph.labels."
    try:
        nodes = graph.locate(eigenvectors.index, name="eigenvectors' index")
    except ValueError as error:
        raise ValueError(f"{error} {advice}") from None
    if len(np.unique(nodes)) < n_nodes:
        raise ValueError(
            f"eigenvectors must have one row for each node; labels in their index repeat. {advice}"
        )
    ordered = np.empty_like(vectors)
    ordered[nodes] = vectors
    return ordered


def _keep(embedder: SpectralEmbedder, key: str, basis: Basis) -> None:
    """Keep a basis in the process and on disk, as if it had been solved."""

    def unasked(*_: Any, **__: Any) -> Basis:
        return basis

    remember_basis(key, basis)
    shared_basis(
        key,
        unasked,
        n_vectors=basis.n_vectors,
        tol=basis.tol,
        memory=embedder.memory,
        # It has been looked at.
        doubt=lambda *_, **__: None,
    )


def _whose(embedder: SpectralEmbedder, method: _Solved, graph: Graph, eigenvectors: Any) -> str:
    """Say of which other operator of the graph vectors are eigenvectors, if of any."""
    own = _misfit(method.operator(graph), graph, eigenvectors)
    for kind in ("combinatorial", "symmetric", "random_walk", "cotangent"):
        named = embedder.method == "laplacian" and embedder.laplacian == kind
        if named or (kind == "cotangent" and (graph.faces is None or graph.positions is None)):
            continue
        fit = _misfit(laplacian_of(graph, kind), graph, eigenvectors)
        if fit <= min(_FITS, _BETTER * own):
            return f" They are those of laplacian={kind!r}: name it, or compute those you named."
    return ""


def _misfit(operator: Any, graph: Graph, eigenvectors: Any) -> float:
    try:
        return misfit(operator, _columns(graph, eigenvectors))
    except GivenError:
        return np.inf


def _warn_few(basis: Basis, size: Size) -> None:
    wanted, found = _wanted(size), basis.n_vectors
    if found < wanted:
        advice = f", or set max_components={found - 1}" if found > 1 else ""
        if size.n_components is not None and found > 1:
            advice = f", or set n_components and max_components to at most {found - 1}"
        warn(
            f"eigenvectors are {found} outside the kernel, and a fit of this embedder asks for "
            f"{wanted} (its max_components, which by default is at least 128, and one more to "
            f"see whether the last cuts an eigenspace): it computes what is missing. Give "
            f"{wanted - found} more{advice}."
        )
