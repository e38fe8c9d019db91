"""The Stanford bunny, read from disk."""

from __future__ import annotations

import numpy as np

from skginr._core import check_count
from skginr.datasets._files import data_path
from skginr.graphs import Graph

_FILES = {
    1: "bun_zipper.ply",
    2: "bun_zipper_res2.ply",
    3: "bun_zipper_res3.ply",
    4: "bun_zipper_res4.ply",
}


def fetch_bunny(resolution: int = 1) -> Graph:
    """Return the largest component of the Stanford bunny [1]_, a triangle mesh.

    Read from ``bunny/`` in the folder that the environment variable ``SKGINR_DATA`` names, or else
    downloaded, once, from the Stanford 3D Scanning Repository (5 MB; free for research, with
    credit).

    Parameters
    ----------
    resolution : {1, 2, 3, 4}, default 1
        1 has 34,834 vertices, 2 has 8,146, 3 has 1,887 and 4 has 453.

    Returns
    -------
    Graph
        With positions in metres and faces; labelled by the number of the vertex in the file.

    Raises
    ------
    FileNotFoundError
        If it is not there and could not be downloaded.
    ModuleNotFoundError
        If it is to be downloaded and pooch is not installed (extra ``data``).
    ValueError
        If ``resolution`` is none of the four, or the file is not the one expected.

    See Also
    --------
    make_reaction_diffusion : Makes a signal on it.
    fetch_protein_surface : Meshes that come with a signal.
    skginr.Graph.from_mesh : Makes the graph of a mesh of your own.

    References
    ----------
    .. [1] G. Turk and M. Levoy, "Zippered Polygon Meshes from Range Images", SIGGRAPH 1994.

    Examples
    --------
    >>> from skginr.datasets import fetch_bunny
    >>> fetch_bunny(4)
    <Graph: 453 nodes, 1,363 edges, 1 component, from part of a mesh of 908 faces>
    """
    check_count("resolution", resolution, minimum=1)
    if resolution not in _FILES:
        raise ValueError(f"resolution must be 1, 2, 3 or 4; got {resolution}.")
    lines = data_path("bunny", _FILES[resolution], owner="fetch_bunny").read_text().splitlines()
    start = lines.index("end_header") + 1
    n_vertices, n_faces = (
        int(line.split()[2]) for line in lines[:start] if line.startswith("element")
    )
    vertices = np.loadtxt(lines[start:], usecols=(0, 1, 2), max_rows=n_vertices)
    faces = np.loadtxt(lines[start + n_vertices :], usecols=(1, 2, 3), dtype=int, max_rows=n_faces)
    # The smaller files list some faces twice.
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    mesh = Graph.from_mesh(vertices, faces[np.sort(first)])
    return mesh.subgraph(mesh.labels[mesh.components == 0])
