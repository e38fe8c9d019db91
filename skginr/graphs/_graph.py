"""The graph: one immutable value that every other part of the library takes."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from skginr._core import (
    check_count,
    check_fits,
    check_flag,
    check_frame,
    check_numeric,
    check_option,
    check_points,
    check_real,
    warn,
)
from skginr.graphs._adjacency import (
    adjacency_from_edges,
    adjacency_from_faces,
    adjacency_from_libpysal,
    adjacency_from_networkx,
    adjacency_from_pairs,
    array_digest,
    clean_adjacency,
    components_by_size,
    positions_from_networkx,
    with_own_indices,
)
from skginr.graphs._faces import (
    Polygons,
    check_distinct,
    face_graph,
    merged_vertices,
    mesh_parts,
    read_faces,
    triangulate,
)
from skginr.graphs._labels import (
    beside,
    check_labels,
    conversion,
    difference,
    grow_labels,
    kind_of,
    locate,
    plain_index,
    positions_in,
    rows_of,
    same_kind,
)
from skginr.graphs._mesh import (
    are_repeated,
    check_faces,
    distinct_faces,
    subdivide,
    vertex_areas,
)
from skginr.graphs._points import (
    NeighborKernel,
    delaunay_pairs,
    nearest_neighbor_pairs,
    warn_of_degrees,
)
from skginr.graphs._polygons import (
    check_geometry,
    check_metric,
    contiguity_pairs,
    full_circle,
    heights_of,
    inner_points,
    shapes_of,
)
from skginr.graphs._shared import graph_named, name_of_shared
from skginr.graphs._sphere import sphere_faces, sphere_points

if TYPE_CHECKING:
    import geopandas

# What a graph is made of; the rest follows.
_PARTS = (
    *["_adjacency", "_labels", "_positions", "_faces", "_edge_lengths", "_node_areas"],
    *["_attributes", "_source"],
)
# Nodes whose edges are measured at a time.
_CHUNK = 200_000
# Bytes that building takes at its peak, as measured on a million nodes and on ten: of points, for
# each coordinate and neighbour of each; of a mesh, for each face that has been read.
_PER_COORDINATE, _PER_NEIGHBOR = 24, 26
_PER_FACE = {"vertices": 90, "faces": 150}
# Sources of graphs of points whose edges fade out with distance, and of those whose do not.
_FADED, _WHOLE = "points by", "points and their"


class Graph:
    """Labelled nodes joined by weighted, undirected edges; an immutable value.

    Build one with a ``Graph.from_*`` method, which checks and cleans what it is
    given; the constructor takes the parts as they are kept. Edge weights are
    similarities, so zero means no edge. Asymmetric, negative and non-finite
    weights are refused; self-loops are dropped with a warning. Nodes without
    an edge are allowed, and stay.

    Parameters
    ----------
    adjacency : sparse array of shape (n_nodes, n_nodes)
        Symmetric, non-negative weights.
    labels : pandas.Index of length n_nodes, optional
        One distinct name per node, which tables refer to. Default 0, 1, 2, ...
    edge_lengths : sparse array of shape (n_nodes, n_nodes), optional
        Positive and symmetric, one for each edge. Default: distances between positions, else 1 for
        every edge. Weights are never used as lengths: they are similarities.
    positions : array-like of shape (n_nodes, n_dimensions), optional
        Where the nodes are, in any unit. If this has an index (areas and attributes too), rows are
        matched by label where the index holds the labels, and taken in order where it only counts
        rows.
    faces : array-like of int of shape (n_faces, 3), optional
        Triangles of a mesh, as row numbers of ``positions``.
    node_areas : array-like of shape (n_nodes,), optional
        Non-negative. Default: a third of the faces around each node, else None.
    attributes : pandas.DataFrame of length n_nodes, optional
        Covariates of the nodes, never the signal to be learned.
    source : str, default "adjacency"
        Where the graph came from, for its ``repr``.

    See Also
    --------
    SpectralEmbedder : Coordinates of the nodes, for any regressor of scikit-learn.
    CorrectedSmoother : Predicts a signal at nodes where it was not observed; the model to try
        first.
    GraphBlockKFold : Folds that hold out whole regions of the graph.
    skginr.plotting.plot_signal : Draws a signal on the graph.

    Examples
    --------
    >>> import pandas as pd
    >>> from skginr import Graph
    >>> roads = pd.DataFrame({"a": ["x", "y"], "b": ["y", "z"], "lanes": [2.0, 1.0]})
    >>> graph = Graph.from_edges(roads, "a", "b", weight="lanes")
    >>> graph
    <Graph: 3 nodes, 2 edges, 1 component, from an edge table>
    >>> graph.adjacency.toarray()
    array([[0., 2., 0.],
           [2., 0., 1.],
           [0., 1., 0.]])
    """

    def __init__(
        self,
        adjacency: ArrayLike | sp.sparray | sp.spmatrix,
        *,
        labels: ArrayLike | pd.Index | None = None,
        edge_lengths: sp.sparray | None = None,
        positions: ArrayLike | None = None,
        faces: ArrayLike | None = None,
        node_areas: ArrayLike | None = None,
        attributes: pd.DataFrame | None = None,
        source: str = "adjacency",
    ) -> None:
        self._adjacency = clean_adjacency(adjacency)
        n = self._adjacency.shape[0]
        self._labels = check_labels(labels, n)
        positions = self._by_label("positions", positions)
        self._positions = None if positions is None else check_points("positions", positions)
        _check_rows("positions", self._positions, n)
        self._faces = None if faces is None else check_faces(faces, n)
        if faces is not None and positions is None:
            raise ValueError("faces need positions, the coordinates of the vertices; got None.")
        self._edge_lengths = _check_lengths(edge_lengths, self._adjacency)
        self._node_areas = _check_areas(self._by_label("node_areas", node_areas), n)
        if attributes is not None:
            check_frame("attributes", attributes)
        if attributes is not None and not attributes.columns.is_unique:
            repeated = attributes.columns[attributes.columns.duplicated()][0]
            raise ValueError(f"attributes must have distinct columns; {repeated!r} is repeated.")
        _check_rows("attributes", attributes, n)
        if attributes is not None:
            # A copy: whoever gave them may write to their memory.
            attributes = self._by_label("attributes", attributes).set_axis(self._labels).copy()
        self._attributes = attributes
        self._source = source
        self._freeze()

    @classmethod
    def _built(
        cls,
        adjacency: sp.csr_array,
        *,
        labels: pd.Index,
        positions: NDArray[np.float64],
        faces: NDArray[np.int64] | None = None,
        node_areas: NDArray[np.float64] | None = None,
        source: str,
    ) -> Self:
        """Return the graph of parts that a builder has checked or made, and gives away."""
        graph = cls.__new__(cls)
        graph._adjacency = with_own_indices(adjacency)
        graph._labels = labels
        graph._edge_lengths = None
        graph._positions = positions
        graph._faces = faces
        graph._node_areas = node_areas
        graph._attributes = None
        graph._source = source
        graph._freeze()
        return graph

    def _by_label(self, name: str, rows: Any) -> Any:
        """Return rows in the order of the labels, by their index where they have one."""
        if not isinstance(rows, pd.Series | pd.DataFrame):
            return rows
        return rows.iloc[rows_of(rows.index, self._labels, name=name)]

    def _freeze(self) -> None:
        for array in self._arrays():
            if array is not None:
                array.flags.writeable = False

    def _arrays(self) -> tuple[NDArray[Any] | None, ...]:
        """Return all arrays that the graph is made of, but for labels and attributes."""
        parts = self._adjacency
        given = (self._edge_lengths, self._positions, self._faces, self._node_areas)
        return (parts.data, parts.indices, parts.indptr, *given)

    @classmethod
    def from_adjacency(
        cls,
        adjacency: ArrayLike | sp.sparray | sp.spmatrix,
        labels: ArrayLike | pd.Index | None = None,
    ) -> Self:
        """Return the graph of a symmetric matrix of edge weights.

        Parameters
        ----------
        adjacency : sparse or dense array of shape (n_nodes, n_nodes), or DataFrame
            Non-negative similarities; zero means no edge.
        labels : array-like of length n_nodes, optional
            One distinct label per node. Default: the index of a DataFrame, else 0, 1, 2, ...

        Raises
        ------
        ValueError
            If the matrix is not square, not symmetric, negative or not finite, or the
            labels are missing, repeated or of another number.

        Examples
        --------
        >>> Graph.from_adjacency([[0, 1], [1, 0]], labels=["left", "right"])
        <Graph: 2 nodes, 1 edge, 1 component, from an adjacency matrix>
        """
        if isinstance(adjacency, pd.DataFrame):
            _check_same_nodes(adjacency)
            labels = adjacency.index if labels is None else labels
            adjacency = adjacency.to_numpy()
        return cls(adjacency, labels=labels, source="an adjacency matrix")

    @classmethod
    def from_edges(
        cls,
        frame: pd.DataFrame,
        source: Hashable,
        target: Hashable,
        weight: Hashable | None = None,
        length: Hashable | None = None,
        *,
        nodes: ArrayLike | pd.Index | pd.Series | None = None,
        combine: str | None = None,
    ) -> Self:
        """Return the graph of a table with a row per undirected edge.

        Nodes are the distinct values of the two columns, sorted. A pair listed more than once, in
        either direction, is one edge and must carry one weight, unless ``combine`` is given.

        Parameters
        ----------
        frame : pandas.DataFrame
            The edges.
        source, target : column names
            The labels of the two ends.
        weight : column name, optional
            Non-negative similarities; zero means no edge. Default: 1 for every edge.
        length : column name, optional
            Positive lengths, in any unit, for methods that measure distances.
        nodes : array-like of shape (n_nodes,), optional
            The labels of all nodes, also of those without an edge, in the order that you want.
        combine : {"max", "min", "sum", "mean"}, optional
            The weight of an edge that is listed with several weights, for example one for each
            direction. Its length is then the shortest.

        Raises
        ------
        TypeError
            If a weight or length is no number, as words, times and lists are not.
        ValueError
            If a column is unknown, a label is missing or not among ``nodes``, a weight or length is
            negative or not finite, or one edge is listed with different ones.

        Examples
        --------
        >>> flows = pd.DataFrame({"a": [1, 2], "b": [2, 1], "tons": [30.0, 10.0]})
        >>> graph = Graph.from_edges(flows, "a", "b", "tons", nodes=[1, 2, 3], combine="sum")
        >>> graph
        <Graph: 3 nodes, 1 edge, 2 components, from an edge table>
        >>> graph.adjacency[0, 1]
        np.float64(40.0)
        """
        adjacency, labels, lengths = adjacency_from_edges(
            frame, source, target, weight, length, nodes, combine
        )
        return cls(adjacency, labels=labels, edge_lengths=lengths, source="an edge table")

    @classmethod
    def from_networkx(
        cls,
        graph: Any,
        weight: str | None = "weight",
        length: str | None = None,
        position: str | tuple[str, str] | None = None,
        *,
        combine: str | None = None,
    ) -> Self:
        """Return the graph of a networkx graph, its nodes as labels.

        A graph of osmnx: ``Graph.from_networkx(streets, None, "length", ("x", "y"),
        combine="max")``.

        Parameters
        ----------
        graph : networkx.Graph
            Or a MultiGraph: weights of parallel edges are added, unless ``combine`` is given. A
            directed graph needs ``combine``.
        weight : str or None, default "weight"
            Edge attribute that holds the similarity. With the default, edges without a ``"weight"``
            weigh 1; any other attribute must be there for every edge. With None all edges weigh 1.
        length : str, optional
            Edge attribute that holds the length, in any unit, for methods that measure distances.
        position : str or pair of str, optional
            Node attribute that holds the coordinates, such as ``"pos"``, or two of them, such as
            ``("x", "y")``. Longitudes and latitudes, where ``graph.graph["crs"]`` says so, become
            points on the sphere in metres.
        combine : {"max", "min", "sum", "mean"}, optional
            The weight of an edge that is there in both directions, or several times; its length is
            then the shortest. Without ``combine`` such lengths must be the same.

        Raises
        ------
        TypeError
            If a weight or length is no number, as words, times and lists are not.
        ValueError
            If the graph is empty, or directed without ``combine``, a weight is negative or not
            finite, or an edge has no weight or length, or a node no position, that were named.
        ModuleNotFoundError
            If networkx is not installed.

        Examples
        --------
        >>> import networkx as nx
        >>> Graph.from_networkx(nx.cycle_graph(5))
        <Graph: 5 nodes, 5 edges, 1 component, from a networkx graph>
        """
        adjacency, labels, lengths = adjacency_from_networkx(graph, weight, length, combine)
        return cls(
            adjacency,
            labels=labels,
            edge_lengths=lengths,
            positions=None if position is None else positions_from_networkx(graph, position),
            source="a networkx graph",
        )

    @classmethod
    def from_libpysal(cls, weights: Any, *, combine: str | None = None) -> Self:
        """Return the graph of libpysal spatial weights, its ids as labels.

        Parameters
        ----------
        weights : libpysal.graph.Graph or libpysal.weights.W
            Symmetric, unless ``combine`` is given: row-standardised weights and k nearest
            neighbours are not.
        combine : {"max", "min", "sum", "mean"}, optional
            The weight of an edge whose two directions have different weights. An edge in one
            direction only keeps its weight.

        Raises
        ------
        TypeError
            If a weight is no number.
        ValueError
            If the weights are asymmetric without ``combine``, negative or not finite.
        ModuleNotFoundError
            If libpysal is not installed.

        Examples
        --------
        >>> from libpysal.weights import lat2W
        >>> Graph.from_libpysal(lat2W(3, 3))
        <Graph: 9 nodes, 12 edges, 1 component, from libpysal weights>
        """
        adjacency, labels = adjacency_from_libpysal(weights, combine)
        return cls(adjacency, labels=labels, source="libpysal weights")

    @classmethod
    def from_geodataframe(
        cls,
        gdf: geopandas.GeoDataFrame,
        labels: Hashable | None = None,
        method: str = "queen",
        n_neighbors: int = 8,
        tolerance: float | None = None,
    ) -> Self:
        """Return the neighbour graph of a map: areas or lines that touch, or points that are near.

        Edges weigh 1. ``positions`` is a point inside every geometry: in the units of
        the CRS, or on the sphere in metres where the CRS is longitude and latitude. There the 180th
        meridian is no border: cells on its two sides meet, and a cell that it cuts is one cell.

        Parameters
        ----------
        gdf : geopandas.GeoDataFrame
            A row per node.
        labels : column name, optional
            Column of distinct labels. Default: the index.
        method : {"queen", "rook", "knn", "delaunay"}, default "queen"
            Polygons that meet in a point (queen) or along a line (rook), overlaps
            included; lines that share a vertex of either (queen); or the nearest neighbours or
            Delaunay triangulation of the positions. Nearest neighbours of points with a z go by
            that too.
        n_neighbors : int, default 8
            Neighbours of each node with ``method="knn"``; an edge joins two nodes
            if either is among the other's nearest.
        tolerance : float, optional
            How far apart polygons may be that meet, in units of the coordinates. Default: a
            millionth of the size of the median polygon (the root of its area), which forgives
            errors of rounding. Outlines that were simplified one by one need more.

        Raises
        ------
        ValueError
            If a geometry is missing or invalid, longitudes or latitudes are none, a side may go
            either way around the globe, ``tolerance`` is negative, the labels are repeated,
            ``method`` does not suit the geometries, or it measures distances and the CRS is missing
            or unfit.

        Warns
        -----
        UserWarning
            If points have a z that ``method="delaunay"`` leaves out.

        Examples
        --------
        >>> import geopandas as gpd
        >>> from shapely.geometry import box
        >>> fields = gpd.GeoDataFrame(
        ...     {"field": ["a", "b", "c"]}, geometry=[box(i, 0, i + 1, 1) for i in range(3)]
        ... )
        >>> Graph.from_geodataframe(fields, labels="field")
        <Graph: 3 nodes, 2 edges, 1 component, from a GeoDataFrame by queen contiguity>
        """
        check_option("method", method, ("queen", "rook", "knn", "delaunay"))
        if tolerance is not None:
            check_real("tolerance", tolerance, minimum=0)
        check_geometry(gdf)
        if labels is not None and list(gdf.columns).count(_hashable(labels)) != 1:
            raise ValueError(
                f"labels must name one column of gdf, which has {list(gdf.columns)}; "
                f"got {labels!r}."
            )
        names = gdf.index if labels is None else gdf[labels]
        # Before the slow part: a wrong column should not cost a contiguity search.
        names = check_labels(names, len(gdf))
        shapes, circle = shapes_of(gdf), full_circle(gdf.crs)
        contiguous = method in ("queen", "rook")
        height = None if contiguous else heights_of(gdf, method)
        positions = inner_points(shapes, gdf.crs, height=height)
        if contiguous:
            rook = method == "rook"
            pairs = contiguity_pairs(shapes, rook=rook, tolerance=tolerance, circle=circle)
            how = f"{method} contiguity"
        else:
            check_metric(gdf, method)
            if method == "knn":
                _check_neighbors(n_neighbors, len(gdf))
                pairs = nearest_neighbor_pairs(positions, n_neighbors)
                how = f"{n_neighbors} nearest neighbours"
            else:
                pairs = delaunay_pairs(positions)
                how = "Delaunay triangulation"
        adjacency = adjacency_from_pairs(pairs, len(gdf))
        source = f"a GeoDataFrame by {how}"
        return cls(adjacency, labels=names, positions=positions, source=source)

    @classmethod
    def from_points(
        cls,
        points: ArrayLike,
        labels: ArrayLike | pd.Index | None = None,
        n_neighbors: int = 10,
        *,
        weighted: bool = True,
    ) -> Self:
        """Return the nearest-neighbour graph of points, near neighbours weighing more.

        The weight of an edge of length d is the mean of phi(d / r_i) and phi(d / r_j), with
        phi(t) = (1 - t**2)**2 for t < 1, else 0, and r the reach of a point: 1.05 times the
        distance to the first that is not among its nearest neighbours. There is no bandwidth to
        choose, and units do not matter; a point far from all others reaches no further than to the
        nearest of them. ``SpectralEmbedder(graph=None)`` uses the same.

        Parameters
        ----------
        points : array-like of shape (n_nodes, n_dimensions)
            Distinct coordinates or features, on comparable scales. Longitude and latitude are not:
            away from the equator a degree east is shorter than one north. Those go to
            ``from_geodataframe(gdf, method="knn")``.
        labels : array-like of length n_nodes, optional
            Default: the index of a DataFrame, else 0, 1, 2, ...
        n_neighbors : int, default 10
            Nearest neighbours of each point, near ties included; less than n_nodes.
        weighted : bool, default True
            With False, two points have an edge, of weight 1, if and only if one is among the
            ``n_neighbors`` nearest of the other. This is for methods that read no weights, such as
            Isomap and LLE: they would count in full the edges whose weights are near 0.

        Raises
        ------
        ValueError
            If a coordinate is not finite, two points coincide, or there are too few.
        MemoryError
            If it takes more memory than there is; before it is begun.

        Warns
        -----
        UserWarning
            If the columns are called latitude and longitude, or are a grid of them.

        Examples
        --------
        >>> import numpy as np
        >>> Graph.from_points(np.random.default_rng(0).random((100, 2)), n_neighbors=5)
        <Graph: 100 nodes, 390 edges, 1 component, from points by 5 nearest neighbours>
        """
        if type(points).__module__.partition(".")[0] == "geopandas":
            raise TypeError(
                f"points must be a table of coordinates; got {type(points).__name__}. Use "
                f"Graph.from_geodataframe(gdf, method='knn')."
            )
        if labels is None and isinstance(points, pd.DataFrame):
            labels = points.index
        labels = beside("labels", labels, points, of="points")
        warn_of_degrees("points", points)
        positions = check_points("points", points)
        _check_neighbors(n_neighbors, len(positions))
        check_flag("weighted", weighted)
        again = are_repeated(positions)
        if again.any():
            raise ValueError(
                f"points must be distinct; row {int(again.argmax())} repeats an earlier one, and "
                f"{int(again.sum())} rows do. Drop duplicates, or give "
                f"SpectralEmbedder the coordinates with graph=None: it merges them."
            )
        labels = check_labels(labels, len(positions))
        n_bytes = _PER_COORDINATE * positions.shape[1] + _PER_NEIGHBOR * n_neighbors
        check_fits(
            n_bytes * len(positions),
            f"A graph of {len(positions):,} points with {n_neighbors} neighbours each",
            "Take fewer neighbours, or some of the points.",
        )
        _, adjacency = NeighborKernel.with_adjacency(positions, n_neighbors, faded=weighted)
        source = f"{_FADED if weighted else _WHOLE} {n_neighbors} nearest neighbours"
        return cls._built(adjacency, labels=labels, positions=positions, source=source)

    @classmethod
    def from_mesh(
        cls,
        vertices: Any,
        faces: ArrayLike | None = None,
        labels: ArrayLike | pd.Index | None = None,
        *,
        on: str = "vertices",
        merge: bool | float | None = None,
    ) -> Self:
        """Return the graph of a mesh: its vertices, or its faces, joined by the sides of the faces.

        Edges weigh 1. A vertex in no face stays, as a node without edges.

        Parameters
        ----------
        vertices : array-like of shape (n_vertices, n_dimensions), or a mesh
            Coordinates; or a ``trimesh.Trimesh`` or ``meshio.Mesh``, which has faces too.
        faces : array-like of int of shape (n_faces, 3), optional
            Vertex numbers of each triangle, counted from 0. Rows of four are quadrilaterals, which
            are cut in two. With ``on="faces"``, rows have any number of corners, in the order
            around the face: lists, or a table padded with -1, NaN or masked entries, as of UGRID.
        labels : array-like of length n_nodes, optional
            Default: the index of ``vertices``, or of ``faces``, if it is a DataFrame, else 0, 1, 2,
            ..., its rows. Corners of faces are row numbers, whatever the labels are.
        on : {"vertices", "faces"}, default "vertices"
            Where the data are. Faces are neighbours if they have a side in common; ``positions``
            are then their centroids and ``node_areas`` their areas, and the graph has no faces
            itself.
        merge : bool or float, optional
            Whether vertices in one place become one node. Many files hold a vertex once for each
            face (STL), or once for each side of a seam of the texture, and the faces are then not
            joined there. True merges vertices in the same place, a number those within that
            distance; the first of them is the node, with its label. False leaves the mesh cut.
            Default: False, with a warning if vertices coincide.

        Raises
        ------
        TypeError
            If ``vertices`` is an object that is no mesh, or there are no faces.
        ValueError
            If a coordinate is not finite, a face is degenerate or names no vertex, or cells are
            neither triangles nor quadrilaterals where these are needed.
        MemoryError
            If it takes more memory than there is; before it is begun.

        Warns
        -----
        UserWarning
            If vertices of faces coincide and ``merge`` is not given, or faces are listed twice.

        Examples
        --------
        >>> square = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
        >>> graph = Graph.from_mesh(square, [[0, 1, 2], [0, 2, 3]])
        >>> graph
        <Graph: 4 nodes, 5 edges, 1 component, from a mesh of 2 faces>
        >>> graph.node_areas.round(3)
        array([0.333, 0.167, 0.333, 0.167])

        A triangle and a quadrilateral with a value each:

        >>> house = [[0, 0], [2, 0], [2, 2], [0, 2], [1, 3]]
        >>> Graph.from_mesh(house, [[0, 1, 2, 3], [2, 4, 3]], on="faces")
        <Graph: 2 nodes, 1 edge, 1 component, from the faces of a mesh>
        """
        check_option("on", on, ("vertices", "faces"))
        rows = vertices if on == "vertices" else faces
        if labels is None and isinstance(rows, pd.DataFrame):
            labels = rows.index
        vertices, faces = mesh_parts(vertices, faces)
        positions = check_points("vertices", vertices)
        polygons = read_faces(faces, len(positions))
        n_faces = len(polygons.ends) - 1
        check_fits(
            _PER_FACE[on] * n_faces,
            f"A graph of the {on} of {n_faces:,} faces",
            "Make the mesh coarser first.",
        )
        place = None if merge is None else merged_vertices(positions, merge)
        if on == "faces":
            graph = cls._from_faces(positions, polygons, place, labels)
        else:
            graph = cls._from_vertices(positions, polygons, place, labels)
        if merge is None:
            are_used = np.zeros(len(positions), dtype=np.bool_)
            are_used[polygons.corners] = True
            used = positions if are_used.all() else positions[are_used]
            _warn_split(graph, int(are_repeated(used).sum()), len(used))
        return graph

    @classmethod
    def _from_faces(
        cls,
        positions: NDArray[np.float64],
        polygons: Polygons,
        place: NDArray[np.intp] | None,
        labels: ArrayLike | pd.Index | None,
    ) -> Self:
        check_distinct(polygons)
        if place is not None:
            polygons = polygons.renamed(place[polygons.corners])
        labels = check_labels(labels, len(polygons.ends) - 1)
        pairs, centroids, areas = face_graph(positions, polygons)
        return cls._built(
            adjacency_from_pairs(pairs, len(areas)),
            labels=labels,
            # Of coordinates too large for floats they may not be finite.
            positions=check_points("positions", centroids),
            node_areas=_check_areas(areas, len(areas)),
            source="the faces of a mesh",
        )

    @classmethod
    def _from_vertices(
        cls,
        positions: NDArray[np.float64],
        polygons: Polygons,
        place: NDArray[np.intp] | None,
        labels: ArrayLike | pd.Index | None,
    ) -> Self:
        triangles = triangulate(positions, polygons)
        names = check_labels(labels, len(positions))
        if place is not None:
            is_first = place == np.arange(len(place))
            kept = np.flatnonzero(is_first)
            names = names[kept]
            triangles = (np.cumsum(is_first) - 1)[place][triangles]
            # Of faces along a seam, all corners may be in one place or two.
            a, b, c = triangles.T
            triangles = triangles[(a != b) & (b != c) & (c != a)]
            if len(triangles) == 0:
                raise ValueError("merge leaves no face with three different corners. Lower it.")
            positions = positions[kept]
        triangles = distinct_faces(triangles)
        adjacency = adjacency_from_faces(triangles, len(positions))
        source = f"a mesh of {len(triangles):,} faces"
        return cls._built(
            adjacency, labels=names, positions=positions, faces=triangles, source=source
        )

    @classmethod
    def from_sphere(
        cls,
        latitude: ArrayLike,
        longitude: ArrayLike,
        labels: ArrayLike | pd.Index | None = None,
    ) -> Self:
        """Return the triangulated sphere: points all around it, joined by Delaunay triangles.

        ``positions`` are on the unit sphere, so the cotangent Laplacian has eigenvalues near
        l (l + 1). Its mass matrix allows for a grid of equal angles, which is dense near the poles.

        Parameters
        ----------
        latitude, longitude : array-like of shape (n_nodes,)
            In degrees. Each pole is one point, whatever its longitude.
        labels : array-like of length n_nodes, optional
            Default: 0, 1, 2, ...

        Raises
        ------
        ValueError
            If an angle is not finite, a latitude is beyond 90 degrees, two points coincide, or
            half of the sphere or more is without a point.

        Examples
        --------
        >>> latitude = [90, 0, 0, 0, 0, -90]
        >>> Graph.from_sphere(latitude, [0, 0, 90, 180, 270, 0])
        <Graph: 6 nodes, 12 edges, 1 component, from a sphere of 8 faces>
        """
        labels = beside("labels", labels, latitude, of="latitude")
        positions = sphere_points(latitude, longitude)
        triangles = sphere_faces(positions)
        labels = check_labels(labels, len(positions))
        adjacency = adjacency_from_faces(triangles, len(positions))
        source = f"a sphere of {len(triangles):,} faces"
        return cls._built(
            adjacency, labels=labels, positions=positions, faces=triangles, source=source
        )

    def with_attributes(self, frame: pd.DataFrame) -> Self:
        """Return the same graph with a table of node covariates; never put the signal here.

        Parameters
        ----------
        frame : pandas.DataFrame
            One row per node, indexed by label, in any order.

        Returns
        -------
        Graph

        Raises
        ------
        ValueError
            If a node has no row, or a row no node.

        Examples
        --------
        >>> graph = Graph.from_adjacency([[0, 1], [1, 0]], labels=["p", "q"])
        >>> graph.with_attributes(pd.DataFrame({"age": [30, 40]}, index=["q", "p"])).attributes
           age
        p   40
        q   30
        """
        check_frame("frame", frame)
        if not frame.index.is_unique:
            raise ValueError(
                f"frame must have one row per node; its index repeats "
                f"{frame.index[frame.index.duplicated()].tolist()[0]!r}."
            )
        index = plain_index(frame.index.to_flat_index(), name="frame.index")
        if not same_kind(index, self._labels):
            raise ValueError(
                f"frame must be indexed by node label; "
                f"{difference(index, self._labels, name='frame')}. Or give frame.set_index(...) of "
                f"the column that names nodes."
            )
        order = positions_in(self._labels, index)
        absent = self._labels[order < 0]
        if len(absent):
            raise ValueError(
                f"frame must be indexed by node label; node {absent.tolist()[0]!r} has no row, "
                f"one of {len(absent)}. Use frame.set_index(...)."
            )
        if len(frame) != len(self._labels):
            extra = index[positions_in(index, self._labels) < 0]
            raise ValueError(
                f"frame has rows for {len(extra)} unknown nodes: {extra.tolist()[0]!r}, ... Keep "
                f"those of the graph: frame.loc[graph.labels]."
            )
        return type(self)(
            self._adjacency,
            labels=self._labels,
            edge_lengths=None if self._edge_lengths is None else self.edge_lengths,
            positions=self._positions,
            faces=self._faces,
            node_areas=self._node_areas,
            attributes=frame.iloc[order].set_axis(self._labels),
            source=self._source,
        )

    def subgraph(self, labels: ArrayLike | pd.Index | pd.Series) -> Self:
        """Return the graph of some of the nodes, with the edges and faces among them.

        Parameters
        ----------
        labels : array-like of shape (n_kept,)
            Distinct labels, in the order that they are to have.

        Returns
        -------
        Graph

        Raises
        ------
        ValueError
            If a label is unknown or repeated, or there is none.

        Examples
        --------
        The largest connected component:

        >>> import networkx as nx
        >>> islands = Graph.from_networkx(nx.disjoint_union(nx.path_graph(2), nx.path_graph(5)))
        >>> islands.subgraph(islands.labels[islands.components == 0])
        <Graph: 5 nodes, 4 edges, 1 component, from part of a networkx graph>
        """
        kept = self.locate(labels)
        if len(kept) == 0:
            raise ValueError("labels must name at least one node; got none.")
        lengths, areas, faces = self.edge_lengths, self._node_areas, self._faces
        if faces is not None:
            rows = np.full(self.n_nodes, -1)
            rows[kept] = np.arange(len(kept))
            faces = rows[faces]
            faces = faces[(faces >= 0).all(axis=1)]
        given = self._edge_lengths is not None
        return type(self)(
            self.adjacency[kept][:, kept],
            labels=self._labels[kept],
            edge_lengths=lengths[kept][:, kept] if given else None,
            positions=None if self._positions is None else self._positions[kept],
            faces=None if faces is None or len(faces) == 0 else faces,
            node_areas=None if areas is None else areas[kept],
            attributes=None if self._attributes is None else self._attributes.iloc[kept],
            source=f"part of {self._source.removeprefix('part of ')}",
        )

    def refine(self, n_times: int = 1) -> tuple[Self, sp.csr_array]:
        """Return the mesh with every face cut in four, and where its vertices are in this one.

        New vertices are the middles of sides, so the surface keeps its shape. To move them, for
        example onto a sphere or a finer scan, build ``Graph.from_mesh(positions, fine.faces,
        labels=fine.labels)``. Nodes of this graph come first, with their labels; new ones get
        numbers after the largest, or words ``"new0"``, ``"new1"``, ... Edges are the sides of faces
        and weigh 1, whatever the edges of this graph; attributes are left behind.

        Parameters
        ----------
        n_times : int, default 1
            How often to cut: each time there are about four times as many nodes.

        Returns
        -------
        fine : Graph
        weights : sparse array of shape (fine.n_nodes, n_nodes)
            Non-negative, with rows that sum to 1: ``weights @ signal`` is a signal of this graph
            interpolated linearly over its faces (by barycentric coordinates), and the columns
            stored in a row are the corners that a node lies between.

        Raises
        ------
        ValueError
            If the graph has no faces, or labels are neither numbers nor words.

        Examples
        --------
        >>> square = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
        >>> graph = Graph.from_mesh(square, [[0, 1, 2], [0, 2, 3]], labels=list("abcd"))
        >>> fine, weights = graph.refine()
        >>> fine
        <Graph: 9 nodes, 16 edges, 1 component, from a mesh of 8 faces>
        >>> fine.labels.tolist()
        ['a', 'b', 'c', 'd', 'new0', 'new1', 'new2', 'new3', 'new4']
        >>> weights @ [0.0, 0.0, 1.0, 0.0]
        array([0. , 0. , 1. , 0. , 0. , 0.5, 0. , 0.5, 0.5])
        """
        check_count("n_times", n_times, minimum=1)
        if self._faces is None or self._positions is None:
            raise ValueError(
                "refine cuts the faces of a mesh; the graph has none. Build it with "
                "Graph.from_mesh(...)."
            )
        faces, weights = subdivide(self._faces, self.n_nodes)
        for _ in range(n_times - 1):
            faces, finer = subdivide(faces, weights.shape[0])
            weights = sp.csr_array(finer @ weights)
        labels = grow_labels(self._labels, weights.shape[0] - self.n_nodes)
        # Where sides of a cut coincide, so do their middles.
        fine = type(self).from_mesh(weights @ self._positions, faces, labels, merge=False)
        return fine, weights

    @property
    def labels(self) -> pd.Index:
        """Index of length n_nodes: the names that tables refer to."""
        # Renaming the copy leaves the graph alone; the values are shared.
        return self._labels.copy()

    @property
    def adjacency(self) -> sp.csr_array:
        """Sparse array of shape (n_nodes, n_nodes): edge weights, on read-only memory."""
        return self._on_edges(self._adjacency.data)

    @property
    def edge_lengths(self) -> sp.csr_array:
        """Sparse array like ``adjacency``: given, or between positions, else 1 a hop."""
        parts = self._adjacency
        if self._edge_lengths is not None:
            return self._on_edges(self._edge_lengths)
        lengths = np.ones(parts.nnz)
        if self._positions is not None:
            # In a unit of their size, a power of two: squares leave the range of floats otherwise.
            exponent = np.frexp(max(self._positions.max(), -self._positions.min()))[1]
            scaled = np.ldexp(self._positions, -exponent)
            for start in range(0, self.n_nodes, _CHUNK):
                ends = parts.indptr[start : start + _CHUNK + 1]
                rows = np.repeat(np.arange(start, start + len(ends) - 1), np.diff(ends))
                there = slice(ends[0], ends[-1])
                between = np.linalg.norm(scaled[rows] - scaled[parts.indices[there]], axis=1)
                lengths[there] = np.ldexp(between, exponent)
        return self._on_edges(lengths)

    @property
    def has_lengths(self) -> bool:
        """Whether ``edge_lengths`` were given or are between positions, not 1 a hop."""
        return self._edge_lengths is not None or self._positions is not None

    @property
    def is_faded(self) -> bool:
        """Whether weights go to 0 with distance, as those of :meth:`from_points` do."""
        return self._source.removeprefix("part of ").startswith(_FADED)

    def _on_edges(self, data: NDArray[np.float64]) -> sp.csr_array:
        # A new wrapper each time: assigning to an entry of it leaves the graph alone.
        parts = self._adjacency
        return sp.csr_array((data, parts.indices, parts.indptr), shape=parts.shape)

    @property
    def positions(self) -> NDArray[np.float64] | None:
        """Array of shape (n_nodes, n_dimensions), read-only, or None."""
        return self._positions

    @property
    def faces(self) -> NDArray[np.int64] | None:
        """Array of shape (n_faces, 3), read-only, or None where the graph is no mesh."""
        return self._faces

    @property
    def node_areas(self) -> NDArray[np.float64] | None:
        """Array of shape (n_nodes,): given, or a third of the faces around each, or None."""
        if self._node_areas is not None or self._faces is None or self._positions is None:
            return self._node_areas
        return vertex_areas(self._positions, self._faces)

    @property
    def attributes(self) -> pd.DataFrame | None:
        """Copy of the table of node covariates, in node order, or None."""
        return None if self._attributes is None else self._attributes.copy()

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self._adjacency.shape[0]

    @property
    def n_edges(self) -> int:
        """Number of undirected edges."""
        return self._adjacency.nnz // 2

    @cached_property
    def components(self) -> NDArray[np.intp]:
        """Array of shape (n_nodes,): connected component of each node, 0 being the largest."""
        components = components_by_size(self._adjacency)
        components.flags.writeable = False
        return components

    @property
    def n_components(self) -> int:
        """Number of connected components; a node without edges is one."""
        return int(self.components.max()) + 1

    @cached_property
    def digest(self) -> str:
        """Hexadecimal fingerprint of all but labels and attributes; equal graphs share it."""
        return array_digest(*self._arrays())

    def locate(
        self, labels: ArrayLike | pd.Index | pd.Series, *, name: str = "labels"
    ) -> NDArray[np.intp]:
        """Return the row numbers of nodes by label, compared by kind and value.

        Parameters
        ----------
        labels : array-like of shape (n_labels,)
            Labels, which may repeat. Nothing is converted: "1003" is not "01003".
        name : str, default "labels"
            What to call the argument in an error.

        Returns
        -------
        ndarray of int of shape (n_labels,)

        Raises
        ------
        ValueError
            If a label is missing, of another kind, or unknown; with the nearest ones.

        Examples
        --------
        >>> Graph.from_adjacency([[0, 1], [1, 0]], labels=["p", "q"]).locate(["q", "p", "q"])
        array([1, 0, 1])
        """
        return locate(labels, self._labels, name=name)

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{count:,} {noun}{'' if count == 1 else 's'}"
            for count, noun in (
                (self.n_nodes, "node"),
                (self.n_edges, "edge"),
                (self.n_components, "component"),
            )
        )
        return f"<Graph: {counts}, from {self._source}>"

    def __len__(self) -> int:
        return self.n_nodes

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Graph):
            return NotImplemented
        if self is other:
            return True
        same = self.digest == other.digest and self._labels.dtype == other._labels.dtype
        same = same and self._labels.equals(other._labels)
        if self._attributes is None or other._attributes is None:
            return same and self._attributes is other._attributes
        return same and self._attributes.equals(other._attributes)

    def __hash__(self) -> int:
        return hash(self.digest)

    # An immutable value is its own copy: scikit-learn clones an estimator for
    # every fold, and would copy the whole graph each time.
    def __sklearn_clone__(self) -> Self:
        return self

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def to_state(self) -> dict[str, Any]:
        """Return what a file keeps of it: its parts, and nothing that is computed from them.

        Returns
        -------
        dict
        """
        return {name: self.__dict__[name] for name in _PARTS}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Return the graph of a file; the builder checks it as it checks any other.

        Parameters
        ----------
        state : dict
            What :meth:`to_state` returned.

        Returns
        -------
        Graph

        Raises
        ------
        TypeError, ValueError
            If the parts are none of a graph, or the builder would have made others of them.
        """
        kept = {name: state.get(name) for name in _PARTS}
        adjacency, lengths = kept["_adjacency"], kept["_edge_lengths"]
        if not isinstance(adjacency, sp.csr_array) or not isinstance(kept["_labels"], pd.Index):
            raise TypeError("a graph must have a sparse adjacency and an index of labels")
        faces = kept["_faces"]
        # The builder drops these with a word, and a file has none.
        again = False
        if isinstance(faces, np.ndarray) and faces.ndim == 2 and faces.dtype.kind in "iu":
            again = bool(are_repeated(faces, in_any_order=True).any())
        if again or adjacency.diagonal().any():
            raise ValueError("a graph has loops, or faces that repeat, which no builder makes")
        if lengths is not None:
            places = adjacency.indices, adjacency.indptr
            lengths = sp.csr_array((lengths, *places), shape=adjacency.shape)
        graph = cls(
            adjacency,
            labels=kept["_labels"],
            edge_lengths=lengths,
            positions=kept["_positions"],
            faces=faces,
            node_areas=kept["_node_areas"],
            attributes=kept["_attributes"],
            source=str(kept["_source"]),
        )
        # What is built is its own copy: what the builder rounds or converts differs in it.
        for name, part in graph.to_state().items():
            if not _are_same(part, kept[name]):
                raise ValueError(
                    f"a graph has {name.removeprefix('_').replace('_', ' ')} that no builder makes"
                )
        return graph

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        name = name_of_shared(self)
        return super().__reduce_ex__(protocol) if name is None else (graph_named, (name,))

    def __getstate__(self) -> dict[str, Any]:
        # The digest is computed here, so that worker processes need not do it again.
        state = self.__dict__ | {"digest": self.digest}
        return {name: value for name, value in state.items() if name != "components"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._freeze()


def check_graph(graph: object) -> Graph:
    """Return ``graph``, or raise a ``TypeError`` that names the builder to use."""
    if isinstance(graph, Graph):
        return graph
    package = type(graph).__module__.partition(".")[0]
    builder = {
        "networkx": "from_networkx",
        "libpysal": "from_libpysal",
        "geopandas": "from_geodataframe",
        "pandas": "from_edges",
    }.get(package, "from_adjacency")
    name = f"{type(graph).__module__}.{type(graph).__name__}".removeprefix("builtins.")
    raise TypeError(
        f"graph must be a skginr.Graph; got {name}. Build one with Graph.{builder}(...)."
    )


def _warn_split(graph: Graph, n_coincident: int, n_used: int) -> None:
    if n_coincident:
        parts = f"in {graph.n_components} components" if graph.n_components > 1 else "cut there"
        warn(
            f"{n_coincident} of {n_used} vertices lie where another does, so that faces are not "
            f"joined and the graph is {parts}. Give merge=True to make vertices in one place one "
            f"node (merge=1e-6: those so near), or merge=False if the mesh is meant so."
        )


def _check_same_nodes(frame: pd.DataFrame) -> None:
    """Raise unless the rows and columns of an adjacency matrix are the same nodes, in one order."""
    rows, columns = (
        plain_index(axis.to_flat_index(), name="adjacency") for axis in (frame.index, frame.columns)
    )
    rule = "adjacency must list the same nodes in its rows and columns, in one order"
    if not same_kind(columns, rows):
        code = conversion(columns, rows)
        advice = f" Use adjacency.columns = adjacency.columns{code}." if code else ""
        raise ValueError(
            f"{rule}; its columns are {kind_of(columns)} (such as {columns.tolist()[0]!r}) and its "
            f"index is {kind_of(rows)} (such as {rows.tolist()[0]!r}).{advice}"
        )
    for axis, index in (("index", rows), ("columns", columns)):
        if not index.is_unique:
            repeated = index[index.duplicated()].tolist()[0]
            raise ValueError(f"{rule}; its {axis} repeat {repeated!r}. Merge such nodes.")
    place = positions_in(columns, rows)
    if len(rows) == len(columns) and np.array_equal(place, np.arange(len(rows))):
        return
    alone = [*columns[place < 0].tolist(), *rows[positions_in(rows, columns) < 0].tolist()]
    if alone:
        raise ValueError(
            f"{rule}; {alone[0]!r} is only in one of the two, as are {len(alone) - 1} others. Use "
            f"adjacency.reindex(index=nodes, columns=nodes, fill_value=0) with nodes = "
            f"adjacency.index.union(adjacency.columns)."
        )
    raise ValueError(f"{rule}; theirs differ. Use adjacency[adjacency.index].")


def _hashable(value: Any) -> Hashable:
    # An array or Series in place of a column name equals no name.
    return value if isinstance(value, Hashable) else object()


def _check_lengths(
    lengths: sp.sparray | None, adjacency: sp.csr_array
) -> NDArray[np.float64] | None:
    """Return the length of every stored entry of ``adjacency``."""
    if lengths is None:
        return None
    matrix = clean_adjacency(lengths, name="edge_lengths")
    same = matrix.shape == adjacency.shape and matrix.nnz == adjacency.nnz
    if not (same and np.array_equal(matrix.indices, adjacency.indices)):
        raise ValueError(
            f"edge_lengths must be positive on every edge and zero elsewhere; got "
            f"{matrix.nnz // 2} lengths for {adjacency.nnz // 2} edges, or other pairs of nodes."
        )
    return matrix.data


def _check_areas(areas: ArrayLike | None, n_nodes: int) -> NDArray[np.float64] | None:
    if areas is None:
        return None
    array = check_numeric("node_areas", areas)
    if array.shape != (n_nodes,) or not (np.isfinite(array) & (array >= 0)).all():
        raise ValueError(
            f"node_areas must be {n_nodes} finite, non-negative numbers; got shape {array.shape}."
        )
    return array


def _are_same(part: Any, other: Any) -> bool:
    """Say whether two parts of graphs are the same, numbers to the bit."""
    if type(part) is not type(other):
        return False
    if isinstance(part, sp.csr_array):
        pairs = ((part.data, other.data), (part.indices, other.indices))
        return all(_are_same(*pair) for pair in (*pairs, (part.indptr, other.indptr)))
    if isinstance(part, np.ndarray):
        return part.dtype == other.dtype and np.array_equal(part, other)
    if isinstance(part, pd.Index | pd.DataFrame):
        return part.equals(other)
    return bool(part == other)


def _check_rows(name: str, value: Any, n_nodes: int) -> None:
    if value is not None and len(value) != n_nodes:
        raise ValueError(f"{name} must have one row per node, {n_nodes}; got {len(value)}.")


def _check_neighbors(n_neighbors: int, n_points: int) -> None:
    check_count("n_neighbors", n_neighbors, minimum=1)
    if n_neighbors >= n_points:
        raise ValueError(
            f"n_neighbors must be less than the number of points, {n_points}; got {n_neighbors}."
        )
