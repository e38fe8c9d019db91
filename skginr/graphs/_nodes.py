"""From a table that names nodes to nodes of a graph, for estimators."""

from collections.abc import Hashable, Iterator
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from skginr._core import TimeScale, are_datetimes, check_numeric
from skginr.graphs._graph import Graph
from skginr.graphs._labels import is_rounded, kind_of, plain_index, positions_in, same_kind

# Of a column that may name nodes so many rows are looked at before all are.
_FIRST_LOOK = 1000


class NodeEstimator(BaseEstimator):
    """An estimator whose X names nodes: by words too, where these are labels."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags


def locate_nodes(
    estimator: Any, X: ArrayLike | pd.DataFrame, graph: Graph, *, reset: bool
) -> NDArray[np.intp]:
    """Return the nodes that the one column of X names, and keep the estimator's book.

    Parameters
    ----------
    estimator : estimator
        Gets, or with ``reset=False`` is checked by, ``n_features_in_`` and
        ``feature_names_in_``.
    X : array-like or DataFrame of shape (n_rows, 1)
        Node labels.
    graph : Graph
    reset : bool
        True in ``fit``.

    Raises
    ------
    ValueError
        If X is not one column, has no rows, or names an unknown node.
    """
    frame = as_table(X)
    if frame.shape[1] != 1:
        raise ValueError(
            f"X must have one column, the node labels; got columns {list(frame.columns)}. "
            f"Select it, table[['label']], and join other columns with a ColumnTransformer."
        )
    check_has_rows(frame)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return graph.locate(frame.iloc[:, 0], name=_name_of(frame, 0, X))


def locate_rows(
    estimator: Any,
    X: ArrayLike | pd.DataFrame,
    graph: Graph,
    *,
    reset: bool,
    datetimes: bool = False,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the nodes that a column of X names, and the other columns as numbers.

    Parameters
    ----------
    estimator : estimator
        Its ``node`` is the column, by name or position, or None for the first. Gets, or with
        ``reset=False`` is checked by, ``n_features_in_`` and ``feature_names_in_``, and keeps which
        column it was.
    X : array-like or DataFrame of shape (n_rows, 1 + n_covariates)
    graph : Graph
    reset : bool
        True in ``fit``.
    datetimes : bool
        Whether another column may be of datetimes, which come back as hours or months.

    Raises
    ------
    ValueError
        If X has no column or no rows, ``node`` is not one of its columns, or is None and another
        than the first could name nodes, a node is unknown, or another column is not finite.
    """
    frame = as_table(X)
    if frame.shape[1] == 0:
        raise ValueError("X must have a column of node labels first; got no columns.")
    check_has_rows(frame)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if reset:
        owner = type(estimator).__name__
        estimator._node_column = node_column(X, graph, estimator.node, owner=owner)
    # Files of earlier versions know of the first column alone.
    column = getattr(estimator, "_node_column", 0)
    nodes = graph.locate(_labels_of(frame, column, graph, X), name=_name_of(frame, column, X))
    return nodes, _covariates(frame, [column], datetimes=datetimes)


