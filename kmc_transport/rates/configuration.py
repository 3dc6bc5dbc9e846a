"""Rates of hops in one configuration or many, from scratch."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..energies.configuration import ConfigurationEnergy
from ..energies.supercell import moved
from ..ndarrays import BoolArray, FloatArray, IntArray
from ..rules import BarrierRule, Fixed, make_rule
from ..units import K_B
from .catalog import RateCatalog

__all__ = ["ConfigurationRates"]


class ConfigurationRates(ConfigurationEnergy):
    """Energies of configurations and rates of the hops in them, of a catalog with or without interactions."""

    def __init__(self, catalog: RateCatalog) -> None:
        super().__init__(catalog.model)
        self.catalog = catalog
        self._rules: dict[int, BarrierRule] = {}
        self._steps: dict[int, tuple[int, int, list[int]]] = {}

    def rule_of(self, hop: int) -> BarrierRule:
        """Barrier rule of a directed hop, in its own direction, at the catalog's temperature."""
        if hop not in self._rules:
            net, catalog = self.model.network, self.catalog
            one = self.model.hop_classes[net.hop_class[hop]]
            if one.given_barriers:
                back = float(catalog.barrier[net.reverse[hop]])
                rule: BarrierRule = Fixed(barrier=float(catalog.barrier[hop]), reverse_barrier=back)
            else:
                rule = make_rule(one.rule, dict(one.rule_parameters), one.source)
                rule = rule if net.orientation[hop] > 0 else rule.reversed()
            self._rules[hop] = rule.at_temperature(catalog.temperature)
        return self._rules[hop]

    # ---- hops

    def ends(self, hop: int, cell: npt.ArrayLike) -> tuple[int, int]:
        """Flat origin and target of directed hop ``hop`` that starts in ``cell``."""
        if hop not in self._steps:
            net = self.model.network
            self._steps[hop] = (int(net.origin[hop]), int(net.target[hop]), net.cell[hop].tolist())
        origin, target, (i, j, k) = self._steps[hop]
        x, y, z = np.asarray(cell).tolist()
        return self._number(origin, x, y, z), self._number(target, x + i, y + j, z + k)

    def _number(self, site: int, x: int, y: int, z: int) -> int:
        """`flat` of one site, many times as quick."""
        a, b, c = self.model.supercell
        return ((x % a * b + y % b) * c + z % c) * self.n_sites + site

    def is_open(self, occupation: IntArray, hop: int, cell: npt.ArrayLike) -> bool:
        """Whether a carrier of the hop's species sits at its origin and the target is free (or its own image)."""
        origin, target = self.ends(hop, cell)
        if self._blocked is not None and self._blocked[target]:
            return False
        here = occupation[origin] == self.model.network.carrier[hop] + 1
        return bool(here and (origin == target or occupation[target] == 0))

    def open_hops(self, occupation: IntArray) -> IntArray:
        """(n, 2) directed hop and number of the cell that it starts in of every hop that `is_open`, in this order."""
        origin, target = self._every_end
        there = occupation[origin] == self.model.network.carrier[:, None] + 1
        there &= (origin == target) | (occupation[target] == 0)
        return np.argwhere(there if self._blocked is None else there & ~self._blocked[target])

    @cached_property
    def _blocked(self) -> BoolArray | None:
        return None if self.model.disorder is None else self.model.disorder.blocked

    @cached_property
    def _every_end(self) -> tuple[IntArray, IntArray]:
        """(n_hops, n_cells) flat origin and target of each directed hop from each cell."""
        net = self.model.network
        origin, target, step = (x[:, None] for x in (net.origin, net.target, net.cell))
        return self.flat(origin, self.cells), self.flat(target, self.cells + step)

    def energy_difference(self, occupation: IntArray, hop: int, cell: npt.ArrayLike) -> float:
        """dE of the hop, eV: energy after less energy before, both from scratch."""
        return self.energy(moved(occupation, *self.ends(hop, cell))) - self.energy(occupation)

    def barrier_shifts(self, occupation: npt.NDArray[np.integer], hop: int, cell: int) -> FloatArray:
        """(n,) eV: what surroundings and disorder add to the barrier of ``hop`` from cell number ``cell`` in each
        of the configurations (n, n_flat), without field; the same both ways."""
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
        """(n,) ln of the rate (1/s) of ``hop`` for energy differences and barrier shifts (eV).

        A barrier that rises by some energy is a saddle work that is less by it; only rules with a saddle of their own
        (fixed, kra) take part in it, the model refuses it beside the others.
        """
        catalog, net = self.catalog, self.model.network
        energy = (
            self.rule_of(hop)
            .activation_energy(difference, catalog.work[hop], catalog.saddle_work[hop] - shift)
            .energy
        )
        channels = self.model.hop_classes[net.hop_class[hop]].channels
        prefactor = np.log(catalog.attempt_frequency[hop] * channels)
        return np.asarray(prefactor - energy / (K_B * catalog.temperature))

    def log_rate(self, occupation: IntArray, hop: int, cell: npt.ArrayLike) -> float:
        """ln of the rate (1/s) of a hop that is open in ``occupation``."""
        difference = np.array([self.energy_difference(occupation, hop, cell)])
        shift = self.barrier_shifts(occupation[None], hop, int(self.flat(0, cell)) // self.n_sites)
        return float(self.log_rates(hop, difference, shift)[0])
