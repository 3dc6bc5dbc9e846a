"""Born charges from VASP: OUTCAR and vasprun.xml."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from .born_common import freeze_born
from .files import read_packed_text
from .paths_common import fail, numbers
from .records import BornCharges, FloatArray
from .vasp_outcar import scan_outcar

__all__ = ["read_outcar", "read_vasprun"]

_REMEDY = "repeat it with LEPSILON = .TRUE. (or LCALCEPS), and give the finished run"


def read_outcar(file: Path) -> BornCharges:
    """The last table "BORN EFFECTIVE CHARGES"; rows are directions of the field."""
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
    text = read_packed_text(file, "a vasprun.xml of VASP")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise fail(file, f"this vasprun.xml is damaged or breaks off ({error})", _REMEDY) from error
    charges = root.findall(".//array[@name='born_charges']")
    if not charges:
        raise fail(file, "this vasprun.xml has no Born charges", _REMEDY)
    tensors = [[_vector(file, v) for v in ion.findall("v")] for ion in charges[-1].findall("set")]
    symbols = [
        (rc.findtext("c") or "").strip() for rc in root.findall(".//atominfo/array[@name='atoms']/set/rc")
    ]
    types = root.findall(".//atominfo/array[@name='atomtypes']/set/rc")
    valence = [
        float(c[0].text or 0) * float(c[3].text or 0) for c in (t.findall("c") for t in types) if len(c) > 3
    ]
    electrons = root.findtext(".//parameters//i[@name='NELECT']")
    charge = None
    if valence and electrons:
        charge = sum(valence) - float(electrons)
        charge = round(charge) if abs(charge - round(charge)) < 1e-3 else charge
    place = root.find("./structure[@name='finalpos']")
    place = root.find("./structure[@name='initialpos']") if place is None else place
    cell = positions = None
    if place is not None:
        cell = _varray(file, place, "basis")
        positions = _varray(file, place, "positions") @ cell
    return freeze_born(
        np.array(tensors),
        file=file,
        what="VASP vasprun.xml",
        symbols=symbols or None,
        cell=cell,
        positions=positions,
        cell_charge=charge,
    )


def _vector(file: Path, element: ET.Element) -> list[float]:
    return numbers((element.text or "").split(), file, 0)


def _varray(file: Path, place: ET.Element, name: str) -> FloatArray:
    found = place.find(f".//varray[@name='{name}']")
    if found is None:
        raise fail(file, f"this vasprun.xml has a structure without {name}", _REMEDY)
    return np.array([_vector(file, v) for v in found.findall("v")])
