"""Somebody's own points on top of a picture: a CSV whose columns are found by name and converted by unit."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, Problem
from ..report.table import UNIT_NAMES
from ..units import QuantityError, conversion
from .chart import Axis, Chart, Panel, Series

__all__ = ["add_measured"]

_MAX_BYTES, _MAX_ROWS = 2**22, 10_000
_BRACKETS = re.compile(r"\s*(?P<name>[^\[(]*?)\s*(?:\[(?P<square>.*)\]|\((?P<round>.*)\))\s*\Z", re.S)
_ERRORS = ("_stderr", "_error", "_err", "_sigma", " stderr", " error")
_NAMES = {
    "T": "temperature",
    "1000/T": "inverse_temperature_1000",
    "1000 / T": "inverse_temperature_1000",
    "E": "field",
    "electric field": "field",
    "mu": "mobility",
    "μ": "mobility",
    "µ": "mobility",
    "sigma": "conductivity",
    "σ": "conductivity",
    "v": "drift_velocity",
    "D": "diffusivity",
}
"""Short names → those of quantities."""
_FAMILIES = {"diffusivity": ("tracer_diffusivity", "collective_diffusivity", "charge_diffusivity")}
_SLUGS = (
    {slug: unit for unit, slug in UNIT_NAMES.items() if slug}
    | {"m2_per_Vs": "m²/(V s)", "m2_per_s": "m²/s"}
    | {
        "S_per_m": "S/m",
        "degC": "°C",
        "MV_per_m": "MV/m",
        "MV_per_cm": "MV/cm",
        "kV_per_cm": "kV/cm",
        "V_per_cm": "V/cm",
    }
)
_SETS = ("series", "label", "source", "set")
"""Columns that name what a row belongs to."""


@dataclass(frozen=True)
class _Header:
    """One column: quantity, unit, whether it is the error of the quantity."""

    text: str
    name: str
    unit: str | None
    error: bool


def add_measured(chart: Chart, path: str | Path) -> Chart:
    """The chart with the points of a CSV file in every panel whose two axes it has columns for.

    A column is named as the axis, with its unit in brackets: ``T (K)``, ``mobility (cm²/(V s))``, its error
    ``mobility error (cm²/(V s))``; the names that ``results --csv`` writes do as well. ``1000/T`` takes a column of
    temperatures too. ``series`` tells several sets apart. Lines that begin with # are comments.

    Raises InputError for a file that cannot be read, columns that are missing, without unit or of another dimension,
    and cells that are no numbers.
    """
    headers, rows = _read(Path(path))
    panels, found = [], 0
    wanted = []
    for panel in chart.panels:
        pair = [_column(headers, axis) for axis in (panel.x, panel.y)]
        wanted += [_wanted(a) for a, h in zip((panel.x, panel.y), pair, strict=True) if h is None]
        if panel.heat is not None or pair[0] is None or pair[1] is None:
            panels.append(panel)
            continue
        found += 1
        panels.append(_with_points(panel, pair[0], pair[1], headers, rows, Path(path)))
    if not found:
        raise InputError(
            Problem(
                "has no columns for the axes of this picture",
                file=str(path),
                value=", ".join(h.text for h in headers),
                allowed=" and ".join(dict.fromkeys(wanted)) or "points for axes that are no map",
                remedy="name the columns so, with the unit of the file in brackets",
            )
        )
    return replace(chart, panels=panels)


def _wanted(axis: Axis) -> str:
    name = "T" if axis.key == "inverse_temperature_1000" else axis.key
    unit = "K" if axis.key == "inverse_temperature_1000" else axis.unit
    return f"'{name} ({unit})'" if unit else f"'{name}'"


def _read(path: Path) -> tuple[list[_Header], list[dict[str, str]]]:
    def wrong(message: str, remedy: str, line: int | None = None, value: object = None) -> InputError:
        return InputError(Problem(message, file=str(path), remedy=remedy, line=line, value=value))

    try:
        if path.stat().st_size > _MAX_BYTES:
            raise wrong("is too large for measured points", "give a file of at most 4 MB")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise wrong("is not UTF-8 text", "save it as CSV in UTF-8") from None
    except OSError as e:
        raise wrong(f"cannot be read: {e.strerror or e}", "give a CSV file of measured points") from None
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) < 2 or len(lines) > _MAX_ROWS:
        raise wrong(
            "holds no points, or too many", f"give a line of names and 1 to {_MAX_ROWS} lines of numbers"
        )
    separator = max(";\t,", key=lines[0].count)
    rows = list(csv.reader(lines, delimiter=separator))
    names = [n.strip() for n in rows[0]]
    for k, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise wrong(
                f"row {k} has {len(row)} cells, the line of names {len(names)}", "give each row as many"
            )
    return [_header(n) for n in names], [dict(zip(names, map(str.strip, r), strict=True)) for r in rows[1:]]


def _header(text: str) -> _Header:
    bracket = _BRACKETS.match(text)
    name, unit = (bracket["name"], bracket["square"] or bracket["round"] or "") if bracket else (text, None)
    if unit is None:
        for slug in sorted(_SLUGS, key=len, reverse=True):
            if name.endswith("_" + slug):
                name, unit = name.removesuffix("_" + slug), _SLUGS[slug]
                break
    error = False
    for ending in _ERRORS:
        if name.endswith(ending):
            name, error = name.removesuffix(ending), True
    name = name.strip()
    return _Header(text, _NAMES.get(name, name.replace(" ", "_")), unit, error)


def _column(headers: list[_Header], axis: Axis, *, error: bool = False) -> _Header | None:
    names = [axis.key, axis.label.replace(" ", "_")]
    names += [family for family, members in _FAMILIES.items() if axis.key in members]
    if axis.key == "inverse_temperature_1000":
        names.append("temperature")
    return next((h for n in names for h in headers if h.name == n and h.error == error), None)


def _with_points(
    panel: Panel, x: _Header, y: _Header, headers: list[_Header], rows: list[dict[str, str]], path: Path
) -> Panel:
    sigma = _column(headers, panel.y, error=True)
    named = next((h.text for h in headers if h.text.lower() in _SETS), None)
    inverse = panel.x.key == "inverse_temperature_1000" and x.name == "temperature"
    xs = _numbers(rows, x, "K" if inverse else panel.x.unit, path)
    if inverse:
        with np.errstate(divide="ignore"):
            xs = 1000 / xs
    ys = _numbers(rows, y, panel.y.unit, path)
    errors = None if sigma is None else _numbers(rows, sigma, panel.y.unit, path, difference=True)
    if panel.y.scale == "log":
        ys = np.abs(ys)
    for axis, values in ((panel.x, xs), (panel.y, ys)):
        if axis.scale == "log" and not (values > 0).all():
            raise InputError(
                Problem(
                    f"has values of {axis.key} that are zero or negative, which a logarithmic axis cannot show",
                    file=str(path),
                    remedy="draw it with --linear, or leave them out",
                )
            )
    labels = [row[named] if named else path.stem for row in rows]
    series = []
    for k, label in enumerate(dict.fromkeys(labels)):
        own = np.array([one == label for one in labels])
        series.append(
            Series(
                label=label,
                x=xs[own],
                y=ys[own],
                error=None if errors is None else errors[own],
                kind="measured",
                mark=k,
            )
        )
    return replace(panel, series=[*panel.series, *series])


def _numbers(
    rows: list[dict[str, str]], header: _Header, into: str, path: Path, *, difference: bool = False
) -> Any:
    if header.unit is None and into:
        raise InputError(
            Problem(
                "the column has no unit",
                header.text,
                file=str(path),
                allowed=f"'{header.text} ({into})', or another unit of it",
                remedy="write the unit in brackets behind the name",
            )
        )
    try:
        factor, zero = conversion(header.unit or "1", into or "1")
    except QuantityError as e:
        raise InputError(
            Problem(e.message, header.text, file=str(path), allowed=f"{into} or a unit of its dimension")
        ) from None
    numbers = []
    for k, row in enumerate(rows, 2):
        text = row[header.text]
        try:
            number = float(text) if text else (0.0 if difference else float("nan"))
        except ValueError:
            number = float("nan")
        if not np.isfinite(number):
            raise InputError(
                Problem(
                    "is no number",
                    header.text,
                    text,
                    file=str(path),
                    line=k,
                    allowed="numbers with a point, such as 1.3e-5",
                    remedy="correct it, or leave the line out",
                )
            )
        numbers.append(number)
    return np.array(numbers) * factor + (0.0 if difference else zero)
