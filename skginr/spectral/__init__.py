"""Transformers that give the nodes of a graph coordinates, and what is done with these."""

from skginr.spectral._alignment import Alignment, align
from skginr.spectral._embedder import SpectralEmbedder
from skginr.spectral._given_basis import add_basis, eigenproblem_of
from skginr.spectral._inspection import inspect_spectrum
from skginr.spectral._refinement import refine_model
from skginr.spectral._several import MultiGraphEmbedder, check_graphs, rows_by_graph
from skginr.spectral._waves import waves_of
from skginr.spectral.eigen import bases_of, remember_basis

__all__ = [
    "Alignment",
    "MultiGraphEmbedder",
    "SpectralEmbedder",
    "add_basis",
    "align",
    "bases_of",
    "check_graphs",
    "eigenproblem_of",
    "inspect_spectrum",
    "refine_model",
    "remember_basis",
    "rows_by_graph",
    "waves_of",
]
