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

__all__ = ["read_sealed", "refuse_links", "write_sealed"]

_MARK = b"\nkmc_transport sha256 "
_LENGTH = len(_MARK) + 64
_COMPRESS_FROM = 2**16  # bytes


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
