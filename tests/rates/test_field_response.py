"""Saddle dipoles given in the input: turned by symmetry, made symmetric or refused, and never in the whole work."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.errors import InputError
from kmc_transport.exact import solve_exact
from kmc_transport.input import load_model_text
from kmc_transport.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.units import K_B

MGO = """
structure: {spacegroup: Fm-3m, lattice: {a: 4.165}, sites: {Mg: [[0, 0, 0]], O: [[0.5, 0.5, 0.5]]}}
supercell: [4, 4, 4]
carriers: {V_O: {charge: 2, sites: [O], count: 1}}
hops:
  - carrier: V_O
    between: [O, O]
    distance: 2.945
    barrier: 2.0 eV
    attempt_frequency: 5 THz
    field_response: RESPONSE
conditions: {temperature: [1000], field: {along: [1, 0, 0], magnitude: [0, 1e8]}}
"""
LAYER = """
structure:
  lattice: {a: 4, b: 4, c: 10}
  periodic: [true, true, false]
  sites: {A: [[0, 0, 0]], B: [[0.5, 0.5, 0]]}
site_energies: {B: 0.1 eV}
supercell: [3, 3, 1]
carriers: {ion: {charge: CHARGE, sites: [A, B], count: 1}}
hops:
  - carrier: ion
    between: [A, B]
    distance: 2.828
    barrier: 0.6 eV
    attempt_frequency: 5 THz
    field_response: RESPONSE
conditions: {temperature: [500], field: {along: [1, 0, 0], magnitude: [0, 1e8]}}
"""


def mgo(response: str) -> Model:
    return load_model_text(MGO.replace("RESPONSE", response))


def layer(response: str, charge: float = 1.0) -> Model:
    return load_model_text(LAYER.replace("RESPONSE", response).replace("CHARGE", str(charge)))


def first_vector(model: Model) -> np.ndarray:
    return model.network.vector[0]


def test_q_eqv_of_the_magnesia_vacancy_is_made_symmetric_and_told() -> None:
    """Table 1 of Salles 2020: Q_eqv 2.07 (-2.07 along the atom's way), 1.40 Å: 2.9 e·Å; symmetry wants 2.945."""
    plain = mgo("{dipole: [0, 2.0825, 2.0825]}")
    d = first_vector(plain)
    d_ma = (-1.40 * d / np.linalg.norm(d)).tolist()
    model = mgo(f"{{q_eqv: -2.07, d_ma: {d_ma}}}")
    dipole = np.array(model.hop_classes[0].saddle_dipole)
    np.testing.assert_allclose(dipole, d, atol=1e-9)  # Q d/2 with Q = 2
    assert np.linalg.norm(dipole) == pytest.approx(2.945, abs=1e-3)
    assert any("made symmetric" in line for line in model.hop_classes[0].log)
    field = [0.01, 0.003, -0.02]
    midpoint = build_catalog(
        load_model_text(MGO.replace("    field_response: RESPONSE\n", "")), temperature=1000, field=field
    )
    np.testing.assert_allclose(
        build_catalog(model, temperature=1000, field=field).rate, midpoint.rate, rtol=1e-12
    )


@pytest.mark.parametrize("scale", [0.7, 1.3])
def test_a_half_work_that_is_not_half_is_refused_with_both_numbers(scale: float) -> None:
    with pytest.raises(InputError, match="breaks the symmetry") as caught:
        mgo(f"{{dipole: [0, {2.0825 * scale}, {2.0825 * scale}]}}")
    message = str(caught.value)
    assert f"{2.0825 * scale:.4g}" in message
    assert "(0, 2.082, 2.082)" in message or "(0, 2.083, 2.083)" in message
    assert "hops[0].field_response" in message


def test_a_dipole_is_turned_with_its_hop() -> None:
    """Ends that are not equivalent: the saddle is free along the hop; the diagonal mirror forbids the rest."""
    model = layer("{dipole: [0.6, 0.6, 0], hop: [2, 2, 0]}")
    catalog = build_catalog(model, temperature=500, field=[0.01, 0.0, 0.0])
    net = model.network
    for h in range(net.n_hops):
        if net.orientation[h] > 0:
            np.testing.assert_allclose(catalog.saddle_dipole[h], 0.3 * net.vector[h], atol=1e-9)
        else:  # from the other end: the rest of the way
            np.testing.assert_allclose(catalog.saddle_dipole[h], 0.7 * net.vector[h], atol=1e-9)
    same = layer("{q_eqv: 2.0, d_ma: [0.3, 0.3, 0], hop: [2, 2, 0]}")
    np.testing.assert_allclose(
        build_catalog(same, temperature=500, field=[0.01, 0.0, 0.0]).saddle_dipole,
        catalog.saddle_dipole,
        atol=1e-9,
    )


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-3, 3),
    st.tuples(*[st.floats(-0.3, 0.3)] * 3),
    st.floats(200, 1500),
    st.sampled_from([1.0, -2.0]),
)
def test_the_saddle_never_enters_the_whole_work(
    share: float, field: tuple[float, float, float], temperature: float, charge: float
) -> None:
    """k_f/k_b, loops and the affinity of windings are those of Q alone, clamped or not."""
    along = share * charge
    model = layer(f"{{dipole: [{2 * along}, {2 * along}, 0], hop: [2, 2, 0]}}", charge)
    reference = load_model_text(
        LAYER.replace("    field_response: RESPONSE\n", "").replace("CHARGE", str(charge))
    )
    catalog = build_catalog(model, temperature=temperature, field=field)
    plain = build_catalog(reference, temperature=temperature, field=field)
    back = model.network.reverse
    np.testing.assert_allclose(
        catalog.log_rate - catalog.log_rate[back], plain.log_rate - plain.log_rate[back], atol=1e-8
    )
    np.testing.assert_array_equal(catalog.work, plain.work)
    # round A -> B -> A of the next cell: sum of ln(k_f/k_b) is Q R.E/kT
    net = model.network
    for h in np.flatnonzero(net.orientation > 0):
        for g in np.flatnonzero((net.orientation < 0) & (net.origin == net.target[h])):
            winding = net.vector[h] + net.vector[g]
            affinity = sum(catalog.log_rate[k] - catalog.log_rate[back[k]] for k in (h, g))
            expected = charge * winding @ np.array(field) / (K_B * temperature)
            assert affinity == pytest.approx(expected, abs=1e-7 * (1 + abs(expected)))


