"""Graphs on the workers of a cluster, sent once."""

from __future__ import annotations

import contextlib
import pickle
import uuid
from collections.abc import Iterator
from typing import Any

from skginr._core import require
from skginr.graphs import Graph, add_name, check_graph, drop_name, forget, remember
from skginr.spectral import bases_of


@contextlib.contextmanager
def shared_graphs(client: Any, *graphs: Graph) -> Iterator[None]:
    """Send graphs, and what is known of their eigenvectors, once to each worker of a cluster.

    A search clones its estimator for every task, and each clone holds its graph. Inside this
    context dask sends a name of a few bytes instead. Workers that join later, or replace one that
    failed, get the graphs too. A basis that was solved here before is sent along; otherwise each
    worker solves it once.

    Parameters
    ----------
    client : dask.distributed.Client
    *graphs : Graph
        Those of the estimators, folds and transformers that tasks hold.

    Yields
    ------
    None

    Raises
    ------
    ModuleNotFoundError
        If dask.distributed is not installed.
    TypeError
        If ``client`` is not a client, or an asynchronous one, or one of ``graphs`` is not a Graph.
    ValueError
        If the client is closed.

    See Also
    --------
    SpectralEmbedder : Its ``memory=`` keeps bases on a disk that workers share.
    save_eigenproblem : For one eigenproblem that is too large for one machine.

    Examples
    --------
    >>> import networkx as nx
    >>> from skginr import Graph, shared_graphs
    >>> graph = Graph.from_networkx(nx.path_graph(9))
    >>> def search_on(client, search, X, y):
    ...     with joblib.parallel_config("dask"), shared_graphs(client, graph):
    ...         return search.fit(X, y)
    """
    distributed = require("distributed", extra="distributed", purpose="Sharing graphs")
    if not isinstance(client, distributed.Client):
        raise TypeError(
            f"client must be a dask.distributed.Client; got {type(client).__name__}. For processes "
            f"on this machine n_jobs= is enough."
        )
    if client.asynchronous:
        raise TypeError("client must not be asynchronous: joblib waits for its tasks.")
    if client.status != "running":
        raise ValueError(f"client must be connected to its scheduler; it is {client.status}.")
    from skginr.distributed._worker_plugin import SharedGraphs

    named = {f"{check_graph(graph).digest}-{uuid.uuid4().hex}": graph for graph in graphs}
    bases = {key: basis for graph in graphs for key, basis in bases_of(graph.digest).items()}
    plugin = SharedGraphs(pickle.dumps((named, bases)), list(named))
    for name, graph in named.items():
        # Results that name a graph come back to this process.
        remember(name, graph)
        add_name(graph, name)
    try:
        client.register_plugin(plugin)
        yield
    finally:
        for name, graph in named.items():
            drop_name(graph, name)
            forget(name)
        # Where it was closed inside, its workers have let go already.
        if client.status == "running":
            client.unregister_worker_plugin(plugin.name)
