"""Electrostatic potential on the surfaces of proteins."""

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skginr._core import check_option
from skginr.datasets._files import data_path
from skginr.graphs import Graph

#: Names of the surfaces: the entry of the Protein Data Bank, and its chains.
PROTEIN_SURFACES = (
    "1A2K_AB",
    "1JKG_A",
    "1JKG_B",
    "1NPO_A",
    "1O9Y_D",
    "1Q5H_B",
    "1SOT_A",
    "1T0F_A",
    "1XPJ_A",
    "1XT9_A",
    "1XUA_B",
    "1YLQ_A",
    "2A2L_B",
    "2AQX_A",
    "2HEK_A",
)


def fetch_protein_surface(name: str = "1A2K_AB") -> Bunch:
    """Return the electrostatic potential on the surface of a protein, a closed triangle mesh.

    Fifteen proteins of [1]_. Structures are from the Protein Data Bank, charges by PDB2PQR and
    potentials by APBS; they are not the authors' files. Read from ``protein_surfaces/`` in the
    folder that the environment variable ``SKGINR_DATA`` names: one ``.npz`` each with arrays
    ``vertices``, ``faces`` and ``charge``.

    Parameters
    ----------
    name : str, default "1A2K_AB"
        One of ``skginr.datasets.PROTEIN_SURFACES``, of 4,033 to 17,072 vertices. The default has
        11,134, nearly as many as that of the first experiment of [1]_.

    Returns
    -------
    Bunch
        ``frame`` : DataFrame of n_nodes rows: ``vertex`` (number) and ``charge`` (the potential,
        in kT/e).
        ``graph`` : Graph with positions in angstrom and faces, labelled by ``vertex``.

    Raises
    ------
    FileNotFoundError
        If ``SKGINR_DATA`` is not set or lacks the file.
    ValueError
        If a file is not the one expected.

    See Also
    --------
    fetch_bunny : A mesh without a signal, in four resolutions.
    skginr.SharedCorrector : Learns from the signals of several proteins, for one that is new.
    skginr.ThinPlateSplineRegressor : For fields in space that are sampled on a surface, as this is.

    References
    ----------
    .. [1] D. Grattarola and P. Vandergheynst, "Generalised Implicit Neural Representations",
       NeurIPS 2022.

    Examples
    --------
    >>> from skginr.datasets import fetch_protein_surface
    >>> protein = fetch_protein_surface("1A2K_AB")
    >>> protein.graph
    <Graph: 11,134 nodes, 33,396 edges, 1 component, from a mesh of 22,264 faces>
    >>> protein.frame.head(2).round(1)
       vertex  charge
    0       0   -10.2
    1       1   -10.4
    """
    check_option("name", name, PROTEIN_SURFACES)
    path = data_path("protein_surfaces", f"{name}.npz", owner="fetch_protein_surface")
    with np.load(path) as arrays:
        graph = Graph.from_mesh(arrays["vertices"].astype(float), arrays["faces"])
        charge = arrays["charge"].astype(float)
    return Bunch(frame=pd.DataFrame({"vertex": graph.labels, "charge": charge}), graph=graph)
