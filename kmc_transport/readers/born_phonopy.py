"""Born charges of a phonopy BORN file, spread by phonopy over the atoms of a structure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .born_common import freeze_born
from .paths_common import fail, library, read_text
from .records import BornCharges, Snapshot
from .structures import read_structure

__all__ = ["read_born_file"]

_YAML = ("phonopy_params.yaml", "phonopy_disp.yaml", "phonopy.yaml")
_CELLS = ("POSCAR-unitcell", "POSCAR")


def read_born_file(file: Path, structure: Path | None) -> BornCharges:
    """BORN holds the symmetry-independent atoms, in rows of equal field (as phonopy uses them: q . Z).

    ``structure`` is the cell that the lines belong to. Default: the primitive cell of the phonopy yaml beside
    the file, else POSCAR-unitcell or POSCAR beside it.

    Raises
    ------
    InputError : phonopy is missing, no structure, or a number of lines that is not that of the independent atoms.
    """
    try:
        import phonopy  # noqa: F401
    except ImportError as error:
        raise fail(
            file,
            "spreading a BORN file over the atoms needs phonopy, which is not installed",
            'pip install "kmc_transport[phonopy]"',
        ) from error
    from phonopy.file_IO import parse_BORN
    from phonopy.structure.atoms import PhonopyAtoms

    place = structure or next(
        (p for p in (file.with_name(n) for n in (*_YAML, *_CELLS)) if p.is_file()), None
    )
    if place is None:
        raise fail(
            file,
            "a BORN file has no structure, and none lies beside it",
            "give structure, the cell that its lines belong to",
        )
    snapshot = _primitive(place) if place.name in _YAML else read_structure(place)
    read_text(file, "a BORN file of phonopy")
    atoms: Any = PhonopyAtoms(
        symbols=list(snapshot.symbols), cell=snapshot.cell, positions=snapshot.positions
    )
    with library(
        file,
        "a BORN file of phonopy",
        f"it must have one line for each symmetry-independent atom of {place.name}",
    ):
        charges: Any = parse_BORN(atoms, filename=str(file))
    return freeze_born(
        np.array(charges["born"]),
        file=file,
        what=f"phonopy BORN, atoms of {place.name}",
        symbols=snapshot.symbols,
        cell=snapshot.cell,
        positions=snapshot.positions,
        notes=["phonopy's tools make the charges sum to 0 when they write BORN; wrong for a charged cell"],
    )


def _primitive(place: Path) -> Snapshot:
    from phonopy import Phonopy
    from phonopy.interface.phonopy_yaml import read_phonopy_yaml

    with library(place, "a yaml of phonopy", "give the structure that the lines of BORN belong to"):
        content: Any = read_phonopy_yaml(str(place))
        phonon: Any = Phonopy(
            content.unitcell,
            np.eye(3, dtype=int),
            primitive_matrix="auto" if content.primitive_matrix is None else content.primitive_matrix,
            log_level=0,
        )
        to_angstrom = float(getattr(content.physical_units, "distance_to_A", None) or 1.0)
        cell = np.array(phonon.primitive.cell) * to_angstrom
        positions = np.array(phonon.primitive.positions) * to_angstrom
        return Snapshot(cell, positions, tuple(phonon.primitive.symbols), str(place))
