"""Formats of device simulators: what their consumers compute with them, beside independent answers."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import jsonschema
import numpy as np
import pandas
import pytest
import xarray

from kmc_transport import open_results, run
from kmc_transport.analysis import fit_field_law
from kmc_transport.errors import InputError
from kmc_transport.export import export_run, read_record
from kmc_transport.export.drift import drift_data
from kmc_transport.export.drift_table import dense_table
from kmc_transport.export.jart import jart_parameters
from kmc_transport.export.json import json_schema
from kmc_transport.input import load_model_text
from kmc_transport.units import E_CHARGE, K_B
from tests.store.results import X, dataset

from .devices import (
    devsim_cell,
    devsim_is_missing,
    injected_current,
    needs_ngspice,
    needs_vacask,
    ngspice_columns,
    switched,
    vacask,
)

pytestmark = pytest.mark.consumer

INPUTS = Path(__file__).parents[2] / "inputs"
EPS_0 = 8.8541878128e-12
LENGTH, X0, KELVIN = 3e-9, 0.3, 1000.0
LOOP = f"l={LENGTH} x0={X0}"


@pytest.fixture(scope="module")
def mgo(tmp_path_factory: pytest.TempPathFactory) -> xarray.Dataset:
    """The shipped MgO input along [100], few points."""
    text = (INPUTS / "mgo_vacancy.yaml").read_text()
    for there, here in (
        ("[300, 500, 700, 1000]", "[800, 1000, 1200]"),
        ("along_crystal: [1, 1, 0]", "along_crystal: [1, 0, 0]"),
        ("[0, 1e6, 3e6, 1e7, 3e7, 1e8, 2e8, 3e8, 5e8, 7e8, 1e9]", "[0, 3e8, 6e8, 1e9]"),
    ):
        assert there in text
        text = text.replace(there, here)
    path = tmp_path_factory.mktemp("mgo") / "mgo.h5"
    run(load_model_text(text), output=path)
    return open_results(path).load()


def test_tables_of_a_shipped_input_are_read_back(mgo, tmp_path):
    record = read_record(mgo)
    source = record.quantity("mobility", "oxygen_vacancy")
    export_run(record, tmp_path / "mgo.csv", "csv")
    frame = pandas.read_csv(tmp_path / "mgo.csv", comment="#")
    wide = frame.pivot(index="temperature [K]", columns="field [V m-1]", values="mobility [m2 V-1 s-1]")
    np.testing.assert_array_equal(wide.to_numpy(), source.value)
    export_run(record, tmp_path / "mgo.json", "json")
    document = json.loads((tmp_path / "mgo.json").read_text())
    jsonschema.validate(document, json_schema())
    found = next(q for q in document["quantities"] if q["name"] == "mobility")
    np.testing.assert_array_equal(np.array(found["value"], float), source.value)


@pytest.fixture(scope="module")
def devsim() -> None:
    if missing := devsim_is_missing():
        pytest.skip(missing)


def exact_velocity(field: np.ndarray, temperature: float) -> np.ndarray:
    """m/s of the vacancy along [100]: four hops of a/2 forward, four backward; nothing of the package is in it."""
    a, nu, barrier, charge = 4.165e-10, 5e12, 2.0, 2
    kt = 1.380649e-23 * temperature / 1.602176634e-19
    return 4 * a * nu * np.exp(-barrier / kt) * np.sinh(charge * a * np.asarray(field) / (4 * kt))


def poole_frenkel_run() -> xarray.Dataset:
    """Made-up mobilities of a hole that obey the Poole-Frenkel law, with noise."""
    found = dataset([250.0, 300.0, 350.0], [0.0, 1e7, 3e7, 6e7], charges=(1.0,), directions=(X,))
    t, e = found["temperature"].values[:, None], found["field"].values[None, :]
    mu = 0.02 / t * np.exp(-(0.4 - 2e-5 * np.sqrt(e)) / (K_B * t))
    mu *= 1 + 0.01 * np.random.default_rng(3).standard_normal(mu.shape)
    for name, at in (("mobility", slice(1, None)), ("mobility_einstein", slice(0, 1))):
        found[name].values[:, at, 0, 0] = mu[:, at]
        found[f"{name}_stderr"].values[:, at, 0, 0] = 0.01 * mu[:, at]
    found["mobility_method"] = found["mobility_method"].astype("<U20")
    found["mobility_method"].values[:, 1:] = "drift velocity"
    return found


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_ngspice
@pytest.mark.parametrize("law", ["sinh", "table"])
def test_ngspice_memristor_has_the_loop_that_quadrature_gives(mgo, tmp_path, law):
    export_run(read_record(mgo), tmp_path / "mgo.lib", "ngspice", law=law)
    deck = (
        f".include mgo.lib\nV1 in 0 SIN(0 2 60)\nX1 in 0 x ok kmc_memristor {LOOP}\n.option temp={KELVIN - 273.15}\n"
        ".tran 2e-5 33m 0 2e-5 uic"
    )
    time, v, current, x, ok = ngspice_columns(tmp_path, deck, "run", "v(in) i(v1) v(x) v(ok)").T
    expected = switched(time, v, exact_velocity, length=LENGTH, x0=X0, temperature=KELVIN)
    error = 0.02 if law == "sinh" else 0.06  # four fields alone make a coarse table; it says so
    assert np.max(np.abs(x - expected)) < error
    assert expected.max() - expected.min() > 0.3  # it does switch
    resistance = 1e3 * x + 1e5 * (1 - x)
    np.testing.assert_allclose(-current, v / np.clip(resistance, 1e3, 1e5), rtol=2e-3, atol=1e-9)
    assert np.max(np.abs(current[np.abs(v) < 1e-3])) < 1e-6  # pinched
    rising, falling = time < 1 / 240, (time > 1 / 240) & (time < 1 / 120)
    up, down = (np.interp(1.0, v[part][::s], -current[part][::s]) for part, s in ((rising, 1), (falling, -1)))
    assert down > 1.2 * up  # hysteresis
    assert np.all(ok == 1)


@needs_ngspice
def test_ngspice_switching_time_against_amplitude(mgo, tmp_path):
    """From x0 to 0.9 at constant voltage: (0.9 - x0) l/v(V/l, T)."""
    export_run(read_record(mgo), tmp_path / "mgo.lib", "ngspice")
    for kelvin, amplitude in ((1000, 0.6), (1000, 1.5), (1000, 3.0), (1200, 1.5)):
        expected = (0.9 - X0) * LENGTH / exact_velocity(amplitude / LENGTH, kelvin)
        deck = (
            f".include mgo.lib\nV1 in 0 {amplitude}\nX1 in 0 x ok kmc_memristor {LOOP}\n"
            f".option temp={kelvin - 273.15}\n.tran {expected / 200} {1.3 * expected} uic"
        )
        time, x = ngspice_columns(tmp_path, deck, "run", "v(x)").T
        assert np.interp(0.9, x, time) == pytest.approx(expected, rel=0.02)
    wrong = (0.9 - X0) * LENGTH / exact_velocity(1.2 * amplitude / LENGTH, kelvin)
    assert np.interp(0.9, x, time) != pytest.approx(wrong, rel=0.1)


@needs_ngspice
def test_ngspice_cell_heats_itself(mgo, tmp_path):
    """T = TEMPER + rth V²/R: with a constant resistance, a constant temperature."""
    export_run(read_record(mgo), tmp_path / "mgo.lib", "ngspice")
    deck = (
        f".include mgo.lib\nV1 in 0 1.5\nX1 in 0 x ok kmc_memristor {LOOP} ron=1k roff=1k rth={200 / 2.25e-3}\n"
        f".option temp={KELVIN - 200 - 273.15}\n.tran 1e-5 2e-3 uic"
    )
    time, x, ok = ngspice_columns(tmp_path, deck, "run", "v(x) v(ok)").T
    expected = X0 + exact_velocity(1.5 / LENGTH, KELVIN) * time / LENGTH
    np.testing.assert_allclose(x, np.minimum(expected, 1), rtol=0.02)
    assert np.all(ok == 1)


@needs_ngspice
@pytest.mark.parametrize("law", ["sinh", "table"])
def test_ngspice_reads_back_what_the_run_holds(mgo, tmp_path, law):
    """At nodes, between them and beyond, where the border's mobility is held and ok is 0."""
    record = read_record(mgo)
    data = drift_data(record)
    export_run(record, tmp_path / "mgo.lib", "ngspice", law=law)
    fields = np.array([1e5, 3e8, 4.5e8, 6e8, 1e9, 1.2e9, -6e8])
    for kelvin in (800.0, 1000.0, 1100.0, 1200.0, 1300.0, 700.0):
        steps = " ".join(f"{k} {e} {k + 0.5} {e}" for k, e in enumerate(fields))
        sources = f"Ve e 0 PWL({steps})\nVt t 0 {kelvin}"
        deck = f".include mgo.lib\n{sources}\nX1 e t v ok kmc_drift\n.tran 0.05 {len(fields)}"
        time, v, ok = ngspice_columns(tmp_path, deck, "run", "v(v) v(ok)").T
        at = np.arange(len(fields)) + 0.25
        mu, fine = np.interp(at, time, v) / fields, np.interp(at, time, ok)
        inside = (np.abs(fields) <= 1e9) & (800 <= kelvin <= 1200)
        np.testing.assert_array_equal(fine, inside)
        e, t = np.minimum(np.abs(fields), 1e9), min(max(kelvin, 800), 1200)
        if law == "sinh":
            np.testing.assert_allclose(mu, data.fit("sinh").mobility(t, e), rtol=1e-5)
        else:
            table = dense_table(data)
            assert table.left_out_error is not None
            stated = table.left_out_error + table.resampling_error
            np.testing.assert_allclose(mu, exact_velocity(e, t) / e, rtol=stated)
            k, nodes = np.flatnonzero(data.temperature == kelvin), np.isin(np.abs(fields), data.field)
            if len(k):
                of_run = np.interp(np.abs(fields[nodes]), data.field, data.mobility[k[0]])
                np.testing.assert_allclose(mu[nodes], of_run, rtol=1.01 * table.resampling_error)
        assert np.all(mu > 0)


