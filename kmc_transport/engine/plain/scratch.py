"""Energy and rates of carriers without interactions, counted anew with numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from ...ndarrays import FloatArray, IntArray

if TYPE_CHECKING:
    from ..backend import Carriers, Counts, HopLog, Start
    from ..tables import Tables

__all__ = ["WithoutInteractions"]


class WithoutInteractions(Protocol):
    """That part of a `Backend` which is the same for all carriers without interactions: rates are the catalog's, so
    that nothing is kept up to date and nothing can drift."""

    start: Start
    tables: Tables

    def carriers(self) -> Carriers: ...

    def energy(self) -> float:
        """Site energies of the carriers, eV."""
        t, types = self.tables, self.carriers().types
        energy = np.asarray(t.model.site_energy)[t.type_species[types], t.basis_site[t.type_basis[types]]]
        return float(energy.sum())

    def open_rates(self) -> FloatArray:
        """(n_hops,) total rate of the open hops of each kind, 1/s."""
        t, (cell, types) = self.tables, self.carriers()
        taken = np.zeros(t.n_sites, np.bool_)
        taken[cell * t.n_basis + t.type_basis[types]] = True
        total = np.zeros(t.model.network.n_hops)
        for a in np.unique(types).tolist():
            index = np.unravel_index(cell[types == a], t.size)
            for row in range(a * t.width, a * t.width + int(t.n_hops[a])):
                target = np.ravel_multi_index(
                    tuple((x + o) % s for x, o, s in zip(index, t.cell[row], t.size, strict=True)), t.size
                )
                free = ~taken[target * t.n_basis + t.type_basis[t.target_type[row]]]
                n = len(free) if t.to_itself[row] else int(free.sum())
                total[t.hop[row]] = n * t.rate[row]
        return total

    def hop_energies(self, hops: HopLog) -> tuple[FloatArray, FloatArray]:
        """See `Backend.hop_energies`."""
        catalog, hop = self.start.catalog, self.tables.hop[hops.row]
        energy, net = catalog.model.site_energy, catalog.model.network
        difference = energy[net.carrier, net.target] - energy[net.carrier, net.origin]
        return difference[hop], catalog.effective_barrier[hop]

    def clamped_events(self) -> IntArray:
        """None: they are the executed hops of the clamped hops of the catalog."""
        return np.zeros(self.tables.model.network.n_hops, np.int64)

    def energy_drift(self) -> float:
        return 0.0

    def check(self) -> float:
        return 0.0

    def successor(self, done: Counts) -> Self:
        """The algorithm was chosen for good."""
        return self
