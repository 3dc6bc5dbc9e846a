"""What stands in the report of a run."""

from __future__ import annotations

import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import ON_REQUEST
from ..errors import InputError
from ..rates import build_catalog, foretell, hop_regimes
from ..report import (
    arrhenius_tables,
    carrier_table,
    class_table,
    composition_tables,
    format_estimate,
    observable_tables,
    results_table,
    summary,
    thermodynamics_tables,
)
from ..report.interactions import interaction_tables
from .pictures import result_pictures
from .tables import WebTable, web_table

if TYPE_CHECKING:
    import xarray

    from ..model.model import Model
    from ..store import Provenance

__all__ = ["page_content"]

_ROOM_TEMPERATURE = 298.0
_MOST_ROWS = 400
"""Rows of a table of counted observables on a page."""


def page_content(
    dataset: xarray.Dataset, provenance: Provenance, model: Model | None, name: str
) -> dict[str, Any]:
    """Everything that the template asks for. model : None where the recorded input is not enough."""
    table = results_table(dataset)
    complete, converged = dataset["complete"].values, dataset["converged"].values
    counted = [n for n in ON_REQUEST if any(a.startswith(n) or n in a for a in map(str, dataset.data_vars))]
    content: dict[str, Any] = {
        "title": str(dataset.attrs.get("title", "")) or name,
        "name": name,
        "points": int(complete.size),
        "done": int(complete.sum()),
        "accurate": int((complete & converged).sum()),
        "glance": _glance(dataset),
        "results": web_table(replace(table, notes=[]), filters=True),
        "fits": [
            web_table(t)
            for t in (
                *arrhenius_tables(dataset),
                *thermodynamics_tables(dataset),
                *composition_tables(dataset),
            )
        ],
        "counted": _counted(dataset, counted),
        "pictures": list(result_pictures(dataset, model)),
        "exact": _exact(table.data),
        "warnings": [n for n in table.notes if n.startswith("Warning")],
        "notes": [n for n in table.notes if not n.startswith("Warning")],
        "limits": _limits(dataset, model),
        "provenance": _provenance(provenance, name),
        "input_text": provenance.input_text,
        "input_files": sorted(provenance.files.items()),
        "versions": sorted(provenance.versions.items()),
        "model": None,
    }
    if model is not None:
        content["model"] = _model(model, Path(provenance.input_path).name or name)
        content["warnings"] += content["model"].pop("warnings")
        content["notes"] += content["model"].pop("notes")
    return content


def _glance(dataset: xarray.Dataset) -> list[dict[str, str]]:
    """For each carrier and direction, the weak-field mobility nearest to room temperature and its activation energy."""
    found = []
    axes = [d for d in dataset["mobility"].dims if d not in ("temperature", "field", "direction", "carrier")]
    if axes:
        return []
    kelvin = dataset["temperature"].values
    at = int(np.argmin(abs(kelvin - _ROOM_TEMPERATURE)))
    weakest = int(np.argmin(dataset["field"].values))
    name = "mobility_einstein" if dataset["field"].values[weakest] == 0 else "mobility"
    for d, direction in enumerate(dataset["direction"].values):
        for a, carrier in enumerate(dataset["carrier"].values):
            pick: Any = {"temperature": at, "field": weakest, "direction": d, "carrier": a}
            value, error = (float(dataset[n].isel(pick)) * 1e4 for n in (name, f"{name}_stderr"))
            if not math.isfinite(value):
                continue
            energy, energy_error = (
                float(dataset[f"arrhenius_activation_energy{s}"].isel(direction=d, carrier=a))
                for s in ("", "_stderr")
            )
            found.append(
                {
                    "carrier": str(carrier).replace("_", " "),
                    "along": str(direction),
                    "mobility": format_estimate(value, error),
                    "temperature": f"{kelvin[at]:g} K",
                    "energy": format_estimate(energy, energy_error) if math.isfinite(energy) else "",
                }
            )
    return found


