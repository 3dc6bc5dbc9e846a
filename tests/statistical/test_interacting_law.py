"""Interacting carriers in small cells: every algorithm against an enumeration of all configurations.

The enumeration uses `ConfigurationRates` alone, no part of the engine or of the exact solver. Fixed seeds, |z| < 4.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm

from kmc_transport.engine import Replica
from kmc_transport.model.interactions import Disorder
from kmc_transport.model.model import Model
from kmc_transport.rates import RateCatalog, build_catalog
from kmc_transport.rates.configuration import ConfigurationRates
from tests.reference.configurations import configurations, jumps, weights
from tests.reference.interacting_models import (
    clusters,
    coulomb,
    environments,
    local_clusters,
    nearest_pairs,
    site_disorder,
    with_interactions,
    with_rule,
)
from tests.reference.networks import KT0, T0, chain, lattice_gas, make_model

pytestmark = pytest.mark.statistical
ALGORITHMS = ("null_event", "rejection_free", "sum_tree")


class Enumeration:
    """Markov chain of all configurations of a catalog: stationary state, hops per second, moments of displacements."""

    def __init__(self, catalog: RateCatalog) -> None:
        rates, net = ConfigurationRates(catalog), catalog.model.network
        self.configurations = configurations(catalog.model)
        n, s = len(self.configurations), len(catalog.model.carriers)
        self.per_hop = np.zeros((net.n_hops, n))
        self.generator = np.zeros((n, n))
        self.first = np.zeros((s, n, n))  # along x
        self.second = np.zeros((s, n, n))
        for i, j, hop, rate in jumps(rates, self.configurations):
            a, d = int(net.carrier[hop]), float(net.vector[hop, 0])
            self.per_hop[hop, i] += rate
            self.generator[j, i] += rate
            self.generator[i, i] -= rate
            self.first[a, j, i] += rate * d
            self.second[a, j, i] += rate * d * d
        system = np.vstack([self.generator / np.abs(self.generator).max(), np.ones(n)])
        self.stationary = np.linalg.lstsq(system, np.append(np.zeros(n), 1.0), rcond=None)[0]

    def moments(self, lag: float) -> tuple[np.ndarray, np.ndarray]:
        """<X_a> and <X_a X_b> over a lag, from the stationary state, exactly."""
        n, s = len(self.stationary), len(self.first)
        one, two = np.zeros(s), np.zeros((s, s))
        for a, b in itertools.product(range(s), repeat=2):
            zero, generator = np.zeros((n, n)), self.generator
            second = self.second[a] if a == b else zero
            full = np.block(
                [
                    [generator, zero, zero, zero],
                    [self.first[a], generator, zero, zero],
                    [self.first[b], zero, generator, zero],
                    [second, self.first[b], self.first[a], generator],
                ]
            )
            found = expm(full * lag) @ np.append(self.stationary, np.zeros(3 * n))
            one[a], two[a, b] = found[n : 2 * n].sum(), found[3 * n :].sum()
        return one, two


def ring() -> Model:
    """Six sites in a ring, three carriers that attract each other."""
    model = with_rule(chain([1.0], a=1.0, supercell=(6, 1, 1), counts=(3,)))
    return with_interactions(model, clusters=nearest_pairs(-1.2 * KT0, axes=1))


def bound_pair() -> Model:
    """An ion and a polaron of opposite charge on sublattices of their own, held together by Coulomb energy."""
    model = make_model(
        np.diag([1.0, 1.0, 10.0]),
        [[0, 0, 0], [0.5, 0.5, 0]],
        [[(0, 0, (1, 0, 0), 1.0)], [(1, 1, (1, 0, 0), 20.0)]],
        counts=(1, 2),
        charges=(1.0, -1.0),
        supercell=(5, 1, 1),
        periodic=(True, False, False),
        allowed=[[True, False], [False, True]],
    )
    model = with_rule(model)
    return with_interactions(model, coulomb=coulomb(model, 1.5 * KT0))


def crowded() -> Model:
    """Triplets, surroundings of the barrier, disorder and a blocked site on a square lattice."""
    model = with_rule(lattice_gas("square", 3, 3))
    around = [(0, 0, (0, 1, 0)), (0, 0, (1, -1, 0))]
    energies = clusters(
        [
            (-0.8 * KT0, [(0, 0, (0, 0, 0)), (0, 0, (1, 0, 0))]),
            (0.6 * KT0, [(0, 0, (0, 0, 0)), (0, 0, (1, 0, 0)), (0, 0, (0, 1, 0))]),
        ]
    )
    model = with_interactions(
        model,
        clusters=energies,
        local_clusters=local_clusters(model, [(2, 0.5 * KT0, [(0, 0, (1, 0, 0))])]),
        environments=(environments(model, 0, around, [1.0, 1.0 + KT0, 1.0 - 0.5 * KT0, 1.0]),),
    )
    disorder = site_disorder(model, np.random.default_rng(4), 0.7 * KT0, 0.5 * KT0)
    blocked = np.zeros(9, np.bool_)
    blocked[4] = True
    return replace(model, disorder=Disorder(disorder.site_energy, disorder.barrier, blocked))


MODELS = {"ring": ring, "bound pair": bound_pair, "crowded": crowded}
FIELD = (0.6 * KT0, 0.0, 0.0)


def simulate(
    catalog: RateCatalog, algorithm: str, expected_hops: float, *, seed: int, rows: int = 200
) -> Replica:
    """A stationary run of ``rows`` rows of about 500 hops, blocks of up to 16 samples."""
    interval = 30 / expected_hops
    r = Replica(
        catalog,
        seed=np.random.SeedSequence(seed),
        sample_interval=interval,
        levels=4,
        windows_per_row=1,
        algorithm=algorithm,
    )
    r.advance(16 * 20)
    r.reset()
    r.advance(16 * rows)
    return r


def scores(r: Replica, exact: Enumeration, rows: int) -> np.ndarray:
    """Deviations in standard errors: hops of each kind, moments of the displacements along x over the longest lag."""
    t = r.tallies
    assert t.n_rows == rows
    values = [t.events / t.row_time]
    expected = [exact.per_hop @ exact.stationary]
    one, two = exact.moments(t.lag(4))
    s = len(one)
    values += [t.displacement[:, :, 0], t.collective[:, 4, :, 0, :, 0].reshape(rows, s * s)]
    expected += [one, two.reshape(-1)]
    x, wanted = np.concatenate(values, axis=1), np.concatenate(expected)
    moving = wanted != 0
    error = x.std(axis=0, ddof=1) / np.sqrt(rows)
    return (x.mean(axis=0) - wanted)[moving] / error[moving]


@pytest.fixture(scope="module")
def enumerations() -> dict[str, tuple[RateCatalog, Enumeration]]:
    catalogs = {name: build_catalog(make(), temperature=T0, field=FIELD) for name, make in MODELS.items()}
    return {name: (catalog, Enumeration(catalog)) for name, catalog in catalogs.items()}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_hops_and_moments(algorithm: str, name: str, enumerations: dict) -> None:
    """Executed hops of each kind, drift and <X_a X_b> of all species, in a field."""
    catalog, exact = enumerations[name]
    hops = float((exact.per_hop @ exact.stationary).sum())
    if algorithm == "null_event" and name == "bound pair":
        # without a bound on the energies null events try at the prefactor: the barrier must be small
        low = with_rule(catalog.model, E_kra=3 * KT0)
        catalog = build_catalog(low, temperature=T0, field=FIELD)
        exact = Enumeration(catalog)
        hops = float((exact.per_hop @ exact.stationary).sum())
    rows = 2000
    z = scores(simulate(catalog, algorithm, hops, seed=11, rows=rows), exact, rows)
    assert np.abs(z).max() < 4
    assert np.sqrt(np.mean(z**2)) < 2


def test_a_wrong_energy_is_seen(enumerations: dict) -> None:
    """Negative control: pair energies 5 % larger, same test."""
    _, exact = enumerations["ring"]
    model = with_interactions(ring(), clusters=nearest_pairs(-1.2 * 1.05 * KT0, axes=1))
    catalog = build_catalog(model, temperature=T0, field=FIELD)
    hops = float((exact.per_hop @ exact.stationary).sum())
    z = scores(simulate(catalog, "rejection_free", hops, seed=11, rows=2000), exact, 2000)
    assert np.abs(z).max() > 5


FORCE = (0.4 * KT0, 0.0, 0.0)


def force_on(charges: tuple[float, float]) -> RateCatalog:
    """An ion and a polaron that attract each other; the charges choose on whom the field acts."""
    model = make_model(
        np.diag([1.0, 1.0, 10.0]),
        [[0, 0, 0], [0.5, 0.5, 0]],
        [[(0, 0, (1, 0, 0), 1.0)], [(1, 1, (1, 0, 0), 3.0)]],
        counts=(1, 1),
        charges=charges,
        supercell=(6, 1, 1),
        periodic=(True, False, False),
        allowed=[[True, False], [False, True]],
    )
    bound = clusters([(-3 * KT0, [(0, 0, (0, 0, 0)), (1, 1, (c, 0, 0))]) for c in (0, -1)])
    catalog = build_catalog(with_interactions(with_rule(model), clusters=bound), temperature=T0, field=FORCE)
    assert (catalog.work != 0).any() == any(charges)
    return catalog


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_onsager_reciprocity_and_green_kubo(algorithm: str) -> None:
    """Force on the ions alone moves the polarons as much as the same force on the polarons the ions, and both follow
    from how the two move together at rest: J_b = F <X_a X_b>/(2 kT t)."""
    rows, rate, error = 4000, {}, {}
    for charges in ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0)):
        r = simulate(force_on(charges), algorithm, 6.0, seed=5, rows=rows)
        x = r.tallies.displacement[:, :, 0] / r.tallies.row_time / FORCE[0]
        if not any(charges):
            lag = r.tallies.lag(4)
            x = r.tallies.collective[:, 4, :, 0, :, 0].reshape(rows, 4)[:, 1:2] / (2 * KT0 * lag)
        rate[charges], error[charges] = x.mean(axis=0), x.std(axis=0, ddof=1) / np.sqrt(rows)
    polarons, ions, together = rate[1.0, 0.0][1], rate[0.0, 1.0][0], rate[0.0, 0.0][0]
    spread = error[1.0, 0.0][1], error[0.0, 1.0][0], error[0.0, 0.0][0]
    assert min(polarons / spread[0], ions / spread[1], together / spread[2]) > 10
    assert abs(polarons - ions) < 4 * np.hypot(spread[0], spread[1])
    assert abs(polarons - together) < 4 * np.hypot(spread[0], spread[2])
    assert rate[1.0, 0.0][0] - polarons > 4 * np.hypot(
        error[1.0, 0.0][0], spread[0]
    )  # the ions' own answer differs


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_pairs_of_the_ising_chain(algorithm: str) -> None:
    """Equilibrium of the lattice gas with neighbour energies on a ring: mean number of pairs, by counting."""
    n, carriers, energy = 14, 6, -1.5
    model = with_rule(chain([1.0], a=1.0, supercell=(n, 1, 1), counts=(carriers,)))
    model = with_interactions(model, clusters=nearest_pairs(energy * KT0, axes=1))
    rows = configurations(model)
    pairs = (rows * np.roll(rows, 1, axis=1)).sum(axis=1)

    def mean(energy: float) -> float:
        return float(weights(energy * pairs, 1.0) @ pairs)

    catalog = build_catalog(model, temperature=T0)
    r = Replica(catalog, seed=np.random.SeedSequence(6), sample_interval=40.0, levels=0, algorithm=algorithm)
    r.advance(20)
    taken, energies = np.zeros((3000, n), np.bool_), []
    for k, row in enumerate(taken):
        r.advance(1)
        row[r.occupation()] = True
        if k % 10 == 0:
            energies.append(r.energy())
    counted = (taken & np.roll(taken, 1, axis=1)).sum(axis=1)
    np.testing.assert_allclose(energies, energy * KT0 * counted[::10], rtol=0, atol=1e-10)
    assert set(counted[::10]) == set(counted)
    blocks = counted.reshape(60, 50).mean(axis=1)
    error = blocks.std(ddof=1) / np.sqrt(60)
    assert abs(blocks.mean() - mean(energy)) < 4 * error
    assert abs(blocks.mean() - mean(1.1 * energy)) > 4 * error


@pytest.mark.parametrize("algorithm", ["rejection_free", "sum_tree"])
def test_canonical_equilibrium_with_coulomb_energies(algorithm: str) -> None:
    """Mean energy of two species of opposite charge on a square lattice, against all configurations."""
    model = make_model(
        np.diag([1.0, 1.0, 10.0]),
        [[0, 0, 0]],
        [[(0, 0, (1, 0, 0), 1.0), (0, 0, (0, 1, 0), 1.0)], [(0, 0, (1, 0, 0), 5.0), (0, 0, (0, 1, 0), 5.0)]],
        counts=(2, 1),
        charges=(1.0, -2.0),
        supercell=(3, 3, 1),
        periodic=(True, True, False),
    )
    model = with_rule(model)
    model = with_interactions(model, coulomb=coulomb(model, 0.8 * KT0))
    catalog = build_catalog(model, temperature=T0)
    rates = ConfigurationRates(catalog)
    energies = rates.energies(configurations(model))
    expected = float(weights(energies, KT0) @ energies)
    r = Replica(catalog, seed=np.random.SeedSequence(2), sample_interval=2.0, levels=0, algorithm=algorithm)
    r.advance(20)
    rows, counted = np.zeros((4000, 9), np.int64), []
    for k, row in enumerate(rows):
        r.advance(1)
        row[r.occupation()] = r.species + 1
        if k % 10 == 0:
            counted.append(r.energy())
    seen = rates.energies(rows)
    np.testing.assert_allclose(counted, seen[::10], rtol=0, atol=1e-9)
    blocks = seen.reshape(40, 100).mean(axis=1)
    assert abs(blocks.mean() - expected) < 4 * blocks.std(ddof=1) / np.sqrt(40)
    assert abs(r.energy_drift) < 1e-12
