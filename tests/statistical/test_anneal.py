"""Lattice Monte Carlo: energies against the plain ones, ensembles against enumeration, equilibrium detected."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest

from kmc_transport.engine import Replica, chemical_potential, equilibrium_lattice
from kmc_transport.engine.canonical.anneal import LatticeMonteCarlo, anneal
from kmc_transport.engine.canonical.equilibration import autocorrelation_time, judge
from kmc_transport.engine.canonical.initial import initial_configuration
from kmc_transport.engine.tables import build_tables
from kmc_transport.input import load_model_text
from kmc_transport.model.interactions import Clusters, Coulomb, Disorder, Initial, Interactions
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.rates.configuration import ConfigurationRates
from kmc_transport.units import K_B
from tests.input.interacting import IONS_AND_POLARONS
from tests.reference.configurations import configurations, weights
from tests.reference.networks import KT0, T0, chain, make_model

pytestmark = pytest.mark.statistical

LIMIT = 4.0


def clusters(*given: tuple[float, list[tuple[int, int, tuple[int, int, int]]]]) -> Clusters:
    """Clusters from (energy, [(species, site, cell), ...])."""
    members = [m for _, ms in given for m in ms]
    return Clusters(
        energy=np.array([e for e, _ in given]),
        start=np.concatenate([[0], np.cumsum([len(ms) for _, ms in given])]),
        species=np.array([m[0] for m in members]),
        site=np.array([m[1] for m in members]),
        cell=np.array([m[2] for m in members]),
        name=tuple(f"c{i}" for i in range(len(given))),
    )


def coulomb(n_sites: int, supercell: tuple[int, int, int], seed: int, size: float) -> Coulomb:
    """A symmetric potential of random numbers: what matters here is the bookkeeping."""
    rng = np.random.default_rng(seed)
    phi = rng.normal(0, size, (n_sites, n_sites, *supercell))
    back = phi.transpose(1, 0, 2, 3, 4)
    for axis, n in zip((2, 3, 4), supercell, strict=True):
        back = np.take(back, -np.arange(n) % n, axis=axis)
    return Coulomb(0.5 * (phi + back), np.eye(3), 0.0)


def with_kra(model: Model, **changes: object) -> Model:
    """Hops whose barriers follow the energies, which interactions need."""
    classes = tuple(
        replace(
            c,
            rule="kra",
            rule_parameters=(("E_kra", 1.0),),
            barrier_forward=math.nan,
            barrier_reverse=math.nan,
        )
        for c in model.hop_classes
    )
    return replace(model, hop_classes=classes, **changes)  # type: ignore[arg-type]


def crowd(
    supercell: tuple[int, int, int] = (2, 2, 1),
    counts: tuple[int, int] = (2, 2),
    *,
    seed: int = 1,
    strength: float = 1.0,
) -> Model:
    """Two species on three sites a cell, one of them shared by nobody, with every kind of energy."""
    rng = np.random.default_rng(seed)
    model = make_model(
        np.diag([3.0, 3, 4]),
        [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5]],
        [[(0, 1, (0, 0, 0), 1.0), (1, 2, (0, 0, 0), 1.0)], [(0, 1, (0, 0, 0), 2.0), (0, 0, (1, 0, 0), 1.0)]],
        counts=counts,
        charges=(1, -2),
        supercell=supercell,
        site_energy=rng.normal(0, 0.5 * strength * KT0, (2, 3)),
        allowed=[[True, True, True], [True, True, False]],
    )
    e = rng.normal(0, strength * KT0, 6)
    terms = clusters(
        (e[0], [(0, 0, (0, 0, 0)), (0, 1, (0, 0, 0))]),
        (e[1], [(0, 0, (0, 0, 0)), (1, 0, (1, 0, 0))]),
        (e[2], [(1, 1, (0, 0, 0)), (0, 1, (0, 1, 0))]),
        (e[3], [(0, 0, (0, 0, 0)), (0, 1, (-1, 0, 0)), (1, 1, (0, 0, 0))]),
        (e[4], [(1, 0, (0, 0, 0)), (1, 0, (0, 1, 0)), (0, 2, (0, 0, 0)), (0, 0, (1, 1, 0))]),
        (e[5], [(0, 1, (0, 0, 0)), (0, 1, (2, 0, 0))]),  # its own image in a supercell of two
    )
    n_flat = 3 * math.prod(supercell)
    return with_kra(
        model,
        interactions=Interactions(clusters=terms, coulomb=coulomb(3, supercell, seed, 0.4 * strength * KT0)),
        disorder=Disorder(site_energy=rng.normal(0, 0.3 * strength * KT0, (2, n_flat))),
    )


def placed(model: Model, rng: np.random.Generator) -> LatticeMonteCarlo:
    """Carriers on random sites that they may sit on."""
    tables = build_tables(build_catalog(model, temperature=T0))
    cell, kind, _ = initial_configuration(tables, T0, rng, Initial())
    site = cell * model.structure.n_sites + tables.basis_site[tables.type_basis[kind]]
    species = tables.type_species[kind]
    return LatticeMonteCarlo(model, [site[species == s] for s in range(len(model.carriers))], rng)


def boltzmann(model: Model, temperature: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Configurations, their energies and probabilities."""
    plain = ConfigurationRates(build_catalog(model, temperature=temperature))
    states = configurations(model)
    energy = plain.energies(states)
    return states, energy, weights(energy, K_B * temperature)