@needs_ngspice
def test_ngspice_goes_on_with_zeros_where_a_name_has_capitals_so_it_is_refused(mgo, tmp_path):
    record = read_record(mgo)
    with pytest.raises(InputError, match="lower case"):
        export_run(record, tmp_path / "MgO.lib", "ngspice", law="table")
    export_run(record, tmp_path / "mgo.lib", "ngspice", law="table")
    text = (tmp_path / "mgo.lib").read_text()
    (tmp_path / "mgo.table").rename(tmp_path / "MgO.table")
    (tmp_path / "mgo.lib").write_text(text.replace('"mgo.table"', '"MgO.table"'))
    deck = ".include mgo.lib\nVe e 0 6e8\nVt t 0 1000\nX1 e t v ok kmc_drift"
    assert not ngspice_columns(tmp_path, deck, "dc Ve 1e8 6e8 1e8", "v(x1.lm)")[:, 1].any()


@needs_vacask
def test_verilog_a_compiled_and_simulated_has_the_same_loop(mgo, tmp_path):
    export_run(read_record(mgo), tmp_path / "mgo.va", "verilog-a")
    deck = (
        'v1 (in 0) vsource type="sine" sinedc=0 ampl=2 freq=60\n'
        f"x1 (in 0 x ok) cell {LOOP}\nx2 (in 0 far beyond) cell l={LENGTH / 2} x0={X0}"
    )
    analysis = f"  options temp={KELVIN - 273.15}\n  analysis run tran step=2e-5 stop=33m maxstep=2e-5"
    found = vacask(tmp_path, tmp_path / "mgo.va", deck, analysis)
    expected = switched(found["time"], found["in"], exact_velocity, length=LENGTH, x0=X0, temperature=KELVIN)
    assert np.max(np.abs(found["x"] - expected)) < 0.02
    resistance = np.clip(1e3 * found["x"] + 1e5 * (1 - found["x"]), 1e3, 1e5)
    other = np.clip(1e3 * found["far"] + 1e5 * (1 - found["far"]), 1e3, 1e5)
    current = -found["v1:flow(br)"]
    np.testing.assert_allclose(current, found["in"] * (1 / resistance + 1 / other), rtol=0.05, atol=1e-9)
    np.testing.assert_array_equal(found["ok"], 1)
    np.testing.assert_array_equal(found["beyond"], np.abs(found["in"]) <= 1.5 * 1.000001)


