"""What each hop's rate depends on, in whole numbers: terms of its surroundings, pair energies, disorder.

The terms of the energy are those of `kmc_transport.energies.terms`, in units of `QUANTUM`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...energies.configuration import WholeEnergy
from ...energies.terms import Terms, quantised
from ...model.interactions import EnvironmentTable, Interactions, LocalClusters
from ...ndarrays import BoolArray, IntArray
from ...rates.catalog import RateCatalog
from ...rates.configuration import ConfigurationRates
from ..tables import Types

__all__ = ["HopTerms", "Site", "Surroundings", "build_surroundings"]

Site = tuple[int, tuple[int, int, int]]
"""Basis site and cell relative to the origin of a hop, as near as the periodic supercell allows."""

Condition = frozenset[tuple[Site, int]]
"""(site, species) pairs that must all hold."""


@dataclass(frozen=True, eq=False)
class HopTerms:
    """What one directed hop's numbers are made of: constants, and an increment for each condition that holds.

    Each number triple is (energy difference, barrier shift, code of the environment table), the first two in quanta.
    """

    constant: tuple[int, int, int]
    terms: dict[Condition, tuple[int, int, int]]
    table: tuple[int, ...]
    """Barrier shift by code of the environment table; (0,) without one."""

    @property
    def single(self) -> dict[Site, dict[int, tuple[int, int, int]]]:
        """Increments by site and species, of the conditions on one site."""
        found: dict[Site, dict[int, tuple[int, int, int]]] = {}
        for condition, numbers in self.terms.items():
            if len(condition) == 1:
                ((site, species),) = condition
                found.setdefault(site, {})[species] = numbers
        return found

    @property
    def several(self) -> dict[Condition, tuple[int, int, int]]:
        """Conditions on several sites."""
        return {c: n for c, n in self.terms.items() if len(c) > 1}

    def range(self, column: int) -> tuple[int, int]:
        """Least and largest value of a column, disorder and Coulomb energies apart."""
        low = high = self.constant[column]
        for choices in self.single.values():
            values = [0, *(numbers[column] for numbers in choices.values())]
            low, high = low + min(values), high + max(values)
        for numbers in self.several.values():
            low, high = low + min(0, numbers[column]), high + max(0, numbers[column])
        return low, high


@dataclass(frozen=True, eq=False, kw_only=True)
class Surroundings:
    """All of a model's interactions and disorder as the engine sees them; S species, T types (see `Tables`)."""

    energy: WholeEnergy
    """Of whole configurations."""
    hops: tuple[HopTerms, ...]
    """Of each directed hop of the catalog."""
    pair: IntArray | None
    """(T, T, L1, L2, L3) Coulomb energy of a carrier of type [0] in cell 0 and one of type [1] in cell (i, j, k)."""
    own_images: IntArray
    """(T,) energy of a carrier with its own periodic images."""
    site_disorder: IntArray | None
    """(S, L1, L2, L3, B)"""
    barrier_disorder: IntArray | None
    """(n_hops, L1, L2, L3), by cell of the origin."""
    blocked: BoolArray | None
    """(L1, L2, L3, B)"""
    immobile: npt.NDArray[np.uint8]
    """(L1, L2, L3, B) 0 or the number + 1 of the immobile species that sits there."""

    @property
    def reach(self) -> tuple[int, int, int]:
        """Most cells along each axis between a hop's origin and what it depends on."""
        most = np.zeros(3, np.int64)
        for hop in self.hops:
            for condition in hop.terms:
                for (_, cell), _ in condition:
                    most = np.maximum(most, np.abs(cell))
        return int(most[0]), int(most[1]), int(most[2])


