"""Node labels: what they may be, and finding nodes by them."""

import difflib
from collections.abc import Callable, Hashable, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from skginr._core import is_geometry

# Beyond, whole numbers are no longer all floats: ids that were floats once are other ids.
_EXACT_FLOATS = 2**53


def check_labels(
    labels: ArrayLike | pd.Index | None, n_nodes: int, *, name: str = "labels"
) -> pd.Index:
    """Return ``labels`` as an Index of ``n_nodes`` distinct values; numbers by default."""
    if labels is None:
        return pd.RangeIndex(n_nodes, name="node")
    index = plain_index(labels, name=name)
    if isinstance(index, pd.MultiIndex):
        raise ValueError(
            f"{name} must be one value per node; got a MultiIndex of {index.nlevels} levels. "
            f"Join them into one column first."
        )
    if len(index) != n_nodes:
        raise ValueError(f"{name} must have one entry per node, {n_nodes}; got {len(index)}.")
    if index.hasnans:
        raise ValueError(
            f"{name} must not be missing; {int(index.isna().sum())} are, the first is at "
            f"position {int(index.isna().argmax())}."
        )
    if not index.is_unique:
        repeated = index[index.duplicated()].unique()
        raise ValueError(
            f"{name} must be distinct; {repeated.tolist()[0]!r} is repeated"
            + (f", and so are {len(repeated) - 1} others" if len(repeated) > 1 else "")
            + ". Drop or merge the duplicate nodes."
        )
    # Whoever gave them may write to their memory.
    return index.copy(deep=True)


def grow_labels(labels: pd.Index, n_new: int) -> pd.Index:
    """Return ``labels`` and ``n_new`` more of the same type, which no node has.

    Numbers go on after the largest; words are ``"new0"``, ``"new1"``, ..., with more in front
    where a label begins so.

    Raises
    ------
    ValueError
        If the labels are neither numbers nor words, or their type has no room for more.
    """
    kind = kind_of(labels)
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
    # Python's numbers: NumPy makes floats of whole ones without a sign beside those with one.
    largest = labels[[labels.argmax()]].tolist()[0]
    try:
        more = pd.Index([largest + i for i in range(1, n_new + 1)], dtype=labels.dtype)
    except (OverflowError, TypeError, ValueError):
        more = labels[:0]
    # Floats beyond the range of exact ones are rounded to each other.
    if not (len(more) and more[0] > largest and more.is_monotonic_increasing and more.is_unique):
        raise ValueError(
            f"labels of dtype {labels.dtype.name} have no room for {n_new} more after {largest}. "
            f"Build the graph with labels of a larger type."
        )
    return labels.append(more.rename(labels.name))


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
    rows = positions_in(wanted, known)
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
        return _values_of(index)
    return index


def _values_of(index: pd.CategoricalIndex) -> pd.Index:
    """Return categories as their values, by which they are compared."""
    codes, values = index.codes, index.categories
    if (codes >= 0).all():
        return values.take(codes).rename(index.name)
    # Numbers beside what is missing would be floats.
    values = values.astype(object)
    return values.take(codes, allow_fill=True, fill_value=np.nan).rename(index.name)


def _check_hashable(index: pd.Index, *, name: str) -> None:
    for row, label in enumerate(index):
        try:
            hash(label)
        except TypeError as error:
            raise TypeError(
                f"{name} must hold words, numbers or other values that can be looked up; got "
                f"{label!r} of type {type(label).__name__} in row {row}."
            ) from error


def kind_of(index: pd.Index) -> str:
    """Return what an Index holds: "integer", "string", "floating", "mixed" and so on."""
    return pd.api.types.infer_dtype(index, skipna=False)


def same_kind(first: pd.Index, second: pd.Index) -> bool:
    """Say whether labels can be compared; those of a mixed Index with all."""
    kinds = kind_of(first), kind_of(second)
    mixed = any(kind.startswith("mixed") for kind in kinds)
    return kinds[0] == kinds[1] or mixed or 0 in (len(first), len(second))


