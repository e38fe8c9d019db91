"""The graph and what builds it."""

from skginr.graphs._adjacency import (
    array_digest,
    clean_adjacency,
    components_by_size,
    symmetry_tolerance,
    to_csr,
)
from skginr.graphs._graph import Graph, check_graph
from skginr.graphs._labels import plain_index, positions_in, rows_of, same_kind
from skginr.graphs._nodes import (
    as_table,
    fitted_column,
    locate_column,
    locate_nodes,
    locate_rows,
)
from skginr.graphs._observed import (
    held_out,
    warn_unobserved,
    warn_without_edges,
    with_observations,
)
from skginr.graphs._partition import balanced_folds
from skginr.graphs._points import DistanceKernel, NeighborKernel, warn_of_degrees
from skginr.graphs._shared import add_name, drop_name, forget, remember
from skginr.graphs._sphere import sphere_points

__all__ = [
    "DistanceKernel",
    "Graph",
    "NeighborKernel",
    "add_name",
    "array_digest",
    "as_table",
    "balanced_folds",
    "check_graph",
    "clean_adjacency",
    "components_by_size",
    "drop_name",
    "fitted_column",
    "forget",
    "held_out",
    "locate_column",
    "locate_nodes",
    "locate_rows",
    "plain_index",
    "positions_in",
    "remember",
    "rows_of",
    "same_kind",
    "sphere_points",
    "symmetry_tolerance",
    "to_csr",
    "warn_of_degrees",
    "warn_unobserved",
    "warn_without_edges",
    "with_observations",
]
