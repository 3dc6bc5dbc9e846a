"""Born charges from ph.x of Quantum ESPRESSO: dynamical-matrix file (XML or text) and printed output."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from ...ndarrays import FloatArray
from ..columns import split_columns
from ..common import fail, numbers
from ..files import read_packed_text
from ..records import BornCharges
from ..structures.qe import BOHR, bravais_cell, element_of, printed_structure
from ..vasp_xml import parse_xml
from .common import freeze_born

__all__ = ["read_dyn", "read_output", "read_xml"]

_REMEDY = "run ph.x at Gamma with epsil = .true. on an insulator, and give its finished output"
_ROW = re.compile(r"\s*[EP]([xyz])\s*\(\s*(\S+)\s+(\S+)\s+(\S+?)\s*\)?\s*\Z")


def read_xml(file: Path) -> BornCharges:
    """``fildyn.xml``: the array is written first index (field) fastest, so each line is one displacement."""
    root = parse_xml(file, read_packed_text(file, "a fildyn.xml of ph.x"), "this XML")
    charges = root.find(".//ZSTAR")
    if charges is None:
        raise fail(file, "this file has no Born charges (ZSTAR)", _REMEDY)
    n_atoms = int(_xml_numbers(file, root, "NUMBER_OF_ATOMS")[0])
    # columns of the file are rows of the tensor
    tensors = [_xml_numbers(file, charges, f"Z_AT_.{i + 1}", 9).reshape(3, 3).T for i in range(n_atoms)]
    alat = float(_xml_numbers(file, root, "CELL_DIMENSIONS")[0]) * BOHR
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
            raise fail(file, f"atom {i} (counted from 0) of {n_atoms} is missing", _REMEDY)
        symbols.append(element_of(names.get(atom.get("INDEX", ""), atom.get("SPECIES", "")).strip()))
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
        words = split_columns(lines[2])
        n_types, n_atoms, bravais = (int(w) for w in words[:3])
    except (IndexError, ValueError) as error:
        raise fail(file, "this is no dynamical-matrix file of ph.x", _REMEDY, line=3) from error
    celldm = numbers(words[3:9], file, 3)
    if not (0 < n_types <= n_atoms <= len(lines)) or len(celldm) < 6 or celldm[0] <= 0:
        raise fail(file, "numbers of atoms and cell are not sound", _REMEDY, value=lines[2].strip(), line=3)
    alat, at = celldm[0] * BOHR, 3
    if bravais == 0:
        at += 1  # "Basis vectors"
        vectors: FloatArray | None = np.array([_floats(file, lines, at + i, 3) for i in range(3)])
        at += 3
    else:
        vectors = bravais_cell(bravais, celldm)
    if vectors is None:
        raise fail(
            file,
            f"Bravais lattice {bravais} with these celldm is no cell",
            _REMEDY,
            value=lines[2].strip(),
            line=3,
        )
    cell = vectors * alat
    names = dict(_type(file, lines, at + i) for i in range(n_types))
    at += n_types
    atoms = [_floats(file, lines, at + i, 5) for i in range(n_atoms)]
    symbols = [names.get(int(a[1]), "") for a in atoms]
    if "" in symbols:
        raise fail(
            file,
            f"atom {symbols.index('')} (counted from 0) is of a type that is not listed",
            _REMEDY,
            line=at + 1,
        )
    heads = [i for i, x in enumerate(lines) if "Effective Charges E-U" in x]
    if not heads:
        raise fail(file, "this file has no Born charges (Effective Charges E-U)", _REMEDY)
    start = next((i for i in range(heads[-1] + 1, len(lines)) if lines[i].strip()), len(lines))
    tensors = [[_floats(file, lines, start + 4 * a + 1 + row, 3) for row in range(3)] for a in range(n_atoms)]
    return freeze_born(
        np.array(tensors),
        file=file,
        what="Quantum ESPRESSO ph.x, dynamical matrix",
        symbols=symbols,
        cell=cell,
        positions=np.array([a[2:5] for a in atoms]) * alat,
    )


def _type(file: Path, lines: list[str], n: int) -> tuple[int, str]:
    """Number and element of a line such as ``1  'Al  '  24590.7``."""
    quoted = lines[n].split("'") if n < len(lines) else []
    if len(quoted) < 3 or not quoted[0].strip().isdecimal():
        raise fail(file, "this line names no type of atoms", _REMEDY, line=n + 1)
    return int(quoted[0]), element_of(quoted[1].strip())


def _floats(file: Path, lines: list[str], n: int, count: int) -> list[float]:
    words = split_columns(lines[n]) if n < len(lines) else []
    if len(words) < count:
        raise fail(file, "the file breaks off here", _REMEDY, line=n + 1)
    return numbers(words[:count], file, n + 1)


def read_output(file: Path) -> BornCharges:
    """Printed output: "Effective charges (d Force / dE)" before any sum rule, else "(d P / du)"; rows Ex, Ey, Ez."""
    lines = read_packed_text(file, "an output of ph.x").splitlines()
    cell, symbols, positions = printed_structure(file, lines)
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
