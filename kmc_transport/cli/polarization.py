"""The command `polarization`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json, Replace
from .stopping import stopped_by_signals
from .terminal import print_json
from .terminal import print_plain as print

__all__ = ["polarization"]


def polarization(
    start: Annotated[
        Path, typer.Argument(metavar="START", help="Structure of the start of the hop.", show_default=False)
    ],
    saddle: Annotated[
        Path, typer.Argument(metavar="SADDLE", help="Structure of the saddle.", show_default=False)
    ],
    born: Annotated[
        list[Path] | None,
        typer.Option("--born", help="Born charges of the start; again for each further image."),
    ] = None,
    path: Annotated[
        list[Path] | None,
        typer.Option("--path", help="Structures from the start to the end of the hop, one option each."),
    ] = None,
    berry: Annotated[
        list[Path] | None,
        typer.Option("--berry", help="OUTCARs with Berry-phase dipoles, one option each, in any order."),
    ] = None,
    charge: Annotated[
        float | None, typer.Option("--charge", help="Nominal charge of the migrating atom, e, for eq. 1.")
    ] = None,
    transported: Annotated[
        float | None,
        typer.Option(help="Charge carried along the migrating atom's way, e; checked against a whole path."),
    ] = None,
    cell_charge: Annotated[
        float | None, typer.Option(help="Charge of the cell, e, where the files do not say it.")
    ] = None,
    atom: Annotated[
        int | None, typer.Option(help="Migrating atom, from 0. Default: the one that moves farthest.")
    ] = None,
    spread_sum_rule: Annotated[
        bool, typer.Option("--spread-sum-rule", help="Make the Born charges sum to the charge of the cell.")
    ] = False,
    field: Annotated[float, typer.Option(help="Field of the verdict, V/m.")] = 1e8,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the dipole along the path (.png, .pdf, .svg).")
    ] = None,
    overwrite: Replace = False,
    as_json: Json = False,
) -> None:
    """Dipole change up to a saddle, from Born charges and Berry phases, at all levels of approximation."""
    from ..sources import berry_path, read_born_charges
    from ..sources import spread_sum_rule as spread
    from ..sources.polarization import hop_images, saddle_dipole_levels

    images = hop_images(start, saddle, path=path, migrating_atom=atom)
    charges = [read_born_charges(f, cell_charge=cell_charge) for f in born or ()]
    if spread_sum_rule:
        charges = [spread(c) for c in charges]
    table = saddle_dipole_levels(
        images,
        charges or None,
        berry=berry_path(berry, charges) if berry else None,
        nominal_charge=charge,
        transported_charge=transported,
        cell_charge=cell_charge,
        field=field * 1e-10,
    )
    if plot is not None:
        with stopped_by_signals():
            from ..figures.polarization import plot_dipole_path

            plot_dipole_path(table, plot, overwrite=overwrite)
    if as_json:
        print_json(table.as_dict())
        return
    from ..report import print_tables
    from ..report.polarization import polarization_table

    print_tables(polarization_table(table))
    if plot is not None:
        print(f"Picture: {plot}")
