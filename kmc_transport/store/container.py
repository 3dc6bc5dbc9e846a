"""Named arrays and JSON values in one small HDF5 file, with checksums, quick to write and quicker to scan.

A *pack* is one block of bytes: ``sha256 of the rest (32 bytes), length of the layout, length of the values (two
little-endian 32-bit numbers), layout (JSON: array name → [type, shape, place in the data]), values (JSON), zeros up
to a multiple of 8, data``. Packs of the same layout can be stacked, which is how many points are read at once. A file
holds the pack ``summary`` and, where there is more that is seldom needed, ``bulk``; both are one-dimensional datasets
of bytes. Attributed variables, one dataset each, take some ten times as long; the result file has them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DamagedFile, MisplacedFile, Problem, StoreError
from .atomic import read_bytes, unreadable, write_parts

__all__ = [
    "SIGNATURE",
    "Pack",
    "pack",
    "read_container",
    "read_summary",
    "reading",
    "unpack",
    "write_container",
]

VERSION = 3
_HEAD, _LENGTH = struct.Struct("<32sII"), struct.Struct("<Q")
_TRY, _COMPRESS_FROM, _ROUND = 2**14, 2**15, 2**9  # bytes


def pack(content: Mapping[str, Any]) -> bytes:
    """One block of bytes; ``content``: name → numeric or boolean array, or anything that JSON holds.

    Raises TypeError for a value that is neither.
    """
    arrays: list[tuple[str, str, tuple[int, ...]]] = []
    values: dict[str, Any] = {}
    data: list[bytes] = []
    for name, value in content.items():
        if not isinstance(value, (np.ndarray, np.generic)):
            values[name] = value
            continue
        kind = value.dtype.kind
        if kind == "U":
            values[name] = value.tolist()
            continue
        if kind not in "biufc":
            raise TypeError(f"{name}: arrays of type {value.dtype} are not stored")
        arrays.append((name, value.dtype.char, value.shape))
        little = value if value.dtype.str[0] in "<|" else value.astype(value.dtype.newbyteorder("<"))
        raw = little.tobytes()
        data.append(raw)
        if len(raw) % 8:
            data.append(bytes(-len(raw) % 8))
    layout, texts = _layout(tuple(arrays)), json.dumps(values).encode()
    texts += b" " * (-len(texts) % _ROUND)  # few different lengths: files of one length have one frame
    padding = bytes(-(_HEAD.size + len(layout) + len(texts)) % 8)
    rest = b"".join((struct.pack("<II", len(layout), len(texts)), layout, texts, padding, *data))
    return hashlib.sha256(rest).digest() + rest


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


class Pack:
    """A block of bytes from `pack`, taken apart; ValueError when its checksum does not fit."""

    def __init__(self, block: bytes) -> None:
        if len(block) < _HEAD.size:
            raise ValueError("it is too short")
        digest, n_layout, n_values = _HEAD.unpack_from(block)
        if hashlib.sha256(memoryview(block)[32:]).digest() != digest:
            raise ValueError("its checksum does not fit its content")
        here = _HEAD.size + n_layout
        self.layout = block[_HEAD.size : here]
        self._values = block[here : here + n_values]
        here += n_values
        self.data = block[here + -here % 8 :]
        """Bytes of all arrays; packs of the same layout have the same length."""

    @cached_property
    def values(self) -> dict[str, Any]:
        """What is no array."""
        return dict(json.loads(self._values))

    def content(self) -> dict[str, Any]:
        """What was packed; arrays bit for bit, numpy scalars as 0-d arrays."""
        content = dict(self.values)
        for name, (dtype, shape, start) in json.loads(self.layout).items():
            count = int(np.prod(shape, dtype=np.int64))
            flat = np.frombuffer(self.data, dtype, count, start) if count else np.empty(0, dtype)
            content[name] = flat.astype(flat.dtype.newbyteorder("="), copy=True).reshape(shape)
        return content


def unpack(block: bytes) -> dict[str, Any]:
    """Inverse of `pack`. ValueError when the checksum does not fit."""
    return Pack(block).content()


def _squeeze(block: bytes) -> bytes:
    """The block compressed, where that makes it much smaller at little cost.

    Byte 0: as it is. Byte 1: its length (64 bits), then, in zlib's format: which of its 8-byte words are not zero (a
    bit each), those words with bytes of like weight side by side, and what is left at its end.
    """
    if len(block) < _COMPRESS_FROM:
        return b"\0" + block
    words = np.frombuffer(block, np.uint64, len(block) // 8)
    some = words != 0
    shuffled = words[some].view(np.uint8).reshape(-1, 8).T.tobytes()
    if len(shuffled) > 4 * _TRY:
        middle = len(shuffled) // 2
        sample = shuffled[middle : middle + _TRY]
        if len(zlib.compress(sample, 1)) > len(sample) // 2:
            return b"\0" + block
    parts = (np.packbits(some).tobytes(), shuffled, block[8 * len(words) :])
    squeezed = b"\1" + _LENGTH.pack(len(block)) + zlib.compress(b"".join(parts), 1)
    return squeezed + bytes(-len(squeezed) % _ROUND)  # zeros behind the end of the stream


def _expand(stored: bytes) -> bytes:
    if stored[:1] == b"\0":
        return stored[1:]
    stream, start = zlib.decompressobj(), 1 + _LENGTH.size
    content = stream.decompress(stored[start:])
    if not stream.eof or stream.unused_data.strip(b"\0"):
        raise ValueError("its compressed part is damaged")
    (length,) = _LENGTH.unpack(stored[1:start])
    n, rest = length // 8, length % 8
    end, here = len(content) - rest, -(-n // 8)
    words = np.zeros(n, np.uint64)
    some = np.unpackbits(np.frombuffer(content, np.uint8, here), count=n).view(np.bool_)
    shuffled = np.frombuffer(content[here:end], np.uint8).reshape(8, -1)
    words[some] = np.ascontiguousarray(shuffled.T).view(np.uint64).reshape(-1)
    return words.tobytes() + content[end:]


def write_container(
    path: Path, kind: str, content: Mapping[str, Any], bulk: Mapping[str, Any] | None = None
) -> None:
    """Write ``content``, and ``bulk`` apart from it, atomically.

    Parameters
    ----------
    kind : what the file is; reading asks for the same.
    content, bulk : see `pack`.

    Raises
    ------
    TypeError
        For a value that cannot be packed.
    StoreError
        When the file cannot be written.
    """
    packs = {"summary": pack(content)} | ({} if bulk is None else {"bulk": _squeeze(pack(bulk))})
    lengths = (kind, tuple((name, len(block)) for name, block in packs.items()))
    if lengths in _frames:  # a file with packs as long as in one before: no need to ask the library
        write_parts(
            path, [part if isinstance(part, bytes) else packs[part.name] for part in _frames[lengths]]
        )
        return
    image, places = _image(kind, packs)
    if len(_frames) < 256 and None not in places.values():
        _frames[lengths] = _frame(image, packs, places)
    write_parts(path, [image])


@dataclass(frozen=True)
class _Place:
    """Where a pack belongs."""

    name: str


_frames: dict[tuple[str, tuple[tuple[str, int], ...]], list[bytes | _Place]] = {}
"""What is in a file, in its order, by kind and lengths of the packs: the library's own bytes, and the packs."""


