"""Pictures of a result: mobility and drift velocity against temperature and field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import composition_axes
from ..errors import StoreError
from ..ndarrays import BoolArray, FloatArray, IntArray
from ..store import average_samples
from .compositions import has_numbers, plot_compositions
from .style import INACCURATE, MARKERS, PALETTE, STYLE, add_legend, literal, mark_of, mark_scale, save_figure

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["can_draw", "plot_results"]

_MAX_FIELDS = 4
"""More fields than this would bury each other in one panel."""
_MAX_LINES, _FINE_FROM = 60, 13
"""Lines in one panel at the most; from how many on they are drawn finer."""
_MAX_TICKS = 14
_CM2 = 1e4
"""cm² in a m²."""


@dataclass(frozen=True, kw_only=True)
class _Cell:
    """Numbers of one direction of the field: (temperature, field, carrier) arrays in the units of the plot."""

    temperature: FloatArray
    field: FloatArray
    carriers: tuple[str, ...]
    mobility: FloatArray
    mobility_stderr: FloatArray
    mobility_exact: FloatArray
    accurate: BoolArray
    """(temperature, field) whether the point is as accurate as asked."""
    neutral: bool = False
    """Whether no carrier has a charge: the numbers are then the tracer's diffusivity (cm²/s), not mobilities."""

    @property
    def has_numbers(self) -> bool:
        return bool(np.isfinite(self.mobility).any() or np.isfinite(self.mobility_exact).any())

    @property
    def doubtful(self) -> list[Any]:
        """For a legend: what marks points that are not as accurate as asked, where there are any."""
        if not np.isfinite(self.mobility[~self.accurate]).any():
            return []
        return [_proxy(**INACCURATE, label="not as accurate as asked")]

    @property
    def scaled(self) -> FloatArray:
        """(1, field, 1) factor from mobility in cm²/(V s) to drift velocity along the field in m/s."""
        return (self.field / _CM2)[None, :, None]

    def label(self, carrier: int) -> str:
        """Name of the carrier; says what the sign was, since magnitudes are drawn."""
        values = self.mobility[..., carrier]
        if not np.isfinite(values).any():
            values = self.mobility_exact[..., carrier]
        signs = {bool(v < 0) for v in values[np.isfinite(values)]}
        note = {frozenset({True}): " (negative)", frozenset({True, False}): " (magnitude; sign varies)"}
        return literal(self.carriers[carrier].replace("_", " ")) + note.get(frozenset(signs), "")


