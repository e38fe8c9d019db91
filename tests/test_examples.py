import importlib.util
import runpy
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from sklearn.model_selection import ShuffleSplit

from skginr import GraphSmoother
from skginr.datasets import fetch_protein_surface

EXAMPLES = Path(__file__).parent.parent / "examples"
# What each story prints, of what its text says.
STORIES = {
    "fill_a_map": ["Missouri:        95% of 115", "single counties: 93% of 260", "MI     31%"],
    "folds_and_questions": ["single counties: best with 32", "whole regions: best with 2"],
    "rates_of_few": [
        "raw               0.85",
        "smoothed          0.66",
        "mean of the state 0.66",
    ],
    "spectral_coordinates": ["20 coordinates: R²", "200 coordinates: R²"],
    "to_a_finer_mesh": ["network              0.98", "linear interpolation 0.97"],
}


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("stories/*.py")), ids=lambda path: path.stem)
def test_stories(path, capsys, monkeypatch):
    pictures = []
    monkeypatch.setattr(pyplot, "show", lambda: pictures.append(pyplot.gcf()))
    try:
        runpy.run_path(str(path))
        assert pictures
        assert all(picture.axes for picture in pictures)
    finally:
        pyplot.close("all")
    printed = capsys.readouterr().out
    for line in STORIES[path.stem]:
        assert line in printed


def test_every_script_is_listed():
    page = (EXAMPLES.parent / "docs" / "experiments.md").read_text()
    # What a script is compared with lies beside it.
    scripts = {path.name for path in EXAMPLES.glob("*.py")} - {"weather_peers.py"}
    assert not {name for name in scripts if name not in page}


# Of two folds, half of the counties are unlike the others.
@pytest.mark.filterwarnings("ignore:values are predicted that are")
@pytest.mark.parametrize("signal", ["unemployment", "election"])
def test_county_signals(signal, tmp_path, capsys, monkeypatch, request):
    if signal == "election":
        request.getfixturevalue("data_root")
    demo = load("county_signals")
    counties, graph, *names = demo.load(signal)
    states = ["17", "18", "19", "26", "27", "31", "38", "39", "46", "55"]  # Nebraska to Ohio
    some = counties[counties["fips"].str[:2].isin(states)]
    small = (some, graph.subgraph(some["fips"]), *names)
    monkeypatch.setattr(demo, "load", lambda signal: small)
    output = tmp_path / "new folder" / "map.png"
    demo.main(signal, output, n_jobs=1, n_splits=2)
    shown = capsys.readouterr().out
    table = shown[shown.index("R2 of counties held out") :].splitlines()[2:6]
    scores = {line[:30].strip(): [float(v) for v in line[30:].split()] for line in table}
    assert list(scores) == [
        "nearest neighbours on the map",
        "SIRENRegressor, the network",
        "GraphSmoother",
        "CorrectedSmoother",
    ]
    assert all(0.3 < random < 0.9 for random, _ in scores.values())
    # Held out by regions, counties are harder to predict.
    assert all(regions < random for random, regions in scores.values())
    assert scores["CorrectedSmoother"][0] > scores["nearest neighbours on the map"][0]
    height, width, _ = matplotlib.image.imread(output).shape
    assert width > height > 900


@pytest.fixture
def weather(data_root, monkeypatch):
    # What it compares with lies beside it.
    monkeypatch.syspath_prepend(EXAMPLES)
    return load("weather")


def test_weather(weather, tmp_path):
    smoother, network = weather.main(output=tmp_path / "new folder")
    # Better than lines and splines through the same points, at all others.
    assert smoother["baseline"] < smoother["ours"] < 1
    # A short training.
    assert network["ours"] < smoother["ours"]
    assert (tmp_path / "new folder" / "weather_temperature.png").exists()


def test_winds_come_back_from_vectors_in_space(weather, data_root):
    field = weather.Field("winds", 1, 1, n_times=2)
    with np.load(data_root / "weather_navy_winds" / "navy_winds_monthly.npz") as stored:
        u, v = (stored[name][:2] * 0.01 for name in "uv")
    # From -85 to 85 degrees; rows run from south to north in the file too.
    assert np.allclose(field.truth[:, 0], u[:, 2:-2].ravel())

    class Same:
        def fit(self, X, y):
            self.y = y
            return self

        def predict(self, X):
            return self.y

    assert np.allclose(field.fill(Same())[:, 1], v[:, 2:-2].ravel())