@pytest.mark.usefixtures("devsim")
@pytest.mark.parametrize("law", ["sinh", "table"])
def test_devsim_injected_current_is_that_of_an_independent_solution(mgo, tmp_path, law):
    """Drift, diffusion and Poisson's equation of the vacancy between electrodes that supply it."""
    module = tmp_path / "mobility.py"
    export_run(read_record(mgo), module, "devsim", law=law)
    thermal = K_B * KELVIN / 2
    settings = {"permittivity": 9.8, "temperature": KELVIN, "edges": 400}
    fast = {"length": 1e-8, "boundary": 1e26, "voltages": [1, 2, 4]}  # fields up to 6e8 V/m: the sinh matters
    answer = devsim_cell(module, settings | fast)
    mobility = imported(module).mobility
    for voltage, current in zip(fast["voltages"], answer["currents"], strict=True):
        expected = injected_current(
            lambda fields: np.array([mobility(e, KELVIN) for e in fields]),
            voltage=voltage,
            length=1e-8,
            permittivity=9.8 * EPS_0,
            charge=2 * E_CHARGE,
            thermal=thermal,
            boundary=1e26,
        )
        assert current == pytest.approx(expected, rel=1e-3)
    constant = current / (9 / 8 * 9.8 * EPS_0 * mobility(0, KELVIN) * voltage**2 / 1e-24)
    assert constant > 1.15  # with a constant mobility it would be about 1
    assert max(answer["spread"]) < 1e-6
    if law == "table":
        return
    slow = {"length": 1e-3, "boundary": 1e20, "voltages": [1e3, 1e4]}  # weak fields, diffusion negligible
    answer = devsim_cell(module, settings | slow)
    child = [9 / 8 * 9.8 * EPS_0 * mobility(0, KELVIN) * v**2 / 1e-9 for v in slow["voltages"]]
    assert answer["currents"][1] == pytest.approx(child[1], rel=0.01)  # Mott and Gurney
    assert answer["currents"][0] == pytest.approx(child[0], rel=0.02)


