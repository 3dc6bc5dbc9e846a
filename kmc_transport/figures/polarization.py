"""Picture of the dipole along a hop, after Figs. 1 and 3 of Salles et al., Nat. Commun. 11, 3330 (2020)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ndarrays import FloatArray
from .style import PALETTE, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..sources.polarization import DipoleLevel, DipoleTable

__all__ = ["plot_dipole_path"]

_STYLE: Any = {
    "font.size": 9.0,
    "axes.labelsize": 10.0,
    "legend.fontsize": 8.0,
    "axes.linewidth": 0.8,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
}
_SHORT = {
    "berry": "Berry phase",
    "path_integral": "eq. 4",
    "constant": "eq. 5",
    "isotropic": "eq. 5, Tr/3",
    "classical": "eq. 1, nominal charge",
}


def plot_dipole_path(
    table: DipoleTable,
    path: str | Path | None = None,
    *,
    dpi: float = 160,
    overwrite: bool = False,
) -> Figure:
    """Dipole change from the start against the net displacement of the migrating atom.

    Left: its components along that displacement and across it at the best level, and the parallel one at the
    others. Right: the parallel parts of the migrating atom and of its environment.

    Parameters
    ----------
    table : of `kmc_transport.sources.polarization.saddle_dipole_levels`.
    path : file to write (the suffix says the format); None writes nothing. overwrite : even where this package did
        not draw what is there.

    Raises
    ------
    InputError : the file cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(8.6, 3.7), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _draw_levels(left, table)
        _draw_parts(right, table)
        atom = table.images.migrating_atom
        for ax, letter in ((left, "a"), (right, "b")):
            ax.axhline(0.0, color="0.75", linewidth=0.7, zorder=0)
            ax.axvline(table.best.length, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
            ax.annotate(
                "saddle",
                (table.best.length, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(-3, -4),
                textcoords="offset points",
                rotation=90,
                va="top",
                ha="right",
                fontsize=8,
                color="0.4",
            )
            ax.set_xlabel(f"displacement of the migrating atom ({table.images.symbols[atom]} {atom})  (Å)")
            ax.set_title(f"({letter})", loc="left", fontsize=10, fontweight="bold")
        left.set_ylabel(r"dipole change  $\Omega\,\Delta P$  (e Å)")
        if path is not None:
            save_figure(figure, path, dpi, overwrite=overwrite)
    return figure


def _along(level: DipoleLevel, dipoles: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(distance, component along the net displacement so far, length of the rest) at the level's images."""
    distance = np.linalg.norm(level.displacement, axis=1)
    safe = np.where(distance > 1e-3, distance, 1.0)[:, None]
    direction = np.where(distance[:, None] > 1e-3, level.displacement / safe, level.direction)
    parallel = np.einsum("ia,ia->i", dipoles, direction)
    rest = np.linalg.norm(dipoles - parallel[:, None] * direction, axis=1)
    return distance, parallel, rest


def _draw_levels(ax: Axes, table: DipoleTable) -> None:
    best = table.best
    x, parallel, rest = _along(best, best.series)
    name = _SHORT.get(best.key, best.title)
    ax.plot(x, parallel, "o-", color=PALETTE[0], label=rf"$\Delta P_\parallel$, {name}", zorder=4)
    ax.plot(x, rest, "s-", color=PALETTE[1], markersize=3.5, label=rf"$|\Delta P_\perp|$, {name}", zorder=3)
    dashes = {"path_integral": "-", "constant": "--", "isotropic": "-.", "classical": ":"}
    for k, level in enumerate(lv for lv in table.levels[1:] if lv.key in dashes):
        x, parallel, _ = _along(level, level.series)
        ax.plot(
            x,
            parallel,
            dashes[level.key],
            color=PALETTE[2 + k % 4],
            label=rf"$\Delta P_\parallel$, {_SHORT[level.key]}",
            zorder=2,
        )
    ax.legend(loc="best")


def _draw_parts(ax: Axes, table: DipoleTable) -> None:
    """Total, migrating atom, environment of the best level that tells them apart."""
    level = next((lv for lv in table.levels if np.isfinite(lv.migrating).all()), table.best)
    parts = (
        (level.series, "o", "total"),
        (level.migrating_series, "^", "migrating atom"),
        (level.series - level.migrating_series, "v", "environment"),
    )
    for k, (series, marker, label) in enumerate(parts):
        x, parallel, _ = _along(level, series)
        color = PALETTE[(0, 2, 3)[k]]
        ax.plot(x, parallel, marker + "-", color=color, label=label, markerfacecolor="white" if k else None)
    ax.legend(loc="best", title=_SHORT.get(level.key, level.title))
