"""What examples/weather.py compares with: splines along axes, and the network of the paper."""

import numpy as np
from scipy.interpolate import make_interp_spline
from sklearn.compose import make_column_transformer
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skginr import SeasonalFeatures, SIRENRegressor, SpectralEmbedder


def spline(field, degree):
    """Return the field at all rows from splines through those known, which know of no graph."""
    n_times, n_lat, n_lon = field.shape
    # Of the globe once more to the west and the east.
    around = np.arange(-n_lon, 2 * n_lon) if field.of_globe else np.arange(n_lon)
    every, step, _ = field.steps
    found = field.truth.reshape(*field.shape, -1).take(around[::step], axis=2, mode="wrap")
    found = found[::every, ::step]
    known = np.arange(n_times)[::every], np.arange(n_lat)[::step], around[::step]
    for axis, (of_axis, n) in enumerate(zip(known, field.shape, strict=True)):
        found = make_interp_spline(of_axis, found, degree, axis=axis)(np.arange(n))
    return found.reshape(field.truth.shape)


def network(field, max_epochs):
    """Return a network that sees eigenvectors of the mesh, the time and the season."""
    columns = make_column_transformer(
        (SpectralEmbedder(100, graph=field.graph, laplacian="cotangent", scaling="unit"), ["node"]),
        (make_pipeline(SeasonalFeatures(n_harmonics=1, trend=True), StandardScaler()), ["time"]),
    )
    siren = SIRENRegressor(
        "train",
        input_scaling="given",
        first_gain=2,
        batch_size=4096,
        max_epochs=max_epochs,
        learning_rate=4e-3,
        random_state=0,
    )
    return make_pipeline(columns, siren)


def compare(field, lines, who, found):
    """Return a row of the table for each column, beside the better spline."""
    every, step, _ = field.steps
    known = [f"every {every}{'nd' if every == 2 else 'th'} time"] * (every > 1)
    known += [f"every {step}nd latitude and longitude"] * (step > 1)
    row = {"experiment": "weather", "what": f"R², {who}; known {', '.join(known)}", "paper": None}
    rows = []
    for c, column in enumerate(field.columns):
        truth, *ours = (f[~field.known, c] for f in (field.truth, found, *lines.values()))
        r2, *splines = (r2_score(truth, values) for values in ours)
        name = list(lines)[np.argmax(splines)]
        row |= {"data": column, "ours": r2, "baseline": max(splines), "baseline_name": name}
        rows.append(dict(row))
        print(rows[-1], flush=True)
    return rows
