"""The one way in for files: regular ones only, of bounded size, packed ones unpacked, text decoded."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import InputError, Problem

__all__ = [
    "LARGEST",
    "bare_name",
    "check_file",
    "decode",
    "plain_copy",
    "read_content",
    "read_packed_text",
]

LARGEST = 1 << 30
"""Bytes; a larger file, packed or not, is refused."""

_USUAL = 1 << 26  # bytes that a packed file may unpack to however small it is
_RATIO = 100  # beyond them, how many times its own size; text packs to a fifth, at best a thirtieth
_CHUNK = 1 << 20
_FOREIGN = 0.3  # share of bytes beyond ASCII up to which a file that is not UTF-8 passes as text

_PACKERS: dict[str, tuple[bytes, Callable[..., Any]]] = {
    ".gz": (b"\x1f\x8b", gzip.open),
    ".bz2": (b"BZh", bz2.open),
    ".xz": (b"\xfd7zXZ", lzma.open),
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# allowed in text beside printable characters: tab, line feed, form feed, carriage return, DOS end of file
_CONTROLS = bytes(set(range(32)) - {9, 10, 12, 13, 26})


def bare_name(file: Path) -> str:
    """Name of a file without the ending of a packer."""
    return file.stem if file.suffix.lower() in _PACKERS else file.name


def check_file(file: Path, what: str, largest: int = LARGEST) -> int:
    """Size in bytes of a regular file that is not empty and not too large.

    Raises
    ------
    InputError : no such file, a folder, pipe or device, empty, larger than ``largest``.
    """
    try:
        found = file.stat()
    except FileNotFoundError as error:
        raise _refuse(
            file, "there is no such file", "check the path; it is taken from the working directory"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _refuse(
            file, f"this cannot be opened ({error})", "check the path and its permissions"
        ) from error
    if stat.S_ISDIR(found.st_mode):
        raise _refuse(file, "this is a folder", f"give {what} itself")
    if not stat.S_ISREG(found.st_mode):
        raise _refuse(
            file, "this is a pipe or a device, not a file", f"write {what} to a file, and give that"
        )
    if not found.st_size:
        raise _refuse(file, "this file is empty", f"give {what} of a finished calculation")
    if found.st_size > largest:
        raise _too_large(file, what, largest)
    return found.st_size


def read_content(file: Path, what: str, largest: int = LARGEST) -> bytes:
    """The content of a file, unpacked where its first bytes are those of gzip, bzip2 or xz.

    What it unpacks to is counted before it is kept: a small file that unpacks to gigabytes costs no memory.

    Raises
    ------
    InputError : as `check_file`; damaged archives; content larger than ``largest``.
    """
    size = check_file(file, what, largest)
    try:
        with file.open("rb") as handle:
            first = handle.read(8)
        opener: Callable[..., Any] = open
        for magic, unpack in _PACKERS.values():
            if first.startswith(magic):
                opener, largest = unpack, min(largest, max(_USUAL, _RATIO * size))
        with opener(file, "rb") as handle:
            if opener is not open and _exceeds(handle, largest):
                raise _too_large(file, what, largest)
        with opener(file, "rb") as handle:
            content: bytes = handle.read(largest)
    except (OSError, EOFError, MemoryError, lzma.LZMAError, zlib.error) as error:
        said = f"this cannot be read or unpacked ({str(error)[:200]})"
        raise _refuse(file, said, "it may be cut off or damaged: write or copy it again") from error
    if not content.strip():
        raise _refuse(file, "this file is empty", f"give {what} of a finished calculation")
    return content


def _exceeds(handle: Any, largest: int) -> bool:
    """Whether a packed file unpacks to more than ``largest`` bytes."""
    count = 0
    while count <= largest and (chunk := handle.read(_CHUNK)):
        count += len(chunk)
    return count > largest


def decode(content: bytes, file: Path, what: str) -> str:
    """Text of a file: UTF-8, UTF-16 with its mark, or else mostly ASCII (Windows, Latin-1); lines end with ``\\n``.

    Raises
    ------
    InputError : not text: NUL bytes (damaged by a full disk or a crash) or other control characters.
    """
    if content[:2] in _UTF16:
        try:
            text = content.decode("utf-16")
        except UnicodeDecodeError as error:
            raise _refuse(file, "this is not a text file: damaged UTF-16", "save it as UTF-8") from error
        content = text.encode("utf-8", "surrogatepass")
    if strange := len(content) - len(content.translate(None, _CONTROLS)):
        at = next(i for i, byte in enumerate(content) if byte in _CONTROLS)
        name = "NUL bytes" if content[at] == 0 else "control characters"
        raise _refuse(
            file,
            f"this is not a text file, or it is damaged: {strange} {name}",
            f"write or copy it again; give {what}",
            line=content.count(b"\n", 0, at) + 1,
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        foreign = len(content) - len(content.translate(None, bytes(range(128, 256))))
        if foreign > _FOREIGN * len(content):
            raise _refuse(file, "this is not a text file", f"give {what}") from error
        text = content.decode("cp1252", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_packed_text(file: Path, what: str) -> str:
    """The text of a file, unpacked and decoded.

    Raises
    ------
    InputError : the file is missing, empty, damaged, too large, no regular file, or not text.
    """
    return decode(read_content(file, what), file, what)


@contextmanager
def plain_copy(file: Path, what: str, text: str | None = None) -> Iterator[Path]:
    """Path of a copy for libraries that want one: unpacked UTF-8 under the bare name; ``text`` if already read."""
    content = read_packed_text(file, what) if text is None else text
    with TemporaryDirectory() as folder:
        copy = Path(folder) / bare_name(file)
        copy.write_text(content, encoding="utf-8")
        yield copy


def _refuse(file: Path, message: str, remedy: str, line: int | None = None, **more: Any) -> InputError:
    return InputError(Problem(message, remedy=remedy, file=str(file), line=line, **more))


def _too_large(file: Path, what: str, largest: int) -> InputError:
    return _refuse(
        file,
        "this file is too large, unpacked",
        f"give {what} of one calculation, without what is not needed (bands, charge densities, other steps)",
        allowed=f"at most {largest / 2**20:.0f} MiB",
    )
