"""Predictions beside the table that they are of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.model_selection import cross_val_predict
from sklearn.utils.validation import check_is_fitted

_Frame = TypeVar("_Frame", bound=pd.DataFrame)


def predict_frame(
    model: Any,
    frame: _Frame,
    *,
    target: str | list[str] | None = None,
    cv: int | Iterable | Any = None,
) -> _Frame:
    """Return a table with the predictions of its rows in columns of their own.

    A GeoDataFrame comes back as one, with its geometry, index and order.

    Parameters
    ----------
    model : estimator
        Fitted to columns of such a table, by their names.
    frame : DataFrame or GeoDataFrame
        With these columns. Stays as it is.
    target : str or list of str, optional
        The column, or columns, that the model predicts; missing where not observed.
    cv : int, splitter or iterable of splits, optional
        Folds. Rows whose target is known are then predicted by copies of the model that were fitted
        without them, so that their residuals are those of nodes held out; the others by the model
        as it is.

    Returns
    -------
    DataFrame or GeoDataFrame
        A copy of ``frame`` with

        ``predicted``
            What the model says.
        ``observed``
            Whether the target is known; with ``target`` only.
        ``residual``
            The target less what was predicted, NaN where it is not known; with ``target`` only, and
            not of classes.
        ``probability``
            Of the class that was predicted, where a classifier has probabilities.

        Of several targets, or of several outputs, one each: ``predicted_u``, ``predicted_v``, or
        by number without ``target``.

    Raises
    ------
    TypeError
        If ``frame`` is not a DataFrame.
    ValueError
        If the model is not fitted (a ``NotFittedError``) or was fitted to an array without names, a
        column is missing or would be overwritten, or ``cv`` is given without ``target``.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skginr import Graph, GraphSmoother, predict_frame
    >>> ring = Graph.from_networkx(nx.cycle_graph(6))
    >>> table = pd.DataFrame({"node": range(6), "level": [0, 1, 2, np.nan, 2, 1]})
    >>> known = table.dropna(subset=["level"])
    >>> model = GraphSmoother(graph=ring, order=2, alpha=1e-3).fit(known[["node"]], known["level"])
    >>> predict_frame(model, table, target="level").round(1).iloc[2:4]
       node  level  predicted  observed  residual
    2     2    2.0        2.0      True       0.0
    3     3    NaN        2.3     False       NaN
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"frame must be a DataFrame or GeoDataFrame; got {type(frame).__name__}. Arrays go to "
            f"model.predict."
        )
    check_is_fitted(model)
    columns = _columns_of(model, frame)
    targets = [target] if isinstance(target, str) else target
    for name in targets or []:
        if name not in frame.columns:
            raise ValueError(f"target={name!r} is not a column of frame: {list(frame.columns)}.")
    if cv is not None and not targets:
        raise ValueError("cv needs target: folds are of rows whose signal is known.")
    observed = None if not targets else frame[targets].notna().all(axis=1).to_numpy()
    predicted, probability = _answers(model, frame[columns])
    if cv is not None:
        known = frame.loc[observed]
        y = known[target]
        predicted[observed] = cross_val_predict(model, known[columns], y, cv=cv)
        if probability is not None:
            held_out = cross_val_predict(model, known[columns], y, cv=cv, method="predict_proba")
            probability[observed] = held_out.max(axis=1)
    added = _added(model, frame, target, predicted, probability)
    taken = [name for name in added if name in frame.columns]
    if taken:
        raise ValueError(
            f"frame has columns named {taken} already, which would be lost. Rename or drop them."
        )
    return frame.assign(**added)


def _columns_of(model: Any, frame: pd.DataFrame) -> list[str]:
    """Return the names of the columns that the model was fitted to."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        raise ValueError(
            "model must have been fitted to a DataFrame, whose columns it then knows by name; "
            "this one was fitted to an array. Fit it to table[['label']]."
        )
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise ValueError(
            f"frame must have the columns that the model was fitted to; {missing} are missing from "
            f"{list(frame.columns)}."
        )
    return list(names)


def _answers(model: Any, X: pd.DataFrame) -> tuple[NDArray, NDArray | None]:
    predicted = np.array(model.predict(X))
    has_probability = is_classifier(model) and hasattr(model, "predict_proba")
    return predicted, np.max(model.predict_proba(X), axis=1) if has_probability else None


def _added(
    model: Any,
    frame: pd.DataFrame,
    target: str | list[str] | None,
    predicted: NDArray,
    probability: NDArray | None,
) -> dict[str, Any]:
    """Return the new columns by name."""
    if predicted.ndim == 1:
        names, columns = [""], [predicted]
        targets = [target] if isinstance(target, str) else target
    else:
        targets = target if isinstance(target, list) else None
        names = [f"_{name}" for name in targets or range(predicted.shape[1])]
        columns = list(predicted.T)
    if targets is not None and len(targets) != len(columns):
        raise ValueError(
            f"target must name the {len(columns)} outputs of the model; got {len(targets)}."
        )
    added: dict[str, Any] = {}
    for name, column in zip(names, columns, strict=True):
        added[f"predicted{name}"] = column
    for name, column, of in zip(names, columns, targets or [], strict=bool(targets)):
        added[f"observed{name}"] = frame[of].notna()
        if not is_classifier(model):
            added[f"residual{name}"] = frame[of] - column
    if probability is not None:
        added["probability"] = probability
    return added
