"""What a file is that was given for a list of frequencies and is none."""

from __future__ import annotations

import re

__all__ = ["other_kind"]

_LIST = "write its frequencies as a list, one a line below '# unit: THz' (or cm^-1), imaginary ones as 0.24i"
_SETS = "give the phonopy_disp.yaml of the calculation; this file is read from beside it"
# first matching content of the head, what it is, remedy
_CONTENTS = (
    (
        r"VRHFIN|^ *vasp\.\d",
        "is an OUTCAR of VASP",
        f"{_LIST}: those of its lines 'f = ... THz', and of 'f/i=' with an i",
    ),
    (
        r"<modeling",
        "is a vasprun.xml of VASP",
        "make FORCE_SETS of it (phonopy -f) and give the phonopy_disp.yaml",
    ),
    (
        r"^ *Dynamical matrix file|<Root|GEOMETRY_INFO",
        "is a dynamical matrix of ph.x",
        f"run dynmat.x or matdyn.x, and {_LIST}",
    ),
    (r"Program (?:PHONON|PWSCF|PWscf)", "is an output of Quantum ESPRESSO", _LIST),
    (r"^ *&(?:plot|PLOT)", "is a band file of matdyn.x, whose q-points have no weights", _LIST),
    (r"^_cell_length_a|^data_", "is a CIF", "give the phonons of this structure"),
    (r"^\s*[{\[]\s*[\"{\[\]}]", "is JSON", _LIST),
)
_FORCES = "holds forces or displacements, not frequencies"


def other_kind(name: str, text: str) -> tuple[str, str] | None:
    """What is wrong with this kind of file, and the remedy; None for what may be a list of frequencies.

    name : of the file, without the ending of a packer.
    """
    if re.match("FORCE_SETS|FORCE_CONSTANTS", name, re.I):
        kind = "force constants" if "CONST" in name.upper() else "forces"
        return f"holds {kind}, not frequencies", _SETS
    head = text[:20_000]
    for pattern, what, remedy in _CONTENTS:
        if re.search(pattern, head, re.M):
            return f"{what}, no list of frequencies", remedy
    rows = _rows(text)
    if _like_force_sets(rows) or _like_force_constants(rows):
        return _FORCES, _SETS
    flat = [w for row in rows for w in row]
    negative = sum(w.startswith("-") for w in flat)
    if len(flat) >= 6 and 3 * negative > len(flat):
        return f"{_FORCES}: {negative} of {len(flat)} numbers are negative", _SETS
    return None


def _rows(text: str) -> list[list[str]]:
    """Words of the lines that begin with a number."""
    lines = (line.split("#")[0].replace(",", " ").split() for line in text.splitlines())
    return [words for words in lines if words and words[0].lstrip("+-.")[:1].isdecimal()]


def _whole(row: list[str], count: int) -> bool:
    return len(row) == count and all(w.isdecimal() for w in row)


def _like_force_sets(rows: list[list[str]]) -> bool:
    """Number of atoms, number of displacements, atom, displacement, then a force for each atom."""
    if len(rows) < 5 or not all(_whole(r, 1) for r in rows[:3]):
        return False
    return all(len(r) == 3 for r in rows[3:5])


def _like_force_constants(rows: list[list[str]]) -> bool:
    """Number(s) of atoms, then blocks of two atoms and three rows of three."""
    if len(rows) < 5 or not (_whole(rows[0], 1) or _whole(rows[0], 2)):
        return False
    return _whole(rows[1], 2) and all(len(r) == 3 for r in rows[2:5])
