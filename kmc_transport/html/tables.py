"""Tables of `kmc_transport.report` for a page: the same texts, with the numbers behind them to sort by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..report.numbers import MISSING, plain
from ..report.table import Column, Table

__all__ = ["WebTable", "web_table"]


@dataclass(frozen=True, eq=False, kw_only=True)
class WebTable:
    """headers : (name, unit). rows : of (text, what to sort by, whether a number). choices : columns to filter by,
    (number of the column, its texts).
    """

    title: str
    headers: list[tuple[str, str]]
    rows: list[list[tuple[str, str, bool]]]
    notes: list[str]
    choices: list[tuple[int, list[str]]]

    def replacing(self, old: str, new: str) -> WebTable:
        """The same with another word in its texts."""
        rows = [[(text.replace(old, new), key, number) for text, key, number in row] for row in self.rows]
        return replace(self, rows=rows)


def web_table(table: Table[Any], *, filters: bool = False) -> WebTable:
    """A table's shown columns; those that are empty are left out."""
    cells, footnotes = table.printed()
    columns = [(k, c) for k, c in enumerate(table.shown) if any(row[k] for row in cells) or not cells]
    rows = [
        [_cell(texts[k], column, row) for k, column in columns]
        for texts, row in zip(cells, table.rows, strict=True)
    ]
    names = [n for n, (_, c) in enumerate(columns) if c.names]
    choices = [(n, list(dict.fromkeys(row[n][0] for row in rows))) for n in names if filters]
    return WebTable(
        title=table.title,
        headers=[(c.header, c.unit) for _, c in columns],
        rows=rows,
        notes=[*footnotes, *table.notes],
        choices=[(n, texts) for n, texts in choices if len(texts) > 1],
    )


def _cell(text: str, column: Column[Any], row: Any) -> tuple[str, str, bool]:
    value = plain(column.value(row))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return text, repr(float(value)), True
    return text, "", text.startswith(MISSING)  # a missing number stands, and sorts, with the numbers
