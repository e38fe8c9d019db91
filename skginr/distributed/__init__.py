"""One graph and its eigenvectors, shared by the workers of a search."""

from skginr.distributed._sharing import shared_graphs

__all__ = [
    "shared_graphs",
]
