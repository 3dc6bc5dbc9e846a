"""Rates of hops in a whole configuration, from scratch: readable and slow, what kernels are checked against."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..energies.configuration import ConfigurationEnergy
from ..energies.supercell import moved
from ..model.interactions import LocalClusters
from ..rules import BarrierRule, Fixed, make_rule
from ..units import K_B
from .catalog import RateCatalog

__all__ = ["ConfigurationRates"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


class ConfigurationRates(ConfigurationEnergy):
    """Energy of a configuration and rate of each hop in it, of a catalog with or without interactions."""

    def __init__(self, catalog: RateCatalog) -> None:
        super().__init__(catalog.model)
        self.catalog = catalog
        self._rules: dict[int, BarrierRule] = {}

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
        net = self.model.network
        cell = np.asarray(cell)
        return int(self.flat(net.origin[hop], cell)), int(self.flat(net.target[hop], cell + net.cell[hop]))

    def is_open(self, occupation: IntArray, hop: int, cell: npt.ArrayLike) -> bool:
        """Whether a carrier of the hop's species sits at its origin and the target is free (or its own image)."""
        origin, target = self.ends(hop, cell)
        blocked = self.model.disorder is not None and self.model.disorder.blocked is not None
        if blocked and self.model.disorder.blocked[target]:  # type: ignore[union-attr, index]
            return False
        here = occupation[origin] == self.model.network.carrier[hop] + 1
        return bool(here and (origin == target or occupation[target] == 0))

    def energy_difference(self, occupation: IntArray, hop: int, cell: npt.ArrayLike) -> float:
        """dE of the hop, eV: energy after less energy before, both from scratch."""
        return self.energy(moved(occupation, *self.ends(hop, cell))) - self.energy(occupation)

    def barrier_shift(self, occupation: IntArray, hop: int, cell: npt.ArrayLike) -> float:
        """What surroundings and disorder add to the hop's barrier without field, eV; the same both ways."""
        model, shift = self.model, 0.0
        cell = np.asarray(cell)
        if model.disorder is not None and model.disorder.barrier is not None:
            number = int(self.flat(0, cell)) // self.n_sites
            shift += float(model.disorder.barrier[number, hop])
        if model.interactions is None:
            return shift
        hop_class = int(model.network.hop_class[hop])
        for table in model.interactions.environments:
            if table.hop_class == hop_class:
                members = slice(table.start[hop], table.start[hop + 1])
                flat = self.flat(table.site[members], cell + table.cell[members])
                there = occupation[flat] == table.species[members] + 1
                code = int(table.stride[members][there].sum())
                shift += float(table.barrier[code]) - self.rule_of(hop).equal_ends_barrier
        local = model.interactions.local_clusters
        if local is not None:
            shift += self._local(occupation, local, hop, cell)
        return shift

    def _local(self, occupation: IntArray, local: LocalClusters, hop: int, cell: IntArray) -> float:
        total = 0.0
        for c in np.flatnonzero(local.hop == hop):
            members = slice(local.start[c], local.start[c + 1])
            flat = self.flat(local.site[members], cell + local.cell[members])
            if (occupation[flat] == local.species[members] + 1).all():
                total += float(local.energy[c])
        return total

    def log_rate(self, occupation: IntArray, hop: int, cell: npt.ArrayLike) -> float:
        """ln of the rate (1/s) of a hop that is open in ``occupation``.

        A barrier that rises by some energy is a saddle work that is less by it; only rules with a saddle of their own
        (fixed, kra) take part in it, the model refuses it beside the others.
        """
        catalog, net = self.catalog, self.model.network
        shift = self.barrier_shift(occupation, hop, cell)
        energy = (
            self.rule_of(hop)
            .activation_energy(
                self.energy_difference(occupation, hop, cell),
                catalog.work[hop],
                catalog.saddle_work[hop] - shift,
            )
            .energy
        )
        channels = self.model.hop_classes[net.hop_class[hop]].channels
        log_prefactor = np.log(catalog.attempt_frequency[hop] * channels)
        return float(log_prefactor - energy / (K_B * catalog.temperature))
