"""Tables as text of a given width: wide ones are stacked, and no number is ever broken."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.cells import cell_len

from ..errors import plain
from .table import Table

__all__ = ["page_width", "print_tables", "print_text", "table_lines"]

NARROWEST, NO_TERMINAL = 40, 200
"""Columns of text that are always used, and those of a pipe or a file."""
GAP = 3
"""Between two columns of a table."""
FEW = (1, 2, 3)
"""Rows of a table that may be turned on its side."""
TIED = "\N{NO-BREAK SPACE}"
"""Between the parts of a unit, while words are wrapped."""
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


@dataclass(frozen=True, eq=False)
class _Strip:
    """A column of texts, header first."""

    header: tuple[str, ...]
    cells: list[str]
    names: bool = False

    @cached_property
    def numeric(self) -> bool:
        return all(c[:1].isdigit() or c[:1] in "+-–" for c in self.cells)

    @cached_property
    def width(self) -> int:
        return max(map(cell_len, [*self.header, *self.cells]), default=0)

    @cached_property
    def number(self) -> int:
        """Width of the widest number."""
        return max(map(cell_len, self.cells), default=0) if self.numeric else 0

    @cached_property
    def word(self) -> int:
        """Width of the longest word."""
        texts = self.header if self.numeric else {*self.header, *self.cells}
        return max((cell_len(w) for t in texts for w in t.split(" ")), default=0)

    def narrowed(self, limit: int) -> int:
        """Words may go to several lines; numbers, and a word up to the limit, may not."""
        least = self.word if self.numeric else max(WORDY, self.word)
        return max(self.number, min(self.width, limit, least))

    def lines(self, text: str, width: int) -> list[str]:
        """``text`` in ``width``, padded: to the left of numbers, to the right of words."""
        parts = [text] if cell_len(text) <= width else textwrap.wrap(text, width)
        parts = [t.replace(TIED, " ") for t in parts]
        pads = [" " * (width - cell_len(t)) for t in parts]
        return [pad + t if self.numeric else t + pad for t, pad in zip(parts, pads, strict=True)]


def table_lines(table: Table[Any], width: int) -> list[str]:
    """A table without a trailing blank in any line, none of them wider than ``width`` unless a number is.

    Columns that are empty are left out. Where the rest is too wide, columns of words that say the same in each row
    move into a line above; then words are wrapped; then the table is cut into several, each with the columns that
    name a row, or where there are few rows, turned on its side.
    """
    cells, footnotes = table.printed()
    cells = [[plain(text) for text in row] for row in cells]
    strips = [
        _Strip(
            tuple(t for t in (c.header, c.unit.replace(" ", TIED)) if t), [row[k] for row in cells], c.names
        )
        for k, c in enumerate(table.shown)
    ]
    strips = [s for s in strips if not cells or any(s.cells)]
    limit = max(20, width // 2)
    above = ""
    if len(cells) > 1 and _total([s.width for s in strips]) > width:
        same = [s for s in strips if len(set(s.cells)) == 1 and not s.numeric]
        above = ";   ".join(": ".join((*s.header[:1], s.cells[0])) for s in same)
        strips = [s for s in strips if s not in same]
    blocks = _blocks(strips, width, limit)
    if len(blocks) > len(cells) and len(cells) in FEW and (turned := _turned(strips, width, limit)):
        blocks = [turned]
    lines = [line for text in (table.title, above) if text for line in textwrap.wrap(text, width)]
    for block in blocks:
        lines += [*_grid(block, width, limit), ""]
    for note in [*footnotes, *table.notes]:
        lines += textwrap.wrap(note, width)
    return lines if lines[-1:] != [""] else lines[:-1]


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


def _grid(strips: list[_Strip], width: int, limit: int) -> list[str]:
    """Headers, a rule and the rows; only words are wrapped."""
    widths = [s.width for s in strips]
    if _total(widths) > width:
        widths = [s.narrowed(limit) for s in strips]
        spare = width - _total(widths)
        for k, s in enumerate(strips):  # what is left goes to the words
            more = max(0, min(spare, s.width - widths[k]))
            widths[k] += more
            spare -= more

    def row(texts: Sequence[Sequence[str]], *, below: bool = False) -> Iterator[str]:
        """A line for each line of the tallest cell; ``below``: the others stand at its foot."""
        cells = [
            [line for t in text for line in s.lines(t, w)]
            for s, w, text in zip(strips, widths, texts, strict=True)
        ]
        tallest = max(map(len, cells))
        for k, w in enumerate(widths):
            blank = [" " * w] * (tallest - len(cells[k]))
            cells[k] = [*blank, *cells[k]] if below else [*cells[k], *blank]
        for parts in zip(*cells, strict=True):
            yield (" " * GAP).join(parts).rstrip()

    lines = [*row([s.header for s in strips], below=True), "─" * min(width, _total(widths))]
    for texts in zip(*(s.cells for s in strips), strict=True):
        lines += row([(t,) for t in texts])
    return lines
