"""Many signals at once, deviations of all nodes and draws of whole signals: seconds and errors.

    python benchmarks/draws.py            # about five minutes
    python benchmarks/draws.py --million  # and a million nodes, another ten

On triangulated spheres; a tenth of the nodes observed, noise .1 of the signal. Processor seconds,
and ratios within this run.
"""

import argparse
import time

import numpy as np
import pandas as pd
from _graphs import sphere

from skginr import Graph, GraphSmoother
from skginr._core import one_blas_thread
from skginr.smoothing import _penalised

SIGNALS, DRAWS = 200, 100


def graph_of(n_nodes):
    adjacency, positions = sphere(n_nodes)
    return Graph(adjacency, positions=positions)


def waves(graph, n_signals, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n_signals, 3))
    signals = np.stack([np.sin(4 * np.linalg.norm(graph.positions - c, axis=1)) for c in centres])
    return signals.T + 0.1 * rng.standard_normal((graph.n_nodes, n_signals))


def seconds(run):
    start = time.process_time()
    found = run()
    return time.process_time() - start, found


def many_signals(graph):
    """Print what 200 signals take, in times of one."""
    X, y = graph.labels.to_frame(), waves(graph, SIGNALS)
    rows = []
    for settings in (
        {"order": 1},
        {"order": 2},
        {"order": 1, "alpha": 0.1},
        {"order": 2, "alpha": 0.1},
    ):
        one, _ = seconds(lambda s=settings: GraphSmoother(graph=graph, **s).fit(X, y[:, 0]))
        many, _ = seconds(lambda s=settings: GraphSmoother(graph=graph, **s).fit(X, y))
        rows.append(
            {"settings": settings, "one (s)": one, f"{SIGNALS} (s)": many, "ratio": many / one}
        )
    show(
        f"{SIGNALS} signals at all of {graph.n_nodes} nodes; target: under 5 times the time of one",
        rows,
    )


def deviations(graph, *, exact):
    """Print what standard deviations of all nodes and draws take."""
    X, y = graph.labels.to_frame(), waves(graph, 1)[:, 0]
    observed = np.random.default_rng(1).permutation(graph.n_nodes)[: graph.n_nodes // 10]
    rows = []
    for order in (1, 2):
        fitting, model = seconds(
            lambda k=order: GraphSmoother(graph=graph, order=k, alpha=0.1).fit(
                X.iloc[observed], y[observed]
            )
        )
        telling, (_, std) = seconds(lambda m=model: m.predict(X, return_std=True))
        drawing, _ = seconds(lambda m=model: m.sample_y(X, DRAWS))
        row = {
            "order": order,
            "fit (s)": fitting,
            "std of all nodes (s)": telling,
            f"{DRAWS} draws (s)": drawing,
        }
        if exact:
            much, _penalised._MUCH_WORK = _penalised._MUCH_WORK, 0
            estimating, (_, rough) = seconds(lambda m=model: m.predict(X, return_std=True))
            _penalised._MUCH_WORK = much
            row |= {
                "std by draws (s)": estimating,
                "its error": np.sqrt(np.mean((rough / std - 1) ** 2)),
            }
        rows.append(row)
    show(
        f"{graph.n_nodes} nodes, a tenth observed; target: 100 draws of 100,000 under a minute",
        rows,
    )


def show(title, rows):
    print(f"\n{title}\n\n{pd.DataFrame(rows).to_markdown(index=False, floatfmt='.3g')}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--million", action="store_true", help="a million nodes, too")
    options = parser.parse_args()
    with one_blas_thread():
        small = graph_of(10_000)
        many_signals(small)
        deviations(small, exact=True)
        deviations(graph_of(100_000), exact=False)
        if options.million:
            deviations(graph_of(1_000_000), exact=False)


if __name__ == "__main__":
    main()
