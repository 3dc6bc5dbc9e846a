"""The input file: samples, conditions, sampling, carriers, and errors with line, key and remedy."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmc_transport.input.build as build
from kmc_transport.errors import InputError
from kmc_transport.input import input_schema, load_model, load_model_text
from kmc_transport.input.schema import Input
from kmc_transport.input.schema.conditions import TemperatureRange
from tests.input.model_inputs import STRUCTURES, check_network, document, hop, load

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "kmc_transport" / "input" / "starter.yaml"

CHAIN = """\
title: Split-hole polaron along b in NaMn3O7
references: ["Lei & Abate, eqs 2-8"]
structure:
  lattice: {a: 2.665, b: 10, c: 10}        # Å; a chain along the crystal's b axis
  periodic: [true, false, false]           # no S/m from such a cell unless a cross-section is given
  sites: {O1_pair: [[0, 0, 0]]}
supercell: [1000, 1, 1]
carriers:
  hole_polaron: {charge: 1, sites: [O1_pair], count: 1}
hops:
  - {carrier: hole_polaron, between: [O1_pair, O1_pair], distance: 2.665, barrier: 242 meV, attempt_frequency: 6.12 THz}
conditions:
  temperature: [200 K, 225 K, 250 K, 275 K, 298 K, 325 K, 350 K, 400 K, 450 K, 500 K]
  field: {along: [1, 0, 0], magnitude: [0, 1e7, 1e8]}     # V/m
sampling: {relative_error: 1 %, seed: 7}
"""

OXIDE = """\
structure: {spacegroup: Fm-3m, lattice: {a: 4.165}, sites: {Mg: [[0, 0, 0]], O: [[0.5, 0.5, 0.5]]}}
carriers: {oxygen_vacancy: {charge: 2, sites: [O], fraction: 0.001}}
hops:
  - {carrier: oxygen_vacancy, between: [O, O], distance: 2.945, barrier: 2.0 eV, attempt_frequency: 5 THz}
