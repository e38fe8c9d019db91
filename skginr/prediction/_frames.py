"""Predictions beside the table that they are of."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Hashable, Iterable
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skginr._core import check_frame, check_numeric, check_real, held_out

_Frame = TypeVar("_Frame", bound=pd.DataFrame)
_PROBABILITY = "probability"


def predict_frame(
    model: Any,
    frame: _Frame,
    *,
    target: Hashable | list[Hashable] | None = None,
    cv: int | Iterable | Any = None,
    interval: float | None = None,
    sample_weight: Hashable | None = None,
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
        Folds of the rows whose target is known. These are then predicted by copies of the model
        that were fitted without them, so that their residuals are those of nodes held out; the
        others by the model as it is.
    interval : float, optional
        Share of values, such as 0.9, that shall lie within an interval about the prediction. For
        models whose ``predict`` has ``return_std``.
    sample_weight : str, optional
        The column of weights with which copies are fitted; for a model that was fitted with some.

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
            Of the class that was predicted, where a classifier of one output has probabilities.
        ``lower``, ``upper``
            Where an observed value would be, noise included, if normally distributed; with
            ``interval`` only.
        ``applicable``
            Whether the prediction is expected to be nearer to an observed value than the mean of
            the target is: the area of applicability; with ``interval`` and ``target`` only.

        Of several targets, or of several outputs, one each: ``predicted_u``, ``predicted_v``, or
        by number without ``target``.

    Raises
    ------
    TypeError
        If ``frame`` is not a DataFrame, or the target of a regressor is not of numbers.
    ValueError
        If the model is not fitted (a ``NotFittedError``) or was fitted to an array without names, a
        column is missing, there twice or would be overwritten, ``target`` does not name the
        outputs, ``cv`` is given without ``target`` or does not hold out every row once, or
        ``interval`` is not between 0 and 1 or the model knows no standard deviations, or the model
        was fitted with weights and ``cv`` comes without ``sample_weight``.

    See Also
    --------
    skginr.plotting.SignalDisplay : Draws what was observed, what is predicted, and the error.
    suggest_measurements : Says which rows to measure next.
    GraphBlockKFold : Folds for ``cv`` that hold out whole regions.
    sklearn.model_selection.cross_val_predict : The array of out-of-fold predictions alone.

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

    With intervals in which 90% of values shall lie:

    >>> predict_frame(model, table, interval=0.9).round(1).iloc[2:4]
       node  level  predicted  lower  upper
    2     2    2.0        2.0    1.9    2.1
    3     3    NaN        2.3    1.6    3.1
    """
    check_frame("frame", frame, what="a DataFrame of pandas, or a GeoDataFrame")
    check_is_fitted(model)
    X = frame[_columns_of(model, frame)]
    targets = _targets_of(target, frame)
    if cv is not None and not targets:
        raise ValueError("cv needs target: folds are of rows whose signal is known.")
    if interval is not None:
        _check_interval(interval, model)
    if sample_weight is not None and (cv is None or sample_weight not in frame.columns):
        raise ValueError(
            f"sample_weight must be a column of frame, and is for cv; got {sample_weight!r} with "
            f"cv={cv!r}, and columns {list(frame.columns)}."
        )
    if cv is not None and sample_weight is None and getattr(_last(model), "_weighed", False):
        raise ValueError(
            "sample_weight must name the column of weights: the model was fitted with some, and cv "
            "fits copies of it."
        )
    said = _answers(model, X, interval)
    suffixes = _suffixes(said, target, targets)
    if cv is not None:
        known = np.flatnonzero(frame[targets].notna().all(axis=1))
        y = frame[targets] if isinstance(target, list) else frame[targets[0]]
        weights = None if sample_weight is None else frame[sample_weight].to_numpy()[known]
        unseen = _held_out(model, X.iloc[known], y.iloc[known], cv, interval, weights)
        unseen = unseen.set_axis(known)
        # Joined, not written into: classes may be longer words, and numbers no integers.
        said = pd.concat([said.drop(index=known), unseen]).sort_index()
    said.index = frame.index
    added = _added(said, frame, targets, suffixes, interval, residuals=not is_classifier(model))
    taken = [name for name in added if name in frame.columns]
    if taken:
        raise ValueError(
            f"frame has columns named {taken} already, which would be lost. Rename or drop them."
        )
    return frame.assign(**added)


def _added(
    said: pd.DataFrame,
    frame: pd.DataFrame,
    targets: list[Hashable],
    suffixes: list[str],
    interval: float | None,
    *,
    residuals: bool,
) -> dict[str, pd.Series]:
    """Return the columns of predictions and of how they compare, by their names."""
    added = {f"predicted{suffix}": said[i] for i, suffix in enumerate(suffixes)}
    if interval is not None:
        for i, suffix in enumerate(suffixes):
            half = norm.ppf(0.5 + interval / 2) * said[_deviation(i)]
            added[f"lower{suffix}"], added[f"upper{suffix}"] = said[i] - half, said[i] + half
    for i, (name, suffix) in enumerate(zip(targets, suffixes, strict=bool(targets))):
        added[f"observed{suffix}"] = frame[name].notna()
        if residuals:
            values = check_numeric(f"frame[{name!r}]", frame[name])
            added[f"residual{suffix}"] = values - added[f"predicted{suffix}"]
            if interval is not None:
                there = values[~np.isnan(values)]
                spread = np.std(there) if len(there) else np.nan
                added[f"applicable{suffix}"] = said[_deviation(i)] < spread
    if _PROBABILITY in said:
        added[_PROBABILITY] = said[_PROBABILITY]
    return added