def plot_results(
    dataset: xarray.Dataset,
    path: str | Path | None = None,
    *,
    directions: Sequence[str] | None = None,
    carriers: Sequence[str] | None = None,
    dpi: float = 160,
    overwrite: bool = False,
) -> Figure:
    """Mobility against temperature beside drift velocity against field, one row per direction of the field.

    Of a run with axes of composition: mobility against the first of them. Of carriers without charge, where there are
    no others: the tracer's diffusivity.

    Markers are simulated values with one standard error, lines the exact answer where there is one. With one
    temperature the mobility is drawn against the field; with one field the drift velocity against the
    temperature; with none but zero field there is only the mobility. Negative values are drawn as magnitudes
    and marked so. Of many fields or temperatures some are drawn, evenly chosen, the extremes among them.

    Parameters
    ----------
    dataset : from `kmc_transport.store.open_results` or `build_dataset`.
    path : file to write (the suffix says the format: .png, .pdf, .svg); None writes nothing.
    directions, carriers : labels to draw; None draws all.
    overwrite : replace ``path`` even when this package did not draw what is there.

    Raises
    ------
    StoreError
        When no point is finished yet, a label is unknown, or the file cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    dataset = average_samples(dataset)
    if composition_axes(dataset):
        if not has_numbers(dataset):
            raise StoreError("holds no mobility to draw yet", remedy="run the input to its end first")
        return plot_compositions(dataset, path, dpi=dpi, overwrite=overwrite)
    picked = _labels(dataset, "direction", directions)
    names = _labels(dataset, "carrier", carriers)
    cells = [_cell(dataset, d, names) for d in picked]
    if not any(c.has_numbers for c in cells):
        raise StoreError("holds no mobility to draw yet", remedy="run the input to its end first")
    n_panels = 2 if (cells[0].field > 0).any() and not cells[0].neutral else 1
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.4 * n_panels + 0.4, 3.8 * len(cells)), layout="constrained")
        axes = figure.subplots(len(cells), n_panels, squeeze=False)
        for row, cell, label in zip(axes, cells, picked, strict=True):
            _draw_mobility(row[0], cell)
            if n_panels == 2:
                _draw_velocity(row[1], cell)
            for ax in row:
                _magnitude_axis(ax)
            if len(cells) > 1 or n_panels == 2:
                row[-1].set_title(f"field along {literal(label)}", fontsize=9, loc="right")
        for ax, letter in zip(axes.flat, "abcdefghijklmnopqrstuvwxyz", strict=False):
            if axes.size > 1:
                ax.text(-0.16, 1.03, f"({letter})", transform=ax.transAxes, fontsize=10, fontweight="bold")
        if path is not None:
            save_figure(figure, path, dpi, overwrite=overwrite)
    return figure


def can_draw(dataset: xarray.Dataset) -> bool:
    """Whether there is a mobility to draw."""
    dataset = average_samples(dataset)
    if composition_axes(dataset):
        return has_numbers(dataset)
    names = _labels(dataset, "carrier", None)
    return any(_cell(dataset, d, names).has_numbers for d in _labels(dataset, "direction", None))


def _labels(dataset: xarray.Dataset, dim: str, wanted: Sequence[str] | None) -> tuple[str, ...]:
    there = tuple(str(v) for v in dataset[dim].values)
    for label in wanted or ():
        if label not in there:
            raise StoreError(
                f"there is no such {dim}",
                key=dim,
                value=label,
                allowed=", ".join(there),
                remedy="choose one of these",
            )
    return there if wanted is None else tuple(wanted)


def _cell(dataset: xarray.Dataset, direction: str, carriers: tuple[str, ...]) -> _Cell:
    """One direction; at zero field the Einstein mobility takes the place of v/E, without any charge the tracer's D."""
    order = np.argsort(dataset["temperature"].values)
    d = [str(v) for v in dataset["direction"].values].index(direction)
    c = [[str(v) for v in dataset["carrier"].values].index(name) for name in carriers]
    field = np.asarray(dataset["field"].values, float)

    neutral = not np.any(dataset["carrier_charge"].values[c])

    def take(suffix: str) -> FloatArray:
        if neutral and f"tracer_diffusivity{suffix}" in dataset:
            unit = dataset["direction_vector"].values[d]
            unit = np.abs(unit) if suffix == "_stderr" else unit
            array = dataset[f"tracer_diffusivity{suffix}"]
            tensor = array.transpose("temperature", "field", "direction", "carrier", "axis", "axis_2").values
            return np.einsum("i,tfaij,j->tfa", unit, tensor[order][:, :, d][:, :, c], unit) * _CM2
        parts = []
        for name in ("mobility" + suffix, "mobility_einstein" + suffix):
            if name in dataset:
                parts.append(dataset[name].transpose("temperature", "field", "direction", "carrier").values)
            else:
                parts.append(
                    np.full(
                        [dataset.sizes[k] for k in ("temperature", "field", "direction", "carrier")], np.nan
                    )
                )
        joined = np.where(field[None, :, None, None] > 0, parts[0], parts[1])
        return joined[order][:, :, d][:, :, c] * _CM2

    return _Cell(
        temperature=dataset["temperature"].values[order],
        field=field,
        carriers=carriers,
        mobility=take(""),
        mobility_stderr=take("_stderr"),
        mobility_exact=take("_exact"),
        accurate=dataset["converged"].transpose("temperature", "field", "direction").values[order][:, :, d],
        neutral=neutral,
    )


def _errorbars(
    ax: Axes,
    x: FloatArray,
    y: FloatArray,
    error: FloatArray,
    accurate: BoolArray,
    **style: Any,
) -> None:
    """|y| with error bars, where there is a number; crosses on those that are not as accurate as asked."""
    good = np.isfinite(y) & (y != 0)
    error = np.where(np.isfinite(error), error, 0.0)
    ax.errorbar(x[good], np.abs(y[good]), yerr=error[good], linestyle="none", elinewidth=1.0, **style)
    poor = good & ~accurate
    if poor.any():
        ax.plot(x[poor], np.abs(y[poor]), zorder=9, **INACCURATE)


def _exact_line(ax: Axes, x: FloatArray, y: FloatArray, **style: Any) -> bool:
    """Line through |y|; a lone point is drawn as a short dash. Whether there was anything."""
    good = np.isfinite(y) & (y != 0)
    if good.sum() == 1:
        style |= {"marker": "_", "markersize": 14}
    ax.plot(x[good], np.abs(y[good]), zorder=1, **style)
    return bool(good.any())


def _proxy(**style: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], **({"linestyle": "none", "color": "0.35"} | style))


def _swatch(color: str, label: str) -> Any:
    return _proxy(linestyle="-", linewidth=5.0, solid_capstyle="butt", color=color, label=label)


def _magnitude_axis(ax: Axes) -> None:
    """Logarithmic axis; linear where the values span so little that its labels would all look alike."""
    low, high = ax.dataLim.intervaly
    if low > 0 and high < 1.6 * low:
        ax.set_yscale("linear")
        ax.margins(y=0.35)
        ax.ticklabel_format(axis="y", style="sci", scilimits=(0, 0), useMathText=True)


