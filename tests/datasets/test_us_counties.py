import geopandas as gpd
import numpy as np
import pytest
from bokeh_sampledata import unemployment
from sklearn.pipeline import make_pipeline

from skginr import Graph, SIRENRegressor, SpectralEmbedder
from skginr.datasets import fetch_us_election, load_us_unemployment


def test_unemployment_is_the_published_table():
    counties = load_us_unemployment()
    assert counties.shape == (3233, 5)
    assert counties["fips"].is_unique
    assert counties["unemployment"].isna().sum() == 18
    # The same rates under the package's other key, numbers of state and county.
    numbered = {f"{state:02d}{county:03d}": r for (state, county), r in unemployment.data.items()}
    known = counties.dropna(subset=["unemployment"])
    assert known["unemployment"].tolist() == [numbered[code] for code in known["fips"]]
    autauga = counties[counties["name"].eq("Autauga") & counties["state"].eq("AL")]
    assert autauga["unemployment"].tolist() == [9.7]
    graph = Graph.from_geodataframe(counties, labels="fips")
    assert (graph.n_nodes, graph.n_edges, graph.n_components) == (3233, 9481, 17)
    # Its outline overlaps its neighbours' by a sliver and shares no vertex with them: by
    # matching vertices, Caldwell MO would be an island.
    caldwell = graph.locate(counties["fips"][counties["name"].eq("Caldwell")])
    assert (np.diff(graph.adjacency.indptr)[caldwell] > 1).all()


def test_without_the_folder_the_error_says_what_to_set(monkeypatch, tmp_path):
    monkeypatch.delenv("SKGINR_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="SKGINR_DATA names, but it is not set"):
        fetch_us_election()
    monkeypatch.setenv("SKGINR_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="US-county-fb-2012-feats.csv, which is not there"):
        fetch_us_election()
    with pytest.raises(ValueError, match="year must be one of '2012', '2016'"):
        fetch_us_election(2020)


@pytest.mark.parametrize("year", [2012, 2016])
def test_the_election_is_joined_to_the_right_counties(data_root, year):
    frame, graph = fetch_us_election(year)["frame"], fetch_us_election(year)["graph"]
    assert (graph.n_nodes, graph.n_edges, graph.n_components) == (3106, 22574, 1)
    assert graph.labels.tolist() == sorted(frame["fips"])
    votes = gpd.read_file(data_root / "us_counties" / "us_counties.gpkg", ignore_geometry=True)
    lead = (votes[f"gop_{year}"] - votes[f"dem_{year}"]) / (
        votes[f"gop_{year}"] + votes[f"dem_{year}"]
    )
    lead.index = votes["fips"].astype(str).str.zfill(5)
    assert np.corrcoef(lead[frame["fips"]], frame["election"])[0, 1] > 1 - 1e-9
    # Outlines are those of the same counties: a point that lies inside of the one is in the other.
    inside = gpd.points_from_xy(votes["lon"], votes["lat"], crs=4326).to_crs(frame.crs)
    inside = gpd.GeoSeries(inside, index=lead.index)[frame["fips"]].reset_index(drop=True)
    assert frame.geometry.contains(inside).mean() > 0.995
    # Positions are theirs too: on the sphere, within a county's size of that point.
    x, y, z = graph.positions.T / np.linalg.norm(graph.positions, axis=1).mean()
    places = np.rad2deg(np.column_stack([np.arctan2(y, x), np.arcsin(z)]))
    expected = votes.set_index(lead.index).loc[graph.labels, ["lon", "lat"]].to_numpy()
    assert np.median(np.abs(places - expected)) < 0.1
    assert np.abs(places - expected).max() < 3
    assert (graph.edge_lengths.data == 1).all()


def test_friends_vote_alike(data_root):
    data = fetch_us_election(2012)
    signal = data.frame.set_index("fips")["election"][data.graph.labels].to_numpy()
    rows, columns = data.graph.adjacency.nonzero()
    right = np.corrcoef(signal[rows], signal[columns])[0, 1]
    # Had the 1-based row numbers been taken for 0-based, friends would be strangers' neighbours.
    shifted = np.roll(signal, 1)
    wrong = np.corrcoef(shifted[rows], shifted[columns])[0, 1]
    assert right > wrong + 0.1


def test_the_election_is_represented_as_in_the_papers_table(data_root):
    data = fetch_us_election(2012)
    model = make_pipeline(
        SpectralEmbedder(100, graph=data.graph), SIRENRegressor("represent", random_state=0)
    )
    model.fit(data.frame[["fips"]], data.frame["election"])
    assert model.score(data.frame[["fips"]], data.frame["election"]) >= 0.999
