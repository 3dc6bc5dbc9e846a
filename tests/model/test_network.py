"""Hop networks: pairs by distance, classes by symmetry, explicit hops, energies, loops."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.errors import InputError
from kmc_transport.model.network import components, is_forward, reversed_bond, travel_axes
from kmc_transport.model.potentials import Difference, solve_potential
from tests.input.model_inputs import STRUCTURES, brute_force, hop, load


def bonds(model):
    n = model.network
    rows = zip(n.origin.tolist(), n.target.tolist(), n.cell.tolist(), strict=True)
    return {(i, j, tuple(c)) for i, j, c in rows}


def problems(structure, hops, **keys):
    with pytest.raises(InputError) as caught:
        load(structure, hops, **keys)
    return caught.value.problems


@pytest.mark.parametrize(
    ("name", "between", "window", "classes"),
    [  # classes: (distance, hops per origin site averaged over the label)
        ("rock salt", ("O", "O"), [2.9, 3.0], [(2.9451, 12)]),
        ("rock salt", ("O", "O"), [2.9, 5.2], [(2.9451, 12), (4.165, 6), (5.1011, 24)]),
        ("rock salt", ("Mg", "O"), [2.0, 4.0], [(2.0825, 6), (3.6070, 8)]),
        ("perovskite", ("O", "O"), [2.7, 2.8], [(2.7613, 8)]),
        ("perovskite", ("O", "O"), [2.7, 4.0], [(2.7613, 8), (3.905, 2), (3.905, 4)]),
        ("rutile", ("Ti", "Ti"), [2.9, 3.7], [(2.959, 2), (3.5695, 8)]),
        ("rutile", ("O", "O"), [2.4, 3.0], [(2.5299, 1), (2.7791, 8), (2.959, 2)]),
        ("diamond", ("Si", "Si"), [2.3, 2.4], [(2.3513, 4)]),
        ("diamond", ("Si", "Si"), [2.3, 3.9], [(2.3513, 4), (3.8396, 12)]),
        ("honeycomb", ("C", "C"), [1.4, 1.5], [(1.4203, 3)]),
        ("honeycomb", ("C", "C"), [1.4, 3.0], [(1.4203, 3), (2.46, 6), (2.8406, 3)]),
        ("chain", ("A", "A"), [2.0, 9.0], [(2.665, 2), (5.33, 2), (7.995, 2)]),
        ("olivine", ("Li", "Li"), [2.9, 3.1], [(3.005, 2)]),
    ],
)
def test_classes_and_neighbours(name, between, window, classes):
    labels = list(dict.fromkeys(between))
    model = load(
        name, [hop(between, distance=window)], carriers={"p": {"charge": 1, "sites": labels, "count": 1}}
    )
    origins = [i for i, label in enumerate(model.structure.labels) if label == between[0]]
    n = model.network
    forward_from = [
        (c.distance, np.sum((n.hop_class == k) & np.isin(n.origin, origins)))
        for k, c in enumerate(model.hop_classes)
    ]
    got = sorted((round(d, 4), count / len(origins)) for d, count in forward_from)
    assert got == [(pytest.approx(d, abs=1e-4), count) for d, count in sorted(classes)]
    expected = brute_force(model, *between, *window)
    expected |= {reversed_bond(b) for b in expected}
    assert bonds(model) == expected
    distances = [c.distance for c in model.hop_classes]
    assert all(a <= b + 1e-4 for a, b in pairwise(distances))


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.floats(3, 6), min_size=3, max_size=3),
    st.lists(st.floats(70, 110), min_size=3, max_size=3),
    st.lists(st.lists(st.integers(0, 11), min_size=3, max_size=3), min_size=1, max_size=4, unique_by=tuple),
    st.tuples(st.booleans(), st.booleans()),
    st.floats(2, 6),
)
def test_random_crystals_agree_with_brute_force(lengths, angles, places, repeats, high):
    lattice = dict(zip(("a", "b", "c", "alpha", "beta", "gamma"), [*lengths, *angles], strict=True))
    sites = {"A": [[x / 12 for x in p] for p in places]}
    structure = {"lattice": lattice, "sites": sites, "periodic": [True, *repeats]}
    try:
        model = load(structure, [hop(distance=[0.2, high])])
    except InputError as error:
        text = str(error)
        assert "apart" in text or "no way out" in text or "no cell has these angles" in text
        return
    assert bonds(model) == brute_force(model, "A", "A", 0.2, high)


@pytest.mark.parametrize(
    "name", ["rock salt", "rutile", "perovskite", "diamond", "honeycomb", "olivine", "polar chain"]
)
def test_operations_make_the_hops(name):
    """Each hop is the image, under the operation it names, of the first hop of its class."""
    between = {
        "rock salt": "O",
        "rutile": "O",
        "perovskite": "O",
        "diamond": "Si",
        "honeycomb": "C",
        "olivine": "Fe",
    }
    label = between.get(name, "A")
    model = load(name, [hop((label, label), distance=[1.0, 5.0])])
    n, s = model.network, model.structure
    to_cart = np.linalg.inv(s.lattice.T)
    for k in range(len(model.hop_classes)):
        mine = np.flatnonzero(n.hop_class == k)
        first = mine[0]
        assert n.operation[first] == 0
        for h in mine:
            rotation = s.lattice.T @ s.rotations[n.operation[h]] @ to_cart
            image = rotation @ n.vector[first]
            own = np.array_equal(n.operation[mine[: len(mine) // 2]], n.operation[mine[len(mine) // 2 :]])
            expected = -n.vector[h] if own and n.orientation[h] < 0 else n.vector[h]
            np.testing.assert_allclose(image, expected, atol=1e-6)


def test_polar_hops_keep_their_direction():
    """Without an operation that reverses the hop, forward is told and a saddle off the middle is allowed."""
    model = load("polar chain", [hop(distance=[2.9, 7.1], saddle=0.4)])
    assert [c.distance for c in model.hop_classes] == [pytest.approx(3), pytest.approx(7)]
    assert any("no symmetry reverses this hop; forward is [3, 0, 0] Å" in note for note in model.notes)
    assert {c.saddle_fraction for c in model.hop_classes} == {0.4}
    # the same network with its mirror plane back
    plain = {**STRUCTURES["polar chain"], "sites": {"A": [[0, 0, 0], [0.3, 0, 0]]}}
    (first, second) = problems(plain, [hop(distance=[2.9, 7.1], saddle=0.4)])
    assert "its own reverse" in first.message
    assert first.key == second.key == "hops[0].saddle"
    assert first.allowed == "0.5"
    assert "0.6" in first.remedy


def test_symmetry_off_makes_each_pair_a_class():
    model = load({**STRUCTURES["diamond"], "symmetry": False}, [hop(("Si", "Si"), distance=2.3513)])
    assert len(model.hop_classes) == 16
    assert model.network.n_hops == 32


def test_all_parallel_images_are_found_in_a_small_cell():
    """A cell of one site: six hops lead to images of the same site, by six vectors."""
    cube = {"lattice": {"a": 4, "b": 4, "c": 4}, "sites": {"A": [[0, 0, 0]]}}
    model = load(cube, [hop(distance=4)], supercell=[2, 2, 2])
    assert model.network.n_hops == 6
    assert len({tuple(v) for v in model.network.vector}) == 6
    assert any("meet its own image" in note for note in model.notes)
    assert not any("image" in note for note in load(cube, [hop(distance=4)], supercell=[3, 3, 3]).notes)
    (problem,) = problems(cube, [hop(distance=4)], supercell=[3, 1, 3])
    assert problem.key == "supercell"
    assert "image of the site where they start" in problem.message
    assert problem.allowed == "at least 2 cells along b"


# ------------------------------------------------------------------------------------------- explicit hops


def test_explicit_hops():
    model = load("chain", [hop(vectors=[[1, 0, 0]])])
    assert bonds(model) == {(0, 0, (1, 0, 0)), (0, 0, (-1, 0, 0))}
    assert -1 not in model.network.operation
    both = load("chain", [hop(vectors=[[1, 0, 0], [-1, 0, 0]])])
    assert bonds(both) == bonds(model)
    c = load(
        "honeycomb",
        [
            hop(
                ("C", "C"),
                vectors=[{"from": 0, "to": 1, "cell": x} for x in ([0, 0, 0], [0, 1, 0], [-1, 0, 0])],
            )
        ],
    )
    found = load("honeycomb", [hop(("C", "C"), distance=1.42)])
    assert bonds(c) == bonds(found)
    assert len(c.hop_classes) == 1
    along = load("chain", [hop(vectors=[{"cartesian": [2.66, 0, 0]}])])
    assert bonds(along) == bonds(model)


def test_explicit_hops_are_classed_by_symmetry_but_never_completed():
    square = {"lattice": {"a": 4, "b": 4}, "periodic": [True, True, False], "sites": {"A": [[0, 0, 0]]}}
    model = load(square, [hop(vectors=[[1, 0, 0], [1, 1, 0]])])
    assert [c.distance for c in model.hop_classes] == [pytest.approx(4), pytest.approx(32**0.5)]
    assert model.network.n_hops == 4
    assert any("1 of the 2 hops per cell that symmetry makes equivalent" in n for n in model.notes)


@pytest.mark.parametrize(
    ("name", "between", "vectors", "key", "message", "remedy"),
    [
        ("chain", "AA", [[1, 0, 0], [1, 0, 0]], "hops[0].vectors[1]", "listed twice", ""),
        ("chain", "AA", [[0, 0, 0]], "hops[0].vectors[0]", "to itself", ""),
        (
            "chain",
            "AA",
            [[1, 1, 0]],
            "hops[0].vectors[0]",
            "leaves the cell along b",
            "make the axis periodic",
        ),
        (
            "chain",
            "AA",
            [{"from": 1, "cell": [1, 0, 0]}],
            "hops[0].vectors[0].from",
            "no site 1 of label 'A'",
            "from 0",
        ),
        (
            "chain",
            "AA",
            [{"cartesian": [2, 0, 0]}],
            "hops[0].vectors[0].cartesian",
            "no site of label 'A'",
            "[2.665, 0, 0]",
        ),
        (
            "chain",
            "AA",
            [[1, 0, 0], [-1, 0, 0], [2, 0, 0]],
            "hops[0].vectors[2]",
            "the reverse of this hop is missing",
            "add {from: 0, to: 0, cell: [-2, 0, 0]}",
        ),
    ],
)
def test_explicit_errors(name, between, vectors, key, message, remedy):
    (problem,) = problems(name, [hop(tuple(between), vectors=vectors)])
    assert problem.key == key
    assert message in problem.message
    assert remedy in problem.remedy


# ------------------------------------------------------------------------------------------- what is refused


def test_no_pair_at_this_distance():
    (problem,) = problems("rock salt", [hop(("O", "O"), distance=2.8)])
    assert problem.key == "hops[0].distance"
    assert "2.945, 4.165" in problem.allowed
    assert "2.945" in problem.remedy


def test_hops_given_twice():
    (problem,) = problems("chain", [hop(distance=2.665), hop(vectors=[[-1, 0, 0]])])
    assert problem.key == "hops[1]"
    assert "given already as p:A-A#1" in problem.message
    assert "saddles" in problem.remedy
    (problem,) = problems("two sites", [hop("AB", distance=3), hop("BA", distance=3)])
    assert "given already as p:A-B#1" in problem.message


def test_sites_without_a_way_out():
    (problem,) = problems(
        "olivine",
        [hop(("Li", "Li"), distance=3.005)],
        carriers={"p": {"charge": 1, "sites": ["Li", "Fe"], "count": 1}},
    )
    assert problem.key == "carriers.p.sites[1]"
    assert "4 of 4 sites 'Fe' have no way out" in problem.message
    assert "remove 'Fe'" in problem.remedy


def test_axes_without_transport_are_noted():
    model = load("olivine", [hop(("Li", "Li"), distance=3.005)])
    assert any("along a, c: no transport" in note for note in model.notes)
    assert any("2 separate networks" in note for note in model.notes)
    # inclined hops reach both axes, and a cage none
    assert not any("no transport" in n for n in load("honeycomb", [hop(("C", "C"), distance=1.42)]).notes)
    pairs = load("rutile", [hop(("O", "O"), distance=2.53)])
    assert any("along a, b, c: no transport" in note for note in pairs.notes)


def test_a_window_with_too_many_hops():
    (problem,) = problems("rock salt", [hop(("O", "O"), distance=[2, 50])])
    assert "hops per cell lie in this window" in problem.message


# ------------------------------------------------------------------------------------------- numbers


def test_saddles_are_classes_of_the_same_hops():
    model = load(
        "chain", [hop(distance=2.665, saddles=[{"name": "a"}, {"name": "b", "barrier": 0.4, "channels": 2}])]
    )
    assert [c.name for c in model.hop_classes] == ["p:A-A#1:a", "p:A-A#1:b"]
    assert [c.barrier_forward for c in model.hop_classes] == [0.3, 0.4]
    assert [c.channels for c in model.hop_classes] == [1, 2]
    assert model.network.n_hops == 4
    n = model.network
    np.testing.assert_array_equal(n.hop_class[n.reverse], n.hop_class)
    # mirror images of each other may lie off the middle
    twins = [{"name": "a", "saddle": 0.4}, {"name": "b", "saddle": 0.6}]
    assert [c.saddle_fraction for c in load("chain", [hop(distance=2.665, saddles=twins)]).hop_classes] == [
        0.4,
        0.6,
    ]
    twins[1]["barrier"] = 0.31
    assert len(problems("chain", [hop(distance=2.665, saddles=twins)])) == 2


def test_numbers_of_single_classes():
    entry = hop(("O", "O"), distance=[2.4, 3.0], classes={"1": {"barrier": 0.1}, "p:O-O#3": {"channels": 2}})
    model = load("rutile", [entry])
    assert [c.barrier_forward for c in model.hop_classes] == [0.1, 0.3, 0.3]
    assert [c.channels for c in model.hop_classes] == [1, 1, 2]
    assert model.hop_classes[0].source.endswith("hops[0].classes.1.barrier")
    assert any("finds 3 classes" in note for note in model.notes)
    entry["classes"] = {"1": {"omit": True}}
    model = load("rutile", [entry])
    assert [c.name for c in model.hop_classes] == ["p:O-O#2", "p:O-O#3"]
    assert any("p:O-O#1 (2.5299 Å" in note and "left out" in note for note in model.notes)
    entry["classes"] = {"4": {"barrier": 1}}
    (problem,) = problems("rutile", [entry])
    assert problem.key == "hops[0].classes.4"
    assert "1 (p:O-O#1, 2.5299 Å)" in problem.allowed
    (problem,) = problems("chain", [hop(distance=2.665, barrier=None)])
    assert "p:A-A#1 has no barrier" in problem.message


def test_uncertainty_and_eyring():
    (c,) = load(
        "chain", [hop(distance=2.665, barrier="242 ± 30 meV", attempt_frequency="eyring")]
    ).hop_classes
    assert (c.barrier_forward, c.barrier_reverse, c.barrier_stderr) == (0.242, 0.242, 0.03)
    assert c.attempt_frequency.label == "kT/h"


def test_reverse_barrier_from_site_energies():
    model = load("two sites", [hop("AB", distance=3)], site_energies={"B": "100 meV"})
    (c,) = model.hop_classes
    assert c.barrier_forward == 0.3
    assert c.barrier_reverse == pytest.approx(0.2)
    np.testing.assert_array_equal(model.site_energy, [[0, 0.1]])
    (problem,) = problems("two sites", [hop("AB", distance=3)], site_energies={"B": 0.4})
    assert "would be negative" in problem.message
    assert problem.key == "hops[0].barrier"


def test_site_energies_from_barriers():
    pair = {"forward": 0.2, "reverse": 0.3}
    model = load("two sites", [hop("AB", distance=3, barrier=pair)])
    np.testing.assert_allclose(model.site_energy, [[0.1, 0]])
    assert any("A 0.1 eV, B 0 eV" in note for note in model.notes)
    same = load("two sites", [hop("AB", distance=3, barrier=pair)], site_energies={"A": 0.3, "B": 0.2})
    np.testing.assert_allclose(same.site_energy, [[0.3, 0.2]])
    anchored = load("two sites", [hop("AB", distance=3, barrier=pair)], site_energies={"A": 0.5})
    np.testing.assert_allclose(anchored.site_energy, [[0.5, 0.4]])
    (problem,) = problems(
        "two sites", [hop("AB", distance=3, barrier=pair)], site_energies={"A": 0, "B": 0.05}
    )
    assert "-0.1 eV" in problem.message
    assert "site_energies give 0.05 eV" in problem.message


def test_a_scalar_hop_follows_derived_energies():
    """Barriers both ways of one hop fix the energies; the other hop's reverse barrier follows."""
    structure = {**STRUCTURES["two sites"], "sites": {"A": [[0, 0, 0]], "B": [[0.4, 0, 0]]}}
    model = load(
        structure,
        [hop("AB", distance=2.4, barrier={"forward": 0.3, "reverse": 0.1}), hop("AB", distance=3.6)],
    )
    assert model.hop_classes[1].barrier_reverse == pytest.approx(0.1)


