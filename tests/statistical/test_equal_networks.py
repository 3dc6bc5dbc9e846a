"""Equal numbers of carriers in networks that hops do not join: kept in every replica, in equilibrium within them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from kmc_transport.engine import Replica
from kmc_transport.engine.canonical.anneal import LatticeMonteCarlo
from kmc_transport.engine.canonical.equilibration import autocorrelation_time
from kmc_transport.engine.canonical.initial import initial_configuration
from kmc_transport.engine.tables import build_tables
from kmc_transport.errors import InputError
from kmc_transport.input import load_model_text
from kmc_transport.model.interactions import Disorder, Initial, Interactions
from kmc_transport.model.islands import equal_shares, islands
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog, foretell
from kmc_transport.rates.configuration import ConfigurationRates
from kmc_transport.runs.grid import model_identity
from kmc_transport.runs.point import PointSimulation
from tests.input.interacting import IONS_AND_POLARONS
from tests.reference.configurations import configurations, weights
from tests.reference.networks import KT0, T0, chain, make_model
from tests.reference.swaps import swaps
from tests.statistical.test_anneal import clusters, coulomb, with_kra

pytestmark = pytest.mark.statistical

LIMIT = 4.0
X, Y = (1, 0, 0), (0, 1, 0)


def rows_and_layer(seed: int = 1) -> Model:
    """Two rows of four sites for the first species, all sites for the second; pairs, Coulomb and disorder."""
    rng = np.random.default_rng(seed)
    model = make_model(
        np.diag([3.0, 4, 5]),
        [[0, 0, 0]],
        [[(0, 0, X, 1.0)], [(0, 0, X, 1.0), (0, 0, Y, 1.0)]],
        counts=(2, 2),
        charges=(1, -2),
        supercell=(4, 2, 1),
    )
    e = rng.normal(0, 1.5 * KT0, 3)
    pairs = clusters(
        (e[0], [(0, 0, (0, 0, 0)), (1, 0, X)]),
        (e[1], [(0, 0, (0, 0, 0)), (1, 0, Y)]),
        (e[2], [(1, 0, (0, 0, 0)), (1, 0, X)]),
    )
    return with_kra(
        model,
        interactions=Interactions(clusters=pairs, coulomb=coulomb(1, (4, 2, 1), seed, 0.5 * KT0)),
        disorder=Disorder(site_energy=rng.normal(0, 0.7 * KT0, (2, 8))),
        initial=Initial("annealed", None, 2 * T0, 500, equal_networks=True),
    )


ROWS = [[[0, 2, 4, 6], [1, 3, 5, 7]], [[*range(8)]]]
"""Networks of `rows_and_layer`, of each species."""


def lattice_of(model: Model, seed: int) -> LatticeMonteCarlo:
    tables, rng = build_tables(build_catalog(model, temperature=T0)), np.random.default_rng(seed)
    cell, kind, _ = initial_configuration(tables, T0, rng, Initial(equal_networks=True))
    site = cell * model.structure.n_sites + tables.basis_site[tables.type_basis[kind]]
    species = tables.type_species[kind]
    sites = [site[species == s] for s in range(len(model.carriers))]
    return LatticeMonteCarlo(model, sites, rng, within_networks=True)


# ------------------------------------------------------------------------------------------- trials


@pytest.mark.parametrize("seed", [1, 2])
def test_trials_are_those_of_the_plain_code(seed: int) -> None:
    model = rows_and_layer(seed)
    plain = ConfigurationRates(build_catalog(model, temperature=T0))
    lattice = lattice_of(model, seed)
    start, sites = lattice.occupation.astype(np.int64), lattice.site_of.tolist()
    draws = np.random.Generator(type(lattice.rng.bit_generator)())
    draws.bit_generator.state = lattice.rng.bit_generator.state
    sweeps = 100
    series = lattice.run(T0, sweeps)
    found = swaps(plain.energy, start, sites, ROWS, 1 / KT0, draws.random((4 * sweeps, 3)))
    np.testing.assert_array_equal(lattice.occupation, found[0])
    np.testing.assert_allclose(series, found[1][3::4], atol=1e-12)
    assert (lattice.possible, lattice.accepted) == found[2:]
    assert found[3] > 30
    assert not np.any(start[lattice.free] * lattice.occupation[lattice.free])
    np.testing.assert_array_equal(np.sort([*lattice.free, *lattice.site_of]), lattice.open_sites)


def deviations(model: Model, states: np.ndarray, sweeps: int, seed: int) -> np.ndarray:
    """Energy and occupations against ``states`` with their Boltzmann weights, in standard errors."""
    plain = ConfigurationRates(build_catalog(model, temperature=T0))
    energy = plain.energies(np.array(states))
    p = weights(energy, KT0)
    lattice = lattice_of(model, seed)
    lattice.run(T0, 100)
    there, series = [], []
    for _ in range(sweeps):
        lattice.run(T0, 1, recount=False)
        there.append(lattice.occupation.copy())
        series.append(lattice.energy)

    def observables(s: np.ndarray, e: np.ndarray) -> np.ndarray:
        one = [s == a + 1 for a in range(2)]
        pairs = [(a[:, :3, None] & b[:, None, 3:]).reshape(len(s), -1) for a in one for b in one]
        return np.concatenate([e[:, None], *one, *pairs], axis=1).astype(float)

    found, wanted = observables(np.array(there), np.array(series)), p @ observables(states, energy)
    keep = found.std(axis=0) > 0
    error = np.array([math.sqrt(autocorrelation_time(x) * x.var() / len(x)) for x in found.T[keep]])
    return (found.mean(axis=0) - wanted)[keep] / error


def test_equilibrium_within_networks_against_enumeration() -> None:
    model = rows_and_layer()
    every = configurations(model)
    shared = np.all([(every[:, row] == 1).sum(axis=1) == 1 for row in ROWS[0]], axis=0)
    assert (len(every), shared.sum()) == (420, 240)
    z = deviations(model, every[shared], 6000, 3)
    assert len(z) > 60
    assert np.abs(z).max() < LIMIT
    assert np.abs(deviations(model, every, 6000, 3)).max() > 6  # not the equilibrium of all numbers


# ------------------------------------------------------------------------------------------- starts


@pytest.mark.parametrize("kind", ["random", "annealed"])
def test_every_replica_starts_with_equal_numbers(kind: str) -> None:
    model = rows_and_layer()
    model = replace(model, initial=replace(model.initial, kind=kind))
    assert equal_shares(model) == [1, None]
    catalog, seen = build_catalog(model, temperature=T0), set()
    for k in range(6):
        seed = np.random.SeedSequence(3, spawn_key=(k,))
        replica = Replica(catalog, seed=seed, sample_interval=float(1 / catalog.rate.max()))
        for _ in range(2):
            occupied = replica.occupation()
            assert len(set(occupied.tolist())) == 4
            assert np.bincount(occupied[replica.species == 0] % 2).tolist() == [1, 1]
            seen.add(tuple(occupied.tolist()))
            replica.advance(20)
    assert len(seen) > 6


def test_random_sites_within_networks_have_the_weights_of_their_energies() -> None:
    model = chain([1.0], counts=(2,), supercell=(3, 2, 1))
    energy = np.random.default_rng(4).normal(0, KT0, (1, 6))
    model = with_kra(model, disorder=Disorder(site_energy=energy))
    tables, rng = build_tables(build_catalog(model, temperature=T0)), np.random.default_rng(2)
    draws = [initial_configuration(tables, T0, rng, Initial(equal_networks=True))[0] for _ in range(3000)]
    found = np.bincount(np.concatenate(draws), minlength=6)
    weight = np.exp(-energy[0] / KT0).reshape(3, 2)
    p = (weight / weight.sum(axis=0)).reshape(-1)
    assert np.abs((found - 3000 * p) / np.sqrt(3000 * p * (1 - p))).max() < LIMIT


def test_others_on_the_sites_leave_room() -> None:
    """Rows of one species cross columns of the other on the same sites: most single draws find no room."""
    model = make_model(
        np.diag([3.0, 4, 5]),
        [[0, 0, 0]],
        [[(0, 0, X, 1.0)], [(0, 0, Y, 1.0)]],
        counts=(4, 4),
        supercell=(4, 4, 1),
    )
    tables = build_tables(build_catalog(model, temperature=T0))
    for seed in range(10):
        rng = np.random.default_rng(seed)
        cell, _, _ = initial_configuration(tables, T0, rng, Initial(equal_networks=True))
        assert len(set(cell.tolist())) == 8
        assert sorted(cell[:4] % 4) == sorted(cell[4:] // 4) == [0, 1, 2, 3]


CHANNELS = """
format: 1
title: ions in channels beside polarons in layers
structure:
  lattice: {a: 4.2, b: 3, c: 5.5}
  sites: {Li: [[0, 0, 0]], Fe: [[0.5, 0.5, 0.5]]}
