import importlib.util
from pathlib import Path

import matplotlib.image
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("signal", ["unemployment", "election"])
def test_county_signals(signal, tmp_path, capsys, request):
    if signal == "election":
        request.getfixturevalue("data_root")
    output = tmp_path / "new folder" / "map.png"
    load("county_signals").main(signal, output, n_jobs=1, k_values=[4, 16], n_splits=2)
    shown = capsys.readouterr().out
    table = shown[shown.index("Held-out R2") :].splitlines()
    scores = {line[:30].strip(): [float(v) for v in line[30:].split()] for line in table[4:9]}
    assert list(scores) == [
        "SIREN, k = 4",
        "SIREN, k = 16",
        "SIREN, k chosen inside",
        "nearest neighbours on the map",
        "graph smoother",
    ]
    # Pooled, random folds: every model has learned, and k = 16 more than k = 4.
    assert all(0.3 < values[0] < 0.9 for values in scores.values())
    assert scores["SIREN, k = 16"][0] > scores["SIREN, k = 4"][0]
    # Held out by regions, counties are harder to predict.
    assert all(values[3] < values[0] for values in scores.values())
    height, width, _ = matplotlib.image.imread(output).shape
    assert width > height > 900


def test_new_signal(tmp_path, data_root):
    rows = load("new_signal").main(output=tmp_path)
    everywhere, _, _, held_out = rows
    # A short training, and still the closed form from what it learned is better than another one.
    assert everywhere["baseline"] < everywhere["ours"] < 1
    assert everywhere["ours"] > 0.999
    assert held_out["ours"] > held_out["baseline"] + 0.1
    assert (tmp_path / "new_signal.png").exists()


def test_many_signals(tmp_path, data_root):
    together, new, _ = load("many_signals").main(output=tmp_path)
    # A linear model on the same coordinates, one for each surface, is the baseline.
    assert together["ours"] > max(0.97, together["baseline"])
    # Of a surface that was not among them the network knows nothing.
    assert new["ours"] < 0.5 < together["baseline"]
    assert (tmp_path / "many_signals.png").exists()
