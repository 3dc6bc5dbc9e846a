"""Energies, barrier shifts and rates of many configurations at once; `ConfigurationRates` is the readable form."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..model.model import Model
from ..units import K_B
from .catalog import RateCatalog
from .configuration import ConfigurationRates

__all__ = ["ManyConfigurations", "depends_on_configuration"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DENSE_SITES = 3000
"""Up to this many (species, site) pairs the energies of pairs are one matrix."""
_BLOCK = 8_000_000
"""Numbers held at a time."""


def depends_on_configuration(model: Model) -> bool:
    """Whether rates are more than a function of the hop: interactions, surroundings or disorder."""
    d = model.disorder
    quenched = d is not None and any(x is not None for x in (d.site_energy, d.barrier, d.blocked))
    return model.interactions is not None or quenched


class ManyConfigurations:
    """Configurations in rows: (n, n_flat) with 0 for an empty site, a + 1 for species a."""

    def __init__(self, catalog: RateCatalog) -> None:
        self.catalog, self.model = catalog, catalog.model
        self.one = ConfigurationRates(catalog)
        model = self.model
        self.n_species, self.n_flat = len(model.carriers), model.n_cells * model.structure.n_sites
        self._pairs: FloatArray | None = None

    # ---- energies

    @cached_property
    def _own(self) -> FloatArray:
        """(S, n_flat) energy of a carrier alone on a site; what it has with its own images is added later."""
        own = np.tile(np.nan_to_num(self.model.site_energy), (1, self.model.n_cells))
        if self.model.disorder is not None and self.model.disorder.site_energy is not None:
            own += self.model.disorder.site_energy
        return own

    def energies(self, occupation: npt.NDArray[np.integer]) -> FloatArray:
        """(n,) eV without field, those of `ConfigurationRates.energy`."""
        rows = np.asarray(occupation)
        if self.n_species * self.n_flat > DENSE_SITES:
            return np.array([self.one.energy(row.astype(np.int64)) for row in rows])
        if self._pairs is None:
            self._pairs = self._pair_matrix()
        result = np.empty(len(rows))
        step = max(1, _BLOCK // (self.n_species * self.n_flat))
        for start in range(0, len(rows), step):
            block = rows[start : start + step]
            there = np.concatenate([block == a + 1 for a in range(self.n_species)], axis=1).astype(np.float64)
            energy = there @ self._own.reshape(-1)
            energy += 0.5 * np.einsum("ni,ni->n", there @ self._pairs, there)
            result[start : start + step] = energy + self._larger(block)
        return result

    def _pair_matrix(self) -> FloatArray:
        """(S n_flat, S n_flat) symmetric: E = x own + x pairs x / 2; what a carrier has with its images goes to own."""
        model, interactions = self.model, self.model.interactions
        n = self.n_flat
        pairs = np.zeros((self.n_species * n, self.n_species * n))
        if interactions is None:
            return pairs
        clusters = interactions.clusters
        if clusters is not None:
            for c in np.flatnonzero(np.diff(clusters.start) == 2):
                first, second = clusters.start[c], clusters.start[c] + 1
                i, j = (
                    clusters.species[m] * n
                    + self.one.flat(clusters.site[m], self.one.cells + clusters.cell[m])
                    for m in (first, second)
                )
                np.add.at(pairs, (i, j), clusters.energy[c])
                np.add.at(pairs, (j, i), clusters.energy[c])
        if interactions.coulomb is not None:
            sites = np.arange(n) % model.structure.n_sites
            cells = self.one.cell_of(np.arange(n) // model.structure.n_sites)
            apart = (cells[None, :] - cells[:, None]) % self.one.size
            phi = np.nan_to_num(
                interactions.coulomb.potential[
                    sites[:, None], sites[None, :], apart[..., 0], apart[..., 1], apart[..., 2]
                ]
            )
            pairs += np.kron(np.outer(self.one.charge, self.one.charge), phi)
        self._own.reshape(-1)[:] += 0.5 * np.diagonal(pairs)  # a carrier and its own images
        np.fill_diagonal(pairs, 0.0)
        return pairs

    def _larger(self, block: npt.NDArray[np.integer]) -> FloatArray:
        """Energies of clusters of three and more."""
        energy = np.zeros(len(block))
        interactions = self.model.interactions
        if interactions is None or interactions.clusters is None:
            return energy
        clusters = interactions.clusters
        for c in np.flatnonzero(np.diff(clusters.start) > 2):
            there = np.ones((len(block), len(self.one.cells)), np.bool_)
            for m in range(clusters.start[c], clusters.start[c + 1]):
                flat = self.one.flat(clusters.site[m], self.one.cells + clusters.cell[m])
                there &= block[:, flat] == clusters.species[m] + 1
            energy += clusters.energy[c] * there.sum(axis=1)
        return energy

    # ---- hops

    def barrier_shifts(self, occupation: npt.NDArray[np.integer], hop: int, cell: int) -> FloatArray:
        """(n,) eV: what surroundings and disorder add to the barrier of ``hop`` from cell number ``cell``."""
        model, one = self.model, self.one
        rows = np.asarray(occupation)
        shift = np.zeros(len(rows))
        if model.disorder is not None and model.disorder.barrier is not None:
            shift += model.disorder.barrier[cell, hop]
        if model.interactions is None:
            return shift
        home = one.cell_of(cell)
        for table in model.interactions.environments:
            if table.hop_class == model.network.hop_class[hop]:
                members = slice(table.start[hop], table.start[hop + 1])
                flat = one.flat(table.site[members], home + table.cell[members])
                code = (rows[:, flat] == table.species[members] + 1) @ table.stride[members]
                shift += table.barrier[code] - one.rule_of(hop).equal_ends_barrier
        local = model.interactions.local_clusters
        if local is not None:
            for c in np.flatnonzero(local.hop == hop):
                members = slice(local.start[c], local.start[c + 1])
                flat = one.flat(local.site[members], home + local.cell[members])
                shift += local.energy[c] * (rows[:, flat] == local.species[members] + 1).all(axis=1)
        return shift

    def log_rates(self, hop: int, difference: FloatArray, shift: FloatArray) -> FloatArray:
        """(n,) ln of the rate (1/s) of ``hop`` for energy differences and barrier shifts (eV)."""
        catalog, net = self.catalog, self.model.network
        energy = (
            self.one.rule_of(hop)
            .activation_energy(difference, catalog.work[hop], catalog.saddle_work[hop] - shift)
            .energy
        )
        channels = self.model.hop_classes[net.hop_class[hop]].channels
        prefactor = np.log(catalog.attempt_frequency[hop] * channels)
        return np.asarray(prefactor - energy / (K_B * catalog.temperature))
