import asyncio
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from skginr import Graph, GraphBlockKFold, SpectralEmbedder, shared_graphs
from skginr.spectral.eigen._cache import clear_cache, n_solves

distributed = pytest.importorskip("distributed")
# What the cluster says of itself, of processes that are made to die, and of the clock.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:distributed"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class DiesOnce(Ridge):
    """A ridge whose process is killed in the middle of the search, the first time."""

    def __init__(self, alpha=1.0, *, once=""):
        super().__init__(alpha)
        self.once = once

    def fit(self, X, y):
        import os
        import signal

        if X.shape[1] == 8:
            try:
                with open(self.once, "x"):
                    pass
            except FileExistsError:
                return super().fit(X, y)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y)


def sent(obj):
    """What dask sends of something."""
    return distributed.protocol.pickle.dumps(obj)


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(
            n_workers=3,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    graph = Graph.from_points(rng.random((2_000, 2)))
    X = pd.DataFrame({"node": graph.labels})
    return graph, X, np.sin(5 * graph.positions[:, 0])


def search_over_k(graph, final=None, **given):
    embedder = SpectralEmbedder(graph=graph, max_components=16)
    names = {"spectralembedder__n_components": [2, 4, 8, 16]}
    model = make_pipeline(embedder, final or Ridge(1e-3))
    return GridSearchCV(model, names, cv=GraphBlockKFold(4, graph=graph), **given)


def test_on_a_cluster_the_scores_are_those_of_one_process(cluster, problem):
    graph, X, y = problem
    local = search_over_k(graph).fit(X, y)
    clear_cache()
    cluster.run(clear_cache)
    before = cluster.run(n_solves)
    with joblib.parallel_config("dask"), shared_graphs(cluster, graph):
        far = search_over_k(graph, refit=False, n_jobs=-1).fit(X, y)
    for name in ("mean_test_score", "split0_test_score", "rank_test_score"):
        np.testing.assert_array_equal(far.cv_results_[name], local.cv_results_[name])
    after = cluster.run(n_solves)
    # Sixteen tasks, and no process solved more than once.
    assert max(after[worker] - before.get(worker, 0) for worker in after) == 1


def test_a_basis_that_is_known_is_sent_along(cluster, problem):
    graph, X, y = problem
    cluster.run(clear_cache)
    search = search_over_k(graph, refit=False, n_jobs=-1)
    search.estimator[:1].fit(X)
    before = cluster.run(n_solves)
    with joblib.parallel_config("dask"), shared_graphs(cluster, graph):
        search.fit(X, y)
    assert cluster.run(n_solves) == before


def test_the_bytes_of_a_task_do_not_grow_with_the_graph(cluster, problem):
    graph, _, _ = problem
    model = make_pipeline(SpectralEmbedder(16, graph=graph), Ridge())
    whole = len(sent(model))
    with shared_graphs(cluster, graph):
        inside = sent(model)
        assert pickle.loads(inside)[0].graph is graph
        with shared_graphs(cluster, graph):
            pass
        assert len(sent(model)) == len(inside)
    assert len(inside) < 5_000 < 300_000 < whole
    # Afterwards what is sent is whole again, and a name means nothing.
    assert len(sent(model)) == whole
    with pytest.raises(LookupError, match=r"no graph named .*shared_graphs"):
        pickle.loads(inside)


def test_contexts_that_overlap_leave_no_name_behind(cluster, problem):
    graph, _, _ = problem
    whole = len(sent(graph))
    with shared_graphs(cluster, graph, graph):
        assert len(sent(graph)) < 500
    assert len(sent(graph)) == whole
    first, second = shared_graphs(cluster, graph), shared_graphs(cluster, graph)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert pickle.loads(sent(graph)) is graph
    assert len(sent(graph)) < 500
    second.__exit__(None, None, None)
    assert len(sent(graph)) == whole


def test_files_and_other_pools_get_the_whole_graph(cluster, problem, tmp_path):
    graph, X, y = problem
    # The last bits of a basis are those of what was solved before; workers begin with nothing.
    clear_cache()
    model = make_pipeline(SpectralEmbedder(4, graph=graph), Ridge())
    with shared_graphs(cluster, graph):
        joblib.dump(model.fit(X, y), tmp_path / "model.joblib")
        scores = cross_val_score(model, X, y, cv=3, n_jobs=2)
    np.testing.assert_array_equal(scores, cross_val_score(model, X, y, cv=3))
    loaded = joblib.load(tmp_path / "model.joblib")
    assert loaded[0].graph.digest == graph.digest
    assert loaded[0].graph is not graph


def test_a_worker_that_dies_is_replaced_and_nothing_changes(cluster, problem, tmp_path):
    graph, X, y = problem
    once = str(tmp_path / "once")
    search = search_over_k(graph, DiesOnce(1e-3, once=once), refit=False, n_jobs=-1)
    # What tasks have in common is given to all workers, so that none takes it to its grave; dask
    # would drop all copies but one within two seconds.
    cluster.amm.stop()
    search.cv = list(search.cv.split(X))
    common = [X, y, *(rows for split in search.cv for rows in split)]
    with joblib.parallel_config("dask", scatter=common), shared_graphs(cluster, graph):
        far = search.fit(X, y)
    assert (tmp_path / "once").exists()
    local = search_over_k(graph).fit(X, y)
    np.testing.assert_array_equal(
        far.cv_results_["mean_test_score"], local.cv_results_["mean_test_score"]
    )
    cluster.wait_for_workers(3)


def test_what_it_refuses(cluster, problem):
    graph, _, _ = problem
    with (
        pytest.raises(TypeError, match="client must be a dask.distributed.Client; got str"),
        shared_graphs("tcp://scheduler:8786", graph),
    ):
        pass
    with pytest.raises(TypeError, match="graph must be a"), shared_graphs(cluster, graph.adjacency):
        pass
    closed = distributed.Client(cluster.scheduler.address, set_as_default=False)
    closed.close()
    with pytest.raises(ValueError, match="it is closed"), shared_graphs(closed, graph):
        pass

    async def attempt():
        address = cluster.scheduler.address
        async with distributed.Client(address, asynchronous=True, set_as_default=False) as client:
            with shared_graphs(client, graph):
                pass

    with pytest.raises(TypeError, match="must not be asynchronous"):
        asyncio.run(attempt())
