"""What lies in a folder of points beside the points: the plan of the sweep, the empty table, how far it is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import ARRAYS, CATALOG_ARRAYS, attributes
from ..errors import Problem, StoreError
from ..ndarrays import FloatArray
from .arrayfile import read_arrays, reading, write_arrays
from .atomic import read_bytes, write_text
from .dataset import Outline, catalog_columns
from .output import Shard, points_folder, refuse_old
from .provenance import Provenance

if TYPE_CHECKING:
    import xarray

    from ..rates.catalog import RateCatalog

__all__ = [
    "EmptyTable",
    "Plan",
    "join_tables",
    "read_empty_table",
    "read_plan",
    "read_progress",
    "write_empty_table",
    "write_outline",
    "write_plan",
    "write_progress",
]


_FRAME, _PLAN = "frame.npz", "plan.npz"


@dataclass(frozen=True, eq=False)
class Plan:
    """The points that the last run asked for: keys, (n,) temperature in K, (n, 3) field in V/Å, coordinates.

    coordinates : of each point its values on the axes of composition and samples, by name.
    """

    keys: tuple[str, ...]
    temperature: FloatArray
    field: FloatArray
    coordinates: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True, eq=False)
class EmptyTable:
    """All that the result file needs beside the points.

    error_factor : the array ``barrier_error_factor``. catalog : the hop table (group ``catalog``), may be empty.
    """

    outline: Outline
    provenance: Provenance
    error_factor: FloatArray
    catalog: xarray.Dataset


def write_outline(
    path: str | Path,
    outline: Outline,
    provenance: Provenance,
    error_factor: FloatArray,
    catalogs: Sequence[RateCatalog],
) -> None:
    """Put the empty table beside the points, so that they can be gathered without the input and its files."""
    columns, attrs = catalog_columns(catalogs) if catalogs else ({}, {})
    _write_outline(path, outline, provenance, error_factor, columns, attrs)


def write_empty_table(path: str | Path, table: EmptyTable) -> None:
    """As `write_outline`, from what `read_empty_table` gave."""
    columns = {str(n): v.values for n, v in table.catalog.variables.items()}
    _write_outline(path, table.outline, table.provenance, table.error_factor, columns, table.catalog.attrs)


def _write_outline(
    path: str | Path,
    outline: Outline,
    provenance: Provenance,
    error_factor: FloatArray,
    columns: Mapping[str, np.ndarray],
    attrs: Mapping[Any, Any],
) -> None:
    content: dict[str, Any] = {
        "title": outline.title,
        "has_volume": outline.has_volume,
        **({"axes": list(outline.axes)} if outline.axes else {}),
        "provenance": provenance.to_attributes(),
        "error_factor": error_factor,
        "catalog": {n: v if isinstance(v, str) else np.ravel(v).tolist() for n, v in attrs.items()},
    }
    bulk: dict[str, Any] = {f"coordinates/{n}": v for n, v in outline.coordinates.items()}
    bulk |= {f"catalog/{n}": v for n, v in columns.items()}
    write_arrays(points_folder(path) / _FRAME, "frame", content | bulk)


def read_empty_table(path: str | Path) -> EmptyTable:
    """What `write_outline` wrote. StoreError when it is missing or damaged."""
    import xarray as xr

    file = points_folder(path) / _FRAME
    content = read_arrays(file, "frame")

    def part(prefix: str) -> dict[str, np.ndarray]:
        return {n.removeprefix(prefix): np.asarray(v) for n, v in content.items() if n.startswith(prefix)}

    with reading(file):
        columns = {
            name: xr.Variable(CATALOG_ARRAYS[name].dims, values, attributes(name, CATALOG_ARRAYS))
            for name, values in part("catalog/").items()
        }
        catalog = xr.Dataset(columns, attrs=content["catalog"])
        axes = tuple(content.get("axes", ()))
        outline = Outline(str(content["title"]), part("coordinates/"), bool(content["has_volume"]), axes)
        always = {d for s in ARRAYS.values() if s.origin != "coordinate" and not s.on_request for d in s.dims}
        wanted = [
            n
            for n, s in ARRAYS.items()
            if s.origin == "coordinate" and not s.optional and set(s.dims) <= always
        ]
        missing = [n for n in wanted if n not in outline.coordinates]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
        return EmptyTable(
            outline, Provenance.from_attributes(content["provenance"]), content["error_factor"], catalog
        )


def join_tables(sources: Sequence[Path], tables: Sequence[EmptyTable]) -> EmptyTable:
    """A grid that holds all grids: temperatures, fields, compositions and samples joined.

    StoreError when anything else differs.
    """
    import xarray as xr

    first = tables[0]
    axes = first.outline.axes
    joined = {"temperature", "field", *axes}
    for source, table in zip(sources[1:], tables[1:], strict=True):
        if table.outline.axes != axes:
            raise StoreError(
                Problem("has other axes", value=", ".join(table.outline.axes) or "none", file=str(source))
            )
        for name, values in first.outline.coordinates.items():
            if first.outline.dims(name)[:1] != (name,) and set(first.outline.dims(name)) & set(axes):
                continue  # of the composition: joined below
            if name not in joined and not np.array_equal(values, table.outline.coordinates.get(name, [])):
                raise StoreError(Problem(f"has another {name}", name, file=str(source)))
    coordinates = dict(first.outline.coordinates)
    for name in joined:
        unique = list(dict.fromkeys(v for t in tables for v in t.outline.coordinates[name].tolist()))
        same = all(np.array_equal(t.outline.coordinates[name], coordinates[name]) for t in tables)
        coordinates[name] = np.array(unique if same else sorted(unique))
    temperature = coordinates["temperature"].tolist()
    factor = np.full((len(temperature), *first.error_factor.shape[1:]), np.nan)
    for table in tables:
        rows = [temperature.index(t) for t in table.outline.coordinates["temperature"].tolist()]
        factor[rows] = table.error_factor
    catalog = first.catalog
    held = [
        t.catalog for t in tables if "temperature" in t.catalog.coords or "temperature" in t.catalog.variables
    ]
    if held:
        catalog = held[0]
        for other in held[1:]:
            new = ~np.isin(other["temperature"].values, catalog["temperature"].values)
            parts = [catalog, other.isel(temperature=np.flatnonzero(new))]
            catalog = xr.concat(
                parts,
                "temperature",
                data_vars="minimal",
                coords="minimal",
                compat="override",
                join="override",
            )
        order = [t for t in temperature if t in set(catalog["temperature"].values.tolist())]
        catalog = catalog.isel(temperature=[catalog["temperature"].values.tolist().index(t) for t in order])
    coordinates |= _joined_by_composition([t.outline for t in tables], coordinates)
    outline = Outline(first.outline.title, coordinates, first.outline.has_volume, axes)
    return EmptyTable(outline, first.provenance, factor, catalog)


def _joined_by_composition(
    outlines: Sequence[Outline], joined: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Coordinates that depend on the composition, on the joined axes; -1 where no outline has the composition."""
    found: dict[str, np.ndarray] = {}
    for outline in outlines:
        for name, values in outline.coordinates.items():
            axes = [d for d in outline.dims(name) if d in outline.axes and d != name]
            if not axes:
                continue
            shape = (*(len(joined[d]) for d in axes), *values.shape[len(axes) :])
            target = found.setdefault(name, np.full(shape, -1, values.dtype))
            rows = [[joined[d].tolist().index(v) for v in outline.coordinates[d].tolist()] for d in axes]
            target[np.ix_(*rows)] = values
    return found


