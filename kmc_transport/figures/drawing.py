"""Charts to pictures: markers, lines, bands, maps, a legend above that covers nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ndarrays import FloatArray
from .chart import Axis, Chart, Heat, Panel, Series
from .style import INACCURATE, MARKERS, PALETTE, Size, literal, mark_scale, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

_DASHES: Any = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
_DARKEST = 0.85
"""Of the scale of colours: its end is too pale on paper."""


def draw(
    chart: Chart,
    path: str | Path | None = None,
    *,
    size: Size | None = None,
    dpi: float = 200,
    overwrite: bool = False,
) -> Figure:
    """A picture of a chart.

    path : file to write (.png, .svg, .pdf); None writes nothing. Raises StoreError where it cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    size = size or Size()
    with matplotlib.rc_context(size.style):
        columns = size.columns(len(chart.panels))
        rows = -(-len(chart.panels) // columns)
        figure = Figure(figsize=size.inches(columns, rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax in axes[len(chart.panels) :]:
            ax.remove()
        axes = axes[: len(chart.panels)]
        for ax, panel, letter in zip(axes, chart.panels, "abcdefghijklmnop", strict=False):
            _panel(ax, panel, size.width / 25.4 / columns, f"({letter})  " if len(axes) > 1 else "")
        _legend(figure, axes, size)
        if path is not None:
            save_figure(figure, path, dpi, overwrite=overwrite)
    return figure


def _panel(ax: Axes, panel: Panel, inches: float, letter: str) -> None:
    """inches : width of the panel."""
    import matplotlib

    letters = int(0.72 * inches * 72 / (0.55 * float(matplotlib.rcParams["font.size"])))  # that fit across
    for axis, side in ((panel.x, "x"), (panel.y, "y")):
        if axis.scale == "log":
            getattr(ax, f"set_{side}scale")("log")
            _few_ticks(getattr(ax, f"{side}axis"), panel, side)
        getattr(ax, f"set_{side}label")(
            literal(textwrap.fill(axis.text, letters if side == "x" else int(0.8 * letters)))
        )
    if panel.heat is not None:
        _heat(ax, panel.heat, panel)
    if panel.one:
        ax.axhline(1.0, color="0.6", linewidth=0.8, zorder=0)
    if panel.span is not None:
        ax.axvspan(*panel.span[:2], color="0.85", linewidth=0, zorder=0, label=panel.span[2])
    for k, series in enumerate(panel.series):
        _series(ax, series, k, panel)
    if panel.x.ticks:
        turned = max(map(len, panel.x.ticks)) * len(panel.x.ticks) > 40
        ax.set_xticks(
            range(len(panel.x.ticks)),
            labels=[literal(t.replace("_", " ")) for t in panel.x.ticks],
            rotation=30 if turned else 0,
            ha="right" if turned else "center",
        )
        ax.set_xlim(-0.5, len(panel.x.ticks) - 0.5)
    elif panel.x.scale == "linear":
        ax.locator_params(axis="x", nbins=6)
    if panel.heat is None:
        _breathe(ax, panel.y)
    if panel.kelvin is not None:
        _kelvin(ax, panel.kelvin, inches)
    if panel.scale is not None:
        marks = {
            s.shade: s for s in reversed(panel.series) if s.shade is not None and s.kind in ("points", "dots")
        }
        _colour_scale(ax, *panel.scale, marks)
    if panel.title or letter:
        title = textwrap.fill(letter + panel.title, letters)
        ax.set_title(literal(title), fontsize="small", loc="left" if letter else "center")


def _few_ticks(axis: Any, panel: Panel, side: str) -> None:
    """On a logarithmic axis of less than two decades 1, 2 and 5 are labelled, on others the decades."""
    from matplotlib.ticker import LogFormatterSciNotation, LogLocator, NullFormatter

    drawn = [panel.heat] if panel.heat is not None else panel.series
    values = np.concatenate([np.ravel(getattr(d, side)) for d in drawn] or [np.ones(1)])
    values = values[np.isfinite(values) & (values > 0)]
    axis.set_minor_formatter(NullFormatter())
    if len(values) and values.max() < 80 * values.min():
        wide = side == "x" and values.max() > 6 * values.min()
        axis.set_major_locator(LogLocator(subs=(1.0, 3.0) if wide else (1.0, 2.0, 5.0)))
        axis.set_major_formatter(LogFormatterSciNotation(minor_thresholds=(np.inf, np.inf)))
    if len(values) and values.max() < 1.001 * values.min():
        getattr(axis.axes, f"set_{side}lim")(values.min() / 2, 2 * values.max())


def _colour(series: Series) -> Any:
    import matplotlib

    if series.shade is not None:
        return matplotlib.colormaps["viridis"](_DARKEST * series.shade)
    return PALETTE[series.hue % len(PALETTE)]


def _series(ax: Axes, s: Series, number: int, panel: Panel) -> None:
    colour, label = _colour(s), literal(s.label) or "_"
    dashes = _DASHES[s.mark % len(_DASHES)]
    if s.kind == "points":
        joined = len(s.x) > 1 and not panel.x.ticks and not _has_line(panel, s)
        line = {"linestyle": dashes, "linewidth": 0.7} if joined else {"linestyle": "none"}
        ax.errorbar(
            s.x,
            s.y,
            yerr=None if s.error is None else np.nan_to_num(s.error),
            color=colour,
            marker=MARKERS[s.mark % len(MARKERS)],
            markerfacecolor=colour if s.filled else "white",
            markersize=_marker_size(panel),
            elinewidth=1.0,
            zorder=3 + 0.01 * number,
            label=label,
            **line,  # type: ignore[arg-type]
        )
        if joined and s.error is not None and len(s.x) > 2:
            band = np.nan_to_num(s.error)
            ax.fill_between(s.x, s.y - band, s.y + band, color=colour, alpha=0.15, linewidth=0, zorder=1)
        if s.accurate is not None and not s.accurate.all():
            told = any(h.get_label() == _POOR for h in ax.get_lines())
            poor = ~s.accurate
            ax.plot(s.x[poor], s.y[poor], zorder=9, label="_" if told else _POOR, **INACCURATE)
    elif s.kind == "measured":
        ax.errorbar(
            s.x,
            s.y,
            yerr=s.error,
            color="black",
            marker=("*", "h", "<", ">", "d")[s.mark % 5],
            markersize=7,
            markerfacecolor="#F0E442",
            linestyle="none",
            elinewidth=1.0,
            zorder=8,
            label=label,
        )
    elif s.kind == "level":
        ax.plot(s.x, s.y, color=colour, linestyle=":", linewidth=1.0, zorder=1, label=label)
        if s.error is not None:
            ax.fill_between(
                s.x, s.y - s.error, s.y + s.error, color=colour, alpha=0.18, linewidth=0, zorder=0
            )
    elif s.kind == "steps":
        ax.step(s.x, s.y, where="mid", color=colour, linestyle=dashes, label=label, zorder=2)
        if s.error is not None:
            ax.errorbar(s.x, s.y, yerr=np.nan_to_num(s.error), color=colour, linestyle="none", zorder=3)
    elif s.kind == "dots":
        face = colour if s.filled else "white"
        ax.plot(
            s.x,
            s.y,
            MARKERS[s.mark % len(MARKERS)],
            color=colour,
            markerfacecolor=face,
            zorder=3,
            label=label,
        )
    else:
        style = "--" if s.kind == "fit" else dashes
        ax.plot(s.x, s.y, color=colour, linestyle=style, linewidth=1.1, zorder=1, label=label)
        if s.error is not None:
            low, high = s.y - s.error, s.y + s.error
            ax.fill_between(s.x, low, high, color=colour, alpha=0.15, linewidth=0, zorder=0)


def _marker_size(panel: Panel) -> float:
    """Of many lines the markers are small: they would bury each other."""
    import matplotlib

    many = sum(s.kind == "points" for s in panel.series) > 8
    return float(matplotlib.rcParams["lines.markersize"]) * (0.6 if many else 1.0)


_POOR = "not as accurate as asked"


def _has_line(panel: Panel, points: Series) -> bool:
    """Whether a line is drawn through these points already."""
    return any(
        s.kind in ("line", "fit")
        and points.where.items() <= s.where.items()
        and (s.hue, s.shade) == (points.hue, points.shade)
        for s in panel.series
    )


def _breathe(ax: Axes, axis: Axis) -> None:
    """Room above and below; a linear axis of large or small numbers with one power of ten."""
    ax.margins(y=0.08)
    if axis.scale == "linear":
        ax.ticklabel_format(axis="y", style="sci", scilimits=(-3, 4), useMathText=True)
        low, high = ax.dataLim.intervaly
        if low > 0 and high < 1.3 * low:
            ax.margins(y=0.35)


def _kelvin(ax: Axes, temperature: FloatArray, inches: float) -> None:
    """Temperatures along the top, as many as fit without touching."""
    import matplotlib

    low, high = ax.get_xlim()
    letters = max(len(f"{t:g}") for t in temperature) + 1.5
    gap = letters * 0.65 * float(matplotlib.rcParams["font.size"]) / 72 / (0.72 * inches)
    shown = [float(t) for t in temperature[[0, -1]]] if len(temperature) > 1 else [float(temperature[0])]
    for t in temperature[1:-1]:
        if all(abs(1000 / t - 1000 / s) > gap * (high - low) for s in shown):
            shown.append(float(t))
    top = ax.secondary_xaxis("top")
    top.set_xticks([1000 / t for t in shown], labels=[f"{t:g}" for t in shown])
    top.minorticks_off()
    top.set_xlabel("T  (K)")


def _colour_scale(
    ax: Axes, label: str, ticks: list[tuple[float, str]], marks: Mapping[float, Series]
) -> None:
    """marks : shade to a series that has it; its marker stands on the scale, for who sees no colours."""
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    n = len(ticks)
    colours = matplotlib.colormaps["viridis"]([_DARKEST * t for t, _ in ticks])
    bar = ax.figure.colorbar(
        ScalarMappable(BoundaryNorm(np.arange(n + 1) - 0.5, n), ListedColormap(colours)),
        ax=ax,
        pad=0.02,
        aspect=30,
    )
    shown = range(0, n, -(-n // 12))
    bar.set_ticks(list(shown), labels=[literal(ticks[k][1]) for k in shown])
    bar.minorticks_off()
    bar.ax.tick_params(length=0)
    bar.set_label(literal(label))
    for k, (shade, _) in enumerate(ticks):
        if shade in marks:
            mark_scale(bar.ax, k, MARKERS[marks[shade].mark % len(MARKERS)], n)


def _heat(ax: Axes, heat: Heat, panel: Panel) -> None:
    """A map in colours that stay in order in grey; values are written in where there is room."""
    from matplotlib.colors import LogNorm, Normalize

    low, high = float(np.nanmin(heat.z)), float(np.nanmax(heat.z))
    norm = LogNorm(low, high) if heat.axis.scale == "log" and low < high else Normalize(low, high)
    mesh = ax.pcolormesh(
        _edges(heat.x, panel.x),
        _edges(heat.y, panel.y),
        heat.z,
        norm=norm,
        cmap="cividis",
        rasterized=heat.z.size > 4000,
    )
    bar = ax.figure.colorbar(mesh, ax=ax, pad=0.02)
    bar.set_label(literal(heat.axis.text))
    if heat.axis.scale == "linear":
        bar.ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    poor = np.argwhere(~heat.accurate & np.isfinite(heat.z))
    if len(poor):
        ax.plot(heat.x[poor[:, 1]], heat.y[poor[:, 0]], label=_POOR, **INACCURATE)


def _edges(centres: FloatArray, axis: Axis) -> FloatArray:
    """Borders half-way between the places of a map."""
    c = np.log(centres) if axis.scale == "log" else np.asarray(centres, float)
    if len(c) == 1:
        borders = np.array([c[0] - 0.5, c[0] + 0.5])
    else:
        middle = (c[1:] + c[:-1]) / 2
        borders = np.concatenate([[2 * c[0] - middle[0]], middle, [2 * c[-1] - middle[-1]]])
    return np.exp(borders) if axis.scale == "log" else borders


def _legend(figure: Figure, axes: Any, size: Size) -> None:
    """One legend above all panels, so that it covers no number; the picture grows by its height.

    A label that several panels or lines share is told once, in grey where their colours differ.
    """
    from matplotlib.lines import Line2D

    found: dict[str, list[Any]] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, []).append(handle)
    if not found:
        return
    handles = []
    for same in found.values():
        shared = len({str(getattr(h, "get_color", lambda: "")()) for h in same}) > 1
        style = {"color": "0.35", "linestyle": same[0].get_linestyle()} if shared else {}
        handles.append(Line2D([], [], **style) if style else same[0])
    longest = max(map(len, found))
    room = size.width / 25.4 * 72 / (0.55 * size.font)  # letters across
    columns = int(max(1, min(len(found), room // (longest + 7))))
    rows = -(-len(found) // columns)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 1.45 * rows * size.font / 72)
    figure.legend(
        handles, found.keys(), loc="outside upper center", ncols=columns, handlelength=2.4, columnspacing=1.4
    )
