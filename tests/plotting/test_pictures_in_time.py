import geopandas as gpd
import matplotlib as mpl
import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from matplotlib.animation import PillowWriter
from PIL import Image
from shapely.geometry import box
from sklearn.compose import make_column_transformer
from sklearn.linear_model import BayesianRidge, LinearRegression
from sklearn.pipeline import make_pipeline

from skginr import Graph, GraphSmoother, SeasonalFeatures
from skginr.plotting import animate_signal, plot_record, plot_signal

mpl.use("Agg")

HOURS = pd.date_range("2024-06-01", periods=4, freq="6h")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def sensors():
    points = np.random.default_rng(0).random((20, 2))
    return Graph.from_points(points, labels=[f"s{i:02d}" for i in range(20)], n_neighbors=3)


@pytest.fixture
def wide(sensors):
    values = pd.DataFrame(np.arange(80.0).reshape(4, 20), HOURS, sensors.labels)
    return values.mask(np.random.default_rng(1).random((4, 20)) < 0.3)


def shown(animation, frame):
    """What one picture has on its axes, and these."""
    animation._func(frame)
    ax = animation._fig.axes[0]
    *_, known = ax.collections
    return known, ax


def test_each_picture_is_that_of_its_time(sensors, wide):
    animation = animate_signal(sensors, wide, label="level, m", clim=(0, 80))
    for frame in (0, 3, 1, 2, 0):
        drawn, ax = shown(animation, frame)
        still = plot_signal(sensors, wide.iloc[frame], clim=(0, 80))
        assert len(ax.collections) == len(still.collections)
        for one, other in zip(ax.collections[1:], still.collections[1:], strict=True):
            np.testing.assert_array_equal(one.get_offsets(), other.get_offsets())
            np.testing.assert_array_equal(one.get_array(), other.get_array())
        assert drawn.get_clim() == (0, 80)
        assert ax.get_xlim() == still.get_xlim()
        assert ax.get_title() == HOURS[frame].strftime("%Y-%m-%d %H:%M")
    assert ax.figure.axes[1].get_ylabel() == "level, m"
    assert ax.figure.axes[1].get_ylim() == (0, 80)
    animation.to_jshtml()


def test_all_have_one_scale_of_colours(sensors, wide):
    animation = animate_signal(sensors, wide)
    limits = {shown(animation, frame)[0].get_clim() for frame in range(4)}
    assert limits == {tuple(np.nanpercentile(wide, [1, 99]))}
    animation.to_jshtml()


def test_columns_are_the_nodes_in_any_order(sensors, wide):
    array = wide.to_numpy()
    for values in (wide.iloc[:, ::-1], array, wide.set_axis(range(20), axis=1)):
        animation = animate_signal(sensors, values)
        drawn, ax = shown(animation, 2)
        np.testing.assert_array_equal(drawn.get_array(), wide.iloc[2].dropna())
        assert ax.get_title() == ("2" if values is array else "2024-06-01 12:00")
        animation.to_jshtml()
    with pytest.raises(ValueError, match="must have a row for every node"):
        animate_signal(sensors, wide.iloc[:, 1:])
    some = wide.iloc[:, 5:].reindex(columns=sensors.labels)
    animation = animate_signal(sensors, some)
    assert len(shown(animation, 0)[0].get_array()) == wide.iloc[0, 5:].notna().sum()
    animation.to_jshtml()


@pytest.mark.parametrize(
    ("times", "titles"),
    [
        (None, ["0", "1"]),
        (["dawn", "dusk"], ["dawn", "dusk"]),
        ([0.5, 1.5], ["0.5", "1.5"]),
        (pd.date_range("2024-02-28", periods=2), ["2024-02-28", "2024-02-29"]),
        (pd.period_range("2024-02", periods=2, freq="M"), ["2024-02", "2024-03"]),
        (
            pd.date_range("2021-10-31 00:00Z", periods=2, freq="h").tz_convert("Europe/Berlin"),
            ["2021-10-31 02:00:00+02:00", "2021-10-31 02:00:00+01:00"],
        ),
    ],
)
def test_titles_say_the_time(sensors, times, titles):
    animation = animate_signal(sensors, np.arange(40.0).reshape(2, 20), times=times)
    assert [shown(animation, frame)[1].get_title() for frame in (0, 1)] == titles
    animation.to_jshtml()


