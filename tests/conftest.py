import os
import sys
from pathlib import Path

# Tests run side by side, one process per core: more threads would only wait for
# each other. Set before torch and BLAS are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# scikit-learn skips its checks of array API input without it.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from skginr import Graph
from skginr._core import _warnings


@pytest.fixture(autouse=True)
def no_figures_left():
    """Close what a test has drawn, so that no later one finds it."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(autouse=True)
def nothing_said():
    """Forget what was warned of among many fits: a later test may wait for it."""
    _warnings._warned.clear()


@pytest.fixture(scope="session")
def data_root():
    """Folder of the real data, or skip."""
    root = os.environ.get("SKGINR_DATA")
    if not root:
        pytest.skip("real data: SKGINR_DATA is not set")
    return Path(root)


@pytest.fixture(scope="session")
def grid():
    """A 12 x 9 grid whose nodes have string labels in no particular order."""
    lattice = nx.grid_2d_graph(12, 9)
    order = np.random.default_rng(3).permutation(108)
    names = {node: f"n{order[i]:03d}" for i, node in enumerate(lattice)}
    return Graph.from_networkx(nx.relabel_nodes(lattice, names))


@pytest.fixture(scope="session")
def archipelago():
    """A ring of 30, a path of 5, and an isolated node: three components."""
    graph = nx.disjoint_union(nx.cycle_graph(30), nx.path_graph(5))
    graph.add_node(35)
    return Graph.from_networkx(graph)


@pytest.fixture(scope="session")
def grid_table(grid):
    """A smooth signal on the grid, one row per node."""
    rng = np.random.default_rng(0)
    column, row = np.divmod(np.arange(grid.n_nodes), 9)
    signal = np.sin(column / 3) + row / 9 + 0.05 * rng.standard_normal(grid.n_nodes)
    return pd.DataFrame({"node": grid.labels, "signal": signal})
