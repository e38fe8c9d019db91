"""How many coordinates: what is wanted, what is solved at once, and what there is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skginr._core import check_fits
from skginr.graphs import Graph
from skginr.spectral._embedding import Method
from skginr.spectral.eigen import Basis

# Coordinates by default, where those beyond count no less than the first.
_DEFAULT_COMPONENTS = 64
# And where they count less and less: no more than so many, nor than take so many numbers (128 MiB).
_MOST_COMPONENTS, _MOST_NUMBERS = 1000, 1 << 24
# Solved at once where the user names no number, so that a search over smaller
# embeddings needs no other decomposition; of huge graphs as many as take so many numbers (1 GiB).
_SHARED_COMPONENTS, _SHARED_NUMBERS = 128, 1 << 27


@dataclass(frozen=True)
class Size:
    """How many coordinates of a graph are wanted.

    Attributes
    ----------
    graph : Graph
    n_components, max_components : int or None
        As of :class:`~skginr.SpectralEmbedder`.
    fades : bool
        Whether later coordinates are narrower.
    """

    graph: Graph
    n_components: int | None
    max_components: int | None
    fades: bool

    @property
    def default(self) -> int:
        """What None means, if there are so many."""
        if not self.fades:
            return _DEFAULT_COMPONENTS
        most = min(_MOST_COMPONENTS, _MOST_NUMBERS // self.graph.n_nodes)
        return max(_DEFAULT_COMPONENTS, most)

    @property
    def n_solved(self) -> int:
        """How many are solved at once."""
        shared = min(_SHARED_COMPONENTS, _SHARED_NUMBERS // self.graph.n_nodes)
        return self.max_components or max(self._wanted, shared)

    @property
    def _wanted(self) -> int:
        return self.n_components or self.default

    def check(self) -> None:
        """Raise an error if more are wanted than there are eigenvectors, or room for them.

        Raises
        ------
        ValueError
        MemoryError
        """
        most = self.graph.n_nodes - self.graph.n_components
        if self.n_components is not None and most == 0:
            raise ValueError(
                f"n_components={self.n_components} coordinates need edges; the graph has none, and "
                f"n_components=None gives its {self.graph.n_components} nodes a column each."
            )
        if self.n_components is not None and self.n_components > most:
            raise ValueError(
                f"n_components must be at most {most}, the number of eigenvectors outside "
                f"the kernel ({self.graph.n_nodes} nodes less one per connected component); "
                f"got {self.n_components}."
            )
        # The basis; coordinates in the scale of the method; those that rows get.
        n_columns = self.n_solved + 2 * min(self._wanted, self.n_solved)
        check_fits(
            8 * self.graph.n_nodes * n_columns,
            f"n_components={self._wanted} of {self.graph.n_nodes:,} nodes",
            "Lower n_components, and max_components where it is given.",
        )

    def within(self, basis: Basis, method: Method) -> int:
        """Return how many of a basis that was found: by default, none that cuts an eigenspace.

        Raises
        ------
        ValueError
            If there are fewer than are wanted.
        """
        available = min(basis.n_available, basis.n_vectors)
        if self.n_components is None:
            most = min(self.default, self.max_components or available, available)
            whole = np.flatnonzero(~basis.cuts_eigenspace[:most]) + 1
            return int(whole[-1]) if len(whole) else most
        if self.n_components > available:
            raise ValueError(
                f"n_components must be at most {available}, the number of coordinates that "
                f"method={method.parameters['method']!r} finds in this graph; got "
                f"{self.n_components}.{method.advice(self.graph)}"
            )
        return self.n_components

    def placed(self, share: NDArray[np.float64]) -> int:
        """Return how many of those of which new rows get a ``share``, shape (n_components,).

        By default as many as they get in whole, but one if there is any.
        """
        if self.n_components is not None:
            return len(share)
        whole = int(np.argmin(np.append(share >= 1, False)))
        return max(whole, min(len(share), 1))
