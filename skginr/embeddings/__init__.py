"""Transformers that give the nodes of a graph coordinates."""

from skginr.embeddings._several import MultiGraphEmbedder
from skginr.embeddings._spectral import SpectralEmbedder

__all__ = ["MultiGraphEmbedder", "SpectralEmbedder"]