supercell: [2, 4, 2]
carriers:
  ion: {charge: 1, sites: [Li], count: 8}
  polaron: {charge: -1, sites: [Fe], count: 8}
hops:
  - {carrier: ion, between: [Li, Li], distance: 3, barrier: {rule: kra, E_kra: 0.2 eV}, attempt_frequency: 5 THz}
  - {carrier: polaron, between: [Fe, Fe], distance: 3, barrier: {rule: kra, E_kra: 0.2 eV}, attempt_frequency: 9 THz}
  - carrier: polaron
    between: [Fe, Fe]
    distance: 5.5
    barrier: {rule: kra, E_kra: 0.2 eV}
    attempt_frequency: 9 THz
interactions:
  pairs: [{between: [ion, polaron], shell: 1, energy: -20 meV}]
initial: random
conditions:
  temperature: [600]
  field: {along: [0, 1, 0], magnitude: 0}
sampling: {events: 40000, replicas: 3, seed: 1}
"""


def channels(initial: str, count: int = 8) -> Model:
    text = CHANNELS.replace("initial: random", f"initial: {initial}").replace("count: 8", f"count: {count}")
    return load_model_text(text)


@pytest.mark.parametrize("initial", ["{networks: equal}", "{annealed: {sweeps: 300}, networks: equal}"])
def test_replicas_no_longer_differ_for_ever(initial: str) -> None:
    quenched = {}
    for given in ("random", initial):
        model = channels(given)
        point = PointSimulation(model, 600.0, [0, 0, 0], root=1)
        point.run()
        assert point.evaluation is not None
        quenched[given] = point.evaluation.quenched
        if given != "random":
            for a, part in enumerate(islands(model)):
                assert part is not None
                for r in point.replicas:
                    counts = part.counts(r.occupation()[r.species == a])
                    assert counts.tolist() == [8 // len(counts)] * len(counts)
    assert quenched == {"random": True, initial: False}


def test_check_names_it_and_says_what_follows() -> None:
    def notes(model: Model) -> str:
        return " ".join(foretell(build_catalog(model, temperature=600.0)))

    told = notes(channels("random"))
    assert "no hop joins the 4 parts of the supercell in which ion moves" in told
    assert "initial: {networks: equal} gives 2 to each" in told
    assert "polaron moves: each replica keeps the numbers in them that it starts with, 4 on average" in told
    assert "with a multiple of 4, not 7, initial: {networks: equal}" in notes(channels("random", 7))
    told = notes(channels("{networks: equal}"))
    assert "ion moves: each holds 2 in every replica" in told
    assert "scatter" not in told


def test_numbers_that_cannot_be_equal_are_refused() -> None:
    with pytest.raises(InputError) as told:
        channels("{networks: equal}", 7)
    text = str(told.value)
    for part in (
        "initial.networks: 7 carriers 'ion' cannot be shared equally by the 4 networks",
        "multiples of 4 up to 16",
        "use 4 or 8 'ion'",
        "7 carriers 'polaron' cannot be shared equally by the 2 networks",
    ):
        assert part in text
    with pytest.raises(InputError, match="allowed: equal"):
        channels("{networks: even}")
    with pytest.raises(InputError, match="networks"):
        channels("{ordered: {block: [1, 1, 1], places: {ion: [[0, 0, 0]]}}, networks: equal}")
    joined = load_model_text(IONS_AND_POLARONS.replace("initial: annealed", "initial: {networks: equal}"))
    assert any("initial.networks changes nothing" in note for note in joined.notes)


ROW = """
format: 1
title: ions in channels
structure: {lattice: {a: 4, b: 3, c: 5}, sites: {Li: [[0, 0, 0]]}}
supercell: [2, 4, 2]
carriers:
  ion: {charge: 1, sites: [Li], fraction: x}
