"""Which connected component a node belongs to, as columns."""

import numpy as np
from numpy.typing import NDArray

# A graph of dust would otherwise get a column per grain.
_MAX_COLUMNS = 64


def component_membership(components: NDArray[np.intp]) -> tuple[NDArray[np.float64], list[str]]:
    """Return indicator columns of the connected components, and their names.

    Parameters
    ----------
    components : ndarray of int of shape (n_nodes,)
        Component of each node, the largest first.

    Returns
    -------
    membership : ndarray of shape (n_nodes, n_columns)
        1 where the node belongs, else 0. No column for a connected graph; with more
        than 64 components, the smallest share the last column.
    names : list of str
    """
    n_components = int(components.max()) + 1
    if n_components == 1:
        return np.empty((len(components), 0)), []
    n_columns = min(n_components, _MAX_COLUMNS)
    names = [f"component{i + 1}" for i in range(n_columns)]
    if n_components > n_columns:
        names[-1] = "other_components"
    columns = np.minimum(components, n_columns - 1)
    return np.eye(n_columns)[columns], names