def locate_rows_in_time(
    estimator: Any, X: ArrayLike | pd.DataFrame, graph: Graph, *, reset: bool
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Return the nodes and the times of rows, and the other columns as numbers.

    As :func:`locate_rows`, for an estimator that has a ``time`` too; it keeps which column that
    was, and the scale by which times are numbers.
    """
    frame = as_table(X)
    check_has_rows(frame)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if reset:
        owner = type(estimator).__name__
        columns = space_time_columns(X, graph, estimator.node, estimator.time, owner=owner)
        estimator._node_column, estimator._time_column = columns
    node, time = estimator._node_column, estimator._time_column
    nodes = graph.locate(_labels_of(frame, node, graph, X), name=_name_of(frame, node, X))
    times, name = frame.iloc[:, time].infer_objects(), f"X[{frame.columns[time]!r}]"
    if reset:
        estimator._time_scale = TimeScale.of(times, name)
    numbers = estimator._time_scale.numbers(times, name)
    return nodes, numbers, _covariates(frame, [node, time])


def _covariates(
    frame: pd.DataFrame, besides: list[int], *, datetimes: bool = False
) -> NDArray[np.float64]:
    """Return all columns but some as numbers, or say which is none."""
    others = [i for i in range(frame.shape[1]) if i not in besides]
    covariates = np.empty((len(frame), len(others)))
    for place, i in enumerate(others):
        name = f"X[{frame.columns[i]!r}]"
        column = frame.iloc[:, i].infer_objects()
        if are_datetimes(column):
            if not datetimes:
                raise TypeError(
                    f"{name} holds times, which do not enter as one more covariate: use "
                    f"SpaceTimeSmoother, or put SeasonalFeatures before a network."
                )
            column = pd.Series(TimeScale.of(column, name).numbers(column, name))
        values = check_numeric(name, column)
        if not np.isfinite(values).all():
            raise ValueError(
                f"{name} must be finite; fill what is missing, or drop such rows: "
                f"table.dropna(subset=[{frame.columns[i]!r}])."
            )
        covariates[:, place] = values
    return covariates


def as_table(X: Any) -> pd.DataFrame:
    """Return a table of labels as a DataFrame, or say how to make it one."""
    if isinstance(X, pd.DataFrame):
        return X
    if type(X).__module__.partition(".")[0] == "polars" and hasattr(X, "get_columns"):
        return _from_polars(X)
    if hasattr(X, "to_pandas"):
        raise TypeError(
            f"X must be a DataFrame of pandas or polars, or an array; got {type(X).__module__}."
            f"{type(X).__name__}. Use X.to_pandas()."
        )
    if sp.issparse(X):
        raise TypeError("X must be a table that names nodes; got a sparse matrix.")
    if isinstance(X, np.ma.MaskedArray):
        raise TypeError("X must not be a masked array; fill it, or drop masked rows.")
    try:
        n_dimensions = np.ndim(X)
    except ValueError as error:
        raise ValueError(f"X must be a table with rows of one length; {error}.") from error
    if isinstance(X, pd.Series) or n_dimensions != 2:
        raise ValueError(
            f"X must be a table with a column of node labels; got {type(X).__name__} with "
            f"{n_dimensions} dimension(s). Use double brackets, table[['label']] (in a "
            f"ColumnTransformer a list, ['label']), or array.reshape(-1, 1)."
        )
    # A list may hold words beside numbers, which an array would make words of.
    return pd.DataFrame([list(row) for row in X] if isinstance(X, list | tuple) else np.asarray(X))


def check_has_rows(frame: pd.DataFrame) -> None:
    """Raise ``ValueError`` if a table has no rows."""
    if len(frame) == 0:
        raise ValueError("X must have at least one row; got an empty table.")


def _from_polars(X: Any) -> pd.DataFrame:
    """Return a DataFrame of polars as one of pandas, column by column: without pyarrow."""
    columns = {}
    for column in X.get_columns():
        # Whole numbers beside what is missing would be floats.
        plain = column.null_count() == 0
        columns[column.name] = (
            pd.Series(column.to_numpy())
            if plain
            else pd.Series(column.to_list(), dtype=object).infer_objects()
        )
    return pd.DataFrame(columns)


def locate_column(
    X: Any, graph: Graph, node: Hashable, *, owner: str
) -> tuple[NDArray[np.intp], int]:
    """Return the nodes that one column of a table names, and the position of that column.

    Parameters
    ----------
    X : array-like or DataFrame
    graph : Graph
    node : int, column name or None
        As for :func:`node_column`.
    owner : str
        Whose ``node`` it is, for errors.

    Raises
    ------
    ValueError
        If ``node`` is not a column of X, or a label is unknown.
    """
    column = node_column(X, graph, node, owner=owner)
    return _locate_at(X, graph, column), column


def locate_in_time(
    X: Any, graph: Graph | None, node: Hashable, time: Hashable, *, owner: str
) -> tuple[NDArray[np.intp], pd.Series]:
    """Return which node each row of a table is of, and the column of times.

    Parameters
    ----------
    X, node, time, owner
        As for :func:`space_time_columns`.
    graph : Graph or None
        Without one nodes are numbered in the order of their labels.

    Raises
    ------
    ValueError
        As :func:`space_time_columns`, or if a label is unknown or missing.
    """
    frame = as_table(X)
    where, when = space_time_columns(X, graph, node, time, owner=owner)
    times = frame.iloc[:, when]
    if graph is not None:
        return _locate_at(X, graph, where), times
    nodes, _ = pd.factorize(frame.iloc[:, where].infer_objects(), sort=True)
    if (nodes < 0).any():
        raise ValueError(
            f"the column node={frame.columns[where]!r} of X must name a node in every row; row "
            f"{int(np.argmin(nodes))} has none."
        )
    return nodes, times


def space_time_columns(
    X: Any, graph: Graph | None, node: Hashable, time: Hashable, *, owner: str
) -> tuple[int, int]:
    """Return the positions of the columns that name nodes and hold times.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_rows, n_columns)
    graph : Graph or None
    node : int, column name or None
        As for :func:`node_column`; without a graph None is the first that is not the time.
    time : int, column name or None
        None: the one column of datetimes, or else the only one beside the nodes.
    owner : str
        Whose ``node`` and ``time`` they are, for errors.

    Raises
    ------
    ValueError
        If ``node`` or ``time`` is not a column of X, both are the same, or one is None and
        several could be it.
    """
    frame = as_table(X)
    places = range(frame.shape[1])
    if time is None:
        datetimes = [i for i in places if are_datetimes(frame.iloc[:, i])]
        when = datetimes[0] if len(datetimes) == 1 else None
    else:
        when = position_of("time", time, frame, "holds the times")
    if graph is not None:
        where = node_column(X, graph, node, owner=owner, besides=when)
    elif node is not None:
        where = position_of("node", node, frame, "names the nodes")
    else:
        where = int(when == 0)
    if when is None:
        others = [i for i in places if i != where]
        if len(others) != 1:
            raise ValueError(
                f"{owner} needs time= to tell which column of X holds the times; got columns "
                f"{list(frame.columns)}."
            )
        when = others[0]
    if when == where or frame.shape[1] < 2:
        raise ValueError(
            f"{owner} needs a column of X that names the nodes, and another that holds the times; "
            f"got columns {list(frame.columns)}, node={node!r} and time={time!r}."
        )
    return where, when


def _locate_at(X: Any, graph: Graph, column: int) -> NDArray[np.intp]:
    frame = as_table(X)
    name = f"the column node={frame.columns[column]!r} of X"
    return graph.locate(_labels_of(frame, column, graph, X), name=name)


def node_column(
    X: Any, graph: Graph, node: Hashable, *, owner: str, besides: int | None = None
) -> int:
    """Return the position of the column that names nodes: the first, unless it is said.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_rows, n_columns)
    graph : Graph
    node : int, column name or None
        A name, or else a position. With None it is the first column, if no other could be it.
    owner : str
        Whose ``node`` it is, for errors.
    besides : int, optional
        The position of a column that is known to be something else.

    Raises
    ------
    ValueError
        If ``node`` is not a column of X, or is None and another column than the first could name
        nodes too, or does where the first does not.
    """
    frame = as_table(X)
    names = list(frame.columns)
    if node is None:
        candidates = [i for i in range(len(names)) if i != besides]
        others = [i for i in candidates[1:] if _could_name_nodes(frame, i, graph, X)]
        if not others:
            return min(candidates, default=0)
        first, other = names[candidates[0]], names[others[0]]
        if _names_nodes(frame, candidates[0], graph, X):
            raise ValueError(
                f"{owner} needs node= to tell which column of X names the nodes: {first!r} and "
                f"{other!r} could both. Give node={first!r}, or node={other!r}."
            )
        raise ValueError(
            f"{owner} takes the first column of X for node labels, which {first!r} does not hold; "
            f"{other!r} does. Give node={other!r}."
        )
    return position_of("node", node, frame, "names the nodes")


def position_of(argument: str, column: Hashable, frame: pd.DataFrame, what: str) -> int:
    """Return the position of a column that is given by name, or else by position."""
    names = list(frame.columns)
    if isinstance(column, Hashable) and names.count(column) == 1:
        return names.index(column)
    if isinstance(column, Integral) and -len(names) <= column < len(names):
        return int(column) % len(names)
    raise ValueError(f"{argument}={column!r} is not a column of X, which {what}; X has {names}.")


def fitted_column(model: Any, X: Any) -> Hashable:
    """Return the name of the column of X by which a fitted model names nodes, or None.

    None where it was fitted to arrays, X is one, or steps of the model take different columns.
    """
    names = set(_fitted_columns(model)) & set(getattr(X, "columns", ()))
    return names.pop() if len(names) == 1 else None


def _fitted_columns(part: Any) -> Iterator[Hashable]:
    """Yield the names of the columns from which the parts of a model take nodes."""
    if isinstance(part, BaseEstimator):
        parts = vars(part)
        # Where it is None the columns are coordinates.
        if {"graph_", "feature_names_in_"} <= set(parts) and parts.get("graph") is not None:
            yield parts["feature_names_in_"][parts.get("_node_column", 0)]
        part = parts
    if isinstance(part, dict):
        part = list(part.values())
    if isinstance(part, list | tuple):
        for each in part:
            yield from _fitted_columns(each)


def _name_of(frame: pd.DataFrame, column: int, X: Any) -> str:
    return f"X[{frame.columns[column]!r}]" if hasattr(X, "columns") else "X"


def _names_nodes(frame: pd.DataFrame, column: int, graph: Graph, X: Any) -> bool:
    """Say whether every entry of a column is a label of the graph."""
    try:
        for rows in (slice(_FIRST_LOOK), slice(None)):
            labels = _labels_of(frame.iloc[rows], column, graph, X)
            index = plain_index(labels, name="X").unique()
            if index.hasnans or not same_kind(index, graph.labels):
                return False
            if (positions_in(index, graph.labels) < 0).any():
                return False
    except TypeError:  # what cannot be looked up
        return False
    return True


def _could_name_nodes(frame: pd.DataFrame, column: int, graph: Graph, X: Any) -> bool:
    """Say whether a column could be meant to name nodes: all are labels, and it is no flag."""
    values = frame.iloc[:, column].infer_objects()
    of_floats = getattr(getattr(X, "dtype", None), "kind", "") == "f"
    if values.dtype.kind == "f" and not of_floats and kind_of(graph.labels) == "integer":
        # Only in an array of floats has something made floats of whole numbers.
        return False
    return _names_nodes(frame, column, graph, X) and not set(pd.unique(values)) <= {0, 1}


def _labels_of(frame: pd.DataFrame, column: int, graph: Graph, X: Any) -> pd.Series:
    """Return a column as the labels that were meant."""
    # A mixed table has no type: what its labels are, they say themselves.
    labels = frame.iloc[:, column].infer_objects()
    mixed = frame.shape[1] > 1 and not hasattr(X, "columns")
    return labels.astype("int64") if mixed and _hides_integers(labels, graph) else labels


def _hides_integers(labels: pd.Series, graph: Graph) -> bool:
    """Return whether covariates, in an array, have made floats of labels that are integers."""
    if labels.dtype.kind != "f" or kind_of(graph.labels) != "integer":
        return False
    whole = np.isfinite(labels).all() and (labels == np.round(labels)).all()
    return bool(whole and not is_rounded(labels))
