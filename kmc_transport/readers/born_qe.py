"""Born charges from ph.x of Quantum ESPRESSO: dynamical-matrix file (XML or text) and printed output."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from ..units import DIMENSIONS
from .born_common import freeze_born
from .files import read_packed_text
from .paths_common import fail, numbers
from .records import BornCharges, FloatArray

__all__ = ["read_dyn", "read_output", "read_xml"]

_BOHR = float(DIMENSIONS["length"].units["bohr"])
_REMEDY = "run ph.x at Gamma with epsil = .true. on an insulator, and give its finished output"
_ROW = re.compile(r"\s*[EP]([xyz])\s*\(\s*(\S+)\s+(\S+)\s+(\S+?)\s*\)?\s*\Z")
_PAREN = re.compile(r"=\s*\(\s*(\S+)\s+(\S+)\s+(\S+?)\s*\)")
# cell of the Bravais lattices in units of alat (rows), where a text file gives only their index
_CELLS: dict[int, list[list[float]]] = {
    1: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    2: [[-0.5, 0, 0.5], [0, 0.5, 0.5], [-0.5, 0.5, 0]],
    3: [[0.5, 0.5, 0.5], [-0.5, 0.5, 0.5], [-0.5, -0.5, 0.5]],
}


def read_xml(file: Path) -> BornCharges:
    """``fildyn.xml``: the array is written first index (field) fastest, so each line is one displacement."""
    try:
        root = ET.fromstring(read_packed_text(file, "a fildyn.xml of ph.x"))
    except ET.ParseError as error:
        raise fail(file, f"this XML is damaged or breaks off ({error})", _REMEDY) from error
    charges = root.find(".//ZSTAR")
    if charges is None:
        raise fail(file, "this file has no Born charges (ZSTAR)", _REMEDY)
    n_atoms = int(_xml_numbers(file, root, "NUMBER_OF_ATOMS")[0])
    # columns of the file are rows of the tensor
    tensors = [_xml_numbers(file, charges, f"Z_AT_.{i + 1}", 9).reshape(3, 3).T for i in range(n_atoms)]
    alat = float(_xml_numbers(file, root, "CELL_DIMENSIONS")[0]) * _BOHR
    cell = _xml_numbers(file, root, "AT", 9).reshape(3, 3) * alat
    names = {
        tag.tag.split(".")[1]: (tag.text or "").strip()
        for tag in root.iter()
        if tag.tag.startswith("TYPE_NAME.")
    }
    symbols, positions = [], []
    for i in range(n_atoms):
        atom = root.find(f".//ATOM.{i + 1}")
        if atom is None:
            raise fail(file, f"atom {i + 1} of {n_atoms} is missing", _REMEDY)
        symbols.append(_element(names.get(atom.get("INDEX", ""), atom.get("SPECIES", "")).strip()))
        tau = atom.get("TAU") or " ".join(atom.get(f"TAU{x}", "") for x in "XYZ")
        positions.append(numbers(tau.split(), file, 0))
    return freeze_born(
        np.array(tensors),
        file=file,
        what="Quantum ESPRESSO ph.x, XML",
        symbols=symbols,
        cell=cell,
        positions=np.array(positions) * alat,
    )


def _element(label: str) -> str:
    """Element of a species label such as ``O1`` or ``Fe_up``."""
    found = re.match(r"[A-Za-z]{1,2}", label)
    letters = found[0].capitalize() if found else label
    return letters if len(label) > 1 and label[1:2].isalpha() else letters[:1]


def _xml_numbers(file: Path, root: ET.Element, tag: str, count: int | None = None) -> FloatArray:
    found = root.find(f".//{tag}")
    words = (found.text or "").split() if found is not None else []
    if not words or (count is not None and len(words) != count):
        raise fail(file, f"{tag} is missing or broken off", _REMEDY)
    return np.array(numbers(words, file, 0))


def read_dyn(file: Path) -> BornCharges:
    """``fildyn`` as text: "Effective Charges E-U: Z_{alpha}{s,beta}", rows are directions of the field."""
    lines = read_packed_text(file, "a fildyn of ph.x").splitlines()
    try:
        words = lines[2].split()
        n_types, n_atoms, bravais = (int(w) for w in words[:3])
        alat = float(words[3]) * _BOHR
    except (IndexError, ValueError) as error:
        raise fail(file, "this is no dynamical-matrix file of ph.x", _REMEDY, line=3) from error
    at, cell = 3, None
    if bravais == 0:
        at += 1  # "Basis vectors"
        cell = np.array([_floats(file, lines, at + i, 3) for i in range(3)]) * alat
        at += 3
    elif bravais in _CELLS:
        cell = np.array(_CELLS[bravais]) * alat
    names = {}
    for i in range(n_types):
        quoted = lines[at + i].split("'")
        names[int(quoted[0])] = _element(quoted[1].strip())
    at += n_types
    atoms = [_floats(file, lines, at + i, 5) for i in range(n_atoms)]
    heads = [i for i, x in enumerate(lines) if "Effective Charges E-U" in x]
    if not heads:
        raise fail(file, "this file has no Born charges (Effective Charges E-U)", _REMEDY)
    start = next(i for i in range(heads[-1] + 1, len(lines)) if lines[i].strip())
    tensors = [[_floats(file, lines, start + 4 * a + 1 + row, 3) for row in range(3)] for a in range(n_atoms)]
    notes = [] if cell is not None else [f"the cell of Bravais lattice {bravais} is not known here"]
    return freeze_born(
        np.array(tensors),
        file=file,
        what="Quantum ESPRESSO ph.x, dynamical matrix",
        symbols=[names[int(a[1])] for a in atoms],
        cell=cell,
        positions=np.array([a[2:5] for a in atoms]) * alat,
        notes=notes,
    )


def _floats(file: Path, lines: list[str], n: int, count: int) -> list[float]:
    words = lines[n].split() if n < len(lines) else []
    if len(words) < count:
        raise fail(file, "the file breaks off here", _REMEDY, line=n + 1)
    return numbers(words[:count], file, n + 1)


def read_output(file: Path) -> BornCharges:
    """Printed output: "Effective charges (d Force / dE)" before any sum rule, else "(d P / du)"; rows Ex, Ey, Ez."""
    lines = read_packed_text(file, "an output of ph.x").splitlines()
    cell, symbols, positions = _printed_structure(file, lines)
    n_atoms = len(symbols)
    raw = [
        i
        for i, x in enumerate(lines)
        if x.lstrip().startswith("Effective charges (d") and "with asr" not in x and "apply asr" not in x
    ]
    if not raw:
        raise fail(file, "this output has no Born charges (Effective charges)", _REMEDY)
    by_force = [i for i in raw if "d Force / dE" in lines[i]]
    head = (by_force or raw)[-1]
    rows: list[list[float]] = []
    for n in range(head + 1, len(lines)):
        if m := _ROW.match(lines[n]):
            if m[1] != "xyz"[len(rows) % 3]:
                raise fail(file, "the rows of the Born charges are out of order", _REMEDY, line=n + 1)
            rows.append(numbers([m[2], m[3], m[4]], file, n + 1))
        if len(rows) == 3 * n_atoms or "Effective charges" in lines[n]:
            break
    if len(rows) != 3 * n_atoms:
        raise fail(file, f"Born charges of {len(rows) // 3} of {n_atoms} atoms: it breaks off", _REMEDY)
    return freeze_born(
        np.array(rows).reshape(n_atoms, 3, 3),
        file=file,
        what=f"Quantum ESPRESSO ph.x, {'d Force / dE' if by_force else 'd P / du'}",
        symbols=symbols,
        cell=cell,
        positions=positions,
        notes=["positions are printed with few digits"],
    )


def _printed_structure(file: Path, lines: list[str]) -> tuple[FloatArray, list[str], FloatArray]:
    alat: float | None = None
    cell: list[list[float]] = []
    symbols: list[str] = []
    positions: list[list[float]] = []
    for n, line in enumerate(lines):
        if alat is None and "lattice parameter (a" in line and "=" in line:
            alat = numbers(line.split("=")[1].split()[:1], file, n + 1)[0] * _BOHR
        elif re.match(r"\s*a\([123]\)\s*=", line) and len(cell) < 3 and (m := _PAREN.search(line)):
            cell.append(numbers([m[1], m[2], m[3]], file, n + 1))
        elif "tau(" in line and (m := _PAREN.search(line)):
            words = line.split()
            index = int(numbers(words[:1], file, n + 1)[0])
            if index == 1:
                symbols, positions = [], []
            symbols.append(_element(words[1]))
            positions.append(numbers([m[1], m[2], m[3]], file, n + 1))
    if alat is None or len(cell) < 3 or not symbols:
        raise fail(file, "this output has no structure: it is not of ph.x, or it breaks off", _REMEDY)
    return np.array(cell) * alat, symbols, np.array(positions) * alat
