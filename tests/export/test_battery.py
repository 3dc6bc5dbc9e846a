"""PyBaMM and BPX load what was exported and discharge with it; answers from diffusion in a sphere, solved here."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from scipy.interpolate import PchipInterpolator

from kmc_transport import open_results, run
from kmc_transport.errors import InputError
from kmc_transport.export import export_run, read_record
from kmc_transport.export.bpx import factored
from kmc_transport.export.electrode import electrode, stoichiometry_of
from kmc_transport.export.surface import diffusivity_surface
from kmc_transport.input import load_model_text
from kmc_transport.input.settings import with_settings
from tests.export.lattice_gas import K_B, with_diffusivity
from tests.export.particle import FARADAY, analytic_surface, flux_of, surface_stoichiometry

X = np.linspace(0.05, 0.95, 10)
T = (270.0, 285.0, 298.15, 310.0, 325.0)
START = 0.1
pytestmark = pytest.mark.consumer

INPUTS = Path(__file__).parents[2] / "inputs"
BASE = Path(__file__).parent / "lfp_graphite_bpx.json"


def cell_of_base() -> dict[str, float]:
    """As PyBaMM names its numbers."""
    base = json.loads(BASE.read_text())["Parameterisation"]
    part = base["Positive electrode"]
    radius = part["Particle radius [m]"]
    return {
        "Nominal cell capacity [A.h]": base["Cell"]["Nominal cell capacity [A.h]"],
        "Electrode width [m]": base["Cell"]["Electrode area [m2]"],
        "Electrode height [m]": 1.0,
        "Number of electrodes connected in parallel to make a cell": 1,
        "Positive electrode thickness [m]": part["Thickness [m]"],
        "Positive electrode active material volume fraction": part["Surface area per unit volume [m-1]"]
        * radius
        / 3,
        "Positive particle radius [m]": radius,
        "Maximum concentration in positive electrode [mol.m-3]": part["Maximum concentration [mol.m-3]"],
    }


BASE_CELL = cell_of_base()


def lithium(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """As slow as in LFP, so that particles of 50 nm have profiles; does not factor."""
    return 2e-14 * (1.2 - x) * np.exp(-(0.22 + 0.04 * x) / (K_B * t))


def factoring(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    return 2e-14 * (1.2 - x) * np.exp(-0.22 / (K_B * t))


def lattice_gas(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Particles that only block each other: D_J = (1 - x) D_0, factor 1/(1 - x); D_chem does not depend on x."""
    return 2e-14 * np.exp(-0.22 / (K_B * t)) * ((1 - x) / (1 - x))


def consumed(*jobs: str) -> list[dict[str, Any]]:
    script = Path(__file__).parent / "pybamm_cell.py"
    done = subprocess.run(
        [sys.executable, str(script), *jobs],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return list(json.loads(done.stdout.splitlines()[-1]))


HAS = {name: importlib.util.find_spec(name) is not None for name in ("pybamm", "bpx")}
needs_pybamm = pytest.mark.skipif(
    not HAS["pybamm"], reason='PyBaMM is not installed: pip install "kmc_transport[pybamm]"'
)


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> xarray.Dataset:
    """The shipped channel of LiFePO4, with larger errors than it asks for, up to the ends of the composition."""
    text = with_settings(
        (INPUTS / "lifepo4" / "channel.yaml").read_text(),
        [
            "conditions.composition.x=[0.05, 0.25, 0.5, 0.75, 0.95]",
            "sampling.relative_error=10 %",
            "sampling.thermodynamics=10 %",
        ],
    )
    path = tmp_path_factory.mktemp("channel") / "channel.h5"
    run(load_model_text(text), output=path)
    return open_results(path).load()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, channel: xarray.Dataset) -> dict[str, dict[str, Any]]:
    """What PyBaMM made of a run whose D depends on x and T, of the lattice gas, and of the shipped input."""
    folder = tmp_path_factory.mktemp("cells")
    runs = {
        "lfp": (with_diffusivity(X, T, lithium), with_diffusivity(X, T, factoring)),
        "gas": (with_diffusivity(X, T, lattice_gas), None),
        "channel": (channel, channel),
    }
    jobs = []
    for name, (of_module, of_cell) in runs.items():
        export_run(read_record(of_module), folder / f"{name}.py", "pybamm")
        job = str(folder / f"{name}.py")
        if of_cell is not None:
            export_run(read_record(of_cell), folder / f"{name}.json", "bpx", base=str(BASE))
            job += f",{folder / name}.json" if HAS["bpx"] else ","
        jobs.append(job)
    return dict(zip(runs, consumed(*jobs), strict=True))


