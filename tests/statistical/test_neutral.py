"""Carriers without charge: diffusivities and their Arrhenius fit, and nothing that a charge is needed for."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kmc_transport.analysis import fit_arrhenius
from kmc_transport.cli.app import main
from kmc_transport.exact import sensitivity, solve_exact
from kmc_transport.figures.results import can_draw, plot_results
from kmc_transport.input import load_model_text
from kmc_transport.rates import build_catalog
from kmc_transport.records import Missing
from kmc_transport.report import arrhenius_tables, exact_table, results_table
from kmc_transport.runs.pipeline import run
from kmc_transport.store import open_results
from tests.input.interacting import refused
from tests.input.model_inputs import hop

K_B = 8.617333262145179e-05  # eV/K

TUNGSTEN = {
    "format": 1,
    "structure": {"spacegroup": "Im-3m", "lattice": {"a": 3.165}, "sites": {"T": [[0.5, 0.25, 0]]}},
    "supercell": [2, 2, 2],
    "carriers": {"hydrogen": {"charge": 0, "sites": ["T"], "count": 1}},
    "hops": [
        hop(
            ["T", "T"],
            carrier="hydrogen",
            distance=1.119,
            barrier="0.440 eV",
            attempt_frequency="1.012e14 Hz",
        )
    ],
    "conditions": {
        "temperature": [500, 1000, 2300],
        "field": {"along": [1, 0, 0], "magnitude": [0, 1e8]},
    },
    "sampling": {"events": 20_000, "seed": 5, "replicas": 2},
}
RING = {  # an ion and a neutral carrier on one ring: neither passes the other
    "format": 1,
    "structure": {
        "lattice": {"a": 3, "b": 10, "c": 10},
        "periodic": [True, False, False],
        "sites": {"A": [[0, 0, 0]]},
    },
    "supercell": [4, 1, 1],
    "carriers": {
        "ion": {"charge": 1, "sites": ["A"], "count": 1},
        "neutral": {"charge": 0, "sites": ["A"], "count": 1},
    },
    "hops": [
        {"carrier": c, "between": ["A", "A"], "distance": 3, "barrier": e, "attempt_frequency": 1e13}
        for c, e in (("ion", 0.2), ("neutral", 0.22))
    ],
    "conditions": {"temperature": 600, "field": {"along": [1, 0, 0], "magnitude": [0, 1e8]}},
    "sampling": {"events": 60_000, "seed": 5, "replicas": 2},
}


def loaded(document):
    return load_model_text(json.dumps(document))


@pytest.fixture(scope="module")
def tungsten():
    return run(loaded(TUNGSTEN))


@pytest.mark.parametrize("kelvin", [500.0, 1000.0, 2300.0])
def test_hydrogen_in_tungsten_is_exact(kelvin: float) -> None:
    """D = z l² k/6 with z = 4, l = a/(2 sqrt 2): 8.45e-7 exp(-0.44 eV/kT) m²/s, in a field too."""
    catalog = build_catalog(loaded(TUNGSTEN), temperature=kelvin, field=[1e-2, 0, 0])
    exact = solve_exact(catalog)
    by_hand = 4 * (3.165e-10**2 / 8) * 1.012e14 / 6
    assert by_hand == pytest.approx(8.45e-7, rel=2e-3)
    expected = np.eye(3) * by_hand * np.exp(-0.44 / (K_B * kelvin))
    np.testing.assert_allclose(exact.tracer_diffusivity[0] * 1e-20, expected, atol=1e-9 * expected[0, 0])
    assert np.abs(exact.drift_velocity).max() < 1e-12 * exact.tracer_diffusivity[0, 0, 0]
    assert not np.any(catalog.work)


def test_simulated_diffusivity_its_fit_and_what_is_missing(tungsten) -> None:
    zero = tungsten.isel(field=0, direction=0, carrier=0)
    for axis in range(3):
        value, stderr, exact = (
            zero[f"tracer_diffusivity{s}"].values[:, axis, axis] for s in ("", "_stderr", "_exact")
        )
        assert np.all(np.abs(value - exact) < 4 * stderr)
        factor, error = (zero[f"correlation_factor{s}"].values[:, axis] for s in ("", "_stderr"))
        assert np.all(np.abs(factor - 1) < 4 * error)  # a random walk
    energy, error = (float(tungsten[f"diffusivity_activation_energy{s}"][0, 0]) for s in ("", "_stderr"))
    prefactor, off = (float(tungsten[f"diffusivity_prefactor{s}"][0, 0]) for s in ("", "_stderr"))
    assert 0 < error < 0.02
    assert abs(energy - 0.44) < 4 * error
    assert abs(prefactor - 8.448e-7) < 4 * off
    for name in ("mobility", "mobility_einstein", "differential_mobility", "mobility_tensor"):
        assert np.isnan(tungsten[name]).all()
    assert not {"conductivity", "charge_diffusivity"} & set(tungsten)
    why = tungsten["missing"].sel(observable="mobility")
    assert np.all(why == Missing.NO_CHARGE)


def test_tables_have_no_mobility(tungsten) -> None:
    table = results_table(tungsten)
    keys = {key for row in table.data for key in row}
    assert not [k for k in keys if "mobility" in k or "conductivity" in k or "charge" in k]
    assert "correlation_factor_x" in keys
    (fit,) = arrhenius_tables(tungsten)
    assert fit.data[0]["diffusivity_activation_energy_eV"] == pytest.approx(0.44, abs=0.05)
    model = loaded(TUNGSTEN)
    catalog = build_catalog(model, temperature=1000)
    exact = exact_table(model, [(catalog, "x", np.array([1.0, 0, 0]), solve_exact(catalog))])
    assert not [k for k in exact.data[0] if "mobility" in k]
    assert can_draw(tungsten)
    assert "diffusivity" in plot_results(tungsten).axes[0].get_ylabel()


def test_barriers_uncertainty_makes_the_diffusivity_uncertain() -> None:
    hop = TUNGSTEN["hops"][0] | {"barrier": "440 ± 20 meV"}
    model = loaded(TUNGSTEN | {"hops": [hop]})
    found = sensitivity(model, temperature=1000, direction=[1, 0, 0])
    assert found.share[0, 0] == pytest.approx(1)
    assert found.error_factor[0] == pytest.approx(np.exp(0.02 / (K_B * 1000)))


def test_default_target_is_the_diffusivity() -> None:
    assert loaded(TUNGSTEN).sampling.target == "tracer_diffusivity"
    assert loaded(TUNGSTEN | {"sampling": {"seed": 1}}).sampling.target == "tracer_diffusivity"
    assert loaded(RING).sampling.target == "mobility"
    (problem,) = refused(TUNGSTEN | {"sampling": {"target": "mobility"}})
    assert problem.key == "sampling.target"
    assert "tracer_diffusivity" in problem.allowed
    assert loaded(RING | {"freeze": ["ion"], "sampling": {}}).sampling.target == "tracer_diffusivity"
    (problem,) = refused(
        RING | {"freeze": ["ion"], "sampling": {"target": "mobility"}}
    )  # the ion does not move
    assert problem.key == "sampling.target"
    assert "no carrier that hops has a charge" in problem.message
    for key, value in (
        ("field_response", {"dipole": [0.1, 0, 0]}),
        ("classical_response", {"charge": 1, "d_ma": 0.3}),
    ):
        (problem,) = refused(TUNGSTEN | {"hops": [TUNGSTEN["hops"][0] | {key: value}]})
        assert problem.key.startswith("hops[0]")
        assert "no charge" in problem.message


def test_a_neutral_carrier_is_dragged_along_and_has_no_mobility() -> None:
    """The ion pushes the neutral carrier before it: its drift is that of the master equation, its mobility is none."""
    whole = run(loaded(RING))
    data = whole.isel(temperature=0, direction=0)
    driven = data.isel(field=1)
    exact = driven["drift_velocity_exact"].values[:, 0]
    assert exact[1] > 0.2 * exact[0] > 0
    np.testing.assert_array_less(
        np.abs(driven["drift_velocity"].values[:, 0] - exact),
        4 * driven["drift_velocity_stderr"].values[:, 0],
    )
    for name in ("mobility", "mobility_exact"):
        assert np.isfinite(driven[name].values).tolist() == [True, False]
    assert data["missing"].isel(field=1).sel(observable="mobility").values[1] == Missing.NO_CHARGE
    # D_sigma counts the ion alone
    zero = data.isel(field=0)
    assert zero["charge_diffusivity_exact"].values[0, 0] == pytest.approx(
        zero["collective_diffusivity_exact"].values[0, 0, 0, 0]
    )
    rows = results_table(whole).data
    mine = next(r for r in rows if r["carrier"] == "neutral" and r["field_V_per_m"] > 0)
    assert mine["mobility_cm2_per_Vs"] is None
    assert mine["drift_velocity_m_per_s"] == pytest.approx(float(driven["drift_velocity"].values[1, 0]))


def test_file_and_tables_have_the_same_fits(tmp_path, capsys) -> None:
    """Of mobility x temperature for the ion alone, of D for the neutral carrier; both from the points in the file."""
    conditions = {"temperature": [500, 600, 700], "field": 0}
    run(loaded(RING | {"conditions": conditions, "sampling": {"events": 4000, "seed": 5, "replicas": 1}}),
        output=tmp_path / "ring.h5")  # fmt: skip
    data = open_results(tmp_path / "ring.h5").isel(direction=0)
    with pytest.raises(SystemExit) as done:
        main(["results", str(tmp_path / "ring.h5"), "--json"])
    assert not done.value.code
    shown = json.loads(capsys.readouterr().out)
    of_ion, of_neutral = shown["arrhenius"]
    assert (of_ion["carrier"], of_neutral["carrier"]) == ("ion", "neutral")
    assert not [k for k in of_neutral if "Vs" in k]
    for row, name, key, unit in (
        (of_ion, "arrhenius", "", "K_cm2_per_Vs"),
        (of_neutral, "diffusivity", "diffusivity_", "cm2_per_s"),
    ):
        fit = data.sel(carrier=row["carrier"])
        for end in ("", "_stderr"):
            assert row[f"{key}activation_energy{end}_eV"] == float(fit[f"{name}_activation_energy{end}"])
            assert row[f"{key}prefactor{end}_{unit}"] == pytest.approx(
                1e4 * float(fit[f"{name}_prefactor{end}"])
            )
    neutral = data.sel(carrier="neutral")
    assert np.isnan(
        [neutral[f"arrhenius_{n}"] for n in ("activation_energy", "prefactor", "covariance", "chi2")]
    ).all()
    zero = neutral.isel(field=0, axis=0, axis_2=0)
    values, errors = (zero[f"tracer_diffusivity{end}"].values for end in ("", "_stderr"))
    again = fit_arrhenius(data["temperature"].values, values, errors)
    assert again.activation_energy == pytest.approx(float(neutral["diffusivity_activation_energy"]))
    rows = [r for r in shown["results"] if r["carrier"] == "neutral"]
    found = [
        next(v for k, v in r.items() if k.startswith("tracer") and k.endswith("cm2_per_s")) for r in rows
    ]
    np.testing.assert_allclose(found, 1e4 * values)