def test_weak_field_mobility_does_not_know_the_saddle_but_a_strong_field_does() -> None:
    early, late = (layer(f"{{dipole: [{x}, {x}, 0], hop: [2, 2, 0]}}") for x in (0.2, 1.8))
    for strength, differs in ((1e-6, False), (0.05, True)):
        v = [
            solve_exact(build_catalog(m, temperature=500, field=[strength, 0, 0])).drift_velocity[0, 0]
            for m in (early, late)
        ]
        assert (abs(v[0] / v[1] - 1) > 0.1) == differs
    weak = solve_exact(build_catalog(early, temperature=500, field=[1e-6, 0, 0]))
    rest = solve_exact(build_catalog(early, temperature=500))
    assert weak.mobility_along_field is not None
    assert weak.mobility_along_field[0] == pytest.approx(rest.mobility_einstein[0, 0, 0], rel=1e-6)


def test_vacancy_and_ion_descriptions_drift_alike() -> None:
    """The atom that moves by -d with charge -2 is the vacancy that moves by d with charge +2."""
    vacancy = build_catalog(
        mgo("{q_eqv: -2.0, d_ma: [0, -1.04125, -1.04125], hop: [0, 2.0825, 2.0825]}"), temperature=1000
    )
    as_dipole = build_catalog(
        mgo("{dipole: [0, 2.0825, 2.0825], hop: [0, 2.0825, 2.0825]}"), temperature=1000
    )
    np.testing.assert_allclose(vacancy.saddle_dipole, as_dipole.saddle_dipole, atol=1e-9)


