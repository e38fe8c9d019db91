"""Alignment: one graph's spectral coordinates in the frame of another's.

Eigenvectors have no sign of their own, and those of near eigenvalues turn into each other
when the graph changes a little. A model trained on the coordinates of one graph reads
those of another only after both are undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skginr._core import check_points, positive
from skginr.graphs import positions_in, same_kind
from skginr.spectral._embedder import SpectralEmbedder, frame_of
from skginr.spectral._embedding import Frame

# A cut after component i is made where the first i of both graphs span one space but for
# so much: the squared sines of the angles between the two spaces, summed. It takes at
# most so much of its variance from a component: between two cuts a correlation of .95 is left.
_MAX_LEAK = 0.05
# A coordinate travels if it has this correlation on nodes that the map has not seen.
_TRAVELS = 0.9
_FOLDS = 10


@dataclass(frozen=True, eq=False, repr=False)
class Alignment:
    """The map from the coordinates of graph b to those of graph a; see :func:`align`.

    Attributes
    ----------
    matrix : ndarray of shape (k, k)
        Coordinates of b times ``matrix`` are coordinates in a's frame. Orthogonal, but for the
        scale of coordinates, and zero between clusters.
    clusters : ndarray of int of shape (k,)
        Number of the cluster of each component: consecutive ones that were turned
        together.
    quality : ndarray of shape (k,)
        Correlation of each coordinate of a with the mapped one, on shared nodes held out
        from the fit of the map: 1 where it travels perfectly, about 0 where not at all.
    n_components : int
        How many coordinates travel, so that a model of a can read them: the first of quality .9 or
        more, up to a gap between eigenvalues of a.

    Raises
    ------
    ValueError
        By :meth:`transform`, if no coordinate travels or too few are given.

    See Also
    --------
    align : Makes an alignment of two fitted embedders.
    SpectralEmbedder : Its ``transform``, fitted to graph b, gives the coordinates to map.

    Examples
    --------
    >>> import numpy as np
    >>> flip = np.array([[-1.0]])
    >>> alignment = Alignment(flip, clusters=np.array([0]), quality=np.ones(1), n_components=1)
    >>> alignment
    <Alignment: 1 of 1 components travel, 1 cluster, median quality 1.000>
    >>> alignment.transform([[2.0], [3.0]])
    array([[-2.],
           [-3.]])
    """

    matrix: NDArray[np.float64]
    clusters: NDArray[np.intp]
    quality: NDArray[np.float64]
    n_components: int

    def transform(self, coordinates: ArrayLike | pd.DataFrame) -> NDArray[np.float64]:
        """Return coordinates of b in a's frame, those that travel.

        Parameters
        ----------
        coordinates : array-like of shape (n_rows, at least k)
            What b's ``transform`` returned; columns after the first k are not used.

        Returns
        -------
        ndarray of shape (n_rows, n_components)
            To be read by a model of the first ``n_components`` coordinates of a.

        Examples
        --------
        >>> import numpy as np
        >>> flip = np.array([[-1.0]])
        >>> alignment = Alignment(flip, clusters=np.array([0]), quality=np.ones(1), n_components=1)
        >>> alignment.transform([[2.0]])
        array([[-2.]])
        """
        array = check_points("coordinates", coordinates)
        k = len(self.matrix)
        if array.shape[1] < k:
            raise ValueError(
                f"coordinates must have the {k} columns of b that were aligned; "
                f"got {array.shape[1]}. Give what b.transform returned."
            )
        if self.n_components == 0:
            worst = int(np.argmax(self.quality < _TRAVELS))
            tied = ", and those before have the same eigenvalue" if worst else ""
            raise ValueError(
                f"no coordinate of b travels to a: number {worst + 1} has quality "
                f"{self.quality[worst]:.2f}, less than {_TRAVELS}{tied}. Check that shared pairs "
                f"the same nodes, and that the two graphs are alike."
            )
        return array[:, :k] @ self.matrix[:, : self.n_components]

    def __repr__(self) -> str:
        n_clusters = int(self.clusters[-1]) + 1
        return (
            f"<Alignment: {self.n_components} of {len(self.matrix)} components travel, "
            f"{n_clusters} cluster{'' if n_clusters == 1 else 's'}, "
            f"median quality {np.median(self.quality):.3f}>"
        )


def align(
    a: SpectralEmbedder,
    b: SpectralEmbedder,
    *,
    shared: pd.DataFrame | ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
) -> Alignment:
    """Return the map that brings b's coordinates into a's frame.

    A model trained on coordinates of a then reads those of b. The map is the orthogonal one that
    fits the shared nodes best (Procrustes), found separately for each cluster of components that
    mix only with each other. Clusters are found from the data: a rotation of all components shows
    how much of the first i goes into later ones; where that is nearly nothing, a cluster ends.

    Parameters
    ----------
    a, b : SpectralEmbedder
        Fitted with ``graph=``, with the same ``method`` and its parameters: ``laplacian``, or
        ``alpha`` and ``diffusion_time``. The first k
        coordinates are aligned, k the smaller ``n_components_`` of the two; indicators of
        connected components are not coordinates.
    shared : DataFrame or array of shape (n_shared, 2), or tuple of two, optional
        Corresponding nodes: labels in a, and in b. Default: the labels that both
        graphs have, which must then name the same nodes.

    Returns
    -------
    Alignment
        With ``transform``, and the quality of every coordinate.

    Raises
    ------
    TypeError
        If a or b is not a SpectralEmbedder.
    ValueError
        If a or b is not fitted (a ``NotFittedError``) or has no graph, their methods
        differ, one has no coordinates, a label is unknown, or fewer than k distinct nodes are
        shared.

    See Also
    --------
    Alignment : What is returned.
    refine_model : For a finer graph that holds all nodes of the other.
    SpectralEmbedder.extend : For a graph that has grown and keeps its edges.
    MultiGraphEmbedder : For several graphs in one model, without a common frame.

    Notes
    -----
    The last coordinates mix with some beyond k, which are not there, and so do not travel. Fit
    both embedders with more components than are needed: on a mesh that lost a fifth of its
    vertices, 30 more raised the lowest quality of the first 100 from .52 to .96.

    Quality is measured on held-out nodes, because a rotation of k components fits any k nodes.
    Several times k shared nodes make a good map; nothing is known of regions where no node is
    shared.

    References
    ----------
    P. H. Schönemann, "A generalized solution of the orthogonal Procrustes problem",
    Psychometrika 31, 1966.

    M. Ovsjanikov et al., "Functional maps: a flexible representation of maps between
    shapes", ACM Transactions on Graphics 31, 2012.

    Examples
    --------
    A network of roads, and the same after 20 of 400 junctions closed:

    >>> import networkx as nx
    >>> from skginr import Graph, SpectralEmbedder, align
    >>> roads = nx.random_geometric_graph(400, 0.12, seed=1)
    >>> before, after = Graph.from_networkx(roads), Graph.from_networkx(roads.subgraph(range(380)))
    >>> a = SpectralEmbedder(30, graph=before).fit([[0]])
    >>> b = SpectralEmbedder(30, graph=after).fit([[0]])
    >>> alignment = align(a, b)
    >>> alignment
    <Alignment: ...>
    >>> moved = alignment.transform(b.transform([[7], [8]]))
    """
    frame_a, frame_b = _checked_frame("a", a), _checked_frame("b", b)
    _check_alike(frame_a, frame_b)
    labels_a, labels_b = _shared_labels(a, b, shared)
    nodes_a = a.graph_.locate(labels_a, name="shared, its labels in a,")
    nodes_b = b.graph_.locate(labels_b, name="shared, its labels in b,")
    k = min(a.n_components_, b.n_components_)
    if k == 0:
        raise ValueError(
            f"a and b must have coordinates to align; they have {a.n_components_} and "
            f"{b.n_components_}. A graph without edges has none."
        )
    _check_pairs(nodes_a, nodes_b, k)
    # Eigenvectors, which turn into each other; how wide coordinates are is put back at the end.
    wide_a, wide_b = frame_a.width[:k], frame_b.width[:k]
    target, source = a.embedding_[nodes_a, :k] / wide_a, b.embedding_[nodes_b, :k] / wide_b
    rotation, clusters = _fit(source.T @ target)
    quality = _held_out_quality(source, target)
    matrix = rotation / wide_b[:, None] * wide_a
    for array in (matrix, clusters, quality):
        array.flags.writeable = False
    n_travelling = _n_travelling(quality, frame_a.cuts_eigenspace)
    return Alignment(matrix, clusters, quality, n_travelling)


def _fit(product: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the map and the clusters that follow from ``source.T @ target``."""
    clusters = _clusters(_nearest_rotation(product))
    matrix = np.zeros_like(product)
    for cluster in range(clusters[-1] + 1):
        block = np.ix_(clusters == cluster, clusters == cluster)
        matrix[block] = _nearest_rotation(product[block])
    return matrix, clusters


