"""Born charges of a phonopy BORN file, spread by phonopy over the atoms of a structure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..common import fail, library
from ..files import bare_name
from ..records import BornCharges, Snapshot
from ..spectra.phonopy_files import beside, built, read_born, read_phonopy, require_phonopy
from ..structures.read import read_structure
from .common import freeze_born

__all__ = ["read_born_file"]

_YAML = ("phonopy_params.yaml", "phonopy_disp.yaml", "phonopy.yaml")
_CELLS = ("POSCAR-unitcell", "POSCAR")


def read_born_file(file: Path, structure: Path | None) -> BornCharges:
    """BORN holds the symmetry-independent atoms, in rows of equal field (as phonopy uses them: q . Z).

    ``structure`` is the cell that the lines belong to. Default: the primitive cell of the phonopy yaml beside
    the file, else POSCAR-unitcell or POSCAR beside it.

    Raises
    ------
    InputError : phonopy is missing, no structure, or a number of lines that is neither that of the independent
        atoms nor that of all atoms.
    """
    require_phonopy(str(file), "phonopy is needed to spread a BORN file over the atoms")
    from phonopy.structure.atoms import PhonopyAtoms

    place = structure or next(iter(beside(file, (*_YAML, *_CELLS)).values()), None)
    if place is None:
        raise fail(
            file,
            "a BORN file has no structure, and none lies beside it",
            "put the cell that its lines belong to beside it: POSCAR-unitcell, or the phonopy yaml",
        )
    symprec = 1e-5
    if bare_name(place) in _YAML:
        snapshot, symprec = _primitive(place)
    else:
        snapshot = read_structure(place)
    with library(place, "the structure of a BORN file", "give the cell that its lines belong to"):
        atoms: Any = PhonopyAtoms(
            symbols=list(snapshot.symbols), cell=snapshot.cell, positions=snapshot.positions
        )
    charges = read_born(file, atoms, symprec)
    return freeze_born(
        np.array(charges["born"]),
        file=file,
        what=f"phonopy BORN, atoms of {place.name}",
        symbols=snapshot.symbols,
        cell=snapshot.cell,
        positions=snapshot.positions,
        notes=["phonopy's tools make the charges sum to 0 when they write BORN; wrong for a charged cell"],
    )


def _primitive(place: Path) -> tuple[Snapshot, float]:
    """Primitive cell of a phonopy yaml, in Å, and its symmetry tolerance."""
    found = read_phonopy(place)
    cell: Any = built(found, str(place), supercell=False).primitive
    lengths = found.to_angstrom
    snapshot = Snapshot(
        np.array(cell.cell) * lengths, np.array(cell.positions) * lengths, tuple(cell.symbols), str(place)
    )
    return snapshot, found.symprec
