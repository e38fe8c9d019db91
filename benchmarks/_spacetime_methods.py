"""What fills gaps in tables of nodes and times: from a task to held-out rows, times in turn.

Each returns a mean and a standard deviation of the values (noise included) or None.
"""

import os
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from _board_peers import ONE_CORE, Peer, reason_of
from _child import TOO_LONG
from peers._peer import TOO_SLOW, UnfitError
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

from skginr.graphs import sphere_points

# Seconds of processor that a fit may take.
LIMIT = 900
# Rows of a method's fit where the table has millions.
MANY = 400_000


def ours(task):
    from skginr import SpaceTimeSmoother

    table = task.table
    model = SpaceTimeSmoother(
        graph=table.graph, node=table.node, time="time", periods=table.periods
    ).fit(*task.train)
    return model.predict(task.test, return_std=True, with_noise=True)


# --- wide tables


def interpolated(task):
    """pandas, along the time of each node, its last value beyond the ends."""
    need_records(task)
    wide = pd.DataFrame(task.known, index=task.table.times)
    return wide.interpolate("time", limit_direction="both").to_numpy()[task.held], None


def nearest_times(task, most=4000):
    """KNNImputer: the mean of the five times that are most alike."""
    need_records(task)
    wide = task.known
    drawn = np.random.default_rng(0).permutation(len(wide))[:most]
    imputer = KNNImputer().fit(wide[np.sort(drawn)])
    return imputer.transform(wide)[task.held], None


def chained(task):
    """IterativeImputer: each node by Bayesian ridge of the 30 most correlated ones."""
    need_records(task)
    imputer = IterativeImputer(n_nearest_features=30, random_state=0)
    return imputer.fit_transform(task.known)[task.held], None


def need_records(task):
    if not np.isfinite(task.known).any(axis=0).all():
        raise UnfitError("a node without records")


# --- long tables


def boosted(task):
    """HistGradientBoostingRegressor of place, season, year, time and node, until it stops."""
    table = task.table
    seen = np.isfinite(task.known)
    of_node = table.places.to_numpy()
    # Nothing of a node's own where other nodes are to be predicted.
    if seen.any(axis=0).all():
        of_node = np.column_stack([of_node, pd.DataFrame(task.known).mean()])
    years, days = table.times.year.to_numpy(), table.times.dayofyear.to_numpy()
    of_time = np.column_stack([table.season, years, days, np.arange(len(table.times))])
    few = table.graph.n_nodes <= 255
    numbers = np.arange(table.graph.n_nodes)[:, None]
    of_node = np.hstack([of_node, numbers]) if few else of_node

    def columns(time, node):
        return np.hstack([of_time[time], of_node[node]])

    time, node = np.nonzero(seen)
    if len(time) > MANY:
        drawn = np.random.default_rng(0).choice(len(time), MANY, replace=False)
        time, node = time[drawn], node[drawn]
    model = HistGradientBoostingRegressor(
        max_iter=3000,
        max_leaf_nodes=63,
        early_stopping=True,
        categorical_features=[of_time.shape[1] + of_node.shape[1] - 1] if few else None,
        random_state=0,
    )
    model.fit(columns(time, node), task.known[time, node])
    return model.predict(columns(*np.nonzero(task.held))), None


def kriged(task, n_rounds=1):
    """Means of season and node, by place where there are few records; what is left by kriging.

    A further round takes the means again, of what kriging has left: those of a few warm years are
    too high.
    """
    table = task.table
    apart, fields = distances(table), 0.0
    for _ in range(n_rounds):
        usual, doubt = usual_values(task.known - fields, table)
        left = task.known - usual[table.season]
        fields, variances = kriging(left, apart)
    std = np.sqrt(variances + doubt[table.season])
    return (usual[table.season] + fields)[task.held], std[task.held]


def usual_values(values, table):
    """Return means of seasons and nodes and what they may be off, as (n_seasons, n_nodes).

    Drawn to a regression on place, as the variances between nodes and within them say.
    """
    places = table.places.to_numpy()
    design = np.column_stack([np.ones(len(places)), (places - places.mean(0)) / places.std(0)])
    shape = table.season.max() + 1, len(places)
    usual, doubt = np.empty(shape), np.empty(shape)
    for season in range(len(usual)):
        rows = values[table.season == season].astype(float)
        counts = np.isfinite(rows).sum(axis=0)
        means = np.divide(np.nansum(rows, axis=0), counts, where=counts > 0, out=np.zeros(shape[1]))
        weights = np.sqrt(np.minimum(counts, 10))
        fitted = design @ np.linalg.lstsq(design * weights[:, None], means * weights, rcond=None)[0]
        well = counts >= min(10, counts.max())
        within = np.nanmean((rows - means)[:, well] ** 2)
        between = np.mean((means - fitted)[well] ** 2)
        ratio = within / between
        usual[season] = (counts * means + ratio * fitted) / (counts + ratio)
        # Of nodes with records it is part of what is left.
        doubt[season] = np.where(counts > 0, 0, between)
    return usual, doubt


