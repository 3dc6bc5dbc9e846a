"""Energies and rates of whole configurations, from scratch: readable and slow, what kernels are checked against."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..model.interactions import Clusters, LocalClusters
from ..rules import BarrierRule, Fixed, make_rule
from ..units import K_B
from .catalog import RateCatalog

__all__ = ["ConfigurationRates"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


class ConfigurationRates:
    """Energy of a configuration and rate of each hop in it, of a catalog with or without interactions.

    A configuration is an (n_flat,) array: 0 for an empty site, a + 1 for species a; flat sites as in
    `kmc_transport.model.interactions`.
    """

    def __init__(self, catalog: RateCatalog) -> None:
        self.catalog, self.model = catalog, catalog.model
        self.size = np.array(self.model.supercell)
        self.n_sites = self.model.structure.n_sites
        self.charge = np.array([c.charge for c in self.model.carriers])
        self._rules: dict[int, BarrierRule] = {}

    @cached_property
    def cells(self) -> IntArray:
        """(n_cells, 3) every cell of the supercell, in the order of their numbers."""
        return np.indices(self.model.supercell).reshape(3, -1).T

    def cell_of(self, number: npt.ArrayLike) -> IntArray:
        """(..., 3) cells of these numbers."""
        return np.stack(np.unravel_index(np.asarray(number), self.model.supercell), axis=-1)

    def flat(self, site: npt.ArrayLike, cell: npt.ArrayLike) -> IntArray:
        """Flat number of ``site`` in ``cell`` (..., 3), wrapped into the supercell."""
        i, j, k = np.moveaxis(np.asarray(cell) % self.size, -1, 0)
        return np.asarray(((i * self.size[1] + j) * self.size[2] + k) * self.n_sites + site)

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

    # ---- energies

    def energy(self, occupation: IntArray) -> float:
        """Energy without field, eV: site energies, disorder, clusters and Coulomb, each counted anew."""
        model, interactions = self.model, self.model.interactions
        where = np.flatnonzero(occupation)
        species, site = occupation[where] - 1, where % self.n_sites
        total = float(model.site_energy[species, site].sum())
        if model.disorder is not None and model.disorder.site_energy is not None:
            total += float(model.disorder.site_energy[species, where].sum())
        if interactions is None:
            return total
        if interactions.clusters is not None:
            total += self._clusters(occupation, interactions.clusters)
        if interactions.coulomb is not None:
            cell = self.cell_of(where // self.n_sites)
            apart = (cell[None, :] - cell[:, None]) % self.size
            phi = interactions.coulomb.potential[
                site[:, None], site[None, :], apart[..., 0], apart[..., 1], apart[..., 2]
            ]
            q = self.charge[species]
            total += float(0.5 * q @ phi @ q)
        return total

    def _clusters(self, occupation: IntArray, clusters: Clusters) -> float:
        total = 0.0
        for c, energy in enumerate(clusters.energy):
            there = np.ones(len(self.cells), np.bool_)
            for m in range(clusters.start[c], clusters.start[c + 1]):
                flat = self.flat(clusters.site[m], self.cells + clusters.cell[m])
                there &= occupation[flat] == clusters.species[m] + 1
            total += float(energy) * int(there.sum())
        return total

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
        origin, target = self.ends(hop, cell)
        after = occupation.copy()
        after[origin] = 0
        after[target] = occupation[origin]
        return self.energy(after) - self.energy(occupation)

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
