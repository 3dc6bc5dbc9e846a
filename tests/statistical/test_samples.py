"""Samples of quenched dopants: their mean is the exact mean over all arrangements."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from kmc_transport.exact import solve_exact
from kmc_transport.input import load_model_text
from kmc_transport.model import Model
from kmc_transport.rates import build_catalog

INPUT = """
structure:
  lattice: {a: 3, b: 10, c: 10}
  periodic: [true, false, false]
  cross_section: 100
  sites: {A: [[0, 0, 0]], B: [[0.5, 0, 0]]}
supercell: [6, 1, 1]
carriers:
  ion: {charge: 1, sites: [A], count: 1}
  dopant: {charge: -1, sites: [B], fraction: x, immobile: true}
interactions:
  pairs: [{between: [ion, dopant], shell: 1, energy: -80 meV}]
hops:
  - {carrier: ion, between: [A, A], distance: 3, barrier: {rule: kra, E_kra: 0.3 eV}, attempt_frequency: 1 THz}
conditions:
  temperature: 500
  samples: 240
  composition: {x: [0.35]}
"""
N = 240


def mobility(model: Model) -> float:
    """Exact, of one arrangement, Å²/(V s)."""
    return float(
        solve_exact(build_catalog(model, temperature=500.0), dilute=False).mobility_einstein[0, 0, 0]
    )


def test_the_mean_over_samples_is_the_mean_over_all_arrangements() -> None:
    places = ", ".join
    text = (
        INPUT.replace("  samples: 240\n", "")
        .replace("  composition: {x: [0.35]}\n", "")
        .replace("fraction: x", "count: 2")
    )
    every = [
        mobility(
            load_model_text(
                text.replace(
                    "immobile: true",
                    "immobile: true, arrangement: {given: ["
                    + places(f"{{site: B, index: 0, cell: [{k}, 0, 0]}}" for k in pair)
                    + "]}",
                )
            )
        )
        for pair in combinations(range(6), 2)
    ]
    exact, spread = np.mean(every), np.std(every)
    assert spread > 0.03 * exact  # the arrangements differ
    systems = load_model_text(INPUT).systems
    assert len(systems) == N
    where = [tuple(s.arrangement[0].sites.tolist()) for s in systems]  # type: ignore[union-attr]
    assert len(set(where)) == 15
    counts = np.unique(where, axis=0, return_counts=True)[1]
    chi2 = float(((counts - N / 15) ** 2 / (N / 15)).sum())
    assert chi2 < 36  # 14 degrees of freedom, 0.1 %
    known = {at: mobility(systems[where.index(at)]) for at in set(where)}
    values = [known[at] for at in where]
    error = np.std(values, ddof=1) / np.sqrt(N)
    assert abs(np.mean(values) - exact) < 4 * error
    assert abs(np.mean(values[:1]) - exact) > 0  # one sample is not the mean
