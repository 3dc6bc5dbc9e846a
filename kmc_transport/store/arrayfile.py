"""Named arrays and JSON values in one file: a zip of ``.npy`` members, as `numpy.load` reads it, with a checksum.

The comment of the zip is the SHA-256, in hexadecimal digits, of all bytes before it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DamagedFile, MisplacedFile, Problem, StoreError
from .atomic import read_bytes, unreadable, write_parts

__all__ = ["read_arrays", "reading", "split", "write_arrays"]

_ABOUT, _MARK, _N_DIGITS = "about.json", "kmc_transport", 64


def split(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Numeric and boolean arrays, and what JSON holds; texts in arrays become lists. TypeError for other arrays."""
    arrays: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name, value in content.items():
        if not isinstance(value, (np.ndarray, np.generic)):
            values[name] = value
        elif value.dtype.kind == "U":
            values[name] = value.tolist()
        elif value.dtype.kind in "biufc":
            arrays[name] = value
        else:
            raise TypeError(f"{name}: arrays of type {value.dtype} are not stored")
    return arrays, values


def write_arrays(path: Path, kind: str, content: Mapping[str, Any]) -> None:
    """Write ``content`` (see `split`) atomically.

    kind : what the file is; reading asks for the same. StoreError when it cannot be written.
    """
    arrays, values = split(content)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr(_ABOUT, json.dumps({_MARK: kind, "values": values}))
        for name, array in arrays.items():
            with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
        file.comment = bytes(_N_DIGITS)
    image = buffer.getvalue()[:-_N_DIGITS]
    write_parts(path, [image, hashlib.sha256(image).hexdigest().encode()])


def read_arrays(path: Path, kind: str) -> dict[str, Any]:
    """What `write_arrays` wrote; arrays are bit for bit the same, numpy scalars 0-d arrays.

    Raises StoreError, naming the file, when it is missing or cannot be read now, DamagedFile when it is truncated or
    damaged, MisplacedFile when it is of another kind.
    """
    with reading(path):
        image = read_bytes(path)
        if hashlib.sha256(image[:-_N_DIGITS]).hexdigest().encode() != image[-_N_DIGITS:]:
            raise ValueError("its checksum does not fit its content")
        with zipfile.ZipFile(io.BytesIO(image)) as file:
            about = json.loads(file.read(_ABOUT))
            if about[_MARK] != kind:
                remedy = "move it away; running the same input again makes what belongs here"
                raise MisplacedFile(
                    Problem(f"cannot be read: it is not a {kind}", file=str(path), remedy=remedy)
                )
            content = dict(about["values"])
            for name in file.namelist():
                if name != _ABOUT:
                    with file.open(name) as member:
                        content[name.removesuffix(".npy")] = np.lib.format.read_array(member)
        return content


class reading:
    """Whatever goes wrong in the body means that the file is damaged: DamagedFile, but for errors that say more."""

    def __init__(self, path: str | os.PathLike[str], remedy: str = "") -> None:
        self.path = os.fspath(path)
        self.remedy = remedy or "delete it; running the same input again makes it anew"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, MemoryError):
            raise unreadable(self.path, "it is larger than the memory") from None
        if error is None or isinstance(error, StoreError) or not isinstance(error, Exception):
            return
        why = f"{error.args[0]} is missing" if isinstance(error, KeyError) and error.args else str(error)
        raise DamagedFile(Problem(f"cannot be read: {why}", file=self.path, remedy=self.remedy)) from error
