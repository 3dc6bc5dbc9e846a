"""Tables as a workbook: a sheet for each, with units in the header, filters, and numbers as numbers."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..store import SHEET_MARK, check_free, write_parts
from .numbers import plain
from .table import Table

__all__ = ["write_workbook"]

_WIDEST = 60
"""Letters of a column."""


def write_workbook(
    path: str | Path,
    tables: Sequence[tuple[str, Table[Any]]],
    facts: Mapping[str, str],
    *,
    overwrite: bool = False,
) -> None:
    """All columns of the tables, shown or not, a sheet each; where they come from on a last one.

    tables : (name of the sheet, table). Raises InputError without openpyxl, StoreError where something else lies there.
    """
    path = Path(path)
    if path.suffix != ".xlsx":
        raise InputError("is no name of a workbook", key="--xlsx", value=str(path), allowed="NAME.xlsx")
    check_free(path, "workbook", overwrite=overwrite)
    try:
        from openpyxl import Workbook
        from openpyxl.styles import Alignment, Font
        from openpyxl.utils import get_column_letter
    except ImportError:
        raise InputError(
            "a workbook needs openpyxl, which is not installed",
            key="--xlsx",
            value=str(path),
            remedy='pip install ".[xlsx]", or use --csv',
        ) from None

    book = Workbook()
    book.remove(book.active)
    book.properties.creator = SHEET_MARK
    for name, table in tables:
        sheet = book.create_sheet(name[:31])
        rows = table.data
        keys = list(rows[0]) if rows else [c.key for c in table.columns if c.key]
        sheet.append(keys)
        for row in rows:
            sheet.append([_cell(row[k]) for k in keys])
        for k, key in enumerate(keys, 1):
            head = sheet.cell(1, k)
            head.font, head.alignment = Font(bold=True), Alignment(wrap_text=True, vertical="top")
            longest = max([12, *(len(str(_cell(row[key]) or "")) for row in rows[:50])])
            sheet.column_dimensions[get_column_letter(k)].width = min(_WIDEST, longest + 2)
        sheet.freeze_panes = "A2"
        sheet.auto_filter.ref = sheet.dimensions
        for note in table.notes:
            sheet.append([])
            sheet.append([note])
    origin = book.create_sheet("origin")
    for key, text in facts.items():
        for part in text.split("\n") or [""]:
            origin.append([key, _cell(part)])
            key = ""
    origin.column_dimensions["A"].width, origin.column_dimensions["B"].width = 24, 100
    out = io.BytesIO()
    book.save(out)
    write_parts(os.path.realpath(path), [out.getvalue()])


def _cell(value: Any) -> Any:
    """Text that begins like a formula stays text."""
    value = plain(value)
    if isinstance(value, (list, tuple)):
        value = " ".join(map(str, value))
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return "'" + value
    return value
