"""Named arrays and JSON values in one HDF5 file, with a checksum, quick to write.

Arrays of one type are laid end to end in one dataset named after the type; a JSON header says where each
begins. Attributed variables, one dataset each, take several times as long to write; the result file has them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Problem, StoreError
from .atomic import atomic_path

__all__ = ["read_container", "write_container"]

VERSION = 1
_COMPRESS_FROM = 2**15  # bytes


def _digest(header: str, blocks: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(header.encode())
    for name in sorted(blocks):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(blocks[name]).tobytes())
    return digest.hexdigest()


def write_container(path: Path, kind: str, content: Mapping[str, Any]) -> None:
    """Write ``content`` atomically.

    Parameters
    ----------
    kind : what the file is; reading asks for the same.
    content : name → numeric or boolean array (any shape, numpy scalars included), or anything that JSON holds.

    Raises
    ------
    TypeError
        For a value that is neither.
    StoreError
        When the file cannot be written.
    """
    import h5py

    arrays: dict[str, list[Any]] = {}
    parts: dict[str, list[np.ndarray]] = {}
    length: dict[str, int] = {}
    values: dict[str, Any] = {}
    for name, value in content.items():
        if not isinstance(value, (np.ndarray, np.generic)) or np.asarray(value).dtype.kind == "U":
            values[name] = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
            continue
        array = np.asarray(value)
        if array.dtype.kind not in "biufc":
            raise TypeError(f"{name}: arrays of type {array.dtype} are not stored")
        block = array.dtype.name
        start = length.get(block, 0)
        arrays[name] = [block, list(array.shape), start]
        parts.setdefault(block, []).append(array.ravel())
        length[block] = start + array.size
    header = json.dumps({"arrays": arrays, "values": values}, ensure_ascii=True)
    blocks = {name: np.concatenate(p) for name, p in parts.items()}
    with atomic_path(path) as temporary, h5py.File(temporary, "w", libver="latest") as file:
        file.attrs["kmc_transport"] = kind
        file.attrs["format_version"] = VERSION
        file.attrs["sha256"] = _digest(header, blocks)
        file["header"] = header
        for name, block_values in blocks.items():
            large = block_values.nbytes > _COMPRESS_FROM
            file.create_dataset(
                name,
                data=block_values,
                compression="gzip" if large else None,
                compression_opts=2 if large else None,
                shuffle=large or None,
            )


def read_container(path: Path, kind: str) -> dict[str, Any]:
    """What `write_container` wrote; arrays are bit for bit the same, numpy scalars come back as 0-d arrays.

    Raises StoreError, naming the file, when it is missing, damaged, truncated, of another kind or too new.
    """
    import h5py

    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            found, version = file.attrs.get("kmc_transport"), int(file.attrs.get("format_version", -1))
            if found == kind and version > VERSION:
                raise StoreError(
                    Problem(
                        "was written by a newer version of kmc_transport",
                        "format_version",
                        version,
                        f"at most {VERSION}",
                        "update kmc_transport",
                        str(path),
                    )
                )
            if found != kind:
                raise ValueError(f"it is not a {kind}")
            header = file["header"][()].decode()
            blocks = {name: file[name][()] for name in file if name != "header"}
            if _digest(header, blocks) != file.attrs["sha256"]:
                raise ValueError("its checksum does not fit its content")
    except StoreError:
        raise
    except Exception as e:  # a damaged HDF5 file can raise nearly anything
        why = "there is no such file" if isinstance(e, FileNotFoundError) else str(e)
        raise StoreError(
            Problem(
                f"cannot be read: {why}",
                file=str(path),
                remedy="delete it; running the same input again makes it anew",
            )
        ) from e
    layout = json.loads(header)
    content: dict[str, Any] = dict(layout["values"])
    for name, (block, shape, start) in layout["arrays"].items():
        size = int(np.prod(shape, dtype=np.int64))
        content[name] = blocks[block][start : start + size].reshape(shape).copy()
    return content
