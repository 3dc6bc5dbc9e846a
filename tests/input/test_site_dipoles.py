"""Charge centres off their sites: given or solved for; the shipped oxides land on Salles 2020, Table 1."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.errors import InputError
from kmc_transport.exact import solve_exact
from kmc_transport.input import load_model, load_model_text
from kmc_transport.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.rates.checks import site_function_residual
from kmc_transport.units import K_B
from tests.input.model_inputs import hop

INPUTS = Path(__file__).parents[2] / "inputs"
QUARTZ = {
    "spacegroup": "P3_221",
    "lattice": {"a": 4.913, "c": 5.405},
    "sites": {"Si": [[0.4697, 0, "2/3"]], "O": [[0.4135, 0.2669, 0.7858]]},
}


def quartz(
    response: object,
    *,
    charge: float = 2,
    dipoles: object = "solve",
    classes: object = None,
    barrier: float = 1.0,
) -> Model:
    entry = hop(["O", "O"], carrier="V", distance=[2.55, 2.70], barrier=barrier, attempt_frequency=5e12)
    entry |= {"field_response": response} if response else {}
    entry |= {"classes": classes} if classes else {}
    carrier = {"charge": charge, "sites": ["O"], "count": 1}
    carrier |= {"site_dipoles": dipoles} if dipoles is not None else {}
    return load_model_text(
        json.dumps(
            {
                "structure": QUARTZ,
                "supercell": [3, 3, 3],
                "carriers": {"V": carrier},
                "hops": [entry],
                "conditions": {"temperature": [700], "field": {"along": [0, 0, 1], "magnitude": [0, 1e8]}},
            }
        )
    )


def geometric(model: Model) -> np.ndarray:
    net, s = model.network, model.structure
    return s.cart[net.target] + net.cell @ s.lattice - s.cart[net.origin]


def sizes(model: Model) -> np.ndarray:
    """Size of p_S - p_i of every directed hop, e·Å."""
    return np.linalg.norm(build_catalog(model, temperature=700, field=[0, 0, 0]).saddle_dipole, axis=1)


# ---- shipped inputs: Table 1


@pytest.mark.parametrize(
    ("name", "classes", "total", "d_ma", "q_eqv", "classical"),
    [
        ("mgo_vacancy", (0,), 2.9, 1.40, 2.07, 2.8),
        ("sio2_oxygen_interstitial", (0, 2), 2.4, 0.47, 5.1, 0.9),
        ("sio2_oxygen_vacancy", (0, 1, 2, 3), 2.8, 0.775, 3.5, 3.1),
    ],
)
def test_shipped_oxides_land_on_table_1(
    name: str, classes: tuple[int, ...], total: float, d_ma: float, q_eqv: float, classical: float
) -> None:
    """Totals follow from charge centres and the transported charge; d_MA is what the paper's table implies."""
    model = load_model(INPUTS / f"{name}.yaml")
    on_path = np.isin(model.network.hop_class, classes)
    found = sizes(model)[on_path]
    assert np.abs(found - total).max() < 0.05
    assert np.abs(found / d_ma - q_eqv).max() < 0.15
    for k in classes:
        nominal = np.linalg.norm(model.hop_classes[k].classical_dipole or ())
        assert nominal == pytest.approx(classical, abs=0.05)
    # half the whole hop wherever an operation swaps the ends: derived, not typed in
    whole = model.carriers[0].charge * model.network.vector
    swapped = [c for c in classes if name == "mgo_vacancy" or c in (0, 2)]
    rows = np.isin(model.network.hop_class, swapped)
    dipole = build_catalog(model, temperature=700, field=[0, 0, 0]).saddle_dipole
    np.testing.assert_allclose(dipole[rows], whole[rows] / 2, atol=0.02)


