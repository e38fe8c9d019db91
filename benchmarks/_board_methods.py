"""The board's methods that run in the project's own environment: skginr's and scikit-learn's.

A method is a function of a ``Fold`` that returns the mean of the test rows and their standard
deviation, or None where it has none. Every choice is made on the inner folds of training rows.
"""

import inspect
from dataclasses import dataclass
from functools import cached_property, partial

import networkx as nx
import numpy as np
from _tables import Table
from peers._peer import UnfitError
from scipy.interpolate import RBFInterpolator
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skginr import (
    CorrectedSmoother,
    GraphBlockKFold,
    GraphGaussianProcessRegressor,
    GraphSmoother,
    SIRENRegressor,
    SpectralEmbedder,
)

# A process of so many rows takes minutes; its kernel is chosen by fewer.
MOST_ROWS, SOME_ROWS = 5000, 300
# A smoother's deviations take a solve per node: minutes beyond.
MOST_SOLVES = 20_000
OURS = "CorrectedSmoother"


@dataclass(frozen=True)
class Fold:
    """Rows of a table that are known, and those to be predicted."""

    table: Table
    kind: str
    repeat: int
    number: int
    train: np.ndarray
    test: np.ndarray

    @property
    def rows(self):
        return self.table.X.iloc[self.train]

    @property
    def y(self):
        return self.table.y[self.train]

    @property
    def asked(self):
        return self.table.X.iloc[self.test]

    @property
    def blocks(self):
        """Return the ``cv`` of a user who is to predict regions; None for single nodes."""
        return GraphBlockKFold(5, graph=self.table.graph) if self.kind == "regions" else None

    @cached_property
    def inner(self):
        folds = self.blocks or KFold(10, shuffle=True, random_state=0)
        return list(folds.split(self.rows))


# --- skginr's


def predicted(model, fold):
    """Return what a fitted model says of a row: its mean and, where it knows, its deviation."""
    if "return_std" not in inspect.signature(model.predict).parameters:
        return model.predict(fold.asked), None
    return model.predict(fold.asked, return_std=True, with_noise=True)


def fitted_default(fold):
    """Return the corrected smoother as it is, told of regions where these are asked for."""
    cv = {"cv": fold.blocks} if fold.blocks else {}
    return CorrectedSmoother(graph=fold.table.graph, **cv).fit(fold.rows, fold.y)


def corrected(fold):
    """Return the default."""
    return predicted(fitted_default(fold), fold)


def smoothed_columns(fold):
    """Return what the default's smoothers say of every row: out of fold where it was known."""
    model = fitted_default(fold)
    columns = np.empty((len(fold.table.y), len(model.smoothers_)))
    columns[fold.train] = model.out_of_fold_
    for i, one in enumerate(model.smoothers_.values()):
        columns[fold.test, i] = one.predict(fold.asked)
    return columns


def smoother(fold, **given):
    model = GraphSmoother(graph=fold.table.graph, cv=fold.blocks, **given)
    model.fit(fold.rows, fold.y)
    if fold.table.graph.n_nodes > MOST_SOLVES:
        return model.predict(fold.asked), None
    return predicted(model, fold)


def graph_process(fold):
    refuse_large(fold.table.graph.n_nodes)
    model = GraphGaussianProcessRegressor(graph=fold.table.graph)
    return predicted(model.fit(fold.rows, fold.y), fold)


def network(fold):
    """Return the README's pipeline; covariates stand beside the coordinates."""
    given = {"validation": 0.2} if fold.kind == "regions" else {}
    covariates = list(fold.rows.columns[1:])
    columns = make_column_transformer(
        (SpectralEmbedder(graph=fold.table.graph), [fold.table.label]),
        (StandardScaler(), covariates),
    )
    model = make_pipeline(columns, SIRENRegressor(random_state=0, **given)).fit(fold.rows, fold.y)
    score = getattr(model[-1], "held_out_score_", np.nan)
    std = fold.y.std() * np.sqrt(max(1 - score, 0)) if np.isfinite(score) else None
    return model.predict(fold.asked), None if std is None else np.full(len(fold.test), std)


