"""Reads a path from a plain table: image or reaction coordinate, energy, and perhaps its error."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..units import DIMENSIONS
from .paths_common import RawPath, fail, numbers, read_text

__all__ = ["read_table"]

_COMMENT = "#!%"
_NUMBER = re.compile(r"[+-]?(\d|\.\d)|[+-]?(nan|inf)", re.IGNORECASE)
# longer names first; "A" for Å only in brackets or after "_" or "/", where it can mean nothing else
_BRACKET = re.compile(r"[\[(/_]\s*([^\W\d_][\w/]*|Å)\s*[\])]?")
_LENGTHS = {**{k: float(v) for k, v in DIMENSIONS["length"].units.items()}, "A": 1.0, "Ang": 1.0}
_ENERGIES = {k: float(v) for k, v in DIMENSIONS["energy"].units.items()}


def read_table(file: Path) -> RawPath:
    """A text file of two or three columns separated by blanks, commas, semicolons or tabs.

    Columns: image or reaction coordinate; energy, eV, or as the heading says (``energy [meV]``); its error.
    Lines after ``#``, ``!`` or ``%`` are comments; the last one before the numbers may be the heading.

    Raises
    ------
    InputError : other columns, not numbers, doubled or descending coordinates, two units of energy in the heading.
    """
    rows: list[list[float]] = []
    lines: list[int] = []
    heading = ""
    for n, line in enumerate(read_text(file, "a table of energies").lstrip("\ufeff").splitlines(), start=1):
        text = line.strip()
        if not text:
            continue
        if text[0] in _COMMENT:
            heading = heading if rows else text.lstrip(_COMMENT + " ")
            continue
        text = re.split(r"\s[#!%]", text)[0]
        if not rows and not _NUMBER.match(text):
            heading = text
            continue
        rows.append(numbers(_fields(text), file, n))
        lines.append(n)
        if len(rows[-1]) not in (2, 3) or len(rows[-1]) != len(rows[0]):
            raise fail(
                file,
                "a table of a path has two or three columns, the same in all rows",
                "write one row for each image: image or reaction coordinate, energy, and perhaps its error",
                value=line.strip(),
                allowed="2 or 3 numbers",
                line=n,
            )
    if not rows:
        raise fail(
            file, "there are no numbers here", "write one row for each image: reaction coordinate, energy"
        )
    data = np.array(rows)
    notes = []
    energy_unit, error_unit, length_unit = _units(heading, data.shape[1], file)
    data, order_note = _sorted(data, file, lines)
    notes += order_note
    if energy_unit is None:
        notes.append("no unit of energy in the heading: eV")
    factor = _ENERGIES[energy_unit or "eV"]
    coordinate = data[:, 0] - data[0, 0]
    unit = "Å" if length_unit else _coordinate_name(heading, data[:, 0])
    if length_unit:
        coordinate = coordinate * _LENGTHS[length_unit]
    what = f"columns {'coordinate, energy, error' if data.shape[1] == 3 else 'coordinate, energy'}"
    return RawPath(
        file=file,
        kind="table",
        energy=data[:, 1] * factor,
        coordinate=coordinate,
        coordinate_unit=unit,
        energy_error=data[:, 2] * _ENERGIES[error_unit or energy_unit or "eV"]
        if data.shape[1] == 3
        else None,
        what=f"{what} ({energy_unit or 'eV'})",
        labels=tuple(f"row {i + 1} (line {n})" for i, n in enumerate(lines)),
        notes=notes,
    )


def _fields(text: str) -> list[str]:
    for separator in (";", ","):
        if separator in text:
            return [f.strip() for f in text.split(separator)]
    return text.split()


def _sorted(data: np.ndarray, file: Path, lines: list[int]) -> tuple[np.ndarray, list[str]]:
    steps = np.diff(data[:, 0])
    if (steps > 0).all():
        return data, []
    for i in np.flatnonzero(np.diff(np.sort(data[:, 0])) == 0)[:1]:
        doubled = np.sort(data[:, 0])[i]
        where = [n for n, x in zip(lines, data[:, 0], strict=True) if x == doubled]
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
            value=f"{data[0, 0]:g} to {data[-1, 0]:g}",
        )
    order = np.argsort(data[:, 0], kind="stable")
    lines[:] = [lines[i] for i in order]
    return data[order], ["the rows were not in the order of their coordinate: sorted"]


def _units(heading: str, n_columns: int, file: Path) -> tuple[str | None, str | None, str | None]:
    """(energy, error, length) units named in the heading, None where it names none."""
    parts = [p.strip() for p in re.split(r"[,;\t]|\s{2,}", heading) if p.strip()]
    if len(parts) != n_columns:
        # blanks between the columns: only when each has one word, such as image energy_meV
        parts = re.sub(r"\s+([\[(])", r"\1", heading).split()
    if len(parts) == n_columns and re.match(r"e(nergy)?(\b|_)", parts[0], re.IGNORECASE):
        raise fail(
            file,
            "the first column is an energy",
            "write the image or reaction coordinate first, then the energy",
            value=heading,
        )
    # a sentence ("energies in meV") rather than the names of the columns
    sentence = any(p in _ENERGIES for p in parts) or any(u in _ENERGIES for u in _named("".join(parts[:1])))
    if len(parts) != n_columns or sentence:
        found = {u for u in _named(heading) if u in _ENERGIES}
        if len(found) > 1:
            raise fail(
                file,
                "the heading names two units of energy",
                "name one, such as 'energy [meV]'",
                value=heading,
                allowed=", ".join(_ENERGIES),
            )
        return next(iter(found), None), None, None
    energy = [next((u for u in _named(p) if u in _ENERGIES), None) for p in parts[1:]] + [None]
    length = next((u for u in _bracketed(parts[0]) if u in _LENGTHS), None)
    unknown = [u for u in _bracketed(parts[1]) if u not in _ENERGIES and "/" not in u and "[" in parts[1]]
    if energy[0] is None and unknown:
        raise fail(
            file,
            f"'{unknown[0]}' is not a unit of energy",
            "write the unit into the heading, such as 'energy [meV]'",
            value=heading,
            allowed=", ".join(_ENERGIES),
        )
    return energy[0], energy[1], length


def _bracketed(text: str) -> list[str]:
    return _BRACKET.findall(text)


def _named(text: str) -> list[str]:
    """Units in brackets, after ``_`` or ``/``; eV and meV also as words."""
    return _bracketed(text) + [w for w in re.findall(r"[^\W_]+", text) if w in ("eV", "meV", "keV")]


def _coordinate_name(heading: str, values: np.ndarray) -> str:
    whole = bool((values == np.round(values)).all()) and bool((np.diff(values) == 1).all())
    return "image" if whole or re.match(r"\W*image", heading, re.IGNORECASE) else "fraction of the path"