def test_a_loop_that_does_not_close_is_refused():
    structure = {**STRUCTURES["two sites"], "sites": {"A": [[0, 0, 0]], "B": [[0.4, 0, 0]]}}
    downhill = [
        hop("AB", distance=2.4, barrier={"forward": 0.3, "reverse": 0.1}),
        hop("AB", distance=3.6, barrier={"forward": 0.3, "reverse": 0.4}),
    ]
    (problem,) = problems(structure, downhill)
    assert problem.key == "hops[1].barrier"
    assert "p:A-B#2" in problem.message
    assert "-0.1 eV" in problem.message
    assert "0.2 eV" in problem.message


def test_symmetric_hops_have_equal_barriers():
    for name, keys in (
        ("chain", {"distance": 2.665}),
        ("diamond", {"distance": 2.3513, "between": ["Si", "Si"]}),
    ):
        (problem,) = problems(name, [hop(**keys, barrier={"forward": 0.3, "reverse": 0.2})])
        assert "0.3 and 0.2 eV" in problem.message
    # between unequal sites of one label, which symmetry does not join, it is allowed
    load("polar chain", [hop(distance=3, barrier={"forward": 0.3, "reverse": 0.2}), hop(distance=7)])


def test_attempt_frequencies_must_be_a_difference_of_site_functions():
    ratio = {"forward": "8 THz", "reverse": "4 THz"}
    model = load("two sites", [hop("AB", distance=3, attempt_frequency=ratio)])
    (c,) = model.hop_classes
    assert c.attempt_frequency.at(300) == (8e12, 4e12)
    structure = {**STRUCTURES["two sites"], "sites": {"A": [[0, 0, 0]], "B": [[0.4, 0, 0]]}}
    hops = [hop("AB", distance=2.4, attempt_frequency=ratio), hop("AB", distance=3.6)]
    (problem,) = problems(structure, hops)
    assert problem.key == "hops[1].attempt_frequency"
    assert "other hops between these sites give 2" in problem.message
    hops[1]["attempt_frequency"] = {"forward": 2e12, "reverse": 1e12}
    load(structure, hops)
    (problem,) = problems("chain", [hop(distance=2.665, attempt_frequency=ratio)])
    assert "equal attempt frequencies" in problem.message


