"""Exact transport coefficients against closed forms, published values and brute force."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from kmc_transport.errors import InputError, KmcTransportError, TooManyStates
from kmc_transport.exact import applies, exact_values, sensitivity, solve_exact
from kmc_transport.exact.solve import largest_work
from kmc_transport.exact.states import count_states, enumerate_states
from kmc_transport.model.model import Model, frozen_array
from kmc_transport.rates import build_catalog
from kmc_transport.sources.vibrations import AttemptFrequency
from tests.reference.master_equation import all_configurations, group_inverse
from tests.reference.networks import KT0, LATTICES, T0, chain, excluding_species, lattice_gas, make_model


def solve(model, field=(0.0, 0.0, 0.0), **kw):
    return solve_exact(build_catalog(model, temperature=T0, field=field), **kw)


def derrida(p, q):
    """Drift and diffusion of a periodic chain of N sites, unit spacing; p[i]: i → i+1, q[i]: i → i-1.

    Derrida, J. Stat. Phys. 31, 433 (1983), eqs 45-49.
    """
    n = len(p)
    r, u = np.empty(n), np.empty(n)
    for i in range(n):
        r[i] = (
            1 + sum(np.prod([q[(i + j) % n] / p[(i + j) % n] for j in range(1, m + 1)]) for m in range(1, n))
        ) / p[i]
        u[i] = (
            1
            + sum(
                np.prod([q[(i + 1 - j) % n] / p[(i - j) % n] for j in range(1, m + 1)]) for m in range(1, n)
            )
        ) / p[i]
    v = n / r.sum() * (1 - np.prod(q / p))
    inner = sum(u[i] * sum(k * r[(i + k) % n] for k in range(1, n + 1)) for i in range(n))
    d = (v * inner + n * (p * u * r).sum()) / r.sum() ** 2 - v * (n + 2) / 2
    return v, d


# weak fields ---------------------------------------------------------------------------------------------


def asymmetric() -> Model:
    """Without an inversion centre v/E has a part that is linear in E."""
    return excluding_species(saddle_fraction=0.3)


def two_rates() -> Model:
    return chain([1.0, 3.0])


def small_square() -> Model:
    return lattice_gas("square", 3, 3)


@cache
def without_field(make: Callable[[], Model]) -> tuple[np.ndarray, np.ndarray]:
    """Mobilities along x, and the shares of the barriers in them: what all weak fields are compared with."""
    model = make()
    share = sensitivity(model, temperature=T0, direction=[1, 0, 0]).share
    return solve(model).mobility_einstein[:, 0, 0], share


@pytest.mark.parametrize("make", [two_rates, asymmetric, small_square])
@pytest.mark.parametrize("power", [-80, -20, -13, -9, -7, -5.9, -4])
def test_no_field_is_too_weak(make, power):
    """Mobility, differential mobility and sensitivity go over into those without field, to eight digits."""
    model = make()
    whole = largest_work(build_catalog(model, temperature=T0, field=[1.0, 0, 0]))
    field = np.array([10.0**power / whole, 0, 0])
    weakest, share = without_field(make)
    beyond = 10.0**power  # of the order of what is linear in the field
    answer = solve(model, field)
    np.testing.assert_allclose(answer.mobility_along_field, weakest, rtol=1e-8 + 2 * beyond)
    np.testing.assert_allclose(answer.drift_velocity[:, 0] / field[0], weakest, rtol=1e-8 + 2 * beyond)
    values = exact_values(build_catalog(model, temperature=T0, field=field), [[1, 0, 0]])
    np.testing.assert_allclose(values["differential_mobility"] * 1e20, weakest, rtol=1e-8 + 4 * beyond)
    found = sensitivity(model, temperature=T0, field=field[0], direction=[1, 0, 0])
    np.testing.assert_allclose(found.share, share, atol=1e-6 + 10 * beyond)


def test_where_weak_fields_begin():
    """What is linear in the field is in the mobility on both sides of the limit, up to what rounding leaves of it."""
    model = asymmetric()
    whole = largest_work(build_catalog(model, temperature=T0, field=[1.0, 0, 0]))
    weakest = solve(model).mobility_einstein[:, 0, 0]
    slopes = []
    for work in (0.9e-6, 1.1e-6, 1e-4):
        field = work / whole
        slopes.append((solve(model, [field, 0, 0]).mobility_along_field / weakest - 1) / work)
    assert np.abs(slopes[2]).min() > 0.05
    np.testing.assert_allclose(slopes[:2], [slopes[2]] * 2, rtol=0.4)


# one carrier, closed forms -------------------------------------------------------------------------------


@pytest.mark.parametrize("field", [0.0, 2e-3, -0.05, 0.3])
def test_derrida_chain_with_random_barriers_and_site_energies(field):
    rng = np.random.default_rng(3)
    n, a = 7, 1.7
    model = chain(np.exp(rng.normal(size=n)), a=a, site_energy=0.05 * rng.normal(size=n))
    catalog = build_catalog(model, temperature=T0, field=(field, 0, 0))
    p, q = catalog.rate[0::2], np.roll(catalog.rate[1::2], 1)
    v, d = derrida(p, q)
    got = solve_exact(catalog)
    scale = a * p.max()
    np.testing.assert_allclose(got.drift_velocity[0], [v * a, 0, 0], rtol=1e-11, atol=1e-13 * scale)
    np.testing.assert_allclose(got.collective_diffusivity[0, 0, 0, 0], d * a**2, rtol=1e-9)
    np.testing.assert_array_equal(got.tracer_diffusivity[0], got.collective_diffusivity[0, :, 0])
    wrong = np.where(np.arange(n) == got.occupation[0].argmax(), 1.05, 1.0)
    assert abs(derrida(p * wrong, q * wrong)[1] / d - 1) > 1e-3  # rates of one site 5 % wrong: it shows


def test_biased_two_site_chain():
    a1, b1, a2, b2 = 3.0, 0.5, 1.0, 0.2  # forward, backward across bond 1 (inside the cell) and 2
    model = chain([1.0, 1.0])
    catalog = build_catalog(model, temperature=T0)
    rate = np.array([a1, b1, a2, b2])
    field = frozen_array([1e-3, 0, 0], float)  # only says that detailed balance does not hold
    catalog = replace(catalog, rate=rate, log_rate=np.log(rate), field=field)
    got = solve_exact(catalog)
    v = 2 * (a1 * a2 - b1 * b2) / (a1 + a2 + b1 + b2)
    d = 2 * (a1 * a2 + b1 * b2) / (a1 + a2 + b1 + b2) - v**2 / (a1 + a2 + b1 + b2)
    np.testing.assert_allclose(got.drift_velocity[0, 0], v, rtol=1e-13)
    np.testing.assert_allclose(got.collective_diffusivity[0, 0, 0, 0], d, rtol=1e-13)
    np.testing.assert_allclose(got.occupation[0, 0], (a2 + b1) / (a1 + a2 + b1 + b2), rtol=1e-13)


@pytest.mark.parametrize("traps", [False, True])
def test_random_barriers_and_random_traps_over_many_decades(traps):
    """D = a² / (<exp(-E/kT)> <1/K>), K_i = exp(-E_i/kT) w_i: both averages over the sites."""
    rng = np.random.default_rng(8)
    n, a = 16, 2.0
    energy = -rng.uniform(0, 0.7, n) if traps else np.zeros(n)
    rates = 10 ** (rng.uniform(-20, 3, n) if not traps else rng.uniform(-1, 1, n)) * np.exp(energy / KT0)
    got = solve(chain(rates, a=a, site_energy=energy))
    boltzmann = np.exp(-energy / KT0)
    want = a**2 / (boltzmann.mean() * (1 / (boltzmann * rates)).mean())
    np.testing.assert_allclose(got.collective_diffusivity[0, 0, 0, 0], want, rtol=1e-11)
    np.testing.assert_allclose(got.occupation[0], boltzmann / boltzmann.sum(), rtol=1e-10)
    assert not got.drift_velocity.any()
    assert got.mobility is None


def test_anisotropic_lattices():
    lattice = np.array([[3.0, 0, 0], [0.5, 4.0, 0], [0.2, -0.3, 5.0]])
    rates = np.array([2.0, 1e-3, 1e-6])
    model = make_model(
        lattice, [[0, 0, 0]], [(0, 0, c, r) for c, r in zip(np.eye(3, dtype=int), rates, strict=True)]
    )
    got = solve(model).collective_diffusivity[0, :, 0]
    np.testing.assert_allclose(got, np.einsum("n,ni,nj->ij", rates, lattice, lattice), rtol=1e-13)
    field = np.array([0.01, -0.02, 0.03])
    driven = solve(model, field)
    x = lattice @ field / KT0
    np.testing.assert_allclose(driven.drift_velocity[0], (2 * rates * np.sinh(x / 2)) @ lattice, rtol=1e-12)
    want = np.einsum("n,ni,nj->ij", rates * np.cosh(x / 2), lattice, lattice)
    np.testing.assert_allclose(driven.collective_diffusivity[0, :, 0], want, rtol=1e-12)
    np.testing.assert_allclose(driven.mobility[0], driven.drift_velocity[0] / np.linalg.norm(field))
    along = driven.drift_velocity[0] @ field / (field @ field)
    np.testing.assert_allclose(driven.mobility_along_field[0], along)


def lei_abate_chain(**kw):
    model = chain([1.0], a=2.665, **kw)
    hop = replace(
        model.hop_classes[0],
        barrier_forward=0.242,
        barrier_reverse=0.242,
        attempt_frequency=AttemptFrequency.constant(6.12e12),
    )
    return replace(model, hop_classes=(hop,))


def test_split_hole_polaron_of_lei_and_abate():
    """D and mobility of eqs 2-5 for a = 2.665 Å, 0.242 eV, 6.12 THz; the printed D is 2.2 % off."""
    model = lei_abate_chain()
    room = solve_exact(build_catalog(model, temperature=298.0))
    assert room.collective_diffusivity[0, 0, 0, 0] * 1e-16 == pytest.approx(3.5111e-7, rel=2e-5)  # cm²/s
    assert room.mobility_einstein[0, 0, 0] * 1e-16 == pytest.approx(1.3673e-5, rel=4e-5)  # cm²/(V s)
    hot = solve_exact(build_catalog(model, temperature=500.0))
    assert hot.mobility_einstein[0, 0, 0] * 1e-16 == pytest.approx(3.6690e-4, rel=2e-5)
    twice = replace(model, hop_classes=(replace(model.hop_classes[0], channels=2),))
    doubled = solve_exact(build_catalog(twice, temperature=298.0))
    np.testing.assert_allclose(doubled.collective_diffusivity, 2 * room.collective_diffusivity, rtol=1e-14)


@pytest.mark.parametrize("charge", [1.0, -2.0])
@pytest.mark.parametrize("name", ["honeycomb", "diamond", "fcc"])
def test_weak_field_mobility_is_the_einstein_mobility(name, charge):
    model = lattice_gas(name, 2, 1, charges=(charge,))
    direction = np.array([1.0, 2.0, -1.0 if name != "honeycomb" else 0.0])
    direction /= np.linalg.norm(direction)
    rest = solve(model)
    driven = solve(model, 1e-6 * direction)
    np.testing.assert_allclose(driven.mobility[0], rest.mobility_einstein[0] @ direction, rtol=1e-6)
    want = charge * rest.collective_diffusivity[0, :, 0] / KT0
    np.testing.assert_allclose(rest.mobility_einstein[0], want, rtol=1e-12)
    assert np.sign(driven.mobility_along_field[0]) == np.sign(charge)


# many carriers, closed forms -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "n"), [("square", 4, 3), ("sc", 2, 3), ("fcc", 2, 4), ("honeycomb", 2, 3)]
)
def test_hard_core_gas_charge_diffusion(name, size, n):
    """D per carrier = that of one carrier x (N - n)/(N - 1)."""
    model = lattice_gas(name, size, n)
    sites = model.n_cells * model.structure.n_sites
    alone = solve(lattice_gas(name, size, 1)).collective_diffusivity[0, :, 0]
    got = solve(model)
    np.testing.assert_allclose(
        got.collective_diffusivity[0, :, 0], alone * (sites - n) / (sites - 1), rtol=1e-11, atol=1e-14
    )
    np.testing.assert_allclose(got.charge_diffusivity, got.collective_diffusivity[0, :, 0])
    np.testing.assert_allclose(got.occupation[0], 1 / model.structure.n_sites)
    assert got.tracer_diffusivity is None


@pytest.mark.parametrize(("sites", "n"), [(2, 1), (5, 1), (5, 2), (8, 5), (6, 6)])
def test_driven_exclusion_on_a_ring(sites, n):
    field, a = 0.03, 1.3
    model = chain([2.0], a=a, supercell=(sites, 1, 1), counts=(n,))
    p, q = (2 * math.exp(s * field * a / (2 * KT0)) for s in (1, -1))
    got = solve(model, (field, 0, 0), dilute=False, tracer=True)
    np.testing.assert_allclose(got.drift_velocity[0, 0], a * (p - q) * (sites - n) / (sites - 1), rtol=1e-12)
    crossed = solve(model, (field, 0, 0), dilute=False).drift_velocity
    np.testing.assert_allclose(got.drift_velocity, crossed, rtol=1e-13)
    if n < sites:  # single file: after long times all move together, D* is D_aa/n
        np.testing.assert_allclose(
            got.tracer_diffusivity[0, 0, 0], got.collective_diffusivity[0, 0, 0, 0] / n, rtol=1e-10
        )


def vacancy_by_hand(name, size):
    """f_N = (N - 1) D_tracer/D_vacancy from states (vacancy, tracer), written out without the package."""
    vectors, frac, bonds = LATTICES[name]
    dims = (size, size, 1 if name in ("square", "honeycomb") else size)
    cart, places = np.array(vectors), [(*c, s) for c in product(*map(range, dims)) for s in range(len(frac))]
    index = {p: i for i, p in enumerate(places)}
    number = len(places)
    directed = [(i, j, np.array(c)) for i, j, c in bonds] + [(j, i, -np.array(c)) for i, j, c in bonds]
    o, t, move = [], [], []
    for vacancy, tracer in product(range(number), repeat=2):
        if vacancy == tracer:
            continue
        *cell, site = places[vacancy]
        for i, j, c in directed:
            if i != site:
                continue
            new = index[(*((np.array(cell) + c) % dims), j)]
            step = (np.array(frac[j]) + c - np.array(frac[i])) @ cart
            o.append(vacancy * number + tracer)
            t.append(new * number + (vacancy if new == tracer else tracer))
            move.append(np.r_[step, -step if new == tracer else 0 * step])
    names, flat = np.unique(np.r_[o, t], return_inverse=True)
    o, t = flat[: len(o)], flat[len(o) :]
    d = group_inverse(len(names), o, t, np.ones(len(o)), np.array(move))[2]
    return (number - 1) * d[3, 3] / d[0, 0]


@pytest.mark.parametrize(
    ("name", "size", "want"),
    [
        ("square", 4, 17 / 31),
        ("sc", 4, 0.67539267),
        ("square", 3, None),
        ("honeycomb", 3, None),
        ("diamond", 2, None),
        ("bcc", 2, None),
        ("fcc", 2, None),
    ],
)
def test_vacancy_correlation_factor_of_finite_cells(name, size, want):
    """N - 1 atoms on N sites; f_N = (N - 1) D_tracer/D_vacancy tends to the textbook value as N grows."""
    vacancy = solve(lattice_gas(name, size, 1)).tracer_diffusivity[0]
    sites = lattice_gas(name, size, 1)
    number = sites.n_cells * sites.structure.n_sites
    atoms = solve(lattice_gas(name, size, number - 1), tracer=True)
    f = (number - 1) * atoms.tracer_diffusivity[0, 0, 0] / vacancy[0, 0]
    assert f == pytest.approx(vacancy_by_hand(name, size) if want is None else want, rel=1e-8)
    # the atoms together move as the one vacancy does
    np.testing.assert_allclose(
        (number - 1) * atoms.collective_diffusivity[0, :, 0], vacancy, rtol=1e-9, atol=1e-13
    )
    assert atoms.n_states == (number - 1) * sites.structure.n_sites


def test_vacancy_factors_approach_the_infinite_lattice():
    found = []
    for size in (4, 6, 8):
        sites = size**3
        d = solve(lattice_gas("sc", size, sites - 1), tracer=True).tracer_diffusivity[0, 0, 0]
        found.append((sites - 1) * d)
    errors = np.array(found) - 0.65310884
    assert (errors[1:] < 0.5 * errors[:-1]).all()
    extrapolated = found[2] + (found[2] - found[1]) / ((8 / 6) ** 3 - 1)
    assert extrapolated == pytest.approx(0.65310884, abs=4e-4)


# brute force ---------------------------------------------------------------------------------------------


def small_random_model(seed, *, two_species):
    rng = np.random.default_rng(seed)
    lattice = np.eye(3) * [2.0, 3.0, 9.0] + 0.3 * rng.normal(size=(3, 3)) * [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    n_sites = int(rng.integers(1, 3))
    frac = np.c_[rng.random((n_sites, 2)), np.zeros(n_sites)]
    shapes = [(1, 1, 1), (2, 1, 1), (3, 1, 1), (1, 2, 1), (1, 3, 1), (2, 2, 1), (3, 2, 1)]
    supercell = shapes[int(rng.integers(0, 7 if n_sites == 1 else 5))]  # six places at most
    species = 2 if two_species else 1
    edges = []
    for _ in range(species):
        own = [(0, 0, (1, 0, 0), rng.random() + 0.2), (0, 0, (0, 1, 0), rng.random() + 0.2)]
        if n_sites == 2:
            own += [(0, 1, (0, 0, 0), rng.random() + 0.2), (0, 1, (-1, 0, 0), rng.random() + 0.2)]
            own += [(1, 1, (1, 1, 0), rng.random() + 0.2)]
        edges.append(own)
    places = supercell[0] * supercell[1] * n_sites
    counts = [1 + int(rng.integers(0, 2)) for _ in range(species)]
    while sum(counts) > max(places - 1, species):
        counts[int(np.argmax(counts))] -= 1
    if sum(counts) > places:
        return None
    return make_model(
        lattice,
        frac,
        edges,
        counts=counts,
        charges=[1.0, -2.0][:species],
        supercell=supercell,
        site_energy=0.03 * rng.normal(size=(species, n_sites)),
        saddle_fraction=0.4,
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**6), st.booleans(), st.booleans())
def test_small_cells_against_brute_force(seed, two_species, driven):
    """Own periodic images, parallel links in cells of one or two, several species, tagged carriers."""
    model = small_random_model(seed, two_species=two_species)
    if model is None:
        reject()
    counts = np.array([c.count for c in model.carriers])
    catalog = build_catalog(model, temperature=T0, field=(0.02, -0.01, 0) if driven else (0, 0, 0))
    tagged = int(np.argmax(counts))
    try:
        got = solve_exact(catalog, dilute=False, tracer=True)
    except KmcTransportError as error:
        if "never reach each other" not in str(error):
            raise
        reject()  # e.g. one file of two species: their order stays
    drift, diffusion = all_configurations(catalog, tagged=tagged)
    root = np.sqrt(counts)
    size = catalog.rate.max() * 10
    np.testing.assert_allclose(got.drift_velocity, drift / counts[:, None], rtol=1e-8, atol=1e-11 * size)
    want = diffusion[:-1, :, :-1] / (root[:, None, None, None] * root[:, None])
    np.testing.assert_allclose(got.collective_diffusivity, want, rtol=1e-8, atol=1e-9 * size)
    np.testing.assert_allclose(
        got.tracer_diffusivity[tagged], diffusion[-1, :, -1], rtol=1e-8, atol=1e-9 * size
    )
    # carriers of one species are alike: one of them carries 1/N of what the species shares with any other
    together = diffusion[tagged, :, -1]
    np.testing.assert_allclose(
        together, diffusion[tagged, :, tagged] / counts[tagged], rtol=1e-7, atol=1e-9 * size
    )
    np.testing.assert_allclose(got.occupation.sum(axis=1), 1.0)
    # symmetric in (species, axis) pairs; positive semidefinite
    flat = got.collective_diffusivity.reshape(3 * len(counts), -1)
    np.testing.assert_allclose(flat, flat.T, atol=1e-12 * size)
    assert np.linalg.eigvalsh(flat).min() > -1e-10 * size


def two_species_square(rates=(1.0, 0.1), counts=(2, 3)):
    bonds = LATTICES["square"][2]
    return make_model(
        LATTICES["square"][0],
        [[0, 0, 0]],
        [[(i, j, c, r) for i, j, c in bonds] for r in rates],
        counts=counts,
        charges=(1.0, -1.0),
        supercell=(3, 3, 1),
        periodic=(True, True, False),
    )


def test_species_that_block_each_other():
    """Linear response with all species in the field = Einstein mobility with the cross terms (Onsager)."""
    model = two_species_square()
    rest = solve(model)
    d = rest.collective_diffusivity
    assert abs(d[0, 0, 1, 0]) > 1e-3  # the cross term is there
    np.testing.assert_allclose(d[0, :, 1], d[1, :, 0].T, rtol=1e-10, atol=1e-13)
    direction = np.array([0.6, 0.8, 0])
    driven = solve(model, 1e-5 * direction)
    want = rest.mobility_einstein @ direction
    np.testing.assert_allclose(driven.mobility, want, rtol=1e-5, atol=1e-10)
    own = rest.collective_diffusivity[0, 0, 0, 0] / KT0
    assert abs(own / rest.mobility_einstein[0, 0, 0] - 1) > 0.01  # q D_aa/kT alone would be wrong
    swapped = solve(two_species_square(rates=(1.05, 0.1)))
    assert not np.allclose(swapped.collective_diffusivity, d, rtol=1e-3)


def test_equal_species_are_a_coloured_gas():
    """Two species with the same rates: collective motion of all is that of the plain gas; D* agree."""
    model = two_species_square(rates=(1.0, 1.0), counts=(2, 3))
    plain = solve(lattice_gas("square", 3, 5), tracer=True)
    coloured = solve(model, tracer=True)
    weight = np.sqrt([2, 3])
    total = np.einsum("a,aibj,b->ij", weight, coloured.collective_diffusivity, weight) / 5
    np.testing.assert_allclose(total, plain.collective_diffusivity[0, :, 0], rtol=1e-10, atol=1e-13)
    for a in range(2):
        np.testing.assert_allclose(
            coloured.tracer_diffusivity[a], plain.tracer_diffusivity[0], rtol=1e-9, atol=1e-13
        )


def test_dilute_takes_each_species_alone():
    model = two_species_square()
    got = solve(model, dilute=True)
    assert got.dilute
    assert got.n_states == 1
    np.testing.assert_allclose(got.collective_diffusivity[0, 0, 0, 0], 1.0)
    np.testing.assert_allclose(got.collective_diffusivity[1, 0, 1, 0], 0.1)
    assert not got.collective_diffusivity[0, :, 1].any()
    np.testing.assert_allclose(got.charge_diffusivity[0, 0], (2 * 1.0 + 3 * 0.1) / 5)
    np.testing.assert_array_equal(got.number, [2, 3])


# parts that never meet -----------------------------------------------------------------------------------


def channels(rates, *, counts=(1,), **kw):
    """Parallel 1D channels along x, side by side in one cell, never linked."""
    n = len(rates)
    edges = []
    for c, rate in enumerate(rates):
        edges += [(2 * c, 2 * c + 1, (0, 0, 0), rate), (2 * c + 1, 2 * c, (1, 0, 0), rate)]
    frac = [[x, c / n, 0] for c in range(n) for x in (0, 0.5)]
    return make_model(np.diag([6.0, 10.0, 5.0]), frac, edges, counts=counts, **kw)


def test_equivalent_channels_are_merged():
    model = channels([1.0, 1.0])
    got = solve(model, (0.01, 0, 0))
    alone = solve(channels([1.0]), (0.01, 0, 0))
    np.testing.assert_allclose(got.drift_velocity, alone.drift_velocity, rtol=1e-13)
    np.testing.assert_allclose(
        got.collective_diffusivity, alone.collective_diffusivity, rtol=1e-13, atol=1e-13
    )
    np.testing.assert_allclose(got.occupation[0], 0.25)


def test_channels_that_differ_are_refused():
    with pytest.raises(KmcTransportError, match=r"never reach each other.*site 0 \(s0\).*site 2 \(s2\)"):
        solve(channels([1.0, 1.05]))
    two = channels([1.0, 1.0], counts=(2,))
    with pytest.raises(KmcTransportError, match="never reach each other"):
        solve(two)  # both in one channel, or one in each
    assert exact_values(build_catalog(two, temperature=T0), np.eye(3)) == {}


def test_a_carrier_that_cannot_move():
    stuck = make_model(np.eye(3) * 4, [[0, 0, 0], [0.5, 0, 0]], [(0, 1, (0, 0, 0), 1.0)])
    got = solve(stuck, (0.01, 0, 0))
    assert not got.drift_velocity.any()
    assert not got.collective_diffusivity.any()
    np.testing.assert_allclose(got.occupation[0, 1] / got.occupation[0, 0], math.exp(0.01 * 2 / KT0))
    full = solve(lattice_gas("square", 3, 9))
    assert not full.collective_diffusivity.any()


# counting ------------------------------------------------------------------------------------------------


def test_states_are_counted_before_they_are_listed():
    rng = np.random.default_rng(2)
    for _ in range(30):
        n_sites, species = 3, 2
        allowed = rng.random((species, n_sites)) < 0.7
        allowed[:, 0] = True
        counts = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
        model = make_model(
            np.diag([6.0, 5, 5]),
            [[i / 3, 0, 0] for i in range(3)],
            [[(0, 0, (1, 0, 0), 1.0)], [(0, 0, (1, 0, 0), 1.0)]],
            counts=counts,
            supercell=(2, 1, 1),
            allowed=allowed,
        )
        for anchor in (None, 0, 1):
            n = count_states(model, counts, anchor, model.supercell)
            if n:
                space = enumerate_states(model, counts, anchor, model.supercell, 10**6)
                assert space.n_states == n
                np.testing.assert_array_equal(space.site_count.sum(axis=2), np.tile(counts, (n, 1)))


def test_too_many_states_are_refused_with_their_number():
    model = lattice_gas("square", 6, 18)
    assert applies(model, 20000) is None
    with pytest.raises(TooManyStates) as caught:
        solve(model)
    assert caught.value.n_states == math.comb(35, 17)
    huge = lattice_gas("sc", 254, 1_638_706)  # 10 % of 16 million sites: bounded, not counted
    assert applies(huge) is None
    with pytest.raises(TooManyStates, match="1638706 carriers"):
        solve(huge)
    assert applies(lattice_gas("sc", 254, 1)) == 1
    assert applies(build_catalog(lattice_gas("square", 4, 8), temperature=T0)) == 6435
    assert exact_values(build_catalog(model, temperature=T0), np.eye(3)) == {}


def test_thousands_of_states_by_the_sparse_solve():
    got = solve(lattice_gas("square", 4, 8), (0.02, 0, 0))
    p, q = math.exp(0.01 / KT0), math.exp(-0.01 / KT0)
    np.testing.assert_allclose(got.drift_velocity[0, 0], (p - q) * 8 / 15, rtol=1e-10)
    rest = solve(lattice_gas("square", 4, 8))
    np.testing.assert_allclose(rest.collective_diffusivity[0, 0, 0, 0], 8 / 15, rtol=1e-10)
    assert rest.n_states == 6435


# what is not consistent ----------------------------------------------------------------------------------


def test_a_displacement_wrong_in_sign_is_found():
    model = chain([1.0, 2.0, 3.0])
    vector = model.network.vector.copy()
    vector[2] *= -1
    vector[3] *= -1
    catalog = build_catalog(model, temperature=T0)
    wrong = replace(model, network=replace(model.network, vector=frozen_array(vector, float)))
    with pytest.raises(InputError, match="do not add up"):
        solve_exact(replace(catalog, model=wrong))


def test_site_dipoles_do_not_matter():
    """A function of the sites added to the hop vectors cancels round loops: D and v stay."""
    model = chain([1.0, 2.0, 3.0])
    shift = np.array([[0.3, 0, 0], [-0.1, 0.2, 0], [0, 0, 0]])
    net = model.network
    moved = replace(net, vector=frozen_array(net.vector + shift[net.target] - shift[net.origin], float))
    catalog = build_catalog(model, temperature=T0)
    a, b = solve_exact(catalog), solve_exact(replace(catalog, model=replace(model, network=moved)))
    np.testing.assert_array_equal(a.collective_diffusivity, b.collective_diffusivity)


# beside the simulation -----------------------------------------------------------------------------------


def test_values_for_the_result_file_in_si_units():
    model = lei_abate_chain(supercell=(1000, 1, 1))
    values = exact_values(build_catalog(model, temperature=298.0), [[1, 0, 0], [-1, 0, 0], [0, 1, 0]])
    assert values["tracer_diffusivity"][0, 0, 0] == pytest.approx(3.5111e-11, rel=2e-5)  # m²/s
    np.testing.assert_allclose(values["mobility_einstein"][:, 0], [1.3673e-9, 1.3673e-9, 0], rtol=4e-5)
    np.testing.assert_array_equal(values["haven_ratio"], [[1, np.nan, np.nan]])
    np.testing.assert_allclose(values["correlation_factor"], [[1, np.nan, np.nan]])
    assert "mobility" not in values
    assert "conductivity" not in values  # a chain has no volume
    driven = exact_values(build_catalog(model, temperature=298.0, field=(-1e-3, 0, 0)), np.eye(3))
    assert driven["mobility"][0] == pytest.approx(1.3673e-9, rel=2e-3)
    assert driven["drift_velocity"][0, 0] < 0
    assert "mobility_einstein" not in driven


def test_correlation_factor_and_conductivity_values():
    model = lattice_gas("sc", 3, 26)
    values = exact_values(build_catalog(model, temperature=T0), np.eye(3))
    f = 26 * solve(model, tracer=True).tracer_diffusivity[0, 0, 0]  # the vacancy's D is 1 Å²/s
    np.testing.assert_allclose(values["correlation_factor"][0], f, rtol=1e-10)
    # sigma = n q² D/kT in SI: 26 carriers in 27 Å³, D per carrier 1/26 Å²/s
    e, volume = 1.602176634e-19, 27e-30
    want = 26 * e**2 / volume * (1 / 26) * 1e-20 / (KT0 * e)
    np.testing.assert_allclose(values["conductivity"].diagonal(), want, rtol=1e-9)
    assert values["collective_diffusivity"].shape == (1, 3, 1, 3)
    few = exact_values(build_catalog(lattice_gas("diamond", 2, 15), temperature=T0), np.eye(3), 20)
    assert "collective_diffusivity" in few  # 16 configurations; 30 with a tagged carrier
    assert "tracer_diffusivity" not in few


def test_import_is_light():
    code = (
        "import sys, kmc_transport.exact; print(*{'scipy', 'numba', 'pymatgen', 'xarray'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_an_answer_says_of_which_system_it_is():
    """One carrier alone is another system than several on a lattice, and never passes for them."""
    crowd, one = lattice_gas("square", 3, 7), lattice_gas("square", 3, 1)
    whole, alone = solve(crowd), solve(crowd, dilute=True)
    assert (whole.method, whole.is_other_system) == ("all configurations", False)
    assert (alone.method, alone.is_other_system) == ("one carrier alone (dilute limit)", True)
    assert whole.mobility_einstein[0, 0, 0] < 0.3 * alone.mobility_einstein[0, 0, 0]  # (N - n)/(N - 1) = 1/4
    for answer in (solve(one), solve(one, dilute=True)):
        assert (answer.method, answer.is_other_system) == ("single carrier", False)
    for dilute, told in ((None, "all configurations"), (True, "one carrier alone (dilute limit)")):
        found = sensitivity(crowd, temperature=T0, direction=[1, 0, 0], dilute=dilute)
        assert (found.method, found.is_other_system) == (told, dilute is True)


def test_too_many_configurations_are_refused_with_the_way_out():
    crowd = lattice_gas("square", 9, 60)
    with pytest.raises(TooManyStates, match="exact --dilute; dilute=True"):
        solve(crowd)
    assert solve(crowd, dilute=True).is_other_system
    with pytest.raises(TooManyStates) as caught:  # there the way out would be none
        solve(lattice_gas("square", 9, 1), dilute=False, max_states=0)
    assert "--dilute" not in str(caught.value)