@pytest.mark.usefixtures("devsim")
def test_devsim_transient_ends_in_the_boltzmann_distribution(mgo, tmp_path):
    """Vacancies between blocking electrodes: their number stays, and at last n exp(q phi/kT) is the same everywhere."""
    module = tmp_path / "mobility.py"
    export_run(read_record(mgo), module, "devsim")
    start, voltage, length = 1e25, 0.2, 2e-8
    relaxation = 9.8 * EPS_0 / (2 * E_CHARGE * start * imported(module).mobility(0, KELVIN))
    answer = devsim_cell(
        module,
        {
            "permittivity": 9.8,
            "temperature": KELVIN,
            "edges": 100,
            "length": length,
            "density": start,
            "voltage": voltage,
            "times": [relaxation, 1e3 * relaxation],
        },
    )
    x, first, last = np.array(answer["x"]), *(np.array(n) for n in answer["densities"])
    volume = np.gradient(x)
    volume[[0, -1]] /= 2
    for density in (first, last):
        assert np.sum(density * volume) == pytest.approx(start * length, rel=1e-6)
    fields = np.array(answer["fields"][-1])
    potential = np.concatenate([[0], -np.cumsum(fields * np.diff(x))])
    assert potential[-1] == pytest.approx(-voltage, rel=1e-9)
    level = np.log(last) + 2 * potential / (K_B * KELVIN)
    assert np.ptp(level) < 1e-3
    assert last.max() > 2 * start
    assert np.ptp(np.log(first) + 2 * np.concatenate([[0], -np.cumsum(np.array(answer["fields"][0]) * np.diff(x))])
                  / (K_B * KELVIN)) > 0.1  # not yet at first  # fmt: skip


@pytest.mark.parametrize("law", ["sinh", "table"])
def test_devsim_module_by_itself(mgo, tmp_path, law):
    """Values and derivatives at, between and beyond the nodes."""
    record = read_record(mgo)
    export_run(record, tmp_path / "mobility.py", "devsim", law=law)
    module, data = imported(tmp_path / "mobility.py"), drift_data(record)
    for e in (1e6, 4.5e8, -6.01e8, 9.9e8):
        for t in (801.0, 1003.0, 1199.0):
            mu = module.mobility(e, t)
            assert mu == pytest.approx(exact_velocity(e, t) / e, rel=0.05)
            if law == "sinh":
                assert mu == pytest.approx(float(data.fit("sinh").mobility(t, e)), rel=1e-9)
            for derivative, de, dt in (
                (module.mobility_by_field, 1e3, 0),
                (module.mobility_by_temperature, 0, 1e-3),
            ):
                slope = (module.mobility(e + de, t + dt) - module.mobility(e - de, t - dt)) / (2 * (de + dt))
                assert derivative(e, t) == pytest.approx(slope, rel=2e-4)
    assert module.mobility(2e9, 1000.0) == module.mobility(1e9, 1000.0)
    assert module.mobility_by_field(2e9, 1000.0) == 0
    assert module.mobility(0.0, 100.0) == module.mobility(0.0, 800.0)
    module.check([-1e9, 1e9], [800.0, 1200.0])
    for fields, kelvins in (([1.1e9], [1000.0]), ([0.0], [1201.0]), ([float("nan")], [1000.0])):
        with pytest.raises(ValueError, match="known"):
            module.check(fields, kelvins)


