"""Pairs, clusters and their combinations: from the input to clusters that symmetry leaves as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.energies.clusters import canonical, moved
from kmc_transport.energies.configuration import ConfigurationEnergy
from kmc_transport.model.interactions import Interactions
from kmc_transport.rates import build_catalog
from kmc_transport.rates.configuration import ConfigurationRates
from tests.input.interacting import (
    ION,
    POLARON,
    built,
    chain,
    flat_images,
    kra,
    layers,
    olivine,
    random_occupation,
    refused,
    turned,
)
from tests.input.model_inputs import STRUCTURES, hop

PAIRS = [
    {"between": ["ion", "polaron"], "distance": 3.28, "energy": "-0.1 eV"},
    {"between": ["ion", "ion"], "shell": 1, "energy": 0.05},
    {"between": ["polaron", "polaron"], "distance": [3.8, 4.0], "energy": 0.02},
]


def layered(**keys):
    return layers([4, 4, 2], 8, 8, [ION, POLARON], **keys)


def gas(structure, label, distance, **keys):
    """One species on all sites of a label."""
    return {
        "structure": STRUCTURES[structure],
        "supercell": [2, 2, 2],
        "carriers": {"p": {"charge": 1, "sites": [label], "count": 6}},
        "hops": [hop([label, label], distance=distance, barrier=kra())],
        "conditions": {"temperature": 300},
        **keys,
    }


# ------------------------------------------------------------------------------------------- pairs


def test_pairs_once_per_cell():
    """Twelve nearest neighbours on the fcc lattice of oxygen: 6 pairs per site, 24 per cubic cell."""
    pairs = [{"between": ["p", "p"], "shell": n, "energy": 0.01 * n} for n in (1, 2, 3)]
    model = built(gas("rock salt", "O", 2.945, interactions={"pairs": pairs}))
    clusters = model.interactions.clusters
    sizes = {n: clusters.name.count(f"p-p:O-O#{n}") for n in (1, 2, 3)}
    assert sizes == {1: 24, 2: 12, 3: 48}  # 12, 6 and 24 neighbours
    spelled = [
        canonical([(0, int(clusters.site[m]), tuple(clusters.cell[m])) for m in (s, s + 1)])
        for s in clusters.start[:-1]
    ]
    assert len(set(spelled)) == len(spelled)


def test_unlike_carriers_on_one_kind_of_site_count_both_ways_round():
    text = gas(
        "rock salt", "O", 2.945, interactions={"pairs": [{"between": ["p", "q"], "shell": 1, "energy": -0.1}]}
    )
    text["carriers"]["q"] = {"charge": -1, "sites": ["O"], "count": 2}
    text["hops"].append({**text["hops"][0], "carrier": "q"})
    clusters = built(text).interactions.clusters
    assert len(clusters.energy) == 48  # p at either end of each of the 24 pairs


def test_an_ambiguous_shell_lists_its_classes():
    (problem,) = refused(
        olivine(
            interactions={"pairs": [{"between": ["ion", "polaron"], "distance": [3.2, 3.7], "energy": -0.1}]}
        )
    )
    assert problem.key == "interactions.pairs[0]"
    for length in ("3.2798", "3.5090", "3.6630"):
        assert length in problem.allowed
    assert "8 per cell" in problem.allowed
    assert "classes" in problem.remedy


def test_pairs_of_equal_length_that_symmetry_does_not_relate():
    """Two kinds of M at the same distance from the ion: one energy is refused, classes tell them apart."""
    text = layered()
    structure = {
        "lattice": {"a": 6, "b": 7, "c": 5},
        "sites": {"Na": [[0, 0, 0]], "M": [[0.25, 0.1, 0.3], [0.75, 0.1, 0.3]]},
    }
    structure["sites"]["X"] = [[0.1, 0.5, 0.5]]  # breaks the mirror between the two M
    text = {**text, "structure": structure, "supercell": [3, 3, 3]}
    text["hops"] = [
        hop(["Na", "Na"], carrier="ion", distance=[4.9, 7.1], barrier=kra()),
        hop(["M", "M"], carrier="polaron", distance=[2.9, 7.1], barrier=kra()),
    ]
    entry = {"between": ["ion", "polaron"], "shell": 1}
    (problem,) = refused({**text, "interactions": {"pairs": [{**entry, "energy": -0.1}]}})
    assert "2 classes" in problem.message
    lengths = [part.split(" Å")[0].split(": ")[1] for part in problem.allowed.split("; ")]
    assert lengths[0] == lengths[1]
    model = built({**text, "interactions": {"pairs": [{**entry, "classes": {"1": -0.1, "2": -0.2}}]}})
    assert sorted(model.interactions.clusters.energy) == [-0.2, -0.1]
    same = built({**text, "interactions": {"pairs": [{**entry, "energy": -0.1, "classes": "all"}]}})
    assert same.interactions.clusters.energy.tolist() == [-0.1, -0.1]
    left_out = built({**text, "interactions": {"pairs": [{**entry, "classes": {"2": -0.2}}]}})
    assert left_out.interactions.clusters.energy.tolist() == [-0.2]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"between": ["ion", "polaron"], "energy": 1}, "one of 'distance' and 'shell'"),
        (
            {"between": ["ion", "polaron"], "shell": 1, "distance": 3.28, "energy": 1},
            "one of 'distance' and 'shell'",
        ),
        ({"between": ["ion", "hole"], "shell": 1, "energy": 1}, "no carrier 'hole'"),
        ({"between": ["ion", "polaron"], "distance": 3.1, "energy": 1}, "apart"),
        ({"between": ["ion", "polaron"], "shell": 1}, "no energy"),
        ({"between": ["ion", "polaron"], "shell": 1, "classes": {"3": 1}}, "no class '3'"),
        ({"between": ["ion", "polaron"], "sites": ["Li", "Li"], "shell": 1, "energy": 1}, "cannot sit on"),
        ({"between": ["ion", "polaron"], "distance": [3.3, 3.2], "energy": 1}, "window"),
    ],
)
def test_pairs_that_cannot_be(entry, words):
    (problem,) = refused(olivine(interactions={"pairs": [entry]}))
    assert words in problem.message
    assert problem.line is not None


def test_the_same_pairs_twice():
    entry = {"between": ["ion", "polaron"], "distance": 3.28, "energy": -0.1}
    again = {"between": ["polaron", "ion"], "distance": 3.28, "energy": -0.1}
    (problem,) = refused(olivine(interactions={"pairs": [entry, again]}))
    assert "already" in problem.message


# ------------------------------------------------------------------------------------------- clusters

TRIPLET = [
    {"carrier": "p", "position": [0.5, 0.5, 0.5]},
    {"carrier": "p", "position": [1, 1, 0.5]},
    {"carrier": "p", "position": [1, 0.5, 1]},
]


def test_triangles_of_an_fcc_lattice():
    """8 triangles of nearest neighbours per site, 32 per cubic cell."""
    cluster = {"members": TRIPLET, "energy": 0.02, "multiplicity": 32}
    model = built(gas("rock salt", "O", 2.945, interactions={"clusters": [cluster]}))
    assert len(model.interactions.clusters.energy) == 32
    (problem,) = refused(
        gas("rock salt", "O", 2.945, interactions={"clusters": [{**cluster, "multiplicity": 8}]})
    )
    assert "makes 32" in problem.message


def test_a_cluster_of_two_is_a_pair():
    pair = built(olivine(interactions={"pairs": [PAIRS[1]]})).interactions.clusters
    members = [{"carrier": "ion", "site": "Li"}, {"carrier": "ion", "position": [0, 0.5, 0]}]
    cluster = built(
        olivine(interactions={"clusters": [{"members": members, "energy": 0.05}]})
    ).interactions.clusters
    for name in ("energy", "start", "species", "site", "cell"):
        np.testing.assert_array_equal(getattr(pair, name), getattr(cluster, name))
    both = built(
        olivine(interactions={"pairs": [PAIRS[1]], "clusters": [{"members": members, "energy": 0.01}]})
    )
    assert len(both.interactions.clusters.energy) == 2 * len(pair.energy)
    assert any("add up" in n for n in both.notes)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([{"carrier": "ion", "site": "Li"}, {"carrier": "ion", "position": [0.2, 0.2, 0.2]}], "no site lies"),
        ([{"carrier": "ion", "site": "Li"}, {"carrier": "ion", "site": "Fe"}], "cannot sit on"),
        ([{"carrier": "ion", "site": "Li"}, {"carrier": "ion", "site": "Li", "index": 9}], "no site 9"),
        ([{"carrier": "ion", "site": "Li"}, {"carrier": "ion", "site": "Li"}], "on one site"),
        ([{"carrier": "ion", "site": "Li"}, {"carrier": "ion"}], "one of 'site' and 'position'"),
    ],
)
def test_clusters_that_cannot_be(members, words):
    (problem,) = refused(olivine(interactions={"clusters": [{"members": members, "energy": 1}]}))
    assert words in problem.message


def test_the_same_orbit_twice():
    cluster = {"members": TRIPLET, "energy": 0.02}
    shifted = {
        "members": [{**m, "position": [x + 1 for x in m["position"]]} for m in TRIPLET],
        "energy": 0.02,
    }
    (problem,) = refused(gas("rock salt", "O", 2.945, interactions={"clusters": [cluster, shifted]}))
    assert "in the orbit of" in problem.message


members_strategy = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 3), st.tuples(*[st.integers(-2, 2)] * 3)),
    min_size=1,
    max_size=4,
)


@given(members_strategy, st.tuples(*[st.integers(-3, 3)] * 3), st.randoms())
def test_one_spelling_for_each_cluster(members, by, random):
    other = list(moved(members, by))
    random.shuffle(other)
    assert canonical(other) == canonical(members)
    assert canonical(members)[0][2] == (0, 0, 0)
    assert canonical(canonical(members)) == canonical(members)


# ------------------------------------------------------------------------------------------- symmetry

ANY = {
    "pairs": [
        {"between": ["ion", "polaron"], "shell": 1, "energy": -0.11},
        {"between": ["ion", "polaron"], "shell": 2, "energy": 0.07},
        {"between": ["ion", "ion"], "shell": 1, "energy": 0.05},
        {"between": ["polaron", "polaron"], "shell": 2, "energy": 0.03},
    ],
    "clusters": [
        {
            "members": [
                {"carrier": "ion", "site": "Na"},
                {"carrier": "ion", "site": "Na", "cell": [1, 0, 0]},
                {"carrier": "polaron", "site": "M"},
            ],
            "energy": 0.017,
        },
        {
            "members": [
                {"carrier": "ion", "site": "Na"},
                {"carrier": "polaron", "site": "M", "cell": [1, 1, 0]},
                {"carrier": "polaron", "site": "M", "index": 1, "cell": [0, -1, 0]},
                {"carrier": "ion", "site": "Na", "cell": [0, 0, 1]},
            ],
            "energy": -0.023,
        },
    ],
    "coulomb": {"permittivity": [6, 6, 4]},
}


def energies_of(model, rows):
    return ConfigurationEnergy(model).energies(np.array(rows))


def test_energies_are_invariant_under_the_space_group():
    model = built(layered(interactions=ANY))
    assert len(model.structure.rotations) == 12
    images = flat_images(model)
    for seed in range(3):
        start = random_occupation(model, seed)
        energy = energies_of(model, [start, *(turned(start, image) for image in images)])
        np.testing.assert_allclose(energy, energy[0], atol=1e-10)


def test_an_incomplete_orbit_is_not_invariant():
    """Negative control: without one of its clusters an orbit is seen to be broken."""
    model = built(layered(interactions={"clusters": ANY["clusters"][:1]}))
    c = model.interactions.clusters
    kept = np.ones(len(c.species), bool)
    kept[c.start[0] : c.start[1]] = False
    broken = replace(
        c,
        energy=c.energy[1:],
        start=c.start[1:] - c.start[1],
        name=c.name[1:],
        species=c.species[kept],
        site=c.site[kept],
        cell=c.cell[kept],
    )
    model = replace(model, interactions=Interactions(broken))
    start = random_occupation(model, 0)
    energy = energies_of(model, [start, *(turned(start, image) for image in flat_images(model))])
    assert np.ptp(energy) > 1e-3


positions = st.tuples(st.integers(0, 1), st.tuples(st.integers(-1, 1), st.integers(-1, 1), st.integers(0, 1)))


@settings(max_examples=15)
@given(st.lists(positions, min_size=2, max_size=4, unique=True), st.integers(0, 1000))
def test_any_cluster_becomes_a_symmetric_energy(chosen, seed):
    members = [
        {"carrier": ("ion", "polaron")[a], "site": ("Na", "M")[a], "cell": list(cell)} for a, cell in chosen
    ]
    model = built(layered(interactions={"clusters": [{"members": members, "energy": 0.1}]}))
    start = random_occupation(model, seed)
    images = flat_images(model)
    energy = energies_of(model, [start, *(turned(start, images[g]) for g in (1, 4, 7, -1))])
    np.testing.assert_allclose(energy, energy[0], atol=1e-12)


# ------------------------------------------------------------------------------------------- energies


def test_all_parts_add_up():
    parts = [{k: v} for k, v in ANY.items()]
    models = [built(layered(interactions=x)) for x in (ANY, *parts)]
    rows = [random_occupation(models[0], seed) for seed in range(4)]
    whole, *single = (energies_of(m, rows) for m in models)
    np.testing.assert_allclose(whole, np.sum(single, axis=0), atol=1e-10)


def test_many_configurations_at_once_are_those_one_by_one():
    model = built(
        layered(
            interactions=ANY,
            supercell=[2, 3, 1],
            disorder={"site_energies": [{"width": 0.1}]},
            carriers={
                "ion": {"charge": 1, "sites": ["Na"], "count": 3},
                "polaron": {"charge": -1, "sites": ["M"], "count": 4},
            },
        )
    )
    rows = np.array([random_occupation(model, seed) for seed in range(5)])
    energy = ConfigurationEnergy(model)
    np.testing.assert_allclose(energy.energies(rows), [energy.energy(r) for r in rows], atol=1e-10)


@pytest.mark.parametrize("supercell", [[2, 3, 1], [3, 3, 2]])
def test_differences_from_what_is_in_reach(supercell):
    """In a supercell as small as the interactions carriers meet images of others, and of themselves."""
    far = {
        "between": ["ion", "ion"],
        "distance": 5.8,
        "energy": 0.09,
    }  # two cells on: its own image where there are two
    energies = {**ANY, "pairs": [*ANY["pairs"], far]}
    carriers = {
        "ion": {"charge": 1, "sites": ["Na"], "count": 3},
        "polaron": {"charge": -1, "sites": ["M"], "count": 4},
    }
    text = layered(interactions=energies, supercell=supercell, carriers=carriers)
    model = built({**text, "disorder": {"site_energies": [{"width": 0.1}]}})
    rates = ConfigurationRates(build_catalog(model, temperature=300))
    count = 0
    for seed in range(3):
        occupation = random_occupation(model, seed)
        for h in range(0, model.network.n_hops, 3):
            for cell in rates.cells:
                if rates.is_open(occupation, h, cell):
                    expected = rates.energy_difference(occupation, h, cell)
                    found = rates.change(occupation, *rates.ends(h, cell))
                    np.testing.assert_allclose(found, expected, atol=1e-10)
                    count += 1
    assert count > 20


def test_pair_energy_by_hand():
    """Three neighbours in a row on a ring of six: two pairs, and none across."""
    rates = ConfigurationRates(build_catalog(built(chain(6, 3, 0.04)), temperature=300))
    np.testing.assert_allclose(rates.energy(np.array([1, 1, 1, 0, 0, 0])), 0.08)
    np.testing.assert_allclose(rates.energy(np.array([1, 0, 1, 0, 1, 0])), 0.0)
    occupation = np.array([1, 1, 0, 1, 0, 0])
    # from site 1 to 2: one neighbour before (0), one after (3)
    right = next(h for h in range(2) if rates.ends(h, [1, 0, 0])[1] == 2)
    assert rates.energy_difference(occupation, right, [1, 0, 0]) == pytest.approx(0.0)
    assert rates.energy_difference(occupation, right, [3, 0, 0]) == pytest.approx(0.0)
    assert rates.energy_difference(np.array([1, 1, 0, 0, 0, 1]), right, [1, 0, 0]) == pytest.approx(-0.04)


@settings(max_examples=6)
@given(st.integers(0, 10_000))
def test_energy_differences_along_a_loop_of_hops_sum_to_zero(seed):
    """A carrier that goes round three sites: the energies of its surroundings come back."""
    model = built(
        layered(
            interactions=ANY,
            supercell=[3, 3, 1],
            carriers={
                "ion": {"charge": 1, "sites": ["Na"], "count": 3},
                "polaron": {"charge": -1, "sites": ["M"], "count": 5},
            },
        )
    )
    rates = ConfigurationRates(build_catalog(model, temperature=300))
    random = np.random.default_rng(seed)
    occupation, total = random_occupation(model, seed), 0.0
    first = occupation.copy()
    for _ in range(6):
        h, cell = int(random.integers(model.network.n_hops)), rates.cells[random.integers(len(rates.cells))]
        if rates.is_open(occupation, h, cell):
            total += rates.energy_difference(occupation, h, cell)
            origin, target = rates.ends(h, cell)
            occupation[[origin, target]] = occupation[[target, origin]]
    np.testing.assert_allclose(total, rates.energy(occupation) - rates.energy(first), atol=1e-10)


# ------------------------------------------------------------------------------------------- rules


def test_fixed_barriers_beside_energies_are_refused():
    text = olivine(interactions={"pairs": PAIRS[:1]})
    text["hops"][1] = {**text["hops"][1], "barrier": 0.2}
    (problem,) = refused(text)
    assert problem.key == "hops[1].barrier"
    assert "kra" in problem.remedy
    alone = olivine(interactions={"pairs": PAIRS[1:2]})  # ions with ions: the polarons do not feel it
    alone["hops"][1] = {**alone["hops"][1], "barrier": 0.2}
    assert built(alone).interactions is not None


def test_fixed_barriers_beside_disordered_sites_are_refused():
    text = olivine(disorder={"site_energies": [{"width": 0.05, "carriers": ["polaron"]}]})
    text["hops"][0] = {**text["hops"][0], "barrier": 0.25}
    assert built(text).disorder is not None
    text["hops"][1] = {**text["hops"][1], "barrier": 0.2}
    (problem,) = refused(text)
    assert problem.key == "hops[1].barrier"


def test_unknown_keys_are_told():
    (problem,) = refused(olivine(interactions={"pair": []}))
    assert "did you mean 'pairs'" in problem.remedy


def test_nothing_given_is_nothing():
    assert built(olivine()).interactions is None
    assert built(olivine(interactions={})).interactions is None
