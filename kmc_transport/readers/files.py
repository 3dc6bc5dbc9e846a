"""Opens text files, packed ones too."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .paths_common import fail

__all__ = ["bare_name", "read_packed_text"]

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def bare_name(file: Path) -> str:
    """Name of a file without the ending of a packer."""
    return file.stem if file.suffix in _OPENERS else file.name


def read_packed_text(file: Path, what: str) -> str:
    """The text of a file (``.gz``, ``.bz2`` and ``.xz`` are unpacked).

    Raises
    ------
    InputError : the file is missing, empty, damaged, or not text.
    """
    if file.is_dir():
        raise fail(file, "this is a folder", f"give {what} itself")
    try:
        with _OPENERS.get(file.suffix, open)(file, "rt", encoding="utf-8", errors="strict") as handle:
            text = str(handle.read())
    except FileNotFoundError as error:
        raise fail(
            file, "there is no such file", "check the path; it is taken from the working directory"
        ) from error
    except UnicodeDecodeError as error:
        raise fail(file, "this is not a text file", f"give {what}") from error
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise fail(file, f"this cannot be read or unpacked ({error})", "write or copy it again") from error
    if not text.strip():
        raise fail(file, "this file is empty", f"give {what} of a finished calculation")
    return text
