"""Structure and elements of a vasprun.xml; nothing else of it needs to be whole."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from ..ndarrays import FloatArray
from .columns import split_columns
from .common import fail, numbers

__all__ = ["last_structure", "parse_vasprun", "parse_xml", "species", "vector"]

_REMEDY = "give the vasprun.xml of a finished run"
_MISPRINTED = {"X": "Xe", "r": "Zr"}  # as VASP writes them
_ENTITY = re.compile(r"<!(?:DOCTYPE|ENTITY)")


def parse_xml(file: Path, text: str, what: str) -> ET.Element:
    """Root of the document. Raises `InputError` where it breaks off or declares entities."""
    if _ENTITY.search(text):
        raise fail(file, "this XML declares entities, which no code writes", f"give {what} of a finished run")
    try:
        return ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise fail(
            file, f"{what} is damaged or breaks off ({error})", "give that of a finished run"
        ) from error


def parse_vasprun(file: Path, text: str) -> ET.Element:
    """`parse_xml` of a vasprun.xml."""
    return parse_xml(file, text, "this vasprun.xml")


def vector(file: Path, element: ET.Element) -> list[float]:
    """The numbers of one ``<v>``; Fortran runs them together where they fill their columns."""
    return numbers(split_columns(element.text or ""), file, 0)


def species(root: ET.Element) -> list[str]:
    """Element of each atom, [] when the file does not say."""
    found = [
        (rc.findtext("c") or "").strip() for rc in root.findall(".//atominfo/array[@name='atoms']/set/rc")
    ]
    return [_MISPRINTED.get(name, name) for name in found]


def last_structure(file: Path, root: ET.Element) -> tuple[FloatArray, FloatArray] | None:
    """Cell (3, 3), Å, and fractional positions (n_atoms, 3) of the last ionic step.

    Where steps are displacements (finite differences, perturbation theory), the structure they start from.
    """
    ibrion = (
        root.findtext(".//incar/i[@name='IBRION']") or root.findtext(".//parameters//i[@name='IBRION']") or ""
    )
    steps = [] if ibrion.strip() in ("5", "6", "7", "8") else root.findall("./calculation/structure")
    ends = [root.find(f"./structure[@name='{name}']") for name in ("finalpos", "initialpos")]
    place = steps[-1] if steps else next((e for e in ends if e is not None), None)
    if place is None:
        return None
    return _varray(file, place, "basis"), _varray(file, place, "positions")


def _varray(file: Path, place: ET.Element, name: str) -> FloatArray:
    found = place.find(f".//varray[@name='{name}']")
    rows = [] if found is None else [vector(file, v) for v in found.findall("v")]
    if not rows or any(len(r) != 3 for r in rows) or (name == "basis" and len(rows) != 3):
        raise fail(file, f"this vasprun.xml has a structure without {name}, or it is damaged", _REMEDY)
    return np.array(rows)
