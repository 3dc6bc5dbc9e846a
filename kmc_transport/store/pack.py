"""Named arrays as one block of bytes beside its layout; blocks of the same layout are read as one table."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from .arrayfile import split

__all__ = ["Pack", "pack"]


@dataclass(frozen=True)
class Pack:
    """layout : JSON, name → [type, shape, place in ``data``]. texts : JSON, what is no array. data : little-endian,
    each array padded to a multiple of 8 bytes."""

    layout: bytes
    texts: bytes
    data: bytes

    def digest(self, version: int) -> bytes:
        """SHA-256 of all of it."""
        parts = (str(version).encode(), self.layout, self.texts, self.data)
        return hashlib.sha256(b"\0".join(parts)).digest()

    @cached_property
    def values(self) -> dict[str, Any]:
        """What is no array."""
        return dict(json.loads(self.texts))

    def content(self) -> dict[str, Any]:
        """What was packed; arrays bit for bit, numpy scalars as 0-d arrays."""
        content = dict(self.values)
        for name, (dtype, shape, start) in json.loads(self.layout).items():
            count = math.prod(shape)
            flat = np.frombuffer(self.data, dtype, count, start) if count else np.empty(0, dtype)
            content[name] = flat.astype(flat.dtype.newbyteorder("="), copy=True).reshape(shape)
        return content


def pack(content: Mapping[str, Any]) -> Pack:
    """See `kmc_transport.store.arrayfile.split` for what can be packed."""
    arrays, values = split(content)
    data = []
    for value in arrays.values():
        raw = value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
        data += [raw, bytes(-len(raw) % 8)]
    layout = _layout(tuple((name, a.dtype.char, a.shape) for name, a in arrays.items()))
    return Pack(layout, json.dumps(values).encode(), b"".join(data))


@lru_cache(maxsize=64)
def _layout(arrays: tuple[tuple[str, str, tuple[int, ...]], ...]) -> bytes:
    """JSON of name → [type, shape, place in the data]."""
    places: dict[str, list[Any]] = {}
    size = 0
    for name, char, shape in arrays:
        dtype = np.dtype(char)
        places[name] = [dtype.newbyteorder("<").str, list(shape), size]
        n_bytes = math.prod(shape) * dtype.itemsize
        size += n_bytes + -n_bytes % 8
    return json.dumps(places).encode()
