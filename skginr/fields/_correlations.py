"""Correlations over a graph: of the distance between nodes, or of its eigenvectors."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process.kernels import Matern

from skginr._core import Progress
from skginr.graphs import Graph
from skginr.smoothing import Waves, has_places

_Numbers = NDArray[np.float64]
_Indices = NDArray[np.intp]

# Ranges that are tried, in median distances between nodes; smoothness of Matérn covariances.
_RANGES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_SMOOTHNESS = (0.5, 1.5, 2.5)
# Inverse ranges over a graph, in roots of the mean degree.
_KAPPAS = (0.003, 0.01, 0.03, 0.1, 0.3)
_ORDERS = (1, 2, 3)
# A taper is smooth where it is 1, else it is what makes fields rough.
_TAPER = 2.5, 4
# Pairs of nodes that the median distance is of.
_N_PAIRS = 10_000
# Waves of random frequencies that a field is drawn as a sum of.
_N_FREQUENCIES = 256
# Bins of eigenvalues within which a spectrum is level.
_N_BINS = 30


class Correlation(Protocol):
    """A covariance over nodes whose variances are 1."""

    def between(self, first: _Indices, second: _Indices) -> _Numbers:
        """Return correlations of nodes with others, of shape (n_first, n_second)."""

    def draws(self, nodes: _Indices, n_draws: int, random: np.random.RandomState) -> _Numbers:
        """Return fields of that correlation, drawn at random, of shape (n_nodes, n_draws)."""


@dataclasses.dataclass(frozen=True, eq=False)
class OfDistance:
    """The Matérn correlation of distances through space.

    Attributes
    ----------
    places : ndarray of shape (n_nodes, n_dimensions)
        Positions, the median distance between nodes being 1.
    reach : float
    smoothness : float
        1/2, 3/2 or 5/2.
    """

    places: _Numbers
    reach: float
    smoothness: float

    def between(self, first: _Indices, second: _Indices) -> _Numbers:
        """Return correlations of nodes with others."""
        matern = Matern(self.reach, nu=self.smoothness)
        return matern(self.places[first], self.places[second])

    def draws(self, nodes: _Indices, n_draws: int, random: np.random.RandomState) -> _Numbers:
        """Return fields drawn at random: waves through space, their frequencies drawn too."""
        places = self.places[nodes]
        # The spectrum of a Matérn covariance is Student's distribution.
        normal = random.standard_normal((places.shape[1], _N_FREQUENCIES))
        chi = random.chisquare(2 * self.smoothness, _N_FREQUENCIES)
        phases = places @ (normal * np.sqrt(2 * self.smoothness / chi) / self.reach)
        waves = np.hstack([np.cos(phases), np.sin(phases)])
        sizes = random.standard_normal((2 * _N_FREQUENCIES, n_draws))
        return waves @ (sizes / _N_FREQUENCIES**0.5)


@dataclasses.dataclass(frozen=True, eq=False)
class OfWaves:
    """A correlation that is diagonal in eigenvectors of the graph.

    Attributes
    ----------
    vectors : ndarray of shape (n_nodes, n_waves)
        Eigenvectors.
    roots : ndarray of shape (n_waves,)
        Roots of their variances.
    deviations : ndarray of shape (n_nodes,)
        What fields of these variances deviate by at each node, which they are divided by.
    """

    vectors: _Numbers
    roots: _Numbers
    deviations: _Numbers

    @classmethod
    def of(cls, waves: Waves, spectrum: _Numbers) -> OfWaves:
        """Return the one in which eigenvectors have such variances."""
        return cls(waves.vectors, np.sqrt(spectrum), np.sqrt(waves.vectors**2 @ spectrum))

    def between(self, first: _Indices, second: _Indices) -> _Numbers:
        """Return correlations of nodes with others."""
        return self._rows(first) @ self._rows(second).T

    def draws(self, nodes: _Indices, n_draws: int, random: np.random.RandomState) -> _Numbers:
        """Return fields drawn at random."""
        return self._rows(nodes) @ random.standard_normal((len(self.roots), n_draws))

    def _rows(self, nodes: _Indices) -> _Numbers:
        return self.vectors[nodes] * self.roots / self.deviations[nodes, None]


@dataclasses.dataclass(frozen=True, eq=False)
class Everywhere:
    """A field that is the same at all nodes."""

    def between(self, first: _Indices, second: _Indices) -> _Numbers:
        """Return correlations of nodes with others."""
        return np.ones((len(first), len(second)))

    def draws(self, nodes: _Indices, n_draws: int, random: np.random.RandomState) -> _Numbers:
        """Return fields drawn at random."""
        return np.ones((len(nodes), 1)) * random.standard_normal(n_draws)


@dataclasses.dataclass(frozen=True, eq=False)
class Blend:
    """Two correlations, added up with weights whose sum is 1.

    Attributes
    ----------
    first, second : Correlation
    weight : float
        Of the first.
    """

    first: Correlation
    second: Correlation
    weight: float

    def between(self, first: _Indices, second: _Indices) -> _Numbers:
        """Return correlations of nodes with others."""
        parts = self.first.between(first, second), self.second.between(first, second)
        return self.weight * parts[0] + (1 - self.weight) * parts[1]

    def draws(self, nodes: _Indices, n_draws: int, random: np.random.RandomState) -> _Numbers:
        """Return fields drawn at random."""
        first = self.weight**0.5 * self.first.draws(nodes, n_draws, random)
        return first + (1 - self.weight) ** 0.5 * self.second.draws(nodes, n_draws, random)


class Correlations:
    """The correlations that fields on a graph may have, to choose from.

    Where nodes have positions those of distances through space, and those of the graph's
    eigenvectors where these are wanted or nothing else is there.

    Parameters
    ----------
    graph : Graph
    laplacian : str
    n_waves : int or None
        As for :class:`~skginr.smoothing.Waves`.
    progress : Progress
    """

    def __init__(
        self, graph: Graph, laplacian: str, n_waves: int | None, progress: Progress
    ) -> None:
        self.places = _places(graph) if has_places(graph) else None
        self.waves = Waves(graph, laplacian, n_waves, progress)

    def remainders(self, fields: _Numbers) -> list[Correlation]:
        """Return what the part that an archive does not tell may be correlated like.

        Parameters
        ----------
        fields : ndarray of shape (n_signals, n_nodes)
            Of the archive, of unit variance, without gaps: one correlation is learned from these.
        """
        found: list[Correlation] = [
            OfWaves.of(self.waves, self.waves.spectrum(kappa, order))
            for order in _ORDERS
            for kappa in _KAPPAS
        ]
        if self.waves.eigenvalues.any():
            found.append(OfWaves.of(self.waves, _spectrum(self.waves, fields)))
        if self.places is not None:
            found += [
                OfDistance(self.places, reach, smoothness)
                for smoothness in _SMOOTHNESS
                for reach in _RANGES
            ]
        return found

    def tapers(self) -> list[Correlation]:
        """Return how far apart nodes may be of which an archive tells together, near first."""
        found: list[Correlation] = []
        if self.places is not None:
            found += [OfDistance(self.places, reach, _TAPER[0]) for reach in _RANGES[1:]]
        else:
            spectra = [self.waves.spectrum(kappa, _TAPER[1]) for kappa in _KAPPAS[::-1]]
            found += [OfWaves.of(self.waves, spectrum) for spectrum in spectra]
        return [*found, Everywhere()]


def _places(graph: Graph) -> _Numbers:
    """Return positions, the median distance between nodes being 1."""
    positions = np.asarray(graph.positions, dtype=float)
    # Divided by the largest first, as squares of very large or small ones are not numbers.
    centred = positions / np.abs(positions).max()
    centred = centred - centred.mean(axis=0)
    centred /= np.abs(centred).max()
    random = np.random.RandomState(0)
    first, second = random.randint(len(centred), size=(2, _N_PAIRS))
    distances = np.linalg.norm(centred[first] - centred[second], axis=1)
    return centred / np.median(distances[distances > 0])


def _spectrum(waves: Waves, fields: _Numbers) -> _Numbers:
    """Return the mean variance of waves in fields, level within bins of eigenvalues."""
    sizes = np.mean(waves.coefficients(fields) ** 2, axis=0)
    steps = np.log(waves.eigenvalues + waves.eigenvalues[waves.eigenvalues > 0].min() / 2)
    ends = np.linspace(steps.min(), steps.max(), _N_BINS + 1)
    bins = np.clip(np.digitize(steps, ends) - 1, 0, _N_BINS - 1)
    counts = np.bincount(bins, minlength=_N_BINS)
    means = np.bincount(bins, sizes, minlength=_N_BINS)[counts > 0] / counts[counts > 0]
    middle = (ends[1:] + ends[:-1])[counts > 0] / 2
    least = np.finfo(float).eps * means.max()
    return np.exp(np.interp(steps, middle, np.log(np.maximum(means, least))))