@needs_pybamm
def test_a_single_particle_discharges_as_diffusion_in_a_sphere_says(
    answers: dict[str, dict[str, Any]],
) -> None:
    found = answers["lfp"]
    times, radius = np.array(found["times"]), found["flux"]["Positive particle radius [m]"]
    ends = []
    for kelvin in found["kelvin"]:
        mine = surface_stoichiometry(
            lambda x, kelvin=kelvin: lithium(x, kelvin),
            radius=radius,
            flux=flux_of(found["flux"]),
            start=START,
            times=times,
        )
        theirs = np.array(found["spm"][str(kelvin)])
        assert mine[-1] - START > 0.3
        assert np.abs(theirs - mine)[2:].max() < 3e-3
        ends.append(mine[-1])
        # negative control: a diffusivity 20 % off is seen
        wrong = surface_stoichiometry(
            lambda x, kelvin=kelvin: 0.8 * lithium(x, kelvin),
            radius=radius,
            flux=flux_of(found["flux"]),
            start=START,
            times=times,
        )
        assert np.abs(theirs - wrong)[2:].max() > 6e-3
    assert ends[0] > ends[1] > ends[2]  # the colder, the steeper the profile


@needs_pybamm
def test_the_lattice_gas_discharges_as_the_analytic_solution_says(answers: dict[str, dict[str, Any]]) -> None:
    found = answers["gas"]
    times, radius = np.array(found["times"]), found["flux"]["Positive particle radius [m]"]
    for kelvin in found["kelvin"]:
        mine = analytic_surface(
            float(lattice_gas(np.array(0.5), np.array(kelvin))),
            radius=radius,
            flux=flux_of(found["flux"]),
            start=START,
            times=times,
        )
        assert np.abs(np.array(found["spm"][str(kelvin)]) - mine)[2:].max() < 3e-3
        numeric = surface_stoichiometry(
            lambda x, kelvin=kelvin: lattice_gas(x, kelvin),
            radius=radius,
            flux=flux_of(found["flux"]),
            start=START,
            times=times,
        )
        assert np.abs(numeric - mine)[2:].max() < 1e-3


@needs_pybamm
def test_each_particle_of_a_porous_electrode_takes_up_its_own_current(
    answers: dict[str, dict[str, Any]],
) -> None:
    found = answers["lfp"]
    times, radius = np.array(found["times"]), found["flux"]["Positive particle radius [m]"]
    top = found["flux"]["Maximum concentration in positive electrode [mol.m-3]"]
    for kelvin in found["kelvin"]:
        theirs, current = (np.array(found["dfn"][str(kelvin)][k]) for k in ("surface", "current"))
        inward = -current / FARADAY / top
        assert inward[:, 5].max() > 1.02 * inward[:, 5].min()  # the current is not even over the electrode
        for place in (0, -1):
            mine = surface_stoichiometry(
                lambda x, kelvin=kelvin: lithium(x, kelvin),
                radius=radius,
                flux=lambda t, own=inward[place, 1:]: float(np.interp(t, times[1:], own)),
                start=START,
                times=times,
            )
            assert np.abs(theirs[place] - mine)[3:].max() < 6e-3
        # as much as the current brings, on average over the electrode
        assert inward.mean(axis=0)[5:] == pytest.approx(flux_of(found["flux"]), rel=1e-3)


