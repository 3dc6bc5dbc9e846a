"""What a run counts on request, and how one of its points converged: the numbers drawn are those of the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray

from kmc_transport import load_model
from kmc_transport.cli.app import main
from kmc_transport.figures.against import chart_against
from kmc_transport.figures.chart import Chart, Series, chart_rows
from kmc_transport.figures.convergence import chart_convergence
from kmc_transport.figures.drawing import draw
from kmc_transport.figures.style import parse_size
from kmc_transport.runs.system import system_of
from kmc_transport.store import PointStore, points_folder
from kmc_transport.units import K_B
from tests.figures.boxes import overlaps

INPUT = Path(__file__).parents[2] / "inputs" / "namn3o7.yaml"
Run = tuple[Path, xarray.Dataset]


def of_kind(chart: Chart, kind: str) -> list[Series]:
    return [s for s in chart.panels[0].series if s.kind == kind]


def test_residence_times(chain_run: Run) -> None:
    data = chain_run[1].squeeze()
    chart = chart_against([("", chain_run[1])], "residence_time")
    series = of_kind(chart, "points")
    assert [s.label for s in series] == ["no field", "1e+08 V/m", "3e+08 V/m"]
    for one, field in zip(series, data["field"].values, strict=True):
        at = data.sel(field=field)
        assert one.x == pytest.approx(1000 / data["temperature"].values)
        assert one.y == pytest.approx(at["residence_time"].values)
        assert one.error == pytest.approx(at["residence_time_stderr"].values)
    # a chain: two ways out, each 6.12 THz exp(-0.242 eV/kT)
    truth = np.exp(0.242 / (K_B * data["temperature"].values)) / (2 * 6.12e12)
    assert of_kind(chart, "line")[0].y == pytest.approx(truth)
    assert (abs(series[0].y - truth) < 4 * series[0].error).all()
    figure = draw(chart, size=parse_size("column"))
    assert "residence" in figure.axes[0].get_ylabel()
    assert overlaps(figure) == []


def test_occupation_of_kinds_of_sites(chain_run: Run) -> None:
    """Of two kinds of sites, made up of the one that there is."""
    one = chain_run[1]
    data = one.isel(site_kind=[0, 0]).assign_coords(site_kind=["Mn_bridge", "Mn_end"])
    share = xarray.DataArray([0.25, 0.75], dims="site_kind")
    data["occupation"] = one["occupation"].isel(site_kind=0, drop=True) * share
    data["occupation_stderr"] = data["occupation"] * 0.1
    chart = chart_against([("", data.isel(field=[0]))], "occupation", against="site_kind")
    rows = [r for r in chart_rows(chart) if r["kind"] == "points"]
    assert len(rows) == 3 * 2
    for row in rows:
        wanted = 0.25 if row["site_kind"] == "Mn_bridge" else 0.75
        assert row["occupation"] == pytest.approx(wanted)
        assert row["occupation_stderr"] == pytest.approx(0.1 * wanted)
    figure = draw(chart, size=parse_size("column"))
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["Mn bridge", "Mn end"]
    assert overlaps(figure) == []


def test_histograms_of_executed_barriers(chain_run: Run, tmp_path: Path) -> None:
    """With a field of work W a hop forward has 0.242 - W/2 eV to climb, one back 0.242 + W/2."""
    path, data = chain_run
    csv = tmp_path / "bars.csv"
    options = ["--where", "temperature=298", "--data", str(csv), "-o", str(tmp_path / "bars.png")]
    with pytest.raises(SystemExit) as code:
        main(["plot", str(path), "--what", "barriers", *options])
    assert not code.value.code
    assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")
    written = csv.read_text(encoding="utf-8")
    assert "barrier_share" in written
    assert "energy_difference_share" in written
    chart = chart_against([("", data.sel(temperature=[298]))], "barrier_share")
    steps = of_kind(chart, "steps")
    for one, field in zip(steps, data["field"].values, strict=True):
        at = data.sel(temperature=298, field=field).squeeze()
        assert one.y.sum() == pytest.approx(1)
        assert one.y == pytest.approx(at["barrier_share"].sel(barrier_bin=one.x).values)
        work = field * 1e-10 * 2.665
        forward = 1 / (1 + np.exp(-work / (K_B * 298)))
        for barrier, share in ((0.242 - work / 2, forward), (0.242 + work / 2, 1 - forward)):
            place = int(np.argmin(abs(one.x - barrier)))
            assert one.error is not None
            assert abs(one.y[place] - (share if field else 1)) < 4 * one.error[place] + 1e-12
    assert overlaps(draw(chart, size=parse_size("column"))) == []


@pytest.mark.parametrize("field", [0.0, 0.03])
def test_the_running_estimate_ends_at_the_result(chain_run: Run, field: float) -> None:
    store = PointStore(points_folder(chain_run[0]))
    records = map(store.load, store.keys())
    record = next(r for r in records if r.temperature == 298 and r.field[0] == field)
    chart = chart_convergence(record, system_of(load_model(INPUT), 298, record.field), ["hole"], 0)
    (running,) = of_kind(chart, "points")
    name = "mobility" if field else "mobility_einstein"
    at = chain_run[1].sel(temperature=298, field=field * 1e10).squeeze()
    assert running.y[-1] == pytest.approx(1e4 * float(at[name]))
    assert running.error is not None
    assert running.error[-1] == pytest.approx(1e4 * float(at[f"{name}_stderr"]), rel=1e-6)
    assert running.error[-1] < running.error[0]
    assert running.x[-1] == pytest.approx(float(at["simulated_time"]))
    (exact,) = of_kind(chart, "level")
    assert exact.y == pytest.approx(1e4 * float(at[f"{name}_exact"]))
    if not field:
        squares = chart.panels[1].series[0]
        truth = 2e20 * float(at["tracer_diffusivity_exact"].isel(axis=0, axis_2=0)) * squares.x
        assert squares.error is not None
        assert abs((squares.y - truth) / squares.error).max() < 4.5
        assert chart.panels[1].span is not None  # the lags that the slope comes from
        figure = draw(chart, size=parse_size("page"))
        assert overlaps(figure) == []
        assert [len(ax.get_lines()) > 0 for ax in figure.axes] == [True, True]
