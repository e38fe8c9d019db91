"""GraphImputer: a wide table of records, with its gaps filled."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.impute import MissingIndicator
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from skginr._core import (
    TimeScale,
    are_datetimes,
    check_flag,
    check_numeric,
    unchanged_on_error,
)
from skginr.graphs import Graph, array_digest, as_table, check_graph
from skginr.smoothing._space_time_smoother import SpaceTimeSmoother

# Of the tables that the estimator is given.
_NODE, _TIME = "node", "time"
_PIVOT = (
    "A long table becomes a wide one by table.pivot(index='time', columns='node', values='value')."
)


class GraphImputer(TransformerMixin, BaseEstimator):
    """Fill what is missing in a table of times by nodes, from neighbours and from other times.

    A row of X is a time, a column a node of the graph; NaN is what is missing. What is known comes
    back as it was. In a Pipeline it stands before any estimator that needs every value.

    Parameters
    ----------
    estimator : regressor, optional
        What predicts the missing values. A copy of it is fitted to a table of the known entries
        with the columns "node", a label of the graph, and "time". Its parameters ``graph``,
        ``node`` and ``time`` are filled in where it has them and they are None. Default:
        ``SpaceTimeSmoother(graph=graph)``.
    graph : Graph, optional
        The columns of X are its nodes. Default: the graph of ``estimator``, if it has one.
    add_indicator : bool, default False
        Whether columns of 0 and 1 follow, 1 where a value was missing: for each column in which
        one was missing in ``fit``.

    Attributes
    ----------
    estimator_ : regressor
        The one that was fitted.
    graph_ : Graph
        The graph used in ``fit``.
    indicator_ : MissingIndicator or None
        What makes the further columns.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame and they are words.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph, ``estimator`` does not predict, or a value is not a number or
        a time none.
    ValueError
        If a column is no node of the graph, or one that another is too, an array has not as many
        columns as there are nodes, times are not in order or repeated, nothing is known, or
        something is infinite.

    See Also
    --------
    SpaceTimeSmoother : What fills by default. By itself it takes a long table, and has standard
        deviations.
    SpaceTimeKFold : Folds to measure how well gaps are filled.

    Notes
    -----
    Times are the index of a DataFrame, numbers or datetimes, each larger than the one before.
    Rows of anything else are steps 0, 1, 2, ..., and its columns are the nodes in the order of the
    graph. Nodes without a column still connect their neighbours, and are no columns of the output.
    A column or a row without any value is filled.

    ``transform`` of the table of ``fit`` fills by the model that was fitted to it. For any other
    table, such as a later week, only the strengths of smoothing come from ``fit``: what is missing
    is filled from what is known in that table, by ``estimator_.tuned_clone()``. So no value of
    held-out rows gets into those of ``fit``, nor the other way. :class:`~skginr.SpaceTimeSmoother`
    needs two times for that. An estimator without ``tuned_clone`` predicts as it was fitted,
    whatever the table holds.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skginr import Graph, GraphImputer
    >>> road = Graph.from_networkx(nx.relabel_nodes(nx.path_graph(3), dict(enumerate("abc"))))
    >>> hours = pd.date_range("2024-06-01", periods=72, freq="h")
    >>> speed = np.cos(2 * np.pi * hours.hour / 24)
    >>> table = pd.DataFrame({"a": speed + 1, "b": speed + 2, "c": speed + 3}, index=hours)
    >>> gaps = table.copy()
    >>> gaps.loc["2024-06-02 03:00":"2024-06-02 09:00", "b"] = np.nan
    >>> filled = GraphImputer(graph=road).set_output(transform="pandas").fit_transform(gaps)
    >>> bool((filled - table).abs().max().max() < 0.1)
    True
    """

    _nodes: NDArray[np.intp]

    def __init__(
        self,
        estimator: Any = None,
        *,
        graph: Graph | None = None,
        add_indicator: bool = False,
    ) -> None:
        self.estimator = estimator
        self.graph = graph
        self.add_indicator = add_indicator

    @unchanged_on_error
    def fit(self, X: ArrayLike | pd.DataFrame, y: object = None) -> Self:
        """Fit the estimator to what is known.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_times, n_nodes)
            NaN where a value is missing.
        y : ignored

        Returns
        -------
        self
        """
        check_flag("add_indicator", self.add_indicator)
        model = self._model()
        values, index = self._checked(X, reset=True)
        self._scale = TimeScale.of(index, "the index of X")
        times = self._times(index)
        self.indicator_ = MissingIndicator(error_on_new=False) if self.add_indicator else None
        if self.indicator_ is not None:
            self.indicator_.fit(values)
        self.estimator_ = model.fit(*self._known(values, index, times))
        self._fitted_to = array_digest(values, times)
        return self

    def transform(self, X: ArrayLike | pd.DataFrame) -> NDArray[np.float64]:
        """Return the table without gaps.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_times, n_nodes)
            Of the columns of ``fit``.

        Returns
        -------
        ndarray of shape (n_times, n_features_out)
            With ``set_output(transform="pandas")`` a DataFrame, with the index of X.
        """
        check_is_fitted(self)
        values, index = self._checked(X, reset=False)
        times = self._times(index)
        missing = np.isnan(values)
        filled = values.copy()
        if missing.any():
            model = self.estimator_
            if hasattr(model, "tuned_clone") and array_digest(values, times) != self._fitted_to:
                model = model.tuned_clone().fit(*self._known(values, index, times))
            filled[missing] = model.predict(self._rows(missing, index, times))
        if self.indicator_ is None:
            return filled
        return np.hstack([filled, np.asarray(self.indicator_.transform(values))])

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the names of the output columns: labels of nodes, as words.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of X's columns, where ``fit`` saw none.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        if input_features is None and not hasattr(self, "feature_names_in_"):
            input_features = [str(label) for label in self.graph_.labels[self._nodes]]
        names = _check_feature_names_in(self, input_features)
        if self.indicator_ is None:
            return names
        return np.concatenate([names, self.indicator_.get_feature_names_out(names)])

    def _model(self) -> Any:
        """Return what is to be fitted, and keep its graph."""
        theirs = getattr(self.estimator, "graph", None)
        self.graph_ = check_graph(theirs if self.graph is None else self.graph)
        if theirs is not None and theirs != self.graph_:
            raise ValueError(
                f"graph must be that of estimator, {theirs!r}; got {self.graph_!r}. Leave one out."
            )
        if self.estimator is None:
            return SpaceTimeSmoother(graph=self.graph_, node=_NODE, time=_TIME)
        if not hasattr(self.estimator, "predict"):
            raise TypeError(f"estimator must be a regressor; got {self.estimator!r}.")
        model = clone(self.estimator)
        given = model.get_params(deep=False)
        ours = {"graph": self.graph_, "node": _NODE, "time": _TIME}
        return model.set_params(**{k: v for k, v in ours.items() if given.get(k, v) is None})

    def _checked(self, X: Any, *, reset: bool) -> tuple[NDArray[np.float64], pd.Index]:
        """Return the values and the index of X, and keep the estimator's book."""
        if not _has_rows_and_columns(X):
            raise ValueError(
                f"X must be a wide table, times by nodes; got {type(X).__name__}. {_PIVOT}"
            )
        frame = as_table(X)
        if 0 in frame.shape:
            raise ValueError(f"X must have rows and columns; got shape {frame.shape}.")
        if isinstance(frame.index, pd.MultiIndex):
            raise ValueError(
                f"the index of X must hold times alone; got {list(frame.index.names)}."
            )
        named = hasattr(X, "columns")
        if named:
            nodes = self._named_nodes(frame)
        else:
            nodes = np.arange(self.graph_.n_nodes) if reset else self._nodes
        validate_data(self, X, reset=reset, skip_check_array=True)
        if not named and len(nodes) != frame.shape[1]:
            raise ValueError(
                f"X must have a column for every node of the graph, {len(nodes)}, as it has no "
                f"names of them; got {frame.shape[1]}. Name them: pd.DataFrame(X, "
                f"columns=labels)."
            )
        if reset:
            self._nodes = nodes
        elif not np.array_equal(nodes, self._nodes):
            raise ValueError("X must have the columns of fit, in their order.")
        values = _numbers(frame) if named else check_numeric("X", X)
        infinite = np.isinf(values)
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            raise ValueError(
                f"X must not be infinite; column {frame.columns[column]!r} is, in row {row}. Make "
                f"NaN of what is missing: X.replace([np.inf, -np.inf], np.nan)."
            )
        return values, frame.index

    def _named_nodes(self, frame: pd.DataFrame) -> NDArray[np.intp]:
        """Return the nodes that the columns of a table are."""
        names = frame.columns
        if names.nlevels > 1 or not names.is_unique or names.hasnans:
            # Of several levels the first, which is neither.
            odd = names.duplicated() if names.nlevels > 1 else names.duplicated() | names.isna()
            example = names[odd.argmax()]
            raise ValueError(
                f"the columns of X must be labels of nodes, one level of them and none twice; got "
                f"{example!r}{'' if names.is_unique else ' twice'}."
            )
        for i, name in enumerate(names):
            if are_datetimes(frame.iloc[:, i]):
                raise ValueError(
                    f"X must have its times as the index; got them as column {name!r}: "
                    f"X.set_index({name!r}). {_PIVOT}"
                )
        return self.graph_.locate(names, name="the columns of X")

    def _times(self, index: pd.Index) -> NDArray[np.float64]:
        """Return the times of an index as numbers, or raise unless they go up."""
        times = self._scale.numbers(index, "the index of X")
        if (np.diff(times) > 0).all():
            return times
        order = np.argsort(times, kind="stable")
        same = np.diff(times[order]) == 0
        if not same.any():
            row = int(np.diff(times).argmin())
            raise ValueError(
                f"the index of X must be in the order of time; {index[row]} comes before "
                f"{index[row + 1]}. Use X.sort_index()."
            )
        raise ValueError(
            f"the index of X must not repeat a time, as it does {index[order[same.argmax()]]}. Of "
            f"records that are there twice take the mean, X.groupby(level=0).mean(); an hour that "
            f"clocks repeat needs its time zone: X.tz_localize('Europe/Berlin', "
            f"ambiguous='infer')."
        )

    def _known(
        self, values: NDArray[np.float64], index: pd.Index, times: NDArray[np.float64]
    ) -> tuple[pd.DataFrame, NDArray[np.float64]]:
        """Return the known entries as rows, and their values."""
        known = ~np.isnan(values)
        if not known.any():
            raise ValueError("X must have a value that is known; all are missing.")
        return self._rows(known, index, times), values[known]

    def _rows(
        self, entries: NDArray[np.bool_], index: pd.Index, times: NDArray[np.float64]
    ) -> pd.DataFrame:
        """Return some entries of a wide table as rows of a long one, time by time."""
        steps, columns = np.nonzero(entries)
        labels = self.graph_.labels.take(self._nodes[columns])
        # Numbers as floats, which are not taken for labels.
        own = pd.Index(times) if self._scale.origin is None else index
        return pd.DataFrame({_NODE: labels.array, _TIME: own.take(steps).array})

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _numbers(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return a table as an array, column by column, so that errors have names."""
    columns = [frame.iloc[:, i].infer_objects() for i in range(frame.shape[1])]
    return np.column_stack([check_numeric(f"X[{c.name!r}]", c) for c in columns])


def _has_rows_and_columns(X: Any) -> bool:
    if isinstance(X, list | tuple):
        return len(X) > 0 and pd.api.types.is_list_like(X[0])
    return hasattr(X, "columns") or getattr(X, "ndim", 0) == 2
