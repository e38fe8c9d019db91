"""What a worker of dask keeps for the tasks that it is sent."""

from __future__ import annotations

import pickle
from typing import Any

from distributed import WorkerPlugin

from skginr.graphs import forget, remember
from skginr.spectral import remember_basis


class SharedGraphs(WorkerPlugin):
    """Graphs by name, and bases, in the process of every worker.

    Parameters
    ----------
    content : bytes
        Pickled: a dict of graphs by name, and one of bases by key.
    names : list of str
    """

    def __init__(self, content: bytes, names: list[str]) -> None:
        self.content = content
        self.names = names
        self.name = f"skginr-graphs-{'-'.join(names)}"

    def setup(self, worker: Any) -> None:
        """Take them in: when the worker starts, or is told of them."""
        graphs, bases = pickle.loads(self.content)
        for name, graph in graphs.items():
            remember(name, graph)
        for key, basis in bases.items():
            remember_basis(key, basis)

    def teardown(self, worker: Any) -> None:
        """Let go of the graphs. Bases are dropped as others are."""
        for name in self.names:
            forget(name)
