"""PyTorch Geometric: a graph network, its residual propagated (Jia and Benson, KDD 2020).

Inputs are covariates, else eigenvectors, with positions and the logarithm of the degree. Some inner
folds decide when to stop, and how far residuals spread.
"""

import numpy as np
import scipy.sparse as sp
import torch
from _peer import main, scaled
from torch_geometric.nn import GCNConv, SAGEConv

EIGENVECTORS = 16
HIDDEN = 32
STEPS = 300
PATIENCE = 50
# Inner folds that are looked at.
FOLDS = 3
ALPHAS = np.tanh(np.linspace(0.1, 3, 8))


class Network(torch.nn.Module):
    def __init__(self, n_inputs):
        super().__init__()
        self.first = SAGEConv(n_inputs, HIDDEN)
        self.second = GCNConv(HIDDEN, HIDDEN)
        self.last = torch.nn.Linear(HIDDEN + n_inputs, 1)

    def forward(self, x, edges):
        hidden = torch.relu(self.first(x, edges))
        hidden = torch.nn.functional.dropout(hidden, 0.2, self.training)
        hidden = torch.relu(self.second(hidden, edges))
        return self.last(torch.cat([hidden, x], dim=1))[:, 0]


def inputs(task, adjacency):
    """Return the columns of every node."""
    degree = np.ravel(adjacency.sum(axis=1))
    columns = [np.log1p(degree)[:, None]]
    if task.covariates.size:
        columns.append(spread(task, task.covariates))
    else:
        root = sp.diags_array(1 / np.sqrt(np.maximum(degree, 1e-12)))
        k = min(EIGENVECTORS + 1, task.n_nodes - 2)
        start = np.ones(task.n_nodes)
        columns.append(sp.linalg.eigsh(root @ adjacency @ root, k, v0=start)[1])
    if task.positions is not None:
        columns.append(spread(task, task.positions))
    return np.hstack([scaled(part, task.nodes[task.train]) for part in columns])


def spread(task, rows):
    """Return rows at their nodes; nodes without a row get the mean."""
    nodes = np.tile(rows.mean(axis=0), (task.n_nodes, 1))
    nodes[task.nodes] = rows
    return nodes


def propagate(normal, alpha, nodes, residuals):
    """Return the mean of residuals at all nodes, given some: precision I - alpha S."""
    n = normal.shape[0]
    precision = sp.csc_array(sp.eye_array(n) - alpha * normal)
    hidden = np.setdiff1d(np.arange(n), nodes)
    values = np.zeros(n)
    values[nodes] = residuals
    right = -(precision[hidden][:, nodes] @ residuals)
    values[hidden] = sp.linalg.spsolve(precision[hidden][:, hidden].tocsc(), right)
    return values


def train(x, edges, nodes, y, held, y_held, n_steps, seed):
    """Return predictions at all nodes, and after how many steps those held out were best."""
    torch.manual_seed(seed)
    model = Network(x.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    best = np.inf, 1, None
    for step in range(1, n_steps + 1):
        model.train()
        optimizer.zero_grad()
        loss = torch.mean((model(x, edges)[nodes] - y) ** 2)
        loss.backward()
        optimizer.step()
        if held is not None and (step % 5 == 0 or step == n_steps):
            model.eval()
            with torch.no_grad():
                values = model(x, edges)
            error = float(torch.mean((values[held] - y_held) ** 2))
            if error < best[0]:
                best = error, step, values.numpy()
            elif step > best[1] + PATIENCE:
                break
    if held is None:
        model.eval()
        with torch.no_grad():
            best = np.nan, n_steps, model(x, edges).numpy()
    return best[2], best[1]


def fit(task):
    torch.set_num_threads(1)
    shape = (task.n_nodes, task.n_nodes)
    adjacency = sp.csr_array((task.data, task.indices, task.indptr), shape=shape)
    degree = np.maximum(np.ravel(adjacency.sum(axis=1)), 1e-12)
    root = sp.diags_array(1 / np.sqrt(degree))
    normal = root @ adjacency @ root
    x = torch.tensor(inputs(task, adjacency), dtype=torch.float32)
    edges = torch.tensor(np.stack(task.edges).astype(np.int64))
    nodes = task.nodes[task.train].astype(np.int64)
    y = torch.tensor(task.y, dtype=torch.float32)
    steps, errors = [], []
    for seen, held in list(task.splits())[:FOLDS]:
        values, best = train(x, edges, nodes[seen], y[seen], nodes[held], y[held], STEPS, 0)
        steps.append(best)
        residuals = task.y[seen] - values[nodes[seen]]
        left = task.y[held] - values[nodes[held]]
        moved = [propagate(normal, a, nodes[seen], residuals)[nodes[held]] for a in ALPHAS]
        errors.append([np.mean((left - part) ** 2) for part in [0 * left, *moved]])
    choice = int(np.argmin(np.mean(errors, axis=0)))
    values, _ = train(x, edges, nodes, y, None, None, int(np.mean(steps)), 1)
    if choice:
        residuals = task.y - values[nodes]
        values = values + propagate(normal, ALPHAS[choice - 1], nodes, residuals)
    std = np.sqrt(np.mean(errors, axis=0)[choice])

    def predict():
        return values[task.nodes[task.test]], np.full(len(task.test), std)

    return predict


if __name__ == "__main__":
    main(fit)
