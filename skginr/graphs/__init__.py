"""The graph and what builds it, finds nodes in it, cuts it into folds, and its Laplacians."""

from skginr.graphs._adjacency import (
    array_digest,
    clean_adjacency,
    components_by_size,
    symmetry_tolerance,
    to_csr,
)
from skginr.graphs._covariates import NeighborMeans
from skginr.graphs._folds import GraphBlockKFold
from skginr.graphs._graph import Graph, check_graph
from skginr.graphs._labels import plain_index, positions_in, rows_of, same_kind
from skginr.graphs._laplacians import (
    Laplacian,
    check_laplacian,
    degrees_of,
    laplacian,
    laplacian_of,
)
from skginr.graphs._nodes import (
    NodeEstimator,
    as_table,
    check_has_rows,
    fitted_column,
    locate_column,
    locate_nodes,
    locate_rows,
    locate_rows_in_time,
    position_of,
    space_time_columns,
)
from skginr.graphs._observed import warn_unobserved, warn_without_edges, with_observations
from skginr.graphs._points import DistanceKernel, NeighborKernel, warn_of_degrees
from skginr.graphs._seasons import SeasonalFeatures
from skginr.graphs._shared import add_name, drop_name, forget, remember
from skginr.graphs._space_time_folds import SpaceTimeKFold
from skginr.graphs._sphere import sphere_points
from skginr.graphs._structural import STRUCTURAL_NAMES, structural_columns

__all__ = [
    "STRUCTURAL_NAMES",
    "DistanceKernel",
    "Graph",
    "GraphBlockKFold",
    "Laplacian",
    "NeighborKernel",
    "NeighborMeans",
    "NodeEstimator",
    "SeasonalFeatures",
    "SpaceTimeKFold",
    "add_name",
    "array_digest",
    "as_table",
    "check_graph",
    "check_has_rows",
    "check_laplacian",
    "clean_adjacency",
    "components_by_size",
    "degrees_of",
    "drop_name",
    "fitted_column",
    "forget",
    "laplacian",
    "laplacian_of",
    "locate_column",
    "locate_nodes",
    "locate_rows",
    "locate_rows_in_time",
    "plain_index",
    "position_of",
    "positions_in",
    "remember",
    "rows_of",
    "same_kind",
    "space_time_columns",
    "sphere_points",
    "structural_columns",
    "symmetry_tolerance",
    "to_csr",
    "warn_of_degrees",
    "warn_unobserved",
    "warn_without_edges",
    "with_observations",
]