@needs_pybamm
def test_pybamm_reads_the_source_back_at_between_and_beyond_the_nodes(
    answers: dict[str, dict[str, Any]],
) -> None:
    found = answers["lfp"]
    surface = diffusivity_surface(read_record(with_diffusivity(X, T, lithium)))
    sto = np.clip(found["read"]["sto"], X[0], X[-1])
    for kelvin, values in found["read"]["value"].items():
        true = surface.table(sto, np.clip(float(kelvin), T[0], T[-1]))[0]
        np.testing.assert_allclose(values, true, rtol=1e-3)
    table = found["csv"]
    true = surface.table(np.array(table["sto"])[:, None], np.array(table["kelvin"]))[0]
    np.testing.assert_allclose(table["value"], true, rtol=1e-12)
    assert "went from 0.01 " in found["beyond"]
    assert "known from 0.05 to 0.95" in found["beyond"]


@needs_pybamm
@pytest.mark.skipif(not HAS["bpx"], reason='bpx is not installed: pip install "kmc_transport[pybamm]"')
def test_a_bpx_cell_is_parsed_and_discharged(answers: dict[str, dict[str, Any]]) -> None:
    found = answers["lfp"]["bpx"]
    assert found["version"] == "1.0.0"
    assert found["x"][0] == 0
    assert found["x"][-1] == 1
    assert found["energy"] == pytest.approx(0.22 * 96485.33212, rel=1e-3)
    np.testing.assert_allclose(
        np.interp(X, found["x"], found["y"]), factoring(X, np.array(298.15)), rtol=1e-3
    )
    assert np.interp(0.01, found["x"], found["y"]) == pytest.approx(factoring(0.05, 298.15), rel=1e-3)
    for kelvin, theirs in found["spm"].items():
        mine = surface_stoichiometry(
            lambda x, kelvin=float(kelvin): factoring(x, kelvin),
            radius=BASE_CELL["Positive particle radius [m]"],
            flux=flux_of(BASE_CELL),
            start=START,
            times=np.array(answers["lfp"]["times"]),
        )
        assert np.abs(np.array(theirs) - mine)[2:].max() < 3e-3


def of_points(run: xarray.Dataset, *, energies: int) -> Callable[[np.ndarray, float], np.ndarray]:
    """D(x, T) of a run's numbers, without the package: Arrhenius laws by least squares, joined by cubics of ln D.

    energies : one for each composition, or 1 for all.
    """
    value, error = (
        run[n].values[:, :, 0, 0, 1, 1] for n in (f"chemical_diffusivity{s}" for s in ("", "_stderr"))
    )
    x, u = run["x"].values, 1 / (K_B * 298.15) - 1 / (K_B * run["temperature"].values)
    design = np.zeros((*value.shape, len(x) + energies))
    for i in range(len(x)):
        design[i, :, i] = 1
        design[i, :, len(x) + (i if energies > 1 else 0)] = u
    weight = value / error
    y = np.log(value) + 0.5 / weight**2
    found = np.linalg.lstsq(
        (design * weight[..., None]).reshape(y.size, -1), (weight * y).ravel(), rcond=None
    )[0]
    energy = np.broadcast_to(found[len(x) :], x.shape)

    def law(at: np.ndarray, kelvin: float) -> np.ndarray:
        nodes = found[: len(x)] + energy * (1 / (K_B * 298.15) - 1 / (K_B * kelvin))
        return np.exp(PchipInterpolator(x, nodes)(np.clip(at, x[0], x[-1])))

    return law


