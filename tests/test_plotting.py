import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pytest
from shapely.geometry import box

from skginr.plotting import plot_prediction

mpl.use("Agg")


@pytest.fixture
def fields():
    return gpd.GeoDataFrame(geometry=[box(i, 0, i + 1, 1) for i in range(4)])


def test_three_maps_show_the_values_given(fields):
    observed, predicted = np.array([1.0, 2.0, 3.0, np.nan]), np.array([1.5, 2.0, 2.0, 9.0])
    axes = plot_prediction(fields, observed, predicted, label="yield, t/ha")
    drawn = [axis.collections[-1].get_array() for axis in axes]
    np.testing.assert_array_equal(drawn[0], observed[:3])
    np.testing.assert_array_equal(drawn[1], predicted)
    np.testing.assert_array_equal(drawn[2], [0.5, 0.0, -1.0])
    limits = [axis.collections[-1].get_clim() for axis in axes]
    assert limits[0] == limits[1]
    assert limits[2][0] == -limits[2][1]
    # The field that was not observed is there, in grey, in the first and last map.
    assert [len(axis.collections) for axis in axes] == [2, 1, 2]
    mpl.pyplot.close("all")


def test_lengths_must_match(fields):
    with pytest.raises(ValueError, match=r"predicted must have one value per row.*\(4,\)"):
        plot_prediction(fields, np.ones(4), np.ones(3))


def test_what_cannot_be_drawn_is_refused_before_a_figure_is_made(fields):
    with pytest.raises(TypeError, match="GeoDataFrame; got DataFrame"):
        plot_prediction(fields.drop(columns="geometry"), np.ones(4), np.ones(4))
    with pytest.raises(ValueError, match="known in some row"):
        plot_prediction(fields, np.full(4, np.nan), np.ones(4))
    with pytest.raises(TypeError, match="observed must hold real numbers"):
        plot_prediction(fields, list("abcd"), np.ones(4))
    assert not mpl.pyplot.get_fignums()
    with pytest.raises(ValueError, match="3 matplotlib Axes"):
        plot_prediction(fields, np.ones(4), np.ones(4), axes=mpl.pyplot.subplots(1, 2)[1])
    mpl.pyplot.close("all")
