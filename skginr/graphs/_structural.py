"""Where in a graph a node is by its surroundings alone, as columns."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from skginr._core import positive
from skginr.graphs._laplacians import degrees_of

STRUCTURAL_NAMES = ["sqrt_degree", *(f"sqrt_degree_{hops}" for hops in (1, 2, 3))]


def structural_columns(
    adjacency: sp.csr_array, like: sp.csr_array | None = None
) -> NDArray[np.float64]:
    """Return sqrt(degree), and its mean over neighbours taken once, twice and three times.

    Parameters
    ----------
    adjacency : sparse array of shape (n_nodes, n_nodes)
    like : sparse array, optional
        The adjacency of the graph on which columns have mean 0 and variance 1; by default the
        same.

    Returns
    -------
    ndarray of shape (n_nodes, 4)
    """
    reference = _raw(adjacency if like is None else like)
    spread = reference.std(axis=0)
    columns = reference if like is None else _raw(adjacency)
    # Of a regular graph all nodes are alike, but for rounding.
    varies = spread > 1e-10 * np.abs(reference).max(axis=0)
    scale = np.where(varies, spread, np.inf)
    return (columns - reference.mean(axis=0)) / scale


def _raw(adjacency: sp.csr_array) -> NDArray[np.float64]:
    degrees = degrees_of(adjacency)
    walk = sp.diags_array(1 / positive(degrees)) @ adjacency
    columns = [np.sqrt(degrees)]
    while len(columns) < len(STRUCTURAL_NAMES):
        columns.append(walk @ columns[-1])
    return np.column_stack(columns)
