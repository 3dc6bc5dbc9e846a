"""Files that are either the old one or the new one, never half of either."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import Problem, StoreError

__all__ = [
    "atomic_path",
    "is_temporary",
    "owner_file",
    "read_bytes",
    "unreadable",
    "write_parts",
    "write_text",
    "write_text_once",
]

TEMPORARY = ".tmp"
"""Ending of files being written."""


def owner_file(owner: str) -> str:
    """Name of the empty file that says whose a folder of points is."""
    return f".owner-{owner}"


def _sync(path: str | Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def atomic_path(path: Path, *, durable: bool = True, once: bool = False) -> Iterator[Path]:
    """Give a temporary name beside ``path``; when the body is done, sync it and rename it to ``path``.

    durable : sync file and folder to the disk; without, a power cut may lose the new file. once : FileExistsError
    when ``path`` is there already.
    On any exception the temporary file is removed and what was at ``path`` stays. An OSError (no space, no
    permission) becomes a StoreError that names ``path``. What is replaced hands on its permissions and owner.
    """
    path = Path(os.path.realpath(path))  # a link keeps pointing at the file that is replaced
    temporary = path.with_name(_temporary_name(path.name))
    try:
        yield temporary
        _hand_on(_there(path), temporary)
        if durable:
            _sync(temporary)
        if once:
            _name_once(temporary, path)
        else:
            os.replace(temporary, path)
        if durable:
            _sync(path.parent)
    except FileExistsError:
        raise
    except OSError as e:
        raise _not_written(e, path) from e
    finally:
        with suppress(OSError):  # a folder that has become unwritable: the next run sweeps
            temporary.unlink(missing_ok=True)


def write_parts(path: str | os.PathLike[str], parts: Sequence[bytes]) -> None:
    """A file that consists of ``parts``, durable and atomic as by `atomic_path`, in a fraction of its time.

    A link at ``path`` is replaced, not followed.
    """
    path = os.fspath(path)
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, _temporary_name(name))
    try:
        there = _there(path)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            try:
                _write_all(fd, parts)
                _hand_on(there, fd)
                os.fsync(fd)
            finally:
                os.close(fd)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        _sync(folder or ".")
    except OSError as e:
        raise _not_written(e, Path(path)) from e


def _write_all(fd: int, parts: Sequence[bytes]) -> None:
    left = [memoryview(p) for p in parts if len(p)]
    while left:
        written = os.writev(fd, left[:_AT_ONCE])
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if written:
            left[0] = left[0][written:]


_AT_ONCE = 16
"""Parts of one call; POSIX promises as many."""


def _there(path: str | Path) -> os.stat_result | None:
    """Of the file that is there."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _hand_on(there: os.stat_result | None, new: int | Path) -> None:
    """Owner, where that is allowed, and permissions of a file that is there to the one that takes its place."""
    if there is None:
        return
    own = os.stat(new)
    if (own.st_uid, own.st_gid) != (there.st_uid, there.st_gid):
        with suppress(OSError):  # only an administrator gives files away
            os.chown(new, there.st_uid, there.st_gid)
    os.chmod(new, stat.S_IMODE(there.st_mode))


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """All bytes of a regular file. StoreError when it is missing, not a file, or cannot be read now.

    The HDF5 library would lock the file, and take one that another program holds for a broken one.
    """
    name = os.fspath(path)
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a fifo would keep us waiting
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            return file.read()
    except FileNotFoundError:
        raise unreadable(name, "there is no such file") from None
    except OSError as e:
        raise unreadable(name, str(e.strerror)) from None
    except MemoryError:
        raise unreadable(name, "it is larger than the memory") from None


def unreadable(path: str | os.PathLike[str], why: str) -> StoreError:
    """The error for a file that is there, perhaps in order, and cannot be read."""
    remedy = "see to it that the file can be read, or move it away"
    return StoreError(Problem(f"cannot be read: {why}", file=os.fspath(path), remedy=remedy))


def _temporary_name(name: str) -> str:
    return f".{_start(name)}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY}"


def _start(name: str) -> str:
    """As much of a name as leaves room for the rest of that of a temporary file."""
    return os.fsdecode(os.fsencode(name)[:_LONGEST])


_LONGEST = 200
"""Bytes; file systems take names of 255."""
_ENDING = rf"\.\d+-[0-9a-f]{{8}}{re.escape(TEMPORARY)}"


def is_temporary(name: str, of: str | None = None) -> bool:
    """Whether this program gave a temporary file its name; ``of``: that of the file that it was to become."""
    start = ".+" if of is None else re.escape(_start(of))
    return re.fullmatch(rf"\.{start}{_ENDING}", name, re.DOTALL) is not None


def _not_written(error: Exception, path: Path) -> StoreError:
    return StoreError(
        Problem(
            f"could not be written: {_why(error, path)}",
            file=str(path),
            remedy="check the folder, its permissions and the free space, or choose another -o",
        )
    )


def _why(error: Exception, path: Path) -> str:
    """The reason in the system's words; HDF5 says it in many more, or not at all."""
    number = getattr(error, "errno", None)
    if number:
        return os.strerror(number)
    try:
        free = os.statvfs(path.parent)
    except OSError:
        return str(error)
    return os.strerror(errno.ENOSPC) if free.f_bavail == 0 else str(error)


def _name_once(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # this file system has no hard links
        if path.exists():
            raise FileExistsError(path) from None
        os.replace(temporary, path)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a small text file atomically."""
    with atomic_path(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_text_once(path: Path, text: str) -> bool:
    """Write a small text file unless it is there already; whether it was written. Safe against others' writing it."""
    try:
        with atomic_path(path, once=True) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except FileExistsError:
        return False
    return True
