"""Files of an export: their head, and how they get to the disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import Problem, StoreError
from ..store import write_text
from .record import GridQuantity, TransportRecord

__all__ = ["head_lines", "write_files"]


def write_files(texts: Mapping[Path, str], *, overwrite: bool) -> list[Path]:
    """Write the files of one export, each whole or not at all.

    Raises StoreError when one of them is there already, and that was not allowed, or cannot be written.
    """
    there = [p for p in texts if p.exists() or p.is_symlink()]
    if there and not overwrite:
        raise StoreError(
            [
                Problem(
                    "is there already",
                    file=str(p),
                    remedy="choose another -o, move it away, or replace it with --overwrite",
                )
                for p in there
            ]
        )
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def head_lines(
    record: TransportRecord, quantities: Iterable[GridQuantity], *, beyond: str, more: Mapping[str, str]
) -> list[str]:
    """What every file says of itself, one ``key: value`` a line, printable and without line breaks.

    Where it comes from, what it holds in which range, how sure it is, and what happens beyond the range (``beyond``).
    more : what the format adds.
    """
    lines = {"title": record.title, **record.provenance, "direction": record.direction}
    for quantity in quantities:
        of = f" of {quantity.carrier}" if quantity.carrier else ""
        lines[f"{quantity.name}{of}"] = f"{quantity.meaning} Unit: {quantity.unit}."
        if quantity.caveat:
            lines[f"PARTIAL {quantity.name}{of}"] = f"{quantity.caveat}; exported on request"
        error = quantity.relative_error
        lines[f"largest standard error of {quantity.name}{of}"] = f"{error:.3%}"
        lines[f"points of {quantity.name}{of}"] = str(quantity.value.size)
    for axis in record.axes:
        low, high = axis.range
        lines[f"range of {axis.name}"] = f"{low:.10g} to {high:.10g} {axis.unit}"
    lines["beyond the ranges"] = beyond
    return [f"{k}: {_one_line(v)}" for k, v in {**lines, **more}.items() if v]


def _one_line(text: str) -> str:
    plain = " ".join(text.split())
    return "".join(c if c.isprintable() else "?" for c in plain)
