"""Structures as Quantum ESPRESSO gives them: Bravais lattice and celldm, printed outputs."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...ndarrays import FloatArray
from ...units import DIMENSIONS
from ..columns import split_columns
from ..common import fail, numbers

__all__ = ["BOHR", "bravais_cell", "element_of", "printed_structure"]

BOHR = float(DIMENSIONS["length"].units["bohr"])
"""Å"""

_PAREN = re.compile(r"=\s*\(([^()]*)\)")
_NUMBER_OF_ATOMS = re.compile(r"\s*number of atoms/cell\s*=\s*(\d{1,9})\b")
_AXIS = re.compile(r"\s*a\([123]\)\s*=")
_CELLDM = re.compile(r"celldm\(1\)=\s*(\S+)")
_CARD = re.compile(r"\s*(CELL_PARAMETERS|ATOMIC_POSITIONS)\s*[({]?\s*([a-z_]*)\s*(?:=\s*([\d.]+))?", re.I)
_REMEDY = "give the finished output of pw.x or ph.x"


def bravais_cell(ibrav: int, celldm: Sequence[float]) -> FloatArray | None:
    """(3, 3) rows in units of celldm(1), after the table of ``ibrav`` in pw.x's documentation; None if unknown.

    celldm : the six numbers; (2) and (3) are b/a and c/a, (4) to (6) cosines.
    """
    b, c, d4, d5, d6 = (float(x) for x in celldm[1:6])
    if ibrav in (7, 9, -9, 91, 10, 11, 13, -13) and min(b if ibrav != 7 else 1.0, c) <= 0:
        return None
    if ibrav in (5, -5):
        return _trigonal(ibrav, d4)
    if ibrav in (12, 13, 14, -12, -13) and max(abs(d4), abs(d5), abs(d6)) >= 1:
        return None
    sine = math.sqrt(1 - d4**2)
    sine5 = math.sqrt(1 - d5**2)
    cells: dict[int, list[list[float]]] = {
        1: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        2: [[-0.5, 0, 0.5], [0, 0.5, 0.5], [-0.5, 0.5, 0]],
        3: [[0.5, 0.5, 0.5], [-0.5, 0.5, 0.5], [-0.5, -0.5, 0.5]],
        -3: [[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]],
        4: [[1, 0, 0], [-0.5, math.sqrt(3) / 2, 0], [0, 0, c]],
        6: [[1, 0, 0], [0, 1, 0], [0, 0, c]],
        7: [[0.5, -0.5, c / 2], [0.5, 0.5, c / 2], [-0.5, -0.5, c / 2]],
        8: [[1, 0, 0], [0, b, 0], [0, 0, c]],
        9: [[0.5, b / 2, 0], [-0.5, b / 2, 0], [0, 0, c]],
        -9: [[0.5, -b / 2, 0], [0.5, b / 2, 0], [0, 0, c]],
        91: [[1, 0, 0], [0, b / 2, -c / 2], [0, b / 2, c / 2]],
        10: [[0.5, 0, c / 2], [0.5, b / 2, 0], [0, b / 2, c / 2]],
        11: [[0.5, b / 2, c / 2], [-0.5, b / 2, c / 2], [-0.5, -b / 2, c / 2]],
        12: [[1, 0, 0], [b * d4, b * sine, 0], [0, 0, c]],
        -12: [[1, 0, 0], [0, b, 0], [c * d5, 0, c * sine5]],
        13: [[0.5, 0, -c / 2], [b * d4, b * sine, 0], [0.5, 0, c / 2]],
        -13: [[0.5, b / 2, 0], [-0.5, b / 2, 0], [c * d5, 0, c * sine5]],
    }
    if ibrav == 14:
        sine6 = math.sqrt(1 - d6**2)
        height = 1 + 2 * d4 * d5 * d6 - d4**2 - d5**2 - d6**2
        if height <= 0:
            return None
        up = [c * d5, c * (d4 - d5 * d6) / sine6, c * math.sqrt(height) / sine6]
        return np.array([[1, 0, 0], [b * d6, b * sine6, 0], up])
    return np.array(cells[ibrav]) if ibrav in cells else None


def _trigonal(ibrav: int, cosine: float) -> FloatArray | None:
    if not -0.5 < cosine < 1:
        return None
    x, y, z = math.sqrt((1 - cosine) / 2), math.sqrt((1 - cosine) / 6), math.sqrt((1 + 2 * cosine) / 3)
    if ibrav == 5:
        return np.array([[x, -y, z], [0, 2 * y, z], [-x, -y, z]])
    u, v = z - 2 * math.sqrt(2) * y, z + math.sqrt(2) * y
    return np.array([[u, v, v], [v, u, v], [v, v, u]]) / math.sqrt(3)


def element_of(label: str) -> str:
    """Element of a species label such as ``O1`` or ``Fe_up``."""
    found = re.match(r"[A-Za-z]{1,2}", label)
    letters = found[0].capitalize() if found else label
    return letters if len(label) > 1 and label[1:2].isalpha() else letters[:1]


@dataclass(kw_only=True)
class _Printed:
    """What has been printed so far: cell in Å, positions in Å."""

    file: Path
    alat: float | None = None
    n_atoms: int | None = None
    axes: list[list[float]] = field(default_factory=list)
    cell: FloatArray | None = None
    symbols: list[str] = field(default_factory=list)
    positions: list[FloatArray] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return self.cell is not None and bool(self.symbols)

    def axis(self, row: list[float]) -> None:
        self.axes = [row] if len(self.axes) == 3 else [*self.axes, row]
        if len(self.axes) == 3 and self.alat is not None:
            self.cell = np.array(self.axes) * self.alat

    def atom(self, first: bool, label: str, position: FloatArray) -> None:
        if first:
            self.symbols, self.positions = [], []
        self.symbols.append(element_of(label))
        self.positions.append(position)

    def card(self, name: str, unit: str, alat: str | None, lines: list[str], at: int) -> None:
        """A card as in the input, which relaxations print after each step."""
        if name == "CELL_PARAMETERS":
            rows = np.array([_row(self.file, lines, at + i, 0) for i in (1, 2, 3)])
            self.cell = rows * (float(alat) * BOHR if alat else self._unit(unit, at))
        elif self.cell is not None:
            n = len(self.symbols)
            rows = np.array([_row(self.file, lines, at + i, 1) for i in range(1, n + 1)]).reshape(n, 3)
            self.positions = list(
                rows @ self.cell if unit.startswith("crystal") else rows * self._unit(unit, at)
            )

    def _unit(self, unit: str, at: int) -> float:
        known = {"": self.alat, "alat": self.alat, "bohr": BOHR, "angstrom": 1.0}
        if (scale := known.get(unit)) is None:
            raise fail(self.file, f"the unit '{unit}' of lengths is not known here", _REMEDY, line=at + 1)
        return scale


def _vector(file: Path, text: str, n: int) -> list[float]:
    """Three numbers between parentheses; wide ones run together."""
    words = split_columns(text)
    if len(words) != 3:
        raise fail(file, "these are not three numbers", _REMEDY, value=text.strip()[:80], line=n)
    return numbers(words, file, n)


def _row(file: Path, lines: list[str], n: int, skip: int) -> list[float]:
    words = split_columns(lines[n])[skip : skip + 3] if n < len(lines) else []
    if len(words) < 3:
        raise fail(file, "the structure breaks off here", _REMEDY, line=n + 1)
    return numbers(words, file, n + 1)


def printed_structure(file: Path, lines: list[str]) -> tuple[FloatArray, list[str], FloatArray]:
    """Cell (3, 3), Å, elements, and positions (n_atoms, 3), Å, of the last step that a pw.x or ph.x finished.

    Positions without a unit are in units of alat, as pw.x takes them.

    Raises
    ------
    InputError : no structure, or one that breaks off.
    """
    now, done = _Printed(file=file), None
    cartesian = True
    for n, line in enumerate(lines):
        if "lattice parameter (a" in line and "=" in line:
            now.alat = numbers(line.split("=")[1].split()[:1], file, n + 1)[0] * BOHR
        elif now.alat is not None and (m := _CELLDM.search(line)):
            finer = numbers([m[1]], file, n + 1)[0] * BOHR  # more digits
            now.alat = finer if abs(finer - now.alat) < 1e-3 else now.alat
        elif _AXIS.match(line) and (m := _PAREN.search(line)):
            now.axis(_vector(file, m[1], n + 1))
        elif m := _NUMBER_OF_ATOMS.match(line):
            now.n_atoms = int(m[1])
        elif "site n." in line:
            cartesian = "cryst" not in line
        elif "tau(" in line and cartesian and now.alat is not None and (m := _PAREN.search(line)):
            words = line.split()
            position = np.array(_vector(file, m[1], n + 1)) * now.alat
            now.atom(words[0] == "1", words[1], position)
        elif now.whole and (m := _CARD.match(line)):
            now.card(m[1].upper(), m[2].lower(), m[3], lines, n)
        elif line.startswith("!") or "End final coordinates" in line:
            done = replace(now)
    last = done if done is not None and done.whole else now
    if last.cell is None or not last.symbols:
        raise fail(file, "this output has no structure: it is not of pw.x or ph.x, or it breaks off", _REMEDY)
    if last.n_atoms not in (None, len(last.symbols)):
        raise fail(
            file,
            f"{len(last.symbols)} of {last.n_atoms} atoms have a position that can be read",
            _REMEDY,
            value=len(last.symbols),
            allowed=str(last.n_atoms),
        )
    return last.cell, last.symbols, np.array(last.positions)
