"""The usual picture of a run with axes of composition."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import composition_axes
from .against import chart_against
from .drawing import draw

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

__all__ = ["has_numbers", "plot_compositions"]


def plot_compositions(
    dataset: xarray.Dataset, path: str | Path | None, *, dpi: float, overwrite: bool
) -> Figure:
    """Mobility against the composition; the tracer's diffusivity where no carrier has a charge."""
    axes = composition_axes(dataset)
    axis = next((n for n in axes if dataset.sizes[n] > 1), axes[0])
    chart = chart_against([("", dataset)], _what(dataset), against=axis)
    return draw(chart, path, dpi=dpi, overwrite=overwrite)


def has_numbers(dataset: xarray.Dataset) -> bool:
    """Whether there is anything to draw."""
    names = ("mobility", "mobility_einstein") if _what(dataset) == "mobility" else ("tracer_diffusivity",)
    return any(bool(np.isfinite(dataset[n].values).any()) for n in names if n in dataset)


def _what(dataset: xarray.Dataset) -> str:
    return "mobility" if np.any(dataset["carrier_charge"].values != 0) else "tracer_diffusivity"
