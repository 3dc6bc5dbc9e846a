"""May a file be written? Where nothing is, where this program wrote the same kind of thing, or where the user says so.

Results and trajectories have rules of their own (`kmc_transport.store.output`, `kmc_transport.trajectory.recording`).
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..errors import Problem, StoreError
from .sealed import read_sealed

__all__ = ["CATALOG_MARK", "PICTURE_MARK", "REPORT_MARK", "SHEET_MARK", "check_free"]

CATALOG_MARK = "kmc_transport_catalog"
"""Attribute of a catalog, or key in its first line, that says who wrote it."""
PICTURE_MARK = {"png": ("Software", "kmc_transport")} | {
    kind: ("Creator", "kmc_transport") for kind in ("svg", "pdf", "eps", "ps")
}
"""By format, the field of a picture's metadata that says who drew it, and what it says."""
REPORT_MARK = "kmc_transport report"
"""Generator that a report names in its head."""
SHEET_MARK = "kmc_transport"
"""Author of a workbook."""
_ENDS = 2**16  # bytes


def check_free(
    path: str | os.PathLike[str],
    kind: str,
    *,
    overwrite: bool = False,
    remedy: str = "choose another name, move it away, or replace it with --overwrite",
) -> None:
    """Before any work: StoreError where writing would replace what this program did not write as this ``kind``.

    kind : ``catalog``, ``picture``, ``report``, ``animation`` or ``workbook``.
    """
    path = Path(path)
    if overwrite or not path.exists():
        return
    if path.is_file():
        with suppress(Exception):  # whatever is wrong with it, it is not ours
            if _KINDS[kind](path):
                return
    raise StoreError(
        Problem(
            f"is there already, and is no {kind} that kmc_transport wrote",
            file=str(path),
            remedy=remedy,
        )
    )


def _is_catalog(path: Path) -> bool:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8") as file:
            head = file.readline(2**16)
        return head.startswith("# {") and CATALOG_MARK in json.loads(head[2:])
    import h5py

    with h5py.File(io.BytesIO(read_sealed(path)[0]), "r") as file:
        return CATALOG_MARK in file.attrs


def _is_picture(path: Path) -> bool:
    if path.suffix[1:].lower() not in PICTURE_MARK:
        return False
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        ends = file.read(_ENDS)
        file.seek(max(0, size - _ENDS))
        ends += file.read()
    return any(mark in ends for mark in _MARKS)


def _is_animation(path: Path) -> bool:
    return path.suffix in (".gif", ".mp4") and b"kmc_transport" in path.read_bytes()


def _is_workbook(path: Path) -> bool:
    import zipfile

    with zipfile.ZipFile(path) as file:
        return f">{SHEET_MARK}</dc:creator>".encode() in file.read("docProps/core.xml")


def _is_report(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        return f'name="generator" content="{REPORT_MARK}"' in file.read(_ENDS)


_MARKS = (
    b"tEXtSoftware\0kmc_transport",
    b"<dc:title>kmc_transport</dc:title>",
    b"/Creator (kmc_transport)",
    b"%%Creator: kmc_transport",
)
_KINDS: dict[str, Callable[[Path], bool]] = {
    "catalog": _is_catalog,
    "picture": _is_picture,
    "report": _is_report,
    "animation": _is_animation,
    "workbook": _is_workbook,
}
