"""Tables as text of a given width: wide ones are stacked, and no number is ever broken."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import plain
from .table import Table

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["page_width", "print_tables", "print_text", "table_lines"]

NARROWEST, NO_TERMINAL = 40, 200
"""Columns of text that are always used, and those of a pipe or a file."""
GAP = 3
"""Between two columns of a table."""
FEW = (1, 2, 3)
"""Rows of a table that may be turned on its side."""
WORDY = 24
"""Width to which a column of words is narrowed before the table is stacked."""


def page_width() -> int:
    """Of COLUMNS, or of the terminal, or of a page that has none."""
    if not os.environ.get("COLUMNS", "").isdecimal() and not sys.stdout.isatty():
        return NO_TERMINAL
    return max(NARROWEST, shutil.get_terminal_size((NO_TERMINAL, 24)).columns)


def print_tables(*tables: Table[Any]) -> None:
    """To standard output."""
    width = page_width()
    for k, table in enumerate(tables):
        if k:
            print()
        print("\n".join(table_lines(table, width)))


def print_text(text: str, indent: str = "") -> None:
    """A line of words to standard output, wrapped; further lines are indented by the width of ``indent``."""
    hanging = " " * len(indent)
    print(
        textwrap.fill(
            text, page_width(), initial_indent=indent, subsequent_indent=hanging, break_long_words=False
        )
    )


@dataclass(frozen=True)
class _Strip:
    """A column of texts, header first."""

    header: tuple[str, ...]
    cells: list[str]
    names: bool

    @property
    def numeric(self) -> bool:
        return all(c[:1].isdigit() or c[:1] in "+-–" for c in self.cells)

    @property
    def width(self) -> int:
        return max(_cell_len(t) for t in [*self.header, *self.cells])

    def narrowed(self, limit: int) -> int:
        """Words may go to several lines; numbers, and a word up to the limit, may not."""
        if self.numeric:
            return self.width
        words = [w for t in [*self.header, *self.cells] for w in t.split()]
        return min(self.width, limit, max(WORDY, *map(_cell_len, words)))


def table_lines(table: Table[Any], width: int) -> list[str]:
    """A table without a trailing blank in any line, none of them wider than ``width`` unless a number is.

    Columns that are empty are left out. Where the rest is too wide, columns of words that say the same in each row
    move into a line above; then words are wrapped; then the table is cut into several, each with the columns that
    name a row, or where there are few rows, turned on its side.
    """
    cells, footnotes = table.printed()
    cells = [[plain(text) for text in row] for row in cells]
    strips = [
        _Strip(tuple(t for t in (c.header, c.unit) if t), [row[k] for row in cells], c.names)
        for k, c in enumerate(table.shown)
    ]
    strips = [s for s in strips if not cells or any(s.cells)]
    limit = max(20, width // 2)
    above = ""
    if len(cells) > 1 and _total([s.width for s in strips]) > width:
        same = [s for s in strips if len(set(s.cells)) == 1 and not s.numeric]
        above = ";   ".join(": ".join((*s.header[:1], s.cells[0])) for s in same)
        strips = [s for s in strips if s not in same]
    console = _console(width)
    with console.capture() as captured:
        if table.title:
            console.print(_text(table.title, "italic"))
        if above:
            console.print(_text(above))
        blocks = _blocks(strips, width, limit)
        if (
            len(blocks) > len(cells)
            and len(cells) in FEW
            and (turned := _turned(strips, width, limit)) is not None
        ):
            blocks = [turned]
        for block in blocks:
            console.print(_grid(block, width, limit))
            console.print()
        for note in [*footnotes, *table.notes]:
            console.print(_text(note))
    return [line.rstrip() for line in captured.get().rstrip().split("\n")]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * max(0, len(widths) - 1)


def _blocks(strips: list[_Strip], width: int, limit: int) -> list[list[_Strip]]:
    """Columns of each part of a table that is cut to fit; rows whose names would fill each part have numbers."""
    names = [s for s in strips if s.names]
    if _total([s.narrowed(limit) for s in strips]) > width < 1.5 * _total([s.narrowed(limit) for s in names]):
        names = [_Strip(("",), [f"{k}." for k in range(1, len(strips[0].cells) + 1)], names=True)]
        strips = [*names, *strips]
    used = _total([s.narrowed(limit) for s in names])
    blocks: list[list[_Strip]] = []
    room = 0
    for strip in strips:
        if strip in names:
            continue
        need = GAP + strip.narrowed(limit)
        if not blocks or need > room:
            blocks.append(list(names))
            room = width - used + (0 if names else GAP)
        blocks[-1].append(strip)
        room -= need
    return blocks or ([names] if names else [])


def _turned(strips: list[_Strip], width: int, limit: int) -> list[_Strip] | None:
    """Rows as columns, the headers in the first one; None where that is too wide."""
    first, *rest = strips
    labels = _Strip((" ".join(first.header),), [" ".join(s.header) for s in rest], names=True)
    columns = [
        _Strip((first.cells[k],), [s.cells[k] for s in rest], names=False) for k in range(len(first.cells))
    ]
    turned = [labels, *columns]
    return turned if _total([s.narrowed(limit) for s in turned]) <= width else None


def _grid(strips: list[_Strip], width: int, limit: int) -> Any:
    """A table of rich's, in which only words are wrapped."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    widths = [s.width for s in strips]
    if _total(widths) > width:
        widths = [s.narrowed(limit) for s in strips]
        spare = width - _total(widths)
        for k, s in enumerate(strips):  # what is left goes to the words
            more = max(0, min(spare, s.width - widths[k]))
            widths[k] += more
            spare -= more
    grid = RichTable(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for s, w in zip(strips, widths, strict=True):
        grid.add_column(
            _text("\n".join(s.header)),
            justify="right" if s.numeric else "left",
            width=w,
            no_wrap=s.numeric,
            overflow="fold",
        )
    for row in zip(*(s.cells for s in strips), strict=True):
        grid.add_row(*map(_text, row))
    return grid


def _console(width: int) -> Console:
    from rich.console import Console

    return Console(width=width, highlight=False, force_terminal=False, no_color=True)


def _text(text: str, style: str = "") -> Any:
    from rich.text import Text

    return Text(plain(text), style=style)


def _cell_len(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
