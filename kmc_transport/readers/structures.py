"""Reads one structure from a file of any common format."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .files import bare_name, read_packed_text
from .paths_common import fail, library, require_ase
from .records import Snapshot
from .vasp_outcar import scan_outcar

__all__ = ["read_structure"]

_QE_OUT = ("Program PWSCF", "Program PWscf")
_QE_IN = ("ATOMIC_POSITIONS", "CELL_PARAMETERS")


def read_structure(file: str | Path) -> Snapshot:
    """Cell, positions and elements: POSCAR/CONTCAR, CIF, vasprun.xml, pymatgen JSON; OUTCAR; pw.x input or output,
    extended XYZ, XSF and others through ASE (the last structure of the file).

    Raises
    ------
    InputError : no such file, a format that is not known, sites with several species, no cell.
    """
    place = Path(file)
    if not place.is_file():
        raise fail(place, "there is no such file", "check the path; it is taken from the working directory")
    name = bare_name(place)
    if name.startswith("OUTCAR"):
        run = scan_outcar(place)
        return Snapshot(run.cell, run.positions, run.symbols, str(place))
    if name.startswith(("POSCAR", "CONTCAR")) or name.endswith((".vasp", ".poscar")):
        return _poscar(place)
    if name.startswith("vasprun") or name.endswith((".cif", ".json")):
        return _by_pymatgen(place)
    text = read_packed_text(place, "a structure")
    if any(x in text[:20_000] for x in _QE_OUT):
        return _by_ase(place, text, "espresso-out")
    if all(x in text.upper() for x in _QE_IN):
        return _by_ase(place, text, "espresso-in")
    return _by_ase(place, text, None)


def _poscar(place: Path) -> Snapshot:
    """Files of VASP 4 have no line of elements; there the comment names them, or nobody does."""
    from pymatgen.core import Element
    from pymatgen.io.vasp import Poscar

    with library(place, "a structure of VASP", "give POSCAR or CONTCAR of the finished calculation"):
        poscar = Poscar.from_file(place, check_for_potcar=False)
        symbols = [site.specie.symbol for site in poscar.structure]
        if not poscar.true_names:
            named = poscar.comment.split()
            if len(named) != len(poscar.natoms) or not all(Element.is_valid_symbol(x) for x in named):
                raise fail(place, "this file does not name its elements", "add the line of elements (VASP 5)")
            symbols = [x for x, n in zip(named, poscar.natoms, strict=True) for _ in range(n)]
        cell = np.array(poscar.structure.lattice.matrix, dtype=float)
        return Snapshot(cell, np.array(poscar.structure.cart_coords), tuple(symbols), str(place))


def _by_pymatgen(place: Path) -> Snapshot:
    from pymatgen.core import Structure

    with library(place, "a structure", "give POSCAR, CONTCAR, CIF, vasprun.xml or JSON of pymatgen"):
        structure = Structure.from_file(place)
        if not structure.is_ordered:
            raise fail(place, "this structure has sites with several species", "give an ordered structure")
        return Snapshot(
            np.array(structure.lattice.matrix, dtype=float),
            np.array(structure.cart_coords, dtype=float),
            tuple(site.specie.symbol for site in structure),
            str(place),
        )


def _by_ase(place: Path, text: str, form: str | None) -> Snapshot:
    require_ase(place)
    from ase.io import read

    with (
        tempfile.TemporaryDirectory() as folder,
        library(place, "a structure", "give POSCAR, CIF, pw.x input or output, or extended XYZ"),
    ):
        unpacked = Path(folder) / bare_name(place)
        unpacked.write_text(text, encoding="utf-8")
        atoms: Any = read(unpacked, index=-1, format=form)
        if atoms.cell.rank < 3:
            raise fail(place, "this structure has no cell", "give a periodic structure")
        return Snapshot(
            np.array(atoms.cell, dtype=float),
            np.array(atoms.positions, dtype=float),
            tuple(atoms.get_chemical_symbols()),
            str(place),
        )
