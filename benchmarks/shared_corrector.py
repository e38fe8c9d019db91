"""Signals on graphs never seen: what was learned of others, beside what each tells by itself.

    python benchmarks/shared_corrector.py              fifteen proteins, and textures: half an hour
    python benchmarks/shared_corrector.py --folds 15   each protein left out by itself
    python benchmarks/shared_corrector.py --peers      CorrectedSmoother too: ten minutes a fit

R² of nodes that were not observed, and what share of them 90% intervals hold. ``blend`` is the
SharedCorrector without its correction, ``boosting`` and ``network`` are correctors. A
CorrectedSmoother gets positions as covariates, and is fitted to the observed nodes of the protein
itself. Textures of a range of parameters were learned on the bunny with 1,887 vertices. Needs
SKGINR_DATA.
"""

import argparse
import copy
import os
import time
import warnings
import zlib

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from _graphs import sphere as spread_on_sphere
from scipy.spatial import ConvexHull
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from skginr import (
    CorrectedSmoother,
    Graph,
    GraphSmoother,
    SharedCorrector,
    SIRENRegressor,
    SpectralEmbedder,
)
from skginr.datasets import (
    PROTEIN_SURFACES,
    fetch_bunny,
    fetch_protein_surface,
    make_reaction_diffusion,
)

SHARES = (0.01, 0.02, 0.05, 0.1, 0.5)
BOOSTING = HistGradientBoostingRegressor(
    max_iter=300,
    learning_rate=0.03,
    max_leaf_nodes=15,
    min_samples_leaf=100,
    l2_regularization=10,
    max_features=0.3,
    random_state=0,
)


def observed(name, n_nodes, share):
    """Return the nodes that are observed: for all methods the same."""
    rng = np.random.default_rng([zlib.crc32(name.encode()), int(1000 * share)])
    return np.sort(rng.permutation(n_nodes)[: max(20, round(share * n_nodes))])


def fitted(graphs, X, y, **settings):
    """Return models by name that have learned from signals."""
    models = {
        "network": SharedCorrector(graphs, **settings).fit(X, y),
        "boosting": SharedCorrector(graphs, corrector=BOOSTING, **settings).fit(X, y),
    }
    models["blend"] = copy.copy(models["network"])
    models["blend"]._worth = 0 * models["blend"]._worth
    return models


def rows_of(models, data, name, graph, y, others):
    """Yield what models, and others by name, make of a signal of which few values are known."""
    X = graph.labels.to_frame(index=False, name="node")
    for share in SHARES:
        known = observed(name, len(y), share)
        rest = np.setdiff1d(np.arange(len(y)), known)
        for method, model in (models | others).items():
            start = time.perf_counter()
            if method in models:
                model = model.condition(graph, X.iloc[known], y[known])
                mean, std = model.predict(X.iloc[rest], return_std=True, with_noise=True)
            else:
                mean, std = model(graph, X, known, rest, y[known]), np.nan
            error = y[rest] - mean
            yield {
                "data": data,
                "signal": name,
                "share": share,
                "method": method,
                "r2": 1 - (error @ error) / ((y[rest] - y[rest].mean()) ** 2).sum(),
                "covered": np.nan if std is np.nan else (np.abs(error) < 1.645 * std).mean(),
                "seconds": time.perf_counter() - start,
            }


def corrected(graph, X, known, rest, y):
    """Return what smoothers and a network learn of this signal alone."""
    table = X.join(pd.DataFrame(graph.positions))
    model = CorrectedSmoother(graph=graph, node="node").fit(table.iloc[known], y)
    return model.predict(table.iloc[rest])


def biharmonic(graph, X, known, rest, y):
    """Return the least bent surface through the observations."""
    model = GraphSmoother(graph=graph, order=2, laplacian="cotangent", alpha=1e-6)
    return model.fit(X.iloc[known], y).predict(X.iloc[rest])


def proteins(n_folds, peers):
    """Yield rows of every protein, by models that have learned from those of other folds."""
    data = {name: fetch_protein_surface(name) for name in PROTEIN_SURFACES}
    graphs = {name: one.graph for name, one in data.items()}
    others = {"biharmonic": biharmonic} | ({"corrected": corrected} if peers else {})
    for fold in range(n_folds):
        left_out = PROTEIN_SURFACES[fold::n_folds]
        table = pd.concat(
            one.frame.assign(protein=name) for name, one in data.items() if name not in left_out
        )
        models = fitted(graphs, table[["protein", "vertex"]], table["charge"])
        for name in left_out:
            charge = data[name].frame["charge"].to_numpy()
            yield from rows_of(models, "proteins", name, graphs[name], charge, others)


def textures():
    """Yield rows of textures on spheres and a finer bunny, learned from a coarse one."""
    rng = np.random.default_rng(0)

    def grown(graph):
        return make_reaction_diffusion(
            graph,
            laplacian="random_walk",
            n_steps=4_000,
            feed=rng.uniform(0.054, 0.062),
            kill=rng.uniform(0.061, 0.063),
            random_state=int(rng.integers(1e6)),
        )["v"].to_numpy()

    bunny = fetch_bunny(3)
    table = pd.concat(
        pd.DataFrame({"graph": "bunny", "node": bunny.labels, "texture": i, "v": grown(bunny)})
        for i in range(8)
    )
    X = table[["graph", "node", "texture"]]
    models = fitted({"bunny": bunny}, X, table["v"], observed=(0.01, 0.5))
    others = {"biharmonic": biharmonic, "transfer": transferred(bunny, table)}
    meshes = {"sphere, 2,562": sphere(2_562), "sphere, 10,242": sphere(10_242)}
    for name, graph in (meshes | {"bunny, 8,146": fetch_bunny(2)}).items():
        for i in range(2):
            yield from rows_of(models, name, f"{name}, {i}", graph, grown(graph), others)


def transferred(bunny, table):
    """Return what a network on spectral coordinates of the bunny says elsewhere."""
    first = table[table["texture"] == 0]
    embedder = SpectralEmbedder(64, graph=bunny, laplacian="cotangent", scaling="unit")
    network = SIRENRegressor(random_state=0).fit(
        embedder.fit_transform(first[["node"]]), first["v"]
    )

    def predict(graph, X, known, rest, y):
        coordinates = clone(embedder).set_params(graph=graph).fit_transform(X)
        with warnings.catch_warnings():
            # That it has seen nothing alike.
            warnings.simplefilter("ignore", UserWarning)
            said = network.predict(coordinates)
        # A texture of its own: what is known tells its sign and size.
        return LinearRegression().fit(said[known, None], y).predict(said[rest, None])

    return predict


def sphere(n_points):
    """Return the mesh of points that are spread evenly on a sphere."""
    _, points = spread_on_sphere(n_points)
    return Graph.from_mesh(points, ConvexHull(points).simplices)


def report(rows, out):
    """Print means over signals, a table of each kind of data, and keep rows as they come."""
    kept = []
    for row in rows:
        kept.append(row)
        if out:
            pd.DataFrame([row]).to_csv(out, mode="a", header=not os.path.exists(out), index=False)
    table = pd.DataFrame(kept)
    for data, found in table.groupby("data", sort=False):
        print(f"\n{data}: {found['signal'].nunique()} signals")
        for what in ("r2", "covered", "seconds"):
            means = found.pivot_table(index="method", columns="share", values=what)
            print(f"{what}\n{means.round(4).to_string()}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--out", help="a file of all rows")
    arguments = parser.parse_args()
    for found in (textures(), proteins(arguments.folds, arguments.peers)):
        report(found, arguments.out)
