"""fast-graph-gp: process with a diffusion kernel by graph random features, likelihood maximised.

The library's other kernel, whose weights of walks are free, did worse on small maps.
"""

import gpytorch
import numpy as np
import scipy.sparse as sp
import torch
from _peer import UnfitError, main, scaled
from grf_gp import GRFGP, GRFSampler
from grf_gp.kernels import DiffusionGRFKernel

WALKS = 50
LENGTH = 10
STEPS = 40
# Rows by which parameters are chosen; predictions use all.
ROWS = 500
MOST_NODES = 5000
KEPT = {}


def walks(task):
    """Return the random walks; all tasks of a run are on one graph."""
    if not KEPT:
        if task.n_nodes > MOST_NODES:
            raise UnfitError(f"more than {MOST_NODES:,} nodes")
        shape = (task.n_nodes, task.n_nodes)
        adjacency = sp.csr_array((task.data, task.indices, task.indptr), shape=shape)
        # Of the normalised Laplacian but for its diagonal, which scales the kernel alone.
        root = 1 / np.sqrt(np.maximum(adjacency.sum(axis=1), 1e-12))
        scale = sp.diags_array(root)
        even = sp.csr_array(scale @ adjacency @ scale)
        parts = (torch.tensor(part) for part in (even.indptr, even.indices, -even.data))
        KEPT["walks"] = GRFSampler(
            torch.sparse_csr_tensor(*parts, size=shape),
            walks_per_node=WALKS,
            p_halt=0.1,
            max_walk_length=LENGTH,
            seed=0,
            use_tqdm=False,
            n_processes=1,
        )()
    return KEPT["walks"]


def fit(task):
    matrices = walks(task)
    torch.manual_seed(0)
    columns = scaled(task.covariates, task.train)
    # Of the nodes only: what is linear in the covariates is taken off first.
    design = np.column_stack([np.ones(len(columns)), columns])
    slopes = np.linalg.lstsq(design[task.train], task.y, rcond=None)[0]
    rest = torch.tensor(task.y - design[task.train] @ slopes)
    nodes = torch.tensor(task.nodes.astype(np.int64))[:, None]
    known, asked = nodes[task.train], nodes[task.test]
    drawn = np.random.default_rng(0).permutation(len(task.train))[:ROWS]
    kernel = DiffusionGRFKernel(matrices, LENGTH).double()
    likelihood = gpytorch.likelihoods.GaussianLikelihood().double()
    likelihood.noise = 0.3
    model = GRFGP(known[drawn], rest[drawn], likelihood, kernel).double()
    model.train()
    objective = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = -objective(model(known[drawn]), rest[drawn])
        loss.backward()
        optimizer.step()
    model = GRFGP(known, rest, likelihood, kernel).double()

    def predict():
        model.eval()
        # Posterior draws; their mean is noisy with few.
        found = model.predict(asked, batch_size=256)
        variance = found.variance + likelihood.noise.detach()
        mean = found.mean.detach().numpy() + design[task.test] @ slopes
        return mean, variance.detach().sqrt().numpy()

    return predict


if __name__ == "__main__":
    main(fit)
