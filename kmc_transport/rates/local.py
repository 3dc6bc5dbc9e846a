"""Energy differences of hops from what is in reach of the carrier, where an energy from scratch would take long."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..model.interactions import Clusters
from .configuration import ConfigurationRates

__all__ = ["LocalEnergies"]

IntArray = npt.NDArray[np.int64]


class LocalEnergies:
    """The part of a configuration's energy that depends on where one carrier is."""

    def __init__(self, rates: ConfigurationRates) -> None:
        self.rates, self.model = rates, rates.model
        interactions = self.model.interactions
        self.coulomb = None if interactions is None else interactions.coulomb
        self.clusters = None if interactions is None else interactions.clusters
        if self.clusters is not None:
            size = np.diff(self.clusters.start)
            self._owner = np.repeat(np.arange(len(size)), size)
            self._pair = size[self._owner] == 2

    def of_carrier(self, occupation: IntArray, flat: int) -> float:
        """Energy (eV) of all terms that the carrier on ``flat`` is part of."""
        model, rates = self.model, self.rates
        species, site = int(occupation[flat]) - 1, flat % rates.n_sites
        energy = float(model.site_energy[species, site])
        if model.disorder is not None and model.disorder.site_energy is not None:
            energy += float(model.disorder.site_energy[species, flat])
        if self.clusters is not None:
            energy += self._clusters(self.clusters, occupation, flat, species)
        if self.coulomb is not None:
            where = np.flatnonzero(occupation)
            where = where[where != flat]
            apart = (
                rates.cell_of(flat // rates.n_sites) - rates.cell_of(where // rates.n_sites)
            ) % rates.size
            i, j, k = apart.T
            phi = self.coulomb.potential[where % rates.n_sites, site, i, j, k]
            charge = float(rates.charge[species])
            energy += charge * float(phi @ rates.charge[occupation[where] - 1])
            energy += 0.5 * charge**2 * float(self.coulomb.potential[site, site, 0, 0, 0])
        return energy

    def _clusters(self, clusters: Clusters, occupation: IntArray, flat: int, species: int) -> float:
        """Clusters with a member on ``flat``; a translation with several of its members there counts once."""
        rates = self.rates
        site, home = flat % rates.n_sites, rates.cell_of(flat // rates.n_sites)
        mine = np.flatnonzero((clusters.species == species) & (clusters.site == site))
        shift = (home - clusters.cell[mine]) % rates.size
        pair = self._pair[mine]
        total = 0.0
        if pair.any():
            first, move = mine[pair], shift[pair]
            start = clusters.start[self._owner[first]]
            other = 2 * start + 1 - first  # the second member for the first, and the other way round
            place = rates.flat(clusters.site[other], move + clusters.cell[other])
            there = occupation[place] == clusters.species[other] + 1
            energy = clusters.energy[self._owner[first]]
            # a carrier and its own image: both members are found, the cluster is one
            weight = np.where(place == flat, 0.5, 1.0)
            total += float((energy * weight)[there].sum())
        done: set[tuple[int, ...]] = set()
        for m, move in zip(mine[~pair].tolist(), shift[~pair], strict=True):
            c = int(self._owner[m])
            key = (c, *move.tolist())
            if key in done:
                continue
            done.add(key)
            members = slice(clusters.start[c], clusters.start[c + 1])
            place = rates.flat(clusters.site[members], move + clusters.cell[members])
            if (occupation[place] == clusters.species[members] + 1).all():
                total += float(clusters.energy[c])
        return total

    def difference(self, occupation: IntArray, hop: int, cell: npt.ArrayLike) -> float:
        """dE (eV) of an open hop, that of `ConfigurationRates.energy_difference`."""
        origin, target = self.rates.ends(hop, cell)
        if origin == target:
            return 0.0
        after = occupation.copy()
        after[target], after[origin] = occupation[origin], 0
        return self.of_carrier(after, target) - self.of_carrier(occupation, origin)
