"""Samples of what is quenched: their mean and error against exact means over all arrangements, or all barriers."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kmc_transport.exact import solve_exact
from kmc_transport.input import load_model_text
from kmc_transport.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.runs.pipeline import run
from kmc_transport.store import average_samples

if TYPE_CHECKING:
    import xarray

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


RING = """
structure:
  lattice: {a: 3, b: 10, c: 10}
  periodic: [true, false, false]
  cross_section: 100
  sites: {A: [[0, 0, 0]]}
supercell: [4, 1, 1]
carriers: {ion: {charge: 1, sites: [A], count: 1}}
hops:
  - {carrier: ion, between: [A, A], distance: 3, barrier: 0.3 eV, attempt_frequency: 1 THz}
disorder: {barriers: [{distribution: uniform, width: 150 meV, salt: 3}]}
conditions:
  temperature: 500
  samples: SAMPLES
sampling: {events: 3000, seed: 1, replicas: 1}
"""
KT, WIDTH = 8.617333262145179e-05 * 500, 0.15  # eV
TOP = 9 * 1e12 * np.exp(-0.3 / KT)  # a² k without disorder, Å²/s


def ring_diffusivity(shifts: np.ndarray) -> np.ndarray:
    """Å²/s: bonds in a row on a ring are resistors in a row. shifts : (..., 4) of the barriers, eV."""
    return TOP / np.mean(np.exp(shifts / KT), axis=-1)


@pytest.fixture(scope="module")
def moments() -> list[float]:
    """Mean of D, and its second and fourth central moment, over all barriers of the ring: Gauss-Legendre quadrature."""
    node, weight = np.polynomial.legendre.leggauss(16)
    grid = np.stack(np.meshgrid(*4 * [WIDTH / 2 * node], indexing="ij"), axis=-1)
    weights = np.prod(np.meshgrid(*4 * [weight / 2], indexing="ij"), axis=0)
    value = ring_diffusivity(grid)
    mean = float((weights * value).sum())
    return [mean, *(float((weights * (value - mean) ** k).sum()) for k in (2, 4))]


def test_random_barriers_average_to_the_mean_over_their_distribution(moments: list[float]) -> None:
    systems = load_model_text(RING.replace("SAMPLES", "1000")).systems
    bonds = systems[0].network.orientation > 0
    shifts = np.array([s.disorder.barrier[:, bonds].ravel() for s in systems])  # type: ignore[union-attr]
    # the formula is what the master equation gives
    for system, shift in zip(systems[:5], shifts, strict=False):
        assert mobility(system) * KT == pytest.approx(ring_diffusivity(shift), rel=1e-9)
    values, n = ring_diffusivity(shifts), len(systems)
    mean, second, fourth = moments
    assert abs(values.mean() - mean) < 4 * np.sqrt(second / n)
    assert abs(values.var(ddof=1) - second) < 4 * np.sqrt((fourth - second**2) / n)
    # the shifts average to zero: D of the mean barrier is another number, and so is that of the mean rate
    mean_rate = np.mean(TOP * np.exp(-shifts / KT))
    assert min(abs(mean - TOP), abs(mean - mean_rate)) > 8 * np.sqrt(second / n)
    means = values.reshape(-1, 8).mean(axis=1)
    errors = values.reshape(-1, 8).std(axis=1, ddof=1) / np.sqrt(8)
    inside = np.mean(np.abs(means - mean) < 2.365 * errors)  # 95 % of Student's t with 7 degrees of freedom
    assert 0.87 < inside < 0.99


def test_errors_of_simulated_samples_cover_the_exact_mean(moments: list[float]) -> None:
    table = run(load_model_text(RING.replace("SAMPLES", "60")))
    mean, second, _ = (m * 1e-20**k for m, k in zip(moments, (1, 2, 4), strict=True))

    def averaged(data: xarray.Dataset) -> list[float]:
        found = average_samples(data).isel(temperature=0, field=0, direction=0, carrier=0, axis=0, axis_2=0)
        name = "tracer_diffusivity"
        return [float(found[name + end]) for end in ("", "_stderr", "_from_sampling", "_from_samples")]

    value, error, sampling, spread = averaged(table)
    assert abs(value - mean) < 4 * error
    assert error**2 == pytest.approx(sampling**2 + spread**2)
    assert spread**2 * 60 == pytest.approx(second, rel=0.5)
    parts = np.array([averaged(table.isel(sample=slice(k, k + 5))) for k in range(0, 60, 5)])
    off = np.abs(parts[:, 0] - mean)
    # Student's t with 4 degrees of freedom: 0.6 of 12 are expected outside
    assert np.sum(off > 2.776 * parts[:, 1]) <= 3
    # the simulations' own errors alone miss what the samples differ in
    assert np.sum(off > 2.776 * parts[:, 2]) > 3