def positions_in(labels: pd.Index, known: pd.Index) -> NDArray[np.intp]:
    """Return where each label is in ``known``, -1 where it is not: exactly, never as floats.

    Parameters
    ----------
    labels : pandas.Index
    known : pandas.Index
        Distinct.

    Returns
    -------
    ndarray of int of shape (n_labels,)
    """
    if labels.dtype == known.dtype:
        return known.get_indexer(labels)
    labels, known = _whole_numbers(labels), _whole_numbers(known)
    if all(
        isinstance(index.dtype, np.dtype) and index.dtype.kind in "iu" for index in (labels, known)
    ):
        # Of numbers with a sign and without one pandas makes floats, many alike beyond 2**53.
        values = labels.to_numpy()
        as_known = values.astype(known.dtype)
        survived = (as_known < 0) == (values < 0)
        return np.where(survived, known.get_indexer(pd.Index(as_known)), -1)
    return known.astype(object).get_indexer(labels.astype(object))


def join_labels(first: pd.Index, second: pd.Index) -> pd.Index:
    """Return the labels of two columns as one, whole numbers of any two types as they are."""
    if first.dtype != second.dtype and kind_of(first) == kind_of(second) == "integer":
        first, second = _whole_numbers(first), _whole_numbers(second)
        if first.dtype != second.dtype:
            return pd.Index(first.tolist() + second.tolist(), tupleize_cols=False)
    return first.append(second)


def _whole_numbers(index: pd.Index) -> pd.Index:
    """Return whole numbers of any type as int64 or uint64, and other labels as they are."""
    if index.hasnans or kind_of(index) != "integer":
        return index
    # Objects find a type of their own, which is object again where no other holds them all.
    index = pd.Index(index.tolist()) if index.dtype == object else index
    kind = index.to_numpy().dtype.kind
    return index.astype("int64" if kind == "i" else "uint64") if kind in "iu" else index


def rows_of(
    index: pd.Index, labels: pd.Index, *, name: str, order: str = "graph.labels"
) -> NDArray[np.intp]:
    """Return the row of each label in something that has an index, so that none is ignored.

    By label where the index holds them all, and in their order where it only counts rows.

    Parameters
    ----------
    index : pandas.Index
    labels : pandas.Index
    name, order : str
        What has the index, and what the labels are, for errors.

    Returns
    -------
    ndarray of int of shape (n_labels,)

    Raises
    ------
    ValueError
        If the index does neither, or may do both and they differ.
    """
    if index.dtype == labels.dtype and index.equals(labels):
        return np.arange(len(labels))
    counts = isinstance(index, pd.RangeIndex) and index.equals(pd.RangeIndex(len(labels)))
    rows, problem = _rows_by_label(plain_index(index.to_flat_index(), name="index"), labels, name)
    in_order = f"If rows are in the order of {order}, give {name}.set_axis({order})"
    if len(index) != len(labels):
        in_order = f"There are {len(labels)} nodes and {len(index)} rows"
    if counts and problem is None:
        raise ValueError(
            f"{name} has an index 0, 1, 2, ... that may be labels or may only count rows, which "
            f"are in another order. {in_order}; if it holds labels, {name}.loc[{order}]."
        )
    if counts or problem is None:
        return np.arange(len(labels)) if counts else rows
    raise ValueError(
        f"{name} must have a row for every node, by label or in their order; {problem}. {in_order}."
    )


def beside(name: str, values: Any, reference: Any, *, of: str) -> Any:
    """Return values in the order of rows that they are given beside, where both have an index.

    ``of`` is what the rows are called.
    """
    indexed = isinstance(reference, pd.Series | pd.DataFrame)
    if not indexed or not isinstance(values, pd.Series):
        return values
    return values.iloc[rows_of(values.index, reference.index, name=name, order=f"{of}.index")]


def _rows_by_label(
    index: pd.Index, labels: pd.Index, name: str
) -> tuple[NDArray[np.intp], str | None]:
    """Return the row of each label, and what is wrong where there is not one for each."""
    none = np.full(len(labels), -1)
    if not index.is_unique:
        return none, f"its index repeats {index[index.duplicated()].tolist()[0]!r}"
    if not same_kind(index, labels):
        return none, difference(index, labels, name=name)
    rows = positions_in(labels, index)
    absent = labels[rows < 0]
    if len(absent) == 0:
        return rows, None
    return none, f"its index has none for {absent.tolist()[0]!r}, one of {len(absent)}"


