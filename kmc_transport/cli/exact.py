"""The command `exact`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Classical, Csv, Input, Json, Settings, Show, Where, at_least, load, one_system
from .terminal import print_csv, print_json
from .terminal import print_plain as print

if TYPE_CHECKING:
    import numpy as np

    from ..model.model import Model

__all__ = ["exact"]


def exact(
    input: Input,
    sensitivity: Annotated[
        bool,
        typer.Option(
            "--sensitivity", help="Also which hop limits transport, and what the barriers' errors do."
        ),
    ] = False,
    dilute: Annotated[
        bool | None,
        typer.Option(
            "--dilute/--all-carriers",
            help="One carrier alone in the crystal, or all configurations of the supercell. "
            "Default: all configurations where there are few enough.",
        ),
    ] = None,
    max_states: Annotated[int, at_least(1, help="Largest number of configurations to solve.")] = 20_000,
    where: Where = None,
    settings: Settings = None,
    classical: Classical = False,
    show: Show = None,
    csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Solve the same conditions by linear algebra on the master equation, without simulation.

    Every table says which system it is of: all configurations of the carriers, or one carrier alone.
    """
    from ..engine.canonical.settle import settled
    from ..exact import applies, solve_exact
    from ..exact import sensitivity as sensitivity_of
    from ..rates import build_catalog
    from ..report import exact_table, print_tables, sensitivity_table

    model = settled(one_system(load(input, classical, settings), where))
    exact_table(model, []).showing(show or ())
    alone = dilute
    if alone is None and applies(model, max_states) is None:
        alone = True
        print(
            f"note: the supercell has more than {max_states} configurations; shown is one carrier alone "
            "(dilute limit)",
            file=sys.stderr,
        )
    solved, sensitivities = [], []
    for kelvin, size, label, unit in _conditions(model):
        built = build_catalog(model, temperature=kelvin, field=unit * size)
        solved.append((built, label, unit, solve_exact(built, dilute=alone, max_states=max_states)))
        if sensitivity:
            result = sensitivity_of(
                model, temperature=kelvin, field=size, direction=unit, dilute=alone, max_states=max_states
            )
            sensitivities.append((kelvin, size * 1e10, label, result))
    tables = [exact_table(model, solved).showing(show or ())]
    if sensitivity:
        tables.append(sensitivity_table(sensitivities, model))
    if csv:
        print_csv(tables[-1].data)
    elif as_json:
        print_json(
            {
                "title": tables[0].title,
                "results": tables[0].data,
                "sensitivity": tables[1].data if sensitivity else [],
                "notes": tables[0].notes,
            }
        )
    else:
        print_tables(*tables)


def _conditions(model: Model) -> list[tuple[float, float, str, np.ndarray]]:
    """(temperature K, field V/Å, label, unit vector) of the grid."""
    c = model.conditions
    return [
        (float(t), float(f), label, unit)
        for t in c.temperature
        for f in c.field
        for label, unit in zip(c.direction_label, c.direction, strict=True)
    ]