def test_a_map_may_be_unknown_at_a_time():
    fields = gpd.GeoDataFrame(geometry=[box(i, 0, i + 1, 1) for i in range(4)])
    values = [[None] * 4, [1.0, 2.0, None, 4.0], [1.0, 2.0, 3.0, 4.0]]
    animation = animate_signal(fields, values)
    n_drawn = []
    for frame in range(3):
        drawn, ax = shown(animation, frame)
        n_drawn.append([len(each.get_paths()) for each in ax.collections])
    assert n_drawn == [[4], [1, 3], [4]]
    np.testing.assert_array_equal(drawn.get_array(), [1, 2, 3, 4])
    assert len(ax.figure.axes) == 2
    animation.to_jshtml()


def test_classes_keep_their_colours_and_legend(sensors):
    words = np.full((2, 20), "wet", dtype=object)
    words[0, :5], words[1, 3] = "dry", None
    animation = animate_signal(sensors, words, label="soil")
    for frame, n_dry in ((0, 5), (1, 0), (0, 5)):
        drawn, ax = shown(animation, frame)
        assert (drawn.get_array() == 0).sum() == n_dry
        assert [text.get_text() for text in ax.get_legend().texts] == ["dry", "wet"]
    animation.to_jshtml()


def test_faces_of_a_mesh(tmp_path):
    corners = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]
    mesh = Graph.from_mesh(corners, [[0, 1, 2], [1, 3, 2]])
    animation = animate_signal(mesh, [[0.0, 0, 0, 3], [3.0, 3, 3, 3]], legend=False)
    assert [list(shown(animation, frame)[0].get_array()) for frame in (0, 1)] == [[0, 1], [3, 3]]
    assert len(animation._fig.axes) == 1
    animation.to_jshtml()


def test_it_is_kept_as_a_gif_and_as_html(sensors, wide, tmp_path):
    _, ax = plt.subplots()
    animation = animate_signal(sensors, wide, ax=ax, interval=50)
    assert animation.to_jshtml().count("data:image/png") == 4
    animation.save(tmp_path / "level.gif", writer=PillowWriter(fps=4))
    with Image.open(tmp_path / "level.gif") as image:
        assert image.n_frames == 4


@pytest.mark.parametrize(
    ("values", "arguments", "message"),
    [
        (np.ones(20), {}, r"shape \(n_times, 20\); got shape \(20,\)"),
        (np.ones((2, 19)), {}, "table.pivot"),
        (np.ones((0, 20)), {}, "got shape"),
        (np.full((2, 20), np.nan), {}, "must be known of some time and node"),
        (np.ones((2, 20)), {"times": [1]}, "times must be one per row of values, 2; got 1"),
        (np.ones((2, 20)), {"interval": 0}, "interval must be greater than 0"),
        (np.ones((2, 20)), {"cmap": "rainbows"}, "cmap must be"),
    ],
)
def test_unfit_values_are_refused_before_a_figure_is_made(sensors, values, arguments, message):
    with pytest.raises(ValueError, match=message):
        animate_signal(sensors, values, **arguments)
    assert not plt.get_fignums()


def records():
    """A daily cycle at three nodes, with a gap at each, in no order."""
    hours = pd.date_range("2024-06-01", periods=96, freq="h")
    table = pd.DataFrame({"sensor": np.repeat(list("abc"), 96), "hour": [*hours] * 3})
    y = np.sin(2 * np.pi * table["hour"].dt.hour / 24) + 0.1 * np.random.default_rng(0).normal(
        size=288
    )
    y[np.r_[10:30, 120:125, 250:288]] = np.nan
    order = np.random.default_rng(1).permutation(288)
    return table.iloc[order], y.iloc[order]


def cyclic(last):
    return make_pipeline(make_column_transformer((SeasonalFeatures(["day"]), ["hour"])), last)


