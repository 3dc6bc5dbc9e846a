"""Onsager matrix, transference numbers and D of neutral units against forces on one species at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kmc_transport.exact import exact_values, solve_exact, thermodynamic_factor
from kmc_transport.exact.ensemble import jump_rates
from kmc_transport.exact.onsager import jump_diffusivity, onsager_matrix, transference_numbers
from kmc_transport.exact.states import enumerate_states
from kmc_transport.model.formula import neutral_unit
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.units import E_CHARGE
from tests.reference.interacting_models import (
    ion_and_polaron,
    nearest_pairs,
    with_interactions,
    with_rule,
)
from tests.reference.networks import KT0, T0, chain

WEAK = 1e-6 * KT0
"""eV/Å: what is not linear in it is beyond the digits."""


def currents(model: Model, force: tuple[float, float]) -> np.ndarray:
    """(S,) N_a v_a along x, Å/s, per unit of field, with ``force`` times the field on each carrier of a species."""
    carriers = tuple(replace(c, charge=f) for c, f in zip(model.carriers, force, strict=True))
    catalog = build_catalog(replace(model, carriers=carriers), temperature=T0, field=[WEAK, 0, 0])
    exact = solve_exact(catalog)
    return exact.drift_velocity[:, 0] * exact.number / WEAK


@pytest.fixture(scope="module", params=[(1, 1), (2, 1)], ids=["one pair", "two ions, one polaron"])
def model(request: pytest.FixtureRequest) -> Model:
    return ion_and_polaron(6, counts=request.param)


@pytest.fixture(scope="module")
def onsager(model: Model) -> np.ndarray:
    """(2, 2) V L_ab along x, from fluctuations at rest."""
    exact = solve_exact(build_catalog(model, temperature=T0))
    return onsager_matrix(exact.collective_diffusivity, exact.number, KT0)[:, 0, :, 0]


def test_fluctuations_give_the_response_to_a_force_on_one_species(model: Model, onsager: np.ndarray) -> None:
    """Onsager's reciprocity: two runs in which different species are pushed know nothing of each other."""
    on_ions, on_polarons = (
        (currents(model, (1.0, 1.0)) + sign * currents(model, (1.0, -1.0))) / 2 for sign in (1, -1)
    )
    np.testing.assert_allclose(on_ions[1], on_polarons[0], rtol=1e-6)
    np.testing.assert_allclose(np.stack([on_ions, on_polarons], axis=1), onsager, rtol=1e-6)
    assert onsager[0, 1] > 0.05 * onsager[0, 0]  # they do drag each other along


def test_a_unit_diffuses_as_forces_without_current_move_it(model: Model, onsager: np.ndarray) -> None:
    """Forces f and g on ions and polarons that make both fluxes j equal: Lambda = j/(f + g)."""
    g = (onsager[0, 0] - onsager[1, 0]) / (onsager[1, 1] - onsager[0, 1])
    flux = currents(model, (1.0, g))
    np.testing.assert_allclose(flux[0], flux[1], rtol=1e-6)
    numbers = np.array([1.0, 1.0])  # as many units as there are of the first species
    full = np.zeros((2, 3, 2, 3))
    full[:, 0, :, 0] = onsager
    found = jump_diffusivity(full, np.array([1.0, -1.0]), numbers, np.array([1, 1]), KT0)
    np.testing.assert_allclose(found[0, 0], KT0 * flux[0] / (1 + g), rtol=1e-6)
    assert not found[1:].any()
    wrong = full.copy()
    wrong[0, 0, 1, 0] = wrong[1, 0, 0, 0] = -onsager[0, 1]  # the sign of the cross term
    assert (
        jump_diffusivity(wrong, np.array([1.0, -1.0]), numbers, np.array([1, 1]), KT0)[0, 0]
        < 0.9 * found[0, 0]
    )


def test_a_bound_pair_diffuses_as_one_body() -> None:
    """Far below the binding energy the tracer's D of the ion is that of the pair, and no other number is left."""
    model = ion_and_polaron(energy=-25 * KT0)
    exact = solve_exact(build_catalog(model, temperature=T0))
    onsager = onsager_matrix(exact.collective_diffusivity, exact.number, KT0)
    found = jump_diffusivity(onsager, exact.charge, exact.number.astype(float), np.array([1, 1]), KT0)
    assert exact.tracer_diffusivity is not None
    np.testing.assert_allclose(found[0, 0], exact.tracer_diffusivity[0, 0, 0], rtol=1e-4)