def difference(index: pd.Index, labels: pd.Index, *, name: str) -> str:
    """Say how an index differs in kind from labels, and what would convert it."""
    code = conversion(index, labels)
    return (
        f"its index holds {kind_of(index)} (such as {index.tolist()[0]!r}) and labels are "
        f"{kind_of(labels)} (such as {labels.tolist()[0]!r})"
        + (f": {name}.index = {name}.index{code} makes it hold them" if code else "")
    )


def _check_kind(name: str, wanted: pd.Index, labels: pd.Index) -> None:
    if same_kind(wanted, labels):
        return
    got, kept = kind_of(wanted), kind_of(labels)
    code = conversion(wanted, labels)
    advice = f": use {code} on the column" if code else ""
    reason = ""
    if got == "string" and labels.equals(pd.RangeIndex(len(labels))):
        reason = " Nodes have numbers: was labels= forgotten where the graph was built?"
    if (got, kept) == ("floating", "integer") and is_rounded(wanted):
        reason = " As floats, numbers of this size are rounded: read the column as whole numbers."
    if is_geometry(wanted.tolist()[0]):
        raise ValueError(
            f"{name} must hold labels of the graph's kind, {kept} (such as {labels.tolist()[0]!r});"
            f" got geometries. Select the column that names them, table[['label']], which "
            f"Graph.from_geodataframe(gdf, labels='label') was given."
        )
    raise ValueError(
        f"{name} must hold labels of the graph's kind, {kept} (such as {labels.tolist()[0]!r}); "
        f"got {got} (such as {wanted.tolist()[0]!r}). Nothing is converted "
        f"silently{advice}.{reason}"
    )


def is_rounded(numbers: pd.Index | pd.Series) -> bool:
    """Say whether floats are so large that whole numbers among them may have been others."""
    return bool(np.abs(numbers.to_numpy(dtype=np.float64)).max() >= _EXACT_FLOATS)


def conversion(wanted: pd.Index, labels: pd.Index) -> str:
    """Return code that makes labels of another kind ones that the graph has, if any does.

    It is to be written after a column or index: ``.astype('int64')``.
    """
    got, kept = kind_of(wanted), kind_of(labels)
    if got == kept or not {got, kept} <= {"string", "integer", "floating", "boolean"}:
        return ""
    sample = wanted[:1000]
    whole = got == "floating" and bool((sample == sample.to_numpy(dtype=np.float64).round()).all())
    if got == "floating" and (is_rounded(sample) or (kept == "integer" and not whole)):
        return ""
    steps: list[tuple[str, Callable[[pd.Index], pd.Index]]] = []
    if kept == "string":
        lengths = labels.str.len()
        width = int(lengths.min())
        if whole:
            steps.append((".astype('int64')", lambda index: index.astype("int64")))
        steps.append((".astype(str)", lambda index: index.astype(str)))
        if width == lengths.max() and labels.str.isdigit().all():
            steps.append((f".str.zfill({width})", lambda index: index.str.zfill(width)))
    else:
        name = labels.dtype.name
        steps.append((f".astype({name!r})", lambda index: index.astype(labels.dtype)))
    try:
        for _, convert in steps:
            sample = convert(sample)
    except (TypeError, ValueError, OverflowError):
        return ""
    found = (positions_in(sample, labels) >= 0).any()
    return "".join(code for code, _ in steps) if found else ""


def _nearest_labels(label: Hashable, labels: pd.Index) -> Sequence[Hashable]:
    if isinstance(label, str):
        return difflib.get_close_matches(label, [str(known) for known in labels], n=3)
    if pd.api.types.is_numeric_dtype(labels.dtype) and isinstance(label, Real):
        distance = np.abs(labels.to_numpy(dtype=np.float64) - float(label))
        order = np.argsort(distance, kind="stable")[:3]
        return labels[order].tolist()
    return []
