"""Any stored array by its name, brought to one number for each condition and carrier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import ARRAYS, base_name
from ..errors import InputError
from ..report.display import ShownUnit, Units, shown_unit
from ..store import average_samples

if TYPE_CHECKING:
    import xarray

__all__ = ["Quantity", "axis_unit", "drawable", "quantity", "select"]

_PARTS = ("", "_stderr", "_exact")
_WEAK = {"mobility": "mobility_einstein"}
"""Array → the one that has its values at zero field."""
_FROM_MOBILITY = {"drift_velocity": "mobility"}
"""Along the field it is mobility times field: so weak fields, which have linear response, are in it too."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Quantity:
    """value, stderr, exact : arrays with the same named dimensions, in the unit shown; NaN where there is none.

    accurate : whether each value is as accurate as asked.
    """

    name: str
    label: str
    unit: ShownUnit
    value: xarray.DataArray
    stderr: xarray.DataArray
    exact: xarray.DataArray
    accurate: xarray.DataArray


def drawable(dataset: xarray.Dataset) -> list[str]:
    """Names of the arrays of a run that can be drawn: numbers, not errors and not coordinates."""
    return [str(n) for n in dataset.data_vars if _is_drawable(dataset, str(n))]


def _is_drawable(dataset: xarray.Dataset, name: str) -> bool:
    if name not in dataset.data_vars or base_name(name) != name or name in ("missing", "restless_starts"):
        return False
    variable = dataset.variables[name]
    return variable.dtype.kind in "fiu" and bool(variable.dims)


def select(dataset: xarray.Dataset, at: Mapping[str, list[str]]) -> xarray.Dataset:
    """Only some values of dimensions, told as text: numbers in the unit of the file, names as they are.

    Raises InputError for a dimension or a value that is not there.
    """
    kept: dict[str, list[int]] = {}
    for dim, wanted in at.items():
        if dim not in dataset.dims or dim not in dataset.coords:
            there = [str(d) for d in dataset.dims if d in dataset.coords]
            raise InputError("there is no such dimension", key="--where", value=dim, allowed=", ".join(there))
        values = dataset[dim].values
        kept[dim] = sorted({_place(dim, values, text) for text in wanted})
    if "carrier" in kept and "carrier_2" in dataset.dims and "carrier_2" not in kept:
        kept["carrier_2"] = kept["carrier"]
    return dataset.isel(kept)


def _place(dim: str, values: np.ndarray, text: str) -> int:
    if values.dtype.kind in "fiu":
        try:
            same = np.isclose(values, float(text), rtol=1e-6, atol=0)
        except ValueError:
            same = np.zeros(len(values), bool)
    else:
        same = np.array([str(v) == text for v in values])
    if not same.any():
        unit = ARRAYS[dim].unit if dim in ARRAYS else "1"
        raise InputError(
            f"there is no such {dim}" + (f" ({unit})" if unit != "1" else ""),
            key="--where",
            value=f"{dim}={text}",
            allowed=", ".join(f"{v}" for v in values[:20]) + (", ..." if len(values) > 20 else ""),
        )
    return int(np.flatnonzero(same)[0])


def axis_unit(dataset: xarray.Dataset, dim: str, asked: Units | None = None) -> ShownUnit:
    """In which unit a coordinate is shown."""
    return shown_unit(str(dataset[dim].attrs.get("units", "1")), asked)


def quantity(
    dataset: xarray.Dataset, name: str, asked: Units | None = None, others: Sequence[str] = ()
) -> Quantity:
    """An array of a result by its name, with errors and exact values.

    Vectors and tensors become their component along the field's direction (ratios: where that is an axis), matrices
    over carriers their diagonal; mobilities at zero field are those of the Einstein relation. The mean over samples of
    frozen disorder has the larger of its scatter and its samples' errors. Raises InputError for a name that cannot be
    drawn.
    """
    if not _is_drawable(dataset, name):
        raise InputError(
            "cannot be drawn: the run has no such numbers",
            key="--what",
            value=name,
            allowed=", ".join([*others, *drawable(dataset)]),
        )
    dataset, source = average_samples(dataset), _FROM_MOBILITY.get(name, name)
    # variables of one dataset lie on the same coordinates, which need not be compared at each step
    field = dataset.variables["field"]
    parts: dict[str, xarray.Variable] = {}
    for part in _PARTS:
        array = _one(dataset, source + part)
        if array is None:
            array = parts[""] * np.nan
        elif source in _WEAK and "field" in array.dims:
            weak = _one(dataset, _WEAK[source] + part)
            array = array if weak is None else array.where(field > 0, weak)
        parts[part] = array * field if source != name else array
    if source != name:  # no drift without field
        parts = {part: array.where(field > 0) for part, array in parts.items()}
    dims = parts[""].dims
    accurate = dataset.variables["converged"]
    if "complete" in dataset and "temperature" in dims:
        complete = dataset.variables["complete"]
        complete = complete.any([d for d in complete.dims if d not in dims])
        parts = {part: array.where(complete) for part, array in parts.items()}
    attributes = dataset.variables[name].attrs
    unit = shown_unit(str(attributes.get("units", "1")), asked)
    gone = [d for d in accurate.dims if d not in dims]
    shown = dataset.coords.to_dataset().assign(
        value=parts[""],
        stderr=parts["_stderr"].transpose(*dims),
        exact=parts["_exact"].transpose(*dims),
        accurate=(accurate.all(gone) | (parts[""] != parts[""])).transpose(*dims),
    )
    return Quantity(
        name=name,
        label=str(attributes.get("long_name", name)),
        unit=unit,
        value=unit.of(shown["value"]),
        stderr=unit.error(shown["stderr"]),
        exact=unit.of(shown["exact"]),
        accurate=shown["accurate"],
    )


def _one(dataset: xarray.Dataset, name: str) -> xarray.Variable | None:
    """An array without its inner dimensions; None where the run has none."""
    if name not in dataset.variables:
        return None
    array = dataset.variables[name].astype(float)
    if "carrier_2" in array.dims:
        if array.sizes["carrier_2"] == 1:
            array = array.isel(carrier_2=0)
        else:
            same = dataset.variables["carrier"] == dataset.variables["carrier_2"]
            array = array.where(same, 0.0).sum("carrier_2", skipna=False)
    for axis in ("axis", "axis_2"):
        if axis in array.dims:
            array = _along(dataset, array, axis, name)
    return array


def _along(dataset: xarray.Dataset, array: xarray.Variable, axis: str, name: str) -> xarray.Variable:
    """Component along the direction of the field; errors of the components are added up, an upper bound."""
    if array.sizes[axis] == 1:
        return array.isel({axis: 0})
    vector = dataset.variables["direction_vector"]
    unit = vector.copy(deep=False)
    unit.dims = tuple(axis if d == "axis" else d for d in vector.dims)
    if base_name(name) in _RATIOS:
        unit = (abs(unit) > 1 - 1e-9).astype(float).where((abs(unit) > 1 - 1e-9).any(axis))
    elif name.endswith(("_stderr", "_err")):
        unit = abs(unit)
    component: xarray.Variable = (array * unit).where(unit != 0, 0.0).sum(axis, skipna=False)
    return component


_RATIOS = {s.name for s in ARRAYS.values() if "axis" in s.dims and s.unit == "1" and s.origin != "coordinate"}
"""Arrays with a number for each axis that are no vectors."""