@needs_pybamm
def test_a_shipped_input_discharges_in_pybamm(
    channel: xarray.Dataset, answers: dict[str, dict[str, Any]]
) -> None:
    """inputs/lifepo4/channel.yaml: single particles, and particles of a porous electrode, against spheres."""
    found, law = answers["channel"], of_points(channel, energies=5)
    times, radius = np.array(found["times"]), found["flux"]["Positive particle radius [m]"]
    top = found["flux"]["Maximum concentration in positive electrode [mol.m-3]"]

    def off(theirs: Any, kelvin: float, flux: Any, factor: float = 1.0) -> float:
        mine = surface_stoichiometry(
            lambda x: factor * law(x, kelvin), radius=radius, flux=flux, start=START, times=times, shells=100
        )
        return float(np.abs(np.array(theirs) - mine)[3:].max())

    for kelvin in found["kelvin"]:
        single, even = found["spm"][str(kelvin)], flux_of(found["flux"])
        assert single[-1] - START > 0.3
        assert (right := off(single, kelvin, even)) < 5e-4
        assert off(single, kelvin, even, 0.8) > 20 * right  # negative control
        porous, current = (np.array(found["dfn"][str(kelvin)][k]) for k in ("surface", "current"))
        for place in (0, -1):
            inward = -current[place, 1:] / FARADAY / top
            own = partial(np.interp, xp=times[1:], fp=inward)
            assert off(porous[place], kelvin, own) < 6e-3
            if kelvin == 275:  # the profile is steep enough to tell
                assert off(porous[place], kelvin, own, 0.8) > 0.015


@needs_pybamm
def test_pybamm_reads_the_points_of_the_shipped_input(
    channel: xarray.Dataset, answers: dict[str, dict[str, Any]]
) -> None:
    table, read = answers["channel"]["csv"], answers["channel"]["read"]
    x, t = channel["x"].values, channel["temperature"].values
    value, error = (channel[f"chemical_diffusivity{s}"].values[:, :, 0, 0, 1, 1] for s in ("", "_stderr"))
    rows, columns = (
        [int(np.flatnonzero(np.isclose(nodes, v))[0]) for v in here]
        for nodes, here in ((table["sto"], x), (table["kelvin"], t))
    )
    at_points = np.array(table["value"])[np.ix_(rows, columns)]
    stated = diffusivity_surface(read_record(channel)).worst_residual
    assert np.abs(at_points / value - 1).max() <= stated * (1 + 1e-9)
    assert np.abs((at_points - value) / error).max() < 2  # the fit and the points
    sto = np.array(read["sto"])
    for j, kelvin in ((0, "270.0"), (-1, "330.0")):
        for i, end in ((0, sto <= x[0]), (-1, sto >= x[-1])):
            assert end.sum() == 2  # the end of the range, and beyond it
            np.testing.assert_allclose(np.array(read["value"][kelvin])[end], at_points[i, j], rtol=1e-9)


@needs_pybamm
@pytest.mark.skipif(not HAS["bpx"], reason='bpx is not installed: pip install "kmc_transport[pybamm]"')
def test_a_shipped_input_is_parsed_by_bpx_and_discharged(
    channel: xarray.Dataset, answers: dict[str, dict[str, Any]]
) -> None:
    found, law = answers["channel"]["bpx"], of_points(channel, energies=1)
    x = channel["x"].values
    np.testing.assert_allclose(np.interp(x, found["x"], found["y"]), law(x, 298.15), rtol=1e-9)
    for kelvin in (270.0, 330.0):
        ratio = law(np.array(0.5), kelvin) / law(np.array(0.5), 298.15)
        theirs = np.exp(found["energy"] / 8.31446261815324 * (1 / 298.15 - 1 / kelvin))
        assert theirs == pytest.approx(float(ratio), rel=1e-6)
    for kelvin, theirs in found["spm"].items():
        mine = surface_stoichiometry(
            lambda x, kelvin=float(kelvin): law(x, kelvin),
            radius=BASE_CELL["Positive particle radius [m]"],
            flux=flux_of(BASE_CELL),
            start=START,
            times=np.array(answers["channel"]["times"]),
        )
        assert np.abs(np.array(theirs) - mine)[2:].max() < 5e-4