conditions: {temperature: 1500}
"""


def problems(text):
    """Problems of a text, in the order of the file."""
    with pytest.raises(InputError) as caught:
        load_model_text(text, "test.yaml")
    found = caught.value.problems
    assert all(p.file == "test.yaml" for p in found)
    return found


def changed(old, new, text=CHAIN):
    assert old in text
    return text.replace(old, new)


# ------------------------------------------------------------------------------------------- samples


def test_a_chain():
    m = load_model_text(CHAIN)
    check_network(m)
    assert m.title == "Split-hole polaron along b in NaMn3O7"
    assert m.references == ("Lei & Abate, eqs 2-8",)
    assert m.supercell == (1000, 1, 1)
    assert m.n_cells == 1000
    (carrier,) = m.carriers
    assert (carrier.name, carrier.charge, carrier.sites, carrier.count) == (
        "hole_polaron",
        1.0,
        ("O1_pair",),
        1,
    )
    (c,) = m.hop_classes
    assert c.name == "hole_polaron:O1_pair-O1_pair#1"
    assert (c.distance, c.barrier_forward, c.barrier_reverse) == (2.665, 0.242, 0.242)
    assert c.attempt_frequency.at(300) == (6.12e12, 6.12e12)
    assert (c.channels, c.saddle_fraction, c.barrier_stderr) == (1, 0.5, None)
    assert c.source == "<string>:11 hops[0].barrier"
    np.testing.assert_array_equal(m.network.vector, [[2.665, 0, 0], [-2.665, 0, 0]])
    np.testing.assert_array_equal(m.network.cell, [[1, 0, 0], [-1, 0, 0]])
    np.testing.assert_array_equal(
        m.conditions.temperature, [200, 225, 250, 275, 298, 325, 350, 400, 450, 500]
    )
    np.testing.assert_array_equal(m.conditions.field, [0, 1e-3, 1e-2])
    np.testing.assert_array_equal(m.conditions.direction, [[1, 0, 0]])
    assert m.conditions.direction_label == ("[1, 0, 0]",)
    assert (m.sampling.relative_error, m.sampling.seed, m.sampling.target) == (0.01, 7, "mobility")
    assert m.volume is None
    assert m.source.text == CHAIN


def test_fields_whose_square_is_no_number_are_none():
    m = load_model_text(changed("magnitude: [0, 1e7, 1e8]", "magnitude: [1e-310, 1e-200, 1e-90]"))
    np.testing.assert_allclose(m.conditions.field, [0, 1e-100])
    assert any("fields below 1e-100 V/m" in note for note in m.notes)


def test_an_oxide():
    m = load_model_text(OXIDE)
    check_network(m)
    assert m.network.n_hops == 48
    (c,) = m.hop_classes
    assert c.distance == pytest.approx(4.165 / 2**0.5)
    np.testing.assert_array_equal(np.bincount(m.network.origin), [0, 0, 0, 0, 12, 12, 12, 12])
    # no supercell: one is chosen that holds the fraction
    assert any("supercell" in note and "chosen" in note for note in m.notes)
    sites = 4 * m.n_cells
    assert abs(m.carriers[0].count / sites / 0.001 - 1) <= 0.01
    (problem,) = problems(changed("fraction: 0.001", "fraction: 1e-30", OXIDE))
    assert "no cell of reasonable size" in problem.message


@pytest.mark.parametrize("path", [*sorted((ROOT / "inputs").glob("*.yaml")), STARTER], ids=lambda p: p.name)
def test_shipped_inputs_load(path):
    check_network(load_model(path))


def test_shipped_chain_is_the_sample():
    shipped, sample = load_model(ROOT / "inputs" / "namn3o7.yaml"), load_model_text(CHAIN)
    assert shipped.title == sample.title
    assert shipped.sampling == sample.sampling
    assert shipped.carriers == sample.carriers
    assert shipped.supercell == sample.supercell
    for key in ("temperature", "field", "direction"):
        np.testing.assert_array_equal(getattr(shipped.conditions, key), getattr(sample.conditions, key))
    np.testing.assert_array_equal(shipped.network.vector, sample.network.vector)
    assert shipped.hop_classes[0].source == "namn3o7.yaml:38 hops[0].barrier"


def test_both_diagonal_saddles():
    text = changed(
        "attempt_frequency: 6.12 THz}", "attempt_frequency: 6.12 THz, saddles: [{name: a}, {name: b}]}"
    )
    m = load_model_text(text)
    check_network(m)
    assert [c.name.rpartition(":")[2] for c in m.hop_classes] == ["a", "b"]
    assert m.network.n_hops == 4


def test_loading_imports_nothing_heavy():
    code = (
        "import sys; from kmc_transport.input import load_model; load_model(sys.argv[1]);"
        "bad = {'numba', 'pint', 'pymatgen', 'scipy', 'xarray', 'matplotlib', 'h5py'} & set(sys.modules);"
        "assert not bad, bad"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "inputs" / "mgo_vacancy.yaml")], check=True, cwd=ROOT
    )


# ------------------------------------------------------------------------------------------- conditions, sampling


def conditions(**keys):
    return load("rock salt", [hop(("O", "O"), distance=2.945)], conditions=keys).conditions


def test_temperature_grids():
    assert list(conditions(temperature=300).temperature) == [300]
    assert list(conditions(temperature="25 degC").temperature) == [298.15]
    assert list(conditions(temperature=[400, "300 K"]).temperature) == [400, 300]
    assert list(conditions(temperature={"from": 200, "to": 500, "step": 100}).temperature) == [
        200,
        300,
        400,
        500,
    ]
    assert list(conditions(temperature={"from": 0.1, "to": 0.7, "step": 0.1}).temperature)[-1] == 0.7
    assert list(conditions(temperature={"from": 200, "to": 500, "points": 4}).temperature) == [
        200,
        300,
        400,
        500,
    ]
    log = conditions(temperature={"from": 10, "to": 1000, "points": 3, "scale": "log"}).temperature
    assert list(log) == [10, 100, 1000]
    m = load("rock salt", [hop(("O", "O"), distance=2.945)], conditions={"temperature": [300, 400, 300]})
    assert list(m.conditions.temperature) == [300, 400]
    assert any("listed twice" in note for note in m.notes)


def test_fields():
    c = conditions(temperature=300)
    assert list(c.field) == [0]
    np.testing.assert_array_equal(c.direction, [[1, 0, 0]])
    field = {"along": [[1, 1, 0], [0, 0, 2]], "along_crystal": [1, 1, 1], "magnitude": ["1 MV/cm", 0, 1e7]}
    c = conditions(temperature=300, field=field)
    np.testing.assert_allclose(c.field, [0, 1e-3, 1e-2])
    r2, r3 = 2**-0.5, 3**-0.5
    np.testing.assert_allclose(c.direction, [[r2, r2, 0], [0, 0, 1], [r3, r3, r3]])
    assert c.direction_label == ("[1, 1, 0]", "[0, 0, 2]", "crystal [1, 1, 1]")
    magnitude = {"from": "1e6 V/m", "to": "1 MV/cm", "points": 3, "scale": "log"}
    c = conditions(temperature=300, field={"along": [0, 1, 0], "magnitude": magnitude})
    np.testing.assert_allclose(c.field, [1e-4, 1e-3, 1e-2])
    hexagonal = {
        **STRUCTURES["honeycomb"],
        "periodic": [True, True, True],
        "lattice": {"a": 2.46, "b": 2.46, "c": 6.7, "gamma": 120},
    }
    m = load(
        hexagonal,
        [hop(("C", "C"), distance=1.42)],
        conditions={"temperature": 300, "field": {"along_crystal": [0, 1, 0], "magnitude": 1}},
    )
    np.testing.assert_allclose(m.conditions.direction, [[-0.5, 3**0.5 / 2, 0]])


@given(st.floats(1, 1e3), st.floats(1.01, 100), st.integers(2, 50), st.sampled_from(["linear", "log"]))
def test_ranges_hold_both_ends_and_ascend(low, factor, points, scale):
    given = {"from": low, "to": low * factor, "points": points, "scale": scale}
    values = TemperatureRange.model_validate(given).values()
    assert len(values) == points
    assert values[0] == pytest.approx(low, rel=1e-9)
    assert values[-1] == pytest.approx(low * factor, rel=1e-9)
    assert np.all(np.diff(values) > 0)


def test_default_field_direction_follows_the_first_periodic_axis():
    layer = {"lattice": {"b": 3, "c": 4}, "periodic": [False, True, True], "sites": {"A": [[0, 0, 0]]}}
    c = load(layer, [hop(distance=[2.9, 4.1])]).conditions
    np.testing.assert_array_equal(c.direction, [[0, 1, 0]])
    assert c.direction_label == ("crystal [0, 1, 0]",)


def test_sampling_defaults():
    def sampling(**keys):
        return load("chain", [hop(distance=2.665)], sampling=keys).sampling

    assert sampling().relative_error == 0.01
    assert sampling(events=1e8).events == 100_000_000
    assert sampling(events=1e8).relative_error is None
    assert sampling(time="1 us").time == 1e-6
    assert sampling(time="1 us").relative_error is None
    s = sampling(
        absolute_error=1e-9,
        target="charge_diffusivity",
        replicas=2,
        wall_time="10 min",
        algorithm="null_event",
    )
    assert s.relative_error is None
    assert (s.absolute_error, s.target, s.replicas, s.wall_time, s.algorithm) == (
        1e-9,
        "charge_diffusivity",
        2,
        600,
        "null_event",
    )


# ------------------------------------------------------------------------------------------- carriers


def test_fractions_are_rounded_and_noted():
    def loaded(fraction, cells=10):
        carriers = {"p": {"charge": -1, "sites": ["A"], "fraction": fraction}}
        return load("chain", [hop(distance=2.665)], carriers=carriers, supercell=[cells, 1, 1])

    m = loaded(0.26)
    assert m.carriers[0].count == 3
    assert any("0.26 of 10 sites is 2.6, rounded to 3" in note for note in m.notes)
    assert loaded("1 %").carriers[0].count == 1  # at least one
    assert not any("rounded" in note for note in loaded(0.3).notes)


def test_several_species():
    hops = [hop("AB", distance=3), hop("AB", carrier="q", distance=3)]
    carriers = {
        "p": {"charge": 1, "sites": ["A", "B"], "count": 2},
        "q": {"charge": -2, "sites": ["A", "B"], "count": 3},
    }
    m = load("two sites", hops, carriers=carriers, site_energies={"B": {"q": 0.1}})
    np.testing.assert_array_equal(m.site_energy, [[0, 0], [0, 0.1]])
    assert [c.name for c in m.hop_classes] == ["p:A-B#1", "q:A-B#1"]
    carriers["q"]["count"] = 15
    (problem,) = problems(json.dumps(document("two sites", hops, carriers=carriers)))
    assert "more carriers than sites: 17 for 16 sites A, B" in problem.message
    assert problem.value == "2 p + 15 q"
    carriers["q"]["count"] = 14
    (problem,) = problems(json.dumps(document("two sites", hops, carriers=carriers)))
    assert "nothing can move" in problem.message


def test_memory(monkeypatch):
    # 4 replicas of 1000 sites with two neighbours each, three copies of their states
    needed = 1000 * 40 + 3 * 4 * (1000 * 10 + 130)
    monkeypatch.setattr(build, "available_memory", lambda: needed // 4)
    (problem,) = problems(CHAIN)
    assert problem.key == "supercell"
    assert "1e+03 sites need about" in problem.message
    assert "in 4 replicas" in problem.message
    assert problem.allowed == "about 250 cells along each periodic axis"
    assert "fewer sampling.replicas" in problem.remedy
    monkeypatch.setattr(build, "available_memory", lambda: needed)
    load_model_text(CHAIN)
    monkeypatch.undo()
    (problem,) = problems(changed("[1000, 1, 1]", "[100000000000000, 1, 1]"))
    assert "would not fit in memory" in problem.message


# ------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "message", "allowed", "remedy"),
    [
        (
            "distance: 2.665",
            "distence: 2.665",
            11,
            "hops[0].distence",
            "unknown key 'distence'",
            "distance, tolerance",
            "'distance'?",
        ),
        ("title:", "tilte:", 1, "tilte", "unknown key 'tilte'", "title, references", "'title'?"),
        (
            "charge: 1",
            "chrage: 1, charge: 1",
            9,
            "carriers.hole_polaron.chrage",
            "unknown key",
            "charge, sites",
            "'charge'?",
        ),
        ("seed: 7", "sed: 7", 15, "sampling.sed", "unknown key", "seed", "'seed'?"),
        (
            "title:",
            "format: 2\ntitle:",
            1,
            "format",
            "format version 2 is not known",
            "1",
            "newer kmc_transport",
        ),
        (
            "[200 K, 225 K",
            "[200 K, -5",
            13,
            "conditions.temperature[1]",
            "the temperature is negative",
            ">= 0.001",
            "'-5 degC'",
        ),
        ("[200 K, 225 K", "[200 K, 0", 13, "conditions.temperature[1]", "outside", ">= 0.001", ""),
        (
            "[200 K, 225 K",
            "[200 K, 5 m",
            13,
            "conditions.temperature[1]",
            "'m' is a unit of length",
            "K",
            "298 K",
        ),
        (
            "[0, 1e7, 1e8]",
            "[0, -1e7]",
            14,
            "conditions.field.magnitude[1]",
            "the field is negative",
            ">= 0",
            "",
        ),
        (
            "barrier: 242 meV",
            "barrier: 242",
            11,
            "hops[0].barrier",
            "outside the allowed range",
            "<= 50 eV",
            "242 meV",
        ),
        (
            "barrier: 242 meV",
            "barrier: {forward: 0.2, revers: 0.2}",
            11,
            "hops[0].barrier.reverse",
            "'reverse' is missing",
            "",
            "reverse:",
        ),
        (
            "6.12 THz",
            "6.12",
            11,
            "hops[0].attempt_frequency",
            "outside the allowed range",
            "'eyring'",
            "6.12 THz",
        ),
        ("6.12 THz", "eyrng", 11, "hops[0].attempt_frequency", "is not a frequency", "'eyring'", ""),
        ("6.12 THz", "6 ± 1 THz", 11, "hops[0].attempt_frequency", "uncertainty is not used", "", "barriers"),
        (
            "6.12 THz",
            "6.12 THz, saddle: 0.4",
            11,
            "hops[0].saddle",
            "own reverse",
            "0.5",
            "leave 'saddle' out",
        ),
        (
            "6.12 THz",
            "6.12 THz, channels: 0",
            11,
            "hops[0].channels",
            "outside the allowed range",
            ">= 1",
            "",
        ),
        ("distance: 2.665, ", "", 11, "hops[0]", "one of 'distance' and 'vectors'", "", "vectors:"),
        (
            "distance: 2.665",
            "distance: 2.665, vectors: [[1, 0, 0]]",
            11,
            "hops[0].vectors",
            "not both",
            "",
            "",
        ),
        ("distance: 2.665", "distance: [2.8, 2.6]", 11, "hops[0].distance", "[shortest, longest]", "", ""),
        (
            "distance: 2.665",
            "distance: 3",
            11,
            "hops[0].distance",
            "2.98 to 3.02 Å apart",
            "2.665, 5.330",
            "2.665",
        ),
        (
            "distance: 2.665",
            "vectors: [[1, 0]]",
            11,
            "hops[0].vectors[0]",
            "must have at least 3 entries",
            "3",
            "vectors:",
        ),
        (
            "carrier: hole_polaron",
            "carrier: hole",
            11,
            "hops[0].carrier",
            "no carrier 'hole'",
            "hole_polaron",
            "hole_polaron",
        ),
        (
            "between: [O1_pair, O1_pair]",
            "between: [O1_pair, O1]",
            11,
            "hops[0].between[1]",
            "cannot sit on sites 'O1'",
            "O1_pair",
            "",
        ),
        (
            "sites: [O1_pair]",
            "sites: [O1_pear]",
            9,
            "carriers.hole_polaron.sites[0]",
            "no sites 'O1_pear'",
            "O1_pair",
            "'O1_pair'?",
        ),
        (
            "charge: 1",
            "site_dipoles: solve, charge: 0",
            9,
            "carriers.hole_polaron.site_dipoles",
            "without charge",
            "",
            "remove 'site_dipoles'",
        ),
        ("count: 1", "count: 1, fraction: 0.1", 9, "carriers.hole_polaron.fraction", "not both", "", ""),
        (", count: 1", "", 9, "carriers.hole_polaron", "one of 'count' and 'fraction'", "", "count: 1"),
        (
            "count: 1",
            "count: 1001",
            9,
            "carriers.hole_polaron.count",
            "more carriers than sites: 1001 for 1000",
            "fewer than 1000",
            "larger",
        ),
        ("count: 1", "count: 1.5", 9, "carriers.hole_polaron.count", "whole number", "", "count: 1"),
        (
            "supercell: [1000, 1, 1]",
            "supercell: [1000, 2, 1]",
            7,
            "supercell[1]",
            "does not repeat along b",
            "1",
            "",
        ),
        (
            "supercell: [1000, 1, 1]",
            "supercell: [1, 1, 1]",
            7,
            "supercell",
            "image of the site where they start",
            "at least 2",
            "",
        ),
        ("supercell: [1000, 1, 1]\n", "", 1, "supercell", "'supercell' is missing", "", "[10, 10, 10]"),
        (
            "along: [1, 0, 0]",
            "along: [1, 1, 0]",
            14,
            "conditions.field.along",
            "does not repeat",
            "a = [2.665, 0, 0]",
            "turn",
        ),
        ("along: [1, 0, 0]", "along: [0, 0, 0]", 14, "conditions.field.along", "not zero", "", ""),
        ("along: [1, 0, 0]", "along: x", 14, "conditions.field.along", "must be a list", "", "along:"),
        (
            "along: [1, 0, 0]",
            "along: [[1, 0, 0], [2, 0, 0]]",
            14,
            "conditions.field.along[1]",
            "given twice",
            "",
            "",
        ),
        (
            "relative_error: 1 %",
            "relative_error: 1 percentage",
            15,
            "sampling.relative_error",
            "not a unit",
            "",
            "1 %",
        ),
        (
            "relative_error: 1 %",
            "target: mobilty",
            15,
            "sampling.target",
            "not one of the choices",
            "mobility",
            "'mobility'?",
        ),
        ("relative_error: 1 %", "replicas: none", 15, "sampling.replicas", "whole number", "", "replicas: 4"),
        (
            "[[0, 0, 0]]",
            "[[0, 0, 1/x]]",
            6,
            "structure.sites.O1_pair[0][2]",
            "fractional coordinate",
            "1/3",
            "",
        ),
        ("a: 2.665", "a: -2.665", 4, "structure.lattice.a", "the length is negative", ">= 0.1", ""),
        (
            "sites: {O1_pair: [[0, 0, 0]]}",
            "sites: {'O1 pair': [[0, 0, 0]]}",
            6,
            "structure.sites.O1 pair",
            "no spaces",
            "",
            "rename",
        ),
        (
            "sampling: {relative_error: 1 %, seed: 7}",
            "site_energies: {O1: 0.1}",
            15,
            "site_energies.O1",
            "no sites 'O1'",
            "O1_pair",
            "",
        ),
        (
            "sampling: {relative_error: 1 %, seed: 7}",
            "site_energies: {O1_pair: {hole: 0.1}}",
            15,
            "site_energies.O1_pair.hole",
            "no carrier 'hole'",
            "hole_polaron",
            "",
        ),
        (
            "sampling: {relative_error: 1 %, seed: 7}",
            "sampling: [1]",
            15,
            "sampling",
            "must be a mapping",
            "",
            "sampling: {",
        ),
    ],
)
def test_each_error_says_line_key_and_remedy(old, new, line, key, message, allowed, remedy):
    problem = next(p for p in problems(changed(old, new)) if p.key == key)
    assert problem.line == line
    assert problem.column is not None
    assert message in problem.message
    assert allowed in problem.allowed
    assert remedy in problem.remedy
    assert str(problem).startswith(f"test.yaml:{line}:{problem.column}: {key}: ")


@pytest.mark.parametrize(
    ("temperature", "message"),
    [
        ("{from: 200, to: 500}", "either 'step' or 'points'"),
        ("{from: 200, to: 500, step: 10, points: 3}", "either 'step' or 'points'"),
        ("{from: 500, to: 200, step: 10}", "greater than 'from'"),
        ("{from: 200, to: 500, step: 70}", "does not lead"),
        ("{from: 200, to: 500, step: 1e-9}", "more than 100000 points"),
        ("{from: 200, to: 500, step: 100, scale: log}", "needs 'points'"),
    ],
)
def test_range_errors(temperature, message):
    (problem,) = problems(
        changed("conditions: {temperature: 1500}", f"conditions: {{temperature: {temperature}}}", OXIDE)
    )
    assert (problem.line, problem.key) == (5, "conditions.temperature")
    assert message in problem.message


def test_all_problems_are_found_at_once():
    """Shape, units, structure, hops and conditions: one report, in the order of the file, on one screen."""
    text = """\
