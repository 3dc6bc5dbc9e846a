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

import numpy as np

from ..errors import DamagedFile, Problem
from .atomic import read_bytes, write_parts
from .netcdf import write_groups

if TYPE_CHECKING:
    import xarray

__all__ = ["read_sealed", "refuse_links", "write_sealed"]

_MARK = b"\nkmc_transport sha256 "
_LENGTH = len(_MARK) + 64


def write_sealed(path: str | os.PathLike[str], groups: Mapping[str | None, xarray.Dataset]) -> None:
    """Write datasets, each in its group (None: the root), in one go; a link at ``path`` is followed.

    Every array that is no text has HDF5's checksum too, for other programs. StoreError when it cannot be written.
    """
    content = _in_memory(groups)
    seal = _MARK + hashlib.sha256(content).hexdigest().encode()
    write_parts(os.path.realpath(path), [content, seal])


def _in_memory(groups: Mapping[str | None, xarray.Dataset]) -> bytes:
    import h5py

    buffer = io.BytesIO()
    # the format of 2016: checksums of the file's own structure, and no index beside each array
    with h5py.File(buffer, "w", libver=("v110", "v110"), track_order=True) as file:
        made = f"version=2,h5py={h5py.__version__},hdf5={h5py.version.hdf5_version}"
        file.attrs["_NCProperties"] = np.array(made.encode(), f"S{len(made)}")
        write_groups(file, groups)
    return buffer.getvalue()


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
    from h5py import h5d, h5g, h5l, h5o

    seen: set[Any] = set()

    def look(group: Any, where: str) -> None:
        seen.add(group)
        links: list[tuple[bytes, int]] = []
        group.links.iterate(lambda name, info: links.append((name, info.type)), info=True)
        for name, kind in links:
            place = where + name.decode("utf-8", "surrogateescape")
            if kind != h5l.TYPE_HARD:
                raise ValueError(f"{place} is a link to another place, which a result has not")
            there = h5o.open(group, name)
            if isinstance(there, h5g.GroupID):
                if there in seen:
                    raise ValueError(f"{place} contains itself")
                look(there, f"{place}/")
            elif isinstance(there, h5d.DatasetID):
                how = there.get_create_plist()
                if how.get_layout() == h5d.VIRTUAL or how.get_external_count():
                    raise ValueError(f"{place} takes its numbers from another file")

    look(group.id, "")
