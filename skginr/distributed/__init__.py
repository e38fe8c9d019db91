"""One graph and its eigenvectors, shared by the workers of a search or solved by many ranks."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skginr.distributed._eigenproblem import save_eigenproblem
    from skginr.distributed._sharing import shared_graphs

__all__ = [
    "save_eigenproblem",
    "shared_graphs",
]

# Imported when first asked for: ``python -m skginr.distributed.eigen`` passes by here on every
# rank, and needs none of what these stand on.
_HOME = {"save_eigenproblem": "_eigenproblem", "shared_graphs": "_sharing"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
