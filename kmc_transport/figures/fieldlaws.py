"""The law of the field, fitted to all temperatures at once, as lines through the points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.fieldlaw import LAWS, FieldLawFit, fit_field_law, independent_rows, widest_field_law
from ..errors import InputError
from ..report.display import Units
from ..report.numbers import format_estimate
from .chart import Series
from .lines import Line
from .quantities import axis_unit, quantity

if TYPE_CHECKING:
    import xarray

__all__ = ["FOLLOW_LAWS", "law_lines"]

FOLLOW_LAWS = ("mobility", "drift_velocity")
"""Quantities that a law of the field gives."""
_NAMES = {"sinh": "sinh law", "poole-frenkel": "Poole-Frenkel law"}
_PARAMETERS = {
    "sinh": ("p", "e Å", "law_p_e_angstrom"),
    "poole-frenkel": ("β", "eV (m/V)^½", "law_beta_SI_eV"),
}
_ALONG = 60
"""Points of a line."""


def law_lines(
    lines: Sequence[Line], dataset: xarray.Dataset, what: str, asked: Units | None, linear: bool
) -> tuple[list[Series], list[str]]:
    """Lines of the law that chi squared allows up to the strongest field, one for each line of points, and notes on
    what it refuses.

    lines : of one run, against the field. dataset : of the run. Without several temperatures there is no law.
    """
    if "mobility_method" not in dataset or "temperature" not in dataset["mobility"].dims:
        return [], []
    series: list[Series] = []
    notes: list[str] = []
    found = quantity(dataset, "mobility")
    unit = axis_unit(dataset, "field", asked)
    groups: dict[tuple[tuple[str, int], ...], list[Line]] = {}
    for line in lines:
        groups.setdefault(tuple((d, i) for d, i in line.place.items() if d != "temperature"), []).append(line)
    for place, members in groups.items():
        fit, reason = _fit(dataset, found.value, found.stderr, found.unit.factor, dict(place))
        told = [text for d, text in members[0].parts if d != "temperature"]
        whose = " of " + ", ".join(t for t in (members[0].run, *told) if t) if members[0].run or told else ""
        if reason:
            notes.append(f"law of the field{whose}: {reason}")
        if fit is not None:
            series += [_line(fit, line, what, unit.of, linear, whose) for line in members]
    return series, notes


def _fit(
    dataset: xarray.Dataset,
    value: xarray.DataArray,
    stderr: xarray.DataArray,
    factor: float,
    place: dict[str, Any],
) -> tuple[FieldLawFit | None, str]:
    """The law that reaches the strongest field, and why it does not reach further."""

    def table(array: xarray.DataArray) -> Any:
        gone = [d for d in array.dims if d not in value.dims]  # samples
        whole = array.all(gone) if gone else array
        return (
            whole.isel({d: i for d, i in place.items() if d in whole.dims})
            .transpose("temperature", "field")
            .values
        )

    mobility, error = table(value) / factor, table(stderr) / factor
    kelvin, field = (dataset[d].values.astype(float) for d in ("temperature", "field"))
    method = dataset["mobility_method"]
    rows = independent_rows(
        field,
        np.isfinite(mobility) & (error > 0),
        table(method == "drift velocity"),
        table(method == "linear response"),
    )
    grid = np.broadcast_arrays(kelvin[:, None], field[None, :], mobility, error)
    columns = [a[rows] for a in grid]
    fits: list[FieldLawFit] = []
    reasons: list[str] = []
    for law in LAWS:
        try:
            fit = fit_field_law(*columns, law=law)
            fits.append(fit.require())
        except InputError as e:
            reasons.append(e.problems[0].message)
            weaker = widest_field_law(*columns, law=law)
            fits += [weaker] if weaker else []
    best = max(fits, key=lambda f: (f.field_range[1], f.p_value), default=None)
    if best is None:
        return None, "; ".join(dict.fromkeys(reasons))
    if best.field_range[1] < columns[1].max():
        return best, f"up to {best.field_range[1]:.3g} V/m only; beyond, " + "; ".join(dict.fromkeys(reasons))
    return best, ""


def _line(fit: FieldLawFit, line: Line, what: str, shown: Any, linear: bool, whose: str) -> Series:
    """The law at the temperature of a line of points, with one standard error."""
    at = line.found.value["temperature"].values[line.place["temperature"]]
    field = line.found.value["field"].values.astype(float)
    weakest, strongest = field[field > 0].min(), fit.field_range[1]
    along = np.linspace(0, strongest, _ALONG) if linear else np.geomspace(weakest, strongest, _ALONG)
    stored = fit.mobility(at, along) if what == "mobility" else fit.drift_velocity(at, along)
    y = line.found.unit.of(stored)
    name, unit, key = _PARAMETERS[fit.law]
    energy, _, third = fit.stderr
    reach = f", up to {strongest:.2g} V/m" if strongest < field.max() * (1 - 1e-9) else ""
    return Series(
        label=f"{_NAMES[fit.law]}{whose}: {format_estimate(fit.activation_energy, energy)} eV, "
        f"{name} = {format_estimate(fit.field_parameter, third)} {unit}{reach}",
        x=shown(along),
        y=y,
        error=np.abs(y) * fit.relative_stderr(at, along),
        kind="fit",
        hue=line.hue,
        shade=line.shade,
        mark=line.mark,
        where=line.where
        | {
            "law": fit.law,
            "law_activation_energy_eV": fit.activation_energy,
            "law_activation_energy_eV_stderr": float(energy),
            "law_log_prefactor": fit.log_prefactor,
            key: fit.field_parameter,
            f"{key}_stderr": float(third),
            "law_chi2": fit.chi2,
            "law_degrees_of_freedom": fit.degrees_of_freedom,
        },
    )
