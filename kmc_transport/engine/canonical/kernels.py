"""Lattice Monte Carlo in the canonical ensemble: energy differences of swaps, Metropolis, insertions and removals.

A configuration is ``occ`` (n_flat,): 0 for an empty site, a + 1 for species a, sites numbered as in
`kmc_transport.model.interactions`. ``potential`` (s, L, L, L) is the electrostatic potential of all charges on site [0]
of cell [1:], eV/e, kept up to date. Every trial move is a swap of what sits on two sites, one of which may be empty.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...jit import inlined, jit, jit_plain

__all__ = [
    "CarrierEnergies",
    "Networks",
    "exchange_trials",
    "fill_potential",
    "insertion_sum",
    "removal_sum",
    "run_trials",
    "run_trials_within",
    "swap_difference",
    "total_energy",
]


class CarrierEnergies(NamedTuple):
    """What a carrier's energy is made of; S species, s sites a cell, L cells along each axis."""

    size: np.ndarray
    """(3,)"""
    site: np.ndarray
    """(S, s) energy of a carrier alone, eV, clusters with its own periodic images included."""
    disorder: np.ndarray
    """(S, n_flat) eV, or (S, 0)."""
    pair_first: np.ndarray
    """(S s + 1,) pairs of species a on site s: ``pair_first[a s + s]`` up to the next."""
    pair: np.ndarray
    """(n, 5) cell offset (0 to L - 1), site and species of the other one."""
    pair_energy: np.ndarray
    term_first: np.ndarray
    """(S s + 1,) clusters of three and more, likewise."""
    term_energy: np.ndarray
    term_start: np.ndarray
    member: np.ndarray
    """(n, 5) as ``pair``: the others of each cluster."""
    phi: np.ndarray
    """(s, s, L, L, 2 L) eV/e², the last axis twice over, so that every row lies in one piece; or (1, 1, 0, 0, 0)."""
    charge: np.ndarray
    """(S,) e"""
    allowed: np.ndarray
    """(S, s)"""


class Networks(NamedTuple):
    """Sites among which the hops of a species lead, each network with a number of its own."""

    of: np.ndarray
    """(S, n_flat) network of each site, -1 where the species never is."""
    first: np.ndarray
    """Its sites are ``site[first[k] : first[k + 1]]``."""
    site: np.ndarray


@inlined
def _at(e, i, j, k, row):  # type: ignore[no-untyped-def]
    """Site that a row of ``pair`` or ``member`` names, seen from cell (i, j, k)."""
    x, y, z = i + row[0], j + row[1], k + row[2]
    if x >= e.size[0]:
        x -= e.size[0]
    if y >= e.size[1]:
        y -= e.size[1]
    if z >= e.size[2]:
        z -= e.size[2]
    return ((x * e.size[1] + y) * e.size[2] + z) * e.site.shape[1] + row[3]


@inlined
def _short(e, occ, x, a):  # type: ignore[no-untyped-def]
    """Energy of species ``a`` on site ``x`` with all others as they are, electrostatics apart."""
    n_sites = e.site.shape[1]
    cell, s = x // n_sites, x % n_sites
    k = cell % e.size[2]
    j = cell // e.size[2] % e.size[1]
    i = cell // (e.size[2] * e.size[1])
    energy = e.site[a, s]
    if e.disorder.shape[1]:
        energy += e.disorder[a, x]
    own = a * n_sites + s
    for p in range(e.pair_first[own], e.pair_first[own + 1]):
        row = e.pair[p]
        if occ[_at(e, i, j, k, row)] == row[4] + 1:
            energy += e.pair_energy[p]
    for t in range(e.term_first[own], e.term_first[own + 1]):
        there = True
        for m in range(e.term_start[t], e.term_start[t + 1]):
            row = e.member[m]
            if occ[_at(e, i, j, k, row)] != row[4] + 1:
                there = False
                break
        if there:
            energy += e.term_energy[t]
    return energy


@inlined
def _phi(e, x, y):  # type: ignore[no-untyped-def]
    """Potential on site ``y`` of a unit charge on site ``x``."""
    n_sites = e.site.shape[1]
    cx, cy = x // n_sites, y // n_sites
    k = cy % e.size[2] - cx % e.size[2]
    j = cy // e.size[2] % e.size[1] - cx // e.size[2] % e.size[1]
    i = cy // (e.size[2] * e.size[1]) - cx // (e.size[2] * e.size[1])
    if i < 0:
        i += e.size[0]
    if j < 0:
        j += e.size[1]
    if k < 0:
        k += e.size[2]
    return e.phi[x % n_sites, y % n_sites, i, j, k]