def test_jart_parameters_are_those_of_the_hop(mgo, tmp_path):
    """v = a ny0 (exp(-(dWa - zvo a E/2)/kT) - exp(-(dWa + zvo a E/2)/kT)), four ways of a/2 forward."""
    record = read_record(mgo)
    data = drift_data(record)
    fit = data.fit("sinh")
    a, ny0, energy, zvo = jart_parameters(data, fit)
    for p, exact in ((a, 4.165e-10 / 2), (ny0, 4 * 5e12), (energy, 2.0)):
        assert abs(p.value - exact) < 4 * p.stderr
        assert p.stderr < 0.01 * exact
    assert zvo.value == 2
    # errors: twice the product, half the length's worth in ny0
    rng = np.random.default_rng(0)
    drawn = rng.multivariate_normal([0, fit.log_prefactor, fit.field_parameter], fit.covariance, 4000)
    assert np.std(drawn[:, 1] - 2 * np.log(drawn[:, 2])) * ny0.value == pytest.approx(ny0.stderr, rel=0.1)
    assert [p.inside for p in (a, ny0, energy)] == [True, True, False]
    with pytest.raises(InputError, match=r"dWa: is outside the range[\s\S]*0.8 to 1.5 eV"):
        export_run(record, tmp_path / "mgo.va", "jart")
    export_run(record, tmp_path / "mgo.va", "jart", beyond=True)
    text = (tmp_path / "mgo.va").read_text()
    assert "OUTSIDE THE PUBLISHED RANGE 0.8 to 1.5" in text
    assert f"parameter real ny0 = {ny0.value:.8g} from [1e+10:1e+14]" in text
    with pytest.raises(InputError, match="oxygen vacancies of charge"):
        jart_parameters(replace(data, charge=1.0), fit)


def test_sentaurus_block_holds_the_law(mgo, tmp_path):
    run = poole_frenkel_run()
    export_run(read_record(run), tmp_path / "hole.par", "sentaurus")
    text = (tmp_path / "hole.par").read_text()
    assert "NOT RUN" in text
    numbers = {}
    for line in text.splitlines():
        if " = " in line and not line.startswith("*"):
            name, value = line.split("#")[0].split(" = ")
            numbers[name.strip()] = [float(v) for v in value.split(",")]
    kelvin, field = 321.0, 2.5e5  # V/cm
    low = numbers["mumax"][1] * (kelvin / 300) ** -numbers["Exponent"][1]
    mu = low * np.exp(-numbers["E0_h"][0] / (K_B * kelvin)) * np.exp(
        np.sqrt(field) * (numbers["beta_h"][0] / kelvin - numbers["gamma_h"][0])
    )  # fmt: skip
    fit = drift_data(read_record(run)).fit("poole-frenkel")
    assert mu == pytest.approx(1e4 * float(fit.mobility(kelvin, 100 * field)), rel=1e-6)
    with pytest.raises(InputError, match="one elementary charge"):
        export_run(read_record(mgo), tmp_path / "mgo.par", "sentaurus")


@needs_ngspice
def test_ngspice_poole_frenkel(tmp_path):
    run = poole_frenkel_run()
    export_run(read_record(run), tmp_path / "hole.lib", "ngspice", law="poole-frenkel")
    deck = ".include hole.lib\nVe e 0 2e7\nVt t 0 320\nX1 e t v ok kmc_drift"
    _, v, ok = ngspice_columns(tmp_path, deck, "dc Ve 1e7 5e7 1e7", "v(v) v(ok)").T
    fit = drift_data(read_record(run)).fit("poole-frenkel")
    np.testing.assert_allclose(v, fit.drift_velocity(320.0, np.arange(1, 6) * 1e7), rtol=1e-6)
    assert np.all(ok == 1)


def test_the_head_says_where_it_comes_from_and_what_was_taken(mgo, tmp_path):
    record = read_record(mgo)
    export_run(record, tmp_path / "mgo.va", "verilog-a", d_ma=0.99)
    head = (tmp_path / "mgo.va").read_text()
    fit = drift_data(record).fit("sinh")
    for said in (
        "sha256 of the input: ",
        "covariance (E_a, ln A, p)",
        f"chi squared {fit.chi2:.4g}",
        "transported charge 2 e; then the length is 2.08",
        f"|Q_eqv| = {fit.field_parameter / 1.98:.4g} e",
        "range of temperature: 800 to 1200 K",
        "range of field: 0 to 1000000000 V m-1",
        "beyond the ranges: the mobility of the border",
    ):
        assert said in head
    assert head.isascii()


