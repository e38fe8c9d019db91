import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot

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


def test_the_code_runs_as_it_stands():
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 2
    code = "\n".join(blocks)
    # A shorter search, the same otherwise.
    short = code.replace("[4, 8, 16, 32, 64]", "[4, 8]")
    assert short != code
    names = {}
    with pytest.warns(UserWarning, match="13 of 3233 rows of X name nodes of 10 connected"):
        exec(short, names)
    with pytest.warns(UserWarning, match="13 of 3233 rows of X name nodes of 10 connected"):
        predicted = names["search"].predict(names["counties"][["fips"]])
    assert predicted.shape == (3233,)
    assert np.isfinite(predicted).all()


def test_every_make_target_and_file_it_names_is_there():
    targets = re.findall(r"^make (\w+)", README, flags=re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert targets == ["demo", "test", "docs"]
    assert all(f"\n{target}:" in makefile for target in targets)
    for path in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / path).is_file(), path