def kriging(values, apart):
    """Return fields of all times and the variances of values there; one variogram.

    Exponential, with a nugget, by likelihood on 60 times.
    """
    variance = np.nanvar(values)
    drawn = np.random.default_rng(0).permutation(len(values))[:60]
    drawn = [row for row in values[drawn] if np.isfinite(row).sum() > 2]

    def parts(logs):
        share = 1 / (1 + np.exp(-logs[1]))
        return (1 - share) * np.exp(-apart / np.exp(logs[0])), share

    def negative_likelihood(logs):
        covariance, nugget = parts(logs)
        total, scale, n_rows = 0.0, 0.0, 0
        for row in drawn:
            at = np.flatnonzero(np.isfinite(row))
            root = np.linalg.cholesky(covariance[np.ix_(at, at)] + nugget * np.eye(len(at)))
            scale += (np.linalg.solve(root, row[at]) ** 2).sum()
            total, n_rows = total + 2 * np.log(np.diag(root)).sum(), n_rows + len(at)
        return total + n_rows * np.log(scale / n_rows)

    start = [np.log(np.median(apart)), -1.5]
    found = minimize(negative_likelihood, start, method="Nelder-Mead", options={"maxiter": 60}).x
    covariance, nugget = parts(found)
    fields, variances = np.zeros(values.shape), np.full(values.shape, variance)
    for row, field, spread in zip(values, fields, variances, strict=True):
        at = np.flatnonzero(np.isfinite(row))
        if len(at):
            factor = cho_factor(covariance[np.ix_(at, at)] + nugget * np.eye(len(at)))
            solved = cho_solve(factor, covariance[at])
            field[:] = solved.T @ row[at]
            spread[:] = variance * (1 - (covariance[at] * solved).sum(axis=0))
    return fields, variances


def distances(table):
    """Return distances between nodes, in kilometres where they are on the globe."""
    if "longitude" in table.places:
        points = 6371 * sphere_points(table.places["latitude"], table.places["longitude"])
    else:
        points = table.places.to_numpy()
    return cdist(points, points)


# --- environments of their own


def in_environment(task, peer, most=np.inf, **given):
    """Let a script of ``peers/`` fill the table, told of it by a file."""
    if peer.absent:
        raise UnfitError(peer.absent)
    if np.isfinite(task.known).sum() > most:
        raise UnfitError("millions of rows")
    table = task.table
    with tempfile.TemporaryDirectory() as folder:
        source, target, errors = (Path(folder, name) for name in ("in.npz", "out.npz", "errors"))
        np.savez(
            source,
            known=task.known,
            held=task.held,
            season=table.season,
            places=table.places,
            seconds=LIMIT,
            **given,
        )
        command = [peer.python, Path(__file__).parent / "peers" / f"{peer.script}.py"]
        with errors.open("w") as file:
            done = subprocess.run(
                [*command, source, target],
                stdout=subprocess.DEVNULL,
                stderr=file,
                env=os.environ | ONE_CORE,
                check=False,
            )
        if not target.exists():
            if -done.returncode in TOO_SLOW:
                raise UnfitError(TOO_LONG)
            raise RuntimeError(reason_of(done, errors.read_text()))
        with np.load(target) as kept:
            return kept["mean"], kept.get("std")


def filled_elsewhere(task, peer, **given):
    need_records(task)
    return in_environment(task, peer, **given)


GPBOOST = Peer("gpboost_times", "gpboost")
STATSMODELS = Peer("seasonal", "statsmodels")
DINEOF = Peer("dineof", "pydineof")
PYPOTS = Peer("neural", "pypots")
ELSEWHERE = {
    "GPBoost": partial(in_environment, peer=GPBOOST, most=MANY),
    "statsmodels, STL and interpolation": partial(filled_elsewhere, peer=STATSMODELS),
    "pydineof": partial(filled_elsewhere, peer=DINEOF, most=MANY),
    "PyPOTS, SAITS": partial(filled_elsewhere, peer=PYPOTS, most=MANY, variant="SAITS"),
    "PyPOTS, BRITS": partial(filled_elsewhere, peer=PYPOTS, most=MANY, variant="BRITS"),
}
METHODS = {
    "SpaceTimeSmoother": ours,
    "pandas.interpolate": interpolated,
    "KNNImputer": nearest_times,
    "IterativeImputer": chained,
    "boosting": boosted,
    "means and kriging": kriged,
    "means and kriging, 5 rounds": partial(kriged, n_rounds=5),
} | ELSEWHERE