def test_the_head_tells_what_is_wrong_with_the_run(mgo, tmp_path):
    odd = mgo.copy(deep=True)
    odd["hop_class_response"] = odd["hop_class_response"].astype("<U20")
    odd["hop_class_response"].values[:] = "classical"
    odd["clamped_share"].values[0, 2] = 0.1
    export_run(read_record(odd), tmp_path / "odd.py", "devsim")
    head = (tmp_path / "odd.py").read_text()
    assert "DIAGNOSTIC: classical field response" in head
    assert "from 6e+08 V/m on, the field made barriers negative" in head
    export_run(read_record(mgo), tmp_path / "mgo.py", "devsim")
    assert "DIAGNOSTIC" not in (tmp_path / "mgo.py").read_text()


def test_rows_of_linear_response_do_not_count_twice(mgo):
    """A weak field whose row repeats the run without field adds no value to a fit."""
    repeated = mgo.copy(deep=True)
    mobility, stderr = repeated["mobility"], repeated["mobility_stderr"]
    mobility.values[:, 1] = repeated["mobility_einstein"].values[:, 0]
    stderr.values[:, 1] = repeated["mobility_einstein_stderr"].values[:, 0]
    repeated["mobility_method"] = repeated["mobility_method"].astype("<U20")
    repeated["mobility_method"].values[:, 1] = "linear response"
    data = drift_data(read_record(repeated))
    assert not data.independent[:, 1].any()
    assert data.independent[:, [0, 2, 3]].all()
    grid = np.broadcast_arrays(data.temperature[:, None], data.field, data.mobility, data.stderr)
    rest = fit_field_law(*(np.delete(a, 1, axis=1) for a in grid))
    assert data.fit("sinh").field_parameter == pytest.approx(rest.field_parameter, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"law": "ohm"}, "no such law"),
        ({"max_field": 1.0}, "3 fields"),
        ({"law": "poole-frenkel"}, r"does not hold[\s\S]*law=table"),
    ],
)
def test_bad_choices_are_refused_before_anything_is_written(mgo, tmp_path, options, text):
    for to, name in (("ngspice", "x.lib"), ("verilog-a", "x.va"), ("devsim", "x.py")):
        with pytest.raises(InputError, match=text):
            export_run(read_record(mgo), tmp_path / name, to, **options)
    assert not list(tmp_path.iterdir())


def test_partial_runs_are_refused_and_marked(mgo, tmp_path):
    partial = mgo.copy(deep=True)
    partial["converged"].values[0, 1, 0] = False
    with pytest.raises(InputError, match="allow-partial"):
        export_run(read_record(partial), tmp_path / "x.lib", "ngspice")
    export_run(read_record(partial, allow_partial=True), tmp_path / "x.lib", "ngspice")
    assert "PARTIAL mobility" in (tmp_path / "x.lib").read_text()
    partial["mobility"].values[0, 1, 0] = np.nan
    with pytest.raises(InputError, match="every temperature and field"):
        export_run(read_record(partial, allow_partial=True), tmp_path / "t.lib", "ngspice", law="table")


def test_a_field_that_is_left_out_need_not_be_complete(mgo, tmp_path):
    partial = mgo.copy(deep=True)
    partial["complete"].values[1, 3] = False
    partial["converged"].values[2, 3] = False
    for to, name in (("ngspice", "x.lib"), ("verilog-a", "x.va"), ("devsim", "x.py"), ("jart", "y.va")):
        options = {"beyond": True} if to == "jart" else {}
        with pytest.raises(
            InputError, match="1 of 12 points have no number, 1 of 12 points are not as accurate"
        ):
            export_run(read_record(partial), tmp_path / name, to, max_field=1e9, **options)
        export_run(read_record(partial), tmp_path / name, to, max_field=6e8, **options)
        text = (tmp_path / name).read_text()
        assert "range of field: 0 to 600000000 V m-1" in text
        assert "PARTIAL" not in text
    left, whole = drift_data(read_record(partial), max_field=6e8), drift_data(read_record(mgo))
    np.testing.assert_array_equal(left.mobility, whole.mobility[:, :3])
    with pytest.raises(InputError, match="leaves no field"):
        drift_data(read_record(mgo.isel(field=[2, 3])), max_field=1e8)
