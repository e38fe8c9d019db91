"""How steeply a fitted signal changes along a surface."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from skginr.graphs import Graph, as_table, check_graph, fitted_column, locate_column


def surface_gradient(
    model: Any, X: ArrayLike | pd.DataFrame, *, graph: Graph, node: Hashable = None
) -> NDArray[np.float64]:
    """Return the gradient of a fitted signal along the surface of a mesh.

    The signal is predicted at a vertex and at those around it, with the other columns of the row
    unchanged. It is taken as linear on every face; the gradient at a vertex is the mean over its
    faces, weighted by area. Any regressor can be used.

    Parameters
    ----------
    model : regressor
        Fitted, such as a Pipeline that begins with a :class:`~skginr.SpectralEmbedder`. Of a model
        of several graphs, give the rows of one at a time.
    X : array-like or DataFrame of shape (n_rows, n_columns)
        Where: as for ``model.predict``.
    graph : Graph
        The mesh, with faces and positions in the plane or in space.
    node : int or column name, optional
        The column of X that holds node labels: a position, or a name where X is a DataFrame.
        Default: the one that ``model`` was fitted to, else the first, if no other could name nodes.

    Returns
    -------
    ndarray of shape (n_rows, n_dimensions), or (n_rows, n_outputs, n_dimensions)
        In units of the signal per unit of the positions, along their axes.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph, or the model is a classifier.
    ValueError
        If the graph has no faces, a node is in none that has an area, or the model is not fitted
        (a ``NotFittedError``).

    See Also
    --------
    SIRENRegressor.gradient : Exact derivatives by the columns that the network takes.
    Graph.from_mesh : Makes the graph of a mesh.

    Notes
    -----
    The error is that of linear finite elements: it falls with the length of sides.

    Examples
    --------
    A signal that rises by 2 along x, on a square:

    >>> import pandas as pd
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skginr import Graph, SpectralEmbedder, surface_gradient
    >>> square = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    >>> graph = Graph.from_mesh(square, [[0, 1, 2], [0, 2, 3]])
    >>> X = pd.DataFrame({"vertex": graph.labels})
    >>> model = make_pipeline(SpectralEmbedder(3, graph=graph), LinearRegression())
    >>> model = model.fit(X, 2 * graph.positions[:, 0])
    >>> surface_gradient(model, X, graph=graph).round(6)[0] + 0.0
    array([2., 0., 0.])
    """
    check_graph(graph)
    check_is_fitted(model)
    if is_classifier(model):
        raise TypeError(
            f"model must be a regressor, whose signal has a slope; {type(model).__name__} predicts "
            f"classes."
        )
    if graph.faces is None or graph.positions is None:
        raise ValueError(
            "surface_gradient needs the faces of a mesh; the graph has none. Build it with "
            "Graph.from_mesh(...)."
        )
    frame = as_table(X)
    node = fitted_column(model, X) if node is None else node
    nodes, column = locate_column(X, graph, node, owner="surface_gradient")
    parts = [part[nodes] for part in _gradient_operators(graph.positions, graph.faces)]
    # All have the same entries: the vertices around each row's.
    n_around = np.diff(parts[0].indptr)
    if not n_around.all():
        row = int(np.argmin(n_around))
        name = graph.labels[nodes[[row]]].tolist()[0]
        raise ValueError(
            f"a gradient needs faces around every node of X; {name!r}, in row {row}, "
            f"is in none that has an area. Leave it out."
        )
    table = frame.iloc[np.repeat(np.arange(len(frame)), n_around)].reset_index(drop=True)
    table.isetitem(column, graph.labels[parts[0].indices])
    signal = model.predict(table if hasattr(X, "columns") else table.to_numpy())
    columns = signal.reshape(len(table), -1)
    gradient = np.stack(
        [np.add.reduceat(part.data[:, None] * columns, part.indptr[:-1]) for part in parts], axis=-1
    )
    return gradient if signal.ndim == 2 else gradient[:, 0]


def _gradient_operators(
    positions: NDArray[np.float64], faces: NDArray[np.int64]
) -> list[sp.csr_array]:
    """Return, for each axis, the matrix from a signal to its derivative, shape (n, n).

    On a face with sides U from its first corner, the gradient g of a linear function solves
    ``U g = differences`` and lies in the face: ``g = U' (U U')^-1 differences``.
    """
    corners = positions[faces]
    sides = corners[:, 1:] - corners[:, :1]
    gram = sides @ sides.transpose(0, 2, 1)
    # Twice the area, squared.
    squared = gram[:, 0, 0] * gram[:, 1, 1] - gram[:, 0, 1] ** 2
    flat = squared <= np.finfo(np.float64).eps * gram[:, 0, 0] * gram[:, 1, 1]
    faces, sides, gram, area = faces[~flat], sides[~flat], gram[~flat], np.sqrt(squared[~flat]) / 2
    by_difference = np.linalg.solve(gram, sides)
    # Of the three corners: the first is in both differences.
    by_corner = np.concatenate([-by_difference.sum(axis=1, keepdims=True), by_difference], axis=1)
    n = len(positions)
    rows, columns = np.repeat(faces, 3, axis=1).ravel(), np.tile(faces, (1, 3)).ravel()
    around = np.bincount(faces.ravel(), weights=np.repeat(area, 3), minlength=n)
    share = np.repeat(area, 9) / around[rows]
    return [
        sp.csr_array(
            (share * np.tile(by_corner[:, :, axis], (1, 3)).ravel(), (rows, columns)), (n, n)
        )
        for axis in range(positions.shape[1])
    ]
