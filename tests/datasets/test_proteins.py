import numpy as np
import pytest

from skginr.datasets import PROTEIN_SURFACES, fetch_protein_surface


def test_every_surface_is_one_closed_mesh_with_a_smooth_potential(data_root):
    sizes = set()
    for name in PROTEIN_SURFACES:
        data = fetch_protein_surface(name)
        graph, charge = data.graph, data.frame["charge"].to_numpy()
        assert data.frame["vertex"].tolist() == graph.labels.tolist()
        assert graph.n_components == 1
        # Every edge of a closed surface belongs to two triangles.
        assert 2 * graph.n_edges == 3 * len(graph.faces)
        rows, columns = graph.adjacency.nonzero()
        assert np.corrcoef(charge[rows], charge[columns])[0, 1] > 0.75
        sizes.add(graph.n_nodes)
    assert (min(sizes), max(sizes)) == (4_033, 17_072)


def test_a_name_that_is_none_is_refused():
    with pytest.raises(ValueError, match="name must be one of '1A2K_AB'"):
        fetch_protein_surface("1AA7_A")
