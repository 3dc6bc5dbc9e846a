"""The energy of a configuration: from scratch, of many at once, of one carrier in it; in eV and in whole numbers."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..model.model import Model
from ..ndarrays import FloatArray, IntArray
from .supercell import Supercell, moved
from .terms import Charges, PairTable, Terms, terms_of

__all__ = ["ConfigurationEnergy", "WholeEnergy"]

Occupation = npt.NDArray[np.integer]

DENSE_SITES = 3000
"""Up to this many (species, site) pairs the energies of pairs are one matrix."""
_BLOCK = 8_000_000
"""Numbers held at a time."""


class ConfigurationEnergy(Supercell):
    """Energies of the configurations of a model's supercell, without field, eV.

    A configuration is an (n_flat,) array: 0 for an empty site, a + 1 for species a, immobile ones too; flat sites as in
    `kmc_transport.model.interactions`.
    """

    @cached_property
    def terms(self) -> Terms:
        return terms_of(self)

    def energy(self, occupation: Occupation) -> float:
        """From scratch, readable and slow: what everything faster is checked against."""
        return sum(term.energy(occupation) for term in self.terms.present())

    def energies(self, rows: Occupation) -> FloatArray:
        """(n,) those of many configurations (n, n_flat)."""
        n_species = len(self.model.species)
        width = n_species * rows.shape[1]
        if width > DENSE_SITES:
            return np.array([self.energy(row) for row in rows])
        own, pairs = self._quadratic
        result = np.empty(len(rows))
        step = max(1, _BLOCK // width)
        for start in range(0, len(rows), step):
            block = rows[start : start + step]
            there = np.concatenate([block == a + 1 for a in range(n_species)], axis=1).astype(np.float64)
            energy = there @ own
            energy += 0.5 * np.einsum("ni,ni->n", there @ pairs, there)
            result[start : start + step] = energy + sum(term.rest(block) for term in self.terms.present())
        return result

    @cached_property
    def _quadratic(self) -> tuple[FloatArray, FloatArray]:
        """With x = whether species a sits on site i, (S n_flat,): E = x own + x pairs x / 2, and the rest."""
        own = np.zeros((len(self.model.species), self.model.n_cells * self.n_sites))
        pairs = np.zeros((own.size, own.size))
        for term in self.terms.present():
            term.add_to(own, pairs)
        own.reshape(-1)[:] += 0.5 * np.diagonal(pairs)  # a carrier and its own images
        np.fill_diagonal(pairs, 0.0)
        return own.reshape(-1), pairs

    def change(self, occupation: IntArray, origin: int, target: int) -> float:
        """Energy after a carrier has gone from one flat site to another less that before, from what it has to do with
        alone: for large supercells."""
        if origin == target:
            return 0.0
        return self.of_carrier(moved(occupation, origin, target), target) - self.of_carrier(
            occupation, origin
        )

    def of_carrier(self, occupation: IntArray, flat: int) -> float:
        """The part of the energy that the carrier on ``flat`` has in it."""
        return sum(term.of_carrier(occupation, flat) for term in self.terms.present())


class WholeEnergy(Supercell):
    """The same in whole numbers of `kmc_transport.energies.terms.QUANTUM`."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.terms = terms_of(self).whole()

    @property
    def pair_table(self) -> PairTable | None:
        """Of charges."""
        charges = self.terms.charges
        assert not isinstance(charges, Charges)
        return charges

    def energy(self, occupation: Occupation) -> int:
        """From scratch."""
        return sum(term.energy(occupation) for term in self.terms.present())
