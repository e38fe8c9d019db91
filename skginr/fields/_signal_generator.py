"""SignalGenerator: new signals like those of an archive, whatever these are like."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skginr._core import check_count, check_verbose, open_progress, positive, unchanged_on_error
from skginr.fields._archive import Archive, draw_phases, drawn_table, fitted_archive, names_of
from skginr.graphs import Graph, NodeEstimator, check_graph, degrees_of
from skginr.network import SignalDenoiser
from skginr.spectral import waves_of

# That heat spreads by, beside those of the kernel.
_N_WAVES = 100


class SignalGenerator(NodeEstimator):
    """Draws new signals on a graph like those of an archive, with their spots or fronts.

    This is a diffusion model. A network learns to remove noise, little or much, from the archive's
    signals; a new signal is made from pure noise, which is removed step by step. The network is
    local and the same at all nodes, so it learns from every node of every signal, and what occurs
    somewhere in the archive may occur anywhere in a new signal. Where signals are Gaussian fields,
    or what is typical of a place matters, such as height or coast, use :class:`SignalDistribution`,
    which takes seconds and can be conditioned too.

    Parameters
    ----------
    graph : Graph
        The graph whose nodes X names.
    signal : int or column name, optional
        The column of X that names signals: a position, or a name where X is a DataFrame. Default:
        the one of datetimes, or the one that does not name nodes.
    phase : int or column name, optional
        A column of X that says what signals have in common, such as a stage of growth. Default: no
        such.
    node : int or column name, optional
        The column of X that holds node labels. Default: the first that can.
    max_steps : int, default 1500
        Of training, on 4 to 64 signals each, by the number of nodes. Fewer take less time; samples
        are then nearer to those of a Gaussian field.
    hidden_units : int, default 32
        Numbers that the network has at each node.
    n_layers : int, default 4
    device : str, default "auto"
        Where to compute: "auto" is a GPU of CUDA where there is one, or a torch device.
    random_state : int, RandomState instance or None, default 0
        Of weights and of noise in training.
    verbose : {0, 1}, default 0
        Whether to show progress.

    Attributes
    ----------
    graph_ : Graph
        The graph used in ``fit``.
    signals_ : Index
        Names of the signals of the archive, ascending.
    phases_ : Index or None
        Those of phases.
    mean_, scale_ : float
        Mean and standard deviation of all values, in which the network has them.
    losses_ : ndarray of shape (max_steps,)
        Squared errors of signals with noise taken off, step by step, as shares of those that
        taking them for a Gaussian field leaves. Of 1 at the start; noisy.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X is a DataFrame.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.
    ValueError
        As of :class:`SignalDistribution`, and if a signal lacks a node.

    See Also
    --------
    SignalDistribution : For Gaussian fields and for archives with gaps; in seconds. It also
        completes a signal of which some nodes are known.
    make_surrogates : Random maps like one signal, where there is no archive.

    References
    ----------
    T. Karras, M. Aittala, T. Aila and S. Laine, "Elucidating the design space of diffusion-based
    generative models", NeurIPS 2022. N. Sharp, S. Attaiki, K. Crane and M. Ovsjanikov,
    "DiffusionNet: discretization agnostic learning on surfaces", ACM Transactions on Graphics 41,
    2022 (layers).

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skginr import Graph, SignalGenerator
    >>> ring = Graph.from_networkx(nx.cycle_graph(12))
    >>> X = pd.DataFrame({"day": np.repeat(range(30), 12), "node": np.tile(range(12), 30)})
    >>> y = (X["node"] - X["day"]) % 12 < 4
    >>> generator = SignalGenerator(graph=ring, signal="day", max_steps=20).fit(X, y)
    >>> generator.sample(3).shape
    (3, 12)
    """

    def __init__(
        self,
        *,
        graph: Graph,
        signal: Hashable = None,
        phase: Hashable = None,
        node: Hashable = None,
        max_steps: int = 1500,
        hidden_units: int = 32,
        n_layers: int = 4,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = 0,
        verbose: int = 0,
    ) -> None:
        self.graph = graph
        self.signal = signal
        self.phase = phase
        self.node = node
        self.max_steps = max_steps
        self.hidden_units = hidden_units
        self.n_layers = n_layers
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @unchanged_on_error
    def fit(self, X: ArrayLike | pd.DataFrame, y: ArrayLike | pd.Series) -> Self:
        """Learn what the signals of an archive are like.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, 2) or (n_rows, 3)
            The signal that a row is of, its node and, with ``phase``, its phase: a row for every
            node of every signal.
        y : array-like of shape (n_rows,)
            Its value there.

        Returns
        -------
        self
        """
        graph = check_graph(self.graph)
        sizes = {"hidden_units": self.hidden_units, "n_layers": self.n_layers}
        for name, size in {"max_steps": self.max_steps, **sizes}.items():
            check_count(name, size, minimum=1)
        check_verbose(self.verbose)
        archive, phases, columns = fitted_archive(self, X, y, graph)
        values, of_signal, signals = archive
        _check_complete(archive, graph)
        self.mean_, self.scale_ = float(values.mean()), float(values.std())
        with open_progress("waves", unit="eigenvectors", verbose=self.verbose) as progress:
            n_waves = min(_N_WAVES, graph.n_nodes - 1)
            waves = waves_of(graph, "combinatorial", n_waves, progress)
        self._denoiser = SignalDenoiser.trained(
            (values - self.mean_) / self.scale_,
            of_signal,
            _means_of_neighbors(graph),
            waves,
            max_steps=int(self.max_steps),
            device=self.device,
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
            verbose=self.verbose,
            n_phases=len(phases),
            **{name: int(size) for name, size in sizes.items()},
        )
        self.graph_, self.signals_ = graph, signals
        self._frequencies = np.bincount(of_signal, minlength=len(phases)) / len(signals)
        self._names = names_of(X, columns)
        self.phases_ = phases if self.phase is not None else None
        return self

    @property
    def losses_(self) -> NDArray[np.float64]:
        """Losses of training."""
        check_is_fitted(self)
        return self._denoiser.losses

    def sample(
        self,
        n_samples: int = 1,
        *,
        phase: Any = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> pd.DataFrame:
        """Return new signals, drawn at random.

        Parameters
        ----------
        n_samples : int, default 1
        phase : object, optional
            Of these signals. Default: at random, as often as in the archive.
        random_state : int, RandomState instance or None, default 0

        Returns
        -------
        DataFrame of shape (n_samples, n_nodes)
            A column for each node; the index holds phases, where there are any.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples, minimum=1)
        random = check_random_state(random_state)
        phases = draw_phases(phase, n_samples, self.phases_, self._frequencies, random)
        values = self.mean_ + self.scale_ * self._denoiser.draw(phases, random)
        return drawn_table(values, phases, self.phases_, self._names, self.graph_)


def _check_complete(archive: Archive, graph: Graph) -> None:
    gaps = np.isnan(archive.values)
    if gaps.any():
        one = int(gaps.any(axis=1).argmax())
        raise ValueError(
            f"X must have a row for each node of every signal; signal "
            f"{archive.signals.tolist()[one]!r} lacks {int(gaps[one].sum())} of {graph.n_nodes} "
            f"nodes. Fill gaps first, with GraphImputer or what SignalDistribution.condition "
            f"predicts, or leave such signals out."
        )


def _means_of_neighbors(graph: Graph) -> sp.csr_array:
    degrees = positive(degrees_of(graph.adjacency))
    return sp.csr_array(sp.diags_array(1 / degrees) @ graph.adjacency)
