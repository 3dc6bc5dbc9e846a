"""Which lines a quantity has against an axis, and how they are told apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import ARRAYS
from ..ndarrays import BoolArray, FloatArray
from .chart import Series
from .quantities import Quantity, axis_unit
from .style import mark_of

if TYPE_CHECKING:
    import xarray

__all__ = [
    "Line",
    "Runs",
    "axis_title",
    "common_text",
    "find_lines",
    "is_numeric",
    "numeric_axes",
    "place_text",
    "shade_scale",
]

Runs = Sequence[tuple[str, "xarray.Dataset"]]

_MAX_LINES = 10
"""More would bury each other; with a scale of colours more are told apart."""
_MAX_SHADES = 24
_MIN_SHADES = 5
"""From so many lines of one number on, a scale of colours orders them."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Line:
    """One combination of the other dimensions. parts : (dimension, its text) that tell it from the other lines."""

    run: str
    found: Quantity
    place: dict[str, int]
    parts: tuple[tuple[str, str], ...]
    value: FloatArray
    stderr: FloatArray
    exact: FloatArray
    accurate: BoolArray
    number: int = 0
    shade: float | None = None
    hue: int = 0
    mark: int = 0

    @property
    def label(self) -> str:
        told = (self.run, *(text for dim, text in self.parts if dim != _shaded(self)))
        return ", ".join(t for t in told if t) or ("simulated" if self.shade is not None else "")

    @property
    def where(self) -> dict[str, Any]:
        out: dict[str, Any] = {"run": self.run} if self.run else {}
        for dim, i in self.place.items():
            coord = self.found.value[dim].values[i] if dim in self.found.value.coords else i
            out[dim] = coord.item() if hasattr(coord, "item") else coord
        return out

    def series(self, x: FloatArray, keep: BoolArray, kind: str) -> Series:
        """Those of its points that are kept, at these places of the axis."""
        return Series(
            label=self.label,
            x=x[keep],
            y=self.value[keep],
            error=self.stderr[keep],
            kind=kind,
            hue=self.hue,
            shade=self.shade,
            mark=self.mark,
            filled=self.mark % 2 == 0,
            accurate=self.accurate[keep],
            where=self.where,
        )


def _shaded(line: Line) -> str:
    """The dimension that the scale of colours tells, so that the legend need not."""
    return line.parts[0][0] if line.shade is not None else ""


def find_lines(
    quantities: Sequence[tuple[str, Quantity]], runs: Runs, dim: str
) -> tuple[list[Line], list[str]]:
    lines: list[Line] = []
    notes: list[str] = []
    several_runs = len(quantities) > 1
    for (name, found), (_, dataset) in zip(quantities, runs, strict=True):
        others = [str(d) for d in found.value.dims if d != dim]
        places: list[dict[str, int]] = []
        empty: list[bool] = []
        for place in product(*(range(found.value.sizes[d]) for d in others)):
            at = dict(zip(others, place, strict=True))
            value = found.value.isel(at).values
            exact = found.exact.isel(at).values
            if np.isfinite(value).any() or np.isfinite(exact).any():
                places.append(at)
                empty.append(not np.nan_to_num(value).any() and not np.nan_to_num(exact).any())
        if not all(empty):  # a species is never on the sites of another
            places = [p for p, nothing in zip(places, empty, strict=True) if not nothing]
        varied = [d for d in others if len({p[d] for p in places}) > 1]
        # what has numbers comes first: a scale of colours may tell it
        varied.sort(key=lambda d: (not is_numeric(found, d), -len({p[d] for p in places})))
        ordered = (
            bool(varied)
            and is_numeric(found, varied[0])
            and len({p[varied[0]] for p in places}) >= _MIN_SHADES
        )
        limit = _MAX_SHADES if ordered and not several_runs else _MAX_LINES
        for d in varied:
            if len(places) > limit:
                there = sorted({p[d] for p in places})
                keep = _some(there, max(2, math.floor(len(there) * limit / len(places))))
                notes.append(
                    f"{d}: {len(keep)} of {len(there)} values drawn; choose others with --where {d}=VALUE"
                )
                places = [p for p in places if p[d] in keep]
        for at in places:
            parts = tuple((d, place_text(dataset, d, at[d])) for d in varied)
            pick: Any = {d: i for d, i in at.items()}
            lines.append(
                Line(
                    run=name if several_runs else "",
                    found=found,
                    place=at,
                    parts=parts,
                    value=found.value.isel(pick).values,
                    stderr=found.stderr.isel(pick).values,
                    exact=found.exact.isel(pick).values,
                    accurate=found.accurate.isel(pick).values,
                )
            )
    return _styled(lines, several_runs), notes