def _exact(rows: list[dict[str, Any]]) -> str:
    """How the simulated mobilities lie beside the exact ones."""
    deviations = [
        abs(r["mobility_deviation_in_stderr"])
        for r in rows
        if r.get("mobility_deviation_in_stderr") is not None
    ]
    if not deviations:
        return (
            "There is no exact answer to compare with: the exact solver takes one carrier alone, or small cells whose "
            "configurations can be counted."
        )
    within = sum(d < 2 for d in deviations)
    return (
        f"{len(deviations)} mobilities have an exact answer from the master equation (column “exact”). "
        f"{within} of them agree within two standard errors, where about {round(0.954 * len(deviations))} are "
        f"expected; the largest deviation is {max(deviations):.1f} standard errors. Mobilities that one "
        "run without field serves deviate together."
    )


def _counted(dataset: xarray.Dataset, names: list[str]) -> list[WebTable]:
    tables = []
    for name in names:
        try:
            made = observable_tables(dataset, [name])
        except InputError:
            continue
        tables += [web_table(t, filters=True) for t in made if len(t.rows) <= _MOST_ROWS]
    return tables


def _model(model: Model, file: str) -> dict[str, Any]:
    """file : name of the input; the model was made from the text that the run recorded."""
    facts = summary(model)
    coldest = build_catalog(model, temperature=float(model.conditions.temperature.min()))
    tables = [carrier_table(model), class_table(model), *interaction_tables(coldest)]
    regimes = hop_regimes(model, coldest.temperature)
    fields = ", ".join(f"{f:g}" for f in facts["fields_V_per_m"])
    kelvin = ", ".join(f"{t:g}" for t in facts["temperatures_K"])
    lines = {
        "space group": facts["spacegroup"],
        "periodic along": ", ".join(x for x, p in zip("abc", facts["periodic"], strict=True) if p),
        "sites per cell": ", ".join(f"{n} {label}" for label, n in facts["sites_per_cell"].items()),
        "supercell": f"{' × '.join(map(str, facts['supercell']))} cells, {facts['sites']} sites",
        "temperature": f"{kelvin} K",
        "field": f"{fields} V/m along {'; '.join(facts['directions'])}",
        "sampling": ", ".join(f"{k} {_said(v)}" for k, v in facts["sampling"].items()),
    }
    log = list(dict.fromkeys(f"{c.name}: {line}" for c in model.hop_classes for line in c.log))
    return {
        "facts": [(k, v) for k, v in lines.items() if v],
        "tables": [web_table(t).replacing("<string>", file) for t in tables],
        "references": facts["references"],
        "log": log,
        "warnings": [f"Warning: {r.hop_class}: {r.warning}." for r in regimes if r.warning],
        "notes": [*facts["notes"], *foretell(coldest)],
    }


def _said(value: Any) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _limits(dataset: xarray.Dataset, model: Model | None) -> list[str]:
    """What the numbers are not."""
    limits = [
        "The errors in parentheses are those of sampling. They say nothing about barriers, attempt frequencies or the "
        "model: an error of 50 meV in a barrier changes a mobility at 300 K by a factor of 7.",
        "The field is the internal macroscopic field in the crystal, not voltage over distance of electrodes.",
        "It is the bulk of one crystal: no grain boundaries, surfaces, electrodes, space charge or phonon scattering, "
        "and no film with source and drain.",
        "A drift mobility is no Hall mobility; in hopping transport the two differ, even in sign.",
    ]
    if "conductivity" in dataset and np.isfinite(dataset["conductivity"].values).any():
        limits.append(
            "The conductivity is that of the number of carriers which the input puts into the cell."
        )
    if int(dataset["carrier_count"].values.sum()) == 1:
        limits.append(
            "One carrier alone: the dilute limit. Carriers that meet each other would block or repel."
        )
    elif model is not None and model.interactions is None:
        limits.append("The carriers exclude each other from sites and do not interact otherwise.")
    return limits


def _provenance(provenance: Provenance, name: str) -> list[tuple[str, str]]:
    again = shlex.quote(Path(provenance.input_path or f"{name}.yaml").name)
    rows = {
        "when": provenance.time,
        "command": provenance.command,
        "seed": str(provenance.seed),
        "fingerprint of the model": provenance.identity,
        "run it again": f"save the input below as {again} with sampling.seed: {provenance.seed}, then: "
        f"kmc-transport run {again}",
    }
    return [(k, v) for k, v in rows.items() if v]
