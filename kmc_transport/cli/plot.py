"""Pictures of results: the command `plot`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from .options import AnyWhere, Replace, Units, at_values, say_damaged
from .report import provenance_of
from .stopping import stopped_by_signals
from .terminal import print_plain as print
from .terminal import tell

if TYPE_CHECKING:
    import xarray

    from ..figures.chart import Chart

__all__ = ["plot"]

OWN = ("einstein", "profile", "convergence", "barriers")
"""What --what knows beside the names of arrays."""


def plot(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Result file, or folder of points; of several, the numbers stand in one picture.",
            show_default=False,
        ),
    ],
    what: Annotated[
        list[str] | None,
        typer.Option(
            "--what",
            help="What to draw: any quantity of the run by name (mobility, drift_velocity, tracer_diffusivity, "
            "conductivity, haven_ratio, occupation, residence_time, ...), or `einstein` (Einstein check), `profile` "
            "(energy along each hop), `convergence` (running estimate of one point), `barriers` (histogram of the "
            "executed ones). May be given again: panels side by side. Default: mobility and drift velocity; of two "
            "runs, their ratio too.",
            metavar="NAME",
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            help="Axis: temperature, 1/T, field, or any other of the run, such as a composition; two make a map.",
            metavar="AXIS",
        ),
    ] = None,
    where: AnyWhere = None,
    points: Annotated[
        list[Path] | None,
        typer.Option(
            "--points",
            help="CSV of measured points to draw on top; columns are named as the axes, with their units: "
            "`T (K),mobility (cm²/(V s)),mobility error (cm²/(V s))`. May be given again.",
            metavar="FILE.csv",
        ),
    ] = None,
    units: Units = None,
    linear: Annotated[bool, typer.Option("--linear", help="No logarithmic axes.")] = False,
    fit: Annotated[
        bool,
        typer.Option(
            "--fit/--no-fit",
            help="Arrhenius fit in pictures against 1/T; law of the mobility in those against the field, where chi "
            "squared allows one.",
        ),
    ] = True,
    size: Annotated[
        str | None,
        typer.Option(
            help="`column` or `page` of a journal (86, 178 mm), `slide`, or WIDTHxHEIGHT in mm. Default: 150 mm wide."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Write the numbers of the picture as CSV too.", metavar="FILE.csv"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Picture (.png, .svg, .pdf). Default: NAME.png, here."),
    ] = None,
    overwrite: Replace = False,
) -> None:
    """Draw what a run has found, or several runs in one picture; with your own measured points on top."""
    picture = output or Path("-and-".join(r.stem for r in runs)[:100] + ".png")
    with stopped_by_signals():
        from ..figures.style import check_picture, parse_size

        wanted = parse_size(size or "150")
        check_picture(picture, overwrite=overwrite)
        if data is not None and data.suffix != ".csv":
            raise InputError("is no name of a CSV file", key="--data", value=str(data), allowed="NAME.csv")
        plain = not (what or against or where or points or units or linear or size or data) and fit
        if plain and len(runs) <= 2:
            _usual(runs, picture, overwrite=overwrite)
        else:
            from ..figures.drawing import draw
            from ..figures.measured import add_measured

            chart = _chart(
                runs, what, against or [], at_values(where or []), units or [], linear=linear, fit=fit
            )
            for file in points or []:
                chart = add_measured(chart, file)
            draw(chart, picture, size=wanted, overwrite=overwrite)
            for note in chart.notes:
                tell(f"note: {note}")
            if data is not None:
                _write_data(chart, data)
    print(f"Picture: {picture}" + (f"   Data: {data}" if data else ""))


def _usual(runs: list[Path], picture: Path, *, overwrite: bool) -> None:
    """What `run` draws; of two runs, side by side with their ratio."""
    from ..runs.table import load_table

    tables = [load_table(run, on_damaged=say_damaged) for run in runs]
    if len(runs) == 1:
        from ..figures.results import plot_results

        plot_results(tables[0], picture, overwrite=overwrite)
    else:
        from ..figures.comparison import plot_comparison

        plot_comparison(
            [(tables[0], tables[1])], picture, labels=(runs[0].stem, runs[1].stem), overwrite=overwrite
        )


def _chart(
    runs: list[Path],
    what: list[str] | None,
    against: list[str],
    at: dict[str, list[str]],
    units: list[str],
    *,
    linear: bool,
    fit: bool,
) -> Chart:
    from ..figures.against import chart_against, chart_map
    from ..figures.chart import Chart
    from ..figures.einstein import chart_einstein
    from ..figures.quantities import select
    from ..report.display import ask_units
    from ..runs.table import load_table

    asked = ask_units(units)
    if len(against) > 2:
        raise InputError("a picture has one axis, a map two", key="--against", value=", ".join(against))
    tables = [(run.stem, select(load_table(run, on_damaged=say_damaged), at)) for run in runs]
    charts = []
    for name in what or ["mobility"]:
        if name == "einstein":
            charts.append(chart_einstein(tables, asked=asked, linear=linear))
        elif name in ("profile", "convergence"):
            if len(runs) > 1:
                raise InputError(f"{name} is drawn of one run", key="RUN", value=str(runs[1]))
            charts.append(_of_one_point(name, runs[0], tables[0][1], units))
        elif len(against) == 2:
            if len(runs) > 1:
                raise InputError("a map is drawn of one run", key="RUN", value=str(runs[1]))
            charts.append(chart_map(tables, name, against=against, asked=asked, linear=linear))
        else:
            axis = against[0] if against else None
            names = ("barrier_share", "energy_difference_share") if name == "barriers" else (name,)
            charts += [
                chart_against(tables, n, against=axis, asked=asked, linear=linear, fit=fit, names=OWN)
                for n in names
            ]
    return Chart(
        panels=[p for c in charts for p in c.panels],
        notes=list(dict.fromkeys(n for c in charts for n in c.notes)),
    )


def _of_one_point(what: str, run: Path, table: xarray.Dataset, units: list[str]) -> Chart:
    """Pictures that need the model: of the run's coldest point and weakest field, or the one that --where names."""
    import numpy as np

    from ..rates import build_catalog
    from ..runs.verify import recorded_model
    from ..store import PointStore, points_folder, read_plan, result_path

    model = recorded_model(provenance_of(run))
    path = result_path(run) if run.suffix == ".points" else run
    temperature = float(table["temperature"].values[0])
    fields = table["field"].values.astype(float)
    along = table["direction_vector"].values[0]
    if what == "profile":
        from ..figures.profile import chart_profile

        return chart_profile(
            build_catalog(model, temperature=temperature),
            build_catalog(model, temperature=temperature, field=1e-10 * fields.max() * along),
        )
    from ..figures.convergence import chart_convergence
    from ..report.display import ask_units
    from ..runs.system import system_of

    vector = 1e-10 * fields[0] * along
    plan, store = read_plan(path), PointStore(points_folder(path))
    same = np.isclose(plan.temperature, temperature) & np.all(np.isclose(plan.field, vector), axis=1)
    record = store.get(plan.keys[int(np.flatnonzero(same)[0])]) if same.any() else None
    if record is None:
        raise InputError(
            "this point was not simulated by itself (a weak field takes linear response), or is not finished",
            key="--where",
            value=f"temperature={temperature:g}, field={fields[0]:g}",
            allowed="a point of the folder of the run",
            remedy="choose another temperature or field with --where",
        )
    direction = int(np.argmax(record.directions @ along)) if len(record.directions) else 0
    names = [str(c.name) for c in model.carriers]
    return chart_convergence(
        record, system_of(model, temperature, vector), names, direction, ask_units(units)
    )


def _write_data(chart: Chart, path: Path) -> None:
    from ..figures.chart import chart_rows
    from ..store import write_text

    rows = chart_rows(chart)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
