"""Where the symmetry operations of a structure take its sites."""

from __future__ import annotations

import numpy as np

from ..ndarrays import FloatArray, IntArray
from .model import Structure

__all__ = ["nearest_sites", "site_images"]

_MANY = 200
"""Sites of a label from which on a tree finds the nearest one."""


def nearest_sites(images: FloatArray, frac: FloatArray, lattice: FloatArray) -> tuple[IntArray, FloatArray]:
    """(n,) index of the site nearest to each image, and (n, 3) the cell in which it is met."""
    if len(frac) > _MANY:
        from scipy.spatial import cKDTree

        wrapped = frac % 1
        wrapped[wrapped >= 1] = 0  # -1e-17 % 1 is 1.0
        # images lie on sites within the tolerance of the symmetry, so that the metric does not matter
        nearest = cKDTree(wrapped, boxsize=1).query(images % 1)[1]
        return nearest, np.round(images - frac[nearest])
    difference = images[:, None] - frac[None]
    offset = np.round(difference)
    nearest = np.argmin(np.linalg.norm((difference - offset) @ lattice, axis=2), axis=1)
    return nearest, offset[np.arange(len(images)), nearest]


def site_images(structure: Structure) -> tuple[IntArray, IntArray]:
    """Where the operations take the sites.

    Returns
    -------
    site : (n_ops, n_sites) site of the cell on whose image site i lands.
    cell : (n_ops, n_sites, 3) cell in which that image lies.
    """
    labels = np.array(structure.labels)
    n_ops, n_sites = len(structure.rotations), structure.n_sites
    site = np.empty((n_ops, n_sites), np.int64)
    cell = np.empty((n_ops, n_sites, 3), np.int64)
    for label in dict.fromkeys(structure.labels):
        same = np.flatnonzero(labels == label)
        frac = structure.frac[same]
        for g in range(n_ops):
            images = frac @ structure.rotations[g].T + structure.translations[g]
            nearest, offset = nearest_sites(images, frac, structure.lattice)
            site[g, same] = same[nearest]
            cell[g, same] = offset.astype(np.int64)
    return site, cell
