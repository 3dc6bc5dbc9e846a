"""The result file: netCDF4/HDF5 that xarray, h5py and netCDF tools open by themselves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import ARRAYS, CATALOG_ARRAYS, check_dataset
from ..errors import Problem, StoreError
from .atomic import atomic_path
from .dataset import catalog_dataset
from .provenance import Provenance

if TYPE_CHECKING:
    import xarray

    from ..rates.catalog import RateCatalog

__all__ = ["open_results", "read_catalog", "read_provenance", "write_results"]

FORMAT = "kmc_transport_results"
"""Global attribute that marks a file as ours; its value is the version of the format."""
VERSION = 1
_COMPRESS_FROM = 2**16  # bytes


def write_results(
    path: str | Path,
    dataset: xarray.Dataset,
    *,
    provenance: Provenance,
    catalogs: Sequence[RateCatalog] | xarray.Dataset = (),
) -> None:
    """Write the dataset (from `build_dataset`) with its provenance; the old file stays until the new is whole.

    Parameters
    ----------
    catalogs : at temperatures of the dataset, in its order, without field, for the group ``catalog``; or that
        group of another result file (`read_catalog`).

    Raises
    ------
    ValueError
        When a catalog is at another temperature.
    StoreError
        When the dataset does not fit the registry of arrays, or the file cannot be written.
    """
    check_dataset(dataset)
    table: xarray.Dataset | None = None
    if not isinstance(catalogs, Sequence):
        table = catalogs if len(catalogs.variables) else None
    elif catalogs:
        table = catalog_dataset(catalogs)
    if table is not None:
        there, own = dataset["temperature"].values.tolist(), table["temperature"].values.tolist()
        if [t for t in there if t in set(own)] != own:
            raise ValueError("catalogs are wanted at temperatures of the dataset, in the same order")
        check_dataset(table, CATALOG_ARRAYS)
    dataset = dataset.assign_attrs(
        {"Conventions": "CF-1.11", FORMAT: VERSION, "source": "kmc_transport"} | provenance.to_attributes()
    )
    with atomic_path(Path(path)) as temporary:
        _write(dataset, temporary)
        if table is not None:
            _write(table, temporary, group="catalog", mode="a")


def _write(dataset: xarray.Dataset, path: Path, **how: Any) -> None:
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in dataset.variables.items():
        if name in dataset.coords:
            encoding[str(name)] = {"_FillValue": None}  # CF: a coordinate has no missing values
        elif variable.dtype.kind in "fi" and variable.nbytes > _COMPRESS_FROM:
            encoding[str(name)] = {"zlib": True, "complevel": 2, "shuffle": True}
    dataset.to_netcdf(path, engine="h5netcdf", encoding=encoding, **how)


def _open(path: str | Path, group: str | None = None) -> tuple[Any, xarray.Dataset]:
    """Attributes of the root, and the dataset of a group (empty when there is none), in memory."""
    import h5py
    import xarray as xr

    name = os.fspath(path)
    if not os.path.exists(name):
        raise StoreError(
            Problem("there is no such result file", file=name, remedy="make it with: kmc-transport run INPUT")
        )
    try:
        with h5py.File(name, "r") as file:
            attrs = dict(file.attrs)
            has_group = group is None or group in file
    except OSError as e:
        raise StoreError(
            Problem(f"is not an HDF5 file, or is damaged: {e}", file=name, remedy="give a result file (.h5)")
        ) from e
    if FORMAT not in attrs:
        raise StoreError(
            Problem("is not a result file of kmc_transport", file=name, remedy="give a file that `run` wrote")
        )
    version = int(np.ravel(attrs[FORMAT])[0])  # netCDF holds numbers as lists of one
    if version > VERSION:
        raise StoreError(
            Problem(
                "was written by a newer version of kmc_transport",
                FORMAT,
                version,
                f"at most {VERSION}",
                "update kmc_transport",
                name,
            )
        )
    if not has_group:
        return attrs, xr.Dataset()
    try:
        return attrs, xr.load_dataset(name, engine="h5netcdf", group=group)
    except Exception as e:  # a damaged HDF5 file can raise nearly anything
        raise StoreError(
            Problem(f"is damaged: {e}", file=name, remedy="run the same input again to make it anew")
        ) from e


def open_results(path: str | Path) -> xarray.Dataset:
    """The result file as a dataset in memory (the file is closed); names: `kmc_transport.arrays.ARRAYS`.

    Raises StoreError when the file is missing, damaged, not ours or too new.
    """
    dataset = _open(path)[1]
    return dataset.set_coords([n for n in dataset.variables if n in ARRAYS and _is_coordinate(str(n))])


def _is_coordinate(name: str) -> bool:
    return ARRAYS[name].origin == "coordinate"


def read_catalog(path: str | Path) -> xarray.Dataset:
    """The hop table of a result file (names: `kmc_transport.arrays.CATALOG_ARRAYS`), empty when it has none.

    Raises StoreError as `open_results` does.
    """
    return _open(path, "catalog")[1]


def read_provenance(path: str | Path) -> Provenance:
    """Input, seed, command and versions behind a result file. StoreError when it is not ours or damaged."""
    import h5py

    name = os.fspath(path)
    try:
        with h5py.File(name, "r") as file:
            attrs = {key: v.decode() if isinstance(v, bytes) else v for key, v in file.attrs.items()}
        if FORMAT not in attrs:
            raise ValueError("it is not a result file of kmc_transport")
        return Provenance.from_attributes(attrs)
    except (OSError, KeyError, ValueError) as e:
        raise StoreError(
            Problem(f"cannot be read: {e}", file=name, remedy="choose another file, or move this one away")
        ) from e