def test_charge_centres_move_as_far_as_worked_out() -> None:
    """0.28 Å for 2.4 e·Å on the two-fold links, 0.16 and 0.32 Å for 2.7 and 2.8 e·Å on all."""
    for model, moved in (
        (load_model(INPUTS / "sio2_oxygen_interstitial.yaml"), 0.28),
        (load_model(INPUTS / "sio2_oxygen_vacancy.yaml"), 0.32),
        (quartz({"magnitude": 2.7}), 0.16),
    ):
        assert model.site_dipole is not None
        shift = np.linalg.norm(model.site_dipole[0], axis=1) / abs(model.carriers[0].charge)
        oxygen = np.array(model.structure.labels) == "O"
        np.testing.assert_allclose(shift[oxygen], moved, atol=0.01)
        assert np.all(shift[~oxygen] == 0)


def test_dipoles_that_no_placement_gives_are_refused_with_the_residual() -> None:
    with pytest.raises(InputError, match="no dipoles of the sites fit") as caught:
        quartz({"magnitude": 2.4}, charge=-2)
    assert "missed by 0.1" in str(caught.value)


# ---- what holds for any of them


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(*[st.floats(-0.6, 0.6)] * 3),
    st.tuples(*[st.floats(-0.2, 0.2)] * 3),
    st.sampled_from([2.0, -2.0]),
)
def test_loops_know_the_transported_charge_alone(
    dipole: tuple[float, ...], field: tuple[float, ...], charge: float
) -> None:
    """Round a loop W is Q R.E, whatever the site dipoles; the strong fields clamp some barriers."""
    model = quartz(None, charge=charge, dipoles={"O": list(dipole)}, barrier=0.1)
    catalog = build_catalog(model, temperature=500, field=field)
    plain = charge * geometric(model) @ np.array(field)
    assert np.abs(site_function_residual(model.network, catalog.work - plain)).max() < 1e-9
    ratio = catalog.log_rate - catalog.log_rate[model.network.reverse]
    np.testing.assert_allclose(ratio, catalog.work / (K_B * 500), atol=1e-7)


def test_site_dipoles_turn_with_the_sites() -> None:
    """The charge centres keep the space group: equivalent hops are equally long, and no two classes mix."""
    model = quartz(None, dipoles={"O": [0.3, -0.2, 0.15]})
    lengths = np.linalg.norm(model.network.vector, axis=1)
    for c in range(len(model.hop_classes)):
        own = lengths[model.network.hop_class == c]
        assert np.ptp(own) < 1e-9
    assert np.abs(lengths - np.linalg.norm(geometric(model), axis=1)).max() > 0.05


def test_solved_dipoles_reproduce_given_ones() -> None:
    """Vectors of two-fold hops made with known charge centres give these back, up to what the hops cannot see."""
    known = quartz(None, dipoles={"O": [0.3, -0.2, 0.15]})
    net, way = known.network, geometric(known)
    classes = {}
    for c in (0, 2):
        h = int(np.argmax((net.hop_class == c) & (net.orientation > 0)))
        classes[str(c + 1)] = {
            "field_response": {"dipole": (2 * net.vector[h] / 2).tolist(), "hop": way[h].tolist()}
        }
    solved = quartz(None, dipoles="solve", classes=classes)
    two_fold = np.isin(net.hop_class, (0, 2))
    assert solved.site_dipole is not None
    # components along the axes are free (both ends change alike), so vectors agree where the axis reverses them
    for c in (0, 2):
        h = int(np.argmax((net.hop_class == c) & (net.orientation > 0)))
        dipole = build_catalog(solved, temperature=700, field=[0, 0, 0]).saddle_dipole[h]
        np.testing.assert_allclose(dipole, net.vector[h], atol=1e-5)
    assert (
        np.abs(np.linalg.norm(solved.network.vector, axis=1) - np.linalg.norm(net.vector, axis=1))[
            two_fold
        ].max()
        < 1e-5
    )


def test_diffusion_in_the_long_run_does_not_know_where_the_centres_lie() -> None:
    """Site dipoles move charge back and forth; mobility and diffusion of the long run are those of the sites."""
    answers = []
    for dipoles in (None, {"O": [0.4, 0.1, -0.3]}):
        catalog = build_catalog(quartz(None, dipoles=dipoles), temperature=700, field=[0, 0, 0])
        answers.append(solve_exact(catalog, dilute=True).mobility_einstein[0])
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-9, atol=1e-12 * np.abs(answers[0]).max())