def test_values_of_the_result_file(model: Model) -> None:
    values = exact_values(build_catalog(model, temperature=T0), [[1, 0, 0], [0.6, 0.8, 0]])
    z = np.array([1.0, -1.0])
    np.testing.assert_allclose(
        np.einsum("a,aibj,b->ij", z, values["onsager"], z), values["conductivity"], rtol=1e-12
    )
    # the same from the mobilities with all species in the field: share of N_a q_a mu_a
    number = np.array([c.count for c in model.carriers])
    current = number * z * values["mobility_einstein"]
    np.testing.assert_allclose(
        values["transference"], current / current.sum(axis=1, keepdims=True), rtol=1e-10
    )
    # J = L F/e² for 1 V/m on ions alone, as the drift has it
    flux = values["onsager"][1, 0, 0, 0] / E_CHARGE  # 1/(m² s) per V/m
    assert model.volume is not None
    pushed = (currents(model, (1.0, 1.0)) + currents(model, (1.0, -1.0)))[1] / 2  # Å/s per V/Å
    np.testing.assert_allclose(flux, pushed * 1e-20 / (model.volume * 1e-30), rtol=1e-6)


@pytest.mark.parametrize(
    ("charge", "number", "unit"),
    [
        ((1,), (5,), (1,)),
        ((0,), (5,), (1,)),
        ((1, -1), (4, 4), (1, 1)),
        ((2, -1), (4, 8), (1, 2)),
        ((-1, 3), (4, 8), (3, 1)),
        ((1.5, -1), (2, 3), (2, 3)),
        ((1, -1, 2), (4, 4, 0), (1, 1, 0)),
        ((1, -1, 2), (4, 4, 1), None),
        ((1, 1), (4, 4), None),
        ((1, 0), (4, 4), None),
        ((1, -np.pi), (4, 4), None),
    ],
)
def test_neutral_units(
    charge: tuple[float, ...], number: tuple[int, ...], unit: tuple[int, ...] | None
) -> None:
    found = neutral_unit(charge, number)
    assert (None if found is None else tuple(found)) == unit


def test_transference_of_carriers_that_conduct_nothing() -> None:
    found = transference_numbers(np.ones((1, 3, 1, 3)), np.zeros(1), np.array([[1.0, 0, 0]]))
    assert np.isnan(found).all()


def slowest_relaxation(model: Model) -> float:
    """Smallest rate at which anything fades in the master equation of all configurations, 1/s."""
    catalog = build_catalog(model, temperature=T0)
    numbers = tuple(c.count for c in model.carriers)
    space = enumerate_states(model, numbers, None, model.supercell, 2000)
    jumps = jump_rates(space, catalog)
    assert jumps.energy is not None
    rate, root = np.exp(jumps.log_rate), np.exp(-(jumps.energy - jumps.energy.min()) / (2 * KT0))
    matrix = np.zeros((space.n_states, space.n_states))  # made symmetric by detailed balance
    np.add.at(matrix, (space.target, space.origin), rate * root[space.origin] / root[space.target])
    matrix -= np.diag(np.bincount(space.origin, rate, space.n_states))
    return float(-np.linalg.eigvalsh(matrix)[-2])


@pytest.mark.parametrize("coupling", [0.5, 1.0])
def test_a_density_wave_fades_by_the_chemical_diffusivity(coupling: float) -> None:
    """On a ring with L sites the longest wave fades at D_chem (2 - 2 cos(2 pi/L))/a², as L grows."""
    missed = []
    for sites in (8, 12):
        model = with_rule(chain([1.0], counts=(sites // 2,), supercell=(sites, 1, 1)))
        model = with_interactions(model, clusters=nearest_pairs(coupling * KT0, 1))
        catalog = build_catalog(model, temperature=T0)
        jump = float(solve_exact(catalog).collective_diffusivity[0, 0, 0, 0])
        factor = thermodynamic_factor(catalog).factor
        wave = 2 - 2 * np.cos(2 * np.pi / sites)
        rate = slowest_relaxation(model)
        missed.append(abs(factor * jump * wave / rate - 1))
        assert abs(jump * wave / rate - 1) > 0.5  # without the thermodynamic factor
    assert missed[1] < 0.6 * missed[0]
    assert missed[1] < 0.08
