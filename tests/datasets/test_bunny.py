import numpy as np
import pytest

from skginr.datasets import fetch_bunny


@pytest.mark.parametrize(("resolution", "n_nodes"), [(1, 34_834), (2, 8_146), (3, 1_887), (4, 453)])
def test_the_bunny_is_one_connected_mesh_of_known_size(data_root, resolution, n_nodes):
    bunny = fetch_bunny(resolution)
    assert (bunny.n_nodes, bunny.n_components) == (n_nodes, 1)
    assert len(np.unique(bunny.faces)) == n_nodes
    # A hand's breadth, in metres.
    assert 0.1 < np.ptp(bunny.positions, axis=0).max() < 0.2


def test_the_bunny_that_is_not_there_says_what_to_set(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="resolution"):
        fetch_bunny(5)
    monkeypatch.delenv("SKGINR_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=r"fetch_bunny reads bunny/bun_zipper\.ply.*SKGINR"):
        fetch_bunny()
    monkeypatch.setenv("SKGINR_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="which is not there"):
        fetch_bunny()