def test_represent(tmp_path, data_root):
    rows = load("represent").main(output=tmp_path / "new folder")
    score = {row["data"]: row for row in rows if row["what"].startswith("R²")}
    error = {row["data"]: row for row in rows if row["what"].startswith("MSE")}
    assert list(score) == list(error) == ["bunny", "proteins", "election"]
    # Small, each stops at .999, for the election beyond the paper's.
    assert all(0.999 <= row["ours"] < 1 for row in score.values())
    assert error["election"]["ours"] < error["election"]["paper"]
    # A line on the same coordinates is far from it.
    assert all(row["baseline"] < 0.95 for row in score.values())
    height, width, _ = matplotlib.image.imread(tmp_path / "new folder" / "represent.png").shape
    assert width > height > 300


def test_held_out(tmp_path, data_root):
    rows = load("held_out").main(output=tmp_path / "new folder")
    score = {(row["data"], row["what"].partition(", ")[2]): row for row in rows}
    assert len(score) == len(rows) == 10
    assert all(-0.5 < row["ours"] < 1 for row in rows)
    ours = {name: row["ours"] for (data, name), row in score.items() if data == "proteins"}
    data = fetch_protein_surface("1NPO_A")
    train, test = next(ShuffleSplit(1, test_size=0.1, random_state=6).split(data.frame))
    X, y = data.frame[["vertex"]], data.frame["charge"]
    smoother = GraphSmoother(graph=data.graph, order=2).fit(X.iloc[train], y.iloc[train])
    combinatorial = smoother.score(X.iloc[test], y.iloc[test])
    # With the graph, either network is above a smoother by the combinatorial Laplacian, as good as
    # one by its own, and above itself without the graph.
    for activation in ("ReLU", "sine"):
        assert ours[f"GINR, {activation}"] > combinatorial > 0.9
        assert ours[f"GINR, {activation}"] > score["proteins", "GINR, sine"]["baseline"] - 0.01
        assert ours[f"GINR, {activation}"] > ours[f"INR, {activation}"]
    assert (
        ours["corrected smoothers"] > score["proteins", "corrected smoothers"]["baseline"] - 0.005
    )
    assert score["proteins", "GINR, sine"]["paper"] == 0.916
    height, width, _ = matplotlib.image.imread(tmp_path / "new folder" / "held_out.png").shape
    assert width > height > 300


def test_embedding_size(tmp_path, data_root):
    rows = load("embedding_size").main(output=tmp_path / "new folder")
    value = {row["what"]: row["ours"] for row in rows}
    near, random, blocks = (
        [value[f"{what}, k = {k}"] for k in (2, 4, 32)]
        for what in ("nodes near a stranger", "R², held out: random", "R², held out: blocks")
    )
    # More coordinates tell more places apart, and what lies between nodes is predicted the better.
    assert near[0] > 0.5 > near[1] > near[2]
    assert random[0] < random[1] < random[2]
    assert all(inside > region for inside, region in zip(random, blocks, strict=True))
    for name in ("embedding_size.png", "embedding_size_bunny.png"):
        height, width, _ = matplotlib.image.imread(tmp_path / "new folder" / name).shape
        assert width > height > 250


def test_new_signal(tmp_path, data_root):
    rows = load("new_signal").main(output=tmp_path)
    everywhere, _, _, held_out = rows
    # A short training, and still the closed form from what it learned is better than another one.
    assert everywhere["baseline"] < everywhere["ours"] < 1
    assert everywhere["ours"] > 0.999
    assert held_out["ours"] > held_out["baseline"] + 0.1
    assert (tmp_path / "new_signal.png").exists()


def test_many_signals(tmp_path, data_root):
    every, together, new, _ = load("many_signals").main(output=tmp_path)
    # A linear model on the same coordinates, one for each surface, is the baseline.
    assert together["ours"] > max(0.97, together["baseline"])
    assert every["ours"] > max(0.97, every["baseline"])
    # Of a surface that was not among them the network knows nothing.
    assert new["ours"] < 0.5 < together["baseline"]
    assert (tmp_path / "many_signals.png").exists()