def test_bpx_is_refused_where_d_does_not_factor(tmp_path: Path) -> None:
    record = read_record(with_diffusivity(X, T, lithium))
    with pytest.raises(InputError, match=r"no table times one Arrhenius law(.|\n)*residual=accept"):
        export_run(record, tmp_path / "a.json", "bpx", base=str(BASE))
    export_run(record, tmp_path / "a.json", "bpx", base=str(BASE), residual="accept")
    told = json.loads((tmp_path / "a.json").read_text())["Header"]["Description"]
    fit = factored(electrode(record, "positive"), 298.15)
    assert f"worst residual {fit.worst_residual:.2%}" in told
    true = np.abs(
        np.interp(X, fit.x, fit.value)[:, None]
        * np.exp(fit.activation_energy / K_B * (1 / 298.15 - 1 / np.array(T)))
        / lithium(X[:, None], np.array(T))
        - 1
    ).max()
    assert fit.worst_residual == pytest.approx(true, rel=1e-2)


def test_what_bpx_cannot_take_is_refused(tmp_path: Path) -> None:
    record = read_record(with_diffusivity(X, T, factoring))

    def refused(why: str, **options: str) -> None:
        with pytest.raises(InputError, match=why):
            export_run(record, tmp_path / "a.json", "bpx", **options)

    refused("a BPX file is a whole cell")
    refused("cannot be read", base=str(tmp_path / "none.json"))
    (tmp_path / "b.json").write_text("{}")
    refused("is no BPX file", base=str(tmp_path / "b.json"))
    refused("no such electrode", base=str(BASE), electrode="left")
    cell = json.loads(BASE.read_text())
    cell["Parameterisation"]["Cell"]["Reference temperature [K]"] = 400
    (tmp_path / "b.json").write_text(json.dumps(cell))
    refused("reference temperature of the cell was not simulated", base=str(tmp_path / "b.json"))
    assert not (tmp_path / "a.json").exists()


def test_one_energy_is_found_with_its_error() -> None:
    run, rng, off = with_diffusivity(X, T, factoring, error=0.02), np.random.default_rng(3), []
    true = run["chemical_diffusivity"].values.copy()
    for _ in range(12):
        run["chemical_diffusivity"].values[:] = true * (
            1 + 0.02 * rng.normal(size=(*true.shape[:2], 1, 1, 1, 1))
        )
        fit = factored(electrode(read_record(run), "positive"), 298.15)
        assert fit.p_value > 1e-3
        off.append((fit.activation_energy - 0.22) / fit.activation_energy_stderr)
    assert np.abs(off).max() < 4
    assert 0.4 < np.std(off) < 1.7


def test_stoichiometries_are_expressions_of_the_axis(tmp_path: Path) -> None:
    np.testing.assert_allclose(stoichiometry_of("1-x", "x", X), 1 - X)
    np.testing.assert_allclose(stoichiometry_of("x/2 + 0.5", "x", X), X / 2 + 0.5)
    for bad, why in (
        ("1/x", "linear"),
        ("2*x", "goes from"),
        ("y", "no expression"),
        ("0*x", "linear"),
        ("(x", "no e"),
    ):
        with pytest.raises(InputError, match=why):
            stoichiometry_of(bad, "x", X)
    record = read_record(with_diffusivity(X, T, lithium))
    straight, turned = electrode(record, "negative"), electrode(record, "negative", "1-x")
    assert straight.sto is not None
    assert turned.sto is not None
    np.testing.assert_allclose(turned.sto[::-1], 1 - straight.sto)
    np.testing.assert_array_equal(turned.log_value[::-1], straight.log_value)
    export_run(record, tmp_path / "n.py", "pybamm", electrode="negative", stoichiometry="1-x")
    assert '"Negative particle diffusivity [m2.s-1]"' in (tmp_path / "n.py").read_text()


def test_two_files_are_written_or_none(tmp_path: Path) -> None:
    record = read_record(with_diffusivity(X, T, lithium))
    (tmp_path / "lfp.csv").write_text("mine")
    with pytest.raises(InputError, match="there already"):
        export_run(record, tmp_path / "lfp.py", "pybamm")
    assert not (tmp_path / "lfp.py").exists()
