import importlib.util
import re
import runpy
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest

import skginr

DOCS = Path(__file__).parents[1] / "docs"
# Of which every block of code is run.
PAGES = {path.stem: path for path in DOCS.glob("howto/*.md")}
PAGES |= {name: DOCS / f"{name}.md" for name in ("tutorial", "faq")}
# What each page needs beyond skginr, and what must hold when it has run.
CLAIMS = {
    "tutorial": lambda found: tells_what_happened(found),
    "faq": lambda found: found["found"]["predicted"].notna().all() and "upper" in found["found"],
    "geopandas": lambda found: (
        0.35 < r2_of(found) < 0.5
        and len(found["found"]) == 3109
        and "use .astype(str).str.zfill(5) on the column" in found["said"]
        and found["same"].score(found["rates"][["fips"]], found["rates"]["rate"]) > 0.8
    ),
    "rates": lambda found: (
        0.2 < found["explained"] < 0.4
        and 0.85 < found["covered"] <= 1
        and found["south"].shape == (4000,)
        and found["likely"].shape == (100, 2)
    ),
    "labels": lambda found: (
        found["scores"]["accuracy"].idxmax() == "GraphSmootherClassifier"
        and found["scores"]["log loss"].idxmin() == "LabelSpreading"
        and found["likely"].shape == (901, 5)
    ),
    "sensors": lambda found: found["scores"].mean() > 0.7,
    "gaps": lambda found: is_filled(found),
    "archives": lambda found: (
        found["score"] > 0.95
        and found["covered"] > 0.85
        and found["alone"].score(found["today"][["station"]], found["today"]["value"]) < 0.6
        and found["maps"].shape == (5, 150)
        and found["completed"] > 0.65
        and found["spots"].shape == (4, 150)
    ),
    "uncertainty": lambda found: is_as_sure_as_it_says(found),
    "cortex": lambda found: found["single"] > 0.99 > found["patches"] > 0.95 and is_whole(found),
    "meshes": lambda found: found["score"] > 0.99 and is_merged(found),
    "torch_geometric": lambda found: found["accuracy"] > 0.9,
    "sphere_grid": lambda found: found["error"] < 0.05 and is_back_in_xarray(found),
}
NEEDS = {
    "meshes": ["trimesh", "meshio"],
    "torch_geometric": ["torch_geometric"],
    "sphere_grid": ["xarray"],
    "uncertainty": ["libpysal", "geopandas"],
}


def r2_of(found):
    """What the picture says."""
    return float(found["display"].figure_.get_suptitle().removeprefix("R² "))


def tells_what_happened(found):
    """Random hiding flatters, intervals hold what they promise, and the file is the model."""
    scores = pd.DataFrame(found["scores"])
    assert (scores["single counties"] - scores["whole regions"] > 0.08).all()
    regions = scores["whole regions"]
    assert regions["smoother"] > regions["five nearest"]
    assert abs(regions["smoother"] - regions["corrected smoother"]) < 0.03
    assert found["corrected"].corrector_.blend_[-1] > 0.7
    assert 0.88 < found["inside"].mean() < 0.96
    late = found["late"].groupby("state")["inside"]
    return len(found["late"]) == 109 and 0.8 < late.mean()["OH"] < 0.92


def is_as_sure_as_it_says(found):
    """Intervals hold hidden values and the region's mean; what is smooth correlates by chance."""
    assert 0.78 < found["inside"][found["hidden"]].mean() <= 1
    assert found["low"] < found["truth"] < found["high"]
    assert found["together"] > 1.2 * found["alone"]
    assert found["next_ones"]["poverty"].isna().all()
    return found["p"] < 0.01 < 0.1 < found["p_east"]


