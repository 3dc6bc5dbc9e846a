"""What other simulators read: the command `export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AnyWhere, Run, at_values, say_damaged
from .stopping import stopped_by_signals
from .terminal import print_plain as print

if TYPE_CHECKING:
    import xarray

__all__ = ["export"]


def export(
    run: Run,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="Format: csv, json, python, pybamm, bpx, comsol, ...; a wrong one lists them all.",
            metavar="FORMAT",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.", show_default=False)],
    carrier: Annotated[
        str, typer.Option("--carrier", help="Species. Default: the only one.", show_default=False)
    ] = "",
    direction: Annotated[
        str,
        typer.Option(
            "--direction",
            help="Direction whose components are taken, as the input wrote it. Default: the only one.",
            show_default=False,
        ),
    ] = "",
    where: AnyWhere = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            help="What only this format knows, such as electrode=negative; a wrong one lists them. May be given again.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    allow_partial: Annotated[
        bool,
        typer.Option(
            "--allow-partial",
            help="Write what there is though points are missing or not as accurate as asked; the file says so.",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Write a run in the format of another simulator (batteries, devices, circuits), with its errors and ranges."""
    with stopped_by_signals():
        from ..export import export_run, get_format, read_record
        from ..figures.quantities import select

        chosen = get_format(to)
        chosen.check_target(output)
        options = chosen.read_options(option or [])
        dataset = _with_provenance(run)
        if where:
            dataset = select(dataset, at_values(where))
        record = read_record(dataset, direction=direction, allow_partial=allow_partial)
        written = export_run(record, output, to, carrier=carrier, overwrite=overwrite, **options)
    for path in written:
        print(f"Export ({to}): {path}")


def _with_provenance(run: Path) -> xarray.Dataset:
    """The table of a run; that of a folder knows where it comes from too."""
    from ..runs.table import load_table
    from ..store import read_empty_table, result_path

    dataset = load_table(run, on_damaged=say_damaged)
    if "input" in dataset.attrs:
        return dataset
    path = result_path(run) if run.suffix == ".points" else run
    return dataset.assign_attrs(read_empty_table(path).provenance.to_attributes())
