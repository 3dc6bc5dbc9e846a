"""``csv``: a tidy long table, one row for each carrier at each condition; errors beside values, units in the header."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from .files import head_lines, write_files
from .record import GridQuantity, TransportRecord

__all__ = ["QUANTITIES", "export_csv"]

QUANTITIES = (
    "drift_velocity",
    "mobility",
    "differential_mobility",
    "tracer_diffusivity",
    "collective_diffusivity",
    "charge_diffusivity",
    "jump_diffusivity",
    "chemical_diffusivity",
    "thermodynamic_factor",
    "chemical_potential",
    "transference",
    "conductivity",
    "haven_ratio",
    "correlation_factor",
)
"""What the table has columns for, where the run has it."""


def export_csv(
    record: TransportRecord, path: Path, *, carrier: str = "", overwrite: bool = False
) -> list[Path]:
    """Write the table; ``pandas.read_csv(path, comment="#")`` reads it.

    Columns are named like ``mobility [m2 V-1 s-1]``. Numbers have all digits of the result file. Empty cells: no
    number. Raises as `TransportRecord.quantity`.
    """
    names = [record.one_carrier(carrier)] if carrier else list(record.carriers)
    found = {n: [record.quantity(n, c) for c in names] for n in QUANTITIES if record.has(n)}
    shown = [
        q for of_carriers in found.values() for q in of_carriers if q.carrier in ("", carrier or names[0])
    ]
    head = head_lines(
        record, shown, beyond="a table: nothing is interpolated", more={"empty cells": "no number"}
    )
    out = io.StringIO()
    out.writelines(f"# {line}\n" for line in head)
    writer = csv.writer(out, lineterminator="\n")
    axes = record.axes
    writer.writerow(
        [
            *(_column(a.name, a.unit) for a in axes),
            "direction",
            "carrier",
            *(_column(n + s, of[0].unit) for n, of in found.items() for s in ("", "_stderr", "_exact")),
            "complete",
            "converged",
        ]
    )
    some = next(iter(found.values()))
    for index in np.ndindex(*(len(a.values) for a in axes)):
        for k, name in enumerate(names):
            writer.writerow(
                [
                    *(repr(float(a.values[i])) for a, i in zip(axes, index, strict=True)),
                    record.direction,
                    name,
                    *(_cell(float(array[index])) for of in found.values() for array in _arrays(of[k])),
                    bool(some[k].complete[index]),
                    bool(some[k].converged[index]),
                ]
            )
    return write_files({path: out.getvalue()}, overwrite=overwrite)


def _arrays(quantity: GridQuantity) -> tuple[np.ndarray, ...]:
    return quantity.value, quantity.stderr, quantity.exact


def _column(name: str, unit: str) -> str:
    return name if unit == "1" else f"{name} [{unit}]"


def _cell(number: float) -> str:
    return repr(number) if np.isfinite(number) else ""