def write_plan(path: str | Path, plan: Plan) -> None:
    """Note which points are asked for."""
    keys = np.frombuffer("".join(plan.keys).encode(), np.uint8).reshape(len(plan.keys), -1)
    content = {"temperature": plan.temperature, "field": plan.field, "keys": keys}
    about: dict[str, Any] = {"n": len(plan.keys)}
    if names := list(plan.coordinates[0]) if plan.coordinates else []:
        about["axes"] = names
        content["coordinates"] = np.array([[c[n] for n in names] for c in plan.coordinates], np.float64)
    write_arrays(points_folder(path) / _PLAN, "plan", about | content)


def read_plan(path: str | Path) -> Plan:
    """What `write_plan` noted. StoreError when there is no plan, or it is damaged."""
    folder = points_folder(path)
    refuse_old(folder)
    if not (folder / _PLAN).exists():
        raise StoreError(
            Problem(
                "holds no sweep",
                file=str(folder),
                remedy="give a result file or the folder NAME.points of a run",
            )
        )
    content = read_arrays(folder / _PLAN, "plan")
    with reading(folder / _PLAN):
        n, text = int(content["n"]), content["keys"].tobytes().decode("ascii")
        width = content["keys"].shape[1] if n else 1
        keys = tuple(text[i : i + width] for i in range(0, len(text), width))
        names, values = content.get("axes", []), content.get("coordinates", np.empty((n, 0)))
        coordinates: tuple[dict[str, float], ...] = ({},) * len(values)
        if names:
            coordinates = tuple(dict(zip(names, row, strict=True)) for row in values.tolist())
        plan = Plan(keys, content["temperature"], content["field"], coordinates)
        if not len(keys) == len(plan.temperature) == len(plan.field) == len(coordinates) == n:
            raise ValueError("its parts have different lengths")
        return plan


def write_progress(
    path: str | os.PathLike[str], progress: Mapping[str, Any], shard: Shard | None = None
) -> None:
    """Say how far the run is; quick, and lost in a power cut."""
    name = "progress.json" if shard is None else f"progress-{shard}.json"
    write_text(points_folder(Path(path)) / name, json.dumps(progress), durable=False)


def read_progress(path: str | Path) -> Sequence[dict[str, Any]]:
    """What the run, or each of its shards, has said last; nothing when it has said nothing that can be understood."""
    found = []
    for file in sorted(points_folder(path).glob("progress*.json")):
        try:
            content = json.loads(read_bytes(file))
            if _is_progress(content):
                found.append(content)
        except (StoreError, ValueError, TypeError, KeyError, RecursionError):
            continue
    return found


_NUMBERS = ("points", "kept", "done", "inaccurate", "failed", "hops", "seconds", "rate")
_TEXTS = ("stage", "host", "time")
_STANDING = ("temperature", "events", "seconds")


def _is_progress(content: dict[str, Any]) -> bool:
    """Whether it has what is shown of it (see `kmc_transport.runs.pipeline.Progress`)."""

    def number(value: object) -> bool:
        return isinstance(value, int | float) and abs(value) < 1e300

    def standing(s: dict[str, Any]) -> bool:
        return (
            all(number(s[n]) for n in _STANDING)
            and all(s[n] is None or number(s[n]) for n in ("relative_error", "ratio"))
            and len(s["field"]) == 3
            and all(map(number, s["field"]))
            and isinstance(s["exit_reason"], str)
        )

    return (
        all(number(content[n]) for n in _NUMBERS)
        and all(isinstance(content[n], str) for n in _TEXTS)
        and (content["seconds_left"] is None or number(content["seconds_left"]))
        and isinstance(content["finished"], bool)
        and isinstance(content["process"], int)
        and all(standing(s) for s in [*content["running"], *content["worst"]])
    )
