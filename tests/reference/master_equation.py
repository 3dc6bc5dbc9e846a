"""Plain reference solutions for tests: written for reading, dense, no tricks shared with the package."""

from __future__ import annotations

import itertools

import numpy as np

from kmc_transport.rates import RateCatalog


def group_inverse(n, origin, target, rate, displacement):
    """Law, drift, diffusion tensor by the group inverse (Koza 1999), plain dense linear algebra."""
    generator = np.zeros((n, n))
    moments = np.zeros((displacement.shape[1], n, n))
    for i, j, w, d in zip(origin, target, rate, displacement, strict=True):
        generator[j, i] += w
        generator[i, i] -= w
        moments[:, j, i] += w * d
    full = generator.copy()
    full[0] = 1.0
    law = np.linalg.solve(full, np.eye(n)[0])
    sharp = np.linalg.inv(generator + np.outer(law, np.ones(n))) - np.outer(law, np.ones(n))
    drift = moments.sum(axis=1) @ law
    correlated = np.einsum("ai,ij,bj->ab", moments.sum(axis=1), sharp, moments @ law)
    flux = law[np.asarray(origin)] * rate
    return law, drift, (displacement.T * flux) @ displacement / 2 - (correlated + correlated.T) / 2


def high_precision(n, origin, target, log_rate, displacement, digits=120):
    """The same with mpmath, from the corrector equation; for rates over many decades."""
    import mpmath as mp

    with mp.workdps(digits):
        jumps = [
            (int(i), int(j), mp.e ** mp.mpf(float(w)), [mp.mpf(float(x)) for x in d])
            for i, j, w, d in zip(origin, target, log_rate, displacement, strict=True)
        ]
        k = displacement.shape[1]
        balance = mp.zeros(n)
        for i, j, w, _ in jumps:
            balance[j, i] += w
            balance[i, i] -= w
        out = -balance.T
        for i in range(n):
            balance[0, i], out[0, i] = 1, 0
        out[0, 0] = 1
        law = mp.lu_solve(balance, mp.matrix([1] + [0] * (n - 1)))
        drift = [sum(law[i] * w * d[c] for i, _, w, d in jumps) for c in range(k)]
        correctors = []
        for c in range(k):
            source = mp.matrix([-drift[c]] * n)
            for i, _, w, d in jumps:
                source[i] += w * d[c]
            source[0] = 0
            correctors.append(mp.lu_solve(out, source))
        step = [[d[c] + h[j] - h[i] for c, h in enumerate(correctors)] for i, j, _, d in jumps]
        diffusion = [
            [
                float(sum(law[i] * w * s[a] * s[b] for (i, _, w, _), s in zip(jumps, step, strict=True)) / 2)
                for b in range(k)
            ]
            for a in range(k)
        ]
        return np.array([float(p) for p in law]), np.array([float(v) for v in drift]), np.array(diffusion)


def all_configurations(catalog: RateCatalog, *, tagged: int | None = None):
    """Summed-displacement drift (S, 3) and diffusion (S+1, 3, S+1, 3) of the supercell by brute force.

    Every configuration of the whole supercell that a first one leads to (no translations identified), with
    Cartesian hop vectors; the last block belongs to one tagged carrier of species ``tagged``.
    """
    model = catalog.model
    net, n_sites = model.network, model.structure.n_sites
    cells = list(itertools.product(*map(range, model.supercell)))
    places = [(c, s) for c in cells for s in range(n_sites)]
    kinds = [a for a, c in enumerate(model.carriers) for _ in range(c.count)]
    n_species = len(model.carriers)
    names = [(a, False) for a in kinds]
    if tagged is not None:
        names[kinds.index(tagged)] = (tagged, True)
    start = next(
        chosen
        for chosen in itertools.permutations(range(len(places)), len(names))
        if all(model.allowed_sites[a, places[p][1]] for p, (a, _) in zip(chosen, names, strict=True))
    )
    first = tuple(sorted(zip(start, names, strict=True)))
    states, waiting = {first: 0}, [first]
    origin, target, rate, displacement = [], [], [], []
    while waiting:
        state = waiting.pop()
        filled = {p for p, _ in state}
        for p, (a, mark) in state:
            cell, site = places[p]
            for h in np.flatnonzero((net.carrier == a) & (net.origin == site)):
                there = tuple((np.array(cell) + net.cell[h]) % model.supercell)
                q = places.index((there, int(net.target[h])))
                if q in filled and q != p:
                    continue
                after = tuple(sorted([x for x in state if x[0] != p] + [(q, (a, mark))]))
                if after not in states:
                    states[after] = len(states)
                    waiting.append(after)
                move = np.zeros((n_species + 1, 3))
                move[a] = net.vector[h]
                if mark:
                    move[n_species] = net.vector[h]
                origin.append(states[state])
                target.append(states[after])
                rate.append(catalog.rate[h])
                displacement.append(move.reshape(-1))
    _, drift, diffusion = group_inverse(len(states), origin, target, np.array(rate), np.array(displacement))
    shape = (n_species + 1, 3)
    return drift.reshape(shape)[:n_species], diffusion.reshape(shape + shape)
