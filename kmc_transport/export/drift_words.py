"""What a file of drift says about itself, line by line, behind any comment mark."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..analysis.fieldlaw import FieldLawFit
from .drift import DriftData
from .drift_table import DriftTable
from .files import head_lines
from .record import TransportRecord

__all__ = ["HELD", "commented", "drift_head", "numbers"]

HELD = "the mobility of the border of the range is taken, and node ok is 0 V instead of 1 V: look at it"
"""Beyond the ranges, in circuits."""

FORMULAS = {
    "sinh": "mu T = A exp(-E_a/kT) sinh(x)/x, x = p E/2kT; v = mu E = v0 exp(-E_a/kT) sinh(x)",
    "poole-frenkel": "mu T = A exp(-(E_a - beta sqrt(E))/kT); v = mu E",
}
_ASCII = str.maketrans({"²": "^2", "³": "^3", "Å": "A", "·": " ", "µ": "u"})


def commented(lines: Iterable[str], mark: str) -> str:
    """Lines behind a comment mark; ASCII, for some simulators read nothing else."""
    plain = (line.translate(_ASCII).encode("ascii", "replace").decode() for line in lines)
    return "".join(f"{mark} {line}".rstrip() + "\n" for line in plain)


def drift_head(
    record: TransportRecord,
    data: DriftData,
    motion: FieldLawFit | DriftTable,
    *,
    beyond: str,
    d_ma: float = 0.0,
    about: Iterable[str] = (),
) -> list[str]:
    """Provenance, carrier, ranges, errors, and the law with its covariance or the table with its interpolation error.

    beyond : what happens outside the ranges. d_ma : Å along the field, 0: unknown. about : what the format adds.
    """
    lines = [
        *head_lines(replace(record, axes=data.quantity.axes), [data.quantity], beyond=beyond, more={}),
        f"carrier: {data.carrier}, charge {data.charge:+g} e; velocities are along the field, fields are internal",
    ]
    if data.classical:
        lines.append("DIAGNOSTIC: classical field response; charge, field and diffusion do not fit together")
    if data.clamped is not None and data.clamped <= motion.field_range[1]:
        lines.append(
            f"from {data.clamped:g} V/m on, the field made barriers negative; they were held at zero"
        )
    words = _law(data, motion, d_ma) if isinstance(motion, FieldLawFit) else _table(motion, data.worst_stderr)
    return [*lines, *words, *about]


def _table(table: DriftTable, stderr: float) -> list[str]:
    left_out = f"by at most {table.left_out_error:.2g}" if table.left_out_error is not None else "unknown"
    return [
        "table: ln(|mu| T), mu in m^2/(V s), over field and 1/T: monotone cubics through the simulated points",
        f"  standard error of these points: up to {stderr:.2g} (relative, as all errors here)",
        f"  error of linear interpolation between rows: {table.resampling_error:.2g}",
        f"  a simulated point left out is missed: {left_out} (the intervals are then twice as wide)",
    ]


def _law(data: DriftData, fit: FieldLawFit, d_ma: float) -> list[str]:
    third = ("p", "e A") if fit.law == "sinh" else ("beta", "eV (m/V)^0.5")
    values = (fit.activation_energy, fit.log_prefactor, fit.field_parameter)
    names = (("E_a", "eV"), ("ln A", "(A in K m^2/(V s))"), third)
    covariance = "; ".join(" ".join(f"{v:.4g}" for v in row) for row in fit.covariance)
    lines = [
        f"law {fit.law}: {FORMULAS[fit.law]}",
        *(f"  {n} = {v:.8g} +- {s:.2g} {u}" for (n, u), v, s in zip(names, values, fit.stderr, strict=True)),
        f"  covariance (E_a, ln A, {third[0]}): {covariance}",
        f"  chi squared {fit.chi2:.4g}, {fit.degrees_of_freedom} degrees of freedom, probability {fit.p_value:.2g}",
        f"  from {fit.points} independent mobilities; worst residual {fit.worst_residual:.2g} (relative)",
    ]
    if fit.law == "sinh":
        charge = abs(data.charge)
        lines += [
            f"  v0 = {fit.velocity_prefactor:.8g} m/s",
            "  The fit gives the product p of charge and length alone. Taken here: the transported charge "
            f"{charge:g} e; then the length is {fit.length(charge):.5g} A, between charge centres along the field.",
        ]
        if d_ma:
            lines.append(
                f"  With the length 2 d_MA = {2 * d_ma:g} A, twice the migrating atom's way to the saddle along the "
                f"field, the charge is |Q_eqv| = {fit.charge(2 * d_ma):.4g} e."
            )
    return lines


def numbers(values: Iterable[float]) -> str:
    """A row of a table, eight digits."""
    return " ".join(f"{v:.8g}" for v in np.asarray(list(values)))