_numbers = itertools.count()


def _frame(
    image: bytes, packs: Mapping[str, bytes], places: Mapping[str, int | None]
) -> list[bytes | _Place]:
    frame: list[bytes | _Place] = []
    here = 0
    for name in sorted(packs, key=lambda n: places[n] or 0):
        place = places[name] or 0
        frame += [image[here:place], _Place(name)]
        here = place + len(packs[name])
    return [*frame, image[here:]]


def _image(kind: str, packs: Mapping[str, bytes]) -> tuple[bytes, dict[str, int | None]]:
    """The bytes of a file with these packs, and where they lie in it.

    Made in memory: the library cannot take back what a full disk refuses, and crashes at exit.
    """
    from h5py import h5a, h5d, h5f, h5p, h5s, h5t

    access = h5p.create(h5p.FILE_ACCESS)
    access.set_libver_bounds(h5f.LIBVER_LATEST, h5f.LIBVER_LATEST)  # checksums of the file's own structure
    access.set_fapl_core(2**16, False)
    # the library takes two files in memory with one name for the same file
    file = h5f.create(b"container %d" % next(_numbers), h5f.ACC_TRUNC, h5p.create(h5p.FILE_CREATE), access)
    places: dict[str, int | None] = {}
    try:
        text = h5t.C_S1.copy()
        text.set_size(len(kind) + 1)
        attribute = h5a.create(file, b"kmc_transport", text, h5s.create(h5s.SCALAR))
        attribute.write(np.array(kind.encode(), f"S{len(kind)}"))
        attribute = h5a.create(file, b"format_version", h5t.STD_I32LE, h5s.create(h5s.SCALAR))
        attribute.write(np.array(VERSION, np.int32))
        for name, block in packs.items():
            space = h5s.create_simple((len(block),))
            dataset = h5d.create(file, name.encode(), h5t.STD_U8LE, space)
            dataset.write(space, space, np.frombuffer(block, np.uint8))
            file_place = dataset.get_offset()
            places[name] = None if file_place is None else int(file_place)
        h5f.flush(file)
        return bytes(file.get_file_image()), places
    finally:
        file.close()


