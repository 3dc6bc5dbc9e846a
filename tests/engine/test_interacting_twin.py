"""Interacting kernels against their twin, which counts every energy anew, and against `ConfigurationRates`."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.engine import Replica
from kmc_transport.engine.choice import make_backend
from kmc_transport.engine.interacting import classes, coupling, kernels_lists, lists
from kmc_transport.engine.interacting.scratch import Scratch
from kmc_transport.engine.tables import NULL
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.rates.configuration import ConfigurationRates
from tests.engine.test_engine_twin import assert_equal
from tests.reference.engine import make_reference
from tests.reference.interacting_models import nearest_pairs, random_model, with_interactions, with_rule
from tests.reference.networks import KT0, T0, lattice_gas
from tests.reference.rates import log_rate

ALGORITHMS = ("null_event", "rejection_free", "sum_tree")
SCALE = math.exp(-0.9 / KT0)  # the models' barriers are 0.1 eV instead of the 1 eV that gives rates near 1/s
KINDS = {"codes": (False, False), "disorder": (False, True), "coulomb": (True, False), "all": (True, True)}


def replica(model: Model, algorithm: str, *, seed: int = 3, field=(0.0, 0.0, 0.0), **kw) -> Replica:
    catalog = build_catalog(model, temperature=T0, field=field)
    kw.setdefault("sample_interval", 0.3 * SCALE)
    kw.setdefault("levels", 1)
    return Replica(catalog, seed=np.random.SeedSequence(seed), algorithm=algorithm, **kw)


def assert_same_run(kernel: Replica, twin: Replica) -> None:
    """Hop by hop, with energies, rates and lists as from scratch at the end."""
    assert kernel.advance(5) is twin.advance(5)
    assert_equal(kernel, twin)
    kernel.check()
    # arrays that are not in one piece would have the kernel compiled once more
    arrays = [a for a in kernel._backend._arrays.values() if isinstance(a, np.ndarray)]
    assert all(a.flags.c_contiguous for a in arrays)
    if kernel.algorithm != "null_event":
        assert_lists(kernel)
    assert abs(kernel.energy_drift) < 1e-12
    assert_rates(kernel)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    number=st.integers(0, 2**32),
    seed=st.integers(0, 2**32),
    field=st.sampled_from([0.0, 0.01, 0.2]),
    rule=st.sampled_from(["kra", "kra", "metropolis", "heat_bath"]),
)
def test_random_models(algorithm: str, kind: str, number: int, seed: int, field: float, rule: str) -> None:
    charged, disordered = KINDS[kind]
    model = random_model(number, charged=charged, disordered=disordered, rule=rule)
    kw = {"field": (field, -0.5 * field, field), "seed": seed}
    # without a barrier the rates are those of the prefactor
    kw["sample_interval"] = SCALE * (0.3 if rule == "kra" else 0.3 * math.exp(-0.1 / KT0))
    kernel, twin = (replica(model, algorithm, backend=b, **kw) for b in (make_backend, make_reference))
    assert_same_run(kernel, twin)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    number=st.integers(0, 2**32),
    seed=st.integers(0, 2**32),
    charged=st.booleans(),
    disordered=st.booleans(),
)
def test_random_models_with_an_immobile_species(
    algorithm: str, number: int, seed: int, charged: bool, disordered: bool
) -> None:
    """Hop by hop, energies of whole configurations with the immobile species in them beside those kept up to date."""
    model = random_model(number, charged=charged, disordered=disordered, held=True)
    kw = {"field": (0.01, -0.005, 0.01), "seed": seed, "sample_interval": 0.3 * SCALE}
    kernel, twin = (replica(model, algorithm, backend=b, **kw) for b in (make_backend, make_reference))
    assert_same_run(kernel, twin)
    again = Replica.restore(kernel.catalog, kernel.snapshot())
    assert again.advance(3) is kernel.advance(3)
    assert_equal(again, kernel)


def assert_rates(r: Replica) -> None:
    """Energy and open rates from scratch, against `ConfigurationRates` with unrounded energies."""
    oracle, t = ConfigurationRates(r.catalog), r._tables
    occupation = np.array(oracle.model.background)
    occupation[r.occupation()] = r.species + 1
    assert r.energy() == pytest.approx(oracle.energy(occupation), abs=1e-10)
    expected = np.zeros(len(r.catalog.rate))
    for carrier in range(r.n_carriers):
        cell = oracle.cells[r.occupation()[carrier] // oracle.n_sites]
        site = r.occupation()[carrier] % oracle.n_sites
        net = r.catalog.model.network
        for hop in np.flatnonzero((net.carrier == r.species[carrier]) & (net.origin == site)):
            if oracle.is_open(occupation, int(hop), cell):
                expected[hop] += math.exp(log_rate(oracle, occupation, int(hop), cell))
    np.testing.assert_allclose(r.open_rates(), expected, rtol=1e-8)
    assert np.all(r._backend.coupling.bound * (1 + 1e-9) >= r.open_rates() / max(1, t.number.sum()))


def test_codes_and_energies_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose surroundings can be numbered, run by energies: the same open rates along the way."""
    model = with_rule(lattice_gas("sc", 3, 9), E_kra=0.1)
    model = with_interactions(model, clusters=nearest_pairs(-KT0))
    by_code = replica(model, "rejection_free")
    monkeypatch.setattr(coupling, "MOST_CODES", 0)
    by_energy = replica(model, "rejection_free")
    assert (by_code._backend.coupling.mode, by_energy._backend.coupling.mode) == ("codes", "energies")
    for r in (by_code, by_energy):
        r.advance(10)
        r.check()
        assert r.executed > 20
    np.testing.assert_allclose(
        by_code.open_rates(),
        Scratch(by_energy._backend.coupling, by_code._backend.cells(), by_code._backend.types()).open_rates(),
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS[1:])
def test_potentials_of_sites_and_lines_for_carriers_are_the_same(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways to Coulomb energies of listed hops, beside short-range energies and disorder: equal hop by hop, also
    after a snapshot is restored."""
    models = [random_model(number, charged=True, disordered=number % 2 == 0) for number in range(8)]
    models = [m for m in models if sum(c.count for c in m.carriers) > 1]
    assert len(models) > 3
    for model in models:
        found = []
        for sites, how in ((10**9, "phi"), (0, "gradient")):
            monkeypatch.setattr(lists, "SITES_A_CARRIER", sites)
            r = replica(model, algorithm, field=(0.01, 0.0, 0.0))
            assert len(r._backend._arrays.get(how, ())) > 0
            assert ("phi" in r._backend._arrays) == (how == "phi")
            r.advance(5)
            r.check()
            assert_lists(r)
            again = Replica.restore(r.catalog, r.snapshot())
            for one in (r, again):
                one.advance(3)
            again.check()
            assert_equal(again, r)
            found.append(r)
        assert_equal(*found)


def assert_lists(r: Replica) -> None:
    """Each open hop is in a class whose bound is no less than its rate, closed ones in none; the lists are whole."""
    b, t = r._backend, r._tables
    listed, length = b["class_of"], b["length"]
    anew, closed = Scratch(r._backend.coupling, b.cells(), b.types()), np.ones(len(listed), np.bool_)
    for row in np.flatnonzero(t.hop != NULL):
        carriers = anew.open_carriers(int(row))
        entry = (carriers << b.bits) | (row % t.width)
        closed[entry] = False
        rate = r._backend.coupling.barriers.many(int(t.hop[row]), *anew.values(int(row), carriers))
        if r.algorithm == "sum_tree":
            assert np.all(b["bound_of"][entry] * (1 + 1e-9) >= rate)
        else:
            bound = np.append(b["class_bound"], 0.0)[np.minimum(listed[entry], len(length))]
            assert np.all(bound * (1 + 1e-9) >= rate)
    assert np.all(listed[closed] == kernels_lists.CLOSED)
    if r.algorithm == "sum_tree":
        return
    chunks, room = int(b["scheme"].chunks), int(b["scheme"].room)
    for c in np.flatnonzero(
        np.bincount(listed[listed < kernels_lists.NEVER], minlength=len(length)) + length
    ):
        own = np.flatnonzero(listed == c)
        assert len(own) == length[c]
        n = b["where"][own].astype(np.int64)
        place = (
            b["directory"][c * chunks + (n >> 8)].astype(np.int64) << 8 | n & 255 if chunks else c * room + n
        )
        np.testing.assert_array_equal(b["pool"][place], own)


@pytest.mark.parametrize("pool", [0, lists.FLAT_POOL])
@pytest.mark.parametrize("exact", [0, classes.MOST_EXACT])
def test_cold_gas(pool: int, exact: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strong coupling: hops that have become slower keep their class until they are chosen in vain. Lists with room
    for all hops and made of chunks, classes of one rate and of factors of two: twins equal, nothing lost."""
    monkeypatch.setattr(lists, "FLAT_POOL", pool)
    monkeypatch.setattr(classes, "MOST_EXACT", exact)
    model = with_rule(lattice_gas("sc", 6, 60, rate=math.exp(-1 / KT0)), "metropolis")
    model = with_interactions(model, clusters=nearest_pairs(-5 * KT0))
    a, b = (
        replica(model, "rejection_free", sample_interval=0.4, backend=b)
        for b in (make_backend, make_reference)
    )
    for r in (a, b):
        r.advance(2)
        assert 0.3 < r.executed / r.attempted <= 1.0
        assert r.executed < r.attempted or not exact
    assert a.executed > 40
    assert_equal(a, b)
    a.check()
    assert_lists(a)


def test_twin_catches_a_wrong_energy() -> None:
    """Negative control: pair energies 10 % larger are seen."""
    model = with_rule(lattice_gas("sc", 3, 9), E_kra=0.1)
    wrong = with_interactions(model, clusters=nearest_pairs(-1.1 * KT0))
    model = with_interactions(model, clusters=nearest_pairs(-KT0))
    a, b = replica(model, "rejection_free"), replica(wrong, "rejection_free", backend=make_reference)
    a.advance(10)
    b.advance(10)
    with pytest.raises(AssertionError):
        assert_equal(a, b)