@inlined
def _add_charge(e, potential, x, q):  # type: ignore[no-untyped-def]
    """Add the potential of a charge ``q`` on site ``x``, along rows of cells that lie in one piece."""
    n_sites, n2 = e.site.shape[1], e.size[2]
    cell, s = x // n_sites, x % n_sites
    k0 = cell % n2
    j0 = cell // n2 % e.size[1]
    i0 = cell // (n2 * e.size[1])
    for t in range(n_sites):
        for i in range(e.size[0]):
            di = i - i0 if i >= i0 else i - i0 + e.size[0]
            for j in range(e.size[1]):
                dj = j - j0 if j >= j0 else j - j0 + e.size[1]
                row, source = potential[t, i, j], e.phi[s, t, di, dj, n2 - k0 :]
                for k in range(n2):
                    row[k] += q * source[k]


@inlined
def _felt(e, potential, x):  # type: ignore[no-untyped-def]
    """Potential on site ``x``."""
    n_sites = e.site.shape[1]
    cell = x // n_sites
    return potential[
        x % n_sites, cell // (e.size[2] * e.size[1]), cell // e.size[2] % e.size[1], cell % e.size[2]
    ]


@inlined
def _place(e, occ, x, a):  # type: ignore[no-untyped-def]
    """Put ``a`` (-1: nothing) on the empty site ``x``; the energy it brings, electrostatics apart."""
    if a < 0:
        return 0.0
    energy = _short(e, occ, x, a)
    occ[x] = a + 1
    return energy


@inlined
def _take(e, occ, x):  # type: ignore[no-untyped-def]
    """Empty the site ``x``; the energy that goes with it."""
    a = occ[x] - 1
    if a < 0:
        return 0.0
    occ[x] = 0
    return _short(e, occ, x, a)


@inlined
def _swap(e, occ, potential, x, y):  # type: ignore[no-untyped-def]
    """Swap what sits on ``x`` and ``y``; the energy difference. The potential stays as it is."""
    a, b = occ[x] - 1, occ[y] - 1
    difference = -_take(e, occ, x)
    difference -= _take(e, occ, y)
    difference += _place(e, occ, y, a)
    difference += _place(e, occ, x, b)
    if e.phi.shape[2]:
        q = (e.charge[a] if a >= 0 else 0.0) - (e.charge[b] if b >= 0 else 0.0)
        n_sites = e.site.shape[1]
        own = e.phi[x % n_sites, x % n_sites, 0, 0, 0] + e.phi[y % n_sites, y % n_sites, 0, 0, 0]
        difference += q * (_felt(e, potential, y) - _felt(e, potential, x)) + q * q * (
            0.5 * own - 0.5 * (_phi(e, x, y) + _phi(e, y, x))
        )
    return difference


@jit_plain
def swap_difference(e, occ, potential, x, y):  # type: ignore[no-untyped-def]
    """Energy difference of a swap, eV, which is not made."""
    difference = _swap(e, occ, potential, x, y)
    a = occ[x]
    occ[x] = occ[y]
    occ[y] = a
    return difference


@jit_plain
def fill_potential(e, occ, potential):  # type: ignore[no-untyped-def]
    """Potential of all charges, from scratch."""
    potential[...] = 0.0
    if e.phi.shape[2]:
        for x in range(len(occ)):
            if occ[x] and e.charge[occ[x] - 1] != 0.0:
                _add_charge(e, potential, x, e.charge[occ[x] - 1])


@jit
def total_energy(e, occ, potential):  # type: ignore[no-untyped-def]
    """Energy of the configuration, eV: carriers put on their sites one after the other."""
    built = np.zeros_like(occ)
    energy = 0.0
    for x in range(len(occ)):
        if occ[x]:
            energy += _place(e, built, x, occ[x] - 1)
            if e.phi.shape[2]:
                energy += 0.5 * e.charge[occ[x] - 1] * _felt(e, potential, x)
    return energy


