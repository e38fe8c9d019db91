"""dgmrf: deep Gaussian Markov random field on the graph (Oskarsson et al., ICML 2022)."""

import contextlib
import io

import equinox
import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.sparse as sp
from _peer import Unfit, main, scaled
from dgmrf.losses import dgmrf_elbo
from dgmrf.models import DGMRF, MeanField
from dgmrf.train import Model, train_loop

LAYERS = 3
STEPS = 1500
DRAWS = 10
SAMPLES = 64
# The library needs the eigenvalues of a dense matrix, which is not symmetric.
MOST_NODES = 1000

jax.config.update("jax_enable_x64", True)


def fit(task):
    if task.n_nodes > MOST_NODES:
        raise Unfit(f"more than {MOST_NODES:,} nodes")
    shape = (task.n_nodes, task.n_nodes)
    adjacency = sp.csr_array((task.data, task.indices, task.indptr), shape=shape).toarray()
    if not adjacency.sum(axis=1).all():
        raise Unfit("no node may be without an edge")
    columns = scaled(task.covariates, task.train)
    design = np.column_stack([np.ones(len(columns)), columns])
    slopes = np.linalg.lstsq(design[task.train], task.y, rcond=None)[0]
    y, hidden = np.zeros(task.n_nodes), np.ones(task.n_nodes, bool)
    y[task.nodes[task.train]] = task.y - design[task.train] @ slopes
    hidden[task.nodes[task.train]] = False
    y, hidden = jnp.asarray(y), jnp.asarray(hidden)
    keys = jax.random.split(jax.random.PRNGKey(0), 4)
    degrees = jnp.asarray(adjacency.sum(axis=1))
    field = DGMRF(keys[0], LAYERS, A_D=(jnp.asarray(adjacency), degrees), log_det_method="eigenvalues")
    n = task.n_nodes
    posterior = MeanField(n, nu_init=y, log_S_init=jnp.full(n, -1.0))
    model = Model(field, posterior, jnp.asarray(np.log(0.5)))
    optimizer = optax.adam(0.01)
    state = optimizer.init(equinox.filter(model, equinox.is_inexact_array))
    with contextlib.redirect_stdout(io.StringIO()):
        model, _, _ = train_loop(
            dgmrf_elbo, model, y, STEPS, optimizer, state, keys[1], STEPS, n, DRAWS, mask=hidden
        )
    field, noise = model.dgmrf, model.noise_parameter

    def predict():
        test = task.nodes[task.test]
        mean = field.get_post_mu(y, noise, mask=hidden, method="exact")
        draws = field.posterior_samples(SAMPLES, y, noise, keys[2], mask=hidden, x0=mean)
        variance = np.asarray(draws)[:, test].var(axis=0) + np.exp(2 * float(noise))
        return np.asarray(mean)[test] + design[task.test] @ slopes, np.sqrt(variance)

    return predict


if __name__ == "__main__":
    main(fit)
