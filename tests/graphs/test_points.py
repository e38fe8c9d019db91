"""Affinities among points are what the definition says, however many are searched at a time."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skginr.graphs import NeighborKernel, _points

RNG = np.random.default_rng(0)
TIE = 1 + 1e-9


def clusters(n, d):
    centres = 100 * RNG.normal(size=(5, d))
    spread = 10.0 ** RNG.uniform(-4, 1, size=(n, 1))
    return centres[RNG.integers(0, 5, n)] + spread * RNG.normal(size=(n, d))


def lattice(n, d):
    axis = np.arange(np.ceil(n ** (1 / d)))
    return np.stack(np.meshgrid(*[axis] * d), axis=-1).reshape(-1, d)


def near_copies(n, d):
    points = RNG.random((n, d))
    points[: n // 3] = points[-(n // 3) :] + 1e-9 * RNG.normal(size=(n // 3, d))
    return points


CLOUDS = {
    "random": lambda n, d: RNG.random((n, d)),
    "clusters": clusters,
    "lattice": lattice,
    "near copies": near_copies,
    "outliers": lambda n, d: np.vstack(
        [RNG.random((n, d)), 10.0 ** np.arange(1, 5)[:, None] + [0.5] * d]
    ),
    "outliers of a lattice": lambda n, d: np.vstack([lattice(n, d), [[1e3] * d, [-500.0] * d]]),
    "zeros and ones": lambda n, d: np.eye(n),
}


def dense(points, queries, n_neighbors, *, faded, own):
    """Affinities of queries by the definition: every pair, and every distance sorted."""
    between, among = cdist(queries, points), cdist(points, points)
    reach_of_points = reach_of(among, n_neighbors, faded=faded, own=True)
    parts = []
    for distances, is_own in ((between, own), (among, True)):
        reach = reach_of(distances, n_neighbors, faded=faded, own=is_own)
        limit = reach
        if faded:
            last = np.sort(distances, axis=1)[:, min(n_neighbors + 2, len(points)) - 1]
            nearest = distances <= last[:, None] * TIE
            far = np.where(nearest, reach_of_points, np.inf).min(axis=1) < 0.2 * last
            limit = np.where(far, last * TIE, reach)
        parts.append((reach, limit))
    (reach, limit), (other_reach, other_limit) = parts
    seen, seen_by = between <= limit[:, None], between <= other_limit
    if not faded:
        return np.maximum(seen, seen_by)
    near, near_by = (
        np.maximum(1 - (between / r) ** 2, 0) ** 2 for r in (reach[:, None], other_reach)
    )
    return (seen * near + seen_by * near_by) / 2


def reach_of(distances, n_neighbors, *, faded, own):
    rank = n_neighbors + (2 if faded else int(own))
    ranked = np.sort(distances, axis=1)[:, : min(rank, distances.shape[1])]
    first, last = ranked[:, 0], ranked[:, -1]
    return last + (0.05 * (last - first) if faded else 0) + 1e-9 * last


@pytest.mark.parametrize("faded", [True, False])
@pytest.mark.parametrize("d", [1, 2, 3, 9])
@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("chunk", [100_000, 37])
def test_affinities_are_those_of_all_pairs(monkeypatch, chunk, cloud, d, faded):
    monkeypatch.setattr(_points, "_CHUNK", chunk)
    for n, n_neighbors in ((150, 10), (60, 4), (12, 10)):
        points = RNG.permutation(np.unique(CLOUDS[cloud](n, d), axis=0))
        n_neighbors = min(n_neighbors, len(points) - 1)
        kernel, adjacency = NeighborKernel.with_adjacency(points, n_neighbors, faded=faded)
        assert adjacency.has_canonical_format
        assert (adjacency.data > 0).all()
        assert abs(adjacency - adjacency.T).max() == 0
        expected = dense(points, points, n_neighbors, faded=faded, own=True)
        np.fill_diagonal(expected, 0)
        np.testing.assert_allclose(adjacency.toarray(), expected, rtol=1e-6, atol=1e-8)
        width = points.max() - points.min()
        queries = np.vstack([points[:7], points[:20] + 1e-3 * width, points[:1] + 50 * width])
        expected = dense(points, queries, n_neighbors, faded=faded, own=False)
        np.testing.assert_allclose(kernel(queries).toarray(), expected, rtol=1e-6, atol=1e-8)


def test_the_order_of_points_changes_nothing_even_where_distances_tie():
    points = np.vstack([lattice(216, 3), [[40.0, 2.5, 2.5]], [[2.5, -60.0, 2.5]]])
    _, adjacency = NeighborKernel.with_adjacency(points, 6)
    for _ in range(5):
        order = RNG.permutation(len(points))
        _, other = NeighborKernel.with_adjacency(points[order], 6)
        np.testing.assert_array_equal(other.toarray(), adjacency[order][:, order].toarray())