def test_a_record_shows_dots_a_line_and_a_band():
    X, y = records()
    model = cyclic(BayesianRidge()).fit(X[y.notna()], y.dropna())
    axes = plot_record(model, X, y, nodes=["c", "a"], coverage=0.8, label="level, m")
    assert [ax.get_title(loc="left") for ax in axes] == ["c", "a"]
    for ax, node in zip(axes, "ca", strict=True):
        rows = X[X["sensor"] == node].sort_values("hour")
        mean, std = model.predict(rows, return_std=True)
        line, dots = ax.lines
        np.testing.assert_array_equal(line.get_xdata(), rows["hour"])
        np.testing.assert_allclose(line.get_ydata(), mean)
        known = y[rows.index].dropna()
        np.testing.assert_array_equal(dots.get_xdata(), rows.loc[known.index, "hour"])
        np.testing.assert_array_equal(dots.get_ydata(), known)
        (band,) = ax.collections
        upper, lower = band.get_paths()[0].vertices[1:97, 1], band.get_paths()[0].vertices[98:194]
        edges = np.sort([upper, lower[::-1, 1]], axis=0)
        np.testing.assert_allclose(edges[1] - edges[0], 2 * 1.2815516 * std, rtol=1e-6)
        assert ax.get_ylabel() == "level, m"
    legend = [text.get_text() for text in axes[0].get_legend().texts]
    assert legend == ["80% of observations", "predicted", "observed"]


def test_a_band_has_the_noise_where_the_model_knows_it():
    path = Graph.from_networkx(nx.path_graph(30))
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"node": np.tile(np.arange(30), 8), "year": np.repeat(np.arange(8.0), 30)})
    y = np.cos(table["node"] / 5) + 0.3 * rng.normal(size=240)
    smoother = GraphSmoother(graph=path).fit(table[["node"]], y)

    class OfNodes:
        def predict(self, X, return_std=False, *, with_noise=False):
            return smoother.predict(X[["node"]], return_std, with_noise=with_noise)

    (ax,) = plot_record(OfNodes(), table, y, nodes=7, node="node")
    _, std = smoother.predict(pd.DataFrame({"node": [7]}), True, with_noise=True)
    np.testing.assert_allclose(
        np.ptp(ax.collections[0].get_paths()[0].vertices[:, 1]), 2 * 1.6448536 * std[0], rtol=1e-6
    )


def test_without_deviations_there_is_no_band_and_arrays_do():
    X, y = records()
    model = cyclic(LinearRegression()).fit(X[y.notna()], y.dropna())
    _, given = plt.subplots()
    (ax,) = plot_record(model, X, y, nodes="b", ax=given)
    assert ax is given
    assert not ax.collections
    assert len(ax.lines[0].get_xdata()) == 96

    class Level:
        def predict(self, X):
            return np.full(len(X), 3.0)

    array = np.column_stack([np.repeat([4, 5], 10), np.tile(np.arange(10) / 2, 2)])
    (ax,) = plot_record(Level(), array, np.arange(20.0), nodes=5)
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), np.c_[np.arange(10) / 2, 10:20])
    # A Series goes by its index.
    (ax,) = plot_record(model, X, y.sort_index(), nodes="b")
    shown = X[(X["sensor"] == "b") & y.notna()].sort_values("hour").index
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), y[shown])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nodes": "z"}, "nodes must be of X; no row of it names 'z'"),
        ({"nodes": []}, "nodes must be 1 to 20 labels; got 0"),
        ({"coverage": 0}, "coverage must be greater than 0"),
        ({"coverage": 1}, "coverage must be less than 1"),
        ({"time": "when"}, "time='when' is not a column"),
        ({"node": "knot"}, "node='knot' is not a column"),
        ({"y": np.ones(3)}, "y must have one value per row of X"),
        ({"y": np.ones((288, 2))}, "Of several signals, draw one"),
    ],
)
def test_unfit_records_are_refused(arguments, message):
    X, y = records()
    model = cyclic(LinearRegression()).fit(X[y.notna()], y.dropna())
    given = {"y": y, "nodes": "a"} | arguments
    with pytest.raises(ValueError, match=message):
        plot_record(model, X, given.pop("y"), **given)
    assert not plt.get_fignums()
