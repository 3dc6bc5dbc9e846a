"""Energy kept up to date hop by hop, beside the same counted anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from ...ndarrays import FloatArray, IntArray
from .scratch import Scratch

if TYPE_CHECKING:
    from ..backend import Carriers, HopLog
    from ..tables import Tables
    from .coupling import Coupling

__all__ = ["KeepsEnergy"]


class KeepsEnergy(Protocol):
    """That part of a `Backend` which counts anew, for carriers that interact."""

    tables: Tables
    coupling: Coupling
    energy_base: tuple[int, int] | None = None
    """Energy counted anew and `energy_change` at the same moment, quanta. None: not counted yet."""

    def carriers(self) -> Carriers: ...

    def energy_change(self) -> int:
        """Quanta by which the energy has changed since the start, as kept up to date hop by hop."""

    def logged_energies(self, hops: HopLog) -> tuple[IntArray, IntArray]:
        """(n,) energy difference and barrier shift of the hops of a log, quanta."""

    def hop_energies(self, hops: HopLog) -> tuple[FloatArray, FloatArray]:
        """See `Backend.hop_energies`."""
        difference, shift = self.logged_energies(hops)
        height = self.coupling.barriers.heights_of(self.tables.hop[hops.row], difference, shift)
        return np.asarray(difference * self.coupling.quantum, np.float64), height

    def energy(self) -> float:
        """Total energy without field, eV."""
        return self._scratch().in_ev()

    def open_rates(self) -> FloatArray:
        """(n_hops,) total rate of the open hops of each kind, 1/s."""
        return self._scratch().open_rates()

    def energy_drift(self) -> float:
        """Energy counted anew less that kept up to date, eV; 0 when it is asked for the first time."""
        now, change = self._scratch().energy(), self.energy_change()
        if self.energy_base is None:
            self.energy_base = (now, change)
        then, before = self.energy_base
        return (now - then - change + before) * self.coupling.quantum

    def _scratch(self) -> Scratch:
        return Scratch(self.coupling, *self.carriers())
