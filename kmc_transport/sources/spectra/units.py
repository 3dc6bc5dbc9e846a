"""Units of a mesh of phonopy: what its header, or the phonopy yaml of the same run beside it, says."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from ...ndarrays import FloatArray
from ...units import DIMENSIONS
from ..files import read_packed_text
from .freeze import wrong
from .listed import in_thz
from .phonopy_files import beside

__all__ = ["MeshUnits", "mesh_units"]

BOHR = float(DIMENSIONS["length"].units["bohr"])

_YAML = ("phonopy.yaml", "phonopy_params.yaml", "phonopy_disp.yaml")
_HEAD = 200_000  # characters in which the yaml says what is needed
# phonopy's factor from sqrt(force / length / AMU) of each code to THz
_FACTORS = {
    15.633302: ("vasp", "crystal", "castep", "aims", "lammps", "pwmat"),
    108.970772: ("qe", "qlm"),
    21.490680: ("abinit", "siesta", "abacus"),
    3.445958: ("wien2k",),
    154.107943: ("elk", "dftbp", "turbomole", "fleur"),
    112.105157: ("cp2k",),
}
_FACTOR = {name: factor for factor, names in _FACTORS.items() for name in names}
_IN_ANGSTROM = {*_FACTORS[15.633302], *_FACTORS[112.105157]}
_LENGTHS = {"angstrom": 1.0, "ang": 1.0, "au": BOHR, "bohr": BOHR}
_STATED = {
    "calculator": re.compile(r"^\s+calculator:\s*\"?(\w+)", re.M),
    "length": re.compile(r"^\s+length:\s*\"?(\w+)", re.M),
    "factor": re.compile(r"^\s+frequency_unit_conversion_factor:\s*(\S+)", re.M),
    "frequency": re.compile(r"^[\s#]*(?:frequency[_ ])?unit\s*[:=]\s*\"?([^\s\"]+)", re.M | re.I),
}
_NUMBERS = r"\[\s*([^\],]+),\s*([^\],]+),\s*([^\],]+)\]"
_ROWS = r"\s*lattice:[^\n]*\n" + r"[^\n]*\n".join([r"\s*-\s*" + _NUMBERS] * 3)
_PRIMITIVE = re.compile(r"^primitive_cell:[^\n]*\n" + _ROWS, re.M)
_FAR = 1.55
"""Nearest distance over sum of atomic radii: 0.9 to 1.2 in solids in Å, 1.7 and more in bohr."""


@dataclass(frozen=True)
class MeshUnits:
    """to_angstrom : of lengths. to_thz : of frequencies. notes : why they are not 1."""

    to_angstrom: float = 1.0
    to_thz: float = 1.0
    notes: tuple[str, ...] = ()


def mesh_units(
    path: Path, header: str, lattice: FloatArray | None, atoms: list[tuple[str, FloatArray]]
) -> MeshUnits:
    """Units of lengths and frequencies.

    header : of the mesh, before its q-points. lattice : (3, 3) as in the file. atoms : symbol and fractional position.

    Raises
    ------
    InputError : a unit is named that is not known.
    """
    file, origin = str(path), "its header"
    stated = _stated(header)
    if not stated:
        for place in beside(path, _YAML).values():
            text = read_packed_text(place, "a yaml of phonopy")[:_HEAD]
            if lattice is None or _same_cell(text, lattice):
                stated, origin = _stated(text), place.name
                stated.pop("frequency", None)
                break
    calculator = stated.get("calculator", "vasp").lower()
    lengths = _length(file, stated, calculator) if stated else None
    notes = []
    if lengths is None and lattice is not None and _in_bohr(lattice, atoms):
        lengths = BOHR
        notes.append(f"{file}: the atoms lie so far apart that the cell is taken to be in bohr")
    elif lengths not in (None, 1.0):
        notes.append(f"{file}: the cell is in bohr, as {origin} says")
    to_thz = 1.0
    if "frequency" in stated:
        to_thz = in_thz(stated["frequency"], file, 1)
    elif "factor" in stated and calculator in _FACTOR:
        to_thz = _ratio(file, stated["factor"], _FACTOR[calculator])
    if to_thz != 1.0:
        notes.append(f"{file}: frequencies are in units of {to_thz:.6g} THz, as {origin} says")
    return MeshUnits(lengths or 1.0, to_thz, tuple(notes))


def _stated(text: str) -> dict[str, str]:
    return {key: m[1] for key, pattern in _STATED.items() if (m := pattern.search(text))}


def _length(file: str, stated: dict[str, str], calculator: str) -> float | None:
    if (name := stated.get("length")) is not None:
        if name.lower() not in _LENGTHS:
            raise wrong(
                file,
                f"the unit of length '{name[:40]}' is not known",
                "write it again with phonopy",
                allowed=", ".join(_LENGTHS),
            )
        return _LENGTHS[name.lower()]
    return 1.0 if calculator in _IN_ANGSTROM else BOHR if calculator in _FACTOR else None


def _ratio(file: str, stated: str, usual: float) -> float:
    try:
        factor = float(stated)
    except ValueError:
        factor = math.nan
    if not 1e-3 < factor < 1e6:
        raise wrong(
            file,
            "the frequency_unit_conversion_factor is not sound",
            "write it again with phonopy",
            value=stated[:40],
        )
    return 1.0 if abs(factor / usual - 1) < 1e-4 else usual / factor


def _same_cell(text: str, lattice: FloatArray) -> bool:
    found = _PRIMITIVE.search(text)
    try:
        cell = np.array([float(x) for x in found.groups()]).reshape(3, 3) if found else None
    except ValueError:
        return False
    return cell is not None and np.allclose(cell, lattice, rtol=1e-5, atol=1e-5)


def _in_bohr(lattice: FloatArray, atoms: list[tuple[str, FloatArray]]) -> bool:
    """Whether no two atoms are near enough for a solid in Å."""
    from pymatgen.core import Element

    if not 0 < len(atoms) <= 500 or not all(Element.is_valid_symbol(s) for s, _ in atoms):
        return False
    elements = [Element(s) for s, _ in atoms]
    radii = np.array([float(e.atomic_radius or 1.5) for e in elements])
    if any(e.is_noble_gas for e in elements):
        return False
    position = np.array([x for _, x in atoms])
    apart = position[None] - position[:, None]
    apart -= np.round(apart)
    images = np.array(list(product((-1, 0, 1), repeat=3)))
    length = np.linalg.norm((apart[:, :, None] + images) @ lattice, axis=-1)
    length[np.arange(len(atoms)), np.arange(len(atoms)), len(images) // 2] = np.inf
    return bool((length.min(axis=2) / (radii[None] + radii[:, None])).min() > _FAR)