def read_container(path: Path, kind: str) -> dict[str, Any]:
    """What `write_container` wrote, both parts; arrays are bit for bit the same, numpy scalars 0-d arrays.

    Raises StoreError, naming the file, when it is missing, cannot be read or is too new, DamagedFile when it is
    truncated or damaged, MisplacedFile when it is of another kind.
    """
    with reading(path):
        blocks = _read_file(Path(path), kind, ("summary", "bulk"))
        content = unpack(blocks["summary"])
        return content | (unpack(_expand(blocks["bulk"])) if "bulk" in blocks else {})


def read_summary(path: Path, kind: str) -> Pack:
    """The part ``content`` of a file, checked against its checksum; errors as `read_container`."""
    quick = _quick_summary(path)
    if quick is not None:
        return quick
    with reading(path):
        return Pack(_read_file(Path(path), kind, ("summary",))["summary"])


SIGNATURE, _END = b"\x89HDF\r\n\x1a\n", slice(28, 36)
"""Of the files that we write: how they begin, and where they say how long they are (superblock of version 2 or 3)."""
_ENOUGH = 2**14  # bytes
_places: list[int] = []
_sizes: dict[bytes, int] = {}


def _quick_summary(path: Path) -> Pack | None:
    """The summary without the HDF5 library, four times as fast; None when anything is not as usual.

    Files of one kind have the summary at the same place, which is learnt from the first. That it is there, and whole,
    its checksum says; that the file is not cut off, its length.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        size = os.fstat(fd).st_size
        start = os.pread(fd, _ENOUGH, 0)
        if start[:8] != SIGNATURE or int.from_bytes(start[_END], "little") != size:
            return None
        for place in _places:
            _, n_layout, n_values = _HEAD.unpack_from(start, place)
            if n_layout + n_values > size:
                continue
            end = place + _HEAD.size + n_layout
            layout = start[place + _HEAD.size : end]
            if layout not in _sizes:
                return None
            length = _HEAD.size + n_layout + n_values
            length += -length % 8 + _sizes[layout]
            block = start[place : place + length]
            if len(block) < length:
                block = os.pread(fd, length, place)
            try:
                return Pack(block)
            except ValueError:
                return None
    except (OSError, struct.error):
        pass
    finally:
        os.close(fd)
    return None


def _learn(place: int | None, block: bytes) -> None:
    """Remember where a summary lies, and how long the data of its layout are."""
    if place is not None and place not in _places and len(_places) < 8:
        _places.append(place)
    pack_ = Pack(block)
    if len(_sizes) < 256:
        _sizes[pack_.layout] = len(pack_.data)


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


_OPEN_FLAGS = 11
"""Where a file says that a program has it open for writing (superblock of version 2 or 3)."""


def _read_file(path: Path, kind: str, names: tuple[str, ...]) -> dict[str, bytes]:
    from h5py import h5d, h5f, h5s

    image = read_bytes(path)
    if image[:8] == SIGNATURE and image[_OPEN_FLAGS : _OPEN_FLAGS + 1] not in (b"\0", b""):
        raise unreadable(path, "another program has it open for writing, or died while it had")
    if image[:8] == SIGNATURE and int.from_bytes(image[_END], "little") != len(image):
        raise ValueError("it is cut off, or longer than it was")
    file = h5f.open_file_image(image)
    try:
        if kind:
            _check_kind(file, kind, path)
        blocks = {}
        for name in names:
            if name != "summary" and name.encode() not in file:
                continue
            dataset = h5d.open(file, name.encode())
            if dataset.shape[0] > len(image) or dataset.dtype != np.uint8:
                raise ValueError(f"its part {name} is not what was written")
            block = np.empty(dataset.shape, np.uint8)
            dataset.read(h5s.ALL, h5s.ALL, block)
            blocks[name] = block.tobytes()
            if name == "summary":
                _learn(dataset.get_offset(), blocks[name])
        return blocks
    finally:
        file.close()


def _check_kind(file: Any, kind: str, path: Path) -> None:
    from h5py import h5a

    if not h5a.exists(file, b"kmc_transport") or _attribute(file, b"kmc_transport") != kind.encode():
        raise _misplaced(path, f"it is not a {kind}")
    version = int(_attribute(file, b"format_version"))
    if version > VERSION:
        raise StoreError(
            Problem(
                message="was written by a newer version of kmc_transport",
                key="format_version",
                value=version,
                allowed=f"at most {VERSION}",
                remedy="update kmc_transport",
                file=str(path),
            )
        )
    if version < VERSION:
        raise _misplaced(path, f"it has format {version}, which is no longer read")


def _misplaced(path: Path, why: str) -> MisplacedFile:
    remedy = "move it away; running the same input again makes what belongs here"
    return MisplacedFile(Problem(f"cannot be read: {why}", file=str(path), remedy=remedy))


def _attribute(file: Any, name: bytes) -> Any:
    from h5py import h5a

    attribute = h5a.open(file, name)
    value = np.empty((), attribute.dtype)
    attribute.read(value)
    return value.item()
