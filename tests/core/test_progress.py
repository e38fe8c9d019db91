import io
import re
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from skginr import (
    CorrectedSmoother,
    Graph,
    GraphSmoother,
    MultiGraphEmbedder,
    ResidualCorrector,
    SIRENRegressor,
    SpectralEmbedder,
)
from skginr._core import _progress
from skginr._core._progress import QUIET, open_progress
from skginr.spectral.eigen._cache import clear_cache

QUICK = {"max_epochs": 5, "hidden_units": 8, "random_state": 0}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    screen = Terminal()
    # pytest puts its own in place of the real one's attribute.
    here = SimpleNamespace(stderr=screen, modules=sys.modules, _getframe=sys._getframe)
    monkeypatch.setattr(_progress, "sys", here)
    return screen


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves on."""
    now = [0.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def wave():
    X = np.linspace(-1, 1, 60).reshape(-1, 1)
    return X, np.sin(4 * X[:, 0])


def count(n_parts=100, total=100, seconds=0.0, clock=None):
    with open_progress("counting", unit="numbers", total=total, verbose=1) as progress:
        for i in range(n_parts):
            progress.note(f"at {i}")
            progress.advance()
            if clock is not None:
                clock[0] += seconds


def test_nothing_is_shown_unless_asked_for(capsys, grid, grid_table, wave):
    clear_cache()
    assert open_progress("counting", unit="numbers", verbose=0) is QUIET
    X, y = grid_table[["node"]], grid_table["signal"]
    SpectralEmbedder(4, graph=grid).fit(X)
    GraphSmoother(graph=grid).fit(X, y)
    CorrectedSmoother(graph=grid, corrector=ResidualCorrector(LinearRegression())).fit(X, y)
    SIRENRegressor("train", **QUICK).fit(*wave)
    assert capsys.readouterr() == ("", "")


def test_a_log_has_few_whole_lines(capsys, clock):
    count(seconds=1.0, clock=clock)
    shown = capsys.readouterr().err
    assert "\r" not in shown
    lines = shown.splitlines()
    # At most every 10%, and the last.
    assert len(lines) == 10
    assert lines[0] == "counting: 10 of 100 numbers after 9 s, at 9"
    assert lines[-1] == "counting: 100 numbers in 100.0 s, at 99"


def test_a_quick_task_has_one_line_in_a_log(capsys, clock):
    count(seconds=0.01, clock=clock)
    assert capsys.readouterr().err == "counting: 100 numbers in 1.0 s, at 99\n"


def test_an_endless_task_is_reported_less_and_less_often(capsys, clock):
    count(20_000, total=None, seconds=1.0, clock=clock)
    lines = capsys.readouterr().err.splitlines()
    assert 10 < len(lines) < 100
    assert lines[0] == "counting: 5 numbers after 5 s, at 5"


def test_a_terminal_has_one_line(terminal):
    count()
    shown = terminal.getvalue()
    assert "\r" in shown
    assert shown.count("\n") == 1
    assert "100/100" in shown
    assert "at 99" in shown


def test_a_task_within_another_shows_in_its_line(terminal):
    with open_progress("outer", unit="parts", total=2, verbose=1) as outer:
        outer.advance()
        time.sleep(0.11)
        with open_progress("inner", unit="bits", total=8, verbose=1) as inner:
            inner.advance(3)
            time.sleep(0.11)
            inner.advance()
    shown = terminal.getvalue()
    assert shown.count("\n") == 1
    assert "inner 4 of 8" in shown
    # And once the outer is closed, there is a bar of its own again.
    with open_progress("later", unit="parts", verbose=1):
        pass
    assert "later: " in terminal.getvalue()


def test_a_failure_ends_the_bar(terminal, capsys):
    with pytest.raises(ZeroDivisionError), open_progress("a", unit="parts", verbose=1) as progress:
        progress.advance(1 // 0)
    assert terminal.getvalue().endswith("\n")
    assert _progress._opened.get() is None


def test_a_failed_log_does_not_say_that_it_is_done(capsys):
    with pytest.raises(ZeroDivisionError), open_progress("a", unit="parts", verbose=1) as progress:
        progress.advance(1 // 0)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("stop", [FloatingPointError, KeyboardInterrupt])
def test_a_failed_training_closes_its_bar(terminal, wave, stop):
    from skorch.callbacks import Callback

    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise stop

    model = SIRENRegressor("train", verbose=1, callbacks=[Stop()], **QUICK)
    if stop is FloatingPointError:
        with pytest.raises(stop):
            model.fit(*wave)
    else:
        # A callback's way to end a training.
        model.fit(*wave)
        assert model.stop_reason_ == "stopped by a callback"
    assert _progress._opened.get() is None
    assert terminal.getvalue().endswith("\n")
    count()
    assert "100/100" in terminal.getvalue()


def test_a_trained_model_with_progress_is_pickled(wave, capsys):
    import pickle

    model = SIRENRegressor("train", verbose=1, **QUICK).fit(*wave)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(wave[0]), model.predict(wave[0]))


def test_fits_of_a_search_have_a_bar_each(terminal, wave):
    model = SIRENRegressor("train", verbose=1, **QUICK)
    cross_val_score(model, *wave, cv=3)
    GridSearchCV(model, {"first_gain": [1.0, 2.0]}, cv=2).fit(*wave)
    bars = terminal.getvalue().split("\n")[:-1]
    assert len(bars) == 3 + 4 + 1
    assert all("training: 100%" in bar and "5/5" in bar for bar in bars)


def test_threads_have_lines(terminal):
    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = terminal.getvalue().splitlines()
    assert [line.partition(" in")[0] for line in lines] == ["counting: 100 numbers"] * 3


def test_workers_write_whole_lines():
    code = """
