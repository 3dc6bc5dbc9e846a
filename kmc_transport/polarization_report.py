"""The levels of approximation of a hop's dipole as a table that prints, and as the same numbers for ``--json``."""

from __future__ import annotations

import math

from .polarization import DipoleTable
from .report import Table

__all__ = ["polarization_table"]


def polarization_table(dipoles: DipoleTable) -> Table:
    """One row for each level, best first; the verdict and what was noticed as notes."""
    atom, d = dipoles.images.migrating_atom, dipoles.images.migrating_displacement
    length = math.hypot(*d)
    table = Table(
        f"Dipole change to the saddle; migrating atom {atom} ({dipoles.images.symbols[atom]}), which moves by "
        f"{length:.3f} Å",
        [
            ("level", ""),
            ("|total|", "e·Å"),
            ("total, par.", "e·Å"),
            ("migrating atom, par.", "e·Å"),
            ("environment, par.", "e·Å"),
            ("total, perp.", "e·Å"),
            ("Q_eqv", "e"),
            ("Q_eqv, par.", "e"),
            ("W_S/W", ""),
        ],
    )
    for level in dipoles.levels:
        table.add(
            [
                level.title,
                _number(level.magnitude),
                _number(level.parallel),
                _number(level.migrating_parallel),
                _number(level.environment_parallel),
                _number(level.perpendicular),
                _number(level.q_eqv, 2),
                _number(level.q_eqv_parallel, 2),
                _number(level.share_at_saddle),
            ],
            level.as_dict(),
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