def _some(indices: IntArray, limit: int) -> IntArray:
    """At most ``limit`` of them, evenly spread, the first and the last among them."""
    if len(indices) <= limit:
        return indices
    return indices[np.unique(np.linspace(0, len(indices) - 1, limit).round().astype(int))]


def _power(value: float) -> str:
    """1e7 as 10⁷, 3e7 as 3×10⁷."""
    mantissa, exponent = f"{value:.3e}".split("e")
    head = mantissa.rstrip("0").rstrip(".")
    power = rf"10^{{{int(exponent)}}}"
    return f"${power}$" if head == "1" else rf"${head}\times{power}$"


def _draw_mobility(ax: Axes, cell: _Cell) -> None:
    ax.set_yscale("log", nonpositive="clip")
    mobility = r"mobility  $|\mu|$  (cm$^2$ V$^{-1}$ s$^{-1}$)"
    ax.set_ylabel(r"diffusivity  $D^*$  (cm$^2$ s$^{-1}$)" if cell.neutral else mobility)
    if len(cell.temperature) == 1 and (cell.field > 0).any() and len(cell.field) > 1:
        _mobility_against_field(ax, cell)
    else:
        _against_temperature(ax, cell, np.arange(len(cell.field)), factor=np.ones((1, len(cell.field), 1)))


def _draw_velocity(ax: Axes, cell: _Cell) -> None:
    ax.set_yscale("log", nonpositive="clip")
    ax.set_ylabel(r"drift velocity  $|v|$  (m s$^{-1}$)")
    nonzero = np.flatnonzero(cell.field > 0)
    if len(nonzero) == 1 and len(cell.temperature) > 1:
        _against_temperature(ax, cell, nonzero, factor=cell.scaled)
    else:
        _velocity_against_field(ax, cell, nonzero)


def _against_temperature(ax: Axes, cell: _Cell, fields: IntArray, *, factor: FloatArray) -> None:
    """Arrhenius plot: colour tells the carrier, marker the field; filled at zero field."""
    x = 1000.0 / cell.temperature
    value, error, exact = cell.mobility * factor, cell.mobility_stderr * factor, cell.mobility_exact * factor
    known = np.isfinite(value) | np.isfinite(exact)
    drawn = _some(np.array([f for f in fields if known[:, f].any()], int), _MAX_FIELDS)
    any_exact = False
    for c in range(len(cell.carriers)):
        color = PALETTE[c % len(PALETTE)]
        for f in drawn:
            any_exact |= _exact_line(ax, x, exact[:, f, c], color=color)
        for i, f in enumerate(drawn):
            face = color if cell.field[f] == 0 else "white"
            _errorbars(
                ax,
                x,
                value[:, f, c],
                error[:, f, c],
                cell.accurate[:, f],
                color=color,
                marker=MARKERS[i],
                markerfacecolor=face if i == 0 else "none",
                markersize=_size(i),
                zorder=4 - 0.1 * i,
            )
    handles = [_swatch(PALETTE[c % len(PALETTE)], cell.label(c)) for c in range(len(cell.carriers))]
    for i, f in enumerate(drawn):
        zero = cell.field[f] == 0
        how = "no field" if cell.neutral else "zero field (Einstein)"
        label = how if zero else f"$E$ = {_power(cell.field[f])} V/m"
        face = "0.35" if zero else "none"
        handles.append(_proxy(marker=MARKERS[i], markerfacecolor=face, markersize=_size(i), label=label))
    if any_exact:
        handles.append(_proxy(linestyle="-", label="exact"))
    ax.set_xlabel(r"1000 / $T$  (K$^{-1}$)")
    add_legend(ax, [*handles, *cell.doubtful], loc="best")
    _kelvin_axis(ax, cell.temperature)


def _size(field: int) -> float:
    """Of the markers of a field: those of fields that agree surround each other."""
    return 4.5 + 1.6 * field


def _kelvin_axis(ax: Axes, temperature: FloatArray) -> None:
    """Temperatures along the top, as many as fit without touching."""
    low, high = ax.get_xlim()
    shown = [float(t) for t in temperature[[0, -1]]] if len(temperature) > 1 else [float(temperature[0])]
    for t in temperature[1:-1]:
        if all(abs(1000 / t - 1000 / s) > 0.083 * (high - low) for s in shown):
            shown.append(float(t))
    top = ax.secondary_xaxis("top")
    top.set_xticks([1000 / t for t in shown], labels=[f"{t:g}" for t in shown])
    top.minorticks_off()
    top.set_xlabel(r"$T$  (K)")