import networkx as nx
import numpy as np
from sklearn.model_selection import cross_val_score
from skginr import Graph, GraphSmoother
graph = Graph.from_networkx(nx.path_graph(60))
X = np.arange(60).reshape(-1, 1)
model = GraphSmoother(graph=graph, verbose=1)
print(len(cross_val_score(model, X, np.sin(X[:, 0] / 9), cv=6, n_jobs=2)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "6"
    lines = run.stderr.splitlines()
    assert len(lines) == 6
    assert all(re.fullmatch(r"smoothing: \d+ strengths in .* s, alpha \S+", line) for line in lines)


def test_a_notebook_without_widgets_is_not_warned(monkeypatch, capsys):
    kernel = SimpleNamespace(config={"IPKernelApp": {}})
    ipython = SimpleNamespace(get_ipython=lambda: kernel)

    from tqdm import notebook

    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setattr(notebook, "IProgress", None)
    # A warning would be an error.
    count()
    assert "100/100" in capsys.readouterr().err


@pytest.mark.parametrize("solver", ["dense", "shift_invert", "multigrid", "iterative"])
def test_eigenvectors_count_those_that_converged(capsys, solver):
    rng = np.random.default_rng(0)
    graph = Graph.from_points(rng.random((700, 2)))
    clear_cache()
    embedder = SpectralEmbedder(10, graph=graph, eigen_solver=solver, max_components=12, verbose=1)
    embedder.fit([[0]])
    shown = capsys.readouterr().err
    # One more, to see whether the last cuts an eigenspace.
    last = "dense" if solver == "dense" else r"step \d+"
    assert re.fullmatch(rf"eigenvectors: 13 vectors in \d+\.\d s, {last}\n", shown)
    # What is known is not computed again, and there is nothing to show.
    again = clone(embedder).set_params(n_components=4).fit([[0]])
    assert capsys.readouterr().err == ""
    np.testing.assert_array_equal(again.embedding_, embedder.embedding_[:, :4])


@pytest.mark.parametrize("method", ["laplacian", "diffusion_map", "isomap", "lle"])
def test_coordinates_do_not_depend_on_what_is_shown(capsys, method):
    X = np.random.default_rng(0).random((300, 2))
    embedded = []
    for verbose in (0, 1):
        clear_cache()
        embedded.append(SpectralEmbedder(5, method=method, verbose=verbose).fit_transform(X))
    np.testing.assert_array_equal(*embedded)
    assert capsys.readouterr().err.startswith("eigenvectors: ")


def test_components_are_counted_together(capsys, archipelago):
    clear_cache()
    SpectralEmbedder(graph=archipelago, verbose=1).fit([[0]])
    assert capsys.readouterr().err.startswith("eigenvectors: 33 vectors in")


def test_several_graphs_are_one_task(capsys, grid):
    clear_cache()
    graphs = {
        name: Graph.from_points(np.random.default_rng(name).random((50, 2))) for name in range(3)
    }
    table = [[0, 1], [2, 49]]
    MultiGraphEmbedder(graphs, SpectralEmbedder(4, verbose=1)).fit(table)
    shown = capsys.readouterr().err
    assert re.fullmatch(r"graphs: 3 graphs in .*\n", shown)


def test_a_smoother_shows_what_it_tries(capsys, grid, grid_table):
    X, y = grid_table[["node"]], grid_table["signal"]
    smoother = GraphSmoother(graph=grid, verbose=1).fit(X, y)
    shown = capsys.readouterr().err
    assert shown.startswith(f"smoothing: {len(smoother.cv_results_)} strengths in")
    quiet = GraphSmoother(graph=grid).fit(X, y)
    np.testing.assert_array_equal(quiet.signal_, smoother.signal_)


def test_a_corrected_smoother_shows_its_parts_in_one_line(terminal, grid, grid_table):
    X, y = grid_table[["node"]], grid_table["signal"]
    smoothers = [
        (name, GraphSmoother(graph=grid, order=i, verbose=1))
        for i, name in ((1, "one"), (2, "two"))
    ]
    model = CorrectedSmoother(graph=grid, smoothers=smoothers, cv=3, verbose=1)
    model.set_params(corrector=ResidualCorrector(LinearRegression(), verbose=1)).fit(X, y)
    shown = terminal.getvalue()
    assert shown.count("\n") == 1
    assert "5/5" in shown


@pytest.mark.parametrize("make", [
    lambda graph: SpectralEmbedder(graph=graph, verbose="yes"),
    lambda graph: GraphSmoother(graph=graph, verbose="yes"),
    lambda graph: CorrectedSmoother(graph=graph, verbose="yes"),
])  # fmt: skip
def test_verbose_is_a_number(grid, grid_table, make):
    with pytest.raises(TypeError, match="verbose must be an integer"):
        make(grid).fit(grid_table[["node"]], grid_table["signal"])


def test_an_embedder_in_a_pipeline_has_a_bar(terminal, grid, grid_table):
    clear_cache()
    model = make_pipeline(SpectralEmbedder(4, graph=grid, verbose=1), LinearRegression())
    model.fit(grid_table[["node"]], grid_table["signal"])
    assert "eigenvectors: 100%" in terminal.getvalue()
