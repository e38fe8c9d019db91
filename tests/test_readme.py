import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from sklearn.neighbors import KNeighborsRegressor

# No window is wanted.
mpl.use("Agg")

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_guide_runs_from_top_to_bottom():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "guide.md").read_text(), re.DOTALL)
    assert len(blocks) == 25
    names = {}
    exec("\n".join(blocks), names)
    # A signal, six coordinates, three maps, two curves of a training and one of a search.
    drawn = [len(pyplot.figure(i).axes) for i in pyplot.get_fignums()]
    assert drawn == [2, 7, 6, 2, 1]
    assert names["network"].stop_reason_.startswith("solved for the last layer")
    assert names["network"].held_out_score_ > 0.9
    assert names["watched"].stop_reason_ == "stopped by a callback"
    assert names["skginr"].load(names["file"].with_name("training.skginr")).n_epochs_ == 20
    assert names["search"].best_score_ > 0.9
    assert names["model"].scores_.max() > 0.9
    assert names["classifier"].score(names["table"][["station"]], names["high"]) > 0.9
    assert names["other"].score(names["coordinates"], names["table"]["signal"] ** 2) > 0.99
    assert names["many"].score(names["visits"], names["sides"]) > 0.9
    assert names["in_time"].score(names["long"], names["y"]) > 0.9
    finer = names["refine_model"](names["on_sheet"], names["fine"])
    vertices = names["pd"].DataFrame({"vertex": names["fine"].labels})
    assert names["slope"].shape == (names["sheet"].n_nodes, 3)
    signals = [names[model].predict(names["vertices"]) for model in ("on_sheet", "same")]
    assert np.array_equal(*signals)
    low, high = names["limits"][:, :, 0].T
    assert names["table"]["signal"].between(low, high).mean() > 0.85
    assert finer.score(vertices, np.sin(4 * names["fine"].positions[:, 0])) > 0.99


def test_the_code_runs_as_it_stands(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 3
    names = {}
    exec(blocks[0], names)
    found = re.findall(r"(.+?) +(0\.\d+)\n", capsys.readouterr().out)
    stated = re.search(r"```text\n(.*?)```", README, flags=re.DOTALL)[1]
    for name, score in found:
        assert float(re.search(rf"^{name} +(.*)$", stated, flags=re.MULTILINE)[1]) == pytest.approx(
            float(score), abs=0.011
        )
    ours, neighbours = (float(score) for _, score in found)
    assert ours > neighbours
    hidden, known, places = (names[name] for name in ("hidden", "known", "places"))
    assert f"{len(hidden):,} counties that neither model saw" in README
    # Above the best number of neighbours there is, also as hindsight knows it.
    for n_neighbors in range(1, 41):
        nearest = KNeighborsRegressor(n_neighbors, weights="distance")
        nearest.fit(places.loc[known["fips"]], known["unemployment"])
        assert nearest.score(places.loc[hidden["fips"]], hidden["unemployment"]) < ours

    exec(blocks[1], names)
    filled = names["filled"].loc[hidden.index]
    assert filled["unemployment"].between(filled["lower"], filled["upper"]).mean() > 0.88
    assert names["filled"]["predicted"].notna().all()

    exec(blocks[2], names)
    rates = names["rates"]
    assert names["network"].score(rates[["fips"]], rates["unemployment"]) > 0.995


def test_every_make_target_and_file_it_names_is_there():
    targets = re.findall(r"^make (\w+)", README, flags=re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert targets == ["demo", "test", "docs"]
    assert all(f"\n{target}:" in makefile for target in targets)
    for path in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / path.partition("#")[0]).is_file(), path
