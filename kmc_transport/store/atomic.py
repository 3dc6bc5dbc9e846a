"""Files that are either the old one or the new one, never half of either."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import Problem, StoreError

__all__ = ["TEMPORARY", "atomic_path", "write_text"]

TEMPORARY = ".tmp"
"""Ending of files being written."""


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; when the body is done, sync it and rename it to ``path``.

    On any exception the temporary file is removed and what was at ``path`` stays. An OSError (no space, no
    permission) becomes a StoreError that names ``path``.
    """
    path = Path(os.path.realpath(path))  # a link keeps pointing at the file that is replaced
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY}")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as e:
        raise StoreError(
            Problem(
                f"could not be written: {e}",
                file=str(path),
                remedy="check the folder, its permissions and the free space, or choose another -o",
            )
        ) from e
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
