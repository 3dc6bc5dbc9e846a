"""How often carriers without interactions hop in equilibrium: mean rates of open hops over all configurations."""

from __future__ import annotations

import numpy as np

from ..energies.supercell import depends_on_configuration
from ..ndarrays import FloatArray, IntArray
from ..units import K_B
from .catalog import RateCatalog

__all__ = ["are_alone", "equilibrium_rates"]

MANY = 3000
"""Carriers from which fixed numbers make no difference (a share of about 1/number)."""


def are_alone(catalog: RateCatalog) -> bool:
    """Whether `equilibrium_rates` applies: rates that depend on the hop alone, no two species on the same sites."""
    model = catalog.model
    return not depends_on_configuration(model) and bool((model.allowed_sites.sum(axis=0) <= 1).all())


def equilibrium_rates(catalog: RateCatalog) -> FloatArray:
    """(n_hops,) mean total rate of the open hops of each kind in the supercell, 1/s.

    Configurations have the weights of their site energies; a field acts on the rates alone. With n sites of each energy
    and their Fermi occupations p, hops from i to j are open with probability p_i (1 - p_j) P'(N - 1)/P(N), P and P' the
    chances of N carriers on all sites and of N - 1 on all but i and j: exact for a fixed number N of carriers.
    """
    model, net = catalog.model, catalog.model.network
    found = np.zeros(net.n_hops)
    for a, carrier in enumerate(model.carriers):
        sites = np.flatnonzero(model.allowed_sites[a])
        energy, kind = np.unique(model.site_energy[a, sites], return_inverse=True)
        size = np.bincount(kind) * model.n_cells
        filling = _filling(energy / (K_B * catalog.temperature), size, carrier.count)
        of_site = np.full(model.structure.n_sites, -1)
        of_site[sites] = kind
        chance: dict[tuple[int, int, bool], float] = {}
        for h in np.flatnonzero(net.carrier == a).tolist():
            i, j = int(of_site[net.origin[h]]), int(of_site[net.target[h]])
            itself = net.origin[h] == net.target[h] and not np.any(net.cell[h] % np.array(model.supercell))
            if (i, j, itself) not in chance:
                chance[i, j, itself] = _open(filling, size, carrier.count, i, None if itself else j)
            found[h] = model.n_cells * chance[i, j, itself] * catalog.rate[h]
    return found


def _filling(energy: FloatArray, size: IntArray, number: int) -> FloatArray:
    """(2, kinds) chances that sites of these energies (kT) are taken, and that they are free, by Fermi's law."""
    if number in (0, int(size.sum())):
        return np.array([[number > 0] * len(size), [number == 0] * len(size)], np.float64)

    def law(level: float) -> FloatArray:
        above = np.clip(energy - level, -700, 700)
        return 1 / (1 + np.exp([above, -above]))

    low, high = float(energy.min()) - 50.0, float(energy.max()) + 50.0
    for _ in range(200):
        level = 0.5 * (low + high)
        low, high = (level, high) if size @ law(level)[0] < number else (low, level)
    return law(0.5 * (low + high))


def _open(filling: FloatArray, size: IntArray, number: int, i: int, j: int | None) -> float:
    """Chance that a site of energy i holds a carrier and one of energy j (another one; None: itself) is free."""
    both = float(filling[0, i]) * (1.0 if j is None else float(filling[1, j]))
    left = size.copy()
    left[i] -= 1
    if j is not None:
        left[j] -= 1
    if not both or left.min() < 0:
        return 0.0
    if number > MANY or number == size.sum():  # of a full lattice there is one configuration
        return both
    return both * _chance(filling, left, number - 1) / _chance(filling, size, number)


def _chance(filling: FloatArray, size: IntArray, number: int) -> float:
    """Of so many carriers on sites that are filled independently."""
    total = np.ones(1)
    for (p, q), n in zip(np.log(filling).T, size, strict=True):
        k = np.arange(min(int(n), number) + 1)
        ways = np.concatenate([[0.0], np.cumsum(np.log((n - k[1:] + 1) / k[1:]))])
        total = np.convolve(total, np.exp(ways + k * p + (n - k) * q))[: number + 1]
    return float(total[number]) if len(total) > number else 0.0
