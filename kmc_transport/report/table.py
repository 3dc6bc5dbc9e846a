"""A table: columns declared once give the text that prints and the plain data of ``--json`` and ``--csv``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Generic, TypeVar

from ..errors import InputError
from ..units import conversion
from .display import USUAL, Units, unit_slug
from .numbers import MISSING, format_beside, format_estimate, plain

__all__ = ["Column", "Table", "data_key"]

R = TypeVar("R")

UNIT_NAMES = {
    "": "",
    "1/eV": "per_eV",
    "1/s": "per_s",
    "Hz": "Hz",
    "K": "K",
    "K cm²/(V s)": "K_cm2_per_Vs",
    "S/cm": "S_per_cm",
    "V/m": "V_per_m",
    "cm²/(V s)": "cm2_per_Vs",
    "cm²/s": "cm2_per_s",
    "e": "e",
    "e·Å": "e_angstrom",
    "eV": "eV",
    "m/s": "m_per_s",
    "per cm³": "per_cm3",
    "s": "s",
    "s.e.": "in_stderr",
    "Å": "angstrom",
}
"""Units as they end a key of JSON or CSV."""


@cache
def data_key(key: str, unit: str) -> str:
    """``mobility`` in cm²/(V s) is ``mobility_cm2_per_Vs``."""
    return "_".join(part for part in (key, UNIT_NAMES.get(unit, unit_slug(unit))) if part)


@dataclass(frozen=True)
class Column(Generic[R]):
    """One quantity of each row.

    value : of a row, in ``unit``. key : in the data, where the unit is added to it; empty for text alone.
    stderr : of the value, beside it in the data and in parentheses in the text. text : how it prints, a format
    (``.4g``) or a function of the row; by default as it is. shown : in the text; names : the row, so it is repeated
    where a wide table is stacked. reason : of a row, why a number is missing; it becomes a footnote, and
    KEY_missing in the data.
    """

    header: str
    value: Callable[[R], Any]
    unit: str = ""
    key: str = ""
    text: str | Callable[[R], str] = ""
    stderr: Callable[[R], Any] | None = None
    shown: bool = True
    names: bool = False
    reason: Callable[[R], str] | None = None

    def cell(self, row: R) -> str:
        """What prints."""
        if callable(self.text):
            return self.text(row)
        value = self.value(row)
        if self.stderr is not None:
            return format_estimate(value, self.stderr(row))
        if isinstance(value, (list, tuple)):
            return ", ".join(format(v, self.text) for v in value)
        return MISSING if plain(value) is None else format(value, self.text)

    def data(self, row: R) -> dict[str, Any]:
        """What ``--json`` and ``--csv`` hold."""
        if not self.key:
            return {}
        found = {data_key(self.key, self.unit): plain(self.value(row))}
        if self.stderr is not None:
            found[data_key(f"{self.key}_stderr", self.unit)] = plain(self.stderr(row))
        if self.reason is not None:
            found[f"{self.key}_missing"] = self.reason(row)
        return found


@dataclass
class Table(Generic[R]):
    """Rows of any kind under columns. ``notes`` stand below."""

    title: str
    columns: Sequence[Column[R]]
    rows: list[R] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def shown(self) -> list[Column[R]]:
        return [c for c in self.columns if c.shown]

    @property
    def cells(self) -> list[list[str]]:
        """Texts of the shown columns, row by row; numbers that are missing carry the number of a footnote."""
        return self.printed()[0]

    @property
    def data(self) -> list[dict[str, Any]]:
        """Plain data of all columns, row by row."""
        return [{k: v for c in self.columns for k, v in c.data(row).items()} for row in self.rows]

    def printed(self) -> tuple[list[list[str]], list[str]]:
        """`cells`, and their footnotes."""
        reasons: dict[str, int] = {}

        def cell(column: Column[R], row: R) -> str:
            text = column.cell(row)
            why = column.reason(row) if column.reason is not None and text.startswith(MISSING) else ""
            return f"{text}[{reasons.setdefault(why, len(reasons) + 1)}]" if why else text

        cells = [[cell(c, row) for c in self.shown] for row in self.rows]
        return cells, [f"[{n}] {why}" for why, n in reasons.items()]

    def showing(self, names: Iterable[str], others: Iterable[str] = ()) -> Table[R]:
        """The same with more of its columns in the text, by key; ``all`` for every one.

        others : what may be asked for beside columns, for the message.

        Raises InputError for one that there is not.
        """
        wanted, keys = set(names), [c.key for c in self.columns if c.key]
        if unknown := sorted(wanted - {"all", *keys}):
            raise InputError(
                "there is no such column",
                key="--show",
                value=unknown[0],
                allowed=", ".join(dict.fromkeys(["all", *others, *keys])),
            )
        more = [replace(c, shown=c.shown or bool(c.key and wanted & {"all", c.key})) for c in self.columns]
        return replace(self, columns=more)

    def in_units(self, asked: Units) -> Table[R]:
        """The same with other units, of those quantities for which `ask_units` found some."""
        stored = {shown.name: unit for unit, shown in USUAL.items() if shown.name}
        by_key = {c.key: c for c in self.columns if c.key}
        columns = []
        for c in self.columns:
            unit = asked.get(stored.get(c.unit, c.unit)) if c.unit else None
            beside = by_key.get(c.key.removesuffix("_exact")) if c.key.endswith("_exact") else None
            columns.append(c if unit is None else _converted(c, unit, beside))
        return replace(self, columns=columns)

    def only(self, keep: Iterable[bool]) -> Table[R]:
        """The same with some of the rows."""
        return replace(self, rows=[row for row, k in zip(self.rows, keep, strict=True) if k])


def _converted(column: Column[R], unit: str, beside: Column[R] | None) -> Column[R]:
    """A column in another unit; an exact value keeps the notation of the estimate that it stands ``beside``."""
    factor, zero = conversion(column.unit, unit)

    def value(row: R) -> Any:
        found = column.value(row)
        if isinstance(found, list):
            return [x * factor + zero for x in found]
        return None if found is None else found * factor + zero

    def text(row: R) -> str:
        if beside is None or beside.stderr is None:
            return format_beside(value(row))
        return format_beside(value(row), beside.value(row) * factor + zero, beside.stderr(row) * factor)

    stderr = column.stderr
    return replace(
        column,
        value=value,
        unit=unit,
        text=text if callable(column.text) else column.text,
        stderr=None if stderr is None else lambda row: stderr(row) * factor,
    )
