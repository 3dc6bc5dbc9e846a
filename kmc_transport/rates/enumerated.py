"""Barrier shifts and rates of many configurations at once; `ConfigurationRates` is the readable form."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..units import K_B
from .configuration import ConfigurationRates

__all__ = ["ManyConfigurations"]

FloatArray = npt.NDArray[np.float64]


class ManyConfigurations(ConfigurationRates):
    """Configurations in rows: (n, n_flat) with 0 for an empty site, a + 1 for species a."""

    def barrier_shifts(self, occupation: npt.NDArray[np.integer], hop: int, cell: int) -> FloatArray:
        """(n,) eV: what surroundings and disorder add to the barrier of ``hop`` from cell number ``cell``."""
        model = self.model
        rows = np.asarray(occupation)
        shift = np.zeros(len(rows))
        if model.disorder is not None and model.disorder.barrier is not None:
            shift += model.disorder.barrier[cell, hop]
        if model.interactions is None:
            return shift
        home = self.cell_of(cell)
        for table in model.interactions.environments:
            if table.hop_class == model.network.hop_class[hop]:
                members = slice(table.start[hop], table.start[hop + 1])
                flat = self.flat(table.site[members], home + table.cell[members])
                code = (rows[:, flat] == table.species[members] + 1) @ table.stride[members]
                shift += table.barrier[code] - self.rule_of(hop).equal_ends_barrier
        local = model.interactions.local_clusters
        if local is not None:
            for c in np.flatnonzero(local.hop == hop):
                members = slice(local.start[c], local.start[c + 1])
                flat = self.flat(local.site[members], home + local.cell[members])
                shift += local.energy[c] * (rows[:, flat] == local.species[members] + 1).all(axis=1)
        return shift

    def log_rates(self, hop: int, difference: FloatArray, shift: FloatArray) -> FloatArray:
        """(n,) ln of the rate (1/s) of ``hop`` for energy differences and barrier shifts (eV)."""
        catalog, net = self.catalog, self.model.network
        energy = (
            self.rule_of(hop)
            .activation_energy(difference, catalog.work[hop], catalog.saddle_work[hop] - shift)
            .energy
        )
        channels = self.model.hop_classes[net.hop_class[hop]].channels
        prefactor = np.log(catalog.attempt_frequency[hop] * channels)
        return np.asarray(prefactor - energy / (K_B * catalog.temperature))
