"""Runs one method on one problem, in a process of its own, and prints a line of JSON."""

import argparse
import json
import resource
import sys
import time

import numpy as np
from _graphs import load
from _methods import METHODS, Problem, bound_of

GIB = 1 << 30


def peak_mb():
    """Return the most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def measure(method, problem, reference, save):
    solve = METHODS[method].prepare(problem)
    before, start = peak_mb(), time.perf_counter()
    found = solve()
    result = {"seconds": time.perf_counter() - start, "peak_mb": peak_mb()}
    result["memory_mb"] = result["peak_mb"] - before
    vectors = found() if callable(found) else found
    if vectors is not None:
        result |= accuracy(problem, vectors, reference if METHODS[method].comparable else None)
    if save:
        np.save(save, vectors)
    return result


def accuracy(problem, vectors, reference):
    """Return the largest residual over a bound of the operator, drift, and largest angle."""
    if vectors.shape != (problem.n_nodes, problem.k):
        raise ValueError(f"{vectors.shape[1]} vectors, and not {problem.k}")
    operator = problem.operator()
    vectors = vectors / np.linalg.norm(vectors, axis=0)
    products = operator @ vectors
    values = np.einsum("ij,ij->j", vectors, products)
    residual = np.linalg.norm(products - vectors * values, axis=0).max() / bound_of(operator)
    drift = abs(vectors.T @ vectors - np.eye(problem.k)).max()
    result = {"residual": float(residual), "drift": float(drift)}
    if reference is not None:
        result["angle"] = sine_of_largest_angle(np.load(reference), vectors)
    return result


def sine_of_largest_angle(reference, vectors):
    reference, vectors = (np.linalg.qr(basis)[0] for basis in (reference, vectors))
    outside = vectors - reference @ (reference.T @ vectors)
    return float(min(np.linalg.norm(outside, 2), 1.0))


def overhead(problem, repeats=7):
    """Return the least seconds of fit and of the bare solver, which take turns."""
    from skginr.spectral.eigen._cache import clear_cache

    least = {"skginr": np.inf, "skginr, bare solver": np.inf}
    for _ in range(repeats):
        for name in least:
            clear_cache()
            solve = METHODS[name].prepare(problem)
            start = time.perf_counter()
            solve()
            least[name] = min(least[name], time.perf_counter() - start)
    return {"fit": least["skginr"], "solver": least["skginr, bare solver"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("method", choices=[*METHODS, "overhead"])
    parser.add_argument("graph")
    parser.add_argument("k", type=int)
    parser.add_argument("--laplacian", default="combinatorial")
    parser.add_argument("--tol", type=float, default=1e-6)
    parser.add_argument("--reference")
    parser.add_argument("--save")
    parser.add_argument("--memory-limit", type=float, help="GiB of address space")
    given = parser.parse_args()
    if given.memory_limit:
        most = int(given.memory_limit * GIB)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    adjacency, positions = load(given.graph)
    problem = Problem(adjacency, given.k, given.laplacian, given.tol, positions)
    if given.method == "overhead":
        result = overhead(problem)
    else:
        result = measure(given.method, problem, given.reference, given.save)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
