"""Picture of two runs side by side: the same system with two responses to the field."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StoreError
from .style import MARKERS, PALETTE, STYLE, literal, save_figure

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_comparison"]

_MAX_TEMPERATURES = 4


def plot_comparison(
    pairs: Sequence[tuple[xarray.Dataset, xarray.Dataset]],
    path: str | Path | None = None,
    *,
    titles: Sequence[str] | None = None,
    labels: tuple[str, str] | None = None,
    temperatures: Sequence[float] | None = None,
    dpi: float = 160,
    overwrite: bool = False,
) -> Figure:
    """Drift velocities against field of two runs of one system, their ratio, and the Einstein check of both.

    One column for each pair, direction of the field and carrier. Top: drift velocity along the field
    (magnitude), the second run with open markers and dashes. Middle: second over first. Bottom: mobility over
    the Einstein mobility at zero field, which is 1 in a weak field wherever the work of the field is a state
    function. Markers: simulated, one standard error; lines: exact, where there is an exact answer.

    Parameters
    ----------
    pairs : results of `kmc_transport.open_results` on the same grid, zero field and others.
    path : file to write; None writes nothing. overwrite : even where this package did not draw what is there.
    titles, labels : of the pairs, and of the two runs (default: their field responses).
    temperatures : K, to draw; by default some, evenly chosen.

    Raises
    ------
    StoreError : grids that differ, no zero field, a temperature that is not there, a file that cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    for first, second in pairs:
        _check(first, second)
    with matplotlib.rc_context(STYLE):
        columns = [
            (k, d, a)
            for k, (first, _) in enumerate(pairs)
            for d, a in np.ndindex(first.sizes["direction"], first.sizes["carrier"])
        ]
        figure = Figure(figsize=(3.9 * len(columns) + 0.3, 7.4), layout="constrained")
        axes = figure.subplots(3, len(columns), squeeze=False, sharex="col", height_ratios=(1.5, 1, 1))
        for column, (k, d, a) in enumerate(columns):
            first, second = (dataset.isel(direction=d, carrier=a) for dataset in pairs[k])
            names = labels or (_response(first), _response(second))
            if names[0] == names[1]:
                names = ("first run", "second run")
            _column(list(axes[:, column]), (first, second), _chosen(first, temperatures), names)
            title = str(first.attrs["title"]).split(" [")[0] if titles is None else titles[k]
            if len(columns) > len(pairs):
                title += f"\n{first['carrier'].item()}, field along {first['direction'].item()}"
            axes[0, column].set_title(literal(title), fontsize=9)
        for ax, text in zip(
            axes[:, 0],
            ("drift velocity (m/s)", "ratio of drift velocities", "mobility / Einstein mobility"),
            strict=True,
        ):
            ax.set_ylabel(text)
        if path is not None:
            save_figure(figure, path, dpi, overwrite=overwrite)
    return figure


def _check(first: xarray.Dataset, second: xarray.Dataset) -> None:
    for name in ("temperature", "field", "direction_vector", "carrier"):
        a, b = first[name].values, second[name].values
        if a.shape != b.shape or not np.all(a == b):
            raise StoreError(
                "is not the same in the two runs",
                key=name,
                value=b.tolist(),
                allowed=str(a.tolist()),
                remedy="compare runs of one grid",
            )
    field = first["field"].values
    if not ((field == 0).any() and (field > 0).any()):
        raise StoreError(
            "the comparison needs zero field and other fields",
            key="field",
            value=field.tolist(),
            remedy="add 0 V/m",
        )


def _chosen(dataset: xarray.Dataset, wanted: Sequence[float] | None) -> list[int]:
    there = dataset["temperature"].values
    if wanted is None:
        n = min(len(there), _MAX_TEMPERATURES)
        return sorted({round(x) for x in np.linspace(0, len(there) - 1, n)})
    found = [np.flatnonzero(np.isclose(there, t)) for t in wanted]
    for t, where in zip(wanted, found, strict=True):
        if not len(where):
            raise StoreError(
                "there is no such temperature",
                key="temperature",
                value=t,
                allowed=", ".join(f"{x:g}" for x in there),
            )
    return [int(w[0]) for w in found]


def _response(dataset: xarray.Dataset) -> str:
    kinds = sorted(set(dataset["hop_class_response"].values.tolist()))
    return "classical" if "classical" in kinds else "charge centres, Q"


def _column(
    axes: Sequence[Axes],
    pair: tuple[xarray.Dataset, xarray.Dataset],
    kelvin: list[int],
    names: tuple[str, str],
) -> None:
    top, middle, bottom = axes
    field = pair[0]["field"].values
    driven = np.flatnonzero(field > 0)
    zero = int(np.flatnonzero(field == 0)[0])
    x = field[driven]
    for k, t in enumerate(kelvin):
        colour = PALETTE[k % len(PALETTE)]
        values, errors, exacts = [], [], []
        for run, dataset in enumerate(pair):
            mu = dataset["mobility"].values[t, :]
            stderr = dataset["mobility_stderr"].values[t, :]
            exact = (
                dataset["mobility_exact"].values[t, :]
                if "mobility_exact" in dataset
                else np.full(mu.shape, np.nan)
            )
            weak = dataset["mobility_einstein"].values[t, zero]
            weak_stderr = dataset["mobility_einstein_stderr"].values[t, zero]
            style: dict[str, Any] = {"color": colour, "marker": MARKERS[run], "linestyle": "none"}
            style |= {"markerfacecolor": "none"} if run else {}
            line: dict[str, Any] = {"color": colour, "linestyle": "--" if run else "-", "linewidth": 1.0}
            label = f"{dataset['temperature'].values[t]:g} K, {literal(names[run])}"
            top.errorbar(x, np.abs(mu[driven]) * x, stderr[driven] * x, label=label, **style)
            top.plot(x, np.abs(exact[driven]) * x, **line)
            ratio = mu[driven] / weak
            error = np.abs(ratio) * np.hypot(stderr[driven] / mu[driven], weak_stderr / weak)
            bottom.errorbar(x, ratio, error, **style)
            exact_weak = (
                dataset["mobility_einstein_exact"].values[t, zero]
                if "mobility_einstein_exact" in dataset
                else np.nan
            )
            bottom.plot(x, exact[driven] / exact_weak, **line)
            values.append(mu[driven])
            errors.append(stderr[driven])
            exacts.append(exact[driven])
        quotient = values[1] / values[0]
        error = np.abs(quotient) * np.hypot(errors[0] / values[0], errors[1] / values[1])
        middle.errorbar(x, quotient, error, color=colour, marker="o", linestyle="none")
        middle.plot(x, exacts[1] / exacts[0], color=colour, linewidth=1.0)
    top.set_xscale("log")
    top.set_yscale("log")
    top.legend()
    for ax in (middle, bottom):
        ax.axhline(1.0, color="#999999", linewidth=0.8, zorder=0)
    low, high = bottom.get_ylim()
    bottom.set_ylim(max(low, 0.0), min(high, 3.0))
    low, high = middle.get_ylim()
    if high / max(low, 1e-3) > 30:
        middle.set_yscale("log")
    bottom.set_xlabel("field (V/m)")
