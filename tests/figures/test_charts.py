"""Charts: the numbers in them, what they are drawn against, and pictures in which nothing covers anything else."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import xarray

from kmc_transport import build_catalog, load_model
from kmc_transport.errors import InputError, StoreError
from kmc_transport.figures.against import chart_against, chart_map
from kmc_transport.figures.chart import Chart, Series, chart_rows
from kmc_transport.figures.drawing import draw
from kmc_transport.figures.einstein import chart_einstein
from kmc_transport.figures.measured import add_measured
from kmc_transport.figures.profile import chart_profile
from kmc_transport.figures.quantities import drawable, quantity, select
from kmc_transport.figures.style import MARKERS, Size, file_of, mark_of, parse_size
from kmc_transport.report.display import ask_units
from kmc_transport.store import PICTURE_MARK
from kmc_transport.units import K_B
from tests.figures.boxes import overlaps
from tests.store.results import X, Y, dataset

INPUTS = Path(__file__).parents[2] / "inputs"
TEMPERATURES = [200, 225, 250, 275, 298, 325, 350, 400, 450, 500]
FIELDS = [0, 1e7, 1e8]
RUN = [("run", dataset(TEMPERATURES, FIELDS))]
TWO = [("two", dataset([300, 400, 500], FIELDS, charges=(1, -1), directions=(X, Y), exact=False))]
SWEEP = [("sweep", dataset(np.linspace(300, 680, 20), [0, *np.logspace(6, 9, 19)], exact=False))]


def of_kind(chart: Chart, kind: str, panel: int = 0) -> list[Series]:
    return [s for s in chart.panels[panel].series if s.kind == kind]


CHARTS = {
    "mobility": lambda: chart_against(RUN, "mobility"),
    "diffusivity": lambda: chart_against(TWO, "tracer_diffusivity", against="temperature"),
    "velocity": lambda: chart_against(SWEEP, "drift_velocity", against="field"),
    "mobility against field": lambda: chart_against(TWO, "mobility", against="field"),
    "two runs": lambda: chart_against([*RUN, ("other", dataset(TEMPERATURES, FIELDS))], "mobility"),
    "map": lambda: chart_map(SWEEP, "mobility", against=["temperature", "field"]),
    "maps": lambda: chart_map(TWO, "mobility", against=["field", "temperature"]),
    "einstein": lambda: chart_einstein(RUN),
    "carriers": lambda: chart_against(TWO, "mobility", against="carrier"),
    "profile": lambda: _profile(),
}


def _profile() -> Chart:
    model = load_model(INPUTS / "namn3o7.yaml")
    return chart_profile(
        build_catalog(model, temperature=300), build_catalog(model, temperature=300, field=[0.01, 0, 0])
    )


@pytest.mark.parametrize(
    ("name", "size"), [*((n, "column") for n in CHARTS), ("velocity", "page"), ("mobility", "slide")]
)
def test_nothing_covers_anything_else(name: str, size: str) -> None:
    assert overlaps(draw(CHARTS[name](), size=parse_size(size))) == []


@pytest.mark.parametrize("kind", PICTURE_MARK)
def test_files_are_those_of_matplotlib(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the byte, though matplotlib draws everything twice; and the figure stays as it was."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    said, expected = {PICTURE_MARK[kind][0]: "a"}, io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "a", "svg.fonttype": "none"}):
        draw(CHARTS["map"]()).savefig(expected, format=kind, dpi=50, metadata=said)
        figure = draw(CHARTS["map"]())
        before = figure.canvas, figure.dpi, figure.get_layout_engine()
        assert file_of(figure, kind, said, 50) == expected.getvalue()
    assert (figure.canvas, figure.dpi, figure.get_layout_engine()) == before


def test_an_overlap_is_seen() -> None:
    figure = draw(CHARTS["mobility"]())
    figure.axes[0].text(0.5, 0.5, "one", transform=figure.axes[0].transAxes)
    figure.axes[0].text(0.5, 0.5, "two", transform=figure.axes[0].transAxes)
    assert overlaps(figure) == ["'one' on 'two'"]


def test_mobility_against_inverse_temperature() -> None:
    chart = CHARTS["mobility"]()
    data = RUN[0][1].isel(direction=0, carrier=0)
    for series, field in zip(of_kind(chart, "points"), FIELDS, strict=True):
        name = "mobility" if field else "mobility_einstein"
        assert series.x == pytest.approx(1000 / np.array(TEMPERATURES))
        assert series.y == pytest.approx(1e4 * data[name].sel(field=field).values)
        assert series.error == pytest.approx(1e4 * data[f"{name}_stderr"].sel(field=field).values)
    assert [s.label for s in of_kind(chart, "points")] == ["no field", "1e+07 V/m", "1e+08 V/m"]
    (fit,) = of_kind(chart, "fit")  # without field only
    assert "eV" in fit.label
    middle = np.interp(1000 / 325, fit.x, np.log(fit.y))
    drawn = 1e4 * float(data["mobility_einstein"].sel(field=0, temperature=325))
    assert middle == pytest.approx(np.log(drawn), abs=0.2)
    assert not of_kind(chart_against(RUN, "mobility", fit=False), "fit")


def test_the_fit_gives_the_energy_that_went_in() -> None:
    """Mobilities of exactly A/T exp(-E/kT): the fit is of T times mobility."""
    data = RUN[0][1].copy(deep=True)
    kelvin = data["temperature"]
    truth = 1e-3 / kelvin * np.exp(-0.3 / (8.617333262e-5 * kelvin))
    data["mobility_einstein"] = (data["mobility_einstein"] * 0 + truth).transpose(
        *data["mobility_einstein"].dims
    )
    data["mobility_einstein_stderr"] = 1e-5 * data["mobility_einstein"]
    (fit,) = of_kind(chart_against([("a", data)], "mobility"), "fit")
    assert "0.30000" in fit.label
    assert fit.y[-1] == pytest.approx(1e4 * float(truth[0]), rel=1e-4)
    assert "curved" not in fit.label
    data["mobility_einstein_stderr"] = 3 * data["mobility_einstein"]
    assert not of_kind(chart_against([("a", data)], "mobility"), "fit")  # noise: any energy would do


def test_drift_velocity_against_field_for_all_temperatures() -> None:
    chart = CHARTS["velocity"]()
    data = SWEEP[0][1].isel(direction=0, carrier=0)
    lines = of_kind(chart, "points")
    assert len(lines) == 20
    assert len({s.shade for s in lines}) == 20
    for series, kelvin in zip(lines, data["temperature"].values, strict=True):
        at = data.sel(temperature=kelvin).isel(field=slice(1, None))
        assert series.y == pytest.approx((at["mobility"] * at["field"]).values)
        assert series.error == pytest.approx((at["mobility_stderr"] * at["field"]).values)
    label, ticks = chart.panels[0].scale or ("", [])
    assert label == "temperature"
    assert ticks[0][1] == "300 K"
    assert chart.panels[0].x.scale == chart.panels[0].y.scale == "log"
    plain = chart_against(SWEEP, "drift_velocity", against="field", linear=True)
    assert plain.panels[0].x.scale == plain.panels[0].y.scale == "linear"


def lawful(bend: float = 0.0, temperatures: Sequence[float] = (300.0, 400.0, 500.0)) -> xarray.Dataset:
    """mu T = 1e-3 exp(-0.3 eV/kT) sinh(x)/x with p = 4 e Å and 1 % of noise, or something else in strong fields."""
    data = dataset(temperatures, [0, *np.logspace(7, 9, 9)], exact=False)
    kelvin, field = data["temperature"], data["field"]
    x = 4e-10 * field.where(field > 0, 1.0) / (2 * K_B * kelvin)
    law = 1e-3 / kelvin * np.exp(-0.3 / (K_B * kelvin)) * np.sinh(x) / x * (1 + bend * (field / 1e9) ** 2)
    rng = np.random.default_rng(0)
    for name in ("mobility", "mobility_einstein"):
        truth = (data[name] * 0 + law).transpose(*data[name].dims)
        data[name] = truth * (1 + 0.01 * rng.normal(size=truth.shape))
        data[f"{name}_stderr"] = 0.01 * truth
    method = np.where(field > 0, "drift velocity", "Einstein relation")
    told = np.broadcast_to(method[:, None], data["mobility_method"].shape).astype(object)
    data["mobility_method"] = data["mobility_method"].dims, told
    return data


@pytest.mark.parametrize("what", ["mobility", "drift_velocity"])
def test_the_law_of_the_field_is_drawn_and_told(what: str) -> None:
    data = lawful()
    chart = chart_against([("a", data)], what, against="field", asked=ask_units(["field=MV/cm"]))
    fits = of_kind(chart, "fit")
    assert [s.where["temperature"] for s in fits] == [300, 400, 500]
    (label,) = {s.label for s in fits}
    assert label.startswith("sinh law: 0.30")
    assert chart.notes == []
    rows = [r for r in chart_rows(chart) if r["kind"] == "fit"]
    column = next(k for k in rows[0] if k.startswith(what) and not k.endswith("_stderr"))
    factor = 1e4 if what == "mobility" else 1.0
    assert len(rows) == 3 * len(fits[0].x)
    for row in rows[:: len(rows) // 7]:
        assert row["law"] == "sinh"
        assert abs(row["law_p_e_angstrom"] - 4) < 4 * row["law_p_e_angstrom_stderr"]
        assert abs(row["law_activation_energy_eV"] - 0.3) < 4 * row["law_activation_energy_eV_stderr"]
        kelvin, field = row["temperature"], 1e8 * row["field_MV_per_cm"]
        x = row["law_p_e_angstrom"] * 1e-10 * field / (2 * K_B * kelvin)
        energy = row["law_activation_energy_eV"]
        mobility = np.exp(row["law_log_prefactor"] - energy / (K_B * kelvin)) / kelvin * np.sinh(x) / x
        wanted = mobility * (1 if what == "mobility" else field)
        assert row[column] == pytest.approx(factor * wanted)
        assert 0 < row[f"{column}_stderr"] < 0.01 * row[column]  # all points together know more than one
    figure = draw(chart, size=parse_size("column"))
    assert label in [t.get_text() for t in figure.legends[0].get_texts()]
    assert overlaps(figure) == []
    assert not of_kind(chart_against([("a", data)], what, against="field", fit=False), "fit")


def test_a_law_that_is_refused_says_why() -> None:
    part = chart_against([("a", lawful(bend=0.3))], "drift_velocity", against="field")
    (label,) = {s.label for s in of_kind(part, "fit")}
    strongest = of_kind(part, "fit")[0].x[-1]
    assert 1e8 < strongest < 9e8
    assert f"up to {strongest:.2g} V/m" in label
    assert "sinh law does not hold: chi squared" in part.notes[-1]
    one = chart_against([("a", lawful().isel(temperature=[0]))], "mobility", against="field")
    assert not of_kind(one, "fit")
    assert "2 temperatures or more" in one.notes[-1]
    served = lawful()  # by linear response: one number at all fields proves no law
    served["mobility_method"].values[:, 1:] = "linear response"
    none = chart_against([("a", served)], "mobility", against="field")
    assert not of_kind(none, "fit")
    assert "3 fields or more" in none.notes[-1]


def test_neighbours_on_the_scale_of_colours_have_other_markers() -> None:
    """Also in grey: each line has another marker than the next, and the scale shows it."""
    chart = CHARTS["velocity"]()
    marks = [s.mark % len(MARKERS) for s in of_kind(chart, "points")]
    assert all(a != b for a, b in pairwise(marks))
    figure = draw(chart)
    bar = next(a for a in figure.axes if a.get_ylabel() == "temperature")
    shown = [line.get_marker() for line in bar.lines if line.get_marker() in MARKERS]
    assert shown == [MARKERS[m] for m in marks]
    several = {mark_of(g, 2, r) % len(MARKERS) for g in (0, 1) for r in range(3)}
    assert len(several) == 6  # groups of lines share no marker


def test_units_are_converted() -> None:
    asked = ask_units(["mobility=m²/(V s)", "field=MV/cm", "temperature=°C"])
    series = of_kind(chart_against(TWO, "mobility", against="field", asked=asked), "points")[0]
    assert series.x == pytest.approx([0.1, 1.0])
    data = TWO[0][1].isel(temperature=0, direction=0, carrier=0)
    assert series.y == pytest.approx(data["mobility"].values[1:])
    kelvin = of_kind(chart_against(RUN, "mobility", against="temperature", asked=asked), "points")[0]
    assert kelvin.x == pytest.approx(np.array(TEMPERATURES) - 273.15)
    for wrong in ("mobility=cm²/s", "mobility=furlong", "speed=m/s", "mobility"):
        with pytest.raises(InputError, match="--units"):
            ask_units([wrong])


def test_any_dimension_is_an_axis() -> None:
    """A composition that no array knows by name yet."""
    data = RUN[0][1].expand_dims({"x": [0.1, 0.2, 0.5]}).copy(deep=True)
    for name in ("mobility_einstein", "mobility"):
        data[name] = data[name] * data["x"]
    chart = chart_against([("a", select(data, {"temperature": ["298"]}))], "mobility", against="x")
    assert chart.panels[0].x.label == "x"
    for series in of_kind(chart, "points"):
        assert series.x == pytest.approx([0.1, 0.2, 0.5])
        assert series.y / series.y[0] == pytest.approx([1, 2, 5])
    heat = chart_map([("a", data)], "mobility", against=["x", "temperature"]).panels[0].heat
    assert heat is not None
    assert heat.z.shape == (10, 3)


def test_samples_are_averaged_with_their_scatter() -> None:
    one = RUN[0][1]
    data = one.expand_dims({"sample": [0, 1, 2, 3]}).copy(deep=True)
    factor = data["sample"] * 0 + np.array([0.5, 1.5, 0.5, 1.5])
    data["mobility_einstein"] = data["mobility_einstein"] * factor
    found = quantity(data, "mobility").value.sel(field=0)
    assert found.values == pytest.approx(1e4 * one["mobility_einstein"].sel(field=0).values)
    error = quantity(data, "mobility").stderr.sel(field=0)
    assert error.values == pytest.approx(found.values * np.std([0.5, 1.5, 0.5, 1.5], ddof=1) / 2, rel=1e-9)


def test_tensors_become_their_component_along_the_field() -> None:
    data = TWO[0][1]
    found = quantity(data, "tracer_diffusivity")
    for k, axis in enumerate("xy"):
        component = data["tracer_diffusivity"].sel(axis=axis, axis_2=axis).isel(direction=k)
        assert found.value.isel(direction=k).values == pytest.approx(1e4 * component.values)


def test_every_number_of_a_run_can_be_drawn() -> None:
    for name in drawable(TWO[0][1]):
        try:
            chart = chart_against(TWO, name)
        except InputError as e:
            assert "no number" in str(e)  # noqa: PT017
            continue
        assert all(len(s.x) for s in chart.panels[0].series)


def test_the_einstein_check_leaves_out_what_is_compared_with_itself() -> None:
    data = RUN[0][1].copy(deep=True)
    data["mobility_method"] = data["converged"].astype(object)
    data["mobility_method"].values[...] = "drift velocity"
    data["mobility_method"].loc[{"field": 1e7}] = "linear response"
    chart = chart_einstein([("a", data)])
    for series in of_kind(chart, "points"):
        assert series.x == pytest.approx([1e8])
        kelvin = series.where["temperature"]
        at = data.sel(temperature=kelvin).isel(direction=0, carrier=0)
        ratio = float(at["mobility"].sel(field=1e8) / at["mobility_einstein"].sel(field=0))
        assert series.y == pytest.approx([ratio])
        parts = [
            float(at[f"{n}_stderr"].sel(field=f) / at[n].sel(field=f))
            for n, f in (("mobility", 1e8), ("mobility_einstein", 0))
        ]
        assert series.error == pytest.approx([ratio * np.hypot(*parts)])
    assert "10 points" in chart.notes[-1]
    with pytest.raises(InputError, match="zero field"):
        chart_einstein([("a", data.isel(field=[1, 2]))])


def test_the_profile_of_a_hop() -> None:
    chart = _profile()
    for series, field in zip(of_kind(chart, "dots"), (0.0, 1e8), strict=True):
        work = field * 1e-10 * 2.665
        assert series.x == pytest.approx([0, 0.5, 1])
        assert series.y == pytest.approx([0, 0.242 - work / 2, -work])
    for curve, points in zip(of_kind(chart, "line"), of_kind(chart, "dots"), strict=True):
        assert np.interp(points.x, curve.x, curve.y) == pytest.approx(points.y)


def test_the_numbers_behind_a_picture() -> None:
    chart = CHARTS["mobility against field"]()
    rows = [r for r in chart_rows(chart) if r["kind"] == "points"]
    assert {"temperature", "direction", "carrier", "field_V_per_m", "mobility_cm2_per_Vs"} <= set(rows[0])
    assert len(rows) == 2 * 8  # of 12 lines, two fields
    assert "--where" in chart.notes[0]
    data = TWO[0][1]
    for row in rows:
        at = data.sel(temperature=row["temperature"], field=row["field_V_per_m"], carrier=row["carrier"])
        value = at["mobility"].isel(direction=list(data["direction"].values).index(row["direction"]))
        assert row["mobility_cm2_per_Vs"] == pytest.approx(abs(1e4 * float(value)))
    heat = chart_rows(CHARTS["map"]())
    assert len(heat) == 20 * 19
    assert {"temperature_K", "field_V_per_m", "mobility_cm2_per_Vs"} <= set(heat[0])


def measured(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "T (K),mobility (cm²/(V s)),mobility error (cm²/(V s))\n300,1e-6,2e-7\n400,1e-5,1e-6\n",
        "# Hall\ntemperature [°C];mu [m²/(V s)];mu_err [m²/(V s)]\n26.85;1e-10;2e-11\n126.85;1e-9;1e-10\n",
        "mobility_stderr_cm2_per_Vs,temperature_K,mobility_cm2_per_Vs\n2e-7,300,1e-6\n1e-6,400,1e-5\n",
    ],
)
def test_measured_points(text: str, tmp_path: Path) -> None:
    chart = add_measured(CHARTS["mobility"](), measured(tmp_path, text))
    (series,) = of_kind(chart, "measured")
    assert series.x == pytest.approx([1000 / 300, 2.5])
    assert series.y == pytest.approx([1e-6, 1e-5])
    assert series.error == pytest.approx([2e-7, 1e-6])
    if text.startswith("T "):
        figure = draw(chart)
        assert "mine" in [t.get_text() for t in figure.legends[0].get_texts()]
        assert overlaps(figure) == []


def test_sets_of_measured_points(tmp_path: Path) -> None:
    text = "T (K),mobility (cm²/(V s)),series\n300,1e-6,film\n400,1e-5,pellet\n450,2e-5,film\n"
    series = of_kind(add_measured(CHARTS["mobility"](), measured(tmp_path, text)), "measured")
    assert [(s.label, len(s.x), s.error) for s in series] == [("film", 2, None), ("pellet", 1, None)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("T (K),D (cm²/s)\n300,1e-6\n", "'mobility \\(cm²/\\(V s\\)\\)'"),
        ("T (K),mobility\n300,1e-6\n", "no unit"),
        ("T (K),mobility (cm²/s)\n300,1e-6\n", "another quantity"),
        ("T (K),mobility (cm²/(V s))\n300,about 1e-6\n", "is no number"),
        ("T (K),mobility (cm²/(V s))\n300\n", "cells"),
        ("T (K),mobility (cm²/(V s))\n", "no points"),
        ("T (K),mobility (cm²/(V s))\n300,0\n", "logarithmic"),
    ],
)
def test_measured_points_that_do_not_fit(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said) as caught:
        add_measured(CHARTS["mobility"](), measured(tmp_path, text))
    assert "mine.csv" in str(caught.value)


def test_text_stays_text(tmp_path: Path) -> None:
    small = chart_against([("a", dataset([300, 400], [0]))], "mobility")
    for name in ("a.svg", "a.pdf", "a.png"):
        draw(small, tmp_path / name, dpi=50)
    svg = (tmp_path / "a.svg").read_text()
    assert "mobility" in svg
    assert "1000 / T" in svg
    assert (
        b"/FontType 42" in (tmp_path / "a.pdf").read_bytes() or b"/Type0" in (tmp_path / "a.pdf").read_bytes()
    )
    assert b"/Type3" not in (tmp_path / "a.pdf").read_bytes()
    (tmp_path / "foreign.png").write_bytes(b"not ours")
    with pytest.raises(StoreError, match="is there already"):
        draw(small, tmp_path / "foreign.png")


def test_lines_are_told_apart_in_grey() -> None:
    """Every series of a legend has a marker or dashes of its own."""
    for name in ("mobility", "mobility against field", "two runs"):
        marks = [s.mark for s in of_kind(CHARTS[name](), "points") if s.shade is None]
        assert len(set(marks)) == len(marks)


def test_sizes() -> None:
    assert parse_size("column").width == 86
    assert parse_size("86x70") == Size(86, 70)
    assert parse_size("120 mm") == Size(120)
    for wrong in ("huge", "10", "86x", "86x5"):
        with pytest.raises(InputError, match="--size"):
            parse_size(wrong)


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="tracer_diffusivity"):
        chart_against(RUN, "speed")
    with pytest.raises(InputError, match="1/T"):
        chart_against(RUN, "mobility", against="voltage")
    with pytest.raises(InputError, match="two axes"):
        chart_map(RUN, "mobility", against=["temperature", "carrier"])
    with pytest.raises(InputError, match="no such temperature"):
        select(RUN[0][1], {"temperature": ["300"]})
    with pytest.raises(InputError, match="no such dimension"):
        select(RUN[0][1], {"kelvin": ["300"]})
    with pytest.raises(InputError, match="no number"):
        chart_against(RUN, "haven_ratio")
