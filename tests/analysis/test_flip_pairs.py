"""Pairs of flips: against the master equation for every window, and against a list of hops, pair by pair."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta, kstest

from kmc_transport.analysis.coupling import flip_pairs
from kmc_transport.analysis.coupling.flip_pairs import FlipPairs
from kmc_transport.analysis.coupling.lattice import sites_of_species
from kmc_transport.engine import Replica
from kmc_transport.engine.kernels_times import order_statistics
from kmc_transport.input.settings import with_settings
from kmc_transport.model.analysis import Analysis, FlipPairSettings
from kmc_transport.model.model import Model
from kmc_transport.rates import RateCatalog, build_catalog
from kmc_transport.records import TICKS, HopChunk
from kmc_transport.runs.point import PointSimulation
from tests.analysis.test_on_request import interrupted, traps
from tests.reference.coupling import enumerated, flip_pair_rates, listed_pairs
from tests.reference.interacting_models import coulomb, with_interactions, with_rule
from tests.reference.networks import chain, lattice_gas
from tests.runs.sweeps import INPUT, sweep_model


def pairing(model: Model, lags: tuple[float, ...], distances: tuple[float, ...]) -> Model:
    every = tuple(range(len(model.carriers)))
    return replace(model, analysis=Analysis(FlipPairSettings(every, lags, distances)))


def ring() -> Model:
    """Six sites in a row, three carriers; hops of two rates."""
    model = chain([1.0, 3.0, 1.0, 3.0, 1.0, 3.0], counts=(3,))
    return pairing(model, (0.05, 0.2, 0.6, 2.0), (0.5, 1.5, 2.5, 3.5))


def square() -> Model:
    return pairing(lattice_gas("square", 3, 3), (0.1, 0.5), (0.9, 1.1, 1.5))


def charged() -> Model:
    """Charges that feel each other; null events or lists."""
    model = with_rule(lattice_gas("honeycomb", 3, 2), E_kra=0.1)
    model = with_interactions(model, coulomb=coulomb(model, 0.2))
    step = 1 / build_catalog(model, temperature=300.0).rate.max()
    return pairing(model, (0.3 * step, step), (0.9, 1.1, 1.8))


def mixture() -> Model:
    """Two species that share sites."""
    return pairing(traps(), (0.1, 0.4), (1.0, 2.0, 3.1))


CASES = {
    "ring": (ring, "null_event"),
    "ring, rejection-free": (ring, "rejection_free"),
    "square": (square, "null_event"),
    "charged": (charged, "null_event"),
    "charged, rejection-free": (charged, "rejection_free"),
    "mixture": (mixture, "rejection_free"),
}


def counted(catalog: RateCatalog, algorithm: str, samples: int = 128, hops: float = 60.0) -> FlipPairs:
    """Of two replicas, in windows of eight samples with so many hops each."""
    parts = []
    for number in range(2):
        r = Replica(catalog, seed=np.random.SeedSequence([11, number]), algorithm=algorithm, levels=3)
        interval = hops / r.total_rate() if number == 0 else interval  # noqa: F821
        r.reset(sample_interval=interval)
        r.advance(16)
        r.reset(sample_interval=interval)
        observable = FlipPairs(catalog)
        r.advance(8 * samples, on_hops=observable.add)
        parts.append(observable)
    return FlipPairs.merge(parts)


def expected(catalog: RateCatalog, **wrong: Any) -> dict[str, np.ndarray]:
    """Arrays of the result from the master equation."""
    wanted = catalog.model.analysis.flip_pairs
    assert wanted is not None
    windows = list(zip(wanted.distances[:-1], wanted.distances[1:], strict=True))
    rates = flip_pair_rates(enumerated(catalog), [0.0, *wanted.lags], windows, **wrong)
    same, opposite = np.moveaxis(rates / sites_of_species(catalog.model)[:, None, None, None], 2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "flip_pairs_opposite": opposite,
            "flip_pairs_same": same,
            "flip_pair_ratio_from_zero": opposite.cumsum(axis=-2) / same.cumsum(axis=-2),
        }


def largest_z(found: FlipPairs, exact: dict[str, np.ndarray]) -> dict[str, float]:
    z = {}
    for name, estimate in found.result().items():
        if name in exact:
            known = np.isfinite(exact[name]) & (estimate.stderr > 0)
            assert known.any()
            z[name] = float(np.abs(estimate.z(exact[name]))[known].max())
    return z


@pytest.mark.parametrize("case", CASES)
def test_against_master_equation(case: str) -> None:
    make, algorithm = CASES[case]
    catalog = build_catalog(make(), temperature=300.0)
    found = counted(catalog, algorithm)
    z = largest_z(found, expected(catalog))
    assert len(z) == 3
    assert max(z.values()) < 4, z
    if case == "ring":
        # wrong definitions are told apart
        assert max(largest_z(found, expected(catalog, lag_zero=2)).values()) > 10
        assert max(largest_z(found, expected(catalog, same_site=True)).values()) > 10
        # with the pair of a hop itself opposite ones prevail; without, hops back make same ones prevail at short lag
        result = found.result()
        assert (result["flip_pair_ratio_from_zero"].value[0, 0, 1:3, 0] > 1.1).all()
        assert result["flip_pair_ratio"].value[0, 0, 1, 0] < 1
        assert np.isnan(result["flip_pair_ratio"].value[0, 0, 0, 0])


def test_means_of_null_events_would_be_wrong() -> None:
    """Times of null events are means over an interval: good for occupations, wrong for lags."""
    catalog = build_catalog(ring(), temperature=300.0)

    class ByMeans(FlipPairs):
        def count(self, chunk: HopChunk) -> dict[str, np.ndarray]:
            return super().count(replace(chunk, draw=None))

    r = Replica(catalog, seed=np.random.SeedSequence(3), algorithm="null_event", levels=3)
    r.reset(sample_interval=2 / r.total_rate())
    wrong, right = ByMeans(catalog), FlipPairs(catalog)
    r.advance(20000, on_hops=lambda chunk: [o.add(chunk) for o in (wrong, right)])
    exact = expected(catalog)
    assert max(largest_z(right, exact).values()) < 4
    assert max(largest_z(wrong, exact).values()) > 6


def hops_of(model: Model, chunks: list[HopChunk]) -> tuple[np.ndarray, ...]:
    """(species, left, reached, tick) of all hops, one by one."""
    net, size, n = model.network, np.array(model.supercell), model.structure.n_sites
    rows = []
    for chunk in chunks:
        where = [int(x) for x in chunk.sites]
        for c, h, t in zip(chunk.carrier, chunk.hop, chunk.drawn, strict=True):
            cell, site = divmod(where[c], n)
            assert site == net.origin[h]
            there = (np.array(np.unravel_index(cell, size)) + net.cell[h]) % size
            target = int(np.ravel_multi_index(tuple(there), size)) * n + int(net.target[h])
            rows.append((int(net.carrier[h]), where[c], target, int(t)))
            where[c] = target
    return tuple(np.array(x) for x in zip(*rows, strict=True))


@pytest.mark.parametrize("case", ["ring", "mixture", "charged"])
def test_kernel_counts_as_the_list_does(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flip_pairs, "FEWEST", 8)  # the ring grows
    make, algorithm = CASES[case]
    catalog = build_catalog(make(), temperature=300.0)
    model = catalog.model
    r = Replica(catalog, seed=np.random.SeedSequence(7), algorithm=algorithm, levels=3)
    r.reset(sample_interval=20 / r.total_rate())
    chunks: list[HopChunk] = []
    whole, parts = FlipPairs(catalog), FlipPairs(catalog)
    for _ in range(4):
        fresh: list[HopChunk] = []
        r.advance(5, on_hops=fresh.append)
        for chunk in fresh:
            whole.add(chunk)
            parts.add(chunk)
        again = FlipPairs(catalog)
        again.load(parts.save())  # nothing is lost where a run is taken up again
        parts = again
        chunks += fresh
    wanted = model.analysis.flip_pairs
    assert wanted is not None
    windows = list(zip(wanted.distances[:-1], wanted.distances[1:], strict=True))
    edges = [round(x * TICKS / r.sample_interval) for x in (0.0, *wanted.lags)]
    expected = listed_pairs(model, *hops_of(model, chunks), edges, windows, 0)
    np.testing.assert_array_equal(whole.sums["pairs"].sum(axis=0), expected)
    np.testing.assert_array_equal(parts.sums["pairs"].sum(axis=0), expected)
    assert expected[..., 1:, :].sum() > 1000
    np.testing.assert_array_equal(whole.sums["ticks"].sum(axis=0), 20 * TICKS - np.array(edges))


def test_too_long_a_lag_gives_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a wrong one: where more flips lie in a window than are remembered."""
    monkeypatch.setattr(flip_pairs, "FEWEST", 8)
    monkeypatch.setattr(flip_pairs, "MOST", 8)
    catalog = build_catalog(ring(), temperature=300.0)
    ratio = counted(catalog, "rejection_free").result()["flip_pair_ratio_from_zero"].value[0, 0, :, 0]
    assert np.isfinite(ratio[:1]).all() or np.isnan(ratio[0])
    assert np.isnan(ratio[-1])