def _styled(lines: list[Line], several_runs: bool) -> list[Line]:
    """Colours, markers and shades: a scale of colours where one number tells many lines apart."""
    if not lines:
        return lines
    found = lines[0].found
    first = lines[0].parts[0][0] if lines[0].parts else ""
    values = sorted({line.place[first] for line in lines}) if first else []
    shaded = bool(first) and is_numeric(found, first) and len(values) >= _MIN_SHADES and not several_runs
    rest = list(dict.fromkeys((line.run, line.parts[1:] if shaded else line.parts) for line in lines))
    styled = []
    for line in lines:
        group = rest.index((line.run, line.parts[1:] if shaded else line.parts))
        rank = values.index(line.place[first]) if shaded else 0
        shade = rank / (len(values) - 1) if shaded else None
        mark = mark_of(group, len(rest), rank) if shaded else group
        styled.append(replace(line, shade=shade, hue=group, mark=mark))
    return styled


def shade_scale(lines: Sequence[Line], dataset: xarray.Dataset) -> tuple[str, list[tuple[float, str]]] | None:
    shades = {line.shade: line.parts[0] for line in lines if line.shade is not None}
    if not shades:
        return None
    dim = next(iter(shades.values()))[0]
    return axis_title(dataset, dim), [(shade, text) for shade, (_, text) in sorted(shades.items())]


def _some(values: Sequence[int], limit: int) -> list[int]:
    """At most ``limit`` of them, evenly spread, the first and the last among them."""
    if len(values) <= limit:
        return list(values)
    return [values[i] for i in sorted({round(x) for x in np.linspace(0, len(values) - 1, limit)})]


def place_text(dataset: xarray.Dataset, dim: str, place: int) -> str:
    """A value of a dimension, as a legend says it."""
    if dim not in dataset.coords:
        return f"{dim} {place}"
    value = dataset[dim].values[place]
    if dataset[dim].dtype.kind not in "fiu":
        text = str(value)
        return f"along {text}" if dim == "direction" else text.replace("_", " ")
    unit = axis_unit(dataset, dim)
    if dim == "field" and value == 0:
        return "no field"
    name = "" if dim in ("temperature", "field") else f"{dim} = "
    return f"{name}{unit.of(float(value)):.4g} {unit.name}".strip()


def axis_title(dataset: xarray.Dataset, dim: str) -> str:
    """What an axis is called."""
    known = ARRAYS[dim].long_name if dim in ARRAYS else dim
    return str(dataset[dim].attrs.get("long_name", known)) if dim in dataset.coords else known


def common_text(quantities: Sequence[tuple[str, Quantity]], dim: str, runs: Runs) -> str:
    """What is the same for all lines, in words."""
    found, dataset = quantities[0][1], runs[0][1]
    parts = []
    for d in map(str, found.value.dims):
        others = [str(o) for o in found.value.dims if o != d]
        there: Any = np.isfinite(found.value)
        there = np.asarray(there.any(others) if others else there)
        if d != dim and there.sum() == 1:
            parts.append(place_text(dataset, d, int(np.flatnonzero(there)[0])))
    return ", ".join(parts)


def numeric_axes(found: Quantity) -> list[str]:
    """Dimensions of a quantity that have numbers, more than one of them."""
    return [str(d) for d in found.value.dims if is_numeric(found, str(d)) and found.value.sizes[d] > 1]


def is_numeric(found: Quantity, dim: str) -> bool:
    return dim in found.value.coords and found.value[dim].dtype.kind in "fiu"