# ------------------------------------------------------------------------------------------- energies


@pytest.mark.parametrize("supercell", [(2, 2, 1), (3, 2, 2), (1, 1, 3), (4, 3, 1)])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_energy_difference(supercell: tuple[int, int, int], seed: int) -> None:
    model = crowd(supercell, seed=seed)
    lattice = placed(model, np.random.default_rng(seed))
    plain = ConfigurationRates(build_catalog(model, temperature=T0))
    for _ in range(3):
        lattice.run(T0, 2)
        occupation = lattice.occupation.astype(np.int64)
        before = plain.energy(occupation)
        assert lattice.energy == pytest.approx(before, abs=1e-12)
        for x in lattice.site_of[:3]:
            for y in range(0, len(occupation), 1 + len(occupation) // 12):
                n_sites, a, b = model.structure.n_sites, occupation[x], occupation[y]
                if (
                    x == y
                    or not model.allowed_sites[a - 1, y % n_sites]
                    or (b and not model.allowed_sites[b - 1, x % n_sites])
                ):
                    continue
                swapped = occupation.copy()
                swapped[[x, y]] = swapped[[y, x]]
                wanted = plain.energy(swapped) - before
                assert lattice.difference(int(x), y) == pytest.approx(wanted, abs=1e-11)
        np.testing.assert_array_equal(lattice.occupation, occupation)


def test_energy_is_kept_up_to_date() -> None:
    model = crowd((4, 3, 2), (5, 6))
    lattice = placed(model, np.random.default_rng(3))
    last = lattice.run(T0, 3000)[-1]
    assert lattice.accepted > 3000
    assert lattice.energy == pytest.approx(last, abs=1e-9)
    np.testing.assert_array_equal(np.sort(lattice.site_of), np.flatnonzero(lattice.occupation))
    taken = lattice.occupation[lattice.site_of]
    np.testing.assert_array_equal(taken, lattice.species_of + 1)
    both = np.concatenate([lattice.free, lattice.site_of])
    np.testing.assert_array_equal(np.sort(both), lattice.open_sites)


# ------------------------------------------------------------------------------------------- ensembles


def deviations(model: Model, temperature: float, sweeps: int, seed: int, wrong: float = 1.0) -> np.ndarray:
    """Energies, occupations and pair occupations against enumeration, in standard errors."""
    states, energy, p = boltzmann(model, temperature)
    lattice = placed(model, np.random.default_rng(seed))
    lattice.run(temperature * wrong, 200)
    seen, series = [], []
    for _ in range(sweeps):
        series.append(lattice.run(temperature * wrong, 2)[-1])
        seen.append(lattice.occupation.copy())
    there, exact = np.array(seen), states

    def observables(s: np.ndarray, e: np.ndarray) -> np.ndarray:
        one = [s == a + 1 for a in range(len(model.carriers))]
        pairs = [(a[:, :4, None] & b[:, None, 4:]).reshape(len(s), -1) for a in one for b in one]
        return np.concatenate([e[:, None], (e[:, None] - p @ energy) ** 2, *one, *pairs], axis=1).astype(
            float
        )

    found, wanted = observables(there, np.array(series)), p @ observables(exact, energy)
    keep = found.std(axis=0) > 0
    error = np.array([math.sqrt(autocorrelation_time(x) * x.var() / len(x)) for x in found.T[keep]])
    assert np.all(np.abs(found.mean(axis=0) - wanted)[~keep] < 1e-3)
    return (found.mean(axis=0)[keep] - wanted[keep]) / error


@pytest.mark.parametrize("seed", [1, 2])
def test_two_species_with_coulomb_against_enumeration(seed: int) -> None:
    model = crowd((2, 2, 1), (3, 2), seed=seed, strength=1.5)
    z = deviations(model, T0, 6000, seed)
    assert len(z) > 60
    assert np.abs(z).max() < LIMIT
    assert np.sqrt(np.mean(z**2)) < 1.5


def test_one_species_with_blocked_sites_against_enumeration() -> None:
    model = chain([1.0, 1.0, 1.0], counts=(3,), supercell=(4, 1, 1), site_energy=[0.0, 0.02, -0.01])
    blocked = np.zeros(12, np.bool_)
    blocked[[2, 7]] = True
    nearest = [[(0, i, (0, 0, 0)), (0, (i + 1) % 3, (i // 2, 0, 0))] for i in range(3)]
    model = with_kra(
        model,
        interactions=Interactions(clusters=clusters(*((-1.5 * KT0, m) for m in nearest))),  # type: ignore[misc]
        disorder=Disorder(blocked=blocked),
    )
    z = deviations(model, T0, 6000, 5)
    assert np.abs(z).max() < LIMIT


def test_a_wrong_temperature_is_caught() -> None:
    z = deviations(crowd((2, 2, 1), (3, 2), strength=1.5), T0, 6000, 1, wrong=1.2)
    assert np.abs(z).max() > 6


# ------------------------------------------------------------------------------------------- annealing


def test_annealed_replicas_are_boltzmann_distributed() -> None:
    model = replace(crowd((2, 2, 1), (2, 1), strength=1.5), initial=Initial("annealed", None, 2 * T0, 2000))
    catalog = build_catalog(model, temperature=T0)
    _, energy, p = boltzmann(model, T0)
    plain = ConfigurationRates(catalog)
    tables = build_tables(catalog)
    found = []
    for i in range(150):
        cell, kind, report = initial_configuration(tables, T0, np.random.default_rng([7, i]), model.initial)
        occupation = np.zeros(3 * model.n_cells, np.int64)
        site = cell * 3 + tables.basis_site[tables.type_basis[kind]]
        occupation[site] = tables.type_species[kind] + 1
        found.append(plain.energy(occupation))
        assert report is not None
        assert report.equilibrated
        assert report.energy == pytest.approx(found[-1], abs=1e-10)
    mean, spread = p @ energy, math.sqrt(p @ energy**2 - (p @ energy) ** 2)
    assert abs(np.mean(found) - mean) < LIMIT * spread / math.sqrt(len(found))
    # below the median of the distribution lie as many as there should be
    middle = np.sort(energy)[np.searchsorted(np.cumsum(p[np.argsort(energy)]), 0.5)]
    share = p[energy <= middle].sum()
    below = np.mean(np.array(found) <= middle + 1e-9)
    assert abs(below - share) < LIMIT * math.sqrt(share * (1 - share) / len(found))


def test_replicas_anneal_each_for_itself_and_again_the_same() -> None:
    model = replace(crowd((3, 3, 1), (4, 3), strength=0.5), initial=Initial("annealed", None, 2 * T0, 50_000))
    catalog = build_catalog(model, temperature=T0)

    def start(k: int) -> Replica:
        return Replica(catalog, seed=np.random.SeedSequence(3, spawn_key=(k,)), sample_interval=1e-3)

    first, again, other = (start(k).occupation() for k in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    report = start(0).annealing
    assert report is not None
    assert [r.temperature for r in report.rungs][::3] == pytest.approx([2 * T0, T0 * 2**0.25])
    assert report.rungs[-1].temperature == T0


def test_a_restored_replica_does_not_anneal_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model = replace(chain([1.0, 1.0], counts=(3,), supercell=(8, 1, 1)), initial=Initial("annealed"))
    catalog = build_catalog(model, temperature=T0)
    replica = Replica(catalog, seed=np.random.SeedSequence(1), sample_interval=1.0)
    assert "equilibrated at 300 K" in replica.initial_note
    monkeypatch.setattr("kmc_transport.engine.canonical.anneal.anneal", None)
    again = Replica.restore(catalog, replica.snapshot())
    np.testing.assert_array_equal(again.occupation(), replica.occupation())
    assert again.initial_note == replica.initial_note


def test_given_sites_are_taken() -> None:
    model = crowd((2, 2, 1), (2, 2))
    model = replace(model, initial=Initial("given", ((11, 3), (0, 7))))
    replica = Replica(
        build_catalog(model, temperature=T0), seed=np.random.SeedSequence(1), sample_interval=1e-3
    )
    assert replica.occupation().tolist() == [11, 3, 0, 7]
    wrong = replace(model, initial=Initial("given", ((11, 3), (0, 2))))  # nothing of species 1 may sit on 2
    with pytest.raises(ValueError, match="do not fit"):
        Replica(build_catalog(wrong, temperature=T0), seed=np.random.SeedSequence(1), sample_interval=1e-3)


def test_random_starts_know_disorder_and_blocked_sites() -> None:
    model = chain([1.0], counts=(1,), supercell=(5, 1, 1))
    energy = np.array([[0.0, KT0, 2 * KT0, 0.5 * KT0, -KT0]])
    blocked = np.array([False, False, False, False, True])
    model = with_kra(model, disorder=Disorder(site_energy=energy, blocked=blocked))
    tables = build_tables(build_catalog(model, temperature=T0))
    rng = np.random.default_rng(2)
    found = np.bincount(
        [int(initial_configuration(tables, T0, rng, Initial())[0][0]) for _ in range(4000)], minlength=5
    )
    weight = np.exp(-energy[0] / KT0) * ~blocked
    p = weight / weight.sum()
    assert found[4] == 0
    z = (found - 4000 * p)[:4] / np.sqrt(4000 * p * (1 - p))[:4]
    assert np.abs(z).max() < LIMIT


def test_those_with_few_sites_are_placed_first_if_need_be() -> None:
    model = make_model(
        np.diag([3.0, 3, 3]),
        [[0, 0, 0], [0.5, 0.5, 0.5]],
        [[(0, 1, (0, 0, 0), 1.0)], [(1, 1, (1, 0, 0), 1.0)]],
        counts=(8, 7),
        supercell=(8, 1, 1),
        allowed=[[True, True], [False, True]],
    )
    tables = build_tables(build_catalog(model, temperature=T0))
    for seed in range(5):
        cell, kind, _ = initial_configuration(tables, T0, np.random.default_rng(seed), Initial())
        site = cell * 2 + tables.basis_site[tables.type_basis[kind]]
        assert len(set(site.tolist())) == 15
        assert np.all(site[8:] % 2 == 1)
    crowded = replace(model, carriers=(replace(model.carriers[0], count=12), model.carriers[1]))
    tables = build_tables(build_catalog(crowded, temperature=T0))
    with pytest.raises(ValueError, match="free sites"):
        initial_configuration(tables, T0, np.random.default_rng(1), Initial())


def test_an_input_with_ewald_sums() -> None:
    model = load_model_text(IONS_AND_POLARONS)
    assert model.initial.kind == "annealed"
    catalog = build_catalog(model, temperature=900.0)
    lattice, report = equilibrium_lattice(catalog, seed=1)
    assert report.equilibrated
    plain = ConfigurationRates(catalog)
    assert lattice.energy == pytest.approx(plain.energy(lattice.occupation.astype(np.int64)), abs=1e-9)
    replica = Replica(catalog, seed=np.random.SeedSequence(1), sample_interval=1e-12)
    assert replica.annealing is not None
    assert replica.energy() == pytest.approx(replica.annealing.energy, abs=1e-9)
    apart = placed(model, np.random.default_rng(1)).energy
    assert lattice.energy < apart  # opposite charges have found each other


def test_hops_stay_in_the_ensemble_of_the_annealing() -> None:
    catalog = build_catalog(load_model_text(IONS_AND_POLARONS), temperature=900.0)
    lattice, _ = equilibrium_lattice(catalog, seed=2)
    swaps = lattice.run(900.0, 8000)
    replica = Replica(catalog, seed=np.random.SeedSequence(5), sample_interval=5e-12)
    hops = np.empty(1500)
    for i in range(len(hops)):
        replica.advance(1)
        hops[i] = replica.energy()
    mean, error = hops.mean() - swaps.mean(), 0.0
    for x in (hops, swaps):
        error += autocorrelation_time(x) * x.var() / len(x)
    assert math.sqrt(error) < 0.1 * swaps.std()
    assert abs(mean) < LIMIT * math.sqrt(error)


# ------------------------------------------------------------------------------------------- equilibrium detected


def walk(n: int, tau: float, seed: int) -> np.ndarray:
    """Stationary AR(1) series with the given correlation time."""
    rng = np.random.default_rng(seed)
    r = math.exp(-1 / tau)
    x = np.empty(n)
    x[0] = rng.normal() / math.sqrt(1 - r * r)
    for i, step in enumerate(rng.normal(size=n - 1)):
        x[i + 1] = r * x[i] + step
    return x


def test_series_at_rest_pass_and_others_do_not() -> None:
    passed = [judge(walk(4096, 5.0, seed)).equilibrated for seed in range(100)]
    assert sum(passed) > 80  # one in twenty by the limit of two standard errors, some more by MSER
    slow = [judge(walk(1024, 200.0, seed)).equilibrated for seed in range(50)]
    assert not any(slow)
    rng = np.random.default_rng(1)
    assert not any(judge(np.cumsum(rng.normal(size=2000))).equilibrated for _ in range(30))
    t = np.arange(2000)
    falling = [judge(20 * np.exp(-t / 1500) + walk(2000, 3.0, seed)).equilibrated for seed in range(30)]
    assert not any(falling)
    slope = np.linspace(0, 0.4, 4096)  # MSER keeps most of it, the last of the three tests sees it
    assert sum(judge(slope + rng.normal(size=4096)).equilibrated for _ in range(20)) < 5
    assert judge(np.full(300, -2.5)).equilibrated
    assert not any(judge(walk(n, 1.0, 1)).equilibrated for n in (2, 5, 63))


def test_the_way_there_is_thrown_away() -> None:
    t = np.arange(4000)
    verdicts = [judge(20 * np.exp(-t / 100) + walk(4000, 3.0, seed)) for seed in range(20)]
    assert sum(v.equilibrated for v in verdicts) > 12
    assert all(v.start > 200 for v in verdicts)
    z = [v.mean / v.stderr for v in verdicts if v.equilibrated]
    assert np.abs(z).max() < LIMIT


@pytest.mark.parametrize("tau", [1.0, 10.0])
def test_autocorrelation_time(tau: float) -> None:
    r = math.exp(-1 / tau)
    found = np.mean([autocorrelation_time(walk(20000, tau, seed)) for seed in range(5)])
    assert found == pytest.approx((1 + r) / (1 - r), rel=0.1)


def sticky(energy: float) -> Model:
    """A chain of strongly attracting carriers, slow to find each other."""
    model = chain([1.0], counts=(40,), supercell=(400, 1, 1))
    return with_kra(
        model, interactions=Interactions(clusters=clusters((energy, [(0, 0, (0, 0, 0)), (0, 0, (1, 0, 0))])))
    )


@pytest.mark.parametrize("sweeps", [1, 7, 100])
def test_too_few_sweeps_are_noticed(sweeps: int) -> None:
    model = replace(sticky(-0.25), initial=Initial("annealed", None, 320.0, sweeps))
    catalog = build_catalog(model, temperature=T0)
    replica = Replica(catalog, seed=np.random.SeedSequence(1), sample_interval=1.0)
    assert not replica.starts_at_rest
    assert replica.annealing is not None
    assert not replica.annealing.equilibrated
    assert "not equilibrated" in replica.initial_note


def test_a_frozen_lattice_counts_only_after_equilibrium() -> None:
    model = replace(sticky(-0.25))
    rng = np.random.default_rng(1)
    cold = LatticeMonteCarlo(model, [np.arange(40)], rng)  # the ground state, reached by no annealing
    verdict = anneal(cold, 20.0, start=20.0, sweeps=256).rungs[-1].verdict
    assert not verdict.equilibrated
    assert verdict.why == "no trial was accepted"
    full = LatticeMonteCarlo(chain([1.0], counts=(6,), supercell=(6, 1, 1)), [np.arange(6)], rng)
    assert anneal(full, T0, start=T0, sweeps=256).equilibrated  # nothing can move: one configuration


# ------------------------------------------------------------------------------------------- chemical potential


def ring_sums(sites: int, energy: float, kt: float) -> list[float]:
    """Z(N) of the lattice gas on a ring with nearest-neighbour energy: by the transfer matrix, coefficients in z."""
    w = math.exp(-energy / kt)
    zero, one = np.zeros(sites + 2), np.zeros(sites + 2)
    zero[0] = one[1] = 1.0
    z: list[float] = [0.0] * (sites + 1)
    for start in (0, 1):  # occupation of the first site
        end = [
            zero.copy() if start == 0 else np.zeros(sites + 2),
            one.copy() if start else np.zeros(sites + 2),
        ]
        for _ in range(sites - 1):
            empty, filled = end[0] + end[1], end[0] + w * end[1]
            end = [empty, np.roll(filled, 1)]
        last = end[0] + (w if start else 1.0) * end[1]
        z = [a + b for a, b in zip(z, last, strict=False)]
    return z


@pytest.mark.parametrize("coupling", [-1.0, 0.0, 1.5])
def test_widom_on_the_ising_ring(coupling: float) -> None:
    sites, n = 60, 24
    model = chain([1.0], counts=(n,), supercell=(sites, 1, 1))
    pair = clusters((coupling * KT0, [(0, 0, (0, 0, 0)), (0, 0, (1, 0, 0))]))
    model = with_kra(model, interactions=Interactions(clusters=pair))
    lattice = placed(model, np.random.default_rng(4))
    lattice.run(T0, 200)
    found = chemical_potential(model, lattice, 0, T0, samples=4000, sweeps=2)
    z = ring_sums(sites, coupling * KT0, KT0)
    assert z[1] == pytest.approx(sites)
    up, down = -KT0 * math.log(z[n + 1] / z[n]), -KT0 * math.log(z[n] / z[n - 1])
    for estimate, exact in ((found.insertion, up), (found.removal, down)):
        assert estimate.stderr < 0.02 * KT0
        assert abs(float(estimate.value) - exact) < LIMIT * max(float(estimate.stderr), 1e-12)
    factor = found.thermodynamic_factor
    assert abs(float(factor.value) - n * (up - down) / KT0) < LIMIT * max(float(factor.stderr), 1e-9)

    # the closed form of the endless chain: quasi-chemical pairs, exact in one dimension
    def mu(c: float) -> float:
        root = math.sqrt(1 - 4 * c * (1 - c) * (1 - math.exp(-coupling)))
        mixed = 2 * c * (1 - c) / (1 + root)
        return math.log((1 - c) / c * (c - mixed) / (1 - c - mixed)) + coupling

    c, h = n / sites, 1e-5
    closed = c * (mu(c + h) - mu(c - h)) / (2 * h)
    assert n * (up - down) / KT0 == pytest.approx(closed, rel=0.05)
    assert abs(float(factor.value) - closed) < LIMIT * float(factor.stderr) + 0.05 * closed


def test_sticky_carriers_are_annealed_to_equilibrium() -> None:
    sites, n, coupling = 60, 24, -4.0
    model = chain([1.0], counts=(n,), supercell=(sites, 1, 1))
    pair = clusters((coupling * KT0, [(0, 0, (0, 0, 0)), (0, 0, (1, 0, 0))]))
    model = with_kra(model, interactions=Interactions(clusters=pair))
    h = 1e-4
    up, down = (math.log(ring_sums(sites, (coupling + x) * KT0, KT0)[n]) for x in (h, -h))
    exact = -(up - down) / (2 * h) * coupling * KT0  # mean energy: pairs times the energy of one
    catalog = build_catalog(model, temperature=T0)
    found = [equilibrium_lattice(catalog, seed=seed, start_temperature=2 * T0) for seed in range(24)]
    assert sum(report.equilibrated for _, report in found) > 22
    energy = np.array([lattice.energy for lattice, _ in found])
    assert abs(energy.mean() - exact) < LIMIT * energy.std() / math.sqrt(len(energy))
    assert energy.std() < 0.1 * abs(exact)
    random = LatticeMonteCarlo(
        model, [np.random.default_rng(1).permutation(sites)[:n]], np.random.default_rng(1)
    )
    assert random.energy > exact + 5 * energy.std()  # it was a long way


def test_widom_with_two_species_and_coulomb() -> None:
    model = crowd((2, 2, 1), (2, 2), seed=2, strength=0.4)

    def log_sum(change: int) -> float:
        other = replace(
            model,
            carriers=(model.carriers[0], replace(model.carriers[1], count=2 + change)),
        )
        plain = ConfigurationRates(build_catalog(other, temperature=T0))
        return math.log(np.exp(-plain.energies(configurations(other)) / KT0).sum())

    less, same, more = (log_sum(change) for change in (-1, 0, 1))
    lattice = placed(model, np.random.default_rng(6))
    lattice.run(T0, 200)
    found = chemical_potential(model, lattice, 1, T0, samples=4000, sweeps=2)
    assert found.removal.effective_samples > 200
    assert abs(float(found.insertion.value) + KT0 * (more - same)) < LIMIT * float(found.insertion.stderr)
    assert abs(float(found.removal.value) + KT0 * (same - less)) < LIMIT * float(found.removal.stderr)
    exact = 2 * (2 * same - more - less)
    factor = found.thermodynamic_factor
    assert abs(float(factor.value) - exact) < LIMIT * float(factor.stderr)
    full = chain([1.0], counts=(6,), supercell=(6, 1, 1))
    lattice = LatticeMonteCarlo(full, [np.arange(6)], np.random.default_rng(1))
    with pytest.raises(ValueError, match="nothing to put in"):
        chemical_potential(full, lattice, 0, T0)


def test_nothing_warns_when_all_is_well() -> None:
    model = replace(sticky(-0.05), initial=Initial("annealed"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        replica = Replica(
            build_catalog(model, temperature=T0), seed=np.random.SeedSequence(1), sample_interval=1.0
        )
    assert replica.annealing is not None
    assert replica.annealing.equilibrated
