"""Which sites lie around a site of a supercell, in windows of distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ..ndarrays import BoolArray, FloatArray, IntArray
from .model import Structure, frozen_array

__all__ = ["SiteShells", "surroundings"]

FEW = 20
"""Distances of a pair of sites that are told."""
EDGE = 1e-6
"""Å; a distance that falls short of a border by less lies beyond it: rounding must not decide."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SiteShells:
    """Neighbours of the sites of one cell, K in all, those of site i at ``first[i]`` up to ``first[i + 1]``.

    first : (n_sites + 1,). site : (K,) in the cell. cell : (K, 3) offset. window : (K,). distance : (K,) Å.
    shortest : the shortest distances of any such sites, in words, whatever the windows.
    """

    first: IntArray
    site: IntArray
    cell: IntArray
    window: IntArray
    distance: FloatArray
    shortest: str


def surroundings(
    structure: Structure,
    supercell: tuple[int, int, int],
    own: BoolArray,
    other: BoolArray,
    windows: Sequence[tuple[float, float]],
) -> SiteShells:
    """Sites of a kind around those of another kind, by the distance to their nearest periodic image.

    own, other : (n_sites,) around which sites, and which of them. windows : (W, 2) Å, [from, to). A site is listed
    once, and never around itself.
    """
    lattice, n_sites = np.asarray(structure.lattice), structure.n_sites
    farthest = max(high for _, high in windows)
    # distance of neighbouring lattice planes along each axis
    planes = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    reach = [
        int(np.ceil(farthest / h)) + 1 if repeats else 0
        for h, repeats in zip(planes, structure.periodic, strict=True)
    ]
    offsets = np.array(list(product(*(range(-r, r + 1) for r in reach))))
    size = np.array(supercell)
    home = np.ravel_multi_index(tuple((offsets % size).T), supercell)
    first, rows = [0], []
    seen: set[float] = set()
    for i in range(n_sites):
        for j in np.flatnonzero(other) if own[i] else ():
            distance = np.linalg.norm((structure.frac[j] - structure.frac[i] + offsets) @ lattice, axis=1)
            order = np.argsort(distance, kind="stable")
            _, nearest = np.unique(home[order], return_index=True)
            found = order[nearest]  # the nearest image of each site
            found = found[(home[found] != 0) | (i != j)]
            seen.update(np.round(np.sort(distance[found])[:FEW], 3).tolist())
            for k, (low, high) in enumerate(windows):
                inside = found[(distance[found] >= low - EDGE) & (distance[found] < high - EDGE)]
                rows += [(int(j), *offsets[o].tolist(), k, float(distance[o])) for o in inside]
        first.append(len(rows))
    table = np.array(rows, float).reshape(-1, 6)
    near = sorted(seen)
    return SiteShells(
        first=frozen_array(first, np.int64),
        site=frozen_array(table[:, 0], np.int64),
        cell=frozen_array(table[:, 1:4], np.int64),
        window=frozen_array(table[:, 4], np.int64),
        distance=frozen_array(table[:, 5], np.float64),
        shortest=", ".join(f"{d:g}" for d in near[:4]) + " Å" if near else "none",
    )
