"""Exact transport of interacting carriers: against plain enumeration, closed forms, and linear response."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq

from kmc_transport.errors import InputError, TooManyStates
from kmc_transport.exact import (
    applies,
    exact_values,
    pair_probability,
    sensitivity,
    solve_exact,
    thermodynamic_factor,
)
from kmc_transport.exact.ensemble import jump_rates
from kmc_transport.exact.states import enumerate_states
from kmc_transport.rates import build_catalog
from kmc_transport.rates.configuration import ConfigurationRates
from kmc_transport.units import K_B
from tests.input.interacting import ION, POLARON, built, chain, kra, layers
from tests.input.model_inputs import hop
from tests.reference.configurations import configurations, jumps
from tests.reference.master_equation import group_inverse
from tests.reference.rates import log_rate

KT = K_B * 300
MARCUS = {"rule": "marcus_adiabatic", "lambda": 1.0, "V_AB": 0.1}


def layered(**keys):
    """Two ions and one polaron in 3 x 2 cells of a layered crystal; 180 configurations."""
    across = hop(["M", "M"], carrier="polaron", distance=1.689, barrier=kra(0.2), attempt_frequency=2e13)
    return layers([3, 2, 1], 2, 1, [ION, POLARON | {"barrier": MARCUS}, across], **keys)


ENERGIES = {
    "pairs": [{"between": ["ion", "polaron"], "shell": 1, "energy": -0.03}],
    "coulomb": {"permittivity": [20, 20, 12]},
    "clusters": [
        {
            "members": [
                {"carrier": "ion", "site": "Na"},
                {"carrier": "ion", "site": "Na", "cell": [1, 0, 0]},
                {"carrier": "polaron", "site": "M"},
            ],
            "energy": 0.02,
        }
    ],
}
SURROUNDINGS = {
    "count": [{"carrier": "polaron", "distance": 3.1}],
    "table": [{"counts": [0], "E_kra": 0.3}, {"counts": [1], "E_kra": 0.27}, {"counts": [2], "E_kra": 0.2}],
    "unlisted": "nearest",
    "expansion": [{"carrier": "polaron", "distance": [3.1, 4.4], "from": "ends", "energy": 0.01}],
}
DISORDER = {
    "site_energies": [{"width": 0.04, "salt": 1}],
    "blocked": [{"places": [{"site": "M", "index": 1, "cell": [1, 1, 0]}]}],
}


def everything():
    text = layered(interactions=ENERGIES)
    text["hops"][0] = {**text["hops"][0], "surroundings": SURROUNDINGS}
    return text


def brute_force(catalog):
    """States one by one, rates from scratch: law, drift (S, 3), diffusion (S, 3, S, 3) of the summed displacements,
    energies and configurations."""
    model, rates = catalog.model, ConfigurationRates(catalog)
    net, n_species, rows = model.network, len(model.carriers), configurations(model)
    origin, target, hop, rate = zip(*jumps(rates, rows), strict=True)
    moved = np.zeros((len(hop), n_species, 3))
    moved[np.arange(len(hop)), net.carrier[list(hop)]] = net.vector[list(hop)]
    scale = max(rate)
    law, drift, diffusion = group_inverse(
        len(rows), origin, target, np.array(rate) / scale, moved.reshape(len(hop), -1)
    )
    shape = (n_species, 3, n_species, 3)
    energy = np.array([rates.energy(row) for row in rows])
    return law, drift.reshape(n_species, 3) * scale, diffusion.reshape(shape) * scale, energy, rows


CASES = {
    "energies": layered(interactions=ENERGIES),
    "surroundings": everything(),
    "disorder": {**layered(interactions=ENERGIES), "disorder": DISORDER},
}


@pytest.mark.parametrize("field", [(0.0, 0.0, 0.0), (0.02, 0.01, 0.03)], ids=["rest", "field"])
@pytest.mark.parametrize("name", CASES)
def test_against_enumeration_one_by_one(name, field):
    model = built(CASES[name])
    catalog = build_catalog(model, temperature=300, field=field)
    law, drift, diffusion, energy, rows = brute_force(catalog)
    exact = solve_exact(catalog, tracer=True)
    assert not exact.dilute
    count = np.array([2, 1])
    if any(field):
        np.testing.assert_allclose(
            exact.drift_velocity * count[:, None], drift, rtol=1e-9, atol=1e-9 * np.abs(drift).max()
        )
        assert np.abs(drift[:, 0]).min() > 0
    else:
        assert not exact.drift_velocity.any()
        canonical = np.exp(-(energy - energy.min()) / KT)
        np.testing.assert_allclose(law, canonical / canonical.sum(), rtol=1e-9)
    root = np.sqrt(np.outer(count, count))[:, None, :, None]
    scale = np.abs(diffusion).max()
    np.testing.assert_allclose(exact.collective_diffusivity * root, diffusion, rtol=1e-7, atol=1e-10 * scale)
    per_site = rows.reshape(len(rows), model.n_cells, -1)
    for a in range(2):
        expected = np.einsum("n,ncs->s", law, per_site == a + 1) / count[a]
        np.testing.assert_allclose(exact.occupation[a], expected, rtol=1e-9, atol=1e-12)
    pairs = pair_probability(catalog)
    shifted = [np.roll((per_site == b + 1).reshape(-1, 3, 2, 1, 3), (-1, 0, 0), (1, 2, 3)) for b in range(2)]
    for a in range(2):
        here = (per_site == a + 1).reshape(-1, 3, 2, 1, 3)
        for b in range(2):
            expected = np.einsum("n,nijks,nijkt->st", law, here, shifted[b]) / model.n_cells
            np.testing.assert_allclose(pairs[a, b, :, :, 1, 0, 0], expected, rtol=1e-9, atol=1e-12)


def test_interactions_matter():
    """Negative control: the same crystal without them transports differently."""
    free = solve_exact(build_catalog(built(layered()), temperature=300))
    bound = solve_exact(build_catalog(built(layered(interactions=ENERGIES)), temperature=300))
    ratio = bound.collective_diffusivity[0, 0, 0, 0] / free.collective_diffusivity[0, 0, 0, 0]
    assert abs(ratio - 1) > 0.05
    assert abs(free.collective_diffusivity[0, 0, 1, 0]) < 1e-9 * free.collective_diffusivity[0, 0, 0, 0]
    assert abs(bound.collective_diffusivity[0, 0, 1, 0]) > 1e-3 * bound.collective_diffusivity[0, 0, 0, 0]


def test_rates_of_jumps_are_those_from_scratch():
    catalog = build_catalog(built(everything()), temperature=300, field=[0.01, 0, 0.02])
    space = enumerate_states(catalog.model, (2, 1), 0, (3, 2, 1), 1000)
    found, rows, rates = (
        jump_rates(space, catalog).log_rate,
        space.configurations(),
        ConfigurationRates(catalog),
    )
    for jump in range(0, len(space.hop), 11):
        row = rows[space.origin[jump]].astype(int)
        expected = log_rate(rates, row, int(space.hop[jump]), rates.cells[space.cell[jump]])
        np.testing.assert_allclose(found[jump], expected, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_weak_field_and_fluctuations_agree(name):
    """mu_a = sum_b q_b <X_a X_b>/(2 N_a kT t), all species in the field; D_aa alone is not enough."""
    model = built(CASES[name])
    rest = solve_exact(build_catalog(model, temperature=300))
    strength = 1e-6
    for axis in range(2):
        driven = solve_exact(build_catalog(model, temperature=300, field=strength * np.eye(3)[axis]))
        np.testing.assert_allclose(
            driven.drift_velocity / strength,
            rest.mobility_einstein[:, :, axis],
            rtol=1e-4,
            atol=1e-6 * np.abs(rest.mobility_einstein).max(),
        )
    alone = rest.collective_diffusivity[0, 0, 0, 0] / KT
    assert abs(alone / rest.mobility_einstein[0, 0, 0] - 1) > 0.005


def test_a_bound_pair_hardly_answers_to_the_field():
    """Ring of six cells with one ion and one polaron bound on site: q D/kT of the ion alone is far too large."""
    model = built(on_site_pairs(6, -0.15))
    rest = solve_exact(build_catalog(model, temperature=300))
    naive = rest.collective_diffusivity[0, 0, 0, 0] / KT
    assert naive / rest.mobility_einstein[0, 0, 0] > 2
    driven = solve_exact(build_catalog(model, temperature=300, field=[1e-6, 0, 0]))
    np.testing.assert_allclose(driven.drift_velocity[0, 0] / 1e-6, rest.mobility_einstein[0, 0, 0], rtol=1e-5)


# ------------------------------------------------------------------------------------------- Ising lattice gas


def ring_pairs(length, n, energy):
    """Mean number of neighbouring pairs of n carriers on a ring: m clusters in L/m C(n-1, m-1) C(L-n-1, m-1) ways."""
    m = np.arange(1, min(n, length - n) + 1)
    ways = np.array([length / k * math.comb(n - 1, k - 1) * math.comb(length - n - 1, k - 1) for k in m])
    weight = ways * np.exp(-(n - m) * energy / KT)
    return float(weight @ (n - m) / weight.sum()), float(np.log(weight.sum()))


@pytest.mark.parametrize("energy", [-1.0 * KT, 0.0, 1.5 * KT])
def test_pairs_of_the_ring_in_closed_form(energy):
    model = built(chain(10, 4, energy))
    pairs = pair_probability(build_catalog(model, temperature=300))[0, 0, 0, 0, :, 0, 0]
    np.testing.assert_allclose(pairs[0], 0.4)
    np.testing.assert_allclose(pairs[1], ring_pairs(10, 4, energy)[0] / 10, rtol=1e-10)
    np.testing.assert_allclose(pairs[1:], pairs[:0:-1], rtol=1e-10)
    np.testing.assert_allclose(pairs[1:].sum(), 0.4 * 3, rtol=1e-10)


def ising_factor(c, energy):
    """Infinite chain: P11(r) = c² + c (1 - c) x^r, and P11 P00/(P10)² = exp(-E/kT) for neighbours."""

    def miss(x):
        off = c * (1 - c) * x
        return (c * c + off) * ((1 - c) ** 2 + off) / (c * (1 - c) - off) ** 2 - math.exp(-energy / KT)

    x = brentq(miss, -min(c / (1 - c), (1 - c) / c) + 1e-12, 1 - 1e-9)
    return (1 - x) / ((1 - c) * (1 + x))


@pytest.mark.parametrize("energy", [-0.8 * KT, 0.0, 1.0 * KT])
@pytest.mark.parametrize("n", [4, 7])
def test_thermodynamic_factor_of_the_ising_lattice_gas(energy, n):
    found = thermodynamic_factor(build_catalog(built(chain(14, n, energy)), temperature=300))
    np.testing.assert_allclose(found.mean, n)
    np.testing.assert_allclose(found.factor, ising_factor(n / 14, energy), rtol=2e-5)
    np.testing.assert_allclose(found.log_partition[n], ring_pairs(14, n, energy)[1], rtol=1e-12)
    if energy == 0:
        np.testing.assert_allclose(found.factor, 1 / (1 - n / 14), rtol=1e-9)
        np.testing.assert_allclose(found.chemical_potential, KT * math.log(n / (14 - n)), atol=1e-12)


def on_site_pairs(length, energy):
    """Ring of cells with a site for an ion and one for a polaron, bound by ``energy`` in one cell."""
    return {
        "structure": {
            "lattice": {"a": 3.0},
            "periodic": [True, False, False],
            "sites": {"A": [[0, 0, 0]], "B": [[0, 0.2, 0]]},
        },
        "supercell": [length, 1, 1],
        "carriers": {
            "ion": {"charge": 1, "sites": ["A"], "count": 1},
            "polaron": {"charge": -1, "sites": ["B"], "count": 1},
        },
        "hops": [
            hop(["A", "A"], carrier="ion", distance=3, barrier=kra(0.3)),
            hop(["B", "B"], carrier="polaron", distance=3, barrier=kra(0.3)),
        ],
        "interactions": {"pairs": [{"between": ["ion", "polaron"], "distance": 2.0, "energy": energy}]},
        "conditions": {"temperature": 300},
    }


def test_thermodynamic_factor_of_pairs():
    """Free pairs are two ideal gases, bound ones a single gas of pairs."""
    free = thermodynamic_factor(
        build_catalog(built(on_site_pairs(7, 0.0)), temperature=300), composition=(1, 1)
    )
    np.testing.assert_allclose(free.log_partition, [2 * math.log(math.comb(7, n)) for n in range(8)])
    catalog = build_catalog(built(on_site_pairs(7, -0.6)), temperature=300)
    bound = thermodynamic_factor(catalog, composition=(1, 1))
    np.testing.assert_allclose(bound.factor, 1 / (1 - 1 / 7), rtol=1e-5)
    assert free.factor > 1.75
    with pytest.raises(InputError, match="composition"):
        thermodynamic_factor(catalog)
    with pytest.raises(TooManyStates):
        thermodynamic_factor(catalog, composition=(1, 1), max_states=100)


# ------------------------------------------------------------------------------------------- disorder


def test_a_carrier_on_a_disordered_ring():
    """D = L² / (sum exp(-E_i/kT) sum exp(E_i/kT)/w_i), the classical result for a periodic chain at rest."""
    text = chain(
        7,
        1,
        disorder={"site_energies": [{"width": 0.04, "salt": 2}], "barriers": [{"width": 0.03, "salt": 3}]},
    )
    text.pop("interactions")
    model = built(text)
    catalog = build_catalog(model, temperature=300)
    exact = solve_exact(catalog)
    assert applies(model) == exact.n_states == 7
    energy = model.disorder.site_energy[0]
    right = next(h for h in range(2) if model.network.cell[h, 0] == 1)
    saddle = 0.3 + (energy + np.roll(energy, -1)) / 2 + model.disorder.barrier[:, right]
    resistance = np.sum(np.exp(saddle / KT)) / 1e13  # E_i + barrier is the saddle's energy
    expected = (7 * 2.665) ** 2 / (np.sum(np.exp(-energy / KT)) * resistance)
    np.testing.assert_allclose(exact.collective_diffusivity[0, 0, 0, 0], expected, rtol=1e-9)
    np.testing.assert_allclose(exact.tracer_diffusivity[0, 0, 0], expected, rtol=1e-9)
    alone = solve_exact(catalog, dilute=True)
    np.testing.assert_allclose(alone.collective_diffusivity[0, 0, 0, 0], expected, rtol=1e-9)


def test_a_file_of_carriers_on_a_disordered_ring_moves_as_one():
    text = chain(6, 2, 0.03, disorder={"site_energies": [{"width": 0.04, "salt": 2}]})
    exact = solve_exact(build_catalog(built(text), temperature=300), tracer=True)
    np.testing.assert_allclose(
        exact.tracer_diffusivity[0, 0, 0], exact.collective_diffusivity[0, 0, 0, 0] / 2, rtol=1e-8
    )


def test_a_blocked_site_closes_a_ring():
    text = chain(6, 2, 0.03, disorder={"blocked": [{"places": [{"site": "A", "cell": [3, 0, 0]}]}]})
    model = built(text)
    exact = solve_exact(build_catalog(model, temperature=300, field=[0.01, 0, 0]))
    assert exact.n_states == math.comb(5, 2)
    assert abs(exact.drift_velocity[0, 0]) < 1e-9 * exact.uncorrelated_diffusivity[0, 0]
    assert exact.collective_diffusivity[0, 0, 0, 0] < 1e-9 * exact.uncorrelated_diffusivity[0, 0]


# ------------------------------------------------------------------------------------------- what is built on it


def test_values_for_the_result_file():
    catalog = build_catalog(built(layered(interactions=ENERGIES)), temperature=300)
    values = exact_values(catalog, [[1, 0, 0]])
    exact = solve_exact(catalog, tracer=True)
    np.testing.assert_allclose(values["tracer_diffusivity"], exact.tracer_diffusivity * 1e-20)
    assert np.isfinite(values["conductivity"]).all()


def test_sensitivity_follows_the_barriers():
    """Central differences of the input's own E_kra; the shares of all classes add up to 1."""
    text = everything()
    text["hops"][1] = {**text["hops"][1], "barrier": kra(0.25)}
    found = sensitivity(built(text), temperature=300, direction=[1, 0, 0])
    np.testing.assert_allclose(found.share.sum(axis=1), 1, rtol=1e-3)

    def mobility(energy):
        text["hops"][1] = {**text["hops"][1], "barrier": kra(energy)}
        return solve_exact(build_catalog(built(text), temperature=300)).mobility_einstein[:, 0, 0]

    slope = np.log(mobility(0.2505) / mobility(0.2495)) / 1e-3
    np.testing.assert_allclose(found.dlnmu_dbarrier[:, 1], slope, rtol=1e-3, atol=1e-4)


def test_sensitivity_where_no_rule_has_a_saddle():
    text = chain(8, 3, 0.05, rule={"rule": "heat_bath"})
    found = sensitivity(built(text), temperature=300, field=1e-3, direction=[1, 0, 0])
    np.testing.assert_allclose(found.share, 1, rtol=1e-3)


def test_dilute_leaves_interactions_out():
    catalog = build_catalog(built(layered(interactions=ENERGIES)), temperature=300)
    free = build_catalog(built(layered()), temperature=300)
    np.testing.assert_allclose(
        solve_exact(catalog, dilute=True).collective_diffusivity,
        solve_exact(free, dilute=True).collective_diffusivity,
    )
    one = replace(
        catalog.model,
        carriers=tuple(replace(c, count=k) for c, k in zip(catalog.model.carriers, (1, 0), strict=True)),
    )
    assert applies(one) == 1