@inlined
def _try_swap(e, occ, potential, x, y, gain, beta, draw):  # type: ignore[no-untyped-def]
    """Swap the carrier on ``x`` with what sits on ``y`` by Metropolis' rule; whether it was done, the difference.

    gain : logarithm of how much likelier the reverse is proposed.
    """
    a, b = occ[x] - 1, occ[y] - 1
    difference = _swap(e, occ, potential, x, y)
    gain -= beta * difference
    if gain >= 0.0 or draw < math.exp(gain):
        if e.phi.shape[2]:
            q = e.charge[a] - (e.charge[b] if b >= 0 else 0.0)
            if q != 0.0:
                _add_charge(e, potential, x, -q)
                _add_charge(e, potential, y, q)
        return True, difference
    occ[x] = a + 1
    occ[y] = b + 1
    return False, difference


@jit_plain
def run_trials(e, occ, potential, site_of, species_of, free, several, beta, draws, energies, energy):  # type: ignore[no-untyped-def]
    """Trials with the random numbers ``draws`` (n, 4); n / len(energies) trials make a sweep.

    With several species half of the trials swap two carriers of different species, the others move a carrier to a
    free site anywhere. Both are as likely as their reverse, so that Metropolis' rule samples exp(-E beta)
    (N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953)). ``energies`` receives the energy after each sweep. Returns
    the last energy, and how many trials were possible and accepted.
    """
    n, n_sites = len(site_of), e.site.shape[1]
    per_sweep = len(draws) // max(1, len(energies))
    possible = accepted = 0
    for trial in range(len(draws)):
        c = int(draws[trial, 0] * n)
        a, x = species_of[c], site_of[c]
        exchange = several and draws[trial, 1] < 0.5
        y = other = -1
        if exchange:
            other = int(draws[trial, 2] * n)
            b = species_of[other]
            if b != a and e.allowed[a, site_of[other] % n_sites] and e.allowed[b, x % n_sites]:
                y = site_of[other]
        elif len(free):
            other = int(draws[trial, 2] * len(free))
            if e.allowed[a, free[other] % n_sites]:
                y = free[other]
        if y >= 0:
            possible += 1
            made, difference = _try_swap(e, occ, potential, x, y, 0.0, beta, draws[trial, 3])
            if made:
                accepted += 1
                energy += difference
                site_of[c] = y
                if exchange:
                    site_of[other] = x
                else:
                    free[other] = x
        if (trial + 1) % per_sweep == 0:
            energies[trial // per_sweep] = energy
    return energy, possible, accepted


@jit
def run_trials_within(e, occ, potential, site_of, species_of, networks, beta, draws, energies, energy):  # type: ignore[no-untyped-def]
    """As `run_trials`, but no carrier leaves its network. ``draws`` (n, 3).

    A carrier is drawn evenly, then a site of its network. What sits there, if anything, takes its place, where both are
    then in the networks that they were in: drawn by either of two carriers, such a swap is as likely as its reverse.
    """
    n = len(site_of)
    per_sweep = len(draws) // max(1, len(energies))
    possible = accepted = 0
    carrier_at = np.full(len(occ), -1, np.int64)
    for c in range(n):
        carrier_at[site_of[c]] = c
    for trial in range(len(draws)):
        c = int(draws[trial, 0] * n)
        a, x = species_of[c], site_of[c]
        own = networks.of[a, x]
        size = networks.first[own + 1] - networks.first[own]
        y = networks.site[networks.first[own] + int(draws[trial, 1] * size)]
        other = carrier_at[y]
        b = -1 if other < 0 else species_of[other]
        if b != a and (b < 0 or (networks.of[b, x] >= 0 and networks.of[b, x] == networks.of[b, y])):
            possible += 1
            made, difference = _try_swap(e, occ, potential, x, y, 0.0, beta, draws[trial, 2])
            if made:
                accepted += 1
                energy += difference
                site_of[c], carrier_at[y] = y, c
                carrier_at[x] = other
                if other >= 0:
                    site_of[other] = x
        if (trial + 1) % per_sweep == 0:
            energies[trial // per_sweep] = energy
    return energy, possible, accepted


@inlined
def _with_charge(e, potential, x, a, sign):  # type: ignore[no-untyped-def]
    """Electrostatic energy of ``a`` put on site ``x`` (sign +1), or that goes with it (-1, it is in the potential)."""
    if not e.phi.shape[2]:
        return 0.0
    q, s = e.charge[a], x % e.site.shape[1]
    return q * _felt(e, potential, x) + sign * 0.5 * q * q * e.phi[s, s, 0, 0, 0]


@jit_plain
def exchange_trials(  # type: ignore[no-untyped-def]
    e,
    occ,
    potential,
    order,
    own_first,
    own,
    listed,
    number,
    bias,
    bottom,
    top,
    rung,
    beta,
    draws,
    tally,
    energy,
):
    """Put carriers in and take them out with the random numbers ``draws`` (n, 3): grand canonical Monte Carlo.

    Rungs of a ladder: on rung k, the next one up holds one more carrier of species ``order[k % len(order)]``, so that
    whole units are there on every len(order)-th rung. Up and down are as likely; a site, or a carrier, is drawn evenly;
    Metropolis' rule samples exp(bias[k] - E beta) between ``bottom`` and ``top``. ``own[own_first[a] :
    own_first[a + 1]]``
    are the sites of species a, ``listed`` (S, ...) those of its ``number`` (S,) carriers. ``tally`` (rungs, 5) counts
    the trials after which a rung is held, then trials upward, their probabilities to be accepted added up, and the same
    downward. Returns rung and energy.
    """
    units = len(order)
    for trial in range(len(draws)):
        if draws[trial, 0] < 0.5:
            if rung < top:
                a = order[rung % units]
                sites = own_first[a + 1] - own_first[a]
                x = own[own_first[a] + int(draws[trial, 1] * sites)]
                accepted = more = 0.0
                if occ[x] == 0:
                    more = _short(e, occ, x, a) + _with_charge(e, potential, x, a, 1)
                    gain = bias[rung + 1] - bias[rung] - beta * more + math.log(sites / (number[a] + 1))
                    accepted = 1.0 if gain >= 0.0 else math.exp(gain)
                tally[rung, 1] += 1.0
                tally[rung, 2] += accepted
                if draws[trial, 2] < accepted:
                    occ[x] = a + 1
                    listed[a, number[a]] = x
                    number[a] += 1
                    rung += 1
                    energy += more
                    if e.phi.shape[2]:
                        _add_charge(e, potential, x, e.charge[a])
        elif rung > bottom:
            a = order[(rung - 1) % units]
            sites = own_first[a + 1] - own_first[a]
            c = int(draws[trial, 1] * number[a])
            x = listed[a, c]
            occ[x] = 0
            less = _short(e, occ, x, a) + _with_charge(e, potential, x, a, -1)
            gain = bias[rung - 1] - bias[rung] + beta * less + math.log(number[a] / sites)
            accepted = 1.0 if gain >= 0.0 else math.exp(gain)
            tally[rung, 3] += 1.0
            tally[rung, 4] += accepted
            if draws[trial, 2] < accepted:
                number[a] -= 1
                listed[a, c] = listed[a, number[a]]
                rung -= 1
                energy -= less
                if e.phi.shape[2]:
                    _add_charge(e, potential, x, -e.charge[a])
            else:
                occ[x] = a + 1
        tally[rung, 0] += 1.0
    return rung, energy


@jit_plain
def insertion_sum(e, occ, potential, a, sites, beta):  # type: ignore[no-untyped-def]
    """Sum over the free ones of ``sites`` of exp(-dE beta), dE the energy of one more carrier of ``a`` there."""
    total, n_sites, q = 0.0, e.site.shape[1], e.charge[a]
    for x in sites:
        if occ[x] == 0:
            energy = _short(e, occ, x, a)
            if e.phi.shape[2]:
                energy += q * _felt(e, potential, x) + 0.5 * q * q * e.phi[x % n_sites, x % n_sites, 0, 0, 0]
            total += math.exp(-beta * energy)
    return total


@jit_plain
def removal_sum(e, occ, potential, a, site_of, beta):  # type: ignore[no-untyped-def]
    """Sum over carriers on ``site_of`` (all of species ``a``) of exp(+dE beta), dE the energy that goes with each."""
    total, n_sites, q = 0.0, e.site.shape[1], e.charge[a]
    for x in site_of:
        occ[x] = 0
        energy = _short(e, occ, x, a)
        occ[x] = a + 1
        if e.phi.shape[2]:
            energy += q * _felt(e, potential, x) - 0.5 * q * q * e.phi[x % n_sites, x % n_sites, 0, 0, 0]
        total += math.exp(beta * energy)
    return total
