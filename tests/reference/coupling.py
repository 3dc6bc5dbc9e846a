"""How species move together: from the master equation, and counted from a list of hops without any trick."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm

from kmc_transport.model.model import Model
from kmc_transport.rates import RateCatalog
from kmc_transport.rates.configuration import ConfigurationRates

from .configurations import configurations, jumps

__all__ = ["Enumerated", "distances", "enumerated", "flip_pair_rates", "listed_pairs"]


def distances(model: Model) -> np.ndarray:
    """(n_flat, n_flat) between sites of the supercell, nearest images, Å."""
    cells = np.indices(model.supercell).reshape(3, -1).T
    frac = (cells[:, None] + model.structure.frac).reshape(-1, 3)
    step = frac[None] - frac[:, None]
    found = np.full(step.shape[:2], np.inf)
    for image in np.ndindex(5, 5, 5):
        shift = (np.array(image) - 2) * model.supercell * model.structure.periodic
        found = np.minimum(found, np.linalg.norm((step + shift) @ model.structure.lattice, axis=2))
    return found


@dataclass
class Enumerated:
    """All configurations of a small supercell. rows : (n, n_flat). Jumps: origin, target (states), rate, species,
    left, reached (sites of the supercell)."""

    model: Model
    rows: np.ndarray
    law: np.ndarray
    generator: np.ndarray
    origin: np.ndarray
    target: np.ndarray
    rate: np.ndarray
    species: np.ndarray
    left: np.ndarray
    reached: np.ndarray


def enumerated(catalog: RateCatalog) -> Enumerated:
    rows = configurations(catalog.model)
    found = list(jumps(ConfigurationRates(catalog), rows))
    origin, target = (np.array([f[k] for f in found]) for k in (0, 1))
    rate = np.array([f[3] for f in found])
    changed = [np.flatnonzero(rows[o] != rows[t]) for o, t in zip(origin, target, strict=True)]
    left = np.array([c[rows[o][c] > 0][0] for o, c in zip(origin, changed, strict=True)])
    reached = np.array([c[rows[o][c] == 0][0] for o, c in zip(origin, changed, strict=True)])
    generator = np.zeros((len(rows), len(rows)))
    np.add.at(generator, (target, origin), rate)
    generator -= np.diag(generator.sum(axis=0))
    full = generator.copy()
    full[0] = 1.0
    law = np.linalg.solve(full, np.eye(len(rows))[0])
    species = rows[origin, left] - 1
    return Enumerated(catalog.model, rows, law, generator, origin, target, rate, species, left, reached)


def flip_pair_rates(
    chain: Enumerated,
    edges: list[float],
    windows: list[tuple[float, float]],
    *,
    same_site: bool = False,
    lag_zero: int = 1,
) -> np.ndarray:
    """(S, S, 2, W + 1, D) pairs per second of the whole cell: earlier and later species; same, opposite; lag, distance.

    edges : (W + 1,) s, the first 0. same_site, lag_zero : wrong definitions, to be told from the right one: pairs of a
    site with itself, and how often the pair of one hop counts.
    """
    n_species, n = len(chain.model.carriers), len(chain.law)
    apart = distances(chain.model)
    window = np.full(apart.shape, -1)
    for k, (low, high) in enumerate(windows):
        window[(apart >= low) & (apart < high)] = k
    if same_site:
        np.fill_diagonal(window, 0)
    out = np.zeros((n_species, n_species, 2, len(edges), len(windows)))
    flux = chain.law[chain.origin] * chain.rate
    for a, o, t, f in zip(chain.species, chain.left, chain.reached, flux, strict=True):
        if window[o, t] >= 0:
            out[a, a, 1, 0, window[o, t]] += lag_zero * f
    # flips as sources and sinks: for each (species, site, sign) the flux into states, and the rate out of states
    n_flat = chain.rows.shape[1]
    into = np.zeros((n_species, n_flat, 2, n))
    out_of = np.zeros((n_species, n_flat, 2, n))
    for sign, site in ((0, chain.left), (1, chain.reached)):
        np.add.at(into, (chain.species, site, sign, chain.target), flux)
        np.add.at(out_of, (chain.species, site, sign, chain.origin), chain.rate)
    for w, (begin, end) in enumerate(itertools.pairwise(edges)):
        # integral of exp(L t) from begin to end: a block of the exponential of [[L, 1], [0, 0]]
        big = np.zeros((2 * n, 2 * n))
        big[:n, :n], big[:n, n:] = chain.generator, np.eye(n)
        integral = expm(chain.generator * begin) @ expm(big * (end - begin))[:n, n:]
        joint = np.einsum("bjtm,mn,aisn->aisbjt", out_of, integral, into, optimize=True)
        for i, j in np.argwhere(window >= 0):
            for s, t in np.ndindex(2, 2):
                out[:, :, int(s != t), w + 1, window[i, j]] += joint[:, i, s, :, j, t]
    return out


def listed_pairs(
    model: Model,
    species: np.ndarray,
    left: np.ndarray,
    reached: np.ndarray,
    tick: np.ndarray,
    edges: list[int],
    windows: list[tuple[float, float]],
    since: int,
) -> np.ndarray:
    """(S, S, 2, W + 1, D) numbers of pairs, from all pairs of a list of hops."""
    out = np.zeros((len(model.carriers),) * 2 + (2, len(edges), len(windows)), np.int64)
    apart = distances(model)

    def of(i: int, j: int) -> list[int]:
        return [k for k, (low, high) in enumerate(windows) if i != j and low <= apart[i, j] < high]

    for h in range(len(tick)):
        for k in of(left[h], reached[h]):
            out[species[h], species[h], 1, 0, k] += 1
        for g in range(h):
            lag = tick[h] - tick[g]
            for w in range(len(edges) - 1):
                first = w == 0 and lag == 0
                if not (edges[w] < lag <= edges[w + 1] or first) or tick[h] - since < edges[w + 1]:
                    continue
                for s, i in ((0, left[g]), (1, reached[g])):
                    for t, j in ((0, left[h]), (1, reached[h])):
                        for k in of(i, j):
                            out[species[g], species[h], int(s != t), w + 1, k] += 1
    return out


def together(chain: Enumerated, a: int, b: int, contact: float) -> dict[str, np.ndarray]:
    """What binding is, from all configurations: pairs at each distance over those at random, and so on.

    Distances ascend. Entries of two numbers are those of a carrier of a, and of one of b.
    """
    apart = np.round(distances(chain.model), 4)
    others = ~np.eye(len(apart), dtype=bool)
    sites = [np.tile(np.asarray(own), chain.model.n_cells) for own in chain.model.allowed_sites]
    shells = np.unique(apart[np.outer(sites[a], sites[b]) & others])
    there = chain.rows[:, None, :] == np.array([[a + 1], [b + 1]])  # (n, 2, n_flat)
    pairs = [
        np.einsum("ni,ij,nj->n", there[:, 0].astype(float), (apart == d) & others, there[:, 1].astype(float))
        for d in shells
    ]
    touching = (apart < contact) & others
    partners = [there[:, 1 - k].astype(int) @ touching for k in (0, 1)]  # on each site
    bound = [((partners[k] > 0) & there[:, k]).sum(axis=1) for k in (0, 1)]
    flux = chain.law[chain.origin] * chain.rate
    broken, freed = 0.0, np.zeros(2)
    for o, t, left, reached, s, f in zip(
        *(chain.origin, chain.target, chain.left, chain.reached, chain.species, flux), strict=True
    ):
        follow = {i: reached if i == left else i for i in np.flatnonzero(chain.rows[o])}
        for k, x in enumerate((a, b)):
            for i, j in follow.items():
                if chain.rows[o, i] == x + 1 and partners[k][o, i] > 0 and partners[k][t, j] == 0:
                    freed[k] += f
        for i in follow:
            for j in follow:
                if (chain.rows[o, i], chain.rows[o, j]) == (a + 1, b + 1) and touching[i, j]:
                    broken += f * (not touching[follow[i], follow[j]]) / (2 if a == b else 1)
        assert s + 1 == chain.rows[o, left]
    contact_pairs = sum(p for p, d in zip(pairs, shells, strict=True) if d < contact) / (2 if a == b else 1)
    uniform = np.full(len(chain.law), 1 / len(chain.law))
    number = np.array([chain.model.carriers[x].count for x in (a, b)])
    fraction, at_random = (np.array([law @ x for x in bound]) / number for law in (chain.law, uniform))
    return {
        "distances": shells,
        "g": np.array([chain.law @ p / (uniform @ p) for p in pairs]),
        "bound": fraction,
        "odds": fraction * (1 - at_random) / ((1 - fraction) * at_random),
        "lifetime": np.array(chain.law @ contact_pairs / broken),
        "stay": fraction * number / freed,
    }


def by_environment(
    chain: Enumerated, a: int, b: int, shells: list[tuple[float, float]]
) -> dict[tuple[int, ...], tuple[float, float]]:
    """Numbers of b in each shell round a site of a -> (mean number of such sites, flips per second there)."""
    apart = distances(chain.model)
    own = np.flatnonzero(np.tile(np.asarray(chain.model.allowed_sites[a]), chain.model.n_cells))
    masks = [(apart >= low) & (apart < high) & ~np.eye(len(apart), dtype=bool) for low, high in shells]
    numbers = np.stack([(chain.rows == b + 1).astype(int) @ m for m in masks], axis=-1)  # (n, n_flat, shells)
    found: dict[tuple[int, ...], list[float]] = {}
    for state, p in enumerate(chain.law):
        for i in own:
            found.setdefault(tuple(numbers[state, i].tolist()), [0.0, 0.0])[0] += p
    flux = chain.law[chain.origin] * chain.rate
    for o, left, reached, s, f in zip(
        chain.origin, chain.left, chain.reached, chain.species, flux, strict=True
    ):
        if s == a:
            for i in (left, reached):
                found[tuple(numbers[o, i].tolist())][1] += f
    return {k: (n, f) for k, (n, f) in found.items()}


def listed_binding(
    model: Model,
    start: np.ndarray,
    hops: list[tuple[int, int, int]],
    length: int,
    a: int,
    b: int,
    contact: float,
) -> dict[str, np.ndarray]:
    """Sums of a chunk that begins with ``start`` (n_flat,), species + 1 on each site. hops : (left, reached, tick)."""
    apart = np.round(distances(model), 4)
    others = ~np.eye(len(apart), dtype=bool)
    touching = (apart < contact) & others
    shells = np.unique(apart[others])
    row, last = start.copy(), 0
    pairs, bound = np.zeros(len(shells), np.int64), np.zeros(2, np.int64)
    freed, broken = np.zeros(2, np.int64), 0

    def partners(row: np.ndarray, k: int) -> np.ndarray:
        other = (b, a)[k]
        return np.asarray(touching @ (row == other + 1))

    def count(row: np.ndarray, ticks: int) -> None:
        for k, x in enumerate((a, b)):
            bound[k] += ticks * int(((partners(row, k) > 0) & (row == x + 1)).sum())
        for i in np.flatnonzero(row == a + 1):
            for j in np.flatnonzero(row == b + 1):
                if i != j:
                    pairs[np.searchsorted(shells, apart[i, j])] += ticks

    for left, reached, tick in hops:
        count(row, tick - last)
        after = row.copy()
        after[reached], after[left] = row[left], 0
        for i in np.flatnonzero(row):
            to = reached if i == left else i
            for k, x in enumerate((a, b)):
                freed[k] += row[i] == x + 1 and partners(row, k)[i] > 0 and partners(after, k)[to] == 0
            for j in np.flatnonzero(row == b + 1):
                end = reached if j == left else j
                broken += int(row[i] == a + 1 and touching[i, j] and not touching[to, end])
        row, last = after, tick
    count(row, length - last)
    twice = 2 if a == b else 1
    return {
        "shells": shells,
        "pairs": pairs // twice,
        "bound": bound,
        "freed": freed,
        "broken": np.array(broken // twice),
    }