# ------------------------------------------------------------------------------------------- graph tools

EDGES = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.tuples(*[st.integers(-2, 2)] * 3)),
    min_size=1,
    max_size=20,
)


@given(EDGES, st.lists(st.floats(-1, 1), min_size=8, max_size=8))
def test_potentials_are_found_again(edges, energies):
    differences = [Difference(i, j, energies[j] - energies[i], k) for k, (i, j, _) in enumerate(edges)]
    values, free, mismatches = solve_potential(differences, {}, 1e-9)
    assert not mismatches
    for part in free:
        assert min(values[i] for i in part) == pytest.approx(0, abs=1e-9)
        i = min(part)
        for j in part:
            assert values[j] - values[i] == pytest.approx(energies[j] - energies[i], abs=1e-9)
    # negative control: one difference off is found, unless no loop holds it
    i, j, d, _ = differences[0]
    wrong = [*differences, Difference(i, j, d + 0.01, 99)]
    (mismatch,) = solve_potential(wrong, {}, 1e-6)[2]
    assert mismatch.tag in (0, 99)


@given(EDGES)
def test_components_return_to_themselves(edges):
    edges = [(i, j, c) for i, j, c in edges if (i, c) != (j, (0, 0, 0))]
    parts = components(8, edges)
    members = [i for m, _ in parts for i in m]
    assert len(members) == len(set(members))
    assert set(members) == {i for e in edges for i in e[:2]}
    for part, returns in parts:
        inside = [e for e in edges if e[0] in part]
        if len(inside) < len(part):  # a tree: no way round
            assert len(returns) == 0
            assert travel_axes(returns) == [False] * 3


@given(EDGES)
def test_exactly_one_direction_is_forward(edges):
    for bond in edges:
        if reversed_bond(bond) != bond:
            assert is_forward(bond) != is_forward(reversed_bond(bond))
