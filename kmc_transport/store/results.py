"""The result file: netCDF4/HDF5 that xarray, h5py and netCDF tools open by themselves."""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import ARRAYS, CATALOG_ARRAYS, axes_of, check_dataset
from ..errors import DamagedFile, Problem, StoreError
from .arrayfile import reading
from .dataset import catalog_dataset
from .netcdf import read_group
from .provenance import Provenance
from .sealed import read_sealed, refuse_links, write_sealed

if TYPE_CHECKING:
    import xarray

    from ..rates.catalog import RateCatalog

__all__ = ["open_results", "read_catalog", "read_provenance", "write_results"]

FORMAT = "kmc_transport_results"
"""Global attribute that marks a file as ours; its value is the version of the format."""
VERSION, _UNSEALED = 2, 1
"""What is written; the last version without a checksum."""
SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""How HDF5 files begin."""
_ANEW = "make it anew from its points: kmc-transport merge NAME.points"


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
    groups: dict[str | None, xarray.Dataset] = {None: dataset}
    if table is not None:
        groups["catalog"] = table
    write_sealed(path, groups)


def _open(
    path: str | Path, *groups: str | None, only: Collection[str] | None = None
) -> tuple[dict[str, Any], list[xarray.Dataset]]:
    """Attributes of the root, and the datasets of some groups (empty where there is none), in memory.

    only : arrays that are wanted; a file without a checksum is read as a whole, which finds damage.
    """
    import h5py
    import xarray as xr

    name = os.fspath(path)
    if not os.path.exists(name):
        raise StoreError(
            Problem("there is no such result file", file=name, remedy="make it with: kmc-transport run INPUT")
        )
    content, sealed = read_sealed(name)
    if content and not content.startswith(SIGNATURE):
        raise StoreError(Problem("is not an HDF5 file", file=name, remedy="give a result file (.h5)"))
    try:
        file = h5py.File(io.BytesIO(content), "r")
    except Exception as e:
        raise DamagedFile(
            Problem(
                f"is damaged: {e}",
                file=name,
                remedy="make it anew from its points: kmc-transport merge NAME.points",
            )
        ) from e
    with file, reading(name, _ANEW):
        attrs = {k: v.decode() if isinstance(v, bytes) else v for k, v in file.attrs.items()}
        if FORMAT not in attrs:
            raise StoreError(
                Problem(
                    "is not a result file of kmc_transport", file=name, remedy="give a file that `run` wrote"
                )
            )
        _check_version(name, int(np.ravel(attrs[FORMAT])[0]), sealed)  # netCDF holds numbers as lists of one
        refuse_links(file)
        only = only if sealed else None
        return attrs, [
            read_group(file[g or "/"], only) if g is None or g in file else xr.Dataset() for g in groups
        ]


def _check_version(name: str, version: int, sealed: bool) -> None:
    if version > VERSION:
        raise StoreError(
            Problem(
                message="was written by a newer version of kmc_transport",
                key=FORMAT,
                value=version,
                allowed=f"at most {VERSION}",
                remedy="update kmc_transport",
                file=name,
            )
        )
    if not sealed and version != _UNSEALED:
        raise ValueError("its checksum is missing: it is cut off, or another program has changed it")


def open_results(path: str | Path, *, only: Collection[str] | None = None) -> xarray.Dataset:
    """The result file as a dataset in memory (the file is closed); names: `kmc_transport.arrays.ARRAYS`.

    only : arrays that are wanted, with the coordinates along their dimensions; default all, which takes longer.

    Raises StoreError when the file is missing, damaged, not ours or too new.
    """
    dataset = _open(path, None, only=only)[1][0]
    named = [n for n in dataset.variables if n in ARRAYS and _is_coordinate(str(n))]
    return dataset.set_coords([*axes_of(dataset), *named])


def _is_coordinate(name: str) -> bool:
    return ARRAYS[name].origin == "coordinate"


def read_catalog(path: str | Path) -> xarray.Dataset:
    """The hop table of a result file (names: `kmc_transport.arrays.CATALOG_ARRAYS`), empty when it has none.

    Raises StoreError as `open_results` does.
    """
    return _open(path, "catalog")[1][0]


def read_provenance(path: str | Path) -> Provenance:
    """Input, seed, command and versions behind a result file. StoreError when it is not ours or damaged."""
    attrs, _ = _open(path)
    with reading(path, "choose another file, or move this one away"):
        return Provenance.from_attributes(attrs)