hops:
  - {carrier: ion, between: [Li, Li], distance: 3, barrier: 0.25 eV, attempt_frequency: 5 THz}
initial: {networks: equal}
conditions: {temperature: 600, composition: {x: [0.25, 0.3125, 0.5]}, field: {along: [0, 1, 0], magnitude: 0}}
"""


def test_every_composition_must_share_equally() -> None:
    with pytest.raises(
        InputError, match=r"at x = 0.3125: 5 carriers 'ion' cannot be shared equally by the 4"
    ) as told:
        load_model_text(ROW)
    assert len(told.value.problems) == 1
    shares = [equal_shares(s) for s in load_model_text(ROW.replace("0.3125, ", "")).systems]
    assert shares == [[1], [2]]


def test_sites_that_annealing_will_take_are_refused() -> None:
    dopant = "  dopant: {charge: 1, sites: [Li], count: 2, immobile: true, arrangement: "
    text = ROW.replace("fraction: x", "count: 4").replace(", composition: {x: [0.25, 0.3125, 0.5]}", "")
    annealed, given = (
        text.replace("hops:", f"{dopant}{how}}}\nhops:")
        for how in ("{annealed: {temperature: 900}}", "{given: [[0, 0, 0], [1, 0, 0]]}")
    )
    with pytest.raises(InputError, match="known only after annealing 'dopant'"):
        load_model_text(annealed)
    assert equal_shares(load_model_text(given)) == [1]


def test_blocked_sites_count() -> None:
    model = chain([1.0], counts=(4,), supercell=(4, 2, 1))
    blocked = np.zeros(8, np.bool_)
    blocked[[0, 2, 4]] = True  # of one row a single site is left
    with pytest.raises(InputError, match=r"2 networks .*\(1 to 4 sites each\)"):
        equal_shares(replace(model, disorder=Disorder(blocked=blocked)))
    assert equal_shares(model) == [2]


def test_keys_of_points_stay_what_they_were() -> None:
    """Runs begun by an earlier version go on: an annealed start has the key that it had without the new field."""

    @dataclass(frozen=True)
    class Before:
        kind: str
        sites: None
        start_temperature: None
        sweeps: int
        equal_networks = False  # no field of it

    model = channels("annealed")
    before = replace(model, initial=Before("annealed", None, None, 10000))  # type: ignore[arg-type]
    assert model_identity(model) == model_identity(before)
    assert model_identity(model) != model_identity(channels("{annealed: {}, networks: equal}"))
