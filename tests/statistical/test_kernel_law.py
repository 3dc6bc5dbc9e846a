"""The law of the trajectories: waiting times, choice of events, total rates, agreement of the algorithms.

Fixed seeds; deviations in standard errors below 4, p-values above 1e-4. Wrong rates and signs must be caught.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from kmc_transport.engine import Replica
from kmc_transport.model.model import Model
from kmc_transport.rates import RateCatalog, build_catalog
from tests.reference.networks import T0, chain, lattice_gas, make_model

pytestmark = pytest.mark.statistical
ALGORITHMS = ("null_event", "rejection_free")


def catalog_of(model: Model, field=(0.0, 0.0, 0.0), factor: float = 1.0) -> RateCatalog:
    catalog = build_catalog(model, temperature=T0, field=field)
    return replace(catalog, rate=catalog.rate * factor)


def run(catalog: RateCatalog, algorithm: str, *, seed: int, **kw) -> Replica:
    return Replica(catalog, seed=np.random.SeedSequence(seed), algorithm=algorithm, **kw)


def z_of(values: np.ndarray, expected: float | np.ndarray) -> np.ndarray:
    """Deviation of the mean of independent rows in standard errors."""
    return (values.mean(axis=0) - expected) / (values.std(axis=0, ddof=1) / np.sqrt(len(values)))


def three_sites() -> Model:
    """One carrier; escape rates differ from site to site by a factor of fifty, with parallel hops."""
    return make_model(
        np.diag([2.0, 2.0, 2.0]),
        [[0, 0, 0], [0.5, 0, 0], [0.5, 0.5, 0]],
        [
            (0, 1, (0, 0, 0), 1.0),
            (0, 1, (0, 0, 0), 0.3),
            (1, 2, (0, 0, 0), 4.0),
            (2, 0, (1, 0, 0), 0.1),
            (2, 2, (0, 1, 1), 0.05),
        ],
        site_energy=[0.0, 0.05, -0.05],
        supercell=(3, 2, 1),
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_waiting_times_and_choice(algorithm: str) -> None:
    """From each site: exponential waiting times at the total escape rate, hops in proportion to their rates."""
    catalog = catalog_of(three_sites(), field=(0.01, 0.02, 0.005))
    net = catalog.model.network
    events = run(catalog, algorithm, seed=8, sample_interval=40.0, levels=0).record_events(2000)
    wait, origin = np.diff(events.time), net.origin[events.hop]
    np.testing.assert_array_equal(origin[1:], net.target[events.hop][:-1])
    assert len(wait) > 40_000
    for site in range(3):
        hops = np.flatnonzero(net.origin == site)
        total = catalog.rate[hops].sum()
        own = wait[origin[1:] == site]
        assert stats.kstest(own * total, "expon").pvalue > 1e-4
        assert stats.kstest(own * total * 1.1, "expon").pvalue < 1e-4  # a wrong rate is seen
        chosen = np.bincount(events.hop[origin == site], minlength=net.n_hops)[hops]
        expected = catalog.rate[hops] / total * chosen.sum()
        assert stats.chisquare(chosen, expected).pvalue > 1e-4
        tilted = expected * np.where(np.arange(len(hops)) == np.argmax(expected), 0.9, 1.0)
        assert stats.chisquare(chosen, tilted * chosen.sum() / tilted.sum()).pvalue < 1e-4


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(("size", "n_carriers"), [(4, 13), (2, 3), (6, 100)])
def test_total_rate_of_the_uniform_gas(algorithm: str, size: int, n_carriers: int) -> None:
    """6 N_c (N - N_c)/(N - 1) executed hops per unit time, from the first moment on; 5 % more is seen."""
    n, levels = size**3, 3
    expected = 6 * n_carriers * (n - n_carriers) / (n - 1)
    model = lattice_gas("sc", size, n_carriers)
    z = []
    for factor in (1.0, 1.05):
        kw = {"sample_interval": 20 / expected, "levels": levels, "windows_per_row": 4}
        r = run(catalog_of(model, factor=factor), algorithm, seed=size, **kw)
        r.advance(600 * 2**levels)
        t = r.tallies
        assert t.n_rows >= 100
        z.append(float(z_of(t.events.sum(axis=1) / t.row_time, expected)))
    assert abs(z[0]) < 4
    assert z[1] > 4


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_drift_and_spread_of_a_free_carrier(algorithm: str) -> None:
    """One carrier on a uniform chain: <x> = (p - q) t, <x²> - <x>² = (p + q) t; a wrong sign is seen."""
    catalog = catalog_of(chain([1.0], supercell=(5, 1, 1)), field=(0.02, 0, 0))
    p, q = catalog.rate.max(), catalog.rate.min()
    r = run(catalog, algorithm, seed=1, sample_interval=2.0, levels=4)
    r.advance(16 * 3000)
    t = r.tallies
    drift = t.displacement[:, 0, 0] / t.row_time
    assert abs(z_of(drift, p - q)) < 4
    assert abs(z_of(-drift, p - q)) > 20
    for level in range(5):
        lag = t.lag(level)
        square = t.tracer[:, level, 0, 0, 0] / t.blocks_per_row(level)
        assert abs(z_of(square, (p + q) * lag + ((p - q) * lag) ** 2)) < 4
        np.testing.assert_allclose(t.collective[:, level, 0, 0, 0, 0], t.tracer[:, level, 0, 0, 0])


def test_algorithms_have_the_same_law() -> None:
    """Two species that hinder each other on a lattice with unlike sites: hops, correlations, spreads."""
    model = make_model(
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, 0, 0], [0.5, 0.5, 0.5]],
        [
            [(0, 1, (0, 0, 0), 1.0), (1, 0, (1, 0, 0), 0.5), (0, 0, (0, 1, 0), 0.2)],
            [(0, 1, (0, 0, 0), 3.0), (1, 0, (0, 1, 0), 3.0), (1, 1, (0, 0, 1), 0.3)],
        ],
        counts=(4, 5),
        charges=(1.0, -1.0),
        supercell=(2, 2, 2),
        site_energy=[[0.0, 0.02], [0.03, 0.0]],
    )
    catalog = catalog_of(model, field=(0.02, 0.0, 0.0))
    rows = []
    for algorithm in ALGORITHMS:
        r = run(catalog, algorithm, seed=5, sample_interval=0.4, levels=3, windows_per_row=8)
        r.advance(400)
        r.reset()
        r.advance(64 * 250)
        t = r.tallies
        cross = t.collective[:, 3].reshape(len(t.events), -1)[:, [0, 3, 7, 14, 21, 28, 35]]
        spread = np.einsum("rlsii->rls", t.tracer).reshape(len(t.events), -1)
        rows.append(
            np.concatenate(
                [t.events, t.displacement.reshape(len(t.events), -1)[:, [0, 3]], cross, spread], axis=1
            )
        )
    a, b = rows
    z = (a.mean(0) - b.mean(0)) / np.sqrt((a.var(0, ddof=1) + b.var(0, ddof=1)) / len(a))
    assert np.abs(z).max() < 4
    assert np.sqrt(np.mean(z**2)) < 2
