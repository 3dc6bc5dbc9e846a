"""What a run has found: the commands `results` and `status`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Csv, Json, Replace, Run, Show, Units, Where, say_damaged, values_of
from .report import provenance_of
from .terminal import print_csv, print_json
from .terminal import print_plain as print

__all__ = ["results", "status"]


def results(
    run: Run,
    temperature: Annotated[
        list[float] | None, typer.Option("-T", "--temperature", help="Only this one, K; may be given again.")
    ] = None,
    field: Annotated[
        list[float] | None, typer.Option("--field", help="Only this strength, V/m; may be given again.")
    ] = None,
    direction: Annotated[
        list[str] | None, typer.Option("--direction", help="Only this direction, as the input wrote it.")
    ] = None,
    carrier: Annotated[list[str] | None, typer.Option("--carrier", help="Only this species.")] = None,
    where: Where = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Only what is missing, failed or not accurate.")
    ] = False,
    show: Show = None,
    units: Units = None,
    xlsx: Annotated[
        Path | None,
        typer.Option("--xlsx", help="Write all columns to a workbook (needs openpyxl).", metavar="FILE.xlsx"),
    ] = None,
    overwrite: Replace = False,
    csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Show the table of a run, finished or not."""
    from ..arrays import ANALYSES, ON_REQUEST
    from ..report import (
        arrhenius_tables,
        ask_units,
        composition_tables,
        observable_tables,
        print_tables,
        results_table,
        select_results,
        thermodynamics_tables,
        write_workbook,
    )
    from ..runs.table import load_table

    wanted = ask_units(units or [])
    dataset = select_results(load_table(run, on_damaged=say_damaged), where=values_of(where))
    chosen = select_results(
        dataset, temperature=temperature, field=field, direction=direction, carrier=carrier
    )
    on_request = (*ON_REQUEST, *ANALYSES)
    asked = [name for name in show or () if name in on_request]
    table = results_table(chosen).showing((name for name in show or () if name not in asked), on_request)
    table = table.in_units(wanted)
    observed = [one.in_units(wanted) for one in observable_tables(chosen, asked)]
    if unfinished:
        table = table.only(not row["converged"] for row in table.data)
    fits = [fit.in_units(wanted) for fit in arrhenius_tables(dataset)]
    chemistry = [one.in_units(wanted) for one in thermodynamics_tables(dataset)]
    compositions = [one.in_units(wanted) for one in composition_tables(dataset)]
    if xlsx is not None:
        origin = {k: str(v) for k, v in provenance_of(run).to_attributes().items() if k != "input_files"}
        sheets = [
            ("results", table),
            *((f"arrhenius {k}" if k > 1 else "arrhenius", f) for k, f in enumerate(fits, 1)),
            *((f"thermodynamics {k}", one) for k, one in enumerate(chemistry, 1)),
            *((f"composition {k}", one) for k, one in enumerate(compositions, 1)),
        ]
        write_workbook(xlsx, [*sheets, *((one.title, one) for one in observed)], origin, overwrite=overwrite)
        print(f"Workbook: {xlsx}")
        return
    if csv:
        for one in observed or [table]:
            print_csv(one.data)
        return
    if as_json:
        print_json(
            {
                "results": table.data,
                "arrhenius": [row for fit in fits for row in fit.data],
                "thermodynamics": [row for one in chemistry for row in one.data],
                "observed": {one.title: one.data for one in observed},
                "compositions": [row for one in compositions for row in one.data],
                "notes": table.notes,
            }
        )
        return
    print_tables(table, *([] if unfinished else [*fits, *chemistry, *compositions]), *observed)


def status(run: Run, as_json: Json = False) -> None:
    """Say how far a run is, from another terminal too, and what failed."""
    from ..report import print_tables
    from ..store import read_status
    from .live import progress_text, worst_table

    found = read_status(run)
    facts = {
        **{k: getattr(found, k) for k in ("points", "done", "failed", "missing", "started", "outside")},
        "running": found.alive,
        "result_file": found.has_result,
        "folder": found.has_folder,
        "progress": list(found.notes),
        "failures": [vars(f) for f in found.failures],
    }
    if as_json:
        print_json(facts)
        return
    print(
        f"{found.path}: {found.done} of {found.points} points done, {found.failed} failed, {found.missing} missing"
        + (f" ({found.started} of them begun)" if found.started else "")
    )
    if found.outside:
        print(f"{found.outside} points of another grid or sampling are in the folder too")
    for note in found.notes:
        if found.alive and not note["finished"]:
            print(f"process {note['process']} on {note['host']}, {note['time']}: {progress_text(note)}")
            worst = worst_table(note["worst"])
            if worst.rows:
                print_tables(worst)
    if not found.has_folder:
        print("the folder of points is gone: counted in the result file")
    elif not found.alive:
        print("no run is at work" + ("" if not found.missing else "; running the input again goes on"))
    for failure in found.failures:
        strength = sum(x * x for x in failure.field) ** 0.5 * 1e10
        place = "".join(f", {n} = {v:g}" for n, v in failure.coordinates.items())
        print(f"failed: {failure.temperature:g} K, {strength:.3g} V/m{place}: {failure.reason}")
