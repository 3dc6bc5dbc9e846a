"""Hops, sites anywhere and shifts of pairs in plain Python: the judge of `kernels_moves.run_moves`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.rates.configuration import ConfigurationRates
from tests.reference.networks import T0

__all__ = ["attractive_places", "plain_moves"]

Place = tuple[tuple[int, int, int], int, int]
"""Cell offset, site of the cell, species."""


def attractive_places(model: Model, share: float) -> dict[tuple[int, int], list[Place]]:
    """Of each species and site of a cell: where another carrier is at least this share of the strongest attraction.

    Energies of two carriers beyond those of each alone; charges count where they are unlike.
    """
    interactions = model.interactions
    assert interactions is not None
    both = build_catalog(model, temperature=T0)
    short = build_catalog(replace(model, interactions=replace(interactions, coulomb=None)), temperature=T0)
    judges = ConfigurationRates(both).energy, ConfigurationRates(short).energy
    n_sites, species = model.structure.n_sites, range(len(model.carriers))

    @cache
    def energy(judge: Callable[[np.ndarray], float], *carriers: tuple[int, int]) -> float:
        row = np.zeros(model.n_cells * n_sites, np.int64)
        for a, x in carriers:
            row[x] = a + 1
        return judge(row)

    attraction: dict[tuple[int, int], dict[Place, float]] = {}
    for a in species:
        for s in np.flatnonzero(model.allowed_sites[a]).tolist():
            attraction[a, s] = {}
            for *cell, t in np.ndindex(*model.supercell, n_sites):
                u = int(np.ravel_multi_index(cell, model.supercell)) * n_sites + t
                for b in species:
                    if u == s or not model.allowed_sites[b, t]:
                        continue
                    unlike = model.carriers[a].charge * model.carriers[b].charge < 0
                    judge = judges[0] if unlike else judges[1]
                    value = energy(judge, (a, s), (b, u)) - energy(judge, (a, s)) - energy(judge, (b, u))
                    attraction[a, s][tuple(cell), t, b] = value
    found: dict[tuple[int, int], list[Place]] = {}
    for (a, s), of in attraction.items():
        strongest = {
            b: min(v for (c, _), row in attraction.items() if c == a for p, v in row.items() if p[2] == b)
            for b in species
        }
        found[a, s] = sorted(p for p, v in of.items() if v < -1e-12 and v <= share * strongest[p[2]] + 1e-12)
    return found


def plain_moves(
    model: Model,
    energy_of: Callable[[np.ndarray], float],
    occupation: np.ndarray,
    carriers: Sequence[int],
    networks: Sequence[Sequence[Sequence[int]]],
    shares: tuple[float, float],
    partners: dict[tuple[int, int], list[Place]],
    beta: float,
    draws: np.ndarray,
    reverse: bool = True,
) -> tuple[list[np.ndarray], list[float], int, int]:
    """Occupation and energy after each trial, and how many trials were possible and accepted.

    carriers : site of each. networks : of each species the sites of each of its networks. shares : of trials that shift
    a pair, and that hop. reverse : whether the probability of the reverse trial counts, as it must.
    """
    net, size, n_sites = model.network, model.supercell, model.structure.n_sites
    row, sites = occupation.copy(), list(carriers)
    rows, energies, possible, accepted = [], [], 0, 0

    @cache
    def known(key: bytes) -> float:
        return energy_of(np.frombuffer(key, np.int64))

    @cache
    def shifted(x: int, by: tuple[int, ...], site: int | None = None) -> int:
        cell = (np.array(np.unravel_index(x // n_sites, size)) + np.array(by)) % size
        return int(np.ravel_multi_index(cell, size)) * n_sites + (x % n_sites if site is None else site)

    @cache
    def hops(a: int, x: int) -> list[int]:
        mine = np.flatnonzero((net.carrier == a) & (net.origin == x % n_sites))
        return [shifted(x, tuple(net.cell[h].tolist()), int(net.target[h])) for h in mine]

    def bound(of: np.ndarray, x: int) -> list[int]:
        places = partners[int(of[x]) - 1, x % n_sites]
        return [u for cell, t, b in places if of[u := shifted(x, cell, t)] == b + 1]

    @cache
    def network(a: int, x: int) -> int | None:
        return next((k for k, n in enumerate(networks[a]) if x in n), None)

    for which, kind, first, way, far, accept in draws:
        x = sites[int(which * len(sites))]
        a = int(row[x]) - 1
        after, moved, ratio = row.copy(), dict[int, int](), 1.0
        if kind < shares[0]:
            others = bound(row, x)
            if others:
                u = others[int(first * len(others))]
                b = int(row[u]) - 1
                by = [0, 0, 0]
                if int(way * 6) < 3:
                    n = size[int(way * 6)]
                    by[int(way * 6)] = 1 + int(far * (n - 1)) if n > 1 else 0
                elif model.n_cells > 1:
                    by = [int(k) for k in np.unravel_index(1 + int(far * (model.n_cells - 1)), size)]
                y, v = shifted(x, tuple(by)), shifted(u, tuple(by))
                same = network(a, x) == network(a, y) and network(b, u) == network(b, v)
                if same and row[y] == row[v] == 0:
                    after[[x, u]], after[[y, v]] = 0, (a + 1, b + 1)
                    moved = {x: y, u: v}
                    ratio = len(others) / len(bound(after, y))
        else:
            y = x
            if kind < shares[0] + shares[1]:
                if hops(a, x):
                    y = hops(a, x)[int(first * len(hops(a, x)))]
                    ratio = len(hops(a, x)) / len(hops(a, y))
            else:
                own = networks[a][network(a, x)]  # type: ignore[index]
                y = own[int(first * len(own))]
            b = int(row[y]) - 1
            swap = b < 0 or (b != a and network(b, x) is not None and network(b, x) == network(b, y))
            if network(a, x) == network(a, y) and y != x and swap:
                after[[x, y]] = after[[y, x]]
                moved = {x: y, y: x}
        if moved:
            possible += 1
            difference = known(after.tobytes()) - known(row.tobytes())
            if accept < (ratio if reverse else 1.0) * math.exp(-beta * difference):
                accepted += 1
                row, sites = after, [moved.get(s, s) for s in sites]
        rows.append(row)
        energies.append(known(row.tobytes()))
    return rows, energies, possible, accepted