def nearest(cell: Sequence[int], size: tuple[int, int, int]) -> tuple[int, int, int]:
    """The smallest of a cell offset's periodic images."""
    (i, j, k), (a, b, c) = cell, size
    return (i + a // 2) % a - a // 2, (j + b // 2) % b - b // 2, (k + c // 2) % c - c // 2


def build_surroundings(catalog: RateCatalog, types: Types) -> Surroundings:
    """Terms of every hop, and the tables of disorder and Coulomb energies; in the types of ``types``."""
    t, model = types, types.model
    interactions = model.interactions or Interactions()
    rates = ConfigurationRates(catalog)
    basis_of = {int(site): b for b, site in enumerate(t.basis_site)}
    energy = WholeEnergy(model)
    terms, table = energy.terms, energy.pair_table
    # carriers of a pair table are told apart by their types
    pair, own = (None, np.zeros(t.n_types, np.int64)) if table is None else (table.pair, table.images)
    hops = [_hop(interactions, rates, terms, t, basis_of, hop, own) for hop in range(model.network.n_hops)]
    site_disorder = barrier_disorder = blocked = None
    if terms.disorder is not None:
        by_site = terms.disorder.value.reshape(-1, *t.size, model.structure.n_sites)
        site_disorder = by_site[: len(model.carriers), ..., t.basis_site]
    if model.disorder is not None:
        d, shape = model.disorder, (*t.size, model.structure.n_sites)
        if d.barrier is not None:
            by_hop = np.asarray(d.barrier).reshape(*t.size, -1)
            barrier_disorder = np.ascontiguousarray(np.moveaxis(quantised(by_hop), -1, 0))
        if d.blocked is not None and np.any(d.blocked):
            blocked = np.asarray(d.blocked, np.bool_).reshape(shape)[..., t.basis_site]
    return Surroundings(
        energy=energy,
        hops=tuple(hops),
        pair=pair,
        own_images=own,
        site_disorder=site_disorder,
        barrier_disorder=barrier_disorder,
        blocked=blocked,
        immobile=model.background.reshape(*t.size, -1)[..., t.basis_site].astype(np.uint8),
    )


def _hop(
    interactions: Interactions,
    rates: ConfigurationRates,
    whole: Terms,
    t: Types,
    basis_of: dict[int, int],
    hop: int,
    own_images: IntArray,
) -> HopTerms:
    model, net = t.model, t.model.network
    species = int(net.carrier[hop])
    origin: Site = (basis_of[int(net.origin[hop])], (0, 0, 0))
    target: Site = (basis_of[int(net.target[hop])], nearest(net.cell[hop].tolist(), t.size))
    allowed = np.asarray(model.species_sites)

    def condition(
        members: Iterator[tuple[Site | None, int]], carrier_at: Site, empty: Site
    ) -> Condition | None:
        """What else must hold, with the carrier on one end of the hop and the other one empty; None: impossible."""
        needed: dict[Site, int] = {}
        for site, wanted in members:
            if site is None or not allowed[wanted, t.basis_site[site[0]]]:
                return None
            if site == carrier_at:
                if wanted != species:
                    return None
            elif site == empty or needed.setdefault(site, wanted) != wanted:
                return None
        return frozenset(needed.items())

    terms: dict[Condition, list[int]] = {}

    def add(found: Condition | None, *numbers: int) -> None:
        if found is not None:
            old = terms.setdefault(found, [0, 0, 0])
            for i, n in enumerate(numbers):
                old[i] += n

    if origin != target:
        alone = whole.sites.value[species]
        type_of = {
            (int(s), int(b)): k for k, (s, b) in enumerate(zip(t.type_species, t.type_basis, strict=True))
        }
        images = own_images[type_of[species, target[0]]] - own_images[type_of[species, origin[0]]]
        add(frozenset(), int(alone[net.target[hop]] - alone[net.origin[hop]] + images))
        if whole.clusters is not None:
            for here, empty, sign in ((origin, target, -1), (target, origin, 1)):
                near = whole.clusters.near(species, int(t.basis_site[here[0]]))
                for c, others in near.copies():
                    held = condition(_sites(others, t, basis_of, here[1]), here, empty)
                    add(held, sign * int(whole.clusters.value[c]))
    table: tuple[int, ...] = (0,)
    for environment in interactions.environments:
        if environment.hop_class == int(net.hop_class[hop]):
            own_barrier = rates.rule_of(hop).equal_ends_barrier
            table = tuple(int(x) for x in quantised(np.asarray(environment.barrier) - own_barrier))
            for m in range(int(environment.start[hop]), int(environment.start[hop + 1])):
                sites = _sites(_members(environment, slice(m, m + 1)), t, basis_of, (0, 0, 0))
                add(condition(sites, origin, target), 0, 0, int(environment.stride[m]))
    local = interactions.local_clusters
    if local is not None:
        for number in np.flatnonzero(np.asarray(local.hop) == hop).tolist():
            members = _members(local, slice(int(local.start[number]), int(local.start[number + 1])))
            sites = _sites(members, t, basis_of, (0, 0, 0))
            add(condition(sites, origin, target), 0, int(quantised(local.energy[number])))
    constant = terms.pop(frozenset(), [0, 0, 0])
    kept = {c: (n[0], n[1], n[2]) for c, n in terms.items() if any(n)}
    order = sorted(kept, key=lambda c: sorted(c))
    return HopTerms((constant[0], constant[1], constant[2]), {c: kept[c] for c in order}, table)


def _members(of: EnvironmentTable | LocalClusters, which: slice) -> IntArray:
    """Some members in the form of `kmc_transport.energies.terms.Near`."""
    return np.column_stack([of.cell[which], of.site[which], of.species[which]])


def _sites(
    members: IntArray, t: Types, basis_of: dict[int, int], shift: tuple[int, int, int]
) -> Iterator[tuple[Site | None, int]]:
    """(site, species) of (n, 5) members, moved by ``shift`` cells; no site where no carrier may sit."""
    for *cell, site, species in members.tolist():
        basis = basis_of.get(site)
        place = nearest([x + y for x, y in zip(cell, shift, strict=True)], t.size)
        yield (None if basis is None else (basis, place)), species
