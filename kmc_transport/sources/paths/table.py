"""Reads a path from a table: columns by their headings, or a file of VTST's scripts."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...errors import InputError
from ..common import RawPath, fail, missing_numbers, numbers, read_text
from ..settings import Settings, compare_settings, told_settings
from .columns import FileColumn, columns_named, energy_unit_said, listed_names, setting_named
from .units import ENERGIES, LENGTHS, force_in_ev, units_of_comment
from .vtst import read_vtst

__all__ = ["read_table"]

_COMMENT = "#!%"
_NUMBER = re.compile(r"[\"']?[+-]?(\d|\.\d)|[+-]?(nan|inf)", re.IGNORECASE)
_ROWS = "write one row for each image: image or reaction coordinate, energy, and perhaps its error"


@dataclass(kw_only=True)
class _Text:
    """Rows of a table as written. headings : lines before the rows, those without a comment sign, else the others.

    comments : all of them, wherever they stand.
    """

    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    commented: bool = True


def read_table(file: Path) -> RawPath:
    """A text file of columns separated by blanks, commas, semicolons or tabs; or VTST's neb.dat, nebef.dat, spline.dat.

    Columns have names in a heading (``image, distance (Å), energy [meV], error [meV], fmax (eV/Å)``), or are two:
    image or reaction coordinate, and energy. Units are those of the heading, else eV. Lines after ``#``, ``!`` or
    ``%`` are comments; the last one before the numbers may be the heading.

    Raises
    ------
    InputError : no column that is known as the energy, not numbers, doubled, descending or missing images, two
        units of energy, rows computed with different settings.
    """
    text = _split(file)
    columns = _columns(file, text)
    if columns is not None:
        return _named(file, text, columns)
    return read_vtst(file, text.rows, text.lines) or _unnamed(file, text)


def _split(file: Path) -> _Text:
    found = _Text()
    comments: list[str] = []
    for n, line in enumerate(read_text(file, "a table of energies").split("\n"), start=1):
        text = unicodedata.normalize("NFC", line.strip())
        if not text:
            continue
        if text[0] in _COMMENT:
            found.comments.append(text)
            if not found.rows:
                comments.append(text.lstrip(_COMMENT + " "))
            continue
        text, *comment = re.split(r"\s[#!%]", text, maxsplit=1)
        found.comments += comment
        if not found.rows and not _NUMBER.match(text):
            found.headings.append(text)
            continue
        found.rows.append(_fields(text))
        found.lines.append(n)
        if len(found.rows[-1]) < 2 or len(found.rows[-1]) != len(found.rows[0]):
            raise fail(
                file,
                "a table of a path has two or three columns, or more with names, the same in all rows",
                _ROWS,
                value=line.strip()[:80],
                allowed="2 numbers or more",
                line=n,
            )
    if not found.rows:
        raise fail(
            file, "there are no numbers here", "write one row for each image: reaction coordinate, energy"
        )
    found.commented = not found.headings
    found.headings = [h for h in found.headings or comments if h.strip()]
    return found


def _fields(text: str) -> list[str]:
    """Columns of a row; decimals with a comma where something else separates the columns."""
    words = text.split()
    if ";" in text:
        return [_point(f.strip(" \"'")) for f in text.rstrip("; ").split(";")]
    if len(words) > 1 and all(re.fullmatch(r"[+-]?\d+(,\d+)?", w) for w in words):
        return [_point(w) for w in words]
    if "," in text:
        return [f.strip(" \"'") for f in text.rstrip(", ").split(",")]
    return [f.strip("\"'") for f in words]


def _point(word: str) -> str:
    """The number with a decimal point."""
    return word.replace(",", ".") if re.fullmatch(r"[+-]?\d*,\d+([eEdD][+-]?\d+)?", word) else word


def _columns(file: Path, text: _Text) -> list[FileColumn] | None:
    """Names of the columns, from the last heading that is a list of names."""
    n = len(text.rows[0])
    for i, heading in reversed(list(enumerate(text.headings))):
        columns = columns_named(_with_units(heading, text.headings[i + 1 :], n), n)
        if columns is None:
            _refuse_other_columns(file, text, heading)
            continue
        if columns[0].kind == "energy":
            raise fail(
                file,
                "the first column is an energy",
                "write the image or reaction coordinate first, then the energy",
                value=heading,
            )
        if any(c.kind in ("energy", "force", "error") for c in columns[1:]):
            return columns
        # two words of a comment are no names, unless they begin like them; those of a heading are
        named = not text.commented or columns[0].kind in ("coordinate", "distance")
        if named or {"distance", "other", "setting"} & {c.kind for c in columns[1:]}:
            raise fail(
                file,
                "no column is named as an energy",
                "name the energy in the heading, such as 'image, energy [eV]'",
                value=heading,
            )
    return None


def _with_units(heading: str, below: list[str], n: int) -> str:
    """The names with the units that a line under them gives."""
    names, units = listed_names(heading), [p.strip("[]() ") for h in below[:1] for p in listed_names(h)]
    if len(names) == n == len(units) and {*units} & {*ENERGIES}:
        return ", ".join(
            f"{name} [{unit}]" if unit else name for name, unit in zip(names, units, strict=True)
        )
    return heading


def _refuse_other_columns(file: Path, text: _Text, heading: str) -> None:
    """A heading that names more or fewer columns than there are."""
    names = [p for p in re.split(r"[,;\t]", heading) if p.strip()]
    known = columns_named(heading, len(names)) if len(names) > 1 and not text.commented else None
    if known and any(c.kind in ("energy", "force", "distance") for c in known):
        raise fail(
            file,
            f"the heading names {len(names)} columns, the rows have {len(text.rows[0])}",
            "name each column once; between columns with decimal commas, put semicolons",
            value=heading[:100],
            line=text.lines[0],
        )


def _unnamed(file: Path, text: _Text) -> RawPath:
    """Two columns, or three with a comment that speaks of energies."""
    n = len(text.rows[0])
    if n > 3:
        raise fail(
            file,
            f"{n} columns without names, and not those of VTST's neb.dat, nebef.dat or spline.dat",
            "name the columns in a heading, such as 'image, energy [eV]'",
            value=" ".join(text.rows[0])[:80],
            line=text.lines[0],
        )
    unit = energy_unit_said(text.headings, n, file)
    kinds = [
        FileColumn("", "coordinate"),
        FileColumn("", "energy", unit or ""),
        FileColumn("", "error", unit or ""),
    ]
    if n == 3:
        energy, error = (_number_column(file, text, i) for i in (1, 2))
        if error.min() < 0 or error.max() > np.ptp(energy):
            raise fail(
                file,
                "three columns without names, and the third is no error of the second",
                "name the columns in a heading, such as 'image, force [eV/Å], energy [eV]'",
                line=text.lines[0],
            )
    return _named(file, text, kinds[:n])


def _energy_column(file: Path, text: _Text, column: FileColumn, notes: list[str]) -> FileColumn:
    """With the unit of energy that comments name, where the heading of the column names none."""
    if column.unit:
        return column
    said = units_of_comment("\n".join([*text.comments, *text.headings]))
    if len(said) > 1:
        raise fail(
            file,
            "the column of energies has no unit, and the comments name several",
            "write the unit into the heading, such as 'energy [meV]'",
            value=", ".join(sorted(said)),
        )
    unit = next(iter(said), "")
    notes.append(f"unit of energy from a comment: {unit}" if unit else "no unit of energy in the heading: eV")
    return replace(column, unit=unit)


def _named(file: Path, text: _Text, columns: list[FileColumn]) -> RawPath:
    notes: list[str] = []
    energies = [i for i, c in enumerate(columns) if c.kind == "energy"]
    if not energies:
        raise fail(
            file,
            "the columns are named, and none of them is an energy",
            "add the energy, with a heading such as 'energy [eV]'",
            value=", ".join(c.name for c in columns),
        )
    columns = [_energy_column(file, text, c, notes) if c.kind == "energy" else c for c in columns]
    where = next((i for i, c in enumerate(columns) if c.kind == "distance"), 0)
    coordinate = _number_column(file, text, where)
    order = _order(file, text, coordinate, notes)
    lines = [text.lines[i] for i in order]
    coordinate = coordinate[order]
    energy = _energies(file, text, columns, energies)[order]
    unit, factor = _coordinate_unit(columns[where], coordinate)
    _refuse_missing_images(file, columns, text, order)
    used = {where, energies[0]}
    error = force = None
    for i, column in enumerate(columns):
        if column.kind == "error" and error is None:
            error = _number_column(file, text, i)[order] * _energy_factor(file, column, columns[energies[0]])
            used.add(i)
        if column.kind == "force" and force is None and re.search(r"max|perp|resid|error", column.name, re.I):
            force = _number_column(file, text, i)[order] * force_in_ev(column.unit)
            used.add(i)
    notes += compare_settings(_settings(file, text, columns, lines))
    what = ", ".join(columns[i].name or columns[i].kind for i in sorted(used))
    return RawPath(
        file=file,
        kind="table",
        energy=energy,
        coordinate=(coordinate - coordinate[0]) * factor,
        coordinate_unit=unit,
        energy_error=error,
        force_error=force,
        what=f"columns {what} ({columns[energies[0]].unit or 'eV'})",
        labels=tuple(f"row {i + 1} (line {n})" for i, n in enumerate(lines)),
        notes=notes,
    )


def _number_column(file: Path, text: _Text, column: int) -> np.ndarray:
    pairs = zip(text.rows, text.lines, strict=True)
    return np.array([numbers([row[column]], file, line)[0] for row, line in pairs])


def _energies(file: Path, text: _Text, columns: list[FileColumn], found: list[int]) -> np.ndarray:
    """eV; several columns must be the same energies with another zero."""
    values = [_number_column(file, text, i) * _energy_factor(file, columns[i], columns[i]) for i in found]
    for other, i in zip(values[1:], found[1:], strict=True):
        if np.abs((other - other[0]) - (values[0] - values[0][0])).max() > 2e-3:
            raise fail(
                file,
                f"two columns are energies and differ: '{columns[found[0]].name}' and '{columns[i].name}'",
                "leave the one of the path, or name the other's error as such ('error [eV]')",
            )
    return values[0]


def _energy_factor(file: Path, column: FileColumn, energy: FileColumn) -> float:
    unit = column.unit or energy.unit or "eV"
    if unit not in ENERGIES:
        raise fail(
            file,
            f"'{unit}' is not a unit of energy",
            "give energies of the whole cell, with their unit in the heading, such as 'energy [meV]'",
            value=column.name,
            allowed=", ".join(ENERGIES),
        )
    return ENERGIES[unit]


def _coordinate_unit(column: FileColumn, values: np.ndarray) -> tuple[str, float]:
    if column.unit in LENGTHS:
        return "Å", LENGTHS[column.unit]
    whole = bool((values == np.round(values)).all()) and bool((np.diff(values) == 1).all())
    image = whole or re.match(r"\W*image", column.name, re.IGNORECASE)
    return ("image" if image else "fraction of the path"), 1.0


def _order(file: Path, text: _Text, coordinate: np.ndarray, notes: list[str]) -> list[int]:
    steps = np.diff(coordinate)
    if (steps > 0).all():
        return list(range(len(coordinate)))
    for i in np.flatnonzero(np.diff(np.sort(coordinate)) == 0)[:1]:
        doubled = np.sort(coordinate)[i]
        where = [n for n, x in zip(text.lines, coordinate, strict=True) if x == doubled]
        raise fail(
            file,
            f"the coordinate {doubled:g} stands on two lines ({where[0]} and {where[1]})",
            "give one row for each image",
            line=where[1],
        )
    if (steps < 0).all():
        raise fail(
            file,
            "the coordinate descends: it is not clear which end is the start",
            "write the rows from start to end, with an ascending coordinate",
            value=f"{coordinate[0]:g} to {coordinate[-1]:g}",
        )
    notes.append("the rows were not in the order of their coordinate: sorted")
    return [int(i) for i in np.argsort(coordinate, kind="stable")]


def _refuse_missing_images(file: Path, columns: list[FileColumn], text: _Text, order: list[int]) -> None:
    """Numbers of images are counted on from 0 or 1."""
    i = next((i for i, c in enumerate(columns) if re.match(r"\W*image", c.name, re.IGNORECASE)), None)
    if i is None:
        return
    try:
        found = _number_column(file, text, i)[order]
    except InputError:
        return  # names, not numbers
    if (found != np.round(found)).any():
        return
    missing = missing_numbers(found, min(int(found[0]), 1))
    if missing:
        raise fail(
            file,
            f"the rows of image{'s' if len(missing) > 1 else ''} {', '.join(map(str, missing))} are missing",
            "give all images of the path; for places along a path, name the column 's' or 'coordinate'",
            value=" ".join(f"{x:g}" for x in found[:12]),
        )


def _settings(file: Path, text: _Text, columns: list[FileColumn], lines: list[int]) -> list[Settings]:
    """Of each row, where columns tell."""
    told = [i for i, c in enumerate(columns) if c.kind == "setting"]
    if not told:
        return []
    at = {line: row for line, row in zip(text.lines, text.rows, strict=True)}
    return [
        Settings(
            where=f"line {n}",
            file=file,
            values=told_settings({setting_named(columns[i].name): at[n][i] for i in told}),
        )
        for n in lines
    ]
