"""Chemical potential, thermodynamic factor and chemical diffusivity of a run that asked for them, as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .numbers import enough_digits, format_beside
from .systems import in_each_system
from .table import Column, Table

if TYPE_CHECKING:
    import xarray

__all__ = ["thermodynamics_tables"]

CM2 = 1e4
"""cm² in a m²."""
APART = 5.0
"""Standard errors by which two routes may differ by chance."""


@dataclass(frozen=True, eq=False)
class _Point:
    """Temperature and direction (indices) without field."""

    d: Mapping[str, np.ndarray]
    zero: int
    t: int
    e: int

    def number(self, name: str) -> float:
        """NaN where the run has none."""
        return float(self.d[name][self.t, self.zero, self.e]) if name in self.d else math.nan

    def along(self, name: str) -> float:
        """Component of a tensor along the direction; of errors an upper bound."""
        if name not in self.d:
            return math.nan
        unit, tensor = self.d["direction_vector"][self.e], self.d[name][self.t, self.zero, self.e]
        if name.endswith("_stderr"):
            unit = np.abs(unit)
        on = np.flatnonzero(unit)
        return float(unit[on] @ tensor[np.ix_(on, on)] @ unit[on])

    @property
    def note(self) -> str:
        return str(self.d["thermodynamics_note"][self.t, self.zero, self.e])

    @property
    def units(self) -> int:
        """Formula units in the supercell, about: carriers of the rarest species."""
        number = self.d["carrier_count"]
        return max(1, int(number[number > 0].min()))

    @property
    def deviation(self) -> float:
        """Difference of both factors in standard errors, among them what so small a supercell makes of it."""
        name, other = "thermodynamic_factor", "thermodynamic_factor_insertion"
        value = self.number(name)
        error = math.hypot(self.number(f"{name}_stderr"), self.number(f"{other}_stderr"), value / self.units)
        return (value - self.number(other)) / error if error > 0 else math.nan


def thermodynamics_tables(dataset: xarray.Dataset) -> list[Table[Any]]:
    """Of formula units at zero field, of all compositions in one table; none where the run did not ask for it."""
    d = dataset
    if "thermodynamics_note" not in d or not np.any(d["field"].values == 0):
        return []
    asked = [np.isfinite(d[n].values).any() for n in ("thermodynamic_factor", "chemical_potential")]
    if not any(asked) and not np.any(d["thermodynamics_note"].values != ""):
        return []
    return in_each_system(dataset, lambda one: [_table(one)])


def _table(dataset: xarray.Dataset) -> Table[Any]:
    d = {str(n): v.values for n, v in dataset.variables.items()}
    zero = int(np.flatnonzero(d["field"] == 0)[0])
    rows = [_Point(d, zero, t, e) for t, e in np.ndindex(len(d["temperature"]), len(d["direction"]))]
    judged = any(math.isfinite(r.number("thermodynamic_factor_exact")) for r in rows)
    columns: list[Column[_Point]] = [
        Column(
            header="T",
            value=lambda r: r.d["temperature"][r.t],
            unit="K",
            key="temperature",
            text=f".{enough_digits(d['temperature'], 5)}g",
            names=True,
        ),
        Column("along", lambda r: str(r.d["direction"][r.e]), key="direction", names=True),
        *_columns("mu", "chemical_potential", "eV", judged),
        *_columns("Γ", "thermodynamic_factor", "", judged),
        *_columns("Γ, insertions", "thermodynamic_factor_insertion", "", judged),
        Column(header="dev.", value=lambda r: r.deviation, unit="s.e.", key="factor_deviation", text="+.1f"),
        *_columns("mu, insertions", "chemical_potential_insertion", "eV", False, shown=False),
        *_columns("D jump along", "jump_diffusivity", "cm²/s", False, tensor=True),
        *_columns("D chem along", "chemical_diffusivity", "cm²/s", judged, tensor=True),
    ]
    table = Table("Chemical potential and diffusion of composition at zero field", columns, rows)
    table.notes += [
        "mu, Γ = d(mu/kT)/d ln c: of a formula unit, from fluctuations of the number of units; insertions: from mu at "
        "two compositions beside this one. dev.: difference of both routes, in which 1/n of the factor counts as the "
        "error of a supercell with n units. D chem = Γ D jump.",
    ]
    apart = max((abs(r.deviation) for r in rows if math.isfinite(r.deviation)), default=0.0)
    if apart > APART:
        table.notes.append(
            f"Warning: the two routes to the thermodynamic factor differ by up to {apart:.1f} standard errors. Near a "
            "change of phase neither holds; else ask for a smaller error (sampling.thermodynamics)."
        )
    return table


def _columns(
    header: str, name: str, unit: str, judged: bool, *, tensor: bool = False, shown: bool = True
) -> list[Column[_Point]]:
    """An estimate and its exact value."""
    factor = CM2 if tensor else 1.0

    def value(row: _Point, suffix: str = "") -> float:
        return (row.along if tensor else row.number)(name + suffix) * factor

    return [
        Column(
            header,
            value,
            unit,
            name,
            stderr=lambda r: value(r, "_stderr"),
            shown=shown,
            reason=lambda r: r.note,
        ),
        Column(
            f"{header}, exact",
            lambda r: value(r, "_exact"),
            unit,
            f"{name}_exact",
            text=lambda r: format_beside(*(value(r, s) for s in ("_exact", "", "_stderr"))),
            shown=judged and shown,
        ),
    ]
