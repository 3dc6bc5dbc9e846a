"""Born charges from VASP: OUTCAR and vasprun.xml."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from ..common import fail
from ..files import read_packed_text
from ..records import BornCharges
from ..vasp_outcar import scan_outcar
from ..vasp_xml import last_structure, parse_vasprun, species, vector
from .common import freeze_born

__all__ = ["read_outcar", "read_vasprun"]

_REMEDY = "repeat it with LEPSILON = .TRUE. (or LCALCEPS), and give the finished run"


def read_outcar(file: Path) -> BornCharges:
    """The last table "BORN EFFECTIVE CHARGES", of several that with local fields; rows are directions of the field."""
    run = scan_outcar(file)
    if run.born is None:
        raise fail(file, "this OUTCAR has no Born charges", _REMEDY)
    return freeze_born(
        run.born,
        file=file,
        what="VASP OUTCAR",
        symbols=run.symbols,
        cell=run.cell,
        positions=run.positions,
        cell_charge=run.cell_charge,
        notes=run.notes,
    )


def read_vasprun(file: Path) -> BornCharges:
    """The last array ``born_charges``; its rows are taken as those of the OUTCAR, as phonopy does."""
    root = parse_vasprun(file, read_packed_text(file, "a vasprun.xml of VASP"))
    charges = root.findall(".//array[@name='born_charges']")
    if not charges:
        raise fail(file, "this vasprun.xml has no Born charges", _REMEDY)
    _refuse_two_kinds(file, root)
    tensors = [[vector(file, v) for v in ion.findall("v")] for ion in charges[-1].findall("set")]
    if any(len(row) != 3 for tensor in tensors for row in tensor) or any(len(t) != 3 for t in tensors):
        raise fail(file, "the table of Born charges is damaged", _REMEDY)
    place = last_structure(file, root)
    cell, positions = (None, None) if place is None else (place[0], place[1] @ place[0])
    return freeze_born(
        np.array(tensors),
        file=file,
        what="VASP vasprun.xml",
        symbols=species(root) or None,
        cell=cell,
        positions=positions,
        cell_charge=_cell_charge(root),
    )


def _refuse_two_kinds(file: Path, root: ET.Element) -> None:
    """With and without local fields they have one name here; each step of a relaxation may have its own."""
    for step in root.findall(".//calculation"):
        arrays = [
            " ".join("".join(found.itertext()).split())
            for found in step.findall(".//array[@name='born_charges']")
        ]
        if len(set(arrays)) > 1:
            raise fail(
                file,
                "this vasprun.xml has several arrays of Born charges that differ, and does not tell which has the "
                "local fields",
                "give the OUTCAR of the run, which names its tables",
                value=f"{len(arrays)} arrays",
            )


def _cell_charge(root: ET.Element) -> float | None:
    """Valence of the potentials minus electrons, e; None where a text that is no number stands in their place."""
    try:
        types = root.findall(".//atominfo/array[@name='atomtypes']/set/rc")
        columns = [t.findall("c") for t in types]
        valence = sum(float(c[0].text or "") * float(c[3].text or "") for c in columns)
        charge = valence - float(root.findtext(".//parameters//i[@name='NELECT']") or "")
    except (ValueError, IndexError):
        return None
    if not columns or not math.isfinite(charge):
        return None
    return round(charge) if abs(charge - round(charge)) < 1e-3 else charge
