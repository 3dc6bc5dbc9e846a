"""Observables on request as tables: one row for each kind of site, or bin, of each carrier at each condition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import ANALYSES, ARRAYS, CONDITIONS, ON_REQUEST
from ..errors import InputError
from .numbers import enough_digits, format_beside
from .systems import in_each_system
from .table import Column, Table

if TYPE_CHECKING:
    import xarray

__all__ = ["observable_tables"]


def observable_tables(dataset: xarray.Dataset, names: Sequence[str]) -> list[Table[Any]]:
    """Tables of these observables (`ON_REQUEST`), an array each. Raises InputError for one that the run has not."""
    tables = []
    for name in names:
        arrays = [s.name for s in ARRAYS.values() if s.on_request == name and s.name in dataset.variables]
        if not arrays:
            raise InputError(
                "the run has not counted this",
                key="--show",
                value=name,
                allowed="what sampling.observe of its input names, and the entries of its analysis",
                remedy=f"give analysis.{name} in the input"
                if name in ANALYSES
                else f"run it with --set 'sampling.observe=[{', '.join(ON_REQUEST)}]', or less of these",
            )
        tables += in_each_system(dataset, lambda one, own=arrays: [_table(one, array) for array in own])  # type: ignore[misc]
    return tables


def _table(dataset: xarray.Dataset, name: str) -> Table[Any]:
    """Rows are indices into the array; those that are zero, or missing, in value and exact value are left out."""
    spec, d = ARRAYS[name], {str(n): v.values for n, v in dataset.variables.items()}
    value, stderr = d[name], d[f"{name}_stderr"]
    exact = d.get(f"{name}_exact", np.full(value.shape, np.nan))
    some = (np.nan_to_num(value) != 0) | (np.nan_to_num(exact) != 0)
    digits = {"temperature": enough_digits(d["temperature"], 5), "field": enough_digits(d["field"], 3)}

    def place(axis: int, dim: str) -> Column[Any]:
        text = f".{digits[dim]}g" if dim in digits else ".4g" if ARRAYS[dim].dtype == "float" else ""
        unit = {"V m-1": "V/m", "1": ""}.get(ARRAYS[dim].unit, ARRAYS[dim].unit)
        header = {"temperature": "T", "field": "field", "direction": "along"}.get(dim, ARRAYS[dim].long_name)
        of: Callable[[Any], Any] = lambda at: d[dim][at[axis]]  # noqa: E731
        if ARRAYS[dim].dtype == "str":
            of = lambda at: str(d[dim][at[axis]])  # noqa: E731
        return Column(header=header, value=of, unit=unit, key=dim, text=text, names=dim in CONDITIONS)

    unit = "" if spec.unit == "1" else spec.unit
    columns = [place(axis, dim) for axis, dim in enumerate(spec.dims)]
    columns += [
        Column(name.replace("_", " "), lambda at: value[at], unit, name, stderr=lambda at: stderr[at]),
        Column(
            "exact",
            lambda at: exact[at],
            unit,
            f"{name}_exact",
            text=lambda at: format_beside(exact[at], value[at], stderr[at]),
            shown=bool(np.isfinite(exact).any()),
        ),
    ]
    return Table(spec.long_name, columns, [tuple(at) for at in np.argwhere(some).tolist()])