structure:
  spacegroup: Fm-3m
  lattice: {a: 4.165, b: 4.2}
  sites: {Mg: [[0, 0, 0]], O: [[0.5, 0.5, 0.5]]}
carriers:
  vacancy: {charge: 0, sites: [O], fraction: 0.001, site_dipoles: solve}
hops:
  - {carrier: vacancy, between: [O, O], distence: 2.945, barrier: 2.0 eV, attempt_frequency: 5}
conditions: {temperature: [300, -5]}
sampling: {relative_eror: 1 %}
"""
    found = problems(text)
    assert [(p.line, p.key) for p in found] == [
        (3, "structure.lattice.b"),
        (6, "carriers.vacancy.site_dipoles"),
        (8, "hops[0].distence"),
        (8, "hops[0].attempt_frequency"),
        (9, "conditions.temperature[1]"),
        (10, "sampling.relative_eror"),
    ]
    report = str(InputError(found))
    assert len(report.splitlines()) <= 4 * len(found)
    # sound entries are checked although another one is wrong
    text = changed("b: 4.2", "c: 4.165", text)
    text = changed(
        "hops:\n",
        "hops:\n  - {carrier: vacancy, between: [O, O], distance: 2, barrier: 1, attempt_frequency: 5 THz}\n",
        text,
    )
    assert (8, "hops[0].distance") in [(p.line, p.key) for p in problems(text)]


@pytest.mark.parametrize(
    ("text", "line", "message", "remedy"),
    [
        ("", None, "the file is empty", "kmc-transport new"),
        ("- 1\n", 1, "must be a mapping", ""),
        ("a: [1,\n", 2, "this is not YAML", "brackets"),
        ("a: 1\n\tb: 2\n", 2, "this is not YAML", "spaces, never with tabs"),
        ("a: b: c\n", 1, "this is not YAML", "quotes"),
        ("a: *b\n", 1, "undefined alias", "anchor"),
        ("a: 1\n---\nb: 2\n", 2, "this is not YAML", "one document"),
        ("title: x\x01\n", 1, "is not allowed", "control characters"),
        ("title: a\nhops: []\ntitle: b\n", 3, "given twice (first in line 1)", "keep one"),
        ("structure: {file: a, file: b}\n", 1, "given twice", "keep one"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "tag", "without a tag"),
        ("a: !foo 3\n", 1, "tag '!foo'", "plain number or text"),
        ("a: {<<: {b: 1}}\n", 1, "merge keys", "repeat"),
        ("a: &x [*x]\n", 1, "contains itself", ""),
        ("? [a, b]\n: 1\n", 1, "a key must be a plain text", "quotes"),
        ("a: " + "[" * 500 + "]" * 500, None, "nested too deeply", ""),
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{c}: &{c} [{','.join(['*' + p] * 10)}]\n" for p, c in zip("abcdef", "bcdefg", strict=True)
            ),
            None,
            "too many entries",
            "",
        ),
    ],
)
def test_yaml_errors(text, line, message, remedy):
    problem = problems(text)[0]
    assert message in problem.message
    assert remedy in problem.remedy
    if line is not None:
        assert problem.line == line


def test_yaml_is_version_1_2():
    m = load_model_text(changed("title: Split-hole polaron along b in NaMn3O7", "title: on"))
    assert m.title == "on"  # a boolean in YAML 1.1
    assert m.conditions.field[1] == 1e-3  # 1e7 is a text in YAML 1.1
    with pytest.raises(InputError, match="must be true or false"):
        load_model_text(changed("[true, false, false]", "[yess, false, false]"))


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "mgo.yaml").write_text(OXIDE)
    with pytest.raises(InputError, match=r"did you mean 'mgo\.yaml'"):
        load_model(tmp_path / "mgo.yml")
    with pytest.raises(InputError, match="a folder"):
        load_model(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"title: x\ntitle2: \xe9\n")
    with pytest.raises(InputError, match=r"latin\.yaml:2: the file is not UTF-8"):
        load_model(tmp_path / "latin.yaml")
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + OXIDE.encode())
    assert load_model(tmp_path / "bom.yaml").network.n_hops == 48


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False)
    | st.sampled_from(["O", "3 eV", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "O", "from"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_whatever_stands_in_a_key_the_answer_is_a_model_or_problems(data):
    """No input leads to another exception than InputError, and every problem has a place."""
    text = document("rock salt", [hop(("O", "O"), distance=2.945)])
    places = [
        ("structure",), ("structure", "lattice"), ("structure", "sites"), ("structure", "lattice", "a"),
        ("structure", "spacegroup"), ("supercell",), ("carriers",), ("carriers", "p"), ("carriers", "p", "sites"),
        ("hops",), ("hops", 0), ("hops", 0, "between"), ("hops", 0, "distance"), ("hops", 0, "barrier"),
        ("hops", 0, "attempt_frequency"), ("hops", 0, "saddles"), ("hops", 0, "classes"), ("hops", 0, "vectors"),
        ("conditions",), ("conditions", "temperature"), ("conditions", "field"), ("sampling",), ("site_energies",),
    ]  # fmt: skip
    place = data.draw(st.sampled_from(places))
    node = text
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = data.draw(JSON)
    try:
        check_network(load_model_text(json.dumps(text), "test.yaml"))
    except InputError as error:
        assert all(p.message and p.line for p in error.problems)  # noqa: PT017


# ------------------------------------------------------------------------------------------- schema


@pytest.mark.parametrize("none", [0, 0.0, None])
def test_zero_is_no_field(none: object) -> None:
    model = load("chain", [hop(distance=2.665)], conditions={"temperature": 300, "field": none})
    assert model.conditions.field.tolist() == [0.0]
    for wrong in (False, 1, "0 V/m"):
        with pytest.raises(InputError, match="field"):
            load("chain", [hop(distance=2.665)], conditions={"temperature": 300, "field": wrong})


def test_schema_documents_every_key():
    schema = input_schema()
    assert schema["title"] == "Input"
    json.dumps(schema)
    models = [m for m in [schema, *schema["$defs"].values()] if m["type"] == "object"]
    fields = [(m["title"], name, f) for m in models for name, f in m.get("properties", {}).items()]
    assert len(fields) > 60
    for model, name, field in fields:
        assert field.get("description"), (model, name)
        assert field.get("examples"), (model, name)
    open_to_more = [m["title"] for m in models if m.get("additionalProperties") is not False]
    assert open_to_more == ["BarrierFromRule"]  # its parameters are the rule's
    assert schema["$defs"]["LatticeInput"]["properties"]["a"]["anyOf"][0]["unit"] == "Å"


def test_examples_of_the_schema_are_valid():
    """Each example of a top-level key is accepted where it stands."""
    for name, info in Input.model_fields.items():
        for example in info.examples or []:
            whole = {**document("rock salt", [hop(("O", "O"), distance=2.945)]), name: example}
            Input.model_validate(whole)
