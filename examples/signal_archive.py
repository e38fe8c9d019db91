"""A map from sixteen stations, by an archive of maps: reconstruction and simulation.

Hourly temperatures over Great Britain. The archive is the first week; what is asked for is an hour
of the days after it, of which 1% of the places report. ``SignalDistribution`` has learned the mean
of each hour of the day and how places vary together; ``condition`` takes the reports, without any
training, and tells mean, deviation and draws at all other places. Beside it stands a smoother of
what is left of the reports without their hour's mean. Needs SKGINR_DATA; ``--full`` asks for every
fifth hour, and for winds of the globe.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot

from skginr import GraphSmoother, SignalDistribution
from skginr.datasets import fetch_era5_uk, fetch_navy_winds
from skginr.plotting import plot_signal

# How it is fetched, its column, what the phase is, and how many times are the archive.
DATA = {
    "temperature": (fetch_era5_uk, "temperature", "hour", 168),
    "winds": (fetch_navy_winds, "u", "month", 36),
}


def main(full=False, output=Path("build")):
    """Return the rows of the table, and draw samples and one reconstruction."""
    rows = []
    for name in DATA if full else ["temperature"]:
        fetch, column, phase, n_archive = DATA[name]
        found = fetch()
        table = found.frame.assign(phase=getattr(found.frame["time"].dt, phase))
        times = table["time"].unique()
        known = table["time"] < times[n_archive]
        distribution = SignalDistribution(graph=found.graph, signal="time", phase="phase")
        distribution.fit(table.loc[known, ["time", "node", "phase"]], table.loc[known, column])
        new = times[n_archive:] if name == "winds" else times[n_archive::5]
        for share in (0.01, 0.05, 0.2) if full else (0.01,):
            scores = score(distribution, table, column, new if full else new[:3], share)
            print(f"{name}, {share:.0%} observed\n{scores.round(4).to_string()}", flush=True)
            for what in ("R²", "covered by 90% intervals"):
                rows.append(
                    {"experiment": "archive of signals", "data": name, "paper": None}
                    | {"what": f"{what}, {share:.0%} observed", "ours": scores.loc["archive", what]}
                    | {"baseline": scores.loc["smoother", what], "baseline_name": "smoother"}
                )
        if name == "temperature":
            now = table["time"] == new[2]
            same = table[known & (table["phase"] == table.loc[now, "phase"].iloc[0])]
            fields = same.set_index(["time", "node"])[column].unstack().to_numpy()  # noqa: PD010
            draw(distribution, fields[::2], table[now], column, output)
    return rows


def score(distribution, table, column, times, share, seed=0):
    """Return R² and coverage at places that did not report, of the archive and of a smoother."""
    nodes = table["node"].unique()
    told = np.random.default_rng(seed).choice(nodes, max(5, int(share * len(nodes))), replace=False)
    parts = []
    for time in times:
        now = table[table["time"] == time]
        means = distribution.means_.loc[now["phase"].iloc[0], now["node"]].to_numpy()
        seen = now["node"].isin(told).to_numpy()
        X, y = now[["node", "phase"]], now[column].to_numpy()
        model = distribution.condition(X[seen], y[seen])
        smoother = GraphSmoother(graph=distribution.graph_).fit(
            X.loc[seen, ["node"]], y[seen] - means[seen]
        )
        for name, one, asked, mean in (
            ("archive", model, X[~seen], 0),
            ("smoother", smoother, X.loc[~seen, ["node"]], means[~seen]),
        ):
            expected, std = one.predict(asked, return_std=True, with_noise=True)
            error = y[~seen] - mean - expected
            about = y[~seen] - y[~seen].mean()
            parts.append(
                (name, (error**2).sum(), (about**2).sum(), np.mean(abs(error) < 1.645 * std))
            )
    sums = pd.DataFrame(parts, columns=["model", "error", "total", "covered"]).groupby("model")
    r2 = 1 - sums["error"].sum() / sums["total"].sum()
    return pd.DataFrame({"R²": r2, "covered by 90% intervals": sums["covered"].mean()})


def draw(distribution, archive, now, column, output, n_told=16):
    """Save fields of the archive beside samples, and one field as it was and as it is told."""
    output.mkdir(parents=True, exist_ok=True)
    graph, X, y = distribution.graph_, now[["node", "phase"]], now[column].to_numpy()
    samples = distribution.sample(4, phase=now["phase"].iloc[0]).to_numpy()
    told = np.random.default_rng(0).permutation(len(now))[:n_told]
    model = distribution.condition(X.iloc[told], y[told])
    mean, std = model.predict(X, return_std=True)
    only = np.full(len(now), np.nan)
    only[told] = y[told]
    one, other = model.sample_y(X, 2).T
    limits = y.min(), y.max()
    for file, panels in {
        "archive_samples": [
            *[("of the archive", field, None) for field in archive],
            *[("sample", field, None) for field in samples],
        ],
        "archive_condition": [
            ("truth", y, limits),
            (f"{n_told} places report", only, limits),
            ("expected", mean, limits),
            ("deviation", std, None),
            ("may be", one, limits),
            ("or this", other, limits),
        ],
    }.items():
        n_columns = len(panels) // 2
        size = (3.6 * n_columns, 6.4)
        figure, axes = pyplot.subplots(2, n_columns, figsize=size, layout="constrained")
        for axis, (title, field, clim) in zip(axes.ravel(), panels, strict=True):
            plot_signal(graph, field, ax=axis, clim=clim)
            axis.set_title(title)
        figure.savefig(output / f"{file}.png", dpi=80)
        pyplot.close(figure)


if __name__ == "__main__":
    main("--full" in sys.argv)
