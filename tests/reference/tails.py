"""Systems whose D(t) falls for long, small enough to be solved exactly, and some without memory beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kmc_transport.model.model import Model, Sampling
from tests.reference.interacting_models import clusters, nearest_pairs, with_interactions, with_rule
from tests.reference.networks import BARRIER, KT0, chain, lattice_gas, make_model

__all__ = ["FLAT", "QUICK", "SLOW", "SMALL", "Case"]


@dataclass(frozen=True)
class Case:
    """A model at `T0` without field; ``target`` with the error asked for."""

    name: str
    build: Callable[[], Model]
    target: str
    relative_error: float
    exact: float | None = None
    """SI, where there are too many states for the exact solver."""

    def model(self, seed: int = 1) -> Model:
        sampling = Sampling(target=self.target, relative_error=self.relative_error, seed=seed)
        return replace(self.build(), sampling=sampling)


def random_barriers(n: int, width: float, seed: int = 1) -> Model:
    """Chain with barriers uniform over ``width`` kT; all sites alike."""
    rng = np.random.default_rng(seed)
    return chain(np.exp(-width * rng.random(n)).tolist())


def random_sites(n: int, width: float, seed: int = 2) -> Model:
    """Chain with site energies uniform over ``width`` kT; the rate up is smaller, that down is one."""
    energy = width * np.random.default_rng(seed).random(n)
    up = np.roll(energy, -1) - energy
    return chain(np.exp(-np.maximum(up, 0)).tolist(), site_energy=energy * KT0)


def traps(n: int, depth: float) -> Model:
    """Chain of equal barriers with one site in ten deeper by ``depth`` kT, in random places."""
    rng = np.random.default_rng(3)
    energy = np.where(rng.permutation(n) < n // 10, -depth, 0.0)
    energy[0] = 0.0
    rates = np.where(np.roll(energy, -1) < energy, 1.0, np.exp(np.minimum(energy - np.roll(energy, -1), 0.0)))
    return chain(rates.tolist(), site_energy=energy * KT0)


def percolation(size: int, share: float, seed: int) -> Model:
    """Square lattice of ``size`` x ``size`` sites of which a share of the bonds is open; the largest cluster alone."""
    rng = np.random.default_rng(seed)
    n = size * size
    bonds = []
    for i in range(size):
        for j in range(size):
            for di, dj in ((1, 0), (0, 1)):
                if rng.random() < share:
                    a, b = (i + di) % size, (j + dj) % size
                    bonds.append((i * size + j, a * size + b, ((i + di) // size, (j + dj) // size, 0)))
    label = np.arange(n)
    for _ in range(n):
        before = label.copy()
        for a, b, _cell in bonds:
            label[a] = label[b] = min(label[a], label[b])
        if (before == label).all():
            break
    largest = np.bincount(label).argmax()
    keep = np.flatnonzero(label == largest)
    number = {int(s): k for k, s in enumerate(keep)}
    frac = [[(s // size) / size, (s % size) / size, 0] for s in keep]
    edges = [(number[a], number[b], c, 1.0) for a, b, c in bonds if a in number and b in number]
    return make_model(np.diag([size, size, 10.0]), frac, edges, periodic=(True, True, False))


def bound_pair(cells: int, attraction: float, slow: float) -> Model:
    """Two ions on a ring that attract each other by ``attraction`` kT, and a fast polaron on a chain beside it."""
    model = make_model(
        np.diag([3.0, 10, 10]),
        [[0, 0, 0], [0, 0.3, 0]],
        [[(0, 0, (1, 0, 0), slow)], [(1, 1, (1, 0, 0), 1.0)]],
        counts=(2, 1),
        charges=(1.0, -1.0),
        supercell=(cells, 1, 1),
        periodic=(True, False, False),
        allowed=[[True, False], [False, True]],
    )
    ions = [(-attraction * KT0, [(0, 0, (0, 0, 0)), (0, 0, (1, 0, 0))])]
    mixed = [(-2.0 * KT0, [(0, 0, (0, 0, 0)), (1, 1, (0, 0, 0))])]
    return with_interactions(kra(model), clusters=clusters(ions + mixed))


def kra(model: Model) -> Model:
    return with_rule(model, E_kra=BARRIER)


def rearrangement(cells: int, slow: float, energy: float) -> Model:
    """A carrier on a chain beside a slow one that hops between two places and pins it there by ``energy`` kT."""
    model = make_model(
        np.diag([1.0, 10, 10]),
        [[0, 0, 0], [0, 0.2, 0], [0, 0.4, 0]],
        [[(0, 0, (1, 0, 0), 1.0)], [(1, 2, (0, 0, 0), slow), (1, 1, (1, 0, 0), slow)]],
        counts=(1, 1),
        charges=(1.0, 1.0),
        supercell=(cells, 1, 1),
        periodic=(True, False, False),
        allowed=[[True, False, False], [False, True, True]],
    )
    pairs = [(-energy * KT0, [(0, 0, (0, 0, 0)), (1, 1, (0, 0, 0))])]
    return with_interactions(kra(model), clusters=clusters(pairs))


def attracting_gas(size: int, n: int, energy: float) -> Model:
    return with_interactions(kra(lattice_gas("square", size, n)), clusters=nearest_pairs(-energy * KT0, 2))


SLOW = (
    Case("random barriers, 200 sites", lambda: random_barriers(200, 5.8), "mobility", 0.03),
    Case("random barriers, 60 sites", lambda: random_barriers(60, 5.8, 5), "mobility", 0.05),
    Case("random barriers, 40 sites, 10 %", lambda: random_barriers(40, 5.8, 7), "mobility", 0.1),
    Case("random site energies, 100 sites", lambda: random_sites(100, 4.0), "mobility", 0.04),
    Case("traps, 100 sites", lambda: traps(100, 3.0), "mobility", 0.04),
    Case(
        "single file, 4 on 40",
        lambda: chain([1.0], counts=(4,), supercell=(40, 1, 1)),
        "tracer_diffusivity",
        0.05,
    ),
    Case("percolation, 14 x 14", lambda: percolation(14, 0.55, 6), "charge_diffusivity", 0.08),
    Case("bound ions, 12 cells", lambda: bound_pair(12, 5.8, 0.1), "mobility", 0.1),
    Case("bound ions, tracer", lambda: bound_pair(12, 5.8, 0.1), "tracer_diffusivity", 0.1),
    Case("slow rearrangement, 6 cells", lambda: rearrangement(6, 0.05, 3.0), "mobility", 0.05),
    Case("attracting gas, 4 x 4", lambda: attracting_gas(4, 4, 2.0), "tracer_diffusivity", 0.03),
)

SMALL = tuple(
    Case(
        f"random barriers, {n} sites, seed {seed}",
        lambda n=n, seed=seed: random_barriers(n, 5.8, seed),
        "mobility",
        0.1,
    )
    for n, seed in ((20, 5), (20, 1), (12, 1))
)
"""Small rings, where the rule still leaves a bias (docs/theory/observables.md)."""

FLAT = (
    Case("free chain", lambda: chain([1.0]), "mobility", 0.03),
    Case("two barriers", lambda: chain([1.0, 3.0]), "mobility", 0.03),
    Case("gas, 3 x 3", lambda: lattice_gas("square", 3, 4), "tracer_diffusivity", 0.015),
    Case("gas, 3 x 3, charge", lambda: lattice_gas("square", 3, 4), "charge_diffusivity", 0.03),
    Case("vacancy, fcc 4", lambda: lattice_gas("fcc", 4, 63), "tracer_diffusivity", 0.02),
    Case(
        "gas, 20 x 20 x 20",
        lambda: lattice_gas("sc", 20, 2000),
        "charge_diffusivity",
        0.03,
        6000 / 7999 * 1e-20,
    ),
)

QUICK = (
    Case("random barriers, 40 sites", lambda: random_barriers(40, 5.8, 5), "mobility", 0.1),
    Case("random site energies, 40 sites", lambda: random_sites(40, 4.0), "mobility", 0.1),
    Case("traps, 40 sites", lambda: traps(40, 3.0), "mobility", 0.1),
    Case(
        "single file, 4 on 40",
        lambda: chain([1.0], counts=(4,), supercell=(40, 1, 1)),
        "tracer_diffusivity",
        0.08,
    ),
    Case("percolation, 8 x 8", lambda: percolation(8, 0.55, 4), "charge_diffusivity", 0.12),
    Case("bound ions, 8 cells", lambda: bound_pair(8, 4.0, 0.2), "tracer_diffusivity", 0.08),
    Case("slow rearrangement", lambda: rearrangement(6, 0.05, 3.0), "charge_diffusivity", 0.1),
)
"""Coarser and smaller, for tests."""
