"""``comsol``: a text of the type Spreadsheet for an interpolation function of COMSOL Multiphysics.

Each line holds the arguments, then the value, in columns; lines that begin with % are comments (COMSOL Multiphysics
Reference Manual, "Interpolation" and "The Spreadsheet File Format").
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from .files import head_lines, write_files
from .mobility import mobility_surface
from .record import TransportRecord
from .surface import FittedSurface, diffusivity_surface

__all__ = ["OPTIONS", "export_comsol"]

QUANTITIES = ("chemical_diffusivity", "mobility")
OPTIONS = {
    "quantity": "chemical_diffusivity, over composition and temperature, or mobility, over field and temperature "
    "(default: the first where the run knows it, else the second)"
}


def export_comsol(
    record: TransportRecord, path: Path, *, carrier: str = "", overwrite: bool = False, quantity: str = ""
) -> list[Path]:
    """Write the table, dense enough for linear interpolation.

    Raises InputError for an unknown quantity, where the run has it not, and as `fit_surface`.
    """
    if quantity not in ("", *QUANTITIES):
        raise InputError(
            "there is no such quantity here",
            key="--option quantity",
            value=quantity,
            allowed=", ".join(QUANTITIES),
        )
    chemical = quantity == QUANTITIES[0] or (not quantity and record.has(QUANTITIES[0]))
    surface = diffusivity_surface(record) if chemical else mobility_surface(record, carrier)
    xs, ts, log, error = surface.dense()
    value = surface.sign * np.exp(log)
    if not chemical:  # the surface is that of mobility times temperature
        value = value / ts
    columns = _columns(surface, "D" if chemical else "mu")
    head = head_lines(
        record,
        [surface.quantity],
        beyond="as set in COMSOL: choose Extrapolation Constant, or Specific value; Linear may turn negative",
        more={
            **surface.describe(),
            "table": f"{len(xs)} x {len(ts)} nodes; linear interpolation adds at most {error:.2%}",
            "units": f"arguments {', '.join(u for _, u in columns[:-1])}; function {columns[-1][1]}",
        },
    )
    lines = [f"% {line}" for line in head] + ["% " + " ".join(f"{n} ({u})" for n, u in columns)]
    for i, x in enumerate(xs.tolist()):
        first = f"{x!r} " if surface.x else ""
        lines += [f"{first}{t!r} {v!r}" for t, v in zip(ts.tolist(), value[i].tolist(), strict=True)]
    return write_files({path: "\n".join(lines) + "\n"}, overwrite=overwrite)


def _columns(surface: FittedSurface, function: str) -> list[tuple[str, str]]:
    x = [] if surface.x is None else [(surface.x.name, _unit(surface.x.unit))]
    return [*x, ("T", "K"), (function, _unit(surface.quantity.unit))]


def _unit(udunits: str) -> str:
    """``m2 V-1 s-1`` as COMSOL writes it: ``m^2/(V*s)``."""
    known = {"m2 s-1": "m^2/s", "m2 V-1 s-1": "m^2/(V*s)", "V m-1": "V/m"}
    return known.get(udunits, udunits)
