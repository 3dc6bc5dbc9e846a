"""Arrhenius fits of a run as tables: one row for each direction and carrier."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .systems import in_each_system
from .table import Column, Table

if TYPE_CHECKING:
    import xarray

__all__ = ["arrhenius_tables"]

CM2 = 1e4
"""cm² in a m²."""


def arrhenius_tables(dataset: xarray.Dataset) -> list[Table[Any]]:
    """Fits at zero field: activation energies of mobility x temperature, and of D for carriers without charge."""
    return in_each_system(dataset, _tables)


def _tables(dataset: xarray.Dataset) -> list[Table[Any]]:
    """Of one composition."""
    d = {str(n): v.values for n, v in dataset.variables.items()}
    charged = d["carrier_charge"] != 0
    found = [
        _fit_table(d, "arrhenius", "", "mobility x temperature", "K cm²/(V s)", charged),
        _fit_table(d, "diffusivity", "diffusivity_", "the tracer's D", "cm²/s", ~charged),
    ]
    return [table for table in found if table is not None]


def _fit_table(
    d: Mapping[str, np.ndarray], name: str, key: str, of: str, unit: str, carriers: np.ndarray
) -> Table[Any] | None:
    """Of the carriers chosen; None where there is no fit."""
    if f"{name}_activation_energy" not in d:  # of an older version
        return None
    energy, prefactor, covariance, chi2 = (
        d[f"{name}_{n}"] for n in ("activation_energy", "prefactor", "covariance", "chi2")
    )
    s_energy, s_prefactor = (d[f"{name}_{n}_stderr"] for n in ("activation_energy", "prefactor"))
    rows = [at for at in np.ndindex(*energy.shape) if carriers[at[1]] and math.isfinite(energy[at])]
    if not rows:
        return None
    inaccurate = d.get(f"{name}_inaccurate", np.zeros(energy.shape, np.int64))
    columns: list[Column[Any]] = [
        Column("along", lambda at: str(d["direction"][at[0]]), key="direction", names=True),
        Column("carrier", lambda at: str(d["carrier"][at[1]]), key="carrier", names=True),
        Column(
            "activation energy",
            lambda at: energy[at],
            "eV",
            f"{key}activation_energy",
            stderr=lambda at: s_energy[at],
        ),
        Column(
            "prefactor",
            lambda at: prefactor[at] * CM2,
            unit,
            f"{key}prefactor",
            stderr=lambda at: s_prefactor[at] * CM2,
        ),
        Column(
            "correlation",
            lambda at: covariance[at] / (s_energy[at] * s_prefactor[at] / abs(prefactor[at])),
            key="correlation",
            text=".3f",
        ),
        Column("inaccurate", lambda at: int(inaccurate[at]), "", "inaccurate_points", shown=False),
        Column(
            header="chi²/dof",
            value=lambda at: chi2[at],
            unit="",
            key="chi2_per_degree_of_freedom",
            text=".2g",
            shown=any(math.isfinite(chi2[at]) for at in rows),
        ),
        Column(
            "covariance",
            lambda at: covariance[at],
            "eV",
            "covariance_energy_log_prefactor",
            shown=False,
        ),
    ]
    table = Table(f"Arrhenius fit of {of} at zero field", columns, rows)
    worst = max(int(inaccurate[at]) for at in rows)
    if worst:
        table.notes.append(
            f"Up to {worst} of the points of a fit are not as accurate as asked (open symbols with a cross in the "
            "picture); they count by their own errors."
        )
    return table