@pytest.mark.parametrize("with_data", [False, True])
def test_shared_corrector(with_data, tmp_path, monkeypatch, request):
    if with_data:
        request.getfixturevalue("data_root")
    else:
        monkeypatch.delenv("SKGINR_DATA", raising=False)
    scores = load("shared_corrector").main(output=tmp_path)
    assert scores["learned"] > scores["least bent"] + 0.05
    assert (tmp_path / "shared_corrector.png").exists()


def test_reaction_diffusion(tmp_path, data_root):
    (row,) = load("reaction_diffusion").main(output=tmp_path)
    assert row["ours"] > 0.99
    # Steps are close: the mean of two is hard to beat.
    assert row["ours"] < row["baseline"] < 1
    assert (tmp_path / "reaction_diffusion.png").exists()


def test_intervals(tmp_path):
    rows = load("intervals").main(output=tmp_path)
    covered = {row["what"].removeprefix("covered, "): row["ours"] for row in rows}
    assert len(covered) == 8
    for model in ("network", "smoother"):
        # Nine in ten, give or take what 322 counties leave open.
        assert abs(covered[f"{model}, random held out, random folds"] - 0.9) < 0.05
        # Folds of regions are the harder ones: their intervals cover more of either.
        for way in ("random", "regions"):
            random, regions = (
                covered[f"{model}, {way} held out, {kind} folds"] for kind in ("random", "regions")
            )
            assert regions > random
    assert (tmp_path / "intervals.png").exists()


def test_table_of_all_experiments(tmp_path):
    reproduce = load("reproduce")
    page = tmp_path / "reproduction.md"
    page.write_text(f"before\n{reproduce.MARKS[0]}\nold\n{reproduce.MARKS[1]}\nafter\n")
    (tmp_path / "reproduction").mkdir()
    row = {"experiment": "a", "data": "b", "what": "c", "ours": 0.98765, "spread": 0.001}
    row |= {"paper": None, "baseline": 3e-11, "baseline_name": "line"}
    for name in ("held_out", "weather"):
        pd.DataFrame([row]).to_csv(tmp_path / "reproduction" / f"{name}.csv", index=False)
    reproduce.main([], docs=tmp_path)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert text.count("| a | b | c | 0.9877 ± 0.0010 |  | 3.0e-11 (line) |") == 2


def test_every_experiment_is_an_example(monkeypatch):
    # What some are compared with lies beside them.
    monkeypatch.syspath_prepend(EXAMPLES)
    for name in load("reproduce").EXPERIMENTS:
        assert callable(load(name).main)


def test_super_resolution(tmp_path, data_root):
    space, time = load("super_resolution").main(output=tmp_path)
    assert 1 > space["ours"] > 0.995 > space["baseline"]
    assert 1 > time["ours"] > time["baseline"]
    assert (tmp_path / "super_resolution.png").exists()


def test_signal_archive(tmp_path, data_root):
    told, covered = load("signal_archive").main(output=tmp_path)
    assert told["ours"] > 0.85 > told["baseline"]
    assert 0.8 < covered["ours"] < 0.97
    assert (tmp_path / "archive_samples.png").exists()
    assert (tmp_path / "archive_condition.png").exists()


def test_pattern_archive(tmp_path):
    scores = load("pattern_archive").main(output=tmp_path)
    assert scores["SignalGenerator"] < scores["SignalDistribution"]
    assert (tmp_path / "archive_patterns.png").exists()


def test_block_model(tmp_path):
    mean, farthest = load("block_model").main(output=tmp_path)
    assert mean["ours"] > 0.97
    # Of the same two-step walks; disassortative graphs among them.
    assert farthest["ours"] > farthest["baseline"] - 0.02
    assert (tmp_path / "block_model.png").exists()


def test_standard_inr(tmp_path):
    rows = load("standard_inr").main(output=tmp_path)
    assert [row["data"] for row in rows] == ["image", "voxels", "video", "sound"]
    # Each above interpolation of the same numbers.
    assert all(row["ours"] > row["baseline"] > 0.8 for row in rows)
    assert (tmp_path / "standard_inr.png").exists()
