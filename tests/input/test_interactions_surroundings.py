"""Barriers by surroundings, rules for equilibration, detailed balance in every configuration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.errors import InputError, RateError
from kmc_transport.model.model import frozen_array
from kmc_transport.rates import build_catalog
from kmc_transport.rates.balance import check_configurations
from kmc_transport.rates.configuration import ConfigurationRates
from kmc_transport.rules import HeatBath, Metropolis, check_rule, get_rule, make_rule
from kmc_transport.units import K_B
from tests.input.interacting import (
    ION,
    POLARON,
    built,
    chain,
    flat_images,
    layers,
    random_occupation,
    refused,
    turned,
)


def layered(surroundings, **keys):
    """The barrier of the ions depends on the polarons beside them."""
    return layers([3, 3, 2], 5, 7, [ION | {"surroundings": surroundings}, POLARON], **keys)


COUNT = [{"carrier": "polaron", "distance": 3.3}, {"carrier": "ion", "distance": 2.6}]
TABLE = [
    {"counts": [0, 0], "E_kra": 0.30},
    {"counts": [2, 0], "E_kra": 0.24},
    {"counts": [0, 1], "E_kra": 0.36},
]
EXPANSION = [
    {"carrier": "polaron", "distance": [3.4, 4.4], "from": "ends", "energy": 0.01},
    {
        "members": [
            {"carrier": "polaron", "position": ["1/3", "2/3", 0.48]},
            {"carrier": "ion", "position": [0, 1, 0]},
        ],
        "energy": 0.05,
    },
]


def test_a_table_by_hand():
    given = {
        "count": COUNT[:1],
        "table": TABLE[:0] + [{"counts": [n], "E_kra": 0.3 - 0.01 * n} for n in range(5)],
    }
    model = built(layered(given, supercell=[4, 4, 2]))
    (table,) = model.interactions.environments
    rates = ConfigurationRates(build_catalog(model, temperature=300))
    s, net = model.structure, model.network
    for h in np.flatnonzero(net.carrier == 0):
        members = range(table.start[h], table.start[h + 1])
        middle = (s.frac[net.origin[h]] + s.frac[net.target[h]] + net.cell[h]) / 2
        away = [np.linalg.norm((s.frac[table.site[m]] + table.cell[m] - middle) @ s.lattice) for m in members]
        assert len(away) == 4
        assert max(away) < 3.3
        occupation = np.zeros(model.n_cells * s.n_sites, int)
        occupation[rates.ends(h, [0, 0, 0])[0]] = 1
        for n, m in enumerate(members):
            expected = 0.3 - 0.01 * n
            found = rates.log_rate(occupation, h, [0, 0, 0])
            np.testing.assert_allclose(found, np.log(5e12) - expected / (K_B * 300), rtol=1e-12)
            occupation[rates.flat(table.site[m], table.cell[m])] = 2
    assert not (np.diff(table.start)[net.carrier == 1]).any()


def test_environments_that_are_not_listed():
    given = {"count": COUNT, "table": TABLE}
    (problem,) = refused(layered(given))
    assert "does not list" in problem.message
    assert "[1, 0]" in str(problem.value)
    assert "nearest" in problem.remedy
    nearest = built(layered({**given, "unlisted": "nearest"})).interactions.environments[0]
    default = built(layered({**given, "unlisted": "default"})).interactions.environments[0]
    # strides: the first counter has 4 sites, so codes are n1 + 5 n2
    assert nearest.listed.sum() == 3
    assert nearest.barrier[1] == pytest.approx((0.30 + 0.24) / 2)  # [1, 0] lies between two
    assert nearest.barrier[3] == pytest.approx(0.24)
    assert nearest.barrier[5 + 1] == pytest.approx(0.36)
    assert default.barrier[1] == 0.3
    assert (default.barrier[default.listed] == nearest.barrier[nearest.listed]).all()


def test_environments_that_cannot_occur_need_no_barrier():
    """One polaron in all: two at a time never."""
    carriers = {
        "ion": {"charge": 1, "sites": ["Na"], "count": 1},
        "polaron": {"charge": -1, "sites": ["M"], "count": 1},
    }
    given = {"count": COUNT, "table": [{"counts": [0, 0], "E_kra": 0.3}, {"counts": [1, 0], "E_kra": 0.2}]}
    assert built(layered(given, carriers=carriers)).interactions.environments


@pytest.mark.parametrize(
    ("surroundings", "words"),
    [
        ({}, "say nothing"),
        ({"count": COUNT}, "needs 'table' too"),
        ({"table": [{"counts": [0], "E_kra": 0.3}]}, "needs 'count' too"),
        ({"count": COUNT, "table": [{"counts": [0], "E_kra": 0.3}]}, "cannot be"),
        ({"count": COUNT, "table": [{"counts": [5, 0], "E_kra": 0.3}]}, "cannot be"),
        ({"count": COUNT, "table": [TABLE[0], TABLE[0]]}, "listed twice"),
        ({"count": [{"carrier": "hole", "distance": 3}], "table": TABLE}, "no carrier 'hole'"),
        ({"count": [{"carrier": "polaron", "distance": 1}], "table": TABLE}, "no site M lies there"),
        (
            {"expansion": [{"members": [{"carrier": "ion", "position": [0, 0, 0]}], "energy": 0.1}]},
            "end of the hop",
        ),
        ({"expansion": [{"carrier": "ion", "distance": 9, "energy": 0.1}]}, "among its own surroundings"),
    ],
)
def test_surroundings_that_cannot_be(surroundings, words):
    assert any(words in p.message for p in refused(layered(surroundings)))


def test_surroundings_need_kra():
    text = layered({"expansion": EXPANSION[:1]})
    text["hops"][0]["barrier"] = {"rule": "marcus_adiabatic", "lambda": 1.0, "V_AB": 0.1}
    (problem,) = refused(text)
    assert "need the rule 'kra'" in problem.message
    text["hops"][0]["barrier"] = 0.3
    (problem,) = refused(text)
    assert "E_kra: 0.3" in problem.remedy


SURROUNDED = {"count": COUNT, "table": TABLE, "unlisted": "nearest", "expansion": EXPANSION}


def rate_of(rates, occupation, origin, target, species):
    """Summed rates of all hops from one flat site to another."""
    net, total = rates.model.network, 0.0
    site, cell = origin % rates.n_sites, rates.cells[origin // rates.n_sites]
    for h in np.flatnonzero((net.origin == site) & (net.carrier == species)):
        if rates.ends(h, cell)[1] == target:
            total += np.exp(rates.log_rate(occupation, int(h), cell))
    return total


def test_rates_turn_with_the_configuration():
    """A hop and its image under any operation, in the turned configuration, have one rate."""
    model = built(layered(SURROUNDED, supercell=[4, 4, 2]))
    rates = ConfigurationRates(build_catalog(model, temperature=300))
    images, random = flat_images(model), np.random.default_rng(5)
    seen = set()
    for seed in range(6):
        occupation = random_occupation(model, seed)
        origin = int(random.choice(np.flatnonzero(occupation == 1)))
        site, cell = origin % rates.n_sites, rates.cells[origin // rates.n_sites]
        for h in np.flatnonzero((model.network.origin == site) & (model.network.carrier == 0)):
            if not rates.is_open(occupation, int(h), cell):
                continue
            target = rates.ends(int(h), cell)[1]
            rate = rate_of(rates, occupation, origin, target, 0)
            seen.add(round(np.log(rate), 6))
            for image in images:
                other = rate_of(rates, turned(occupation, image), image[origin], image[target], 0)
                np.testing.assert_allclose(other, rate, rtol=1e-12)
    assert len(seen) > 3  # the surroundings did matter


# ------------------------------------------------------------------------------------------- detailed balance


ALL = {
    "pairs": [{"between": ["ion", "polaron"], "shell": 1, "energy": -0.1}],
    "coulomb": {"permittivity": [10, 10, 8]},
}
DISORDER = {
    "site_energies": [{"width": 0.05, "salt": 3}],
    "barriers": [{"width": 0.03, "salt": 4}],
    "blocked": [{"fraction": 0.1, "salt": 5}],
}


@pytest.mark.parametrize("field", [0.0, 0.02])
def test_detailed_balance_in_every_configuration(field):
    model = built(layered(SURROUNDED, interactions=ALL, disorder=DISORDER))
    catalog = build_catalog(model, temperature=300, field=[field, field, 0])
    assert check_configurations(catalog, samples=40, seed=1) == 40


def test_every_hop_of_a_tiny_cell_is_looked_at():
    model = built(chain(5, 2, 0.05))
    # 10 configurations; 2 hops of each carrier, less those onto the other one
    assert check_configurations(build_catalog(model, temperature=300)) == 5 * (4 - 2) + 5 * 4


def test_nothing_to_look_at_without_interactions():
    text = chain(5, 2)
    text.pop("interactions")
    assert check_configurations(build_catalog(built(text), temperature=300)) == 0


def broken(model, what):
    """Models that break detailed balance in some surroundings only."""
    if what == "table":
        (table,) = model.interactions.environments
        stride = table.stride.copy()
        h = int(np.flatnonzero(np.diff(table.start) > 0)[0])
        stride[table.start[h]] = 0  # one direction of one h overlooks a neighbour
        tables = (replace(table, stride=frozen_array(stride, np.int64)),)
        return replace(model, interactions=replace(model.interactions, environments=tables))
    if what == "expansion":
        local = model.interactions.local_clusters
        energy = local.energy.copy()
        energy[np.flatnonzero(local.hop == local.hop[0])] *= 1.5
        return replace(
            model, interactions=replace(model.interactions, local_clusters=replace(local, energy=energy))
        )
    barrier = model.disorder.barrier.copy()
    barrier[:, 0] += 0.01
    return replace(model, disorder=replace(model.disorder, barrier=barrier))


@pytest.mark.parametrize("what", ["table", "expansion", "disorder"])
def test_surroundings_seen_from_one_end_only_are_caught(what):
    model = built(layered(SURROUNDED, disorder={"barriers": [{"width": 0.03}]}))
    catalog = build_catalog(model, temperature=300)
    with pytest.raises(RateError, match="some configuration"):
        check_configurations(replace(catalog, model=broken(model, what)), samples=400, seed=2)


# ------------------------------------------------------------------------------------------- rules


@pytest.mark.parametrize("name", ["metropolis", "heat_bath"])
@pytest.mark.parametrize("temperature", [100.0, 1500.0])
def test_rules_for_equilibration_obey_detailed_balance(name, temperature):
    rule = make_rule(name, {})
    check_rule(rule, temperature=temperature)
    assert not rule.physical
    assert get_rule("kra").physical
    with pytest.raises(InputError):
        make_rule(name, {"E_kra": 0.3})


def test_metropolis_and_heat_bath_by_hand():
    kt = K_B * 300
    dH = np.array([-0.1, 0.0, 0.1])
    nu = 1e12
    metropolis = np.exp(Metropolis().log_rate(dH, temperature=300, attempt_frequency=nu))
    np.testing.assert_allclose(metropolis, nu * np.minimum(1, np.exp(-dH / kt)))
    heat_bath = np.exp(HeatBath().log_rate(dH, temperature=300, attempt_frequency=nu))
    np.testing.assert_allclose(heat_bath, nu / (1 + np.exp(dH / kt)))


def test_heat_bath_needs_its_temperature():
    with pytest.raises(RateError, match="at_temperature"):
        HeatBath().activation_energy(0.1)
    assert HeatBath().at_temperature(300) == HeatBath().at_temperature(300.0)
    assert HeatBath().at_temperature(300) != HeatBath().at_temperature(301)


@pytest.mark.parametrize("name", ["metropolis", "heat_bath"])
def test_their_scalar_forms_compile(name):
    numba = pytest.importorskip("numba")
    rule = make_rule(name, {}).at_temperature(300)
    compiled = numba.njit(type(rule).scalar)
    p = np.array([*rule.scalar_parameters(), 0.0])
    for dE in (-40.0, -0.1, 0.0, 0.1, 40.0):
        energy, clamped = compiled(dE, 0.02, 0.0, p)
        np.testing.assert_allclose(energy, float(rule.activation_energy(dE, 0.02).energy), atol=1e-14)
        assert not clamped


@settings(max_examples=50)
@given(st.floats(-3, 3), st.floats(-1, 1), st.floats(50, 3000))
def test_heat_bath_splits_the_attempts_between_both_ends(energy, work, temperature):
    rule = HeatBath().at_temperature(temperature)
    ahead, back = (float(rule.activation_energy(s * energy, s * work).energy) for s in (1, -1))
    kt = K_B * temperature
    np.testing.assert_allclose(np.exp(-ahead / kt) + np.exp(-back / kt), 1.0, rtol=1e-9)


def test_rules_for_equilibration_are_noted():
    model = built(chain(6, 2, 0.05, rule={"rule": "metropolis"}))
    assert any("not physical" in n for n in model.notes)


def test_barrier_disorder_needs_a_saddle():
    (problem,) = refused(
        chain(6, 2, 0.05, rule={"rule": "heat_bath"}, disorder={"barriers": [{"width": 0.02}]})
    )
    assert "heat_bath" in problem.message
