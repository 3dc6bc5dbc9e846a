"""The Einstein check: mobility in a field over the mobility from fluctuations without field."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..report.display import Units
from .against import chart_against
from .chart import Chart

if TYPE_CHECKING:
    import xarray

__all__ = ["chart_einstein"]


def chart_einstein(
    runs: list[tuple[str, xarray.Dataset]], *, asked: Units | None = None, linear: bool = False
) -> Chart:
    """Ratio against the field at each temperature, 1 in weak fields.

    Fields that have linear response alone are left out: they would be compared with themselves.

    Raises InputError where no field, or no run without field, is there.
    """
    checked, left_out = [], 0
    for name, dataset in runs:
        field = dataset["field"].values
        if not ((field == 0).any() and (field > 0).any()):
            raise InputError(
                "the Einstein check compares fields with zero field",
                key="conditions.field",
                value=", ".join(f"{f:g}" for f in field),
                allowed="0 V/m and at least one other field",
                remedy="run an input with both",
            )
        weak = dataset.isel(field=int(np.flatnonzero(field == 0)[0]))
        simulated = dataset["field"] > 0
        if "mobility_method" in dataset:
            own = dataset["mobility_method"] != "linear response"
            left_out += int((simulated & ~own & dataset["complete"]).sum())
            simulated = simulated & own
        ratio = (dataset["mobility"] / weak["mobility_einstein"]).where(simulated)
        relative = (
            (dataset["mobility_stderr"] / dataset["mobility"]) ** 2
            + (weak["mobility_einstein_stderr"] / weak["mobility_einstein"]) ** 2
        ) ** 0.5
        parts = {"mobility": ratio, "mobility_stderr": abs(ratio) * relative}
        if "mobility_exact" in dataset and "mobility_einstein_exact" in dataset:
            parts["mobility_exact"] = dataset["mobility_exact"] / weak["mobility_einstein_exact"]
        for weak_name in ("mobility_einstein", "mobility_einstein_stderr", "mobility_einstein_exact"):
            if weak_name in dataset:  # nothing without field
                parts[weak_name] = dataset[weak_name] * np.nan
        made = dataset.assign({n: a.transpose(*dataset[n].dims) for n, a in parts.items() if n in dataset})
        made["mobility"].attrs = {"units": "1", "long_name": "mobility / Einstein mobility"}
        checked.append((name, made))
    chart = chart_against(checked, "mobility", against="field", asked=asked, linear=linear, fit=False)
    panel = chart.panels[0]
    y = replace(panel.y, key="mobility_over_einstein_mobility")
    notes = list(chart.notes)
    if left_out:
        notes.append(f"{left_out} points in weak fields have linear response alone and are left out")
    return Chart(panels=[replace(panel, y=y, one=True)], notes=notes)
