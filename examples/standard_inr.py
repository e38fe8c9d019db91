"""Signals on plain coordinates, without any graph: an image, a solid, a video and a sound.

    python examples/standard_inr.py           # small ones, in seconds
    python examples/standard_inr.py --full    # larger ones, in about ten minutes

The very same network takes pixels (x, y) to colours, points (x, y, z) to inside or outside, pixels
and times (x, y, t) to colours, and times to amplitudes, all in units of standard deviations. Of
each signal a part is known, and figures are of the rest: every second row and column of an image
that scikit-learn ships, points of a solid on a coarse grid, every second frame of a walk over the
image, every third sample of a chirp. Beside them stands interpolation of the same numbers.
Frequencies (``first_gain``) were chosen on the small signals.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot
from scipy.interpolate import RegularGridInterpolator
from sklearn.datasets import load_sample_image
from sklearn.metrics import accuracy_score

from skginr import SIRENClassifier, SIRENRegressor

# Columns come in standard deviations of the whole grid, of which a part is known.
COMMON = {"preset": "train", "input_scaling": "given", "random_state": 0}


def main(full=False, output=Path("build")):
    """Return the rows of the table, and draw the image at twice its resolution."""
    photograph = load_sample_image("flower.jpg") / 255
    size = 256 if full else 64
    image = photograph[100 : 100 + size, 200 : 200 + size]
    return [
        enlarge(image, output),
        solid(32 if full else 12, full),
        video(photograph, 40 if full else 12, full),
        sound(3_000 if full else 900),
    ]


def enlarge(image, output):
    """Learn every second row and column of an image, and ask for all; draw it."""
    axes = [np.arange(n) for n in image.shape[:2]]
    known = [axis[::2] for axis in axes]
    network = SIRENRegressor(
        **COMMON, first_gain=6 * len(image) / 128, hidden_units=256, max_epochs=100
    )
    values = image[::2, ::2]
    network.fit(standardised(known, axes), values.reshape(-1, 3))
    found = network.predict(standardised(axes, axes)).reshape(image.shape)
    # Not beyond the last known, where interpolation has nothing to say.
    axes = [axis[: last[-1] + 1] for axis, last in zip(axes, known, strict=True)]
    new = np.any(np.meshgrid(*(axis % 2 for axis in axes), indexing="ij"), axis=0)
    found, truth = (field[: len(axes[0]), : len(axes[1])] for field in (found, image))
    bicubic = interpolate(known, values, axes)
    draw(values, {"network": found, "bicubic": bicubic, "truth": truth}, output)
    ours, theirs = psnr(found[new], truth[new]), psnr(bicubic[new], truth[new])
    return row("image", "PSNR of new pixels, dB", ours, theirs, "bicubic")


def solid(n_points, full):
    """Learn which points of a grid lie in a gyroid, and ask for points anywhere."""
    grid = [np.linspace(-3, 3, n_points)] * 3
    places = np.random.default_rng(0).uniform(-3, 3, size=(50_000 if full else 5_000, 3))
    network = SIRENClassifier(**COMMON, first_gain=1.5, max_epochs=60)
    points = np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1)
    network.fit(points.reshape(-1, 3), gyroid(points).ravel())
    occupied = RegularGridInterpolator(grid, gyroid(points).astype(float))(places) > 0.5
    ours, linear = (
        accuracy_score(gyroid(places), found) for found in (network.predict(places), occupied)
    )
    return row("voxels", "accuracy at new points", ours, linear, "trilinear")


def gyroid(points):
    """Return whether points lie on the inner side of a surface that goes on for ever."""
    x, y, z = np.moveaxis(1.5 * points, -1, 0)
    return np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x) > 0.3


def video(photograph, size, full):
    """Learn every second frame of a walk over a photograph, and ask for those between."""
    n_frames = 17 if full else 9
    axes = [np.arange(n_frames), np.arange(size), np.arange(size)]
    t, y, x = np.meshgrid(*axes, indexing="ij")
    places = np.stack([100 + 2 * y + 2 * t, 250 + 2 * x + 3 * t], axis=-1)
    rows, columns = (np.arange(n) for n in photograph.shape[:2])
    frames = RegularGridInterpolator((rows, columns), photograph)(places)
    known = [axes[0][::2], *axes[1:]]
    network = SIRENRegressor(**COMMON, first_gain=1.5, hidden_units=256, max_epochs=60)
    network.fit(standardised(known, axes), frames[::2].reshape(-1, 3))
    between = [axes[0][1::2], *axes[1:]]
    found = network.predict(standardised(between, axes)).reshape(frames[1::2].shape)
    linear = (frames[:-1:2] + frames[2::2]) / 2
    ours, theirs = psnr(found, frames[1::2]), psnr(linear, frames[1::2])
    return row("video", "PSNR of new frames, dB", ours, theirs, "linear in time")


def sound(n_samples):
    """Learn every third sample of a chirp, and ask for the others."""
    time = np.arange(n_samples + 1)
    amplitude = np.sin(2 * np.pi * time * (0.01 + 0.05 * time / n_samples))
    known = [time[::3]]
    network = SIRENRegressor(
        **COMMON, first_gain=0.03 * n_samples, hidden_units=256, max_epochs=200
    )
    network.fit(standardised(known, [time]), amplitude[::3])
    new = time % 3 > 0
    ours = network.predict(standardised([time], [time]))[new]
    cubic = interpolate(known, amplitude[::3], [time])[new]
    found = psnr(ours, amplitude[new]), psnr(cubic, amplitude[new])
    return row("sound", "PSNR of new samples, dB", *found, "cubic spline")


def standardised(axes, reference):
    """Return the points of a grid, a row each, in standard deviations of the reference."""
    axes = [
        (axis - whole.mean()) / whole.std() for axis, whole in zip(axes, reference, strict=True)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def interpolate(known, values, axes):
    """Return values on a finer grid from cubic splines."""
    asked = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    return RegularGridInterpolator(known, values, method="cubic")(asked)


def psnr(found, truth):
    """Return the peak signal to noise ratio in decibels."""
    peak = truth.max() - truth.min()
    return float(10 * np.log10(peak**2 / np.mean((found - truth) ** 2)))


def row(data, what, ours, baseline, name):
    """Return a row of the table, and print it."""
    print(f"{data}: {what}: network {ours:.3f}, {name} {baseline:.3f}", flush=True)
    return {
        "experiment": "no graph",
        "data": data,
        "what": what,
        "ours": ours,
        "paper": None,
        "baseline": baseline,
        "baseline_name": name,
    }


def draw(known, pictures, output):
    """Save a part of the image as known, and enlarged twice."""
    mpl.use("Agg")
    figure, axes = pyplot.subplots(1, 4, figsize=(14, 3.8), layout="constrained")
    part = len(known) // 2
    axes[0].imshow(known[:part, :part])
    axes[0].set_title(f"known, {part} x {part}")
    for axis, (name, picture) in zip(axes[1:], pictures.items(), strict=True):
        axis.imshow(np.clip(picture[: 2 * part, : 2 * part], 0, 1))
        axis.set_title(f"{name}, {2 * part} x {2 * part}")
    for axis in axes:
        axis.axis("off")
    output.mkdir(parents=True, exist_ok=True)
    figure.savefig(output / "standard_inr.png", dpi=80)
    pyplot.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="larger signals")
    main(parser.parse_args().full)
