import networkx as nx
import numpy as np
import pytest

from skginr import Graph
from skginr.datasets import fetch_bunny, make_reaction_diffusion

KINDS = ("symmetric", "random_walk")


@pytest.fixture(scope="module")
def lattice():
    return Graph.from_networkx(nx.grid_2d_graph(15, 12))


def test_on_a_regular_graph_both_laplacians_are_one():
    torus = Graph.from_networkx(nx.grid_2d_graph(8, 9, periodic=True))
    both = [make_reaction_diffusion(torus, laplacian=name, n_steps=500) for name in KINDS]
    np.testing.assert_allclose(both[0], both[1], atol=1e-10)


def test_what_reacts_is_neither_made_nor_lost(archipelago):
    # Without supply and removal u becomes v; walks keep what is weighted by degree.
    closed = {"feed": 0.0, "kill": 0.0, "laplacian": "random_walk"}
    before = make_reaction_diffusion(archipelago, n_steps=0, **closed)
    after = make_reaction_diffusion(archipelago, n_steps=300, **closed)
    degrees = np.maximum(archipelago.adjacency.sum(axis=1), 1)
    assert degrees @ after.sum(axis=1) == pytest.approx(degrees @ before.sum(axis=1))
    assert (after["v"] - before["v"]).abs().max() > 0.1
    assert after.index.equals(archipelago.labels)


def test_an_isolated_node_follows_the_reaction_alone(archipelago):
    start = make_reaction_diffusion(archipelago, n_steps=0).iloc[-1]
    u, v = start["u"], start["v"]
    for _ in range(50):
        u, v = u + 0.06 * (1 - u) - u * v**2, v + u * v**2 - 0.122 * v
    end = make_reaction_diffusion(archipelago, n_steps=50).iloc[-1]
    np.testing.assert_allclose([end["u"], end["v"]], [u, v], rtol=1e-12)


@pytest.mark.parametrize("laplacian", KINDS)
def test_what_only_diffuses_becomes_the_laplacians_null_vector(lattice, laplacian):
    # With equal rates of diffusion u + v does not see the reaction.
    only = {"feed": 0.0, "kill": 0.0, "diffusion": (0.5, 0.5)}
    total = make_reaction_diffusion(lattice, laplacian=laplacian, n_steps=8000, **only).sum(axis=1)
    degrees = lattice.adjacency.sum(axis=1)
    null = np.sqrt(degrees) if laplacian == "symmetric" else np.ones_like(degrees)
    assert (total / null).max() == pytest.approx((total / null).min(), rel=1e-6)


def test_seeds_repeat_and_differ(lattice):
    first, again = (make_reaction_diffusion(lattice, n_steps=20, random_state=3) for _ in "ab")
    assert first.equals(again)
    assert not first.equals(make_reaction_diffusion(lattice, n_steps=20))


def test_the_bunnys_texture_has_the_papers_variance(data_root):
    # After 30,000 steps .0147; nearly all of it by then.
    v = make_reaction_diffusion(fetch_bunny(), n_steps=5_000)["v"]
    assert v.var() == pytest.approx(0.0147, abs=5e-4)


def test_several_steps_are_those_of_runs_that_end_there(lattice):
    table = make_reaction_diffusion(lattice, n_steps=[0, 7, 20])
    assert list(table.columns) == ["node", "step", "u", "v"]
    for step, part in table.groupby("step"):
        alone = make_reaction_diffusion(lattice, n_steps=int(step))
        assert part.set_index("node")[["u", "v"]].rename_axis(None).equals(alone)
    assert table["step"].unique().tolist() == [0, 7, 20]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"laplacian": "combinatorial"}, "laplacian must be"),
        ({"n_steps": -1}, "n_steps"),
        ({"n_steps": []}, "n_steps must be a number, or some"),
        ({"n_steps": [3, 3]}, "ascending"),
        ({"feed": -0.1}, "feed"),
        ({"kill": np.nan}, "kill"),
        ({"diffusion": 0.5}, "diffusion must be two numbers"),
        ({"diffusion": (0.5, 1.5)}, "diffusion must be at most 1"),
    ],
)
def test_unfit_parameters_are_refused(lattice, parameters, message):
    with pytest.raises(ValueError, match=message):
        make_reaction_diffusion(lattice, **parameters)


def test_what_is_no_graph_is_refused_and_growth_without_bound_is_an_error(lattice):
    with pytest.raises(TypeError, match="graph must be a Graph"):
        make_reaction_diffusion(lattice.adjacency)
    with pytest.raises(FloatingPointError, match="grows without bound"):
        make_reaction_diffusion(lattice, feed=50.0)


def test_verbose_shows_a_bar(lattice, capsys):
    make_reaction_diffusion(lattice, n_steps=3, verbose=1)
    assert "reaction-diffusion" in capsys.readouterr().err
