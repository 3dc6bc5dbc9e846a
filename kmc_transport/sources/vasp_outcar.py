"""What one OUTCAR of VASP says about structure, charges and dipole."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..ndarrays import FloatArray
from .columns import split_columns
from .common import fail, numbers, whole_number
from .files import read_packed_text

__all__ = ["Outcar", "scan_outcar", "scan_outcar_text"]

_DIPOLE = re.compile(r"p\[elc\]\s*=\s*\(([^)\n]*)\)[ \t]*([^\n]*)")
_ELECTRONS = {"electrons Angst": -1.0, "|e| Angst": 1.0}
"""Sign of the charge that VASP counts positive: that of electrons, since 6.3 that of protons."""
_ONE_COMPONENT = re.compile(r"LBERRY\s*=\s*\.?T|IGPAR\s*=\s*[123]\b", re.IGNORECASE)
_LOCAL_FIELDS = ("in RPA", "including local field", "excluding local field")
_NELECT = re.compile(r"NELECT\s*=\s*([\d.]+)")
_IBRION = re.compile(r"IBRION\s*=\s*(-?\d{1,9})")
_ELEMENT = re.compile(r"VRHFIN\s*=\s*([A-Za-z]{1,2})")


@dataclass(kw_only=True)
class Outcar:
    """Positions are those that the charges and dipoles belong to: of the last step of a relaxation, else the first.

    valence : (n_atoms,) ZVAL, e. electronic_dipole : p[elc], e·Å, that of positive charges.
    dipole_positions : (n_atoms, 3) Å of the step whose dipole it is; None where the run breaks off before them.
    one_component : whether it is that along one reciprocal vector (LBERRY, IGPAR), no vector.
    born : (n_atoms, 3, 3), rows as printed, or None.
    """

    file: Path
    cell: FloatArray
    positions: FloatArray
    symbols: tuple[str, ...]
    valence: FloatArray | None
    n_electrons: float | None
    electronic_dipole: FloatArray | None
    dipole_positions: FloatArray | None
    one_component: bool
    born: FloatArray | None
    notes: list[str] = field(default_factory=list)

    @property
    def cell_charge(self) -> float | None:
        """Charge of the cell, e."""
        if self.valence is None or self.n_electrons is None:
            return None
        charge = float(self.valence.sum()) - self.n_electrons
        return round(charge) if abs(charge - round(charge)) < 1e-3 else charge


def scan_outcar(file: Path) -> Outcar:
    """Read an OUTCAR (packed too) of which only the parts that matter here need to be whole.

    Raises
    ------
    InputError : no OUTCAR, or no structure in it.
    """
    return scan_outcar_text(file, read_packed_text(file, "an OUTCAR of VASP"))


def scan_outcar_text(file: Path, text: str) -> Outcar:
    """`scan_outcar` of the content."""
    lines = text.splitlines()
    elements: list[str] = []
    per_type: list[int] = []
    zval: list[float] = []
    n_electrons: float | None = None
    ibrion = -1
    cells: list[FloatArray] = []
    initial: FloatArray | None = None
    tables: list[FloatArray] = []
    dipole: FloatArray | None = None
    dipole_after: list[int] = []
    born: dict[str, FloatArray] = {}
    n_atoms = 0
    for i, line in enumerate(lines):
        if "VRHFIN" in line and (m := _ELEMENT.search(line)):
            elements.append(m[1])
        elif "ions per type" in line:
            per_type = [whole_number(w) for w in line.partition("=")[2].split()]
            if not per_type or 0 in per_type or 0 < len(elements) < len(per_type):
                raise fail(
                    file,
                    "the numbers of atoms are damaged, or elements are missing",
                    "give the OUTCAR as VASP wrote it",
                    value=line.strip()[:80],
                    line=i + 1,
                )
            n_atoms = sum(per_type)
        elif line.lstrip().startswith("ZVAL") and "mass" not in line:
            zval = [float(w) for w in re.findall(r"\d+\.\d+", line)]
        elif n_electrons is None and (m := _NELECT.search(line)):
            n_electrons = float(m[1])
        elif "IBRION" in line and (m := _IBRION.search(line)):
            ibrion = int(m[1])
        elif "direct lattice vectors" in line and "reciprocal" in line:
            cells.append(_rows(file, lines, i + 1, 3, 6)[:, :3])
        elif initial is None and "position of ions in cartesian coordinates" in line:
            initial = _rows(file, lines, i + 1, n_atoms, 3)
        elif line.lstrip().startswith("POSITION") and "TOTAL-FORCE" in line:
            tables.append(_rows(file, lines, i + 2, n_atoms, 6)[:, :3])
        elif "p[elc]" in line and (m := _DIPOLE.search(line)):
            dipole = _electronic(file, m, i + 1)
            dipole_after.append(len(tables))
        elif "BORN EFFECTIVE CHARGES (" in line:
            kind = next((k for k in _LOCAL_FIELDS if k in line), "")
            _check_born_unit(file, line, i + 1)
            born[kind] = _born(file, lines, i + 2, n_atoms)
    last = tables[-1] if tables else None
    moved = ibrion in (1, 2, 3) and last is not None
    positions, cell = (last, cells[-1:]) if moved else (initial if initial is not None else last, cells[:1])
    whole = positions is not None and positions.shape == (n_atoms, 3) and len(elements) >= len(per_type)
    if not n_atoms or not whole or positions is None or not cell:
        raise fail(
            file,
            "this has no structure: it is no OUTCAR, or it breaks off before the first step",
            "give the OUTCAR of a finished calculation",
        )
    symbols = tuple(e for e, n in zip(elements, per_type, strict=False) for _ in range(n))
    known = len(zval) == len(per_type)
    return Outcar(
        file=file,
        cell=cell[0],
        positions=positions,
        symbols=symbols,
        valence=np.repeat(zval, per_type) if known else None,
        n_electrons=n_electrons,
        electronic_dipole=dipole,
        dipole_positions=_of_dipole(positions, tables, dipole_after),
        one_component="e<r>_" in text
        or (dipole is not None and not np.isfinite(dipole).all())
        or (_ONE_COMPONENT.search(text) is not None and not _whole(text)),
        born=_with_local_fields(born),
        notes=(["structure of the last step of the relaxation"] if moved else []) + _which_born(born),
    )


def _of_dipole(positions: FloatArray, tables: list[FloatArray], after: list[int]) -> FloatArray | None:
    """Those of the step of the last dipole, or None; ``after``: how many tables of positions stand before each."""
    if max(len(tables), len(after)) < 2:
        return positions
    if len(after) == len(tables):
        return tables[-1]
    return tables[after[-1]] if after and after[-1] < len(tables) else None


def _whole(text: str) -> bool:
    """Whether all components of the dipole are computed."""
    return re.search(r"LCALCPOL\s*=\s*\.?[Tt]", text) is not None


def _electronic(file: Path, found: re.Match[str], line: int) -> FloatArray:
    """p[elc] in e·Å, the charge of the electrons negative, as the unit beside it says."""
    unit = " ".join(found[2].split())
    if unit == "e*Angst":  # of LBERRY, which is no vector and is refused as such
        return np.full(3, np.nan)
    sign = _ELECTRONS.get(unit)
    if sign is None:
        raise fail(
            file,
            "the unit of the electronic dipole p[elc] is not known, and so neither is its sign",
            "give the OUTCAR as VASP wrote it",
            value=found[0].strip(),
            allowed=" or ".join(_ELECTRONS),
            line=line,
        )
    words = split_columns(found[1])
    if len(words) != 3:
        raise fail(file, "p[elc] has three components", "repeat this run", value=found[0].strip(), line=line)
    return sign * np.array(numbers(words, file, line))


def _check_born_unit(file: Path, heading: str, line: int) -> None:
    """Older versions write "in e", later ones "in |e|": the charge of a proton in both."""
    for unit in re.findall(r"\(in ([^,)]*)", heading):
        if unit.strip() not in ("e", "|e|", "RPA"):
            raise fail(
                file,
                "the unit of these Born charges is not known, and so neither is their sign",
                "give the OUTCAR as VASP wrote it",
                value=heading.strip()[:100],
                allowed="in e or in |e|",
                line=line,
            )


def _with_local_fields(born: dict[str, FloatArray]) -> FloatArray | None:
    """The table that counts: with all local fields (older versions do not say it), else what there is."""
    for kind in ("including local field", "", "in RPA", "excluding local field"):
        if kind in born:
            return born[kind]
    return None


def _which_born(born: dict[str, FloatArray]) -> list[str]:
    best = next((k for k in ("including local field", "") if k in born), None)
    if best is not None and len(born) > 1:
        return [f"{len(born)} tables of Born charges: the one including local field effects is taken"]
    if born and best is None:
        kind = (
            "with local fields of the Hartree potential alone (RPA)"
            if "in RPA" in born
            else ("excluding local field effects")
        )
        return [f"the Born charges are those {kind}: run without LRPA for those that forces in a field have"]
    return []


def _rows(file: Path, lines: list[str], start: int, n: int, columns: int) -> FloatArray:
    """(n, columns), also for none."""
    rows: list[list[float]] = []
    for k in range(start, start + n):
        words = split_columns(lines[k]) if k < len(lines) else []
        if len(words) < columns:
            raise fail(file, "a block of numbers breaks off here", "give the whole OUTCAR", line=k + 1)
        rows.append(numbers(words[:columns], file, k + 1))
    return np.array(rows, dtype=float).reshape(n, columns)


def _born(file: Path, lines: list[str], start: int, n_atoms: int) -> FloatArray:
    """Rows are directions of the field, columns those of the force on the atom: Z_ab as it is."""
    tensors = np.empty((n_atoms, 3, 3))
    for atom in range(n_atoms):
        at = start + 4 * atom
        head = lines[at].split() if at < len(lines) else []
        if head[:1] != ["ion"] or head[1:2] != [str(atom + 1)]:
            raise fail(
                file,
                f"the table of Born charges breaks off before atom {atom} (counted from 0) of {n_atoms}",
                "repeat it",
                line=at + 1,
            )
        for row in range(3):
            tensors[atom, row] = _rows(file, lines, at + 1 + row, 1, 4)[0][1:]
    return tensors