def test_weak_field_mobility_is_that_of_fluctuations_with_dipoles_too() -> None:
    model = quartz({"magnitude": 2.8})
    field = np.array([0, 0, 1e-5])
    einstein = solve_exact(build_catalog(model, temperature=700), dilute=True).mobility_einstein[0]
    drift = solve_exact(build_catalog(model, temperature=700, field=field), dilute=True).drift_velocity[0]
    np.testing.assert_allclose(drift / 1e-5, einstein[:, 2], rtol=1e-4, atol=1e-4 * np.abs(einstein).max())


def test_a_size_without_solving_is_tied_to_half_the_hop() -> None:
    with pytest.raises(InputError, match="breaks the symmetry"):
        quartz({"magnitude": 2.4}, dipoles=None)
    assert np.abs(sizes(quartz({"magnitude": 2.6}, dipoles=None)) - 2.6).max() < 0.05


# ---- refused


ROCK_SALT = """
structure: {spacegroup: Fm-3m, lattice: {a: 4.165}, sites: {Mg: [[0, 0, 0]], O: [[0.5, 0.5, 0.5]]}}
supercell: [4, 4, 4]
carriers: {V_O: {charge: 2, sites: [O], count: 1, site_dipoles: DIPOLES}}
hops: [{carrier: V_O, between: [O, O], distance: 2.945, barrier: 2, attempt_frequency: 5e12}]
conditions: {temperature: [1000]}
"""


@pytest.mark.parametrize(
    ("dipoles", "message"),
    [
        ("{O: [0.1, 0, 0]}", "the symmetry of the site forbids this dipole"),
        ("solve", "the symmetry of the sites forbids every dipole"),
        ("{Mg: [0.1, 0, 0]}", "does not sit on sites 'Mg'"),
        ("{O: [0.1, 0]}", "site_dipoles"),
        ("guess", "site_dipoles"),
    ],
)
def test_impossible_dipoles_are_named(dipoles: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_model_text(ROCK_SALT.replace("DIPOLES", dipoles))
    assert "carriers.V_O.site_dipoles" in str(caught.value)


def test_nothing_to_solve_for_is_named() -> None:
    with pytest.raises(InputError, match="nothing to solve the site dipoles for"):
        quartz(None, dipoles="solve")


def test_charge_centres_on_top_of_each_other_are_refused() -> None:
    two = {
        "lattice": {"a": 5.0},
        "periodic": [True, False, False],
        "sites": {"A": [[0, 0, 0]], "B": [[0.4, 0, 0]]},
    }
    hop = {"carrier": "p", "between": ["A", "B"], "distance": 2.0, "barrier": 0.5, "attempt_frequency": 1e13}
    document = {
        "structure": {**two, "symmetry": False},
        "supercell": [3, 1, 1],
        "carriers": {
            "p": {"charge": -1, "sites": ["A", "B"], "count": 1, "site_dipoles": {"A": [-2.0, 0, 0]}}
        },
        "hops": [hop | {"classical_response": {"charge": 1, "d_ma": 1}}, hop | {"distance": 3.0}],
        "conditions": {"temperature": 300},
    }
    with pytest.raises(InputError, match=r"the charge moves by 0\.000 Å only"):
        load_model_text(json.dumps(document))


def test_a_tolerance_of_the_response_holds_for_solving_too() -> None:
    with pytest.raises(InputError, match="no dipoles of the sites fit"):
        quartz({"magnitude": 2.4}, charge=-2)
    assert quartz({"magnitude": 2.4, "tolerance": 0.1}, charge=-2).site_dipole is not None


def test_correlation_factor_is_that_of_the_sites() -> None:
    """The tracer walks on sites: where its charge sits on them does not change how its hops are correlated."""
    from kmc_transport.exact import exact_values

    free = []
    for dipoles in (None, {"O": [0.3, -0.2, 0.15]}):
        catalog = build_catalog(quartz(None, dipoles=dipoles), temperature=700)
        free.append(exact_values(catalog, [[0, 0, 1]])["correlation_factor"])
    np.testing.assert_allclose(free[0], free[1], rtol=1e-8)
