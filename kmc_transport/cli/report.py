"""The report of a run as one HTML file: the command `report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from .options import Replace, Run, say_damaged
from .stopping import stopped_by_signals
from .terminal import print_plain as print
from .terminal import tell

if TYPE_CHECKING:
    from ..store import Provenance

__all__ = ["provenance_of", "report"]


def report(
    run: Run,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="HTML file. Default: NAME.html, here.")
    ] = None,
    overwrite: Replace = False,
) -> None:
    """Write one HTML file to mail, print and keep: what was simulated, results, figures, limits, how to run it again.

    It needs no network, no other file, and no script but for sorting its tables.
    """
    path = output or Path(f"{run.stem}.html")
    if path.suffix not in (".html", ".htm"):
        raise InputError("is no name of a report", key="-o", value=str(path), allowed="NAME.html")
    with stopped_by_signals():
        from ..html.write import write_report
        from ..runs.table import load_table
        from ..runs.verify import recorded_model
        from ..store import check_free

        check_free(path, "report", overwrite=overwrite)
        dataset, provenance = load_table(run, on_damaged=say_damaged), provenance_of(run)
        try:
            model = recorded_model(provenance)
        except InputError as e:
            tell(f"note: the report says less of what was simulated: {e.problems[0].message}")
            model = None
        write_report(path, dataset, provenance, model, name=run.stem, overwrite=overwrite)
    print(f"Report: {path}   {path.stat().st_size / 1e6:.2f} MB")


def provenance_of(run: Path) -> Provenance:
    """Where a run comes from: of its result file, or of its folder of points before there is one."""
    from ..store import read_empty_table, read_provenance, result_path

    path = result_path(run) if run.suffix == ".points" else run
    return read_provenance(path) if path.exists() else read_empty_table(path).provenance