# --- scikit-learn's


def refuse_large(n):
    if n > MOST_ROWS:
        raise UnfitError(f"more than {MOST_ROWS:,}")


def scaled(fold, columns):
    """Return columns of spread 1 in the training rows; there may be none."""
    if not columns.size:
        return columns
    return StandardScaler().fit(columns[fold.train]).transform(columns)


def coordinates(fold, n_components=None, **given):
    """Return eigenvectors at every row."""
    labels = fold.table.X[[fold.table.label]]
    embedder = SpectralEmbedder(n_components, graph=fold.table.graph, **given)
    return embedder.fit(labels.iloc[fold.train]).transform(labels)


def searched(model, grid, rows, fold, inner=None):
    """Return predictions of the best of a grid, and what it missed on the inner folds."""
    search = GridSearchCV(
        model, grid, cv=inner or fold.inner, scoring="neg_mean_squared_error", error_score="raise"
    ).fit(rows[fold.train], fold.y)
    std = np.full(len(fold.test), np.sqrt(-search.best_score_))
    return search.predict(rows[fold.test]), std


def neighbours(fold, where):
    if where == "positions":
        rows = scaled(fold, fold.table.positions)
    else:
        # Coordinates stay as wide as they are, which says how far nodes are apart.
        rows = coordinates(fold, min(32, len(fold.train) // 3))
        rows = rows / rows[fold.train].std(axis=0).max()
    rows = np.hstack([rows, scaled(fold, fold.table.covariates)])
    least = min(len(seen) for seen, _ in fold.inner)
    grid = {"n_neighbors": [k for k in (1, 2, 3, 5, 8, 12, 20, 40) if k < 0.7 * least]}
    return searched(KNeighborsRegressor(weights="distance"), grid, rows, fold)


def process(fold):
    """Return scikit-learn's process on positions and covariates, each with its own length."""
    refuse_large(len(fold.table.y))
    places = fold.table.positions
    places = (places - places[fold.train].mean(axis=0)) / places[fold.train].std()
    n_axes = places.shape[1]
    rows = np.hstack([places, scaled(fold, fold.table.covariates)])
    lengths = [0.3] * n_axes + [3.0] * (rows.shape[1] - n_axes)
    kernel = ConstantKernel() * Matern(lengths, (1e-2, 1e3), nu=1.5) + WhiteKernel(0.3)
    some = np.random.default_rng(0).permutation(fold.train)[:SOME_ROWS]
    restarts = int(len(some) < SOME_ROWS)
    tuned = GaussianProcessRegressor(
        kernel, normalize_y=True, n_restarts_optimizer=restarts, random_state=0
    )
    tuned.fit(rows[some], fold.table.y[some])
    model = GaussianProcessRegressor(tuned.kernel_, normalize_y=True, optimizer=None)
    model.fit(rows[fold.train], fold.y)
    return model.predict(rows[fold.test], return_std=True)


def boosting(fold):
    """Return boosting on the columns of G2T (Bazhenov et al.), and on all else that is known."""
    table, adjacency = fold.table, fold.table.graph.adjacency
    ranks = nx.pagerank(nx.from_scipy_sparse_array(adjacency))
    ranks = np.array([ranks[node] for node in range(table.graph.n_nodes)])
    rows = [coordinates(fold, min(64, table.graph.n_nodes // 4)), table.covariates]
    rows += [adjacency.sum(axis=1)[table.nodes, None], ranks[table.nodes, None]]
    rows += [around(fold)] + ([] if table.positions is None else [table.positions])
    model = HistGradientBoostingRegressor(learning_rate=0.1, min_samples_leaf=10, random_state=0)
    grid = [
        {"max_iter": [60], "max_leaf_nodes": [4, 16]},
        {"max_iter": [300], "max_leaf_nodes": [16], "learning_rate": [0.05]},
    ]
    return searched(model, grid, np.hstack(rows), fold, fold.inner[:3])


def around(fold):
    """Return mean, least and greatest of the signal over neighbours, out of fold.

    Of a training row those of its own inner fold do not count, as of a test row none of the test.
    """
    table = fold.table
    found = np.full((len(table.y), 3), np.nan)
    splits = [(fold.train[seen], fold.train[held]) for seen, held in fold.inner]
    for seen, asked in [*splits, (fold.train, fold.test)]:
        values = np.full(table.graph.n_nodes, np.nan)
        values[table.nodes[seen]] = table.y[seen]
        adjacency = table.graph.adjacency
        for row in asked:
            node = table.nodes[row]
            near = values[adjacency.indices[adjacency.indptr[node] : adjacency.indptr[node + 1]]]
            near = near[np.isfinite(near)]
            if len(near):
                found[row] = near.mean(), near.min(), near.max()
    return found


def ridge(fold):
    n_components = min(128, len(fold.train) // 2, fold.table.graph.n_nodes // 2)
    rows = coordinates(fold, n_components, scaling="unit")
    extra = fold.table.covariates.shape[1]
    rows = np.hstack([scaled(fold, fold.table.covariates), rows])
    sizes = [k for k in (2, 4, 8, 16, 32, 64, 128) if k <= n_components]
    grid = {
        "functiontransformer__kw_args": [{"n": extra + k} for k in sizes],
        "ridge__alpha": np.logspace(-2, 3, 6),
    }
    return searched(make_pipeline(FunctionTransformer(first), Ridge()), grid, rows, fold)


def first(rows, n):
    return rows[:, :n]


def spline(fold):
    """Return the thin-plate spline through space, its smoothing chosen."""
    if fold.table.covariates.size:
        raise UnfitError("takes no covariates")
    places = fold.table.positions / fold.table.positions[fold.train].std()

    def answer(seen, asked, smoothing):
        near = min(60, len(seen))
        found = RBFInterpolator(places[seen], fold.table.y[seen], near, smoothing)
        return found(places[asked])

    def error(smoothing):
        parts = fold.inner if len(fold.y) < MOST_ROWS else fold.inner[:2]
        missed = [
            answer(fold.train[seen], fold.train[held], smoothing) - fold.y[held]
            for seen, held in parts
        ]
        return np.mean(np.concatenate(missed) ** 2)

    errors = {smoothing: error(smoothing) for smoothing in (0, 1e-3, 1e-2, 0.1, 1, 10)}
    best = min(errors, key=errors.get)
    return answer(fold.train, fold.test, best), np.full(len(fold.test), np.sqrt(errors[best]))


def mean(fold):
    return np.full(len(fold.test), fold.y.mean()), np.full(len(fold.test), fold.y.std())


HARMONIC = "harmonic interpolation"
ORDER_1 = "GraphSmoother, order 1"
GRAPH_PROCESS = "GraphGaussianProcessRegressor"
MEAN = "mean of the training rows"
SKGINR = {
    OURS: corrected,
    ORDER_1: smoother,
    "GraphSmoother, order 2": partial(smoother, order=2),
    # As weak as leaves observed values as they are.
    HARMONIC: partial(smoother, alpha=1e-6),
    GRAPH_PROCESS: graph_process,
    "SpectralEmbedder and SIRENRegressor": network,
}
SKLEARN = {
    "nearest neighbours on positions": partial(neighbours, where="positions"),
    "nearest neighbours on eigenvectors": partial(neighbours, where="eigenvectors"),
    "Gaussian process on positions": process,
    "boosting on graph columns": boosting,
    "ridge on eigenvectors": ridge,
    "thin-plate spline on positions": spline,
    MEAN: mean,
}
