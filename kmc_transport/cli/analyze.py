"""The command `analyze`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Csv, Json, Settings, Units, Where, values_of
from .terminal import print_csv, print_json

__all__ = ["analyze"]


def analyze(
    trajectory: Annotated[
        Path,
        typer.Argument(
            metavar="TRAJECTORY",
            help="Trajectory with events (.nc, .h5md); of a stopped one what there is.",
            show_default=False,
        ),
    ],
    settings: Settings = None,
    where: Where = None,
    units: Units = None,
    csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Count observables in the hops of a trajectory, as a run would have counted them.

    Which ones, the input says that the trajectory was made with: sampling.observe and analysis. --set asks for others.
    """
    from ..report import ask_units, observable_tables, print_tables
    from ..store import build_dataset
    from ..trajectory import open_trajectory
    from ..trajectory.counting import counted_record, model_of

    wanted = ask_units(units or [])
    place = {name: found[0] for name, found in values_of(where).items()}
    recorded = open_trajectory(trajectory)
    model = model_of(recorded, settings or (), place)
    here, record = counted_record(recorded, model)
    dataset = build_dataset(here, [record])
    tables = [one.in_units(wanted) for one in observable_tables(dataset, model.observed)]
    if csv:
        for one in tables:
            print_csv(one.data)
    elif as_json:
        print_json({"observed": {one.title: one.data for one in tables}})
    else:
        print_tables(*tables)
