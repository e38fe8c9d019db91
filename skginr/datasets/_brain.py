"""Maps of the cerebral cortex, on its surface."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skginr._core import check_option, require
from skginr.datasets._files import data_path
from skginr.graphs import Graph

_SURFACES = ("pial", "white", "sphere")


def load_fsaverage5(surface: str = "pial") -> Bunch:
    """Return the left cortex of FreeSurfer's fsaverage5, a closed triangle mesh, and four maps.

    All ship in the wheel of ``nilearn`` (extra ``brain``): nothing is downloaded. From FreeSurfer
    [1]_; nilearn says that their licence is unknown.

    Parameters
    ----------
    surface : {"pial", "white", "sphere"}, default "pial"
        Where vertices are: on the outer or the inner surface of the cortex, or on a sphere of
        radius 100 mm.

    Returns
    -------
    Bunch
        ``frame`` : DataFrame of 10,242 rows: ``vertex`` (number), ``sulcal_depth`` (mm),
        ``curvature`` (1/mm), ``thickness`` (mm, about 0 on the medial wall) and ``area`` (mm²).
        ``graph`` : Graph with positions in mm and faces, labelled by ``vertex``.

    Raises
    ------
    ModuleNotFoundError
        If nilearn is not installed.
    ValueError
        If ``surface`` is none of the three.

    See Also
    --------
    fetch_conte69 : A finer cortex, whose maps have a gap.
    skginr.plotting.plot_signal : Draws a map on the surface.
    skginr.make_surrogates : Random maps to test a correlation of two maps with.

    References
    ----------
    .. [1] B. Fischl et al., "High-resolution intersubject averaging and a coordinate system for
       the cortical surface", Human Brain Mapping 8, 1999.

    Examples
    --------
    >>> brain = load_fsaverage5()
    >>> brain.graph
    <Graph: 10,242 nodes, 30,720 edges, 1 component, from a mesh of 20,480 faces>
    """
    check_option("surface", surface, _SURFACES)
    owner = {"extra": "brain", "purpose": "load_fsaverage5"}
    files = require("nilearn.datasets", **owner).fetch_surf_fsaverage("fsaverage5")
    surfaces = require("nilearn.surface", **owner)
    mesh = surfaces.load_surf_mesh(files[f"{surface}_left"])
    names = {"sulcal_depth": "sulc", "curvature": "curv", "thickness": "thick", "area": "area"}
    maps = {
        name: surfaces.load_surf_data(files[f"{stored}_left"]).astype(float)
        for name, stored in names.items()
    }
    graph = Graph.from_mesh(mesh.coordinates.astype(float), mesh.faces)
    return Bunch(frame=pd.DataFrame({"vertex": graph.labels} | maps), graph=graph)


def fetch_conte69() -> Bunch:
    """Return the left cortex of Conte69, a closed triangle mesh, and four maps that miss a part.

    Read from ``brain_conte69/`` in the folder that the environment variable ``SKGINR_DATA``
    names; the atlas of [1]_ with maps of the Human Connectome Project, whose terms apply, as
    shipped in the package brainspace (BSD-3-Clause).

    Returns
    -------
    Bunch
        ``frame`` : DataFrame of 32,492 rows: ``vertex`` (number), ``thickness`` (mm), ``myelin``
        (ratio of the intensities of T1 and T2), ``curvature`` and ``gradient`` (the first of
        functional connectivity, arbitrary units). All four are NaN on the 3,221 vertices of the
        medial wall, which is not cortex.
        ``graph`` : Graph with positions in mm and faces, labelled by ``vertex``.

    Raises
    ------
    FileNotFoundError
        If ``SKGINR_DATA`` is not set or lacks the file.
    ValueError
        If a file is not the one expected.

    See Also
    --------
    load_fsaverage5 : A coarser cortex that ships in a package.
    skginr.make_surrogates : Random maps to test a correlation of two maps with; they keep the gap.

    References
    ----------
    .. [1] D. C. Van Essen et al., "Parcellations and hemispheric asymmetries of human cerebral
       cortex analyzed on surface-based atlases", Cerebral Cortex 22, 2012.

    Examples
    --------
    >>> from skginr.datasets import fetch_conte69
    >>> brain = fetch_conte69()
    >>> brain.graph
    <Graph: 32,492 nodes, 97,470 edges, 1 component, from a mesh of 64,980 faces>
    >>> cortex = brain.frame.dropna()
    >>> len(cortex)
    29271
    """
    path = data_path("brain_conte69", "conte69_32k_left.npz", owner="fetch_conte69")
    names = {
        "thickness": "thickness",
        "myelin": "t1wt2w",
        "curvature": "curvature",
        "gradient": "fc_gradient0",
    }
    with np.load(path) as arrays:
        graph = Graph.from_mesh(arrays["vertices"].astype(float), arrays["faces"])
        maps = {name: arrays[stored].astype(float) for name, stored in names.items()}
    return Bunch(frame=pd.DataFrame({"vertex": graph.labels} | maps), graph=graph)
