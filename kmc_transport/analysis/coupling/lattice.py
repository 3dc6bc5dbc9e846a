"""What the compiled loops must know of the lattice, as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...model.model import Model
from ...model.surroundings import SiteShells, surroundings
from ...ndarrays import FloatArray, IntArray

__all__ = [
    "Links",
    "Steps",
    "links_of",
    "n_flat",
    "occupants",
    "over",
    "plain",
    "sites_of_species",
    "species_of_carriers",
    "steps_of",
]


class Steps(NamedTuple):
    """Where hops lead. Sites of the supercell are numbered ``((i L1 + j) L2 + k) n_sites + site``."""

    size: IntArray
    """(3,) cells along each axis."""
    n_sites: int
    target: IntArray
    """(n_hops,) site of the cell that a directed hop reaches."""
    cell: IntArray
    """(n_hops, 3) offset of its cell."""


class Links(NamedTuple):
    """Sites around each site of a cell; those of site i from ``first[i]`` up to ``first[i + 1]``."""

    first: IntArray
    site: IntArray
    cell: IntArray
    """(K, 3)"""
    window: IntArray


def steps_of(model: Model) -> Steps:
    net = model.network
    return Steps(
        np.array(model.supercell, np.int64),
        model.structure.n_sites,
        np.array(net.target, np.int64),
        np.array(net.cell, np.int64),
    )


def links_of(
    model: Model, a: Sequence[int], b: Sequence[int], windows: Sequence[tuple[float, float]]
) -> SiteShells:
    """Sites of any of the species ``b`` round those of any of ``a``."""
    own, other = (np.any(model.species_sites[list(x)], axis=0) for x in (a, b))
    return surroundings(model.structure, model.supercell, own, other, windows)


def n_flat(model: Model) -> int:
    """Sites of the supercell."""
    return model.n_cells * model.structure.n_sites


def species_of_carriers(model: Model) -> IntArray:
    """(N,) species of each carrier; they are numbered species by species."""
    return np.repeat(np.arange(len(model.carriers)), [c.count for c in model.carriers])


def sites_of_species(model: Model) -> IntArray:
    """Sites of the supercell that each of ``Model.species`` may be on."""
    return np.asarray(model.species_sites.sum(axis=1) * model.n_cells, np.int64)


def occupants(model: Model, sites: IntArray) -> IntArray:
    """(n_flat,) species + 1 of what is on each site of the supercell, immobile or not, 0 for none. sites : (N,) of the
    carriers."""
    found = model.background.copy()
    found[sites] = species_of_carriers(model) + 1
    return found


def over(a: FloatArray, b: npt.NDArray[np.generic]) -> FloatArray:
    """a / b; NaN where b is 0."""
    a, b = np.broadcast_arrays(a, b)
    return np.divide(a, b, out=np.full(a.shape, np.nan), where=b != 0)


def plain(shells: SiteShells) -> Links:
    """For the kernels."""
    return Links(*(np.array(getattr(shells, name), np.int64) for name in Links._fields))
