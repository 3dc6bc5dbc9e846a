"""Quenched disorder is a function of site and salt; initial configurations; fingerprints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.input.disorder import sample, unit_numbers
from kmc_transport.model.interactions import Initial
from kmc_transport.runs.grid import model_identity
from tests.input.interacting import built, chain, olivine, refused

SITES = {"site_energies": [{"width": 0.05, "salt": 7}]}


# ------------------------------------------------------------------------------------------- numbers


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=50), st.integers(0, 2**62), st.randoms())
def test_numbers_do_not_depend_on_the_order(sites, salt, random):
    together = unit_numbers(1, salt, np.array(sites))
    shuffled = list(enumerate(sites))
    random.shuffle(shuffled)
    for k, site in shuffled:
        assert unit_numbers(1, salt, site) == together[k]
    assert ((together > 0) & (together < 1)).all()


def test_numbers_are_uniform_and_independent():
    n = 200_000
    x = unit_numbers(1, 5, np.arange(n))
    counts = np.histogram(x, 50, (0, 1))[0]
    chi2 = np.sum((counts - n / 50) ** 2 / (n / 50))
    assert abs(chi2 - 49) < 5 * np.sqrt(2 * 49)
    for y in (x[1:], unit_numbers(1, 6, np.arange(n))[:-1], unit_numbers(2, 5, np.arange(n))[:-1]):
        assert abs(np.corrcoef(x[:-1], y)[0, 1]) < 5 / np.sqrt(n)
    grid = unit_numbers(1, 5, np.arange(500)[:, None], np.arange(400)[None])
    assert abs(np.corrcoef(grid[1:].ravel(), grid[:-1].ravel())[0, 1]) < 5 / np.sqrt(n)
    assert len(np.unique(grid)) == grid.size


@pytest.mark.parametrize(
    ("distribution", "mean", "deviation"),
    [("gaussian", 0.0, 0.04), ("uniform", 0.0, 0.04 / np.sqrt(12)), ("exponential", -0.04, 0.04)],
)
def test_distributions(distribution, mean, deviation):
    n = 100_000
    x = sample(distribution, 0.04, 9, np.arange(n))
    assert abs(x.mean() - mean) < 5 * deviation / np.sqrt(n)
    assert abs(x.std() / deviation - 1) < 5 / np.sqrt(n) * 3
    if distribution == "gaussian":
        assert abs(np.mean(x**4) / deviation**4 - 3) < 5 * np.sqrt(96 / n)
    if distribution == "uniform":
        assert np.abs(x).max() <= 0.02
    if distribution == "exponential":
        assert x.max() <= 0
        assert abs(np.mean(x < -0.04 * np.log(2)) - 0.5) < 5 * 0.5 / np.sqrt(n)


# ------------------------------------------------------------------------------------------- sites and bonds


def test_a_larger_supercell_keeps_the_energies_of_its_cells():
    small = built(olivine(supercell=[2, 3, 2], disorder=SITES)).disorder.site_energy.reshape(2, 2, 3, 2, -1)
    large = built(olivine(supercell=[4, 3, 5], disorder=SITES)).disorder.site_energy.reshape(2, 4, 3, 5, -1)
    np.testing.assert_array_equal(large[:, :2, :, :2], small)


def test_salts_are_realisations():
    one, same, other = (
        built(olivine(disorder={"site_energies": [{"width": 0.05, "salt": s}]})).disorder.site_energy
        for s in (7, 7, 8)
    )
    np.testing.assert_array_equal(one, same)
    assert not (one == other).any()
    assert abs(np.corrcoef(one[0], other[0])[0, 1]) < 0.9


def test_chosen_carriers_and_sites():
    given = {"site_energies": [{"width": 0.05, "carriers": ["polaron"], "sites": ["Fe"]}]}
    model = built(olivine(disorder=given))
    energy = model.disorder.site_energy.reshape(2, -1, model.structure.n_sites)
    iron = np.array(model.structure.labels) == "Fe"
    assert not energy[0].any()
    assert energy[1][:, iron].all()
    assert not energy[1][:, ~iron].any()
    twice = built(olivine(disorder={"site_energies": given["site_energies"] * 2})).disorder.site_energy
    np.testing.assert_allclose(twice, 2 * model.disorder.site_energy)


@settings(max_examples=10)
@given(st.tuples(st.integers(2, 4), st.integers(1, 3), st.integers(1, 3)), st.integers(0, 10**6))
def test_a_bond_has_one_shift_from_either_end(supercell, salt):
    text = olivine(supercell=list(supercell), disorder={"barriers": [{"width": 0.03, "salt": salt}]})
    text["hops"] = [{**h, "distance": [2.9, 4.8]} for h in text["hops"]]
    text["supercell"] = [max(2, n) for n in supercell]
    model = built(text)
    net, size = model.network, np.array(model.supercell)
    cells = np.indices(model.supercell).reshape(3, -1).T
    for hop in range(net.n_hops):
        ends = np.ravel_multi_index(tuple(((cells + net.cell[hop]) % size).T), model.supercell)
        np.testing.assert_array_equal(
            model.disorder.barrier[:, hop], model.disorder.barrier[ends, net.reverse[hop]]
        )
    forward = model.disorder.barrier[:, net.orientation > 0]
    assert len(np.unique(forward)) == forward.size


def test_the_direction_in_the_input_does_not_matter_for_the_disorder_of_a_bond():
    shifts = []
    for between in (["A", "B"], ["B", "A"]):
        text = chain(4, 1, disorder={"barriers": [{"width": 0.03}]})
        text.pop("interactions")
        text["structure"] = {
            "lattice": {"a": 5},
            "periodic": [True, False, False],
            "sites": {"A": [[0, 0, 0]], "B": [[0.4, 0, 0]]},
        }
        text["carriers"]["p"]["sites"] = ["A", "B"]
        text["hops"] = [
            {**text["hops"][0], "between": between, "distance": d, "barrier": 0.3} for d in (2.0, 3.0)
        ]
        model = built(text)
        net = model.network
        shifts.append(np.sort(model.disorder.barrier[:, net.orientation > 0], axis=None))
    np.testing.assert_array_equal(*shifts)


def test_blocked_sites():
    model = built(
        olivine(supercell=[3, 3, 3], disorder={"blocked": [{"fraction": 0.1, "salt": 2, "sites": ["Fe"]}]})
    )
    blocked = model.disorder.blocked.reshape(-1, model.structure.n_sites)
    iron = np.array(model.structure.labels) == "Fe"
    assert not blocked[:, ~iron].any()
    assert 0 < blocked.sum() < 0.3 * blocked[:, iron].size
    assert any(f"{blocked.sum()} of {blocked[:, iron].size} sites Fe are blocked" in n for n in model.notes)
    listed = built(
        olivine(disorder={"blocked": [{"places": [{"site": "Li", "index": 1, "cell": [0, 3, 1]}]}]})
    )
    assert np.flatnonzero(listed.disorder.blocked).tolist() == [(1 * 2 + 1) * listed.structure.n_sites + 1]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"fraction": 0.1, "places": [{"site": "Li"}]}, "one of 'fraction' and 'places'"),
        ({"fraction": 0.999}, "not blocked"),
        ({"fraction": 0.1, "sites": ["Na"]}, "no sites 'Na'"),
        ({"places": [{"site": "Li", "index": 7}]}, "no site 7"),
    ],
)
def test_blocked_sites_that_cannot_be(entry, words):
    assert any(words in p.message for p in refused(olivine(disorder={"blocked": [entry]})))


# ------------------------------------------------------------------------------------------- initial state


def test_where_carriers_start():
    assert built(olivine()).initial == Initial()
    assert built(olivine(initial="annealed")).initial == Initial("annealed")
    hot = built(olivine(initial={"annealed": {"start_temperature": "2000 K", "sweeps": 500}})).initial
    assert hot == Initial("annealed", None, 2000.0, 500)
    given = {
        "ion": [[0, 0, 0], {"site": "Li", "index": 1}],
        "polaron": [{"site": "Fe", "cell": [0, 1, 3]}, {"site": "Fe"}],
    }
    model = built(olivine(initial={"given": given}))
    n = model.structure.n_sites
    assert model.initial.kind == "given"
    assert model.initial.sites == ((0, 1), ((1 * 2 + 1) * n + 4, 4))


def test_ordered_patterns_repeat():
    model = built(
        olivine(
            supercell=[2, 2, 2],
            carriers={
                "ion": {"charge": 1, "sites": ["Li"], "count": 4},
                "polaron": {"charge": -1, "sites": ["Fe"], "count": 8},
            },
            initial={
                "ordered": {
                    "block": [2, 1, 1],
                    "places": {
                        "ion": [[0, 0, 0]],
                        "polaron": [{"site": "Fe", "cell": [1, 0, 0]}, {"site": "Fe", "index": 1}],
                    },
                }
            },
        )
    )
    n = model.structure.n_sites
    assert sorted(model.initial.sites[0]) == [n * cell for cell in range(4)]
    assert sorted(model.initial.sites[1]) == sorted(
        [n * cell + 5 for cell in range(4)] + [n * cell + 4 for cell in range(4, 8)]
    )


@pytest.mark.parametrize(
    ("initial", "words"),
    [
        (
            {"given": {"ion": [[0, 0, 0]], "polaron": [{"site": "Fe"}, {"site": "Fe", "index": 1}]}},
            "1 places are given for 2",
        ),
        (
            {
                "given": {
                    "ion": [[0, 0, 0], [0, 2, 0]],
                    "polaron": [{"site": "Fe"}, {"site": "Fe", "index": 1}],
                }
            },
            "two carriers",
        ),
        ({"given": {"ion": [[0, 0, 0], {"site": "Fe"}], "polaron": [{"site": "Fe"}] * 2}}, "cannot sit on"),
        ({"given": {"hole": [[0, 0, 0]]}}, "no carrier 'hole'"),
        ({"ordered": {"block": [1, 2, 3], "places": {"ion": [[0, 0, 0]]}}}, "whole number of blocks"),
        ("anneal", "choices"),
    ],
)
def test_initial_states_that_cannot_be(initial, words):
    assert any(words in p.message for p in refused(olivine(initial=initial)))


def test_nobody_starts_on_a_blocked_site():
    given = {"ion": [[0, 0, 0], [0, 0.5, 0]], "polaron": [{"site": "Fe"}, {"site": "Fe", "index": 1}]}
    blocked = {"blocked": [{"places": [{"position": [0, 0.5, 0]}]}]}
    found = refused(olivine(initial={"given": given}, disorder=blocked))
    assert any("blocked" in p.message for p in found)


# ------------------------------------------------------------------------------------------- fingerprint


def test_the_fingerprint_tells_models_apart():
    pairs = {"pairs": [{"between": ["ion", "polaron"], "shell": 1, "energy": -0.1}]}
    texts = [
        olivine(),
        olivine(interactions=pairs),
        olivine(interactions={"pairs": [{**pairs["pairs"][0], "energy": -0.11}]}),
        olivine(interactions={"coulomb": {"permittivity": 10}}),
        olivine(interactions={"coulomb": {"permittivity": 11}}),
        olivine(disorder=SITES),
        olivine(disorder={"site_energies": [{"width": 0.05, "salt": 8}]}),
        olivine(disorder={"barriers": [{"width": 0.05}]}),
        olivine(disorder={"blocked": [{"places": [{"site": "Fe"}]}]}),
        olivine(initial="annealed"),
    ]
    identities = [model_identity(built(text)) for text in texts]
    assert len(set(identities)) == len(texts)
    assert [model_identity(built(text)) for text in texts] == identities


def test_the_fingerprint_overlooks_the_last_bits():
    model = built(olivine(disorder=SITES))
    energy = model.disorder.site_energy
    off = replace(model, disorder=replace(model.disorder, site_energy=energy * (1 + 1e-15)))
    assert model_identity(off) == model_identity(model)
    swapped = replace(model, disorder=replace(model.disorder, site_energy=energy[:, ::-1]))
    assert model_identity(swapped) != model_identity(model)
