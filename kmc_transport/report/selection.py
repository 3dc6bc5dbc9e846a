"""Some conditions of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import axes_of
from ..errors import InputError

if TYPE_CHECKING:
    import xarray

__all__ = ["select_results"]


def select_results(
    dataset: xarray.Dataset,
    *,
    temperature: Sequence[float] | None = None,
    field: Sequence[float] | None = None,
    direction: Sequence[str] | None = None,
    carrier: Sequence[str] | None = None,
    where: Mapping[str, Sequence[float]] | None = None,
) -> xarray.Dataset:
    """Only some conditions: temperatures in K, field strengths in V/m, directions and carriers by name.

    where : values of axes of composition, or samples. Raises InputError for one that is not there.
    """
    kept = _on_axes(dataset, where or {})
    numbers = {"temperature": temperature, "field": field}
    for name, wanted in {**numbers, "direction": direction, "carrier": carrier}.items():
        if not wanted:
            continue
        there = dataset[name].values
        rows = []
        for value in wanted:
            same = np.isclose(there, float(value), rtol=1e-9) if name in numbers else there == str(value)
            if not same.any():
                raise InputError(
                    f"there is no such {name}",
                    key=f"--{name}",
                    value=value,
                    allowed=", ".join(f"{v}" for v in there[:20]),
                )
            rows.append(int(np.flatnonzero(same)[0]))
        kept[name] = sorted(set(rows))
        if name == "carrier":
            kept["carrier_2"] = kept[name]
    return dataset.isel(kept)


def _on_axes(dataset: xarray.Dataset, where: Mapping[str, Sequence[float]]) -> dict[str, list[int]]:
    """Indices of some values on the axes of composition and samples."""
    axes, kept = axes_of(dataset), {}
    for name, values in where.items():
        if name not in axes:
            raise InputError(
                f"the run has no axis '{name}'",
                key="--where",
                value=name,
                allowed=", ".join(axes) or "nothing: it is of one composition",
            )
        there = dataset[name].values
        same = [np.isclose(there, value, rtol=1e-9, atol=0) for value in values]
        for value, found in zip(values, same, strict=True):
            if not found.any():
                raise InputError(
                    f"there is no such {name}",
                    key="--where",
                    value=f"{name}={value:g}",
                    allowed=", ".join(f"{v:g}" for v in there[:20]),
                )
        kept[name] = np.flatnonzero(np.any(same, axis=0)).tolist()
    return kept
