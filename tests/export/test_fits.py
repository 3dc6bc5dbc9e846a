"""Surfaces, fits and the formats csv, json, python, comsol: what is read back equals the source."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import jsonschema
import numpy as np
import pandas
import pytest
import xarray

from kmc_transport.errors import InputError
from kmc_transport.export import TransportRecord, export_run, read_record
from kmc_transport.export.json import json_schema
from kmc_transport.export.surface import diffusivity_surface
from tests.export.lattice_gas import K_B, activated, with_diffusivity
from tests.store.results import dataset

X = np.linspace(0.05, 0.95, 10)
T = (273.15, 285.0, 298.15, 310.0, 323.15)


def curved(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Two parallel processes: no Arrhenius law."""
    return (1 - 0.5 * x) * (1e-7 * np.exp(-0.3 / (K_B * t)) + 1e3 * np.exp(-0.9 / (K_B * t)))


@pytest.fixture(scope="module")
def arrhenius() -> TransportRecord:
    return read_record(with_diffusivity(X, T, activated, noise=True))


@pytest.fixture(scope="module")
def bent() -> TransportRecord:
    return read_record(with_diffusivity(X, T, curved, error=1e-3))


@pytest.fixture(scope="module")
def driven() -> TransportRecord:
    return read_record(dataset([300.0, 350.0, 400.0], [0.0, 1e8, 2e8, 3e8], relative_error=0.005))


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_arrhenius_where_chi_squared_allows_and_a_spline_where_not(
    arrhenius: TransportRecord, bent: TransportRecord
) -> None:
    law = diffusivity_surface(arrhenius)
    assert law.law == "Arrhenius"
    assert law.degrees_of_freedom == 30
    assert 1e-3 < law.p_value <= 1
    energies = [f.activation_energy for f in law.fits]
    errors = [f.activation_energy_stderr for f in law.fits]
    z = (np.array(energies) - (0.3 + 0.08 * X)) / errors
    assert np.abs(z).max() < 4
    other = diffusivity_surface(bent)
    assert other.law == "spline"
    assert other.p_value < 1e-3
    assert "refused" in other.describe()["law of chemical_diffusivity"]
    # through the points, and between them within the stated error
    np.testing.assert_allclose(other.table(X[:, None], np.array(T))[0], other.quantity.value, rtol=1e-12)
    xs, ts = np.linspace(0.05, 0.95, 41), np.linspace(273.15, 323.15, 41)
    off = other.table(xs[:, None], ts)[0] / curved(xs[:, None], ts) - 1
    assert np.abs(off).max() < sum(other.interpolation_error.values())


def test_monotone_points_give_a_monotone_curve() -> None:
    steps = np.array([1.0, 1.0, 1.0, 0.1, 0.01, 0.01, 0.01, 0.01, 0.009, 0.009])
    run = with_diffusivity(X, T, lambda x, t: steps[:, None] * np.exp(-0.3 / (K_B * t)))
    surface = diffusivity_surface(read_record(run))
    dense = surface.table(np.linspace(0.05, 0.95, 500), 300.0)[0]
    assert np.all(np.diff(dense) <= 1e-13 * dense[:-1])


def test_the_dense_table_serves_linear_readers_within_its_error(bent: TransportRecord) -> None:
    surface = diffusivity_surface(bent)
    x, t, log, error = surface.dense()
    assert error <= 1e-3
    assert set(X) <= set(x)
    assert set(T) <= set(t)
    from scipy.interpolate import RegularGridInterpolator

    rng = np.random.default_rng(1)
    at = np.stack([rng.uniform(0.05, 0.95, 3000), rng.uniform(273.15, 323.15, 3000)], axis=1)
    true = surface.table(at[:, 0], at[:, 1])[0]
    for values, back in ((log, np.exp), (np.exp(log), lambda v: v)):
        read = back(RegularGridInterpolator((x, t), values)(at))
        assert np.abs(read / true - 1).max() <= error * 1.05


def test_partial_runs_leave_out_what_is_missing() -> None:
    run = with_diffusivity(X, T, activated)
    run["complete"].values[3, 2] = False
    with pytest.raises(InputError, match="1 of 50 points have no number"):
        diffusivity_surface(read_record(run))
    surface = diffusivity_surface(read_record(run, allow_partial=True))
    assert len(surface.quantity.composition[0].values) == 9
    assert "1 of 50" in surface.quantity.caveat


