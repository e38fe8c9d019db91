"""Parameters of SpectralEmbedder: what they may be, alone and together, and what they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skginr._core import check_count, check_flag, check_option, check_real, check_verbose
from skginr.graphs import check_graph, check_laplacian
from skginr.spectral._embedding import Kernel, Method
from skginr.spectral._methods import DiffusionMap, Isomap, LaplacianEigenmap, LocallyLinearEmbedding
from skginr.spectral.eigen import check_solver

if TYPE_CHECKING:
    from skginr.spectral._embedder import SpectralEmbedder

_METHODS = ("laplacian", "diffusion_map", "isomap", "lle")
_AFFINITIES = ("nearest_neighbors", "precomputed", "precomputed_distances")
_SCALINGS = ("commute_time", "unit")
# What reads no weights: an edge is there or not.
UNWEIGHTED = ("isomap", "lle")


def check_parameters(embedder: SpectralEmbedder) -> None:
    """Raise unless every parameter is one that may be, and has a meaning beside the others."""
    check_option("method", embedder.method, _METHODS)
    check_laplacian(embedder.laplacian)
    check_option("scaling", embedder.scaling, _SCALINGS)
    check_option("affinity", embedder.affinity, _AFFINITIES)
    check_option("output", embedder.output, ("array", "indexed"))
    check_real("alpha", embedder.alpha, minimum=0)
    check_real("diffusion_time", embedder.diffusion_time, minimum=0)
    check_count("n_landmarks", embedder.n_landmarks, minimum=2, word="auto")
    check_count("n_neighbors", embedder.n_neighbors, minimum=1)
    check_solver(embedder.eigen_solver, embedder.eigen_tol)
    check_verbose(embedder.verbose)
    check_flag("component_features", embedder.component_features)
    check_flag("structural_features", embedder.structural_features)
    if embedder.n_components is not None:
        check_count("n_components", embedder.n_components, minimum=1)
    if embedder.max_components is not None:
        least = 1 if embedder.n_components is None else embedder.n_components
        check_count("max_components", embedder.max_components, minimum=least)
    if embedder.graph is None:
        _check_without_graph(embedder)
        return
    check_graph(embedder.graph)
    if embedder.affinity != "nearest_neighbors":
        raise ValueError(
            f"affinity={embedder.affinity!r} means that X is a matrix, but graph is "
            f"given, which X should name nodes of. Drop one of the two."
        )


def _check_without_graph(embedder: SpectralEmbedder) -> None:
    method, affinity = embedder.method, embedder.affinity
    if embedder.output == "indexed":
        raise ValueError(
            "output='indexed' names nodes of a graph, and graph=None: a new row would be none "
            "of them. Give graph=Graph.from_points(...), and label the rows by its nodes."
        )
    if embedder.structural_features:
        raise ValueError(
            "structural_features=True needs a graph whose degrees mean something: give graph=, "
            "or leave it out."
        )
    if method == "isomap" and affinity == "precomputed":
        raise ValueError(
            "method='isomap' needs lengths, and affinities are not: give distances with "
            "affinity='precomputed_distances', or a Graph with edge_lengths."
        )
    if method == "lle" and affinity != "nearest_neighbors":
        raise ValueError(
            f"method='lle' reconstructs features of nodes, and affinity={affinity!r} "
            f"gives none: give coordinates, or a Graph with positions or attributes."
        )


def method_of(embedder: SpectralEmbedder, kernel: Kernel) -> Method:
    """Return the method, for rows of a kernel where these and not a graph were given."""
    solver = embedder.eigen_solver, embedder.eigen_tol
    if embedder.method == "laplacian":
        return LaplacianEigenmap(*solver, embedder.laplacian, kernel=kernel)
    if embedder.method == "diffusion_map":
        return DiffusionMap(*solver, embedder.alpha, embedder.diffusion_time, kernel=kernel)
    if embedder.method == "isomap":
        return Isomap(embedder.n_landmarks)
    return LocallyLinearEmbedding(*solver)
