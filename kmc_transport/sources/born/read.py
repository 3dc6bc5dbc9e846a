"""Reads Born effective charges of several codes into one record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..common import fail
from ..files import bare_name, check_file, read_packed_text
from ..records import BornCharges
from . import array as born_array
from . import phonopy_file as born_phonopy
from . import qe as born_qe
from . import vasp as born_vasp
from .common import freeze_born, spread_sum_rule

__all__ = ["BORN_KINDS", "read_born_charges", "spread_sum_rule"]

BORN_KINDS: dict[str, str] = {
    "auto": "told from the name and the content",
    "outcar": "VASP OUTCAR (LEPSILON or LCALCEPS), packed too",
    "vasprun": "VASP vasprun.xml, packed too",
    "qe_xml": "Quantum ESPRESSO ph.x: fildyn.xml",
    "qe_dyn": "Quantum ESPRESSO ph.x: fildyn, as text",
    "qe_ph": "Quantum ESPRESSO ph.x: its printed output",
    "phonopy": "phonopy BORN: charges of the independent atoms, spread by symmetry over a structure (needs phonopy)",
    "array": "NumPy .npy (n_atoms, 3, 3), text (9 numbers an atom, perhaps after its element), YAML or JSON",
}
"""Kinds of sources of Born charges, with one line about each."""

_HEAD = 200_000  # characters in which a file says what it is


def read_born_charges(
    source: str | Path,
    *,
    kind: str = "auto",
    structure: str | Path | None = None,
    cell_charge: float | None = None,
    transpose: bool = False,
) -> BornCharges:
    """Read Born effective charges, turned where needed to ``Z_ab = dP_a/dr_b``.

    The first index is the direction of the polarization (or field), the second that of the displacement (or
    force): force = Z^T E. OUTCAR, vasprun.xml, ph.x as text and phonopy print rows of equal field, which is this
    order; the XML of ph.x is Fortran's array, first index fastest, and is transposed here.

    Parameters
    ----------
    source : file, as the kind says. kind : one of `BORN_KINDS`.
    structure : file of the structure, where the source has none (phonopy, arrays). phonopy BORN: default is the
        phonopy yaml or POSCAR-unitcell beside it.
    cell_charge : charge of the cell, e, when the file does not say it; for the acoustic sum rule.
    transpose : exchange the indices, for a file that was written the other way round.

    Raises
    ------
    InputError : the kind cannot be told, the file is damaged or has no Born charges, phonopy is missing.
    """
    file = Path(source)
    if kind not in BORN_KINDS:
        raise fail(
            file,
            "there is no such kind of Born charges",
            key="kind",
            value=kind,
            allowed="; ".join(f"{name} ({line})" for name, line in BORN_KINDS.items()),
        )
    check_file(file, "a file of Born charges")
    if kind == "auto":
        kind = _detect(file)
    place = None if structure is None else Path(structure)
    if place is not None and kind not in ("phonopy", "array"):
        raise fail(
            file, f"a file of kind '{kind}' has its own structure", "leave structure out", value=structure
        )
    if kind == "phonopy":
        born = born_phonopy.read_born_file(file, place)
    elif kind == "array":
        born = born_array.read_array(file, place)
    else:
        readers: dict[str, Callable[[Path], BornCharges]] = {
            "outcar": born_vasp.read_outcar,
            "vasprun": born_vasp.read_vasprun,
            "qe_xml": born_qe.read_xml,
            "qe_dyn": born_qe.read_dyn,
            "qe_ph": born_qe.read_output,
        }
        born = readers[kind](file)
    if (
        born.cell_charge is not None
        and cell_charge is not None
        and abs(born.cell_charge - cell_charge) > 1e-6
    ):
        raise fail(
            file,
            f"the cell has a charge of {born.cell_charge:+g} e here, {cell_charge:+g} e was given",
            "leave cell_charge out, or give the files of the charged cell",
            key="cell_charge",
            value=cell_charge,
        )
    if not transpose and (cell_charge is None or born.cell_charge is not None):
        return born
    notes = [x for x in born.notes if not x.startswith("acoustic sum rule")]
    if transpose:
        notes.append("indices exchanged, as told")
    known = born.cell_charge if cell_charge is None else cell_charge
    tensors = np.swapaxes(born.tensors, 1, 2) if transpose else born.tensors
    again = freeze_born(tensors, file=file, what="", cell_charge=known, notes=notes)
    return replace(born, tensors=again.tensors, cell_charge=again.cell_charge, notes=again.notes)


def _detect(file: Path) -> str:
    name = bare_name(file)
    suffix = Path(name).suffix.lower()
    if file.suffix == ".npy" or suffix in (".yaml", ".yml", ".json"):
        return "array"
    if name.startswith("BORN"):
        return "phonopy"
    head = read_packed_text(file, "a file with Born charges")[:_HEAD]
    if head.lstrip().startswith("<?xml") or head.lstrip().startswith("<Root"):
        if "<modeling" in head:
            return "vasprun"
        if "GEOMETRY_INFO" in head:
            return "qe_xml"
    elif head.lstrip().startswith("Dynamical matrix file"):
        return "qe_dyn"
    elif "Program PHONON" in head or "Electric Fields Calculation" in head:
        return "qe_ph"
    elif name.startswith("OUTCAR") or "VRHFIN" in head or "LEPSILON" in head:
        return "outcar"
    elif born_array.looks_like_numbers(head):
        return "array"
    raise fail(
        file,
        "the kind of this file cannot be told from its name or content",
        "give a file of one of these kinds; plain numbers are 9 a line, one line for each atom",
        allowed="; ".join(line for k, line in BORN_KINDS.items() if k != "auto"),
    )
