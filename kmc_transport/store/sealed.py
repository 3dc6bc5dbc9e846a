"""netCDF4/HDF5 made in memory, and a checksum of all its bytes behind its end.

HDF5 readers ignore what follows the end that the file itself names. The library's own checksums cover the numbers of
datasets alone, and nothing that a bit in a header changes; it may crash on a damaged file, so that the seal is looked
at first.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import DamagedFile, Problem
from .atomic import read_bytes, write_parts

if TYPE_CHECKING:
    import xarray

__all__ = ["read_group", "read_sealed", "refuse_links", "write_sealed"]

_MARK = b"\nkmc_transport sha256 "
_LENGTH = len(_MARK) + 64
_COMPRESS_FROM = 2**16  # bytes
_BOOKKEEPING = {
    "CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_NCProperties",
}  # fmt: skip
_NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable."


def write_sealed(path: str | os.PathLike[str], groups: Mapping[str | None, xarray.Dataset]) -> None:
    """Write datasets, each in its group (None: the root), in one go; a link at ``path`` is followed.

    Every array that is no text has HDF5's checksum too, for other programs. StoreError when it cannot be written.
    """
    content = _in_memory(groups)
    seal = _MARK + hashlib.sha256(content).hexdigest().encode()
    write_parts(os.path.realpath(path), [content, seal])


def _in_memory(groups: Mapping[str | None, xarray.Dataset]) -> bytes:
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    buffer = io.BytesIO()
    # the format of 2016: checksums of the file's own structure, and no index beside each array
    with h5netcdf.File(buffer, "w", libver=("v110", "v110")) as file:
        for group, dataset in groups.items():
            store = H5NetCDFStore(file, group=group, mode="a")
            dataset.dump_to_store(store, encoding=_encoding(dataset))
    return buffer.getvalue()


def _encoding(dataset: xarray.Dataset) -> dict[str, dict[str, Any]]:
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in dataset.variables.items():
        how: dict[str, Any] = {}
        if name in dataset.coords:
            how["_FillValue"] = None  # CF: a coordinate has no missing values
        if variable.dtype.kind in "fiub" and variable.size and variable.ndim:
            how["fletcher32"] = True
            if variable.nbytes > _COMPRESS_FROM and name not in dataset.coords:
                how |= {"zlib": True, "complevel": 2, "shuffle": True}
        encoding[str(name)] = how
    return encoding


def read_sealed(path: str | os.PathLike[str]) -> tuple[bytes, bool]:
    """The HDF5 part of a file, and whether there was a seal. DamagedFile when it does not fit."""
    content = read_bytes(path)
    if content[-_LENGTH:-64] != _MARK:
        return content, False
    body = content[:-_LENGTH]
    if hashlib.sha256(body).hexdigest().encode() != content[-64:]:
        raise DamagedFile(
            Problem(
                "is damaged: its checksum does not fit its content",
                file=os.fspath(path),
                remedy="make it anew from its points: kmc-transport merge NAME.points",
            )
        )
    return body, True


def read_group(group: Any) -> xarray.Dataset:
    """A group of an open HDF5 file as `xarray.load_dataset` gives it, in a fifth of the time."""
    import h5py
    import numpy as np
    import xarray as xr

    def attributes(item: Any) -> dict[str, Any]:
        every = {k: v for k, v in item.attrs.items() if k not in _BOOKKEEPING}
        return {k: v[0] if isinstance(v, np.ndarray) and v.shape == (1,) else v for k, v in every.items()}

    variables = {}
    for name, item in group.items():
        if isinstance(item, h5py.Group) or item.attrs.get("NAME", b"").startswith(_NO_VARIABLE):
            continue
        text = h5py.check_string_dtype(item.dtype)
        data = np.asarray(item.asstr()[()]).astype(str) if text else item[()]
        own = item.is_scale and item.ndim == 1
        dims = [name] if own else [d[0].name.rsplit("/", 1)[-1] for d in item.dims]
        variables[name] = xr.Variable(dims, data, attributes(item))
    return xr.decode_cf(xr.Dataset(variables, attrs=attributes(group)))


def refuse_links(group: Any) -> None:
    """ValueError where an open HDF5 file (or group) leads elsewhere: other files, other names, virtual datasets."""
    import h5py

    seen: set[Any] = set()

    def look(group: Any, where: str) -> None:
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"{where}{name} is a link to another place, which a result has not")
            there = group[name]
            if isinstance(there, h5py.Group):
                if there.id in seen:
                    raise ValueError(f"{where}{name} contains itself")
                seen.add(there.id)
                look(there, f"{where}{name}/")
            elif isinstance(there, h5py.Dataset) and (there.is_virtual or there.external):
                raise ValueError(f"{where}{name} takes its numbers from another file")

    seen.add(group.id)
    look(group, "")