@pytest.mark.parametrize(
    ("response", "message"),
    [
        ("{dipole: [0, 1, 1], hop: [9, 9, 9]}", "no hop along this vector"),
        ("{dipole: [0, 2.0825, 2.0825], q_eqv: 1}", "q_eqv"),
        ("{dipol: [0, 1, 1]}", "dipole"),
    ],
)
def test_wrong_responses_are_named(response: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        mgo(response)
    assert "field_response" in str(caught.value)


def test_saddle_place_and_response_exclude_each_other() -> None:
    with pytest.raises(InputError, match="both 'saddle' and 'field_response'"):
        load_model_text(
            LAYER.replace("CHARGE", "1").replace("RESPONSE", "{dipole: [1, 1, 0]}\n    saddle: 0.4")
        )


def test_half_work_outside_the_hop_is_told() -> None:
    model = layer("{dipole: [3, 3, 0], hop: [2, 2, 0]}")
    assert any("outside 0 to 1" in line for line in model.notes)
    assert math.isfinite(build_catalog(model, temperature=500).rate[0])


CUBE = """
structure: {lattice: {a: 3, b: 3, c: 3}, sites: {O: [[0, 0, 0]]}}
supercell: [3, 3, 3]
carriers: {V: {charge: 2, sites: [O], count: 1}}
hops:
  - {carrier: V, between: [O, O], HOPS, barrier: 0.5, attempt_frequency: 1.0e+13, RESPONSE}
conditions: {temperature: [500]}
"""


def cube(hops: str, response: str) -> Model:
    return load_model_text(CUBE.replace("HOPS", hops).replace("RESPONSE", response))


@pytest.mark.parametrize(
    "response",
    [
        "field_response: {magnitude: 3.05}",
        "classical_response: {charge: -2, d_ma: 1.2}, field_response: classical",
    ],
)
def test_listed_hops_turn_their_dipoles_as_found_ones_do(response: str) -> None:
    """Hops listed one by one are images of the first of their class just the same."""
    found = build_catalog(cube("distance: 3", response), temperature=500, field=[0.01, 0.02, 0.005])
    listed = build_catalog(
        cube("vectors: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]", response),
        temperature=500,
        field=[0.01, 0.02, 0.005],
    )
    rates = [
        {tuple(np.round(v, 6)): r for v, r in zip(c.model.network.vector, c.rate, strict=True)}
        for c in (found, listed)
    ]
    assert rates[0].keys() == rates[1].keys()
    for vector, rate in rates[0].items():
        assert rates[1][vector] == pytest.approx(rate, rel=1e-12)


WURTZITE = """
structure: {spacegroup: P6_3mc, lattice: {a: 3, c: 5.2}, sites: {O: [[1/3, 2/3, 0]]}}
supercell: [3, 3, 2]
carriers: {V: {charge: 2, sites: [O], count: 1}}
hops:
  - carrier: V
    between: [O, O]
    distance: 3.0
    barrier: 0.5
    attempt_frequency: 1.0e+13
    field_response: RESPONSE
  - {carrier: V, between: [O, O], distance: [3.001, 3.2], barrier: 0.5, attempt_frequency: 1.0e+13}
conditions: {temperature: [500]}
"""


def test_a_hop_from_sites_that_are_turned_differently_must_say_from_which() -> None:
    with pytest.raises(InputError, match="the dipole is ambiguous") as caught:
        load_model_text(WURTZITE.replace("RESPONSE", "{dipole: [3, 0.4, 0], hop: [3, 0, 0]}"))
    assert "from: 0" in str(caught.value)
    dipoles = []
    for site in (0, 1):
        model = load_model_text(
            WURTZITE.replace("RESPONSE", f"{{dipole: [3, 0.4, 0], hop: [3, 0, 0], from: {site}}}")
        )
        catalog, net = build_catalog(model, temperature=500), model.network
        here = (net.origin == site) & (np.linalg.norm(net.vector - [3, 0, 0], axis=1) < 1e-6)
        np.testing.assert_allclose(catalog.saddle_dipole[here][0], [3, 0.4, 0], atol=1e-9)
        other = (net.origin == 1 - site) & (np.linalg.norm(net.vector - [3, 0, 0], axis=1) < 1e-6)
        dipoles.append(catalog.saddle_dipole[other][0])
        np.testing.assert_allclose(dipoles[-1], [3, -0.4, 0], atol=1e-9)


def test_a_size_belongs_to_the_hop_that_is_named() -> None:
    chain = """
structure: {lattice: {a: 5}, periodic: [true, false, false], symmetry: false, sites: {A: [[0, 0, 0]], B: [[0.4, 0, 0]]}}
supercell: [4, 1, 1]
carriers: {p: {charge: 2, sites: [A, B], count: 1}}
hops:
  - {carrier: p, between: [A, B], distance: 2, barrier: 0.5, attempt_frequency: 1.0e+13, field_response: RESPONSE}
  - {carrier: p, between: [A, B], distance: 3, barrier: 0.5, attempt_frequency: 1.0e+13}
conditions: {temperature: [500]}
"""
    model = load_model_text(chain.replace("RESPONSE", "{magnitude: 2.6, hop: [-2, 0, 0]}"))
    same = load_model_text(chain.replace("RESPONSE", "{dipole: [-2.6, 0, 0], hop: [-2, 0, 0]}"))
    a, b = (build_catalog(m, temperature=500) for m in (model, same))
    np.testing.assert_allclose(a.saddle_dipole, b.saddle_dipole, atol=1e-12)
    assert a.saddle_dipole[0, 0] == pytest.approx(1.4)
    with pytest.raises(InputError, match="no hop along this vector"):
        load_model_text(chain.replace("RESPONSE", "{magnitude: 2.6, hop: [9, 9, 9]}"))


def test_saddles_that_symmetry_turns_into_each_other_may_deviate() -> None:
    """Bent paths round an axis: each saddle alone breaks the symmetry, all four together keep it."""
    saddles = ", ".join(
        f"{{name: s{k}, field_response: {{dipole: [3, {y}, {z}]}}}}"
        for k, (y, z) in enumerate([(0.8, 0), (-0.8, 0), (0, 0.8), (0, -0.8)])
    )
    model = cube("vectors: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]", f"saddles: [{saddles}]")
    assert all("symmetry turns into each other" in " ".join(c.log) for c in model.hop_classes)
    answers = [
        solve_exact(build_catalog(model, temperature=500, field=f)).drift_velocity[0]
        for f in ([0.05, 0, 0], [0, 0.05, 0], [0, 0, 0.05])
    ]
    assert answers[0][0] == pytest.approx(answers[1][1], rel=1e-9)
    assert answers[0][0] == pytest.approx(answers[2][2], rel=1e-9)
    with pytest.raises(InputError, match="breaks the symmetry"):
        cube("vectors: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]", f"saddles: [{saddles.split(', {name: s3')[0]}]")


def test_two_forms_at_once_are_named() -> None:
    with pytest.raises(InputError, match="mixes dipole and magnitude"):
        cube("distance: 3", "field_response: {dipole: [3, 0, 0], magnitude: 3}")


def test_an_exact_size_needs_no_tolerance() -> None:
    assert cube("distance: 3", "field_response: {magnitude: 3.0, tolerance: 0}").hop_classes[0].saddle_dipole
