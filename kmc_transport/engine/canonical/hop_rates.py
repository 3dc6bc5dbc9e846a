"""How often each species hops in sampled configurations of carriers that feel each other: rates of their open hops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...energies.supercell import charges_interact, depends_on_configuration
from ...ndarrays import FloatArray, IntArray
from ...rates import ConfigurationRates
from ...rates.catalog import RateCatalog
from ..tables import build_tables
from .anneal import LatticeMonteCarlo
from .initial import initial_configuration

__all__ = ["sampled_rates"]

STARTS = 4
LOOKS, MOST_LOOKS, HOPS_OF_LOOKS = 4, 64, 4000
"""Configurations of each start that are looked at: at least, at most, and as many as hold so many hops between."""
TRIALS, SWEEPS = 400_000, 400
"""Monte Carlo trials of all starts together, and of each carrier in each start, at most. A trial among charges counts
as more, by the sites whose potential it changes."""
SITES_OF_A_TRIAL = 500
HOPS = 1500
"""Hops of a species in a configuration whose rates are worked out; more are represented by these, drawn at random."""
DEARER = 8
"""Times that a hop takes longer whose barrier depends on what surrounds it."""


def sampled_rates(catalog: RateCatalog, *, seed: int = 0) -> tuple[FloatArray, FloatArray, int]:
    """Mean total rate of the open hops of each species, 1/s: (S,) value, (S,) standard error, sweeps of each start.

    Starts are those of a run, then trial moves at the temperature of the catalog within the networks that hops join;
    the error is the scatter between independent starts. A short preparation: states that single moves leave rarely
    (bound pairs) may not be at rest. Raises ValueError where the carriers find no room.
    """
    model = catalog.model
    if not model.network.n_hops:
        return np.zeros(len(model.carriers)), np.zeros(len(model.carriers)), 0
    charged = charges_interact(model)
    cost = 1 + (model.n_cells * model.structure.n_sites / SITES_OF_A_TRIAL if charged else 0)
    number = max(1, sum(c.count for c in model.carriers))
    tables, rates = build_tables(catalog), ConfigurationRates(catalog)
    hops = HOPS_OF_LOOKS // (DEARER if _shifts(rates) else 1)
    looks = min(MOST_LOOKS, max(LOOKS, hops * model.structure.n_sites // (number * model.network.n_hops)))
    sweeps = int(min(SWEEPS, max(looks, TRIALS / (STARTS * cost * number))))
    initial = replace(model.initial, sweeps=max(1, sweeps // 4))
    found = np.zeros((STARTS, len(model.carriers)))
    for k in range(STARTS):
        rng = np.random.default_rng([seed, k])
        cell, types, _ = initial_configuration(tables, catalog.temperature, rng, initial)
        site = cell * model.structure.n_sites + tables.basis_site[tables.type_basis[types]]
        species = tables.type_species[types]
        sites = [site[species == a] for a in range(len(model.carriers))]
        lattice = LatticeMonteCarlo(model, sites, rng, within_networks=True)
        for look in range(looks):  # the first one comes after half of the sweeps
            lattice.run(catalog.temperature, max(1, sweeps // 2 if not look else sweeps // (2 * looks - 2)))
            found[k] += _open_rates(rates, lattice, rng) / looks
    return found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(STARTS), sweeps


def _open_rates(
    rates: ConfigurationRates, lattice: LatticeMonteCarlo, rng: np.random.Generator
) -> FloatArray:
    """(S,) of one configuration."""
    model, net, n_sites = rates.model, rates.model.network, rates.n_sites
    total = np.zeros(len(model.carriers))
    for a, own in enumerate(lattice.sites):
        hops = np.flatnonzero(net.carrier == a)
        if not len(own) or not len(hops):
            continue
        most = max(1, HOPS // (DEARER if _shifts(rates) else 1) * n_sites // len(hops))
        chosen = own if len(own) <= most else rng.choice(own, most, replace=False)
        for hop in hops.tolist():
            origin = chosen[chosen % n_sites == net.origin[hop]]
            target = rates.flat(net.target[hop], rates.cell_of(origin // n_sites) + net.cell[hop])
            free = (lattice.occupation[target] == 0) | (target == origin)
            if model.closed is not None:
                free &= ~model.closed[target]
            total[a] += _sum(rates, lattice, hop, origin[free], target[free]) * len(own) / len(chosen)
    return total


def _sum(
    rates: ConfigurationRates, lattice: LatticeMonteCarlo, hop: int, origin: IntArray, target: IntArray
) -> float:
    """Of the rates of open hops of one kind."""
    if not depends_on_configuration(rates.model):
        return len(origin) * float(rates.catalog.rate[hop])
    difference = [
        0.0 if x == y else lattice.difference(x, y)
        for x, y in zip(origin.tolist(), target.tolist(), strict=True)
    ]
    shift = np.zeros(len(origin))
    if _shifts(rates):
        row = lattice.occupation[None]
        shift = np.array(
            [rates.barrier_shifts(row, hop, cell)[0] for cell in (origin // rates.n_sites).tolist()]
        )
    return float(np.exp(rates.log_rates(hop, np.array(difference), shift)).sum())


def _shifts(rates: ConfigurationRates) -> bool:
    """Whether anything but energies tells hops of one kind apart."""
    i, d = rates.model.interactions, rates.model.disorder
    of_surroundings = i is not None and (i.environments or i.local_clusters is not None)
    return bool(of_surroundings) or (d is not None and d.barrier is not None)
