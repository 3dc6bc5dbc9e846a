"""Axes that not every run has: composition, under names of the input, and samples. They precede all other dimensions.

Arrays of points and what is derived from them have these dimensions too; in the registry they are not named.
"""

from __future__ import annotations

from typing import Any

__all__ = ["SAMPLE", "axes_of", "axis_attributes", "composition_axes"]

SAMPLE = "sample"
_KIND = "kmc_transport_axis"
"""Attribute of the coordinate of such an axis."""


def axes_of(dataset: Any) -> tuple[str, ...]:
    """Such dimensions of an ``xarray.Dataset``, in order; those of composition first, then ``sample``."""
    names = [str(n) for n, v in dataset.variables.items() if _KIND in v.attrs and v.dims == (n,)]
    order = [str(d) for d in dataset["complete"].dims] if "complete" in dataset else names
    return tuple(sorted(names, key=order.index))


def composition_axes(dataset: Any) -> tuple[str, ...]:
    """`axes_of` without ``sample``."""
    return tuple(n for n in axes_of(dataset) if n != SAMPLE)


def axis_attributes(name: str) -> dict[str, str]:
    """Attributes in the file of the coordinate of such an axis."""
    if name == SAMPLE:
        return {
            "units": "1",
            "long_name": "sample",
            "comment": "Number of the sample: quenched disorder and placements drawn anew.",
            _KIND: "sample",
        }
    return {
        "units": "1",
        "long_name": name,
        "comment": "Axis of composition, as the input asks for it; what was simulated follows from carrier_count.",
        _KIND: "composition",
    }