def _mobility_against_field(ax: Axes, cell: _Cell) -> None:
    """One temperature: colour and marker tell the carrier; the zero-field value is a band across."""
    nonzero = np.flatnonzero(cell.field > 0)
    zero = np.flatnonzero(cell.field == 0)
    x = cell.field[nonzero]
    handles, any_exact = [], False
    for c in range(len(cell.carriers)):
        color = PALETTE[c % len(PALETTE)]
        marker = MARKERS[c % len(MARKERS)]
        handles.append(_proxy(marker=marker, color=color, label=cell.label(c)))
        any_exact |= _exact_line(ax, x, cell.mobility_exact[0, nonzero, c], color=color)
        _errorbars(
            ax,
            x,
            cell.mobility[0, nonzero, c],
            cell.mobility_stderr[0, nonzero, c],
            cell.accurate[0, nonzero],
            color=color,
            marker=marker,
            zorder=3,
        )
        if len(zero) and np.isfinite(cell.mobility[0, zero[0], c]):
            value, error = abs(cell.mobility[0, zero[0], c]), cell.mobility_stderr[0, zero[0], c]
            ax.axhspan(value - error, value + error, color=color, alpha=0.25, linewidth=0)
            ax.axhline(value, color=color, linestyle=":", linewidth=1.0)
    if len(zero) and np.isfinite(cell.mobility[0, zero[0]]).any():
        handles.append(_proxy(linestyle=":", label="zero field (Einstein)"))
    if any_exact:
        handles.append(_proxy(linestyle="-", label="exact"))
    ax.set_xscale("log")
    ax.set_xlabel(r"electric field  $E$  (V m$^{-1}$)")
    add_legend(ax, [*handles, *cell.doubtful], loc="best", title=f"$T$ = {cell.temperature[0]:g} K")


def _velocity_against_field(ax: Axes, cell: _Cell, fields: IntArray) -> None:
    """Colour tells the temperature, in grey the markers on the scale; markers and dashes tell the carrier."""
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    # a colour bar orders many lines; more than these would bury each other
    chosen = _some(np.arange(len(cell.temperature)), max(3, _MAX_LINES // len(cell.carriers)))
    x, temperature, n = cell.field[fields], cell.temperature[chosen], len(chosen)
    value, error, exact = (
        (a * cell.scaled)[chosen][:, fields]
        for a in (cell.mobility, cell.mobility_stderr, cell.mobility_exact)
    )
    colors = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.85, n)) if n > 1 else None
    dashes = ("-", "--", ":", "-.")
    fine = n * len(cell.carriers) >= _FINE_FROM
    line: dict[str, Any] = {"linewidth": 0.7} if fine else {}
    point: dict[str, Any] = {"markersize": 2.6, "capsize": 1.4} if fine else {}
    any_exact = False
    for c in range(len(cell.carriers)):
        for t in range(n):
            color = PALETTE[c % len(PALETTE)] if colors is None else colors[t]
            any_exact |= _exact_line(
                ax, x, exact[t, :, c], color=color, linestyle=dashes[c % len(dashes)], **line
            )
            _errorbars(
                ax,
                x,
                value[t, :, c],
                error[t, :, c],
                cell.accurate[chosen[t], fields],
                color=color,
                marker=MARKERS[mark_of(c, len(cell.carriers), t) % len(MARKERS)],
                zorder=3,
                **point,
            )
    ax.set_xscale("log")
    ax.set_xlabel(r"electric field  $E$  (V m$^{-1}$)")
    handles = [
        _proxy(
            marker=MARKERS[c % len(MARKERS)],
            linestyle=dashes[c % len(dashes)] if any_exact and len(cell.carriers) > 1 else "none",
            color="0.35" if colors is not None else PALETTE[c % len(PALETTE)],
            label=cell.label(c),
        )
        for c in range(len(cell.carriers))
    ]
    if any_exact:
        handles.append(_proxy(linestyle="-", label="exact"))
    add_legend(
        ax,
        [*handles, *cell.doubtful],
        loc="best",
        title=f"$T$ = {temperature[0]:g} K" if n == 1 else None,
    )
    if colors is not None:
        norm = BoundaryNorm(np.arange(n + 1) - 0.5, n)
        bar = ax.figure.colorbar(ScalarMappable(norm, ListedColormap(colors)), ax=ax, pad=0.02, aspect=30)
        shown = range(0, n, -(-n // _MAX_TICKS))
        bar.set_ticks(list(shown), labels=[f"{temperature[t]:.4g}" for t in shown])
        bar.minorticks_off()
        bar.ax.tick_params(length=0)
        bar.set_label(r"$T$  (K)")
        for t in range(n):
            mark_scale(bar.ax, t, MARKERS[mark_of(0, len(cell.carriers), t) % len(MARKERS)], n)
