"""Node labels: what they may be, and finding nodes by them."""

import difflib
from collections.abc import Hashable, Sequence
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


def check_labels(labels: ArrayLike | pd.Index | None, n_nodes: int) -> pd.Index:
    """Return ``labels`` as an Index of ``n_nodes`` distinct values; numbers by default."""
    if labels is None:
        return pd.RangeIndex(n_nodes, name="node")
    index = plain_index(labels, name="labels")
    if isinstance(index, pd.MultiIndex):
        raise ValueError(
            f"labels must be one value per node; got a MultiIndex of {index.nlevels} levels. "
            f"Join them into one column first."
        )
    if len(index) != n_nodes:
        raise ValueError(f"labels must have one entry per node, {n_nodes}; got {len(index)}.")
    if index.hasnans:
        raise ValueError(
            f"labels must not be missing; {int(index.isna().sum())} are, the first is at "
            f"position {int(index.isna().argmax())}."
        )
    if not index.is_unique:
        repeated = index[index.duplicated()].unique()
        raise ValueError(
            f"labels must be distinct; {repeated.tolist()[0]!r} is repeated"
            + (f", and so are {len(repeated) - 1} others" if len(repeated) > 1 else "")
            + ". Drop or merge the duplicate nodes."
        )
    return index


def grow_labels(labels: pd.Index, n_new: int) -> pd.Index:
    """Return ``labels`` and ``n_new`` more of the same type, which no node has.

    Numbers go on after the largest; words are ``"new0"``, ``"new1"``, ..., with more in front
    where a label begins so.

    Raises
    ------
    ValueError
        If the labels are neither numbers nor words, or their type has no room for more.
    """
    kind = pd.api.types.infer_dtype(labels, skipna=False)
    if kind == "string":
        stem = "new"
        while labels.str.startswith(stem).any():
            stem = f"_{stem}"
        words = [f"{stem}{i}" for i in range(n_new)]
        return labels.append(pd.Index(words, dtype=labels.dtype, name=labels.name))
    if kind not in ("integer", "floating"):
        raise ValueError(
            f"labels must be numbers or words for new nodes to get some of their kind; got {kind} "
            f"(such as {labels.tolist()[0]!r}). Build the graph with labels of those types."
        )
    largest = labels.max()
    more = pd.Index(largest + np.arange(1, n_new + 1), name=labels.name).astype(labels.dtype)
    # Beyond the range of the type they wrap around, or are rounded to each other.
    if not (more[0] > largest and more.is_monotonic_increasing and more.is_unique):
        raise ValueError(
            f"labels of dtype {labels.dtype.name} have no room for {n_new} more after {largest}. "
            f"Build the graph with labels of a larger type."
        )
    return labels.append(more)


def locate(
    labels: ArrayLike | pd.Index | pd.Series, known: pd.Index, *, name: str
) -> NDArray[np.intp]:
    """Return the positions of ``labels`` in ``known``, or raise; see ``Graph.locate``."""
    wanted = plain_index(labels, name=name.rstrip(","))
    if wanted.hasnans:
        raise ValueError(
            f"{name} must name a node in every row; row {int(wanted.isna().argmax())} is "
            f"missing, one of {int(wanted.isna().sum())}. Drop such rows."
        )
    _check_kind(name, wanted, known)
    rows = known.get_indexer(wanted)
    unknown = wanted[rows < 0].unique().tolist()
    if unknown:
        near = ", ".join(repr(label) for label in _nearest_labels(unknown[0], known))
        raise ValueError(
            f"{name} must name nodes of the graph; {unknown[0]!r} is not one"
            + (f", nor are {len(unknown) - 1} others" if len(unknown) > 1 else "")
            + (f". Near it: {near}." if near else ".")
        )
    return rows


def plain_index(labels: ArrayLike | pd.Index | pd.Series, *, name: str) -> pd.Index:
    """Return labels in any one-dimensional container as an Index, categories as their values."""
    if isinstance(labels, pd.Series):
        labels = labels.array
    elif isinstance(labels, pd.DataFrame | str) or not hasattr(labels, "__iter__"):
        raise TypeError(
            f"{name} must be a list, array, Series or Index; got {type(labels).__name__}."
        )
    elif not isinstance(labels, pd.Index) and not hasattr(labels, "dtype"):
        labels = list(labels)  # type: ignore[arg-type]
    if getattr(labels, "ndim", 1) != 1:
        raise ValueError(f"{name} must have one dimension; got {labels.ndim}.")  # type: ignore[union-attr]
    index = labels if isinstance(labels, pd.Index) else pd.Index(labels, tupleize_cols=False)
    if index.dtype == object:
        _check_hashable(index, name=name)
    if isinstance(index, pd.CategoricalIndex):
        # A category is compared by its value.
        index = index.astype(index.categories.dtype)
    return index


def _check_hashable(index: pd.Index, *, name: str) -> None:
    for row, label in enumerate(index):
        try:
            hash(label)
        except TypeError as error:
            raise TypeError(
                f"{name} must hold words, numbers or other values that can be looked up; got "
                f"{label!r} of type {type(label).__name__} in row {row}."
            ) from error


def _check_kind(name: str, wanted: pd.Index, labels: pd.Index) -> None:
    got, kept = (pd.api.types.infer_dtype(index, skipna=False) for index in (wanted, labels))
    if got == kept or len(wanted) == 0 or any(kind.startswith("mixed") for kind in (got, kept)):
        return
    forgotten = ""
    if got == "string" and labels.equals(pd.RangeIndex(len(labels))):
        forgotten = " Nodes have numbers: was labels= forgotten where the graph was built?"
    raise ValueError(
        f"{name} must hold labels of the graph's kind, {kept} (such as {labels.tolist()[0]!r}); "
        f"got {got} (such as {wanted.tolist()[0]!r}). Nothing is converted "
        f"silently{_conversion(wanted, labels)}.{forgotten}"
    )


def _conversion(wanted: pd.Index, labels: pd.Index) -> str:
    """Say how labels become ones of the graph's kind, where they can."""
    got, kept = (pd.api.types.infer_dtype(index, skipna=False) for index in (wanted, labels))
    remedy = f".astype({labels.dtype.name!r})"
    if (got, kept) == ("integer", "string"):
        lengths = labels.str.len()
        padded = lengths.min() == lengths.max() and labels.str.isdigit().all()
        remedy = ".astype(str)" + (f".str.zfill({lengths.min()})" if padded else "")
    elif not {got, kept} <= {"string", "integer", "floating", "boolean"}:
        return ""
    try:
        wanted.astype(labels.dtype)
    except (TypeError, ValueError):
        return ""
    return f": use {remedy} on the column"


def _nearest_labels(label: Hashable, labels: pd.Index) -> Sequence[Hashable]:
    if isinstance(label, str):
        return difflib.get_close_matches(label, [str(known) for known in labels], n=3)
    if pd.api.types.is_numeric_dtype(labels.dtype) and isinstance(label, Real):
        distance = np.abs(labels.to_numpy(dtype=np.float64) - float(label))
        order = np.argsort(distance, kind="stable")[:3]
        return labels[order].tolist()
    return []