def test_stopped_and_taken_up_again() -> None:
    """Pairs across the stop count, and drawn times do not depend on where it was."""
    lags = "{flip_pairs: {lags: [0.1 ps, 10 ps, 1 ns], distances: [0.5, 20.0]}}"
    model = sweep_model(
        with_settings(INPUT, ["conditions.temperature=300", "sampling.events=6000", f"analysis={lags}"])
    )
    whole = PointSimulation(model, 300.0, (0.01, 0.0, 0.0), root=3)
    whole.run()
    expected, found = whole.observed(), interrupted(model, 7).observed()
    assert set(expected) == {
        *("flip_pairs_opposite", "flip_pairs_same", "flip_pair_ratio", "flip_pair_ratio_from_zero"),
        "flip_correlation",
    }
    for name, estimate in expected.items():
        assert estimate.value.tobytes() == found[name].value.tobytes(), name
    assert np.nansum(expected["flip_pairs_same"].value) > 0


def test_drawn_times_are_uniform() -> None:
    """Order statistics of uniform times, one by one; and the same for whoever asks for some of them alone."""
    attempts, n = np.full(4000, 5), 4000 * 5
    sample, number, part = np.repeat(np.arange(4000), 5), np.tile(np.arange(5), 4000), np.zeros(4000 * 5)
    order_statistics(np.uint64(7), 0, attempts, sample, number, part)
    parts = part.reshape(-1, 5)
    assert (np.diff(parts, axis=1) > 0).all()
    assert 0 < parts.min() < parts.max() < 1
    for k in range(5):  # the k-th of five is a beta number of parameters k + 1, 5 - k
        assert kstest(parts[:, k], beta(k + 1, 5 - k).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(parts[:-1].mean(axis=1), parts[1:].mean(axis=1))[0, 1]) < 4 / np.sqrt(n / 5)
    some = np.zeros(2)
    order_statistics(np.uint64(7), 2, attempts[2:5], np.array([0, 2]), np.array([3, 1]), some)
    assert some.tolist() == [parts[2, 3], parts[4, 1]]
