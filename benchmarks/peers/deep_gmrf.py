"""dgmrf: deep Gaussian Markov random field on the graph (Oskarsson et al., ICML 2022)."""

import contextlib
import io

import equinox
import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.sparse as sp
from _peer import UnfitError, main, scaled
from dgmrf.losses import dgmrf_elbo
from dgmrf.models import DGMRF, MeanField
from dgmrf.train import Model

# More layers did worse on maps of some hundred nodes.
LAYERS = 1
STEPS = 600
RATE = 0.03
DRAWS = 10
# The library needs the eigenvalues of a dense matrix, which is not symmetric.
MOST_NODES = 1000
KEPT = {}

jax.config.update("jax_enable_x64", True)


def trainer(task):
    """Return what trains: (y, hidden) -> model. Compiled once: all tasks are on one graph."""
    n = task.n_nodes
    shape = (n, n)
    adjacency = sp.csr_array((task.data, task.indices, task.indptr), shape=shape).toarray()
    degrees = adjacency.sum(axis=1)
    if not degrees.all():
        raise UnfitError("no node may be without an edge")
    keys = jax.random.split(jax.random.PRNGKey(0), 2)
    pair = (jnp.asarray(adjacency), jnp.asarray(degrees))
    with contextlib.redirect_stdout(io.StringIO()):
        field = DGMRF(keys[0], LAYERS, A_D=pair, log_det_method="eigenvalues")
    posterior = MeanField(n, nu_init=jnp.zeros(n), log_S_init=jnp.full(n, -1.0))
    model = Model(field, posterior, jnp.asarray(np.log(0.5)))
    start, fixed = equinox.partition(model, equinox.is_inexact_array)
    optimizer = optax.adam(RATE)

    @jax.jit
    def train(y, hidden):
        def loss(trained, key):
            return dgmrf_elbo(equinox.combine(trained, fixed), y, key, n, DRAWS, mask=hidden)

        def step(carry, key):
            trained, state = carry
            updates, state = optimizer.update(jax.grad(loss)(trained, key), state, trained)
            return (equinox.apply_updates(trained, updates), state), None

        begun = equinox.tree_at(lambda model: model.posterior.params["nu"], start, y)
        carry = begun, optimizer.init(begun)
        return jax.lax.scan(step, carry, jax.random.split(keys[1], STEPS))[0][0]

    return lambda y, hidden: equinox.combine(jax.block_until_ready(train(y, hidden)), fixed)


def fit(task):
    if task.n_nodes > MOST_NODES:
        raise UnfitError(f"more than {MOST_NODES:,} nodes")
    if not KEPT:
        KEPT["train"] = trainer(task)
    columns = scaled(task.covariates, task.train)
    design = np.column_stack([np.ones(len(columns)), columns])
    slopes = np.linalg.lstsq(design[task.train], task.y, rcond=None)[0]
    y, hidden = np.zeros(task.n_nodes), np.ones(task.n_nodes, bool)
    y[task.nodes[task.train]] = task.y - design[task.train] @ slopes
    hidden[task.nodes[task.train]] = False
    model = KEPT["train"](jnp.asarray(y), jnp.asarray(hidden))

    def predict():
        test, log_noise = task.nodes[task.test], model.noise_parameter
        mean = model.dgmrf.get_post_mu(y, log_noise, mask=hidden, method="exact")
        noise = np.exp(2 * float(log_noise))
        precision = np.asarray(model.dgmrf.get_Q()) + np.diag(np.where(hidden, 0, 1 / noise))
        variance = np.diag(np.linalg.inv(precision))[test] + noise
        return np.asarray(mean)[test] + design[task.test] @ slopes, np.sqrt(variance)

    return predict


if __name__ == "__main__":
    main(fit)
