"""Trials of lattice Monte Carlo for carriers that are bound: hops, sites anywhere, pairs moved as they are.

Arrays as in `kmc_transport.engine.canonical.kernels`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...jit import jit, part
from .kernels import _add_charge, _at, _felt, _phi, _place, _take, _try_swap

__all__ = ["Moves", "run_moves"]


class Moves(NamedTuple):
    """What is tried: shares of the trials, where carriers hop, and where others are bound to them."""

    hop_share: float
    pair_share: float
    """Of the trials; the rest goes to sites anywhere in the carrier's network."""
    hop_first: np.ndarray
    """(S s + 1,) hops of species a from site s: ``hop_first[a s + s]`` up to the next."""
    hop: np.ndarray
    """(n, 4) cell offset (0 to L - 1) of the end, and its site."""
    partner_first: np.ndarray
    """(S s + 1,) places where another carrier is a partner of species a on site s, likewise."""
    partner: np.ndarray
    """(n, 5) cell offset, site and species of the partner."""


@part
def _shifted(e, x, i, j, k):  # type: ignore[no-untyped-def]
    """The site so many cells (0 to L - 1) from site ``x``."""
    n_sites = e.site.shape[1]
    cell = x // n_sites
    i = (cell // (e.size[2] * e.size[1]) + i) % e.size[0]
    j = (cell // e.size[2] % e.size[1] + j) % e.size[1]
    k = (cell % e.size[2] + k) % e.size[2]
    return ((i * e.size[1] + j) * e.size[2] + k) * n_sites + x % n_sites


@part
def _shift(e, way, draw):  # type: ignore[no-untyped-def]
    """A shift by whole cells other than zero, along axis ``way`` or, from 3 on, any; as likely as its reverse."""
    if way < 3:
        cells = 1 + int(draw * (e.size[way] - 1)) if e.size[way] > 1 else 0
        return (cells if way == 0 else 0), (cells if way == 1 else 0), (cells if way == 2 else 0)
    cell = 1 + int(draw * (e.size[0] * e.size[1] * e.size[2] - 1))
    return cell // (e.size[2] * e.size[1]) % e.size[0], cell // e.size[2] % e.size[1], cell % e.size[2]


@part
def _partner(e, occ, carrier_at, moves, x, a, wanted):  # type: ignore[no-untyped-def]
    """Site of partner number ``wanted`` of a carrier of ``a`` on ``x``; with -1 how many there are."""
    n_sites = e.site.shape[1]
    cell, number = x // n_sites, 0
    k = cell % e.size[2]
    j = cell // e.size[2] % e.size[1]
    i = cell // (e.size[2] * e.size[1])
    own = a * n_sites + x % n_sites
    for p in range(moves.partner_first[own], moves.partner_first[own + 1]):
        row = moves.partner[p]
        u = _at(e, i, j, k, row)
        if occ[u] == row[4] + 1 and carrier_at[u] >= 0:
            if number == wanted:
                return u
            number += 1
    return number


@part
def _move_two(e, occ, potential, x, y, u, v):  # type: ignore[no-untyped-def]
    """Move what sits on ``x`` and ``u`` to the empty ``y`` and ``v``; the energy difference. The potential stays."""
    a, b = occ[x] - 1, occ[u] - 1
    difference = -_take(e, occ, x)
    difference -= _take(e, occ, u)
    difference += _place(e, occ, y, a)
    difference += _place(e, occ, v, b)
    if e.phi.shape[2]:
        site = (x, u, y, v)
        change = (-e.charge[a], -e.charge[b], e.charge[a], e.charge[b])
        for m in range(4):
            difference += change[m] * _felt(e, potential, site[m])
            for n in range(4):
                difference += 0.5 * change[m] * change[n] * _phi(e, site[m], site[n])
    return difference


@jit
def run_moves(e, occ, potential, site_of, species_of, networks, moves, beta, draws, energies, energy):  # type: ignore[no-untyped-def]
    """Trials with the random numbers ``draws`` (n, 6); n / len(energies) trials make a sweep.

    A carrier is drawn evenly, and what is tried with it: one of its hops, a site of its network drawn evenly, or a
    shift by whole cells together with one of its partners, drawn evenly too. A carrier on the site where a single one
    is to go takes its place; a pair goes to empty sites. No carrier leaves its network. Where a change is proposed with
    probability q and its reverse with q', it is accepted with min(1, q'/q exp(-dE beta)) (W. K. Hastings, Biometrika
    57, 97 (1970)): q'/q is the number of hops from the old site over that from the new one, or that of partners before
    over after the shift. ``energies`` receives the energy after each sweep. Returns the last energy, and how many
    trials were possible and accepted.
    """
    n, n_sites = len(site_of), e.site.shape[1]
    per_sweep = len(draws) // max(1, len(energies))
    possible = accepted = 0
    carrier_at = np.full(len(occ), -1, np.int64)
    for c in range(n):
        carrier_at[site_of[c]] = c
    for trial in range(len(draws)):
        draw = draws[trial]
        c = int(draw[0] * n)
        a, x = species_of[c], site_of[c]
        home, own = networks.of[a, x], a * n_sites + x % n_sites
        if draw[1] < moves.pair_share:
            partners = _partner(e, occ, carrier_at, moves, x, a, -1)
            if partners:
                u = _partner(e, occ, carrier_at, moves, x, a, int(draw[2] * partners))
                other = carrier_at[u]
                b = species_of[other]
                i, j, k = _shift(e, int(draw[3] * 6), draw[4])
                y, v = _shifted(e, x, i, j, k), _shifted(e, u, i, j, k)
                stay = networks.of[a, y] == home and networks.of[b, v] == networks.of[b, u]
                if stay and occ[y] == 0 and occ[v] == 0:
                    possible += 1
                    difference = _move_two(e, occ, potential, x, y, u, v)
                    carrier_at[x] = carrier_at[u] = -1
                    carrier_at[y], carrier_at[v] = c, other
                    gain = (
                        math.log(partners / _partner(e, occ, carrier_at, moves, y, a, -1)) - beta * difference
                    )
                    if gain >= 0.0 or draw[5] < math.exp(gain):
                        accepted += 1
                        energy += difference
                        site_of[c], site_of[other] = y, v
                        if e.phi.shape[2]:
                            for end, sign in ((0, -1.0), (1, 1.0)):
                                for q, z in ((e.charge[a], (x, y)[end]), (e.charge[b], (u, v)[end])):
                                    if q != 0.0:
                                        _add_charge(e, potential, z, sign * q)
                    else:
                        occ[y] = occ[v] = 0
                        occ[x], occ[u] = a + 1, b + 1
                        carrier_at[y] = carrier_at[v] = -1
                        carrier_at[x], carrier_at[u] = c, other
        else:
            y, gain = x, 0.0
            if draw[1] < moves.pair_share + moves.hop_share:
                hops = moves.hop_first[own + 1] - moves.hop_first[own]
                if hops:
                    hop = moves.hop[moves.hop_first[own] + int(draw[2] * hops)]
                    y = _shifted(e, x - x % n_sites + hop[3], hop[0], hop[1], hop[2])
                    there = a * n_sites + hop[3]
                    gain = math.log(hops / (moves.hop_first[there + 1] - moves.hop_first[there]))
            else:
                first = networks.first[home]
                y = networks.site[first + int(draw[2] * (networks.first[home + 1] - first))]
            other = carrier_at[y]
            b = -1 if other < 0 else species_of[other]
            if networks.of[a, y] == home and b != a and (b < 0 or networks.of[b, x] == networks.of[b, y]):
                possible += 1
                made, difference = _try_swap(e, occ, potential, x, y, gain, beta, draw[5])
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