def _nearest_rotation(product: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the orthogonal Q for which ``source @ Q`` is nearest to ``target``."""
    left, _, right = np.linalg.svd(product)
    return left @ right


def _clusters(rotation: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the cluster of each component: the smallest ones that the rotation keeps apart.

    The rotation is asked and not the product it comes from: on a sample of nodes any two
    coordinates are a little correlated, those of one graph too, but the rotation between
    equal graphs is the identity all the same.
    """
    staying = (rotation**2).cumsum(axis=0).cumsum(axis=1).diagonal()
    leak = np.arange(1, len(rotation) + 1) - staying
    return np.cumsum(np.append(False, leak[:-1] <= _MAX_LEAK))


def _held_out_quality(
    source: NDArray[np.float64], target: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the correlation of every target with what a map fitted on other rows makes."""
    product = source.T @ target
    folds = np.random.default_rng(0).permutation(len(source)) % _FOLDS
    mapped = np.empty_like(target)
    for fold in range(_FOLDS):
        rows = folds == fold
        matrix, _ = _fit(product - source[rows].T @ target[rows])
        mapped[rows] = source[rows] @ matrix
    return _correlation(mapped, target)


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlation of each pair of columns, 0 where one is constant."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return (x * y).sum(axis=0) / positive(np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0)))


def _n_travelling(quality: NDArray[np.float64], cuts: NDArray[np.bool_]) -> int:
    """Return how many of the first coordinates travel, cutting no eigenspace."""
    n = int(np.argmin(np.append(quality >= _TRAVELS, False)))
    while 0 < n < len(cuts) and cuts[n - 1]:
        n -= 1
    return n


def _checked_frame(name: str, embedder: Any) -> Frame:
    if not isinstance(embedder, SpectralEmbedder):
        raise TypeError(
            f"{name} must be a fitted SpectralEmbedder; got {type(embedder).__name__}. Of a "
            f"Pipeline, give the step."
        )
    check_is_fitted(embedder, msg=f"{name} must be fitted; this %(name)s is not. Call fit first.")
    frame = frame_of(embedder)
    if not frame.has_labels:
        raise ValueError(
            f"{name} must hold a graph, whose labels say which nodes are shared; got graph=None. "
            f"Build one with Graph.from_points(...) and fit SpectralEmbedder(graph=...)."
        )
    return frame


def _check_alike(a: Frame, b: Frame) -> None:
    for name, of_a in a.parameters.items():
        of_b = b.parameters.get(name)
        if of_a != of_b:
            raise ValueError(
                f"a and b must have the same {name}; got {of_a!r} and {of_b!r}. Coordinates of "
                f"different kinds have no common frame: fit one of them again."
            )


def _check_pairs(nodes_a: NDArray[np.intp], nodes_b: NDArray[np.intp], k: int) -> None:
    if len(nodes_a) != len(nodes_b):
        raise ValueError(
            f"shared must pair labels in a with as many in b; got {len(nodes_a)} and "
            f"{len(nodes_b)}."
        )
    n_shared = min(len(np.unique(nodes_a)), len(np.unique(nodes_b)))
    if n_shared < k:
        raise ValueError(
            f"shared must pair at least {k} distinct nodes, as many as there are components to "
            f"align; got {n_shared}. Name corresponding nodes with shared=(labels in a, labels in "
            f"b), or fit a or b with fewer n_components."
        )


def _shared_labels(a: SpectralEmbedder, b: SpectralEmbedder, shared: Any) -> tuple[Any, Any]:
    """Return the labels in a and those in b, one each per shared node."""
    if shared is None:
        labels, others = a.graph_.labels, b.graph_.labels
        common = labels[:0]
        if same_kind(labels, others):
            common = labels[positions_in(labels, others) >= 0]
        return common, common
    if isinstance(shared, tuple) and len(shared) == 2:
        return shared
    if isinstance(shared, np.ma.MaskedArray):
        raise ValueError("shared must not be a masked array; drop masked rows.")
    if not isinstance(shared, pd.DataFrame):
        try:
            shared = np.asarray(shared)
        except ValueError as error:
            raise ValueError(f"shared must have rows of one length, 2; {error}.") from error
    if shared.ndim != 2 or shared.shape[1] != 2:
        raise ValueError(
            f"shared must have two columns, labels in a and labels in b, or be a tuple of the "
            f"two; got shape {shared.shape}."
        )
    columns = pd.DataFrame(shared)
    return columns.iloc[:, 0], columns.iloc[:, 1]
