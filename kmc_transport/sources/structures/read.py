"""Reads one structure from a file of any common format."""

from __future__ import annotations

from pathlib import Path

from ..common import fail
from ..records import Snapshot
from .crystals import read_crystal

__all__ = ["read_structure"]


def read_structure(file: str | Path) -> Snapshot:
    """Cell, positions and elements: POSCAR/CONTCAR, CIF, vasprun.xml, pymatgen JSON; OUTCAR; pw.x input or output,
    extended XYZ, XSF and others through ASE (the last structure of the file). Text may be packed (gz, xz, bz2).

    A CIF has lengths and angles only: a lies along x, b in the xy plane.

    Raises
    ------
    InputError : no such file, a format that is not known, sites with several species, no cell.
    """
    place = Path(file)
    crystal = read_crystal(place)
    if any(len(s) > 1 or not 0.99 < sum(s.values()) < 1.01 for s in crystal.species):
        raise fail(
            place,
            "this structure has sites with several species, or partly occupied ones",
            "give an ordered structure",
        )
    symbols = tuple(next(iter(s)) for s in crystal.species)
    return Snapshot(crystal.cell, crystal.fractional @ crystal.cell, symbols, str(place))