def _columns_of(model: Any, frame: pd.DataFrame) -> list[str]:
    """Return the names of the columns that the model was fitted to."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        raise ValueError(
            "model must have been fitted to a DataFrame whose columns are named by words, which it "
            "then knows; this one was fitted to an array, or to columns named by numbers. Name "
            "them, table.columns = table.columns.astype(str), and fit it to table[['label']]."
        )
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise ValueError(
            f"frame must have the columns that the model was fitted to; {missing} are missing from "
            f"{list(frame.columns)}."
        )
    _check_single(names, frame)
    return list(names)


def _targets_of(target: Any, frame: pd.DataFrame) -> list[Hashable]:
    """Return the names of the columns that the model predicts, none where it is not said."""
    if target is None:
        return []
    targets = target if isinstance(target, list) else [target]
    for name in targets:
        if not isinstance(name, Hashable) or name not in frame.columns:
            raise ValueError(
                f"target must be a column of frame, or a list of some; {name!r} is not among "
                f"{list(frame.columns)}."
            )
    if not targets or len(set(targets)) < len(targets):
        raise ValueError(f"target must name each output once; got {target}.")
    _check_single(targets, frame)
    return targets


def _check_single(names: Iterable, frame: pd.DataFrame) -> None:
    for name in names:
        if list(frame.columns).count(name) > 1:
            raise ValueError(f"frame must have one column named {name!r}; it has several.")


def _suffixes(said: pd.DataFrame, target: Any, targets: list[Hashable]) -> list[str]:
    """Return what follows the names of columns, for each output."""
    n_outputs = sum(isinstance(name, int) for name in said)
    if targets and len(targets) != n_outputs:
        raise ValueError(
            f"target must name the outputs of the model, of which there are {n_outputs}; got "
            f"{len(targets)}: {target!r}."
        )
    if n_outputs == 1 and not isinstance(target, list):
        return [""]
    return [f"_{name}" for name in targets or range(n_outputs)]


def _answers(model: Any, X: pd.DataFrame, interval: float | None) -> pd.DataFrame:
    """Return what the model predicts, a column for each output, and how sure it is of it."""
    mean, std = (model.predict(X), None) if interval is None else _with_deviations(model, X)
    said = pd.DataFrame(np.asarray(mean))
    n_outputs = said.shape[1]
    if std is not None:
        for i, deviations in enumerate(np.reshape(std, said.shape).T):
            said[_deviation(i)] = deviations
    # Of several outputs it would be one for each.
    if n_outputs == 1 and is_classifier(model) and hasattr(model, "predict_proba"):
        said[_PROBABILITY] = np.max(model.predict_proba(X), axis=1)
    return said


def _deviation(output: int) -> str:
    """Return the name of the column of standard deviations of an output."""
    return f"std {output}"


def _with_deviations(model: Any, X: pd.DataFrame) -> tuple[NDArray, NDArray]:
    """Return predictions and standard deviations of new values about them."""
    model = getattr(model, "best_estimator_", model)
    # Of others, as scikit-learn's process, noise is always in.
    noisy = {"with_noise": True} if "with_noise" in _words_of_predict(model) else {}
    return model.predict(X, return_std=True, **noisy)


def _words_of_predict(model: Any) -> Collection[str]:
    """Return the parameters of what predicts in the end: a pipeline hands them on."""
    return inspect.signature(_last(model).predict).parameters


def _last(model: Any) -> Any:
    """Return what predicts in the end."""
    model = getattr(model, "best_estimator_", model)
    while isinstance(model, Pipeline):
        model = model.steps[-1][1]
    return model


def _name_of_weights(model: Any) -> str:
    """Return what ``fit`` calls the weights of rows: a pipeline names the step."""
    if isinstance(model, Pipeline):
        name, last = model.steps[-1]
        return f"{name}__{_name_of_weights(last)}"
    return (
        _name_of_weights(model.estimator) if hasattr(model, "best_estimator_") else "sample_weight"
    )


def _check_interval(interval: Any, model: Any) -> None:
    check_real("interval", interval, minimum=0, strict=True)
    if interval >= 1:
        raise ValueError(f"interval must be less than 1, a share of values; got {interval}.")
    if hasattr(_last(model), "predict_counts"):
        raise ValueError(
            f"interval is for values that are normally distributed; {type(model).__name__} is of "
            f"counts, whose spread goes with exposure. Use model.predict_counts(X, exposure)."
        )
    if "return_std" not in _words_of_predict(model):
        raise ValueError(
            f"interval needs a model whose predict has return_std, such as CorrectedSmoother or "
            f"GraphSmoother; got {type(model).__name__}."
        )


def _held_out(
    model: Any,
    X: pd.DataFrame,
    y: pd.Series | pd.DataFrame,
    cv: Any,
    interval: float | None,
    weights: NDArray | None,
) -> pd.DataFrame:
    """Return what copies of the model, fitted without a row, answer for it."""
    parts = []
    for train, test in check_cv(cv, y, classifier=is_classifier(model)).split(X, y):
        weighed = {} if weights is None else {_name_of_weights(model): weights[train]}
        fold = clone(model).fit(X.iloc[train], y.iloc[train], **weighed)
        with held_out():
            parts.append(_answers(fold, X.iloc[test], interval).set_axis(test, axis=0))
    answers = pd.concat(parts).sort_index()
    if answers.index.tolist() != list(range(len(X))):
        raise ValueError(
            f"cv must hold out each of the {len(X)} rows whose target is known once, as KFold "
            f"does; it held out {answers.index.nunique()} of them, in {len(answers)} predictions."
        )
    return answers
