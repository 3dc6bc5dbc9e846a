"""The compositions of a run as a table: what was asked for, and what was simulated in whole carriers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import SAMPLE, composition_axes
from ..model.model import Model
from ..units import E_CHARGE
from .numbers import enough_digits
from .table import Column, Table

if TYPE_CHECKING:
    import xarray

__all__ = ["composition_tables"]

At = tuple[int, ...]


def composition_tables(source: Model | xarray.Dataset) -> list[Table[Any]]:
    """One row for each composition; no table where the input has no axes of composition."""
    if isinstance(source, Model):
        from ..store import Outline

        axes, d = tuple(n for n in source.axes if n != SAMPLE), Outline.of_model(source).coordinates
    else:
        axes, d = composition_axes(source), {str(n): v.values for n, v in source.coords.items()}
    return [_table(axes, d)] if axes else []


def _table(axes: Sequence[str], d: Mapping[str, np.ndarray]) -> Table[Any]:
    count, fraction = d["species_count"], d["species_fraction"]
    charge = np.asarray(d["species_charge"]) / E_CHARGE
    columns = [_axis(name, k, np.asarray(d[name])) for k, name in enumerate(axes)]
    for s, name in enumerate(d["species"].tolist()):
        columns += _species(name, count[..., s], fraction[..., s])
    net = np.round(count @ charge, 9) + 0.0
    columns.append(
        Column(
            header="charge",
            value=lambda at: float(net[at]),
            unit="e",
            key="charge",
            text=lambda at: f"{net[at]:+g}" if net[at] else "0",
        )
    )
    rows = list(np.ndindex(*(len(d[n]) for n in axes)))
    return Table("Compositions: asked for, and simulated in whole carriers", columns, rows)


def _species(name: str, count: np.ndarray, fraction: np.ndarray) -> list[Column[At]]:
    return [
        Column(name, lambda at: int(count[at]), key=f"count_{name}"),
        Column("of its sites", lambda at: float(fraction[at]), key=f"fraction_{name}", text=".4g"),
    ]


def _axis(name: str, k: int, values: np.ndarray) -> Column[At]:
    text = f".{enough_digits(values, 3)}g"
    return Column(header=name, value=lambda at: float(values[at[k]]), key=name, text=text, names=True)
