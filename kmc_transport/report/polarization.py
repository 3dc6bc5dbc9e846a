"""The levels of approximation of a hop's dipole as a table that prints, and as the same numbers for ``--json``."""

from __future__ import annotations

import math
from typing import Any

from ..sources.polarization import DipoleLevel, DipoleTable
from . import Column, Table

__all__ = ["polarization_table"]


NUMBERS: list[tuple[str, str, str, int]] = [
    ("|total|", "e·Å", "magnitude", 3),
    ("total, par.", "e·Å", "parallel", 3),
    ("migrating atom, par.", "e·Å", "migrating_parallel", 3),
    ("environment, par.", "e·Å", "environment_parallel", 3),
    ("total, perp.", "e·Å", "perpendicular", 3),
    ("Q_eqv", "e", "q_eqv", 2),
    ("Q_eqv, par.", "e", "q_eqv_parallel", 2),
    ("W_S/W", "", "share_at_saddle", 3),
]
"""Header, unit, name in `DipoleLevel`, decimals."""


def _level_column(header: str, unit: str, name: str, digits: int) -> Column[DipoleLevel]:
    return Column(header, lambda x: _number(getattr(x, name), digits), unit)


def polarization_table(dipoles: DipoleTable) -> Table[Any]:
    """One row for each level, best first; the verdict and what was noticed as notes."""
    atom, d = dipoles.images.migrating_atom, dipoles.images.migrating_displacement
    length = math.hypot(*d)
    columns: list[Column[DipoleLevel]] = [
        Column("level", lambda x: x.title, names=True),
        *(_level_column(*numbers) for numbers in NUMBERS),
    ]
    table = Table(
        f"Dipole change to the saddle; migrating atom {atom} ({dipoles.images.symbols[atom]}, counted from 0), which "
        f"moves by {length:.3f} Å",
        columns,
        list(dipoles.levels),
    )
    best = dipoles.best
    vector = ", ".join(f"{x:.4f}" for x in best.total)
    table.notes.append("Parallel (par.): along the migrating atom's displacement to the saddle; so is Q_eqv.")
    table.notes.append(f"Dipole vector of the best level, for the input file: [{vector}] e·Å.")
    if dipoles.verdict is not None:
        table.notes.append(dipoles.verdict.text)
    table.notes.extend(f"Note: {note}" for note in dipoles.notes)
    return table


def _number(x: float | None, digits: int = 3) -> str:
    if x is None or not math.isfinite(x):
        return "–"
    return f"{x + 0.0:.{digits}f}" if abs(x) >= 0.5 * 10.0**-digits else f"{0:.{digits}f}"
