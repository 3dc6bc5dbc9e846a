"""The command `catalog`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Classical, FieldVector, Input, Json, Replace, Settings, Temperature, field_vector, load
from .terminal import interruptible, print_csv, print_json
from .terminal import print_plain as print

__all__ = ["catalog"]


def catalog(
    input: Input,
    temperature: Temperature = None,
    field: FieldVector = None,
    settings: Settings = None,
    classical: Classical = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print every directed hop as CSV.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Save the catalog as .csv or .h5, at all temperatures of the input (or at -T).",
        ),
    ] = None,
    overwrite: Replace = False,
    as_json: Json = False,
) -> None:
    """Show every rate, with the barrier and attempt frequency behind it and where they come from."""
    from ..rates import build_catalog, hop_regimes, rank_candidates
    from ..report import candidates_table, catalog_rows, catalog_table, print_tables, regime_table
    from ..report.interactions import interaction_tables

    model = load(input, classical, settings)
    kelvin = float(model.conditions.temperature[0]) if temperature is None else temperature
    vector = field_vector(field)
    built = build_catalog(model, temperature=kelvin, field=vector)
    if output is not None:
        from ..store import save_catalog

        whole = [kelvin] if temperature is not None else model.conditions.temperature.tolist()
        interruptible()
        rates = [build_catalog(model, temperature=t, field=vector) for t in whole]
        save_catalog(output, rates, overwrite=overwrite)
        print(f"Catalog: {output}")
        return
    if csv:
        print_csv(catalog_rows(built))
        return
    candidates, regimes = rank_candidates(model, kelvin), hop_regimes(model, kelvin)
    if as_json:
        print_json(
            {
                "hops": catalog_rows(built),
                "candidates": candidates_table(candidates, kelvin).data,
                "regimes": regime_table(regimes, kelvin).data,
                "interactions": {t.title: t.data for t in interaction_tables(built)},
            }
        )
        return
    tables = [catalog_table(built)]
    if candidates:
        tables.append(candidates_table(candidates, kelvin))
    if regimes:
        tables.append(regime_table(regimes, kelvin))
    print_tables(*tables, *interaction_tables(built))
