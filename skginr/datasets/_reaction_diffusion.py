"""A pattern that grows on a graph: the texture of the paper's experiments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skginr._core import (
    check_count,
    check_option,
    check_real,
    check_verbose,
    open_progress,
    positive,
)
from skginr.graphs import Graph, degrees_of


def make_reaction_diffusion(
    graph: Graph,
    *,
    laplacian: str = "symmetric",
    n_steps: int | Sequence[int] = 30_000,
    feed: float = 0.060,
    kill: float = 0.062,
    diffusion: tuple[float, float] = (0.64, 0.32),
    random_state: int | np.random.RandomState | None = 1234,
    verbose: int = 0,
) -> pd.DataFrame:
    """Grow a pattern on a graph by the Gray-Scott model.

    Two substances u and v diffuse along edges and react, in explicit steps of unit time::

        u += - diffusion[0] * L u - u v^2 + feed * (1 - u)
        v += - diffusion[1] * L v + u v^2 - (feed + kill) * v

    from noise, uniform in [1, 1.2) for u and in [0, 0.2) for v. The defaults are those of [1]_,
    whose signal on the Stanford bunny is v.

    Parameters
    ----------
    graph : Graph
    laplacian : {"symmetric", "random_walk"}, default "symmetric"
        L: I - D^-1/2 A D^-1/2, called normalised in [1]_, whose patterns carry the square root
        of the degree of a node; or I - D^-1 A, whose patterns are smooth.
    n_steps : int or sequence of int, default 30,000
        Steps of unit time; about 25 seconds for the 35,000 vertices of the bunny. Of several,
        ascending, the pattern after each.
    feed, kill : float, defaults 0.060 and 0.062
        Rates at which u is supplied and v removed.
    diffusion : pair of float, default (0.64, 0.32)
        Of u and of v, at most 1: beyond, the steps are not stable.
    random_state : int, RandomState instance or None, default 1234
        Of the noise.
    verbose : {0, 1}, default 0
        Nothing, or a progress bar.

    Returns
    -------
    DataFrame of shape (n_nodes, 2)
        Columns ``u`` and ``v``, concentrations without unit; the index holds the graph's labels.
        Of several steps a long table of shape (number of steps x n_nodes, 4), with columns
        ``node`` and ``step`` before them, step by step.

    Raises
    ------
    TypeError
        If ``graph`` is not a Graph.
    ValueError
        If a parameter is out of range.
    FloatingPointError
        If the pattern grows without bound.

    See Also
    --------
    fetch_bunny : The mesh of the paper's experiment.
    fetch_protein_surface : Meshes with a signal that is computed from physics.

    References
    ----------
    .. [1] D. Grattarola and P. Vandergheynst, "Generalised Implicit Neural Representations",
       NeurIPS 2022.
    .. [2] J. E. Pearson, "Complex patterns in a simple system", Science 261, 1993.

    Examples
    --------
    >>> import numpy as np
    >>> from skginr import Graph
    >>> from skginr.datasets import make_reaction_diffusion
    >>> points = np.random.default_rng(0).random((200, 2))
    >>> make_reaction_diffusion(Graph.from_points(points), n_steps=100).columns.tolist()
    ['u', 'v']
    """
    if not isinstance(graph, Graph):
        raise TypeError(
            f"graph must be a Graph, built by Graph.from_*; got {type(graph).__name__}."
        )
    check_option("laplacian", laplacian, ("symmetric", "random_walk"))
    steps = np.atleast_1d(n_steps).tolist()
    _check_steps(steps)
    check_real("feed", feed, minimum=0)
    check_real("kill", kill, minimum=0)
    rates = _check_diffusion(diffusion)
    check_verbose(verbose)

    walk = _walk(graph.adjacency, laplacian)
    uniform = check_random_state(random_state).uniform
    signal = np.column_stack(
        [1 + 0.2 * uniform(size=graph.n_nodes), 0.2 * uniform(size=graph.n_nodes)]
    )
    patterns = _patterns(walk, signal, steps, rates, feed, kill, verbose)
    if not np.isfinite(patterns[-1]).all():
        raise FloatingPointError(
            f"the pattern grows without bound with feed={feed}, kill={kill} and "
            f"diffusion={diffusion}. Lower them."
        )
    if np.ndim(n_steps) == 0:
        return pd.DataFrame(patterns[-1], index=graph.labels, columns=["u", "v"])
    u, v = np.concatenate(patterns).T.copy()
    nodes, after = np.tile(graph.labels, len(steps)), np.repeat(steps, graph.n_nodes)
    return pd.DataFrame({"node": nodes, "step": after, "u": u, "v": v})


def _patterns(
    walk: sp.csr_array,
    signal: NDArray[np.float64],
    steps: list[int],
    rates: NDArray[np.float64],
    feed: float,
    kill: float,
    verbose: int,
) -> list[NDArray[np.float64]]:
    """Return what becomes of ``signal``, in place, after each of these numbers of steps."""
    patterns = []
    bar = open_progress("reaction-diffusion", unit="steps", total=steps[-1], verbose=verbose)
    with bar, np.errstate(over="ignore", invalid="ignore"):
        for n_more in np.diff(steps, prepend=0):
            for _ in range(n_more):
                u, v = signal.T
                change = rates * (walk @ signal - signal)
                reaction = u * v**2
                change[:, 0] += feed * (1 - u) - reaction
                change[:, 1] += reaction - (feed + kill) * v
                signal += change
                bar.advance()
            patterns.append(signal.copy())
    return patterns


def _walk(adjacency: sp.csr_array, laplacian: str) -> sp.csr_array:
    """Return I - L; a node without an edge keeps its own."""
    degrees = degrees_of(adjacency)
    alone = sp.diags_array((degrees == 0).astype(float))
    if laplacian == "random_walk":
        return sp.csr_array(sp.diags_array(1 / positive(degrees)) @ adjacency + alone)
    scale = sp.diags_array(positive(degrees) ** -0.5)
    return sp.csr_array(scale @ adjacency @ scale + alone)


def _check_steps(steps: list[Any]) -> None:
    for step in steps:
        check_count("n_steps", step, minimum=0)
    if not steps or min(np.diff(steps), default=1) < 1:
        raise ValueError(f"n_steps must be a number, or some in ascending order; got {steps}.")


def _check_diffusion(diffusion: tuple[float, float]) -> np.ndarray:
    if np.shape(diffusion) != (2,):
        raise ValueError(
            f"diffusion must be two numbers, of u and v, such as (0.64, 0.32); got {diffusion!r}."
        )
    for rate in diffusion:
        check_real("diffusion", rate, minimum=0)
        if rate > 1:
            raise ValueError(
                f"diffusion must be at most 1, beyond which unit steps are not stable; got "
                f"{diffusion!r}."
            )
    return np.asarray(diffusion, dtype=float)
