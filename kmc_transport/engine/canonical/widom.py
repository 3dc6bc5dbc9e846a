"""Chemical potentials and thermodynamic factors, from carriers put in and taken out of an equilibrium ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...model.model import Model
from ...ndarrays import FloatArray
from ...records import Estimate
from ...units import K_B
from . import kernels as k
from .anneal import LatticeMonteCarlo
from .equilibration import autocorrelation_time

__all__ = ["ChemicalPotential", "chemical_potential"]

RECOUNT = 100
"""Samples between two counts of energy and potential from scratch."""


@dataclass(frozen=True, eq=False)
class ChemicalPotential:
    """Of one species, all other numbers fixed."""

    insertion: Estimate
    """-kT ln(Z(N+1)/Z(N)), eV: the chemical potential at N + 1/2 carriers."""
    removal: Estimate
    """-kT ln(Z(N)/Z(N-1)), eV: at N - 1/2 carriers."""
    thermodynamic_factor: Estimate
    """d(mu/kT)/d ln c = N [mu(N + 1/2) - mu(N - 1/2)]/kT; 1 where carriers do not see each other."""


def chemical_potential(
    model: Model,
    lattice: LatticeMonteCarlo,
    species: int,
    temperature: float,
    *,
    samples: int = 2000,
    sweeps: int = 1,
    sites: int = 4096,
    blocks: int = 20,
) -> ChemicalPotential:
    """Insert and remove carriers in the equilibrium ensemble of ``lattice``, which must have reached it (`anneal`).

    Parameters
    ----------
    species : index of the carrier, at least two of them. temperature : K.
    samples : configurations, ``sweeps`` trials per carrier apart.
    sites : free sites that insertion tries at most in each, drawn at random.
    blocks : parts of the series behind the standard errors (jackknife); merged until they outlive its memory.

    B. Widom, J. Chem. Phys. 39, 2808 (1963), on a lattice, exact for any size: with y the F free sites,
    Z(N+1)/Z(N) = <sum_y exp(-dE_y/kT)>/(N+1), and with i the carriers Z(N-1)/Z(N) = <sum_i exp(+dE_i/kT)/(F+1)>.
    Both come from the same configurations, so that their errors are correlated, which the jackknife knows. Removal
    fails where carriers repel so strongly that rare close pairs carry the average: ``effective_samples`` is then small,
    and the error bar too small.

    Raises
    ------
    ValueError : no room for one more carrier, or fewer than two of them.
    """
    energies, beta = lattice.energies, 1 / (K_B * temperature)
    n_sites, rng = model.structure.n_sites, lattice.rng
    own = lattice.open_sites[energies.allowed[species][lattice.open_sites % n_sites]]
    mine = lattice.species_of == species
    n = int(mine.sum())
    on_own = int(np.isin(lattice.site_of[~mine], own).sum())
    if n < 2 or len(own) - on_own - n < 1:
        raise ValueError(f"{n} carriers on {len(own)} open sites leave nothing to put in or take out")
    put, taken, room = np.empty(samples), np.empty(samples), np.empty(samples)
    for i in range(samples):
        lattice.run(temperature, sweeps, recount=i % RECOUNT == 0)
        free = own[lattice.occupation[own] == 0]
        tried = free if len(free) <= sites else rng.choice(free, sites, replace=False)
        arguments = energies, lattice.occupation, lattice.potential, species
        put[i] = k.insertion_sum(*arguments, tried, beta) * (len(free) / len(tried) if len(tried) else 0.0)
        taken[i] = k.removal_sum(*arguments, lattice.site_of[mine], beta)
        room[i] = len(free) + 1
    return _estimates(put, taken / room, n, temperature, blocks)


def _estimates(
    put: FloatArray, taken: FloatArray, n: int, temperature: float, blocks: int
) -> ChemicalPotential:
    tau = max(autocorrelation_time(put), autocorrelation_time(taken))
    kt = K_B * temperature
    parts = int(max(4, min(blocks, len(put) // max(1.0, 10 * tau))))

    def numbers(which: Sequence[FloatArray]) -> FloatArray:
        inserted, removed = (float(np.mean(x)) for x in which)
        up, down = -np.log(inserted / (n + 1)), np.log(removed)
        return np.array([kt * up, kt * down, n * (up - down)])

    cut = [np.array_split(x, parts) for x in (put, taken)]
    value = numbers((put, taken))
    left = np.array(
        [numbers([np.concatenate([b for j, b in enumerate(c) if j != i]) for c in cut]) for i in range(parts)]
    )
    stderr = np.sqrt((parts - 1) / parts * ((left - left.mean(axis=0)) ** 2).sum(axis=0))
    # samples that carry the average: few where rare configurations weigh most
    carried = [float(x.sum() ** 2 / (x**2).sum()) / tau for x in (put, taken)]

    def one(i: int, samples: float, unit: str) -> Estimate:
        return Estimate(
            value=value[i],
            stderr=stderr[i],
            effective_samples=samples,
            method=f"Widom, jackknife over {parts} blocks",
            unit=unit,
        )

    return ChemicalPotential(one(0, carried[0], "eV"), one(1, carried[1], "eV"), one(2, min(carried), "1"))
