"""A catalog as a file of its own: HDF5, or CSV with one line per hop and temperature."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import CATALOG_ARRAYS, attributes, check_dataset
from ..errors import Problem, StoreError
from .atomic import write_text
from .dataset import catalog_dataset
from .netcdf import read_group
from .ours import CATALOG_MARK, check_free
from .sealed import read_sealed, refuse_links, write_sealed

if TYPE_CHECKING:
    import xarray

    from ..rates.catalog import RateCatalog

__all__ = ["load_catalog", "save_catalog"]

VERSION = 1
"""Of the format, in the attribute that marks a file as ours."""
_AXES = ("x", "y", "z")
_OPTIONAL = ("barrier_given",)
"""Columns that a file may lack."""
_TYPES: dict[str, type] = {"float": np.float64, "int": np.int64}


def save_catalog(path: str | Path, catalogs: Sequence[RateCatalog], *, overwrite: bool = False) -> None:
    """Write catalogs of one model and field at several temperatures; the suffix .csv or .h5 tells the format.

    SI units and eV; names and units in `kmc_transport.arrays.CATALOG_ARRAYS`. `load_catalog` reads back the same
    numbers to the last bit. Raises StoreError for another suffix, when the file cannot be written, or when there is
    one that is no catalog, unless ``overwrite``.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".h5"):
        raise StoreError(
            Problem(
                "cannot tell the format of the catalog",
                value=path.suffix,
                file=str(path),
                allowed=".csv, .h5",
            )
        )
    check_free(path, "catalog", overwrite=overwrite)
    table = catalog_dataset(catalogs)
    check_dataset(table, CATALOG_ARRAYS)
    if path.suffix == ".h5":
        write_sealed(path, {None: table.assign_attrs({CATALOG_MARK: VERSION})})
    else:
        write_text(path, _to_csv(table))


def load_catalog(path: str | Path) -> xarray.Dataset:
    """What `save_catalog` wrote. Raises StoreError when the file is missing, damaged or something else."""

    path = Path(path)
    try:
        table = (_from_csv if path.suffix == ".csv" else _from_hdf5)(path)
        check_dataset(table, CATALOG_ARRAYS)
    except StoreError:
        raise
    except Exception as e:  # a damaged file can raise nearly anything
        raise StoreError(
            Problem(
                f"is no catalog, or damaged: {e}",
                file=str(path),
                remedy="write it again: kmc-transport catalog -o",
            )
        ) from e
    return table


def _from_hdf5(path: Path) -> xarray.Dataset:
    import h5py

    content, sealed = read_sealed(path)
    with h5py.File(io.BytesIO(content), "r") as file:
        refuse_links(file)
        table = read_group(file)
    if not sealed and CATALOG_MARK in table.attrs:
        raise ValueError("its checksum is missing")
    return table


def _columns() -> list[tuple[str, str, str | None]]:
    """(heading, array, axis) of every column that there may be."""
    found: list[tuple[str, str, str | None]] = []
    for name, spec in CATALOG_ARRAYS.items():
        if name in ("temperature", "axis"):
            continue
        unit = f" [{spec.unit}]" if spec.unit != "1" else ""
        if "axis" in spec.dims:
            found += [(f"{name}_{a}{unit}", name, a) for a in _AXES]
        else:
            found.append((f"{name}{unit}", name, None))
    return found


def _to_csv(table: xarray.Dataset) -> str:
    out = io.StringIO()
    out.write(
        "# "
        + json.dumps(
            {
                CATALOG_MARK: VERSION,
                "title": table.attrs["title"],
                "field_V_per_m": list(table.attrs["field_V_per_m"]),
            }
        )
    )
    out.write("\n")
    columns = [c for c in _columns() if c[1] in table]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["temperature [K]", "hop", *(heading for heading, _, _ in columns)])
    for t, kelvin in enumerate(table["temperature"].values):
        cells: list[list[Any]] = [[repr(float(kelvin))] * table.sizes["hop"], [*range(table.sizes["hop"])]]
        for _, name, axis in columns:
            values = table[name].values
            if axis is not None:
                values = values[:, _AXES.index(axis)]
            elif values.ndim == 2:
                values = values[t]
            cells.append([repr(v) if isinstance(v, int | float) else str(v) for v in values.tolist()])
        writer.writerows(zip(*cells, strict=True))
    return out.getvalue()


def _from_csv(path: Path) -> xarray.Dataset:
    import xarray as xr

    text = path.read_text(encoding="utf-8")
    head, _, body = text.partition("\n")
    attrs = json.loads(head.removeprefix("# "))
    lines = list(csv.DictReader(io.StringIO(body), strict=True))
    temperature = list(dict.fromkeys(line["temperature [K]"] for line in lines))
    n = len(lines) // len(temperature)
    expected = [(t, str(h)) for t in temperature for h in range(n)]
    if [(line["temperature [K]"], line["hop"]) for line in lines] != expected:
        raise ValueError("lines are missing or out of order")
    data: dict[str, Any] = {}
    for heading, name, axis in _columns():
        spec = CATALOG_ARRAYS[name]
        if name in _OPTIONAL and heading not in lines[0]:
            continue
        raw = [line[heading] for line in lines]
        values = np.array(raw, dtype=str) if spec.dtype == "str" else np.array(raw).astype(_TYPES[spec.dtype])
        if "temperature" in spec.dims:
            data[name] = values.reshape(len(temperature), n)
        elif axis is None:
            data[name] = values[:n]
        else:
            data.setdefault(name, np.empty((n, 3)))[:, _AXES.index(axis)] = values[:n]
    data |= {"temperature": np.array(temperature, dtype=float), "axis": np.array(_AXES)}
    variables = {
        n: xr.Variable(CATALOG_ARRAYS[n].dims, v, attributes(n, CATALOG_ARRAYS)) for n, v in data.items()
    }
    coords = {n: variables.pop(n) for n in ("temperature", "axis")}
    return xr.Dataset(
        variables, coords, {"title": attrs["title"], "field_V_per_m": np.array(attrs["field_V_per_m"])}
    )