def is_filled(found):
    """Readings are as they were, gaps near the truth and as near as bands say, better than else."""
    table, gap = found["table"], found["gap"]
    truth = found["truth"].rename_axis("time").melt(ignore_index=False, var_name="sensor")
    truth = truth.set_index("sensor", append=True)["value"]
    rows = pd.MultiIndex.from_frame(table[["time", "sensor"]])
    error = table["filled"] - truth.loc[rows].to_numpy()
    assert 0.1 < gap.mean() < 0.2
    assert (table["filled"] == table["temperature"])[~gap].all()
    assert (error[gap] ** 2).mean() ** 0.5 < 0.3
    assert 0.8 < (error.abs() < 1.645 * table["std"])[gap].mean() <= 1
    whole = found["whole"].to_numpy().T.ravel()
    assert abs(whole - table["filled"].to_numpy()).max() < 1e-3
    scores = found["scores"]
    assert scores["smoother"] > max(0.97, scores["lines"], scores["hours alike"])
    return found["heating"].score(found["last"], found["use"][240:]) > 0.8


def is_whole(found):
    """No vertex is left without a face, and few are left out for that."""
    ragged, whole = found["ragged"], found["whole"]
    assert 0 < found["n_left_out"] == ragged.n_nodes - whole.n_nodes < 10
    smoother = found["GraphSmoother"](graph=whole, laplacian="cotangent", order=2, alpha=1.0)
    kept = found["thick"][found["thick"]["vertex"].isin(whole.labels)]
    smoother.fit(kept[["vertex"]], kept["thickness"])
    return len(whole.faces) == len(ragged.faces)


def is_back_in_xarray(found):
    """Arrays have the shape and coordinates that they had, and every value is at its own."""
    assert found["filled"].shape == (36, 72)
    assert found["in_time"].coords.to_dataset().equals(found["waves"].coords.to_dataset())
    assert found["site_table"].shape == (8, 3)
    assert found["again"].equals(found["sites"])
    # What is not smoothed comes back as it went.
    seen = found["long"].set_index(["time", "latitude", "longitude"])["wave"].to_xarray()
    assert seen.equals(found["seen"])
    return found["moving_error"] < 0.05


def is_merged(found):
    """A soup is the mesh again, and every value is at its node."""
    merged, first = found["merged"], found["first"]
    assert (len(found["soup"].vertices), merged.n_nodes, len(first)) == (3840, 642, 642)
    assert (merged.positions[merged.locate(first["vertex"]), 2] == first["height"]).all()
    assert found["cells"].n_edges == 1
    return "predicted" in found["mesh"].point_data


def test_every_page_is_run():
    assert set(PAGES) == {"index", *CLAIMS}


@pytest.mark.parametrize("page", CLAIMS)
def test_page(page, tmp_path, monkeypatch, request, capsys):
    for module in NEEDS.get(page, []):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    if page == "cortex":
        request.getfixturevalue("data_root")
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    blocks = re.findall(r"```python\n(.*?)```", PAGES[page].read_text(), re.S)
    found = {}
    exec("\n".join(blocks), found)
    found["said"] = capsys.readouterr().out
    assert CLAIMS[page](found)
    if page == "geopandas":
        lines = [line for line in blocks[0].splitlines() if line.strip()]
        assert len(lines) < 15
        assert (tmp_path / "predicted.png").stat().st_size > 10_000


def test_pictures_of_concepts_say_what_the_page_says(tmp_path):
    mpl.use("Agg")
    folds, cut = runpy.run_path(str(DOCS / "concept_pictures.py"))["main"](tmp_path)
    alone, regions = folds["single counties"], folds["whole regions"]
    assert abs(alone["smoother"] - alone["nearest"]) < 0.03
    assert alone["smoother"] - 0.1 > regions["smoother"] > regions["nearest"] + 0.1
    assert 0.85 < cut["smoother"] < cut["network"] < 0.97 < 0.99 < cut["corrected smoother"]
    page = (DOCS / "concepts.md").read_text()
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == set(re.findall(r"images/(\S+\.png)", page))


def test_the_picture_of_models_names_what_there_is(tmp_path):
    mpl.use("Agg")
    named = runpy.run_path(str(DOCS / "decision_picture.py"))["main"](tmp_path)
    page = (DOCS / "models.md").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["which_model.png"]
    assert "images/which_model.png" in page
    for code in named:
        name = code.partition("(")[0]
        assert isinstance(getattr(skginr, name), type)
        assert f"`{name}" in page
