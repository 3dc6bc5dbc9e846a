"""The sites of a supercell by number, and the configurations that carriers on them can have."""

from __future__ import annotations

from functools import cached_property
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ..model.model import Model
from ..ndarrays import BoolArray, IntArray

__all__ = [
    "Supercell",
    "charges_interact",
    "depends_on_configuration",
    "list_configurations",
    "moved",
    "open_sites",
    "translational",
]


class Supercell:
    """Numbers of sites ("flat"), see `kmc_transport.model.interactions`."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.size = np.array(model.supercell)
        self.n_sites = model.structure.n_sites
        self._apart = np.array([self.size[1] * self.size[2], self.size[2], 1])  # numbers of next cells
        self._strides = self.n_sites * self._apart

    @cached_property
    def cells(self) -> IntArray:
        """(n_cells, 3) every cell of the supercell, in the order of their numbers."""
        return np.indices(self.model.supercell).reshape(3, -1).T

    def cell_of(self, number: npt.ArrayLike) -> IntArray:
        """(..., 3) cells of these numbers."""
        return np.asarray(np.asarray(number)[..., None] // self._apart % self.size)

    def flat(self, site: npt.ArrayLike, cell: npt.ArrayLike) -> IntArray:
        """Flat number of ``site`` in ``cell`` (..., 3), wrapped into the supercell."""
        return np.asarray((np.asarray(cell) % self.size) @ self._strides + site)


def moved(occupation: IntArray, origin: int, target: int) -> IntArray:
    """The configuration after a carrier has gone from one flat site to another."""
    after = occupation.copy()
    after[origin] = 0
    after[target] = occupation[origin]
    return after


def translational(model: Model) -> bool:
    """Whether all cells of the supercell are alike: no quenched disorder, no immobile species."""
    d = model.disorder
    if model.immobile:
        return False
    return d is None or all(x is None for x in (d.site_energy, d.barrier, d.blocked))


def depends_on_configuration(model: Model) -> bool:
    """Whether rates are more than a function of the hop: interactions, surroundings or disorder."""
    return model.interactions is not None or not translational(model)


def charges_interact(model: Model) -> bool:
    """Whether carriers feel each other's charges, however far apart."""
    return model.interactions is not None and model.interactions.coulomb is not None


def open_sites(model: Model, n_cells: int) -> BoolArray:
    """(S, n_flat) whether a carrier may sit on a site of so many cells."""
    allowed = np.tile(model.allowed_sites, (1, n_cells))
    return allowed if model.closed is None else allowed & ~model.closed


def list_configurations(
    model: Model, numbers: tuple[int, ...], anchor: int | None = None, n_cells: int | None = None
) -> npt.NDArray[np.int16]:
    """(n, n_flat) all configurations of ``numbers`` carriers: 0 for an empty site, a + 1 for species a.

    Immobile species are in all of them. One of the carriers of species ``anchor`` is tagged: S + 1 (S species in all),
    in cell 0 where all cells are alike.
    n_cells : cells of the lattice; those of the model's supercell by default.
    """
    n_sites = model.structure.n_sites
    allowed = open_sites(model, model.n_cells if n_cells is None else n_cells)
    empty = np.zeros(allowed.shape[1], np.int16)
    if model.immobile:
        empty += model.background.astype(np.int16)
    rows = [empty]
    left = list(numbers)
    if anchor is not None:
        left[anchor] -= 1
        rows = []
        places = allowed[anchor, :n_sites] if translational(model) else allowed[anchor]
        for site in np.flatnonzero(places):
            row = empty.copy()
            row[site] = len(model.species) + 1
            rows.append(row)
    for a, number in enumerate(left):
        if number == 0:
            continue
        grown = []
        for row in rows:
            for chosen in combinations(np.flatnonzero(allowed[a] & (row == 0)).tolist(), number):
                new = row.copy()
                new[list(chosen)] = a + 1
                grown.append(new)
        rows = grown
    return np.array(rows).reshape(len(rows), len(empty))
