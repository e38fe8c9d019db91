"""Eigenvectors on a device, as an experiment: two iterations in torch, in float64.

Both turn a block of vectors towards the first eigenvectors of a connected graph's Laplacian and
take the best combinations of it (Rayleigh-Ritz), until the residuals of those wanted are small.
"""

import math
import warnings

import numpy as np
import torch

TOL = 1e-8
MOST_ROUNDS = 100


def on_device(stiffness, device):
    """Return a sparse matrix as torch's, and Gershgorin's bound on its largest eigenvalue."""
    matrix = stiffness.tocsr()
    rows, columns = (torch.from_numpy(x.astype(np.int64)) for x in (matrix.indptr, matrix.indices))
    values = torch.from_numpy(matrix.data.astype(float))
    with warnings.catch_warnings():
        # torch calls its sparse tensors a beta.
        warnings.simplefilter("ignore", UserWarning)
        sparse = torch.sparse_csr_tensor(rows, columns, values, size=matrix.shape).to(device)
    return sparse, float(abs(matrix).sum(axis=1).max())


def chebyshev(stiffness, k, device):
    """Return k eigenpairs after that of the constant, by a filter that damps all above them.

    The filter is a Chebyshev polynomial of the matrix: sparse products, and no factorisation.
    After Y. Zhou, Y. Saad et al., "Self-consistent-field calculations using Chebyshev-filtered
    subspace iteration", Journal of Computational Physics 219, 2006.
    """
    matrix, bound = on_device(stiffness, device)

    def improve(block, values):
        # Damped is what lies beyond the block's last Ritz value.
        edge = float(values[-1]) if values is not None else bound / 10
        degree = min(300, max(10, math.ceil(3 * math.sqrt(bound / edge))))
        return filtered(matrix, block, degree, edge, bound)

    return iterated(matrix, bound, k, improve)


def filtered(matrix, block, degree, edge, bound):
    """Return a Chebyshev polynomial of the matrix times a block, 1 at zero.

    It is small between ``edge`` and ``bound``, and grows steeply below.
    """
    half, middle = (bound - edge) / 2, (bound + edge) / 2
    # Scaled from step to step: the bare polynomial would overflow.
    first = scale = -half / middle
    last, block = block, (matrix @ block - middle * block) * (scale / half)
    for _ in range(degree - 1):
        following = 1 / (2 / first - scale)
        grown = (matrix @ block - middle * block) * (2 * following / half)
        last, block, scale = block, grown - scale * following * last, following
    return block


def inverse(stiffness, k, device):
    """Return the same by cholespy's factor, on CUDA where the block is there."""
    from cholespy import CholeskySolverD, MatrixType

    matrix, bound = on_device(stiffness, device)
    shift = 1e-6 * bound
    entries = (stiffness.tocsr() + shift * eye(stiffness.shape[0])).tocoo()
    coordinates = (torch.from_numpy(x.astype(np.int32)).to(device) for x in entries.coords)
    values = torch.from_numpy(entries.data).to(device)
    solver = CholeskySolverD(stiffness.shape[0], *coordinates, values, MatrixType.COO)

    def improve(block, values):
        solved = []
        # On CUDA it takes no more columns at once.
        for part in block.split(128, dim=1):
            part = part.contiguous()
            solved.append(torch.empty_like(part))
            solver.solve(part, solved[-1])
        return torch.cat(solved, dim=1)

    return iterated(matrix, bound, k, improve)


def eye(n):
    import scipy.sparse as sp

    return sp.eye_array(n, format="csr")


def iterated(matrix, bound, k, improve):
    """Return eigenvalues, vectors, the largest residual over the bound, and the rounds it took."""
    n_rows = matrix.shape[0]
    # Beyond those wanted: the last ones of a block converge last.
    width = min(n_rows, k + 1 + max(8, k // 4))
    generator = torch.Generator().manual_seed(0)
    block = torch.randn(n_rows, width, generator=generator, dtype=torch.float64)
    block, values = block.to(matrix.device), None
    residual, n_rounds = math.inf, 0
    while residual > TOL and n_rounds < MOST_ROUNDS:
        n_rounds += 1
        block = torch.linalg.qr(improve(block, values))[0]
        product = matrix @ block
        values, turn = torch.linalg.eigh(block.T @ product)
        block, product = block @ turn, product @ turn
        residuals = torch.linalg.norm(product - block * values, dim=0)
        residual = float(residuals[: k + 1].max()) / bound
    wanted = slice(1, k + 1)
    vectors = block[:, wanted].cpu().numpy()
    return values[wanted].cpu().numpy(), vectors, residual, n_rounds


def largest_angle(vectors, reference):
    """Return the sine of the largest angle between two spaces of orthonormal columns."""
    outside = vectors - reference @ (reference.T @ vectors)
    return float(np.linalg.norm(outside, ord=2))
