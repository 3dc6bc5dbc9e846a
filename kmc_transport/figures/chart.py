"""What a picture shows, as data: it is drawn from this, tested by this, and written beside it as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..ndarrays import BoolArray, FloatArray
from ..report.display import unit_slug

__all__ = ["Axis", "Chart", "Heat", "Panel", "Series", "chart_rows"]


@dataclass(frozen=True)
class Axis:
    """label : with its unit left out. key : in CSV. scale : linear or log. ticks : names of the places 0, 1, 2, ..."""

    label: str
    unit: str = ""
    key: str = ""
    scale: str = "linear"
    ticks: Sequence[str] = ()

    @property
    def text(self) -> str:
        """Label with unit."""
        unit = self.unit.replace(" ", "\N{NO-BREAK SPACE}")
        return f"{self.label}  ({unit})" if unit else self.label

    @property
    def column(self) -> str:
        """Name in CSV."""
        name = self.key or self.label.replace(" ", "_")
        return "_".join(p for p in (name, unit_slug(self.unit)) if p)


@dataclass(frozen=True, eq=False, kw_only=True)
class Series:
    """Points or a line.

    kind : ``points`` (markers with error bars), ``dots`` (without), ``measured`` (somebody else's), ``line``, ``fit``,
    ``level`` (a value across, with its error as a band) or ``steps`` (a histogram). label : empty for none in the
    legend. hue : number of the colour; shade : 0 to 1 on a scale of colours instead. mark : number of marker and
    dashes. accurate : (n,) whether each point is as accurate as asked. where : what is the same for all points, for
    CSV.
    """

    label: str
    x: FloatArray
    y: FloatArray
    error: FloatArray | None = None
    kind: str = "points"
    hue: int = 0
    shade: float | None = None
    mark: int = 0
    filled: bool = True
    accurate: BoolArray | None = None
    where: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class Heat:
    """A map: z (len(y), len(x)) and its errors."""

    x: FloatArray
    y: FloatArray
    z: FloatArray
    error: FloatArray
    axis: Axis
    accurate: BoolArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Panel:
    """One pair of axes. kelvin : temperatures that are told along the top of an axis in 1000/T.

    scale : of the shades: label, and (place 0 to 1, text) of its ticks. one : draw a line at y = 1. title : above it.
    span : (from, to, label) of a stretch of x that is marked.
    """

    x: Axis
    y: Axis
    series: list[Series] = field(default_factory=list)
    heat: Heat | None = None
    title: str = ""
    kelvin: FloatArray | None = None
    scale: tuple[str, list[tuple[float, str]]] | None = None
    one: bool = False
    span: tuple[float, float, str] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Chart:
    """Panels side by side. notes : what was left out, for whoever asked for it."""

    panels: list[Panel]
    notes: list[str] = field(default_factory=list)


def chart_rows(chart: Chart) -> list[dict[str, Any]]:
    """The numbers of a chart, a row for each point, for CSV. All rows have the same keys."""
    rows = [row for k, panel in enumerate(chart.panels) for row in _rows(panel, k, len(chart.panels))]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return [{key: row.get(key) for key in keys} for row in rows]


def _rows(panel: Panel, number: int, panels: int) -> Iterator[dict[str, Any]]:
    head: dict[str, Any] = {"panel": panel.title or str(number + 1)} if panels > 1 else {}
    if (h := panel.heat) is not None:
        for (j, i), z in np.ndenumerate(h.z):
            yield head | {
                panel.x.column: _named(panel.x, h.x[i]),
                panel.y.column: _named(panel.y, h.y[j]),
                h.axis.column: _number(z),
                f"{h.axis.column}_stderr": _number(h.error[j, i]),
            }
    for s in panel.series:
        error = np.full(len(s.x), np.nan) if s.error is None else s.error
        for i in range(len(s.x)):
            yield head | {
                "series": s.label,
                "kind": s.kind,
                **s.where,
                panel.x.column: _named(panel.x, s.x[i]),
                panel.y.column: _number(s.y[i]),
                f"{panel.y.column}_stderr": _number(error[i]),
            }


def _named(axis: Axis, value: Any) -> Any:
    return axis.ticks[int(value)] if axis.ticks else _number(value)


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
