"""Any quantity of one run, or of several, against any axis; against two axes it is a map."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from scipy.special import gammaincc

from ..analysis import fit_arrhenius
from ..errors import InputError
from ..ndarrays import BoolArray, FloatArray
from ..report.display import Units
from ..report.numbers import format_estimate
from ..units import K_B
from .chart import Axis, Chart, Heat, Panel, Series
from .fieldlaws import FOLLOW_LAWS, law_lines
from .lines import (
    Line,
    Runs,
    axis_title,
    common_text,
    find_lines,
    is_numeric,
    numeric_axes,
    place_text,
    shade_scale,
)
from .quantities import Quantity, axis_unit, quantity

__all__ = ["INVERSE", "chart_against", "chart_map", "choose_axis"]

INVERSE = "1/T"
"""The name of the axis 1000/T."""
_ACTIVATED = ("mobility", "mobility_einstein", "conductivity")
"""These times T follow exp(-E/kT); diffusivities do as they are."""
_BIN = "_bin"
"""How the axes of histograms end."""
_CURVED = 1e-3
"""Chance of such a chi² below which a fit is marked as curved."""


def choose_axis(found: Quantity) -> str:
    """What a quantity is drawn against if nobody says it: 1/T, else the field, else the first axis of several."""
    axes = numeric_axes(found)
    binned = [str(d) for d in found.value.dims if str(d).endswith(_BIN)]
    if binned:
        return binned[0]
    if "temperature" in axes:
        return INVERSE
    several = [str(d) for d in found.value.dims if found.value.sizes[d] > 1]
    return next(iter([*(a for a in ("field",) if a in axes), *axes, *several, *map(str, found.value.dims)]))


def chart_against(
    runs: Runs,
    what: str,
    *,
    against: str | None = None,
    asked: Units | None = None,
    linear: bool = False,
    fit: bool = True,
    names: Sequence[str] = (),
) -> Chart:
    """A quantity against an axis, one series for each combination of the other dimensions, and each run.

    against : a dimension of the quantity, or ``1/T``. fit : draw an Arrhenius fit where the axis is 1/T, and the law of
    the mobility or the drift velocity where it is the field. linear : no logarithmic axes. names : what else may be
    asked for, for the message.

    Raises InputError where the quantity has no such axis, or no number.
    """
    quantities = [(name, quantity(dataset, what, asked, names)) for name, dataset in runs]
    axis = against or choose_axis(quantities[0][1])
    dim = "temperature" if axis == INVERSE else axis
    for _, found in quantities:
        if dim not in found.value.dims:
            dims = [str(d) for d in found.value.dims]
            raise InputError(
                f"{what} has no such axis",
                key="--against",
                value=axis,
                allowed=", ".join([*dims, *([INVERSE] if "temperature" in dims else [])]),
            )
    lines, notes = find_lines(quantities, runs, dim)
    if not lines:
        raise InputError(
            "there is no number to draw", key="--what", value=what, remedy="run the input to its end first"
        )
    first, dataset = quantities[0][1], runs[0][1]
    unit = axis_unit(dataset, dim, asked)
    histogram = dim.endswith(_BIN)
    places = [str(v) for v in dataset[dim].values] if not is_numeric(first, dim) else []
    series: list[Series] = []
    zero_field: list[Series] = []
    for line in lines:
        x = np.arange(len(line.value), dtype=float) if places else line.found.value[dim].values.astype(float)
        shown = 1000 / x if axis == INVERSE else x if places else unit.of(x)
        possible = np.ones(len(x), bool)
        if dim == "field" and (x == 0).any() and (x > 0).any() and not linear:
            zero_field += _level(line, x, unit.of(x))
            possible = x > 0
        if histogram:
            possible &= _around(lines)
        series += _exact(line, shown, possible)
        keep = possible & np.isfinite(line.value)
        series.append(line.series(shown, keep, kind="steps" if histogram else "points"))
        if axis == INVERSE and fit:
            series += _fitted(line, what, x, first)
    if dim == "field" and fit and what in FOLLOW_LAWS:
        for (_, found), (_, run) in zip(quantities, runs, strict=True):
            more, said = law_lines([n for n in lines if n.found is found], run, what, asked, linear)
            series += more
            notes += said
    series = [s for s in series if len(s.x)]
    y, series = _vertical(first, [*zero_field, *series], linear or histogram)
    log_x = dim == "field" and not linear and any((s.x > 0).any() for s in series)
    x_axis = (
        Axis("1000 / T", "1/K", "inverse_temperature_1000")
        if axis == INVERSE
        else Axis(axis_title(dataset, dim), unit.name, dim, "log" if log_x else "linear", ticks=places)
    )
    panel = Panel(
        x=x_axis,
        y=y,
        series=_told_once(series),
        title=common_text(quantities, dim, runs),
        kelvin=np.unique(dataset["temperature"].values) if axis == INVERSE else None,
        scale=shade_scale(lines, dataset),
    )
    return Chart(panels=[panel], notes=notes)


def _around(lines: Sequence[Line]) -> BoolArray:
    """Bins between the first and the last that any of the histograms has something in, and one more on either side."""
    some = np.any([np.nan_to_num(line.value) != 0 for line in lines], axis=0)
    places = np.arange(len(some))
    low, high = places[some].min(initial=len(some)), places[some].max(initial=-1)
    return np.asarray((places >= low - 1) & (places <= high + 1))


def _exact(line: Line, x: FloatArray, possible: BoolArray) -> Iterator[Series]:
    good = np.isfinite(line.exact) & possible
    if good.sum() > 1:
        yield replace(
            line.series(x, good, "line"), label="exact", y=line.exact[good], error=None, accurate=None, mark=0
        )


def _level(line: Line, field: FloatArray, shown: FloatArray) -> Iterator[Series]:
    """The value without field, across."""
    zero = int(np.flatnonzero(field == 0)[0])
    if not np.isfinite(line.value[zero]):
        return
    driven = shown[field > 0]
    yield Series(
        label="no field (Einstein)" if "mobility" in line.found.name else "no field",
        x=np.array([driven.min(), driven.max()]),
        y=np.full(2, line.value[zero]),
        error=np.full(2, line.stderr[zero]),
        kind="level",
        hue=line.hue,
        shade=line.shade,
        mark=line.mark,
        where=line.where | {"field": 0.0},
    )


def _fitted(line: Line, what: str, temperature: FloatArray, first: Quantity) -> list[Series]:
    """The Arrhenius fit of a line, drawn and named."""
    good = np.isfinite(line.value) & (line.stderr > 0) & (line.value != 0)
    activated = what in _ACTIVATED or what.endswith("diffusivity")
    one_sign = (line.value[good] > 0).all() or (line.value[good] < 0).all()
    driven = "field" in line.place and float(line.found.value["field"].values[line.place["field"]]) > 0
    if not activated or driven or not one_sign or len(np.unique(temperature[good])) < 3:
        return []
    factor = temperature if what in _ACTIVATED else np.ones_like(temperature)
    try:
        found = fit_arrhenius(temperature[good], (line.value * factor)[good], (line.stderr * factor)[good])
    except InputError:  # nothing but noise
        return []
    along = np.linspace(1 / temperature[good].max(), 1 / temperature[good].min(), 60)
    fitted = np.array([math.exp(found.log_prefactor - found.activation_energy * b / K_B) for b in along])
    if what in _ACTIVATED:
        fitted = fitted * along
    sign = 1.0 if line.value[good][0] > 0 else -1.0
    freedom = found.points - 2
    straight = gammaincc(freedom / 2, found.chi2 / 2) > _CURVED
    doubt = "" if straight else f", curved: χ²/dof {found.chi2 / freedom:.0f}"
    energy = format_estimate(found.activation_energy, found.activation_energy_stderr)
    of = "T · " if what in _ACTIVATED else ""
    whose = (
        " of " + ", ".join(t for d, t in line.parts if d != "field")
        if any(d != "field" for d, _ in line.parts)
        else ""
    )
    return [
        Series(
            label=f"fit of {of}{first.label}{whose}: {energy} eV{doubt}",
            x=1000 * along,
            y=sign * fitted,
            kind="fit",
            hue=line.hue,
            shade=line.shade,
            mark=line.mark,
            where=line.where,
        )
    ]


def _vertical(found: Quantity, series: list[Series], linear: bool) -> tuple[Axis, list[Series]]:
    """The axis of the values; on a logarithmic one magnitudes are drawn, and negative series say so."""
    parts = [s.y[np.isfinite(s.y) & (s.y != 0)] for s in series]
    values = np.concatenate([p for p in parts if len(p)] or [np.ones(1)])
    span = np.abs(values).max() / np.abs(values).min()
    one_sign = all((p > 0).all() or (p < 0).all() for p in parts)
    log = not linear and one_sign and span > (30 if found.unit.name == "" else 2.5)
    negative = bool((values < 0).any())
    if not log:
        return Axis(found.label, found.unit.name, found.name), series
    told = [
        replace(
            s,
            y=np.abs(s.y),
            label=f"{s.label or found.label} (negative)" if p.size and (p < 0).all() else s.label,
        )
        if s.kind == "points"
        else replace(s, y=np.abs(s.y))
        for s, p in zip(series, parts, strict=True)
    ]
    label = f"|{found.label}|" if negative else found.label
    return Axis(label, found.unit.name, found.name, "log"), told


def _told_once(series: list[Series]) -> list[Series]:
    """A label that several lines share stays with the first of them."""
    seen: set[tuple[str, str]] = set()
    out = []
    for s in series:
        name = (s.kind, s.label)
        repeated = name in seen and s.shade is not None
        seen.add(name)
        out.append(replace(s, label="") if repeated else s)
    return out


def chart_map(
    runs: Runs,
    what: str,
    *,
    against: Sequence[str],
    asked: Units | None = None,
    linear: bool = False,
) -> Chart:
    """A quantity over two axes, one panel for each combination of the other dimensions.

    Raises InputError where an axis is not there or has one value only.
    """
    dataset = runs[0][1]
    found = quantity(dataset, what, asked)
    across, up = against
    for dim in against:
        if dim not in numeric_axes(found):
            raise InputError(
                f"a map of {what} needs two axes of more than one number",
                key="--against",
                value=dim,
                allowed=", ".join(numeric_axes(found)) or "none of this run",
            )
    others = [str(d) for d in found.value.dims if d not in against]
    panels = []
    for place in product(*(range(found.value.sizes[d]) for d in others)):
        at: Any = dict(zip(others, place, strict=True))
        z, error, good = (
            a.isel(at).transpose(up, across).values for a in (found.value, found.stderr, found.accurate)
        )
        if not np.isfinite(z).any():
            continue
        xs, ys = (dataset[d].values.astype(float) for d in (across, up))
        x_keep, y_keep = np.isfinite(z).any(axis=0), np.isfinite(z).any(axis=1)
        x_keep &= ~((xs == 0) & (across == "field") & (not linear))
        y_keep &= ~((ys == 0) & (up == "field") & (not linear))
        z, error, good = (a[y_keep][:, x_keep] for a in (z, error, good))
        axes = []
        for dim in (across, up):
            unit = axis_unit(dataset, dim, asked)
            scale = "log" if dim == "field" and not linear else "linear"
            axes.append(Axis(axis_title(dataset, dim), unit.name, dim, scale))
        values = z[np.isfinite(z) & (z != 0)]
        one_sign = (values > 0).all() or (values < 0).all()
        log = not linear and one_sign and np.abs(values).max() > 5 * np.abs(values).min()
        negative = log and (values < 0).all()
        label = f"|{found.label}|" if negative else found.label
        heat = Heat(
            x=axis_unit(dataset, across, asked).of(xs[x_keep]),
            y=axis_unit(dataset, up, asked).of(ys[y_keep]),
            z=np.abs(z) if negative else z,
            error=error,
            axis=Axis(label, found.unit.name, found.name, "log" if log else "linear"),
            accurate=good,
        )
        title = ", ".join(place_text(dataset, d, i) for d, i in at.items())
        panels.append(Panel(x=axes[0], y=axes[1], heat=heat, title=title))
    if not panels:
        raise InputError(
            "there is no number to draw", key="--what", value=what, remedy="run the input to its end first"
        )
    notes = (
        [f"{len(panels) - 4} panels left out; choose with --where DIMENSION=VALUE"] if len(panels) > 4 else []
    )
    return Chart(panels=panels[:4], notes=notes)