def test_what_cannot_be_a_surface_is_refused(driven: TransportRecord) -> None:
    with pytest.raises(InputError, match=r"no chemical diffusivity(.|\n)*thermodynamic factor"):
        diffusivity_surface(driven)
    with pytest.raises(InputError, match="two temperatures or more"):
        diffusivity_surface(read_record(with_diffusivity(X, T[:1], activated)))
    with pytest.raises(InputError, match="both signs"):
        diffusivity_surface(read_record(with_diffusivity(X, T, lambda x, t: (x - 0.5) * t)))
    with pytest.raises(InputError, match="error bar"):
        diffusivity_surface(read_record(with_diffusivity(X, T, activated, error=0.0)))


@pytest.mark.parametrize("which", ["arrhenius", "bent"])
def test_the_python_module_is_the_surface_with_derivatives(
    which: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    record = request.getfixturevalue(which)
    surface = diffusivity_surface(record)
    export_run(record, tmp_path / "d.py", "python")
    made = module(tmp_path / "d.py")
    x, t = np.meshgrid(np.linspace(0.06, 0.94, 13), np.linspace(274, 322, 11), indexing="ij")
    np.testing.assert_allclose(made.diffusivity(x, t), surface.table(x, t)[0], rtol=1e-13)
    by_x, by_t = made.diffusivity_derivatives(x, t)
    h = 1e-6
    slope = (made.diffusivity(x + h, t) - made.diffusivity(x - h, t)) / (2 * h)
    np.testing.assert_allclose(by_x, slope, rtol=1e-5, atol=1e-6 * np.abs(slope).max())
    slope = (made.diffusivity(x, t + 1e-3) - made.diffusivity(x, t - 1e-3)) / 2e-3
    np.testing.assert_allclose(by_t, slope, rtol=1e-5)
    for bad in ((0.04, 300.0), (0.96, 300.0), (0.5, 270.0), (0.5, 330.0), (np.nan, 300.0)):
        with pytest.raises(ValueError, match="outside the validity range"):
            made.diffusivity(*bad)
    assert "beyond the ranges: ValueError" in made.__doc__


def test_the_python_module_has_mobility_and_drift_velocity(driven: TransportRecord, tmp_path: Path) -> None:
    export_run(driven, tmp_path / "m.py", "python")
    made = module(tmp_path / "m.py")
    source = driven.quantity("mobility", "hole_polaron")
    t, e = (driven.axis(n).values for n in ("temperature", "field"))
    read = made.mobility(t[:, None], e)
    # the Arrhenius fits at each field, or the points
    assert np.abs(read / source.value - 1).max() < 4 * 0.005
    at_t, at_e = np.meshgrid([310.0, 390.0], [-2.5e8, -1.5e8, 0.5e8, 2.9e8], indexing="ij")
    by_t, by_e = made.drift_velocity_derivatives(at_t, at_e)
    for by, h_t, h_e in ((by_t, 1e-3, 0.0), (by_e, 0.0, 1e3)):
        ahead, behind = (
            made.drift_velocity(at_t + h_t, at_e + h_e),
            made.drift_velocity(at_t - h_t, at_e - h_e),
        )
        np.testing.assert_allclose(by, (ahead - behind) / (2 * (h_t + h_e)), rtol=1e-5)
    np.testing.assert_allclose(made.drift_velocity(300, -1e8), -made.drift_velocity(300, 1e8))
    assert made.mobility_derivatives(300.0, 0.0)[1] == 0
    with pytest.raises(ValueError, match="outside"):
        made.mobility(300, 3.1e8)
    assert not hasattr(made, "diffusivity")
    assert "thermodynamic factor of this run is unknown" in made.__doc__


def test_the_python_module_needs_numpy_alone(driven: TransportRecord, tmp_path: Path) -> None:
    export_run(driven, tmp_path / "m.py", "python")
    code = "import sys, m; print(m.mobility(300, 0)); print('kmc_transport' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, '.')\n{code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[1:] == ["False", "False"]


def test_json_fits_its_schema_and_holds_grid_and_fits(driven: TransportRecord, tmp_path: Path) -> None:
    export_run(driven, tmp_path / "a.json", "json")
    document = json.loads((tmp_path / "a.json").read_text())
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    mobility = next(q for q in document["quantities"] if q["name"] == "mobility")
    np.testing.assert_array_equal(
        np.array(mobility["value"], float), driven.quantity("mobility", "hole_polaron").value
    )
    np.testing.assert_array_equal(
        np.array(mobility["stderr"], float), driven.quantity("mobility", "hole_polaron").stderr
    )
    fit = next(f for f in document["fits"] if f["of"] == "mobility x temperature" and f["law"] == "arrhenius")
    energy = fit["parameters"][0]
    # mu T of the made-up points is T exp(-0.24 eV/kT): about kT more
    assert energy["value"] == pytest.approx(0.24 + K_B * 345, abs=4 * energy["stderr"] + 0.002)
    assert fit["covariance"][0][0] == pytest.approx(energy["stderr"] ** 2)
    assert fit["ranges"] == {"temperature": [300.0, 400.0], "field": [0.0, 0.0]}
    assert {f["law"] for f in document["fits"]} == {"arrhenius", "sinh", "poole-frenkel"}
    for wrong in (
        {"version": 2},
        {"quantities": [{**mobility, "unit": None}]},
        {"fits": [{**fit, "accepted": "yes"}]},
        {"extra": 1},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document | wrong, schema)


def test_json_says_what_chi_squared_refuses(bent: TransportRecord, tmp_path: Path) -> None:
    export_run(bent, tmp_path / "a.json", "json")
    fits = json.loads((tmp_path / "a.json").read_text())["fits"]
    chemical = [f for f in fits if f["of"] == "chemical_diffusivity"]
    assert [f["composition"]["x"] for f in chemical] == X.tolist()
    assert not any(f["accepted"] for f in chemical)


@pytest.mark.parametrize("name", ["csv", "json"])
def test_partial_exports_say_so(name: str, tmp_path: Path) -> None:
    run = dataset([300.0, 350.0], [0.0, 1e7])
    run["converged"].values[0] = False
    target = tmp_path / f"a.{name}"
    with pytest.raises(InputError, match="not as accurate"):
        export_run(read_record(run), target, name)
    export_run(read_record(run, allow_partial=True), target, name)
    assert "2 of 4 points are not as accurate as asked" in target.read_text()


def test_pandas_reads_the_csv(arrhenius: TransportRecord, tmp_path: Path) -> None:
    export_run(arrhenius, tmp_path / "a.csv", "csv")
    frame = pandas.read_csv(tmp_path / "a.csv", comment="#")
    wide = frame.pivot(index="x", columns="temperature [K]", values="chemical_diffusivity [m2 s-1]")
    np.testing.assert_array_equal(wide.to_numpy(), arrhenius.at_zero_field("chemical_diffusivity").value)
    assert frame["converged"].dtype == bool


def test_comsol_spreadsheets_are_read_back(
    bent: TransportRecord, driven: TransportRecord, tmp_path: Path
) -> None:
    export_run(bent, tmp_path / "d.txt", "comsol")
    read = np.loadtxt(tmp_path / "d.txt", comments="%")
    x, t = np.unique(read[:, 0]), np.unique(read[:, 1])
    assert read.shape == (len(x) * len(t), 3)
    surface = diffusivity_surface(bent)
    np.testing.assert_allclose(read[:, 2], surface.table(read[:, 0], read[:, 1])[0], rtol=1e-12)
    comments = [line for line in (tmp_path / "d.txt").read_text().splitlines() if line.startswith("%")]
    assert comments[-1] == "% x (1) T (K) D (m^2/s)"
    export_run(driven, tmp_path / "m.txt", "comsol", quantity="mobility")
    read = np.loadtxt(tmp_path / "m.txt", comments="%")
    source = driven.quantity("mobility", "hole_polaron")
    for j, kelvin in enumerate(driven.axis("temperature").values):
        for k, field in enumerate(driven.axis("field").values):
            row = read[(read[:, 0] == field) & (read[:, 1] == kelvin)]
            assert row[0, 2] == pytest.approx(source.value[j, k], rel=4 * 0.005)
    with pytest.raises(InputError, match="no such quantity"):
        export_run(driven, tmp_path / "n.txt", "comsol", quantity="tracer_diffusivity")


def test_neutral_carriers_have_no_mobility_to_export(tmp_path: Path) -> None:
    run: xarray.Dataset = dataset([300.0, 350.0], [0.0], charges=(1.0,))
    run["carrier_charge"].values[:] = 0
    with pytest.raises(InputError, match="neither mobilities nor"):
        export_run(read_record(run), tmp_path / "a.py", "python")
