"""Do pairs of runs at +E and -E with common random numbers give a better mobility at a weak field?

    python benchmarks/antithetic.py

Variance of (X+ - X-)/2 over that of independent runs of the same length (below 1 is a gain; 0.1 is ten times less
work), and the relative error of the mobility times the root of all executed hops: of independent runs, of pairs, and of
the zero-field run (Einstein relation) that every input can ask for. u = q E a/(2 kT), a the hop length.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kmc_transport.engine import Replica
from kmc_transport.model import Model
from kmc_transport.rates import build_catalog
from tests.reference.networks import KT0, T0, chain, lattice_gas

PAIRS, SAMPLES = 60, 128


def displacements(
    model: Model, field: float, seed: int, algorithm: str, hops: float
) -> tuple[np.ndarray, int]:
    """(samples' summed displacement along x, executed hops) of one run."""
    catalog = build_catalog(model, temperature=T0, field=[field, 0, 0])
    interval = hops / float(build_catalog(model, temperature=T0).rate.sum())
    replica = Replica(
        catalog,
        seed=np.random.SeedSequence(seed),
        sample_interval=interval,
        levels=0,
        windows_per_row=1,
        algorithm=algorithm,
    )
    replica.advance(SAMPLES)
    return replica.tallies.displacement[:, 0, 0], replica.executed


def study(name: str, model: Model, hops: float) -> None:
    for algorithm in ("null_event", "rejection_free"):
        runs = [displacements(model, 0.0, k, algorithm, hops) for k in range(PAIRS)]
        squares = np.concatenate([x**2 for x, _ in runs])
        executed = sum(n for _, n in runs)
        einstein = squares.std() / squares.mean() / np.sqrt(len(squares)) * np.sqrt(executed)
        for u in (0.02, 0.1):
            field = u * 2 * KT0
            pairs = [
                [displacements(model, sign * field, k, algorithm, hops) for sign in (1, -1)]
                for k in range(PAIRS)
            ]
            x = np.array([[run[0].sum() for run in pair] for pair in pairs])
            executed = sum(run[1] for pair in pairs for run in pair)
            ratio = np.var(x[:, 0] - x[:, 1]) / (np.var(x[:, 0]) + np.var(x[:, 1]))
            alone = np.sqrt((np.var(x[:, 0]) + np.var(x[:, 1])) / 4 / PAIRS)
            mean = abs(np.mean(x[:, 0] - x[:, 1]) / 2)
            plain = alone / mean * np.sqrt(executed)
            print(
                f"{name:24} {algorithm:15} {u:5.2f} {ratio:9.3f} {plain:12.1f} {plain * np.sqrt(ratio):8.1f} "
                f"{einstein:10.1f}"
            )


if __name__ == "__main__":
    print(f"{'':24} {'':15} {'u':>5} {'variance':>9} {'independent':>12} {'pairs':>8} {'Einstein':>10}")
    study("lone carrier", chain([1.0]), 32)
    study("lone, two kinds of sites", chain([1.0, 0.3], site_energy=[0, 0.05]), 64)
    study("4 carriers on 8 x 8", lattice_gas("square", 8, 4), 32)
    study("32 carriers on 8 x 8", lattice_gas("square", 8, 32), 32)
